//! health-monitor (under construction)
