//! The border between the domain's time (chrono) and that of the Kubernetes types (jiff). Nothing else names jiff.

use chrono::{DateTime, Utc};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, Time};

/// Kubernetes stores whole seconds: cut here, so that what was written equals what is read back.
pub fn to_k8s(at: DateTime<Utc>) -> Time {
    Time(timestamp(at.timestamp(), 0))
}

/// Microseconds are kept, as in a Lease.
pub fn to_k8s_micro(at: DateTime<Utc>) -> MicroTime {
    let micros = at.timestamp_subsec_micros().min(999_999);
    MicroTime(timestamp(at.timestamp(), i32::try_from(micros * 1_000).unwrap_or(0)))
}

/// The domain's time of a Kubernetes time.
pub fn from_k8s(at: &Time) -> DateTime<Utc> {
    domain(at.0)
}

/// The domain's time of a Kubernetes time with microseconds.
pub fn from_k8s_micro(at: &MicroTime) -> DateTime<Utc> {
    domain(at.0)
}

/// chrono reaches further than jiff; what lies beyond the year 9999 is cut to jiff's end.
fn timestamp(seconds: i64, nanos: i32) -> Timestamp {
    Timestamp::new(seconds, nanos).unwrap_or(if seconds < 0 { Timestamp::MIN } else { Timestamp::MAX })
}

/// Never fails: every time of jiff is one of chrono.
fn domain(at: Timestamp) -> DateTime<Utc> {
    let nanos = at.subsec_nanosecond();
    // jiff counts both parts towards zero; chrono wants the fraction forward.
    let (seconds, nanos) =
        if nanos < 0 { (at.as_second() - 1, nanos + 1_000_000_000) } else { (at.as_second(), nanos) };
    DateTime::from_timestamp(seconds, u32::try_from(nanos).unwrap_or(0)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn kubernetes_time_is_cut_to_the_second() {
        assert_eq!(from_k8s(&to_k8s(at("2026-11-21T12:00:00.987654Z"))), at("2026-11-21T12:00:00Z"));
    }

    #[test]
    fn micro_time_keeps_its_fraction_on_both_sides_of_1970() {
        for text in ["2026-11-21T12:00:00.987654Z", "1969-12-31T23:59:59.250000Z"] {
            assert_eq!(from_k8s_micro(&to_k8s_micro(at(text))), at(text));
        }
    }

    #[test]
    fn a_time_beyond_the_other_library_is_cut_and_does_not_fail() {
        assert_eq!(to_k8s(DateTime::<Utc>::MAX_UTC).0, Timestamp::MAX);
    }
}
