//! Watches at every authoritative server where buckets point, with no cache in between.

use std::{
    net::SocketAddr,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use futures::{StreamExt, stream::FuturesUnordered};
use hickory_proto::rr::RecordType;
use stamps::{
    names::{Bucket, StampName, ZoneName},
    routing::{bucket_host, stamp_host},
};

use crate::{dns::ask, quickstart::StampPlace};

/// Between two looks at one server: short against the seconds that are measured.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A bucket of some stamp.
#[derive(Clone, Debug)]
pub(super) struct BucketName {
    /// What tenants' hosts point to.
    pub(super) name: String,
    /// Where it points when it is at home.
    pub(super) home: String,
}

/// Every bucket of these stamps.
pub(super) fn buckets<'a>(stamps: impl Iterator<Item = &'a StampPlace>, zone: &str) -> Vec<BucketName> {
    let zone = ZoneName::from(format!("{zone}."));
    let of_stamp = |place: &'a StampPlace| {
        let (zone, stamp) = (zone.clone(), StampName::from(place.name.as_str()));
        (0..place.buckets).map(move |bucket| BucketName {
            name: bucket_host(&zone, &stamp, Bucket(bucket)),
            home: stamp_host(&zone, &stamp),
        })
    };
    stamps.flat_map(of_stamp).collect()
}

/// Where buckets should point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// To a stamp outside the region whose buckets these are.
    Away,
    /// To their own stamp.
    Home,
}

/// When every server that answers showed every bucket as wanted, and the servers that do not answer.
#[derive(Debug)]
pub(super) struct Shown {
    pub(super) at: Instant,
    pub(super) silent: Vec<SocketAddr>,
}

/// Waits until every server that answers shows all `buckets`, which are those of one region, as wanted.
pub(super) async fn shown_everywhere(
    servers: &[SocketAddr],
    buckets: &[BucketName],
    wanted: Wanted,
) -> Shown {
    let answering: Vec<AtomicBool> = servers.iter().map(|_| AtomicBool::new(true)).collect();
    let walks = servers.iter().zip(&answering).enumerate().map(|(index, (server, answering))| async move {
        walk(*server, buckets, wanted, answering).await;
        (index, Instant::now())
    });
    let mut walks: FuturesUnordered<_> = walks.collect();
    let mut done: Vec<Option<Instant>> = vec![None; servers.len()];
    loop {
        tokio::select! {
            Some((index, at)) = walks.next() => done[index] = Some(at),
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
        let missing: Vec<usize> = (0..servers.len()).filter(|index| done[*index].is_none()).collect();
        let all_silent = missing.iter().all(|index| !answering[*index].load(Ordering::Relaxed));
        if let Some(at) = done.iter().flatten().max().filter(|_| all_silent) {
            return Shown { at: *at, silent: missing.into_iter().map(|index| servers[index]).collect() };
        }
    }
}

/// From bucket to bucket, staying at each until it is as wanted. Before a shift that asks for one name again and again.
async fn walk(server: SocketAddr, buckets: &[BucketName], wanted: Wanted, answering: &AtomicBool) {
    for bucket in buckets {
        loop {
            let answer = ask(server, &bucket.name, RecordType::CNAME).await;
            answering.store(answer.is_ok(), Ordering::Relaxed);
            if answer.is_ok_and(|answer| shows(&answer.data(RecordType::CNAME), buckets, bucket, wanted)) {
                break;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

fn shows(targets: &[String], region: &[BucketName], bucket: &BucketName, wanted: Wanted) -> bool {
    match (targets, wanted) {
        ([target], Wanted::Home) => *target == bucket.home,
        ([target], Wanted::Away) => region.iter().all(|other| other.home != *target),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn away_means_outside_the_whole_region() {
        let place = |name: &str| StampPlace {
            name: name.to_owned(),
            geode: "weu".to_owned(),
            address: SocketAddr::from(([127, 0, 0, 1], 1)),
            buckets: 2,
        };
        let stamps = [place("weu-1"), place("weu-2")];
        let region = buckets(stamps.iter(), "app.test");
        assert_eq!(region.len(), 4);
        assert_eq!(region[1].name, "b01.weu-1.stamps.app.test.");
        let shows = |target: &str, wanted| shows(&[target.to_owned()], &region, &region[0], wanted);
        assert!(shows("neu-1.at.app.test.", Wanted::Away));
        assert!(!shows("weu-2.at.app.test.", Wanted::Away), "still in the region");
        assert!(shows("weu-1.at.app.test.", Wanted::Home));
        assert!(!shows("weu-2.at.app.test.", Wanted::Home), "not its own stamp");
        assert!(!super::shows(&[], &region, &region[0], Wanted::Away), "no answer is not away");
    }
}
