//! What must come about once faults have healed.

use stamps::{fleet::Routing, names::GeodeName};

use super::{Checks, commit::shares, list, zone};
use crate::{api::Api, dns::Dns, replica::Replica};

impl Checks {
    /// L4: somebody leads, and one only.
    pub fn expect_one_leader(&mut self, replicas: &[Replica]) {
        let leading: Vec<_> = replicas
            .iter()
            .filter(|replica| replica.engine.as_ref().is_some_and(|engine| engine.leading().is_some()))
            .map(|replica| replica.name.clone())
            .collect();
        self.require(leading.len() == 1, "L4 one leader", || {
            format!("{} replicas lead: {}", leading.len(), list(&leading))
        });
    }

    /// L3, L5, L6: runs ended, everything is at home, and every server says so.
    pub fn expect_home(&mut self, api: &Api, dns: &Dns) {
        let Some((state, _)) = &api.register else { return self.fail("L4 one leader", "no register".into()) };
        let running: Vec<String> = state
            .runs
            .iter()
            .filter(|(_, run)| !run.phase.is_end())
            .map(|(name, run)| format!("{name} is {:?}: {}", run.phase, run.reason))
            .collect();
        self.require(running.is_empty(), "L3 runs end", || running.join("; "));
        let away: Vec<_> = shares(state)
            .into_iter()
            .filter(|(stamp, share)| state.stamps.get(stamp).is_none_or(|r| u32::from(r.buckets) != *share))
            .collect();
        self.require(away.is_empty(), "L6 no wedge", || format!("after every failback: {away:?}"));
        self.require(state.out.is_empty(), "L6 no wedge", || {
            format!("everything is home, and {} still count as out", list(state.out.keys()))
        });
        self.expect_shown(api, dns, &[]);
    }

    /// L2: a dead region serves nothing.
    pub fn expect_moved(&mut self, geode: &GeodeName, api: &Api, dns: &Dns) {
        let Some((state, _)) = &api.register else { return };
        let left: Vec<_> = shares(state)
            .into_iter()
            .filter(|(stamp, _)| state.stamps.get(stamp).is_some_and(|record| record.geode == *geode))
            .collect();
        self.require(left.is_empty(), "L2 failed over", || {
            let doubts: Vec<_> =
                state.doubts.iter().map(|(subject, doubt)| (subject, &doubt.held_because)).collect();
            format!("{geode} is dead and serves {left:?}; doubts: {doubts:?}")
        });
        self.expect_shown(api, dns, &[geode]);
    }

    /// L1: every server outside dead regions answers as the register says, if the primary lives.
    fn expect_shown(&mut self, api: &Api, dns: &Dns, dead: &[&GeodeName]) {
        let (Some((state, _)), Some(policy)) = (&api.register, api.fleet.zones.values().next()) else {
            return;
        };
        let is_dead = |at: usize| {
            policy.name_servers.get(at).and_then(|ns| ns.geode.as_ref()).is_some_and(|g| dead.contains(&g))
        };
        if is_dead(dns.primary_at) {
            return;
        }
        for at in (0..policy.name_servers.len()).filter(|at| !is_dead(*at)) {
            let shared = policy.routing == Routing::Shared;
            let missing = zone::missing(state, &policy.name, dns.served(at), shared);
            self.require(missing.is_empty(), "L1 the world follows", || {
                format!(
                    "{} does not answer as {} says: {missing:?}",
                    policy.name_servers[at].name, state.point
                )
            });
        }
    }
}
