//! Bytes and durations as people write them: `64MiB`, `5m`, `72h`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize};

/// A number of bytes. In JSON a number; in a spec also `64MiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize)]
#[serde(transparent)]
pub struct ByteCount(pub u64);

impl ByteCount {
    /// One WAL segment on RDS, the height of the lag's saw-tooth.
    pub const RDS_SEGMENT: Self = Self::mebi(64);

    /// A count in MiB.
    #[must_use]
    pub const fn mebi(count: u64) -> Self {
        Self(count << 20)
    }
}

/// Aurora capacity units, which AWS counts in halves. In JSON and in a spec a number such as 0.5.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Acu {
    halves: u16,
}

impl Acu {
    /// A whole number of units.
    #[must_use]
    pub const fn whole(units: u16) -> Self {
        Self { halves: units.saturating_mul(2) }
    }

    /// A number in steps of a half, none other.
    #[must_use]
    pub fn from_number(number: f64) -> Option<Self> {
        let exact = |halves: &u16| (f64::from(*halves) - number * 2.0).abs() < 1e-9;
        (0..=1_024).find(exact).map(|halves| Self { halves })
    }

    /// The number, as APIs take it.
    #[must_use]
    pub fn number(self) -> f64 {
        f64::from(self.halves) / 2.0
    }
}

impl fmt::Display for Acu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.number())
    }
}

impl Serialize for Acu {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.number())
    }
}

impl<'de> Deserialize<'de> for Acu {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = f64::deserialize(deserializer)?;
        Self::from_number(number).ok_or_else(|| {
            let words = format!("{number} is no capacity; write a number in steps of 0.5");
            serde::de::Error::custom(words)
        })
    }
}

const UNITS: [(&str, u64); 4] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

impl fmt::Display for ByteCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (unit, size) in UNITS {
            if self.0 >= size {
                let (whole, tenth) = (self.0 / size, self.0 % size * 10 / size);
                return if tenth == 0 {
                    write!(f, "{whole} {unit}")
                } else {
                    write!(f, "{whole}.{tenth} {unit}")
                };
            }
        }
        f.write_str("0 B")
    }
}

/// The text is not a size such as `64MiB`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a size; write a whole number and B, KiB, MiB or GiB, such as \"64MiB\"")]
pub struct InvalidByteCount(String);

impl FromStr for ByteCount {
    type Err = InvalidByteCount;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || InvalidByteCount(text.to_owned());
        let (digits, size) = UNITS
            .iter()
            .find_map(|(unit, size)| text.strip_suffix(unit).map(|digits| (digits.trim(), *size)))
            .unwrap_or((text, 1));
        let count: u64 = digits.parse().map_err(|_| invalid())?;
        count.checked_mul(size).map(Self).ok_or_else(invalid)
    }
}

impl<'de> Deserialize<'de> for ByteCount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = ByteCount;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a size such as \"64MiB\"")
            }
            fn visit_u64<E>(self, count: u64) -> Result<ByteCount, E> {
                Ok(ByteCount(count))
            }
            fn visit_i64<E: serde::de::Error>(self, count: i64) -> Result<ByteCount, E> {
                u64::try_from(count).map(ByteCount).map_err(E::custom)
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<ByteCount, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// Durations of a spec and of the journal, as text: `1m 30s` (jiff's friendly format).
pub mod duration_text {
    use super::{Deserialize, Deserializer, Duration};

    /// The text a person reads and a spec takes back.
    pub fn to_text(duration: Duration) -> String {
        let rounded =
            Duration::from_millis(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX));
        jiff::SignedDuration::try_from(rounded)
            .map_or_else(|_| "forever".to_owned(), |signed| format!("{signed:#}"))
    }

    /// Writes the friendly text.
    pub fn serialize<S: serde::Serializer>(d: &Duration, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&to_text(*d))
    }

    /// Reads `5m`, `1h 30m`, `500ms`; refuses what is negative.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        let text = String::deserialize(deserializer)?;
        parse(&text).map_err(serde::de::Error::custom)
    }

    /// A duration from its text, or one sentence about what is wrong with it.
    pub fn parse(text: &str) -> Result<Duration, String> {
        let hint = "write a number and a unit, such as \"5m\", \"1h 30m\" or \"500ms\"";
        let signed: jiff::SignedDuration =
            text.parse().map_err(|_| format!("{text:?} is not a duration; {hint}"))?;
        Duration::try_from(signed).map_err(|_| format!("{text:?} is negative; {hint}"))
    }
}

/// The same for a duration that may be absent.
pub mod optional_duration_text {
    use super::{Deserialize, Deserializer, Duration, duration_text};

    /// Writes the friendly text, or nothing.
    pub fn serialize<S: serde::Serializer>(d: &Option<Duration>, s: S) -> Result<S::Ok, S::Error> {
        match d {
            Some(d) => duration_text::serialize(d, s),
            None => s.serialize_none(),
        }
    }

    /// Reads what [`duration_text`] reads, or nothing.
    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Duration>, D::Error> {
        Option::<String>::deserialize(d)?
            .map(|text| duration_text::parse(&text).map_err(serde::de::Error::custom))
            .transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_as_people_write_them() {
        assert_eq!("64MiB".parse(), Ok(ByteCount::mebi(64)));
        assert_eq!("1 GiB".parse(), Ok(ByteCount::mebi(1024)));
        assert_eq!("17".parse(), Ok(ByteCount(17)));
        for text in ["", "MiB", "-1MiB", "64MB", "1.5GiB", "99999999999GiB"] {
            assert!(text.parse::<ByteCount>().is_err(), "{text:?} was taken");
        }
    }

    #[test]
    fn sizes_as_people_read_them() {
        for (bytes, text) in [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (64 << 20, "64 MiB")]
        {
            assert_eq!(ByteCount(bytes).to_string(), text);
        }
    }

    #[test]
    fn durations_there_and_back() {
        for text in ["5m", "1h 30m", "500ms", "72h"] {
            let parsed = duration_text::parse(text).unwrap();
            assert_eq!(duration_text::parse(&duration_text::to_text(parsed)), Ok(parsed));
        }
        assert!(duration_text::parse("5").is_err());
        assert!(duration_text::parse("-5m").unwrap_err().contains("negative"));
    }
}
