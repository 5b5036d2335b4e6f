//! What source and target cost a month, by the operator's own prices.
//!
//! No price is built in: they differ by Region, contract and month. What has no price is named, and
//! the sum then says that it is not whole. I/O on Aurora is told from the source's operations,
//! which are of another size: an upper estimate, not a bill.

use std::collections::BTreeMap;

use landfall_core::Spec;
use landfall_core::port::cloud::{Instance, Metric};
use serde::{Deserialize, Serialize};

use crate::choice::choose_class;
use crate::forecast::forecast;
use crate::inventory::Inventory;

/// Hours of a month, as AWS counts them.
const HOURS: f64 = 730.0;
const SECONDS: f64 = HOURS * 3600.0;

/// The operator's prices, as the file has them. `docs/operate/prices.md` shows one.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Prices {
    /// Such as `EUR`.
    pub currency: String,
    /// Where and when they are from; shown beside the sums.
    pub source: String,
    /// Of RDS.
    pub rds: RdsPrices,
    /// Of Aurora.
    pub aurora: AuroraPrices,
}

/// `[rds]`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RdsPrices {
    /// By class, an hour, Single-AZ.
    pub class: BTreeMap<String, f64>,
    /// By class, an hour, Multi-AZ; twice the other when absent.
    pub class_multi_az: BTreeMap<String, f64>,
    /// By storage type, a GiB and month.
    pub storage: BTreeMap<String, f64>,
    /// By storage type, a provisioned operation per second and month.
    pub iops: BTreeMap<String, f64>,
}

/// `[aurora]`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AuroraPrices {
    /// By class, an hour.
    pub class: BTreeMap<String, f64>,
    /// A capacity unit and hour.
    pub acu: Option<f64>,
    /// A GiB and month.
    pub storage: Option<f64>,
    /// A million I/O operations; 0 with I/O-Optimized.
    pub io_million: Option<f64>,
}

/// Why a file of prices is not taken.
#[derive(Debug, thiserror::Error)]
pub enum PriceError {
    /// It is not TOML, or has other keys.
    #[error("read the prices")]
    Form(#[source] toml::de::Error),
    /// A negative price, or none at all.
    #[error("take the price of {0}: it must be a number from 0 on")]
    Value(String),
}

impl Prices {
    /// Reads a file's text.
    pub fn from_text(text: &str) -> Result<Self, PriceError> {
        let prices: Self = toml::from_str(text).map_err(PriceError::Form)?;
        let rds = &prices.rds;
        let maps = [
            ("rds.class", &rds.class),
            ("rds.class_multi_az", &rds.class_multi_az),
            ("rds.storage", &rds.storage),
            ("rds.iops", &rds.iops),
            ("aurora.class", &prices.aurora.class),
        ];
        let named = maps.iter().flat_map(|(section, map)| {
            map.iter().map(move |(name, price)| (format!("{section}.{name}"), *price))
        });
        let aurora = &prices.aurora;
        let single = [
            ("aurora.acu", aurora.acu),
            ("aurora.storage", aurora.storage),
            ("aurora.io_million", aurora.io_million),
        ];
        let single =
            single.iter().filter_map(|(name, price)| Some(((*name).to_owned(), (*price)?)));
        let bad = named.chain(single).find(|(_, price)| !(price.is_finite() && *price >= 0.0));
        match bad {
            Some((name, _)) => Err(PriceError::Value(name)),
            None => Ok(prices),
        }
    }
}

/// One line of a bill.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Item {
    /// What for.
    pub what: String,
    /// A month; absent when there is no price for it.
    pub month: Option<f64>,
}

/// Both sides a month.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    /// Such as `EUR`.
    pub currency: String,
    /// Where the prices are from.
    pub prices: String,
    /// The source's bill.
    pub source: Vec<Item>,
    /// The target's.
    pub target: Vec<Item>,
    /// What to know about the figures.
    pub remarks: Vec<String>,
}

impl Cost {
    /// The sum of what has a price.
    pub fn sum(items: &[Item]) -> f64 {
        items.iter().filter_map(|item| item.month).fold(0.0, |sum, month| sum + month)
    }

    /// Whether every item has a price.
    pub fn is_whole(items: &[Item]) -> bool {
        items.iter().all(|item| item.month.is_some())
    }
}

/// Source against target.
pub fn cost(spec: &Spec, inventory: &Inventory, instance: &Instance, prices: &Prices) -> Cost {
    Cost {
        currency: prices.currency.clone(),
        prices: prices.source.clone(),
        source: of_source(instance, &prices.rds),
        target: of_target(spec, inventory, instance, &prices.aurora),
        remarks: remarks(inventory, instance),
    }
}

fn of_source(instance: &Instance, prices: &RdsPrices) -> Vec<Item> {
    let class = prices.class.get(&instance.class).copied();
    let hour = if instance.multi_az {
        prices.class_multi_az.get(&instance.class).copied().or(class.map(|class| class * 2.0))
    } else {
        class
    };
    let copies = if instance.multi_az { 2.0 } else { 1.0 };
    let place = if instance.multi_az { "Multi-AZ" } else { "Single-AZ" };
    let mut items = vec![Item {
        what: format!("instance {} {place}", instance.class),
        month: hour.map(|hour| hour * HOURS),
    }];
    let kind = instance.detail.storage_type.clone().unwrap_or_else(|| "gp2".to_owned());
    let gib = f64::from(instance.allocated_gib);
    items.push(Item {
        what: format!("{gib} GiB of {kind}, allocated"),
        month: prices.storage.get(&kind).map(|price| price * gib * copies),
    });
    let provisioned = matches!(kind.as_str(), "io1" | "io2").then_some(instance.detail.iops);
    if let Some(iops) = provisioned.flatten() {
        items.push(Item {
            what: format!("{iops} provisioned IOPS"),
            month: prices.iops.get(&kind).map(|price| price * f64::from(iops) * copies),
        });
    }
    items
}

fn of_target(
    spec: &Spec,
    inventory: &Inventory,
    instance: &Instance,
    prices: &AuroraPrices,
) -> Vec<Item> {
    let count = f64::from(spec.target.readers) + 1.0;
    let mut items = vec![];
    match (&spec.target.serverless, choose_class(spec, instance, &inventory.classes)) {
        (Some(range), _) => {
            let acu = prices.acu.map(|acu| acu * HOURS * count);
            let at = |units: f64| acu.map(|one| one * units);
            let what = format!("{count} serverless at the least, {} ACU", range.min_acu);
            items.push(Item { what, month: at(range.min_acu.number()) });
        }
        (None, class) => {
            let class = class.unwrap_or_else(|| "a class that fits".to_owned());
            let month = prices.class.get(&class).map(|hour| hour * HOURS * count);
            items.push(Item { what: format!("{count} × instance {class}"), month });
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "a bill in whole GiB")]
    let gib = (forecast(inventory, instance).bytes.0 as f64 / 1_073_741_824.0).ceil();
    items.push(Item {
        what: format!("{gib} GiB of the volume, in use"),
        month: prices.storage.map(|price| price * gib),
    });
    let free = prices.io_million.is_some_and(|price| price <= 0.0);
    if !free {
        let io = average(inventory, Metric::ReadIops).zip(average(inventory, Metric::WriteIops));
        let millions = io.map(|(read, write)| (read + write) * SECONDS / 1e6);
        let known =
            millions.map_or_else(|| "not measured".to_owned(), |m| format!("{m:.0} million"));
        items.push(Item {
            what: format!("I/O, {known} at most"),
            month: prices.io_million.zip(millions).map(|(price, millions)| price * millions),
        });
    }
    items
}

fn average(inventory: &Inventory, metric: Metric) -> Option<f64> {
    let history = inventory.history.iter().find(|history| history.metric == metric)?;
    let spans = history.spans.as_ref().ok().filter(|spans| !spans.is_empty())?;
    let (sum, count) =
        spans.iter().fold((0.0, 0.0), |(sum, count), span| (sum + span.average, count + 1.0));
    Some(sum / count)
}

fn remarks(inventory: &Inventory, instance: &Instance) -> Vec<String> {
    let mut remarks = vec![
        "Backups beyond what is free, snapshots, transfer and Performance Insights are left out."
            .to_owned(),
        "Aurora counts I/O on its storage in pages it reads and records it writes: the source's \
         operations are an upper estimate."
            .to_owned(),
    ];
    let bytes = forecast(inventory, instance).bytes;
    remarks.push(format!(
        "High water: the Aurora volume begins with the {bytes} in use, bloat included, and gives \
         space back only as tables are dropped or truncated; what vacuum frees inside tables stays."
    ));
    remarks
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::made_up::{clean, history};

    const PRICES: &str = r#"
currency = "EUR"
source = "made up for a test"
[rds.class]
"db.r6g.large" = 0.25
[rds.storage]
gp3 = 0.10
io2 = 0.20
[rds.iops]
io2 = 0.05
[aurora]
storage = 0.10
io_million = 0.20
acu = 0.10
[aurora.class]
"db.r6g.large" = 0.30
"#;

    fn of(case: &mut crate::made_up::Case) -> Cost {
        let prices = Prices::from_text(PRICES).unwrap();
        let instance = case.instance().clone();
        cost(&case.spec, &case.inventory, &instance, &prices)
    }

    #[test]
    fn both_sides_are_added_up_and_what_has_no_price_is_named() {
        let mut case = clean();
        let bill = of(&mut case);
        assert!((Cost::sum(&bill.source) - (0.25 * 730.0 + 20.0)).abs() < 0.001, "{bill:?}");
        assert!(Cost::is_whole(&bill.source));
        // A writer and a reader; 50 GB are 47 GiB; no I/O was measured.
        assert!((Cost::sum(&bill.target) - (0.60 * 730.0 + 4.7)).abs() < 0.001, "{bill:?}");
        assert!(!Cost::is_whole(&bill.target));
        case.inventory.history.push(history(Metric::ReadIops, |_| 100.0));
        case.inventory.history.push(history(Metric::WriteIops, |_| 50.0));
        let bill = of(&mut case);
        assert!(Cost::is_whole(&bill.target), "{bill:?}");
        // 150 operations a second for a month are 394.2 million.
        assert!((bill.target[2].month.unwrap() - 78.84).abs() < 0.01, "{bill:?}");
        assert!(bill.remarks.iter().any(|one| one.starts_with("High water")));
    }

    #[test]
    fn multi_az_and_provisioned_operations_are_paid_twice() {
        let mut case = clean();
        case.instance().multi_az = true;
        case.instance().detail.storage_type = Some("io2".to_owned());
        case.instance().detail.iops = Some(1_000);
        let bill = of(&mut case);
        let expected = 0.5 * 730.0 + 0.2 * 200.0 * 2.0 + 0.05 * 1_000.0 * 2.0;
        assert!((Cost::sum(&bill.source) - expected).abs() < 0.001, "{bill:?}");
    }

    #[test]
    fn a_bad_file_is_refused_with_the_name_of_what_is_bad() {
        let negative = PRICES.replace("gp3 = 0.10", "gp3 = -1.0");
        assert!(Prices::from_text(&negative).unwrap_err().to_string().contains("rds.storage.gp3"));
        let endless = PRICES.replace("acu = 0.10", "acu = inf");
        assert!(Prices::from_text(&endless).unwrap_err().to_string().contains("aurora.acu"));
        assert!(Prices::from_text("[rds]\nclas = 1\n").is_err());
        assert!(Prices::from_text("not toml").is_err());
    }
}
