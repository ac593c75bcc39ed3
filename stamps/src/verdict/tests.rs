use std::time::Duration;

use proptest::prelude::*;

mod flapping;
mod judging;
mod laws;
mod packing;
mod smoothing;

use super::*;
use crate::{
    fixtures,
    fleet::{Detection, Fleet},
    names::{StampName, VantageName},
};

const REFUSED: Failure = Failure { class: FailureClass::Refused, phase: Phase::Connect };

/// A strip from text, oldest tick first: `+` good, `-` bad, `?` unknown.
fn strip(ticks: &str) -> Strip {
    let mut strip = Strip::default();
    for tick in ticks.chars() {
        strip.push(match tick {
            '+' => Tick::Good,
            '-' => Tick::Bad,
            _ => Tick::Unknown,
        });
    }
    strip
}

fn detection() -> Detection {
    fixtures::fleet(3, 1).policy.detection
}

fn smooth(ticks: &str) -> (Voice, u8) {
    let smoothed = strip(ticks).smooth(&detection());
    (smoothed.voice, smoothed.ticks)
}

fn sample(ticks: &str) -> Sample {
    let strip = strip(ticks);
    Sample {
        strip,
        ever_passed: true,
        last_failure: ticks.contains('-').then_some(REFUSED),
        ..Sample::default()
    }
}

/// Every vantage of the fleet reports, with what `see` gives for it and a stamp.
fn table(fleet: &Fleet, see: impl Fn(&VantageName, &StampName) -> Sample) -> Table {
    let mut table = Table::default();
    for (vantage, region) in &fleet.vantages {
        let samples = fleet.stamps.keys().map(|stamp| (stamp.clone(), see(vantage, stamp))).collect();
        let report =
            Report { vantage: vantage.clone(), region: region.clone(), sight: Sight::Sighted, samples };
        table.put(report, true);
    }
    table
}

/// `down_for` are the vantages that see stamps of weu fail for four ticks after they became Down.
fn weu_down_for(fleet: &Fleet, down_for: &[&str]) -> Table {
    table(fleet, |vantage, stamp| {
        if stamp.as_str().starts_with("weu") && down_for.contains(&vantage.as_str()) {
            sample("+++++-------")
        } else {
            sample("++++++++++++")
        }
    })
}
