//! Stamps.

use std::net::IpAddr;

use serde::Serialize;

use super::{
    Alarm, Scores, Share,
    geode::{self, EvacuatedView, RegionView},
    shares,
};
use crate::{
    availability::{Reading, Score, minutes},
    failover::{Picture, Subject},
    fleet::{DataMode, StampLifecycle},
    names::{GeodeName, RegionName, StampName, VantageName},
    time::millis,
    verdict::{Finding, Silence, Verdict, Voice},
};

/// A scale unit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StampView {
    /// Its name.
    pub name: StampName,
    /// Where it stands.
    pub geode: GeodeName,
    /// Where it is in its life.
    pub lifecycle: StampLifecycle,
    /// Who may write its data.
    pub data: DataMode,
    /// What DNS publishes for it.
    pub addresses: Vec<IpAddr>,
    /// What the regions outside say.
    pub verdict: Verdict,
    /// The same with its numbers.
    pub sentence: String,
    /// Who sees a failure that nothing follows from yet, since when, and what is missing.
    pub advisory: Option<String>,
    /// How available it was.
    pub score: ScoreView,
    /// Buckets that it serves now.
    pub share: Share,
    /// Buckets that are at home here.
    pub home_buckets: u16,
    /// Set while a run has emptied it by itself, not with its geode.
    pub evacuated: Option<EvacuatedView>,
    /// What every region says about it.
    pub regions: Vec<RegionView>,
    /// What every vantage says about it.
    pub vantages: Vec<VoteView>,
    /// Why it is not well, and what to do.
    pub alarm: Option<Alarm>,
}

/// How available a stamp was in the last 30 days.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ScoreView {
    /// Nines, the lower of uptime and success; `-` if there are none to show.
    pub nines: String,
    /// Why there are none, or the interval that unknown time leaves.
    pub reason: Option<String>,
    /// Nines by slices of ten seconds.
    pub uptime: Option<String>,
    /// Nines by samples.
    pub success: Option<String>,
    /// Minutes down, one decimal below ten.
    pub minutes_down: String,
    /// Minutes that nobody can tell about.
    pub minutes_unknown: String,
    /// Outages that began in the window.
    pub episodes: u64,
    /// The counts behind all that.
    pub counts: Option<Score>,
}

/// What one vantage says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VoteView {
    /// Who.
    pub vantage: VantageName,
    /// Where it stands.
    pub region: RegionName,
    /// What it says.
    pub voice: Voice,
    /// For how long, in milliseconds.
    pub lasting_ms: u64,
    /// How often it has seen it fall lately, as far back as its strip goes.
    pub falls: u8,
    /// For how long it must still see it well to say Up, in milliseconds; zero unless it says Recovering.
    pub up_in_ms: u64,
    /// The newest failure that it saw, with the phase it got to.
    pub last_failure: Option<String>,
    /// Why it says nothing.
    pub silence: Option<Silence>,
}

pub(super) fn all(picture: &Picture, scores: &Scores) -> Vec<StampView> {
    let Some(fleet) = &picture.fleet else { return Vec::new() };
    let (shares, all) = shares(picture);
    let mut stamps: Vec<StampView> = fleet
        .stamps
        .values()
        .map(|stamp| {
            let finding = picture.assessment.stamps.get(&stamp.name);
            let served = shares.get(&stamp.name).copied().unwrap_or_default();
            let subject = Subject::Stamp(stamp.name.clone());
            let evacuated = geode::evacuated(picture, &subject);
            StampView {
                name: stamp.name.clone(),
                geode: stamp.geode.clone(),
                lifecycle: stamp.lifecycle,
                data: stamp.data,
                addresses: stamp.addresses.clone(),
                verdict: finding.map(|finding| finding.verdict).unwrap_or_default(),
                sentence: finding.map_or_else(geode::not_judged, |finding| finding.sentence.clone()),
                advisory: finding.and_then(|finding| finding.advisory.clone()),
                score: ScoreView::of(scores.get(&stamp.name)),
                share: Share::new(served, all),
                home_buckets: stamp.buckets,
                alarm: geode::alarm(&subject, finding, evacuated.is_some(), served),
                evacuated,
                regions: geode::regions(finding),
                vantages: votes(finding),
            }
        })
        .collect();
    stamps.sort_by(|a, b| (&a.geode, &a.name).cmp(&(&b.geode, &b.name)));
    stamps
}

fn votes(finding: Option<&Finding>) -> Vec<VoteView> {
    let votes = finding.iter().flat_map(|finding| &finding.votes);
    votes
        .map(|(vantage, vote)| VoteView {
            vantage: vantage.clone(),
            region: vote.region.clone(),
            voice: vote.voice,
            lasting_ms: millis(vote.lasting),
            falls: vote.falls,
            up_in_ms: millis(vote.up_in),
            last_failure: vote.failure.map(|failure| failure.to_string()),
            silence: vote.silence,
        })
        .collect()
}

impl ScoreView {
    fn of(score: Option<&Score>) -> Self {
        let none = Reading::CollectingSamples { have: 0, need: crate::availability::COLLECT_SLICES };
        let headline = score.map_or(none, |score| score.headline);
        let tally = score.map(|score| score.tally).unwrap_or_default();
        Self {
            nines: headline.short(),
            reason: headline.reason(),
            uptime: score.and_then(|score| score.uptime).map(|nines| nines.to_string()),
            success: score.and_then(|score| score.success).map(|nines| nines.to_string()),
            minutes_down: minutes(tally.bad),
            minutes_unknown: minutes(tally.unknown),
            episodes: tally.episodes,
            counts: score.copied(),
        }
    }

    /// Nines with what belongs behind them.
    pub fn text(&self) -> String {
        match &self.reason {
            None => self.nines.clone(),
            Some(reason) if self.nines == "-" => format!("- {reason}"),
            Some(reason) => format!("{} ({reason})", self.nines),
        }
    }
}
