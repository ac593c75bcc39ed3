//! Picture and scores -> the snapshot that the status API serves, and whether this replica is ready.

use std::{sync::Arc, time::Duration};

use chrono::Utc;
use stamps::{
    failover::{Picture, RegisterLife},
    view::{Scores, Views},
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::status_api::Snapshot;

/// The shortest time between two snapshots: a page cannot show more, and views cost some work.
const PAUSE: Duration = Duration::from_millis(200);

/// A snapshot of nothing yet.
pub fn nothing() -> Snapshot {
    snapshot(&Picture::default(), &Scores::new())
}

/// Makes snapshots until `stop`.
pub async fn run(
    mut pictures: watch::Receiver<Option<Arc<Picture>>>,
    mut scores: watch::Receiver<Scores>,
    snapshots: watch::Sender<Arc<Snapshot>>,
    stop: CancellationToken,
) {
    loop {
        let news = async {
            tokio::time::sleep(PAUSE).await;
            tokio::select! {
                pictured = pictures.changed() => pictured.is_ok(),
                scored = scores.changed() => scored.is_ok(),
            }
        };
        // A sender that is gone means that the process ends.
        if stop.run_until_cancelled(news).await != Some(true) {
            return;
        }
        let Some(picture) = pictures.borrow_and_update().clone() else { continue };
        let snapshot = snapshot(&picture, &scores.borrow_and_update());
        snapshots.send_replace(Arc::new(snapshot));
    }
}

fn snapshot(picture: &Picture, scores: &Scores) -> Snapshot {
    let mut missing = Vec::new();
    if picture.fleet.is_none() {
        missing.push("no valid Fleet object named fleet has been seen; apply one".to_owned());
    }
    if let RegisterLife::TooNew { .. } = picture.register {
        missing.extend(picture.register.sentence());
    }
    if picture.state.is_none() {
        missing.push("the register has not been read yet".to_owned());
    }
    Snapshot {
        views: Views::of(picture, scores),
        ready: if missing.is_empty() { Ok(()) } else { Err(missing) },
        generated_at: Utc::now(),
    }
}
