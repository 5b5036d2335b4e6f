//! Whether a value is allowed, in AWS's notation: `1-100`, `a,b,c`, `0,1`, or free text.

/// How a value fits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fit {
    /// Allowed, or for AWS to judge.
    AsIs,
    /// The same value under another spelling: `on` where `0,1` is asked.
    Spelt(String),
    /// The nearest number that is allowed.
    Adjusted(String),
    /// A list without what is not allowed.
    Without {
        /// What is left.
        value: String,
        /// What is not taken.
        refused: Vec<String>,
    },
    /// Not allowed, and nothing is near.
    Refused,
}

/// Fits a value into what is allowed.
pub(super) fn fitted(value: &str, allowed: Option<&str>) -> Fit {
    let Some(allowed) = allowed.filter(|allowed| !allowed.is_empty()) else { return Fit::AsIs };
    if let Some((low, high)) = range(allowed) {
        // A text where a number is asked is for AWS to judge.
        return value.parse::<f64>().map_or(Fit::AsIs, |number| between(number, low, high));
    }
    if !allowed.contains(',') {
        return Fit::AsIs;
    }
    let words: Vec<&str> = allowed.split(',').map(str::trim).collect();
    if value.contains(',') {
        return list(value, &words);
    }
    match words.iter().find(|word| same_word(word, value)) {
        Some(word) if word.eq_ignore_ascii_case(value.trim()) => Fit::AsIs,
        Some(word) => Fit::Spelt((*word).to_owned()),
        None => Fit::Refused,
    }
}

fn between(number: f64, low: f64, high: f64) -> Fit {
    if number < low {
        Fit::Adjusted(format!("{low}"))
    } else if number > high {
        Fit::Adjusted(format!("{high}"))
    } else {
        Fit::AsIs
    }
}

/// A list of words, such as libraries: those that are not allowed are left away.
fn list(value: &str, words: &[&str]) -> Fit {
    let asked = || value.split(',').map(str::trim).filter(|one| !one.is_empty());
    let allowed = |one: &&str| words.iter().any(|word| word.eq_ignore_ascii_case(one));
    let refused: Vec<String> = asked().filter(|one| !allowed(one)).map(str::to_owned).collect();
    if refused.is_empty() {
        return Fit::AsIs;
    }
    let left: Vec<&str> = asked().filter(allowed).collect();
    if left.is_empty() { Fit::Refused } else { Fit::Without { value: left.join(","), refused } }
}

fn same_word(allowed: &str, value: &str) -> bool {
    let truth = |text: &str| match text.trim().to_ascii_lowercase().as_str() {
        "1" | "on" | "true" | "yes" => Some(true),
        "0" | "off" | "false" | "no" => Some(false),
        _ => None,
    };
    let (allowed, value) = (allowed.trim(), value.trim());
    allowed.eq_ignore_ascii_case(value)
        || truth(allowed).zip(truth(value)).is_some_and(|(a, b)| a == b)
}

fn range(allowed: &str) -> Option<(f64, f64)> {
    let split = allowed.char_indices().skip(1).find(|(_, c)| *c == '-').map(|(at, _)| at)?;
    let low = allowed.get(..split)?.trim().parse().ok()?;
    let high = allowed.get(split + 1..)?.trim().parse().ok()?;
    Some((low, high))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_notation_is_read() {
        let without = |value: &str, refused: &str| Fit::Without {
            value: value.to_owned(),
            refused: vec![refused.to_owned()],
        };
        let cases = [
            ("5", "1-100", Fit::AsIs),
            ("0", "1-100", Fit::Adjusted("1".to_owned())),
            ("-2", "-1-100", Fit::Adjusted("-1".to_owned())),
            ("0.5", "0-1", Fit::AsIs),
            ("1GB", "1-100", Fit::AsIs),
            ("on", "0,1", Fit::Spelt("1".to_owned())),
            ("1", "0,1", Fit::AsIs),
            ("OFF", "on,off", Fit::AsIs),
            ("some", "none,ddl,mod,all", Fit::Refused),
            ("pg_cron,plrust", "pg_cron,pgaudit", without("pg_cron", "plrust")),
            ("pg_cron, pgaudit", "pg_cron,pgaudit", Fit::AsIs),
            ("plrust,pg_tle2", "pg_cron,pgaudit", Fit::Refused),
            ("anything", "", Fit::AsIs),
            ("anything", "[a-z]+", Fit::AsIs),
        ];
        for (value, allowed, expected) in cases {
            assert_eq!(fitted(value, Some(allowed)), expected, "{value} in {allowed}");
        }
        assert_eq!(fitted("x", None), Fit::AsIs);
    }
}
