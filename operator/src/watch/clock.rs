//! What the API server's clock says. Deadlines that begin with an object's creation are counted on it: the creation time is
//! that server's, and this process's own wall clock may be anything.

use std::time::Duration;

use axum::http::{Request, header::DATE};
use chrono::{DateTime, Utc};
use kube::{Client, client::Body};
use stamps::time::{Mono, millis};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::drive::Clock;

/// For one look.
const CALL_TIMEOUT: Duration = Duration::from_secs(2);
/// Between two looks; in between, this process's monotonic clock goes on. They drift apart by milliseconds.
const EVERY: Duration = Duration::from_mins(1);
/// Between two looks until the first has succeeded.
const AT_FIRST: Duration = Duration::from_millis(500);

/// A moment, by the server's clock and by ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ServerTime {
    pub(super) server: DateTime<Utc>,
    pub(super) here: Mono,
}

impl ServerTime {
    /// When it will be `moment` by the server's clock, on ours. What lies before our beginning is our beginning.
    pub(super) fn when(self, moment: DateTime<Utc>) -> Mono {
        let ahead = moment - self.server;
        match ahead.to_std() {
            Ok(ahead) => self.here + ahead,
            Err(_) => Mono(self.here.0.saturating_sub(millis((-ahead).to_std().unwrap_or_default()))),
        }
    }
}

/// Keeps `time` true until `stop`.
pub(super) async fn follow(
    client: Client,
    clock: Clock,
    time: watch::Sender<Option<ServerTime>>,
    stop: CancellationToken,
) {
    loop {
        if let Some(server) = look(&client).await {
            time.send_replace(Some(ServerTime { server, here: clock.now().mono }));
        } else {
            tracing::debug!("the API server did not say what time it is");
        }
        let pause = if time.borrow().is_some() { EVERY } else { AT_FIRST };
        if stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
            return;
        }
    }
}

/// The date of an answer: every HTTP server gives one, and no right is needed to ask for the version.
async fn look(client: &Client) -> Option<DateTime<Utc>> {
    let request = Request::get("/version").body(Body::empty()).ok()?;
    let answer = tokio::time::timeout(CALL_TIMEOUT, client.send(request)).await.ok()?.ok()?;
    let date = answer.headers().get(DATE)?.to_str().ok()?;
    Some(DateTime::parse_from_rfc2822(date).ok()?.to_utc())
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    #[test]
    fn a_deadline_on_the_servers_clock_is_a_moment_on_ours() {
        let server = DateTime::parse_from_rfc2822("Sat, 21 Nov 2026 12:00:00 GMT").unwrap().to_utc();
        let time = ServerTime { server, here: Mono(5_000) };
        assert_eq!(time.when(server + TimeDelta::seconds(10)), Mono(15_000));
        assert_eq!(time.when(server - TimeDelta::seconds(3)), Mono(2_000));
        assert_eq!(time.when(server - TimeDelta::hours(1)), Mono(0), "before we began");
    }
}
