//! What this vantage counts about itself. Labels have few values: never a stamp, never an address.

use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeLabelValue},
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

/// The result of something that was tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct ByResult {
    pub(crate) result: ResultLabel,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub(crate) enum ResultLabel {
    Good,
    Bad,
    Unknown,
}

/// All of them; clones share their values.
#[derive(Clone, Debug, Default)]
pub(crate) struct Metrics {
    pub(crate) samples: Family<ByResult, Counter>,
    pub(crate) ticks_missed: Counter,
    pub(crate) report_writes: Family<ByResult, Counter>,
    pub(crate) twin_reports: Counter,
    pub(crate) sighted: Gauge,
    pub(crate) listed: Gauge,
    pub(crate) stamps: Gauge,
}

impl Metrics {
    pub(crate) fn register(&self, registry: &mut Registry) {
        let registry = registry.sub_registry_with_prefix("monitor");
        registry.register("samples", "Probes by what they came to", self.samples.clone());
        registry.register("ticks_missed", "Ticks that nobody took", self.ticks_missed.clone());
        registry.register(
            "report_writes",
            "Writes of the report; Unknown got no answer",
            self.report_writes.clone(),
        );
        registry.register(
            "twin_reports",
            "Times that another monitor wrote the report of this vantage",
            self.twin_reports.clone(),
        );
        registry.register("sighted", "1 while the control targets answer", self.sighted.clone());
        registry.register(
            "listed",
            "1 while the fleet lists this vantage in this region",
            self.listed.clone(),
        );
        registry.register("stamps", "Stamps that are probed", self.stamps.clone());
    }
}
