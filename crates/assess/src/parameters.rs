//! Parameter translation: every user-set value of the source ends in one fate, with a reason.
//!
//! Only what a person set is translated; engine defaults are Aurora's own affair. Pure.

use std::collections::BTreeMap;

use landfall_core::action::ParameterChange;
use landfall_core::facts::{ParameterFate, ParameterVerdict};
use landfall_core::port::cloud::{GroupLevel, Parameter, ParameterSource};

/// What Aurora sizes by itself, with no operating system cache under it: a value taken over from
/// RDS would be wrong in kind, not in degree.
const SIZED_BY_AURORA: &[&str] = &["shared_buffers", "effective_cache_size"];

/// The parameters of a family at both levels.
#[derive(Debug, Clone, Default)]
pub struct Offer {
    /// Cluster level, by name.
    pub cluster: BTreeMap<String, Parameter>,
    /// Instance level, by name.
    pub instance: BTreeMap<String, Parameter>,
}

impl Offer {
    /// From the two lists of the API.
    pub fn new(cluster: Vec<Parameter>, instance: Vec<Parameter>) -> Self {
        let by_name =
            |list: Vec<Parameter>| list.into_iter().map(|p| (p.name.clone(), p)).collect();
        Self { cluster: by_name(cluster), instance: by_name(instance) }
    }

    /// Where a parameter lives on Aurora. The instance level wins: it is the one that RDS has.
    fn find(&self, name: &str) -> Option<(GroupLevel, &Parameter)> {
        let instance = self.instance.get(name).map(|p| (GroupLevel::Instance, p));
        let cluster = self.cluster.get(name).map(|p| (GroupLevel::Cluster, p));
        match (instance, cluster) {
            (Some(found), other) if found.1.modifiable || other.is_none() => Some(found),
            (_, other) => other.or(instance),
        }
    }
}

/// The fate of every user-set parameter, in the source's order.
pub fn translate(source: &[Parameter], offer: &Offer) -> Vec<ParameterVerdict> {
    source.iter().filter(|p| p.source == ParameterSource::User).map(|p| one(p, offer)).collect()
}

fn one(parameter: &Parameter, offer: &Offer) -> ParameterVerdict {
    let value = parameter.value.clone().unwrap_or_default();
    let verdict = |fate, level, target_value, reason: String| ParameterVerdict {
        name: parameter.name.clone(),
        source_value: value.clone(),
        fate,
        level,
        target_value,
        reason,
    };
    let Some((level, offered)) = offer.find(&parameter.name) else {
        let reason = "Aurora has no parameter of this name".to_owned();
        return verdict(ParameterFate::Dropped, None, None, reason);
    };
    if SIZED_BY_AURORA.contains(&parameter.name.as_str()) {
        let reason = "Aurora sizes its own memory; a value from RDS would starve it".to_owned();
        return verdict(ParameterFate::KeptDefault, Some(level), None, reason);
    }
    if !offered.modifiable {
        let reason = "Aurora sets this one itself".to_owned();
        return verdict(ParameterFate::KeptDefault, Some(level), None, reason);
    }
    if offered.value.as_deref() == Some(value.as_str()) {
        let reason = "Aurora's default is the same".to_owned();
        return verdict(ParameterFate::Carried, Some(level), None, reason);
    }
    match fitted(&value, offered.allowed.as_deref()) {
        Fit::AsIs => {
            verdict(ParameterFate::Carried, Some(level), Some(value.clone()), "same value".into())
        }
        Fit::Adjusted(nearest) => {
            let reason = format!("Aurora allows {}", offered.allowed.as_deref().unwrap_or("less"));
            verdict(ParameterFate::Adjusted, Some(level), Some(nearest), reason)
        }
        Fit::Refused => {
            let reason = format!(
                "Aurora allows only {}",
                offered.allowed.as_deref().unwrap_or("other values")
            );
            verdict(ParameterFate::KeptDefault, Some(level), None, reason)
        }
    }
}

enum Fit {
    AsIs,
    Adjusted(String),
    Refused,
}

/// Fits a value into AWS's notation of allowed values: `1-100`, `a,b,c`, or anything.
fn fitted(value: &str, allowed: Option<&str>) -> Fit {
    let Some(allowed) = allowed.filter(|a| !a.is_empty()) else { return Fit::AsIs };
    if let (Some((low, high)), Ok(number)) = (range(allowed), value.parse::<f64>()) {
        return if number < low {
            Fit::Adjusted(plain(low))
        } else if number > high {
            Fit::Adjusted(plain(high))
        } else {
            Fit::AsIs
        };
    }
    // A formula, a list of libraries or free text is for AWS to judge.
    if range(allowed).is_some() || value.contains(['{', ',']) {
        return Fit::AsIs;
    }
    if allowed.contains(',') && !allowed.split(',').any(|one| same_word(one, value)) {
        return Fit::Refused;
    }
    Fit::AsIs
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

fn plain(number: f64) -> String {
    format!("{number}")
}

/// The values to set at one level, as the API takes them.
pub fn changes(
    verdicts: &[ParameterVerdict],
    offer: &Offer,
    level: GroupLevel,
) -> Vec<ParameterChange> {
    let list = match level {
        GroupLevel::Cluster => &offer.cluster,
        GroupLevel::Instance => &offer.instance,
    };
    verdicts
        .iter()
        .filter(|verdict| verdict.level == Some(level))
        .filter_map(|verdict| {
            let value = verdict.target_value.clone()?;
            let apply_type = list.get(&verdict.name)?.apply_type;
            Some(ParameterChange { name: verdict.name.clone(), value, apply_type })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use landfall_core::port::cloud::ApplyType;

    use super::*;

    fn parameter(name: &str, value: &str, allowed: &str) -> Parameter {
        Parameter {
            name: name.into(),
            value: (!value.is_empty()).then(|| value.into()),
            apply_type: ApplyType::Dynamic,
            modifiable: name != "wal_buffers",
            allowed: (!allowed.is_empty()).then(|| allowed.into()),
            source: ParameterSource::User,
        }
    }

    fn fate(name: &str, value: &str) -> ParameterVerdict {
        let offer = Offer::new(
            vec![parameter("rds.logical_replication", "0", "0,1")],
            vec![
                parameter("work_mem", "", "64-2147483647"),
                parameter("log_statement", "none", "none,ddl,mod,all"),
                parameter("shared_buffers", "", "16-1073741823"),
                parameter("wal_buffers", "", ""),
            ],
        );
        translate(&[parameter(name, value, "")], &offer).remove(0)
    }

    #[test]
    fn each_fate_has_its_case() {
        let cases = [
            ("work_mem", "65536", ParameterFate::Carried, Some("65536")),
            ("work_mem", "1", ParameterFate::Adjusted, Some("64")),
            ("log_statement", "none", ParameterFate::Carried, None),
            ("log_statement", "some", ParameterFate::KeptDefault, None),
            ("checkpoint_timeout", "900", ParameterFate::Dropped, None),
            ("shared_buffers", "262144", ParameterFate::KeptDefault, None),
            ("wal_buffers", "8192", ParameterFate::KeptDefault, None),
            ("rds.logical_replication", "1", ParameterFate::Carried, Some("1")),
        ];
        for (name, value, expected, target) in cases {
            let verdict = fate(name, value);
            assert_eq!(verdict.fate, expected, "{name}={value}: {}", verdict.reason);
            assert_eq!(verdict.target_value.as_deref(), target, "{name}={value}");
            assert!(!verdict.reason.is_empty());
        }
    }

    #[test]
    fn levels_are_told_apart() {
        assert_eq!(fate("rds.logical_replication", "1").level, Some(GroupLevel::Cluster));
        assert_eq!(fate("work_mem", "65536").level, Some(GroupLevel::Instance));
    }

    #[test]
    fn defaults_of_the_engine_are_not_translated() {
        let mut default = parameter("work_mem", "4096", "");
        default.source = ParameterSource::EngineDefault;
        assert!(translate(&[default], &Offer::default()).is_empty());
    }
}
