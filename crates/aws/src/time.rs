//! Instants on their way between jiff and the SDK.
//!
//! Neither direction reads a clock. What cannot be said in the other's range is dropped by the
//! caller as an absent value, never bent to a nearby one.

use aws_sdk_rds::primitives::DateTime;
use jiff::Timestamp;

/// To the SDK; its range is the wider one.
pub(crate) fn to_aws(at: Timestamp) -> DateTime {
    let floor = at.as_nanosecond().div_euclid(1_000_000_000);
    let rest = at.as_nanosecond().rem_euclid(1_000_000_000);
    let seconds = i64::try_from(floor).expect("a jiff timestamp's seconds fit into i64");
    let nanos = u32::try_from(rest).expect("a remainder below 10^9 fits into u32");
    DateTime::from_secs_and_nanos(seconds, nanos)
}

/// From the SDK, unless it lies outside the years jiff knows.
pub(crate) fn from_aws(at: &DateTime) -> Option<Timestamp> {
    Timestamp::from_nanosecond(at.as_nanos()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        for text in ["1969-12-31T23:59:58.25Z", "1970-01-01T00:00:00Z", "2026-11-21T10:25:56.123Z"]
        {
            let at: Timestamp = text.parse().unwrap();
            assert_eq!(from_aws(&to_aws(at)), Some(at));
        }
    }

    #[test]
    fn an_instant_beyond_jiff_is_absent() {
        assert_eq!(from_aws(&DateTime::from_secs(i64::MAX)), None);
    }
}
