//! Parameter translation: every user-set value of the source ends in one fate, with a reason.
//!
//! Only what a person set is translated; engine defaults are Aurora's own affair, and where they
//! matter [`telling`] says so. Formulas are carried as formulas, since a class may change later;
//! what they come to on both classes stands in the reason. Pure.

mod fit;
pub mod formula;
pub mod telling;
mod way_back;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use landfall_core::action::ParameterChange;
use landfall_core::facts::{ParameterFate, ParameterVerdict};
use landfall_core::port::cloud::{GroupLevel, Parameter, ParameterSource};

use crate::catalogue::size_of;
use fit::{Fit, fitted};
use formula::{Size, evaluate, is_formula};

pub use way_back::with_way_back;

/// What Aurora sizes by itself, with no operating system cache under it: a value taken over from
/// RDS would be wrong in kind, not in degree.
const SIZED_BY_AURORA: &[&str] = &["shared_buffers", "effective_cache_size"];

/// Names that PostgreSQL itself changed, source's first. Tried when Aurora has no parameter of the
/// source's name.
const RENAMED: &[(&str, &str)] = &[
    ("force_parallel_mode", "debug_parallel_query"),
    ("debug_parallel_query", "force_parallel_mode"),
];

/// Whether a name stands for another one in some version.
pub fn is_alias(name: &str) -> bool {
    RENAMED.iter().any(|(_, target)| *target == name)
}

/// What goes with Aurora's storage: it writes no checkpoints and keeps no WAL files of its own.
const OF_LOCAL_STORAGE: &[&str] = &[
    "archive_",
    "bgwriter_",
    "checkpoint_",
    "commit_",
    "full_page_writes",
    "max_wal_size",
    "min_wal_size",
    "wal_segment_size",
    "wal_writer_",
    "wal_compression",
    "log_checkpoints",
];

/// The classes on both sides, for formulas.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Classes {
    /// The source's, such as `db.m6g.large`.
    pub source: String,
    /// The target's.
    pub target: String,
}

impl Classes {
    fn sizes(&self) -> (Option<Size>, Option<Size>) {
        (size_of(&self.source), size_of(&self.target))
    }
}

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
    pub fn find(&self, name: &str) -> Option<(GroupLevel, &Parameter)> {
        let instance = self.instance.get(name).map(|p| (GroupLevel::Instance, p));
        let cluster = self.cluster.get(name).map(|p| (GroupLevel::Cluster, p));
        match (instance, cluster) {
            (Some(found), other) if found.1.modifiable || other.is_none() => Some(found),
            (_, other) => other.or(instance),
        }
    }

    fn find_renamed(&self, name: &str) -> Option<(GroupLevel, &Parameter)> {
        let other = RENAMED.iter().find(|(source, _)| *source == name).map(|(_, target)| *target);
        self.find(other?)
    }
}

/// The fate of every user-set parameter, in the source's order.
pub fn translate(source: &[Parameter], offer: &Offer, classes: &Classes) -> Vec<ParameterVerdict> {
    let set = source.iter().filter(|p| p.source == ParameterSource::User);
    set.map(|p| one(p, offer, classes)).collect()
}

fn one(parameter: &Parameter, offer: &Offer, classes: &Classes) -> ParameterVerdict {
    let draft = Draft { parameter, value: parameter.value.clone().unwrap_or_default() };
    if let Some((level, offered)) = offer.find(&parameter.name) {
        return draft.onto(level, offered, classes);
    }
    let Some((level, offered)) = offer.find_renamed(&parameter.name) else {
        let local = OF_LOCAL_STORAGE.iter().any(|start| parameter.name.starts_with(start));
        let reason = if local {
            "Aurora has no parameter of this name: its storage needs none"
        } else {
            "Aurora has no parameter of this name"
        };
        return draft.verdict(ParameterFate::Dropped, None, None, reason.to_owned());
    };
    let verdict = draft.onto(level, offered, classes);
    match verdict.fate {
        ParameterFate::Carried => ParameterVerdict {
            fate: ParameterFate::Renamed,
            reason: format!("it is {} on Aurora; {}", offered.name, verdict.reason),
            ..verdict
        },
        ParameterFate::Renamed
        | ParameterFate::Dropped
        | ParameterFate::Adjusted
        | ParameterFate::Added
        | ParameterFate::KeptDefault => verdict,
    }
}

struct Draft<'a> {
    parameter: &'a Parameter,
    value: String,
}

impl Draft<'_> {
    fn verdict(
        &self,
        fate: ParameterFate,
        on: Option<(GroupLevel, &Parameter)>,
        target_value: Option<String>,
        reason: String,
    ) -> ParameterVerdict {
        let renamed = on.map(|(_, offered)| &offered.name).filter(|n| **n != self.parameter.name);
        ParameterVerdict {
            name: self.parameter.name.clone(),
            source_value: self.value.clone(),
            fate,
            level: on.map(|(level, _)| level),
            target_name: renamed.cloned(),
            target_value,
            apply: on.map(|(_, offered)| offered.apply_type),
            reason,
        }
    }

    fn onto(&self, level: GroupLevel, offered: &Parameter, classes: &Classes) -> ParameterVerdict {
        let on = Some((level, offered));
        let kept =
            |reason: &str| self.verdict(ParameterFate::KeptDefault, on, None, reason.to_owned());
        if SIZED_BY_AURORA.contains(&self.parameter.name.as_str()) {
            return kept("Aurora sizes its own memory; a value from RDS would starve it");
        }
        if !offered.modifiable {
            return kept("Aurora sets this one itself");
        }
        if offered.value.as_deref() == Some(self.value.as_str()) {
            let reason = "Aurora's default is the same".to_owned();
            return self.verdict(ParameterFate::Carried, on, None, reason);
        }
        if is_formula(&self.value) {
            return self.formula(level, offered, classes);
        }
        let allowed = offered.allowed.as_deref();
        let (fate, value, reason) = match fitted(&self.value, allowed) {
            Fit::AsIs => (ParameterFate::Carried, Some(self.value.clone()), "same value".into()),
            Fit::Spelt(value) => {
                (ParameterFate::Carried, Some(value), "same value, in Aurora's spelling".into())
            }
            Fit::Adjusted(nearest) => {
                let reason = format!("Aurora allows {}", allowed.unwrap_or("less"));
                (ParameterFate::Adjusted, Some(nearest), reason)
            }
            Fit::Without { value, refused } => {
                let reason = format!("Aurora does not take {}", refused.join(", "));
                (ParameterFate::Adjusted, Some(value), reason)
            }
            Fit::Refused => {
                let reason = format!("Aurora allows only {}", allowed.unwrap_or("other values"));
                (ParameterFate::KeptDefault, None, reason)
            }
        };
        self.verdict(fate, on, value, reason)
    }

    /// A formula stays one, unless what it comes to on the target's class is not allowed there.
    fn formula(
        &self,
        level: GroupLevel,
        offered: &Parameter,
        classes: &Classes,
    ) -> ParameterVerdict {
        let on = Some((level, offered));
        let (source, target) = classes.sizes();
        let value_on = |size: Option<Size>| size.and_then(|size| evaluate(&self.value, size));
        let carried = |reason: String| {
            self.verdict(ParameterFate::Carried, on, Some(self.value.clone()), reason)
        };
        let Some(there) = value_on(target) else {
            return carried("same formula; what it comes to is not known here".to_owned());
        };
        let here = value_on(source).map_or_else(|| "unknown".to_owned(), whole);
        let comes_to = format!(
            "the formula comes to {here} on {}, {} on {}",
            classes.source,
            whole(there),
            classes.target
        );
        match fitted(&whole(there), offered.allowed.as_deref()) {
            Fit::Adjusted(nearest) => {
                let allowed = offered.allowed.as_deref().unwrap_or("less");
                let reason = format!("{comes_to}; Aurora allows {allowed}");
                self.verdict(ParameterFate::Adjusted, on, Some(nearest), reason)
            }
            Fit::AsIs | Fit::Spelt(_) | Fit::Without { .. } | Fit::Refused => carried(comes_to),
        }
    }
}

/// PostgreSQL takes whole numbers; AWS cuts the rest off.
fn whole(number: f64) -> String {
    format!("{:.0}", number.trunc())
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
            let name = verdict.target_name.as_ref().unwrap_or(&verdict.name).clone();
            let apply_type = list.get(&name)?.apply_type;
            Some(ParameterChange { name, value, apply_type })
        })
        .collect()
}
