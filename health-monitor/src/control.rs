//! The self-check: when things that are not ours fail too, the failure is ours.

use std::{sync::Arc, time::Duration};

use futures::future::join_all;
use stamps::verdict::Sight;
use tokio::{
    net::TcpStream,
    sync::{Notify, watch},
    time::{Instant, MissedTickBehavior, interval, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{board::Board, metrics::Metrics};

/// Between two regular checks.
const CHECK_INTERVAL: Duration = Duration::from_secs(2);
/// Between two checks that failures ask for, however many stamps fail at once.
const CHECK_SPACING: Duration = Duration::from_millis(200);
/// For a control target to take a connection.
const CHECK_TIMEOUT: Duration = Duration::from_secs(1);
/// A check under way, the spacing, and a check of one's own; past it a failure stays unconfirmed.
const CONFIRM_TIMEOUT: Duration = Duration::from_millis(2_500);

/// The control targets, as `host:port`.
#[derive(Debug)]
pub(crate) struct Controls {
    targets: Vec<String>,
    last: watch::Sender<Check>,
    asked: Notify,
}

#[derive(Clone, Copy, Debug, Default)]
struct Check {
    began: Option<Instant>,
    sighted: bool,
}

impl Controls {
    pub(crate) fn new(targets: Vec<String>) -> Self {
        Self { targets, last: watch::Sender::new(Check::default()), asked: Notify::new() }
    }

    /// Checks regularly and on demand, until stopped.
    pub(crate) async fn run(self: Arc<Self>, board: Arc<Board>, metrics: Metrics, stop: CancellationToken) {
        if self.targets.is_empty() {
            tracing::warn!("no control target is given: this vantage cannot notice that it is blind");
        }
        let mut regular = interval(CHECK_INTERVAL);
        regular.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = regular.tick() => {}
                () = self.asked.notified() => {}
            }
            let began = Instant::now();
            let sighted = self.check().await;
            if self.last.borrow().sighted != sighted || self.last.borrow().began.is_none() {
                tracing::info!(sighted, "self-check");
            }
            board.set_sight(if sighted { Sight::Sighted } else { Sight::Blind });
            metrics.sighted.set(sighted.into());
            self.last.send_replace(Check { began: Some(began), sighted });
            sleep_until(began + CHECK_SPACING).await;
        }
    }

    /// Whether the control targets answer a check that began after this call: a failure that was seen before it is
    /// then the stamp's. Many callers share one check.
    pub(crate) async fn confirm(&self) -> bool {
        let since = Instant::now();
        let mut last = self.last.subscribe();
        self.asked.notify_one();
        let answer = timeout(CONFIRM_TIMEOUT, last.wait_for(|check| check.began >= Some(since))).await;
        matches!(answer, Ok(Ok(check)) if check.sighted)
    }

    /// At least half of the targets take a connection: one of two may be down by itself.
    async fn check(&self) -> bool {
        let answers = join_all(self.targets.iter().map(|target| async move {
            matches!(timeout(CHECK_TIMEOUT, TcpStream::connect(target)).await, Ok(Ok(_)))
        }))
        .await;
        answers.iter().filter(|up| **up).count() * 2 >= self.targets.len()
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    fn run(targets: Vec<String>) -> (Arc<Controls>, Arc<Board>, CancellationToken) {
        let (controls, board, stop) =
            (Arc::new(Controls::new(targets)), Arc::new(Board::default()), CancellationToken::new());
        tokio::spawn(Arc::clone(&controls).run(Arc::clone(&board), Metrics::default(), stop.clone()));
        (controls, board, stop)
    }

    /// An address that refuses connections.
    async fn closed() -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap().to_string()
    }

    #[tokio::test]
    async fn it_is_blind_when_more_than_half_of_the_controls_fail() {
        let open = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let open = open.local_addr().map(|address| (address.to_string(), open)).unwrap();
        let (half, _, stop_half) = run(vec![open.0.clone(), closed().await]);
        let (blind, _, stop_blind) = run(vec![open.0, closed().await, closed().await]);
        let (none, _, stop_none) = run(Vec::new());
        assert!(half.confirm().await);
        assert!(!blind.confirm().await);
        assert!(none.confirm().await, "nothing to check against");
        for stop in [stop_half, stop_blind, stop_none] {
            stop.cancel();
        }
    }

    #[tokio::test]
    async fn a_failure_is_confirmed_by_a_later_check_only() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (controls, _, _stop) = run(vec![listener.local_addr().unwrap().to_string()]);
        assert!(controls.confirm().await);
        drop(listener);
        assert!(!controls.confirm().await, "the check before does not count");
    }
}
