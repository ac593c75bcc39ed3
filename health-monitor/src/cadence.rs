//! Fixed rate: tick k is due at start + k intervals, however long the ticks before it took.

use std::time::Duration;

use tokio::time::Instant;

/// The ticks of one target.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cadence {
    start: Instant,
    interval: Duration,
    next: u64,
}

/// The next tick to take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Turn {
    /// Its number.
    pub(crate) index: u64,
    /// When it is due.
    pub(crate) at: Instant,
    /// Ticks before it that nobody took: the one before ran over them, or the process did not run.
    pub(crate) missed: u64,
}

impl Cadence {
    pub(crate) fn new(start: Instant, interval: Duration) -> Self {
        Self { start, interval: interval.max(Duration::from_millis(1)), next: 0 }
    }

    /// A tick that is late is still taken until the one after it is due; older ones are missed.
    pub(crate) fn next(&mut self, now: Instant) -> Turn {
        let since = now.saturating_duration_since(self.start).as_nanos();
        let current = u64::try_from(since / self.interval.as_nanos()).unwrap_or(u64::MAX);
        let index = current.max(self.next);
        let turn = Turn { index, at: self.due(index), missed: index - self.next };
        self.next = index + 1;
        turn
    }

    fn due(&self, index: u64) -> Instant {
        let nanos = self.interval.as_nanos().saturating_mul(index.into());
        self.start + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_holds_whatever_a_tick_takes() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut cadence = Cadence::new(start, Duration::from_secs(1));
        let mut turn = |now| {
            let turn = cadence.next(at(now));
            (turn.index, turn.at.duration_since(start).as_millis(), turn.missed)
        };
        assert_eq!(turn(0), (0, 0, 0));
        assert_eq!(turn(300), (1, 1_000, 0));
        assert_eq!(turn(2_050), (2, 2_000, 0), "late, and still in its slot");
        assert_eq!(turn(5_500), (5, 5_000, 2), "3 and 4 are over");
        assert_eq!(turn(5_600), (6, 6_000, 0));
        assert_eq!(turn(66_000), (66, 66_000, 59));
    }
}
