//! Both sides as they run: whether a planned value is in force, and which settings differ. Pure.
//!
//! The API writes a value as its caller did, a server as it reads it: `1` and `on` are the same,
//! `0.10` and `0.1` too. Where two notations cannot be compared with certainty, nothing is held
//! against the target: only a value that is surely another one stops a move.

use std::collections::{BTreeMap, BTreeSet};

use landfall_core::facts::{ParameterVerdict, Parity, SettingDifference};
use landfall_core::port::database::{ExtensionView, SettingView};

/// Settings as running, by name.
pub type Settings = BTreeMap<String, SettingView>;

/// How a running value stands to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Likeness {
    Same,
    Different,
    /// Another notation, such as a formula or a unit.
    Unknown,
}

/// What was found on both sides.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Compared {
    /// What is remembered.
    pub parity: Parity,
    /// Planned values that are not in force, each as a sentence.
    pub not_in_force: Vec<String>,
    /// Planned values that wait for a restart.
    pub pending: Vec<String>,
}

/// Compares what was planned with what runs, and the two sides with each other.
pub fn compare(
    planned: &[ParameterVerdict],
    source: &Settings,
    target: &Settings,
    extensions: &[ExtensionView],
) -> Compared {
    let mut found = Compared::default();
    for verdict in planned {
        let (here, there) = (source.get(&verdict.name), target.get(&verdict.name));
        if let (Some(wanted), Some(running)) = (&verdict.target_value, there) {
            match likeness(wanted, &running.value) {
                _ if running.pending_restart => found.pending.push(verdict.name.clone()),
                Likeness::Same => found.parity.in_force = found.parity.in_force.saturating_add(1),
                Likeness::Different => found.not_in_force.push(format!(
                    "{} is {:?} and was planned as {wanted:?}",
                    verdict.name, running.value
                )),
                Likeness::Unknown => {}
            }
        }
        let same = here.zip(there).is_some_and(|(a, b)| a.value == b.value);
        if !same && (here.is_some() || there.is_some()) {
            let value = |side: Option<&SettingView>| side.map(|setting| setting.value.clone());
            let (name, source, target) = (verdict.name.clone(), value(here), value(there));
            found.parity.different.push(SettingDifference { name, source, target });
        }
    }
    found.parity.extensions = u32::try_from(extensions.len()).unwrap_or(u32::MAX);
    found
}

fn likeness(planned: &str, running: &str) -> Likeness {
    let (planned, running) = (planned.trim(), running.trim());
    if planned.eq_ignore_ascii_case(running) {
        return Likeness::Same;
    }
    if let (Some(a), Some(b)) = (truth(planned), truth(running)) {
        return if a == b { Likeness::Same } else { Likeness::Different };
    }
    if let (Ok(a), Ok(b)) = (planned.parse::<f64>(), running.parse::<f64>()) {
        let near = (a - b).abs() <= f64::EPSILON * a.abs().max(b.abs());
        return if near { Likeness::Same } else { Likeness::Different };
    }
    if planned.contains(',') || running.contains(',') {
        // AWS adds libraries of its own to such a list.
        let of = |text: &str| -> BTreeSet<String> {
            let items = text.split(',').map(|one| one.trim().trim_matches('"').to_lowercase());
            items.filter(|one| !one.is_empty()).collect()
        };
        let all = of(planned).is_subset(&of(running));
        return if all { Likeness::Same } else { Likeness::Different };
    }
    let word = |text: &str| {
        !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphabetic() || b"-_".contains(&b))
    };
    if word(planned) && word(running) { Likeness::Different } else { Likeness::Unknown }
}

fn truth(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "on" | "true" | "yes" => Some(true),
        "0" | "off" | "false" | "no" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use landfall_core::facts::ParameterFate;

    use super::*;

    #[test]
    fn notations_are_told_from_values() {
        let cases = [
            ("on", "on", Likeness::Same),
            ("1", "on", Likeness::Same),
            ("0", "on", Likeness::Different),
            ("0.10", "0.1", Likeness::Same),
            ("65536", "4096", Likeness::Different),
            ("None", "none", Likeness::Same),
            ("ddl", "none", Likeness::Different),
            ("pg_cron,pg_stat_statements", "rdsutils, pg_stat_statements,pg_cron", Likeness::Same),
            ("pg_cron", "rdsutils,pg_stat_statements", Likeness::Different),
            ("{DBInstanceClassMemory/9531392}", "450", Likeness::Unknown),
            ("64MB", "65536", Likeness::Unknown),
            ("", "on", Likeness::Unknown),
        ];
        for (planned, running, expected) in cases {
            assert_eq!(likeness(planned, running), expected, "{planned:?} and {running:?}");
        }
    }

    fn planned(name: &str, source: &str, target: Option<&str>) -> ParameterVerdict {
        ParameterVerdict {
            name: name.to_owned(),
            source_value: source.to_owned(),
            fate: ParameterFate::Carried,
            level: None,
            target_name: None,
            apply: None,
            target_value: target.map(str::to_owned),
            reason: String::new(),
        }
    }

    fn settings(values: &[(&str, &str)]) -> Settings {
        let setting = |value: &str| SettingView { value: value.to_owned(), pending_restart: false };
        values.iter().map(|(name, value)| ((*name).to_owned(), setting(value))).collect()
    }

    #[test]
    fn only_a_planned_value_that_surely_is_another_is_held_against_the_target() {
        let plan = [
            planned("work_mem", "65536", Some("65536")),
            planned("random_page_cost", "1.1", Some("1.1")),
            planned("max_connections", "500", Some("{DBInstanceClassMemory/9531392}")),
            planned("rds.own", "1", Some("1")),
            planned("checkpoint_timeout", "900", None),
        ];
        let source = settings(&[
            ("work_mem", "65536"),
            ("random_page_cost", "1.1"),
            ("max_connections", "500"),
            ("checkpoint_timeout", "900"),
        ]);
        let mut target = settings(&[
            ("work_mem", "65536"),
            ("random_page_cost", "4"),
            ("max_connections", "450"),
            ("checkpoint_timeout", "60"),
        ]);
        let found = compare(&plan, &source, &target, &[]);
        assert_eq!(found.parity.in_force, 1);
        assert_eq!(found.not_in_force, ["random_page_cost is \"4\" and was planned as \"1.1\""]);
        let different: Vec<_> =
            found.parity.different.iter().map(|one| one.name.as_str()).collect();
        assert_eq!(different, ["random_page_cost", "max_connections", "checkpoint_timeout"]);
        target.get_mut("random_page_cost").unwrap().pending_restart = true;
        let found = compare(&plan, &source, &target, &[]);
        assert_eq!(
            (found.pending.as_slice(), found.not_in_force.len()),
            (&["random_page_cost".to_owned()][..], 0)
        );
    }
}
