//! Instants and spans as people read them. UTC throughout: the people of a move are not all in
//! one place.

use std::time::Duration;

use jiff::Timestamp;

/// `2026-11-21 10:25:52Z`.
pub(crate) fn instant(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}

/// `10:25:52`.
pub(crate) fn clock(at: Timestamp) -> String {
    at.strftime("%H:%M:%S").to_string()
}

/// `2026-11-21`.
pub(crate) fn day(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d").to_string()
}

/// From one instant to a later one; nothing when the clocks disagree.
pub(crate) fn between(from: Timestamp, to: Timestamp) -> Duration {
    Duration::try_from(to.duration_since(from)).unwrap_or_default()
}

/// A limit without the milliseconds that its computing took.
pub(crate) fn nearest(duration: Duration) -> Duration {
    if duration.as_secs() < 5 {
        return duration;
    }
    Duration::from_secs((duration + Duration::from_millis(500)).as_secs())
}

/// `850 ms`, `12.3 s`, `3 m 05 s`, `2 h 10 m`, `3 d 04 h`: two units at most.
pub(crate) fn span(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    if seconds < 1 {
        format!("{} ms", duration.as_millis())
    } else if minutes < 1 {
        match duration.subsec_millis() / 100 {
            0 => format!("{seconds} s"),
            tenths => format!("{seconds}.{tenths} s"),
        }
    } else if hours < 1 {
        format!("{minutes} m {:02} s", seconds % 60)
    } else if days < 1 {
        format!("{hours} h {:02} m", minutes % 60)
    } else {
        format!("{days} d {:02} h", hours % 24)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_two_units_at_most() {
        for (millis, text) in [
            (0, "0 ms"),
            (999, "999 ms"),
            (1_250, "1.2 s"),
            (30_000, "30 s"),
            (59_999, "59.9 s"),
            (185_000, "3 m 05 s"),
            (7_800_000, "2 h 10 m"),
            (273_600_000, "3 d 04 h"),
        ] {
            assert_eq!(span(Duration::from_millis(millis)), text);
        }
    }

    #[test]
    fn a_clock_that_went_back_is_no_span() {
        let (early, late) = (Timestamp::UNIX_EPOCH, Timestamp::MAX);
        assert_eq!(between(late, early), Duration::ZERO);
    }
}
