//! Durations as people say them: one or two units, no more.

use std::time::Duration;

/// `40 s`, `5 min`, `3 h 20 min`, `2 days 4 h`.
pub fn span(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    let two = |large: u64, unit: &str, small: u64, other: &str| {
        if small == 0 {
            format!("{large} {unit}")
        } else {
            format!("{large} {unit} {small} {other}")
        }
    };
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, minutes) => two(minutes, "min", if minutes < 10 { seconds % 60 } else { 0 }, "s"),
        (0, hours, _) => two(hours, "h", minutes % 60, "min"),
        (1, ..) => two(1, "day", hours % 24, "h"),
        (days, ..) => two(days, "days", hours % 24, "h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_units_at_most() {
        let cases = [
            (0, "0 s"),
            (59, "59 s"),
            (90, "1 min 30 s"),
            (630, "10 min"),
            (3_600, "1 h"),
            (12_000, "3 h 20 min"),
            (90_000, "1 day 1 h"),
            (187_200, "2 days 4 h"),
        ];
        for (seconds, expected) in cases {
            assert_eq!(span(Duration::from_secs(seconds)), expected);
        }
    }
}
