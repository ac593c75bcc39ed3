//! What a process may ask the register to record: judged by what that process had been shown.

use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

use stamps::{
    failover::{FleetState, Mode, Origin, Phase, Run, StepKind},
    names::{Bucket, Point, RunName, StampName},
    routing::Route,
    time::Now,
};

use super::{Checks, list};

/// Who serves a bucket, read from the register by hand.
pub(super) fn serves<'a>(state: &'a FleetState, home: &'a StampName, bucket: Bucket) -> &'a StampName {
    let entry = state.routes.entries().find(|(name, _)| *name == home);
    match entry.map(|(_, entry)| &entry.route) {
        Some(Route::Redirect { buckets }) => buckets.get(&bucket).unwrap_or(home),
        _ => home,
    }
}

/// How many buckets each stamp serves.
pub(super) fn shares(state: &FleetState) -> BTreeMap<StampName, u32> {
    let mut shares = BTreeMap::new();
    for (home, record) in &state.stamps {
        for bucket in 0..record.buckets {
            *shares.entry(serves(state, home, Bucket(bucket)).clone()).or_insert(0) += 1;
        }
    }
    shares
}

/// Runs whose intent to move traffic this state records for the first time.
pub(super) fn shifts(state: &FleetState) -> impl Iterator<Item = (&RunName, &Run)> {
    state.runs.iter().filter(|(_, run)| {
        run.steps.iter().any(|step| step.kind == StepKind::ShiftTraffic && step.intent == Some(state.point))
    })
}

impl Checks {
    /// A process asks the register to record a state.
    pub fn committing(
        &mut self,
        process: usize,
        base: Option<Point>,
        state: &Rc<FleetState>,
        now: Now,
        now_ms: u64,
    ) {
        let Some(base) = base else { return };
        let shown = self.witnesses[process].shown.contains(&base);
        self.require(shown, "S9 intent before effect", || {
            format!("a commit stands on {base}, which the register has not given back")
        });
        let Some(before) = self.recorded(base) else { return };
        // Taking over what is served moves nothing, wherever it is served.
        if before.restored.is_some() {
            return;
        }
        self.shares_rise_only_where_it_is_well(process, &before, state, now);
        // A run that a person let wait, or that has begun, has started in time.
        let fresh = |name: &&RunName| before.runs.get(*name).is_none_or(|run| run.phase == Phase::Pending);
        for name in shifts(state).map(|(name, _)| name).filter(fresh) {
            let late_ms = self.deadlines.get(name).map_or(0, |by_ms| now_ms.saturating_sub(*by_ms));
            self.require(late_ms <= 1, "S24 no old command", || {
                format!("{name} starts {late_ms} ms after the last moment at which it may")
            });
        }
        let automatic: Vec<Run> = shifts(state)
            .filter(|(_, run)| run.origin == Origin::Engine && run.mode == Mode::Failover)
            .map(|(_, run)| run.clone())
            .collect();
        for run in &automatic {
            let accusers = self.witnesses[process].accusers(&run.subject, now);
            self.require(accusers.len() >= 2, "S7 evidence", || {
                format!(
                    "{} is failed over, and of the 2 other regions that must have said Down for the whole hold {} did{}",
                    run.subject,
                    accusers.len(),
                    if accusers.is_empty() { String::new() } else { format!(": {}", list(&accusers)) }
                )
            });
            self.enough_keep_serving(process, state, now);
        }
        if !automatic.is_empty() {
            self.automatic.push((Rc::clone(state), now_ms));
        }
    }

    fn shares_rise_only_where_it_is_well(
        &mut self,
        process: usize,
        before: &FleetState,
        after: &FleetState,
        now: Now,
    ) {
        if before.routes == after.routes {
            return;
        }
        let old = shares(before);
        for (stamp, share) in shares(after) {
            let was = old.get(&stamp).copied().unwrap_or(0);
            if share > was && before.stamps.contains_key(&stamp) {
                let witness = &self.witnesses[process];
                if !witness.healthy(&stamp, now) {
                    let opinions = witness.opinions(&stamp, now);
                    self.fail(
                        "S22 no raise",
                        format!("the share of {stamp} rises from {was} to {share}, and {opinions}"),
                    );
                }
            }
        }
    }

    fn enough_keep_serving(&mut self, process: usize, state: &FleetState, now: Now) {
        let witness = &self.witnesses[process];
        let Some(fleet) = &witness.fleet else { return };
        let limits = fleet.policy.safety;
        let serving: BTreeSet<StampName> =
            shares(state).into_keys().filter(|stamp| witness.healthy(stamp, now)).collect();
        let enough = serving.len() >= limits.serving_stamps_min as usize;
        self.require(enough, "S5 min serving", || {
            let shares = shares(state).into_iter().map(|(stamp, share)| format!("{stamp} {share}"));
            format!(
                "only {} would keep serving well after an automatic failover (shares: {})",
                list(&serving),
                list(shares)
            )
        });
    }
}
