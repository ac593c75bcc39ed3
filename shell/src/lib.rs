//! shell (under construction)
