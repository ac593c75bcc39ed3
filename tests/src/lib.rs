//! tests (under construction)
