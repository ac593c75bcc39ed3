//! stamps (under construction)
