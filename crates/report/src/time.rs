//! Instants and spans as an auditor reads them. UTC throughout.

use jiff::{SignedDuration, Timestamp};

/// `2026-11-21 10:25:52 UTC`.
pub(crate) fn instant(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// `10:25:52.1`: within a page that says the day.
pub(crate) fn clock(at: Timestamp) -> String {
    at.strftime("%H:%M:%S%.1f").to_string()
}

/// From one instant to a later one; nothing when it is not later.
pub(crate) fn between(from: Timestamp, to: Timestamp) -> SignedDuration {
    to.duration_since(from).max(SignedDuration::ZERO)
}

/// `350 ms`, `12.3 s`, `3 min 5 s`, `2 h 5 min`, `3 d 4 h`.
pub(crate) fn span(span: SignedDuration) -> String {
    let (seconds, millis) = (span.as_secs(), span.subsec_millis());
    match seconds {
        0 => format!("{millis} ms"),
        1..60 if millis == 0 => format!("{seconds} s"),
        1..60 => format!("{seconds}.{} s", millis / 100),
        60..3_600 => two((seconds / 60, "min"), (seconds % 60, "s")),
        3_600..86_400 => two((seconds / 3_600, "h"), (seconds % 3_600 / 60, "min")),
        _ => two((seconds / 86_400, "d"), (seconds % 86_400 / 3_600, "h")),
    }
}

fn two((large, unit): (i64, &str), (small, minor): (i64, &str)) -> String {
    if small == 0 { format!("{large} {unit}") } else { format!("{large} {unit} {small} {minor}") }
}

/// How long it took, in words.
pub(crate) fn took(from: Timestamp, to: Timestamp) -> String {
    span(between(from, to))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_two_units_at_most() {
        for (millis, text) in [
            (0, "0 ms"),
            (999, "999 ms"),
            (30_000, "30 s"),
            (1_050, "1.0 s"),
            (59_990, "59.9 s"),
            (185_000, "3 min 5 s"),
            (7_200_000, "2 h"),
            (273_600_000, "3 d 4 h"),
        ] {
            assert_eq!(span(SignedDuration::from_millis(millis)), text);
        }
    }

    #[test]
    fn what_is_not_later_takes_no_time() {
        let at = Timestamp::from_second(1_800_000_000).unwrap();
        let before = Timestamp::from_second(1_799_999_000).unwrap();
        assert_eq!(took(at, before), "0 ms");
        assert_eq!(instant(at), "2027-01-15 08:00:00 UTC");
        assert_eq!(clock(at), "08:00:00.0");
    }
}
