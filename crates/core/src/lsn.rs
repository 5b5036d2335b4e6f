//! Log sequence numbers: positions in a server's write-ahead log.
//!
//! Positions of two servers compare only when one is a physical copy of the other. Equality is
//! never a proof: an idle server goes on writing WAL by itself.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::quantity::ByteCount;

/// A WAL position in bytes, written `X/Y` in hexadecimal as `pg_lsn` does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Lsn(pub u64);

impl Lsn {
    /// Bytes from `earlier` to this position; zero when this one is not ahead.
    #[must_use]
    pub const fn since(self, earlier: Self) -> ByteCount {
        ByteCount(self.0.saturating_sub(earlier.0))
    }
}

impl fmt::Display for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:X}/{:X}", self.0 >> 32, self.0 & 0xFFFF_FFFF)
    }
}

/// The text is not a position as `pg_lsn` prints it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0} is not a WAL position such as 0/16B3748")]
pub struct InvalidLsn(String);

impl FromStr for Lsn {
    type Err = InvalidLsn;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || InvalidLsn(text.to_owned());
        let (high, low) = text.split_once('/').ok_or_else(invalid)?;
        let half = |digits: &str| {
            let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_hexdigit());
            if plain { u32::from_str_radix(digits, 16).ok() } else { None }
        };
        let (high, low) = half(high).zip(half(low)).ok_or_else(invalid)?;
        Ok(Self(u64::from(high) << 32 | u64::from(low)))
    }
}

impl Serialize for Lsn {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Lsn {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn text_and_back(position: u64) {
            prop_assert_eq!(Lsn(position).to_string().parse::<Lsn>(), Ok(Lsn(position)));
        }
    }

    #[test]
    fn refuses_what_postgresql_refuses() {
        for text in ["", "/", "0/", "/0", "0/+1", "0/1 ", "123456789/0", "0x1/0"] {
            assert!(text.parse::<Lsn>().is_err(), "{text:?} was taken");
        }
    }

    #[test]
    fn distance_never_wraps() {
        assert_eq!(Lsn(10).since(Lsn(4)), ByteCount(6));
        assert_eq!(Lsn(4).since(Lsn(10)), ByteCount(0));
    }
}
