//! simulator (under construction)
