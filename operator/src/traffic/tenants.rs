//! The host names of tenants: set once, at placement, and never moved by a run.

use std::collections::BTreeMap;

use stamps::{
    names::{Fence, ZoneName},
    routing::{Answer, Outcome},
};

use super::{
    absolute, below,
    plan::{Foreign, Limits},
    update::{DnsUpdate, Settled},
};

/// A batch of tenants. 100 aliases with their marks need about 30 KiB, so that a batch is one message, and a run that
/// has something urgent to write waits for one message at most.
const BATCH: Limits = Limits { names_max: 100, bytes_max: Limits::DEFAULT.bytes_max };

/// What became of a request to claim host names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    /// How the last batch ended; the batches after one that did not end well were not tried. Foreign names do not count.
    pub outcome: Outcome,
    /// Hosts that answer as asked now.
    pub held: Vec<String>,
    /// Hosts that somebody else made or owns.
    pub foreign: Vec<Foreign>,
    /// Hosts that do not lie below the zone: their alias is their owner's to set.
    pub outside: Vec<String>,
}

impl DnsUpdate {
    /// Points each tenant's host to the host of its bucket, `hosts` being pairs of the two.
    pub async fn claim_hosts(&self, hosts: &[(String, String)], fence: &Fence) -> Claims {
        let (ours, outside) = aliases(&self.zone.name, hosts, self.zone.address_ttl_s);
        let mut claims = Claims { outcome: Outcome::Done, held: Vec::new(), foreign: Vec::new(), outside };
        let ours: Vec<(String, Answer)> = ours.into_iter().collect();
        for batch in ours.chunks(BATCH.names_max) {
            let desired: BTreeMap<String, Answer> = batch.iter().cloned().collect();
            let Settled { outcome, foreign } = self.settle(&desired, fence.into(), BATCH).await;
            claims.outcome = outcome;
            if claims.outcome != Outcome::Done {
                return claims;
            }
            let left_alone = |name: &String| foreign.iter().any(|other| other.name == *name);
            claims.held.extend(desired.into_keys().filter(|name| !left_alone(name)));
            claims.foreign.extend(foreign);
        }
        claims
    }
}

/// The aliases that lie below `zone`, in order, and the hosts that do not. A host that is listed twice keeps its last.
fn aliases(
    zone: &ZoneName,
    hosts: &[(String, String)],
    ttl_s: u32,
) -> (BTreeMap<String, Answer>, Vec<String>) {
    let mut ours = BTreeMap::new();
    let mut outside = Vec::new();
    for (host, bucket_host) in hosts {
        let name = absolute(host);
        if below(zone, &name) {
            ours.insert(name, Answer::Alias { target: absolute(bucket_host), ttl_s });
        } else {
            outside.push(host.clone());
        }
    }
    (ours, outside)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_outside_the_zone_are_left_to_their_owners() {
        let zone = ZoneName::from("app.test.");
        let hosts =
            [("Acme.app.test", "b00.weu-1.stamps.app.test"), ("www.acme.test", "b01.weu-1.stamps.app.test.")]
                .map(|(host, bucket)| (host.to_owned(), bucket.to_owned()));
        let (ours, outside) = aliases(&zone, &hosts, 300);
        let target = "b00.weu-1.stamps.app.test.".to_owned();
        assert_eq!(ours, BTreeMap::from([("acme.app.test.".into(), Answer::Alias { target, ttl_s: 300 })]));
        assert_eq!(outside, ["www.acme.test"]);
    }
}
