//! Waiting for a condition, with a bound and the last thing seen.

use std::{fmt::Display, time::Duration};

use anyhow::bail;
use tokio::time::{Instant, sleep, timeout_at};

/// How often a condition is looked at: short against every time that scenarios measure.
const POLL_EVERY: Duration = Duration::from_millis(50);

/// Asks `probe` until it answers `Ok`, at most for `bound`. Its `Err` says what it saw instead.
pub async fn until<T, E, F, P>(what: &str, bound: Duration, mut probe: P) -> anyhow::Result<T>
where
    E: Display,
    F: Future<Output = Result<T, E>>,
    P: FnMut() -> F,
{
    let deadline = Instant::now() + bound;
    let mut seen = "nothing yet".to_owned();
    loop {
        // The bound holds for a probe that hangs, too.
        match timeout_at(deadline, probe()).await {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(state)) => seen = format!("{state:#}"),
            Err(_) => bail!("waited {bound:?} for {what}; the last look did not end; before it: {seen}"),
        }
        if Instant::now() >= deadline {
            bail!("waited {bound:?} for {what}; last seen: {seen}");
        }
        sleep(POLL_EVERY).await;
    }
}

/// Like [`until`], for scenarios.
///
/// # Panics
/// With the sentence that says what was waited for and seen, when the bound has passed.
pub async fn wait_for<T, E, F, P>(what: &str, bound: Duration, probe: P) -> T
where
    E: Display,
    F: Future<Output = Result<T, E>>,
    P: FnMut() -> F,
{
    match until(what, bound, probe).await {
        Ok(value) => value,
        #[expect(clippy::panic, reason = "a scenario fails by panicking")]
        Err(error) => panic!("{error:#}"),
    }
}
