//! How much to seed: three named sizes and any number of megabytes.
//!
//! A size is a wish, turned into row counts by a measured average; the report says what came out.
//! Pure: nothing here talks to a server.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error as ThisError;

use super::{CUSTOMERS_ALWAYS, PRODUCTS_ALWAYS};

/// Table and index bytes that one order brings along, with its items, payment, view and its share
/// of customers and products: measured on PostgreSQL 15.
const BYTES_PER_ORDER: u64 = 640;
const MEGABYTE: u64 = 1_000_000;

/// The requested size of the tables with their indexes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Size {
    /// About 5 MB, in less than a second: tests.
    Tiny,
    /// About 100 MB: the demo.
    #[default]
    Default,
    /// More than 1 GiB.
    Large,
    Megabytes(u32),
}

#[derive(Debug, PartialEq, Eq, ThisError)]
#[error("read the size {text:?}: expected tiny, default, large, or a number of megabytes")]
pub struct SizeError {
    text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rows {
    pub(super) orders: u64,
    pub(super) customers: u64,
    pub(super) products: u64,
}

impl Size {
    fn bytes(self) -> u64 {
        match self {
            Self::Tiny => 5 * MEGABYTE,
            Self::Default => 100 * MEGABYTE,
            Self::Large => 1_150 * MEGABYTE,
            Self::Megabytes(megabytes) => u64::from(megabytes) * MEGABYTE,
        }
    }

    pub(super) fn rows(self) -> Rows {
        let orders = (self.bytes() / BYTES_PER_ORDER).max(100);
        Rows {
            orders,
            customers: (orders / 8).max(CUSTOMERS_ALWAYS.unsigned_abs()),
            products: (orders / 32).max(u64::from(PRODUCTS_ALWAYS.unsigned_abs())),
        }
    }
}

impl Rows {
    pub(super) fn fill(self, template: &str) -> String {
        template
            .replace("{orders}", &self.orders.to_string())
            .replace("{customers}", &self.customers.to_string())
            .replace("{products}", &self.products.to_string())
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tiny => f.write_str("tiny"),
            Self::Default => f.write_str("default"),
            Self::Large => f.write_str("large"),
            Self::Megabytes(megabytes) => write!(f, "{megabytes}"),
        }
    }
}

impl FromStr for Size {
    type Err = SizeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "tiny" => Ok(Self::Tiny),
            "default" => Ok(Self::Default),
            "large" => Ok(Self::Large),
            number => number
                .parse()
                .map(Self::Megabytes)
                .map_err(|_| SizeError { text: number.to_owned() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_size_holds_what_the_workload_orders_among() {
        for size in [Size::Megabytes(0), Size::Tiny, Size::Default, Size::Large] {
            let rows = size.rows();
            assert!(rows.customers >= CUSTOMERS_ALWAYS.unsigned_abs(), "{size}: {rows:?}");
            assert!(rows.products >= u64::from(PRODUCTS_ALWAYS.unsigned_abs()), "{size}: {rows:?}");
        }
    }

    #[test]
    fn the_fill_script_has_no_hole_left() {
        let script = Size::Tiny.rows().fill(super::super::FILL);
        assert!(script.contains("generate_series(1, 7812::bigint)"), "{script}");
        let hole = ["{orders}", "{customers}", "{products}"].iter().any(|h| script.contains(h));
        assert!(!hole, "{script}");
    }

    #[test]
    fn sizes_read_back_what_they_write() {
        for size in [Size::Tiny, Size::Default, Size::Large, Size::Megabytes(250)] {
            assert_eq!(size.to_string().parse(), Ok(size));
        }
        assert!("huge".parse::<Size>().is_err());
    }
}
