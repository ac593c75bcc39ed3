//! What the demo measured; `docs/demo-report.md` says what each number is.

use std::{fs, path::Path};

use anyhow::Context;
use serde::Serialize;

use super::narrate::Moment;

/// Numbers of one demo. None: it was not seen to happen.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report {
    /// From the region's death to the first doubt in the register.
    pub(super) detected_after_ms: Option<u64>,
    /// From the region's death to the commit that records the shift.
    pub(super) decided_after_ms: Option<u64>,
    /// From the region's death to every answering server showing every bucket elsewhere.
    pub(super) shifted_after_ms: Option<u64>,
    /// From asking for the failback to every answering server showing every bucket at home.
    pub(super) failed_back_after_ms: Option<u64>,
    /// Of clients.
    pub(super) requests: Requests,
    /// What became of tenants.
    pub(super) tenants: Tenants,
    /// Writes of the operator at the API server between the region's death and the run's end.
    pub(super) api_writes: u64,
    /// The story.
    pub(super) timeline: Vec<Moment>,
}

/// Requests of clients.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Requests {
    /// All.
    pub(super) total: u64,
    /// Those that failed.
    pub(super) failed: u64,
    /// Those that failed after the shift and one TTL.
    pub(super) failed_after_shift: FailedAfterShift,
}

/// By manners.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct FailedAfterShift {
    /// Of clients that honour TTLs.
    pub(super) polite: u64,
    /// Of clients that do not.
    pub(super) rude: u64,
}

/// What became of tenants.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Tenants {
    /// All.
    pub(super) total: usize,
    /// Served by another stamp after the shift than before.
    pub(super) moved: usize,
    /// Not served after the shift or after the failback, or without the home they had.
    pub(super) lost: usize,
}

impl Report {
    /// Writes it.
    pub(super) fn write(&self, path: &Path) -> anyhow::Result<()> {
        let text = serde_json::to_string_pretty(self)?;
        fs::write(path, text + "\n").with_context(|| format!("write {}", path.display()))
    }

    /// Sentences about promises that do not hold.
    pub(super) fn broken_promises(&self) -> Vec<String> {
        let mut broken = Vec::new();
        let mut unless = |held: bool, sentence: String| {
            if !held {
                broken.push(sentence);
            }
        };
        let polite = self.requests.failed_after_shift.polite;
        unless(
            self.shifted_after_ms.is_some(),
            "the buckets of the dead region were not seen elsewhere at every name server".to_owned(),
        );
        unless(
            self.failed_back_after_ms.is_some(),
            "the buckets were not seen at home again at every name server".to_owned(),
        );
        unless(
            polite == 0,
            format!("{polite} requests of polite clients failed after the shift and one TTL"),
        );
        unless(self.tenants.lost == 0, format!("{} tenants were lost", self.tenants.lost));
        broken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_broken_promise_has_its_sentence() {
        let good =
            Report { shifted_after_ms: Some(5000), failed_back_after_ms: Some(300), ..Report::default() };
        assert!(good.broken_promises().is_empty());
        let mut bad = good.clone();
        bad.shifted_after_ms = None;
        assert_eq!(bad.broken_promises().len(), 1);
        bad.failed_back_after_ms = None;
        bad.tenants.lost = 2;
        bad.requests.failed_after_shift.polite = 1;
        assert_eq!(bad.broken_promises().len(), 4);
        bad.requests.failed_after_shift.rude = 100;
        assert_eq!(bad.broken_promises().len(), 4, "nobody promised rude clients anything");
    }

    #[test]
    fn the_fields_are_the_documented_ones() {
        let report = serde_json::to_value(Report::default()).unwrap();
        let documented = include_str!("../../../docs/demo-report.md");
        for field in report.as_object().unwrap().keys() {
            assert!(documented.contains(&format!("`{field}")), "{field}");
        }
    }
}
