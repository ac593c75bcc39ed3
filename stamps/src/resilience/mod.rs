//! Patterns that keep a caller from making things worse: pure, with the clock handed in.

use std::time::Duration;

/// The first pause.
const BACKOFF_FIRST_MS: u64 = 100;
/// No pause is longer.
const BACKOFF_MAX_MS: u64 = 30_000;

/// The longest pause before attempt `failures + 1`: 100 ms, doubled each time, at most 30 s. The shell draws a random
/// pause below it (full jitter), so that many callers do not come back together.
pub fn backoff_ceiling(failures: u32) -> Duration {
    let doubled = BACKOFF_FIRST_MS.saturating_mul(1_u64.checked_shl(failures).unwrap_or(u64::MAX));
    Duration::from_millis(doubled.min(BACKOFF_MAX_MS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_half_a_minute() {
        let pauses: Vec<u64> =
            [0, 1, 2, 8, 9, 40, 200].iter().map(|n| crate::time::millis(backoff_ceiling(*n))).collect();
        assert_eq!(pauses, [100, 200, 400, 25_600, 30_000, 30_000, 30_000]);
    }
}
