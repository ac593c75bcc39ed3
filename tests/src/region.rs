//! The regions a testbed plays by default.

/// A region and the short name its stamps carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    /// The name a Geode has.
    pub name: &'static str,
    /// The prefix of the names of its stamps: `weu-1`.
    pub short: &'static str,
}

/// Three, because evidence for leaving one must come from two others.
pub const REGIONS: [Region; 3] = [
    Region { name: "westeurope", short: "weu" },
    Region { name: "northeurope", short: "neu" },
    Region { name: "eastus", short: "eus" },
];
