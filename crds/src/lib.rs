//! crds (under construction)
