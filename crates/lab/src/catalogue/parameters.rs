//! The parameters of a group: PostgreSQL's own, read from a real server, under AWS's overlay.
//!
//! Three lists exist (an RDS instance's, an Aurora cluster's, an Aurora instance's). The
//! catalogue only describes; which values are set, and where they are in force, is the cloud's.

use std::collections::BTreeMap;

use crate::cloud::refusal::Refusal;

/// Which list of parameters a group draws from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    Rds,
    AuroraCluster,
    AuroraInstance,
}

impl Scope {
    const ALL: [Self; 3] = [Self::Rds, Self::AuroraCluster, Self::AuroraInstance];

    const fn letter(self) -> char {
        match self {
            Self::Rds => 'r',
            Self::AuroraCluster => 'c',
            Self::AuroraInstance => 'i',
        }
    }

    /// Whether this list has one of PostgreSQL's own parameters.
    fn has_native(self, name: &str) -> bool {
        let absent = super::matches(include_str!("aurora_absent.txt"), name);
        let cluster_only = super::matches(include_str!("aurora_cluster_only.txt"), name);
        match self {
            Self::Rds => true,
            Self::AuroraCluster => !absent,
            Self::AuroraInstance => !absent && !cluster_only,
        }
    }
}

/// When a new value takes effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ApplyType {
    Static,
    Dynamic,
}

impl ApplyType {
    /// The word on the wire.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Static => "static",
            Self::Dynamic => "dynamic",
        }
    }
}

/// Whether a customer may set it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Editing {
    Open,
    Locked,
}

/// A row of `pg_settings`, as the real server gives it.
#[derive(Debug, Clone, Default)]
pub struct Setting {
    pub name: String,
    pub context: String,
    pub kind: String,
    pub least: Option<String>,
    pub most: Option<String>,
    pub choices: Vec<String>,
    pub description: String,
}

/// One parameter of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    pub name: String,
    pub data_type: String,
    pub apply_type: ApplyType,
    pub editing: Editing,
    pub allowed: Option<String>,
    /// AWS's preset; a parameter without one shows no value and follows the engine.
    pub preset: Option<String>,
    pub description: String,
}

/// All parameters over one real server.
#[derive(Debug, Default)]
pub struct Parameters {
    lists: BTreeMap<Scope, BTreeMap<String, Parameter>>,
    /// Lower case → the server's own spelling.
    spellings: BTreeMap<String, String>,
}

impl Parameters {
    /// Joins what the server has with the overlay.
    pub fn new(settings: &[Setting]) -> Self {
        let mut lists = BTreeMap::new();
        for scope in Scope::ALL {
            let mut list: BTreeMap<String, Parameter> = settings
                .iter()
                .filter(|setting| scope.has_native(&setting.name))
                .map(|setting| (setting.name.to_ascii_lowercase(), native(setting)))
                .collect();
            for (letters, parameter) in
                super::lines(include_str!("parameters.tsv")).filter_map(overlay)
            {
                let key = parameter.name.to_ascii_lowercase();
                if letters.contains(scope.letter()) {
                    let description = list.get(&key).map(|found| found.description.clone());
                    let description = description.unwrap_or_default();
                    list.insert(key, Parameter { description, ..parameter });
                } else {
                    list.remove(&key);
                }
            }
            if scope != Scope::Rds {
                preset_for_aurora(&mut list);
            }
            lists.insert(scope, list);
        }
        let spellings = settings
            .iter()
            .map(|setting| (setting.name.to_ascii_lowercase(), setting.name.clone()))
            .collect();
        Self { lists, spellings }
    }

    /// The list, sorted by name.
    pub fn list(&self, scope: Scope) -> impl Iterator<Item = &Parameter> {
        self.lists.get(&scope).into_iter().flat_map(BTreeMap::values)
    }

    /// One parameter, by its name in any case.
    pub fn find(&self, scope: Scope, name: &str) -> Option<&Parameter> {
        self.lists.get(&scope)?.get(&name.to_ascii_lowercase())
    }

    /// What the real server is told for a parameter set by a customer, under the server's own
    /// spelling; none for a formula, which is over a machine that the lab does not have. Names
    /// that the server does not know are left for it to ignore.
    pub fn real(&self, name: &str, value: &str) -> Option<(String, String)> {
        let name = name.to_ascii_lowercase();
        let spelling = self.spellings.get(&name).cloned().unwrap_or(name);
        (!is_formula(value)).then(|| (spelling, value.to_owned()))
    }
}

impl Parameter {
    /// Refuses a value that is not allowed.
    pub fn check(&self, value: &str) -> Result<(), Refusal> {
        let Some(allowed) = &self.allowed else { return Ok(()) };
        let fits = match self.data_type.as_str() {
            "integer" | "float" => is_formula(value) || in_range(allowed, value),
            "list" => value.split(',').all(|part| one_of(allowed, part.trim())),
            _ => one_of(allowed, value),
        };
        if fits {
            Ok(())
        } else {
            Err(Refusal::value(format!(
                "Invalid parameter value: {value} for: {} allowed values are: {allowed}",
                self.name
            )))
        }
    }
}

fn native(setting: &Setting) -> Parameter {
    let locked =
        setting.context == "internal" || super::matches(include_str!("locked.txt"), &setting.name);
    let (data_type, allowed) = match setting.kind.as_str() {
        "bool" => ("boolean", Some("0,1".to_owned())),
        "integer" => ("integer", range(setting)),
        "real" => ("float", range(setting)),
        "enum" => ("string", Some(setting.choices.join(","))),
        _ => ("string", None),
    };
    Parameter {
        name: setting.name.clone(),
        data_type: data_type.to_owned(),
        apply_type: match setting.context.as_str() {
            "internal" | "postmaster" => ApplyType::Static,
            _ => ApplyType::Dynamic,
        },
        editing: if locked { Editing::Locked } else { Editing::Open },
        allowed,
        preset: None,
        description: setting.description.clone(),
    }
}

fn range(setting: &Setting) -> Option<String> {
    Some(format!("{}-{}", setting.least.as_deref()?, setting.most.as_deref()?))
}

/// Reads a line of the overlay: the letters of its lists, and the parameter.
fn overlay(line: &'static str) -> Option<(&'static str, Parameter)> {
    let columns: Vec<&'static str> = line.split('\t').collect();
    let [name, letters, data_type, apply, edit, allowed, preset] =
        <[&'static str; 7]>::try_from(columns).ok()?;
    let given = |text: &str| (text != "-").then(|| text.to_owned());
    let parameter = Parameter {
        name: name.to_owned(),
        data_type: data_type.to_owned(),
        apply_type: if apply == "s" { ApplyType::Static } else { ApplyType::Dynamic },
        editing: if edit == "y" { Editing::Open } else { Editing::Locked },
        allowed: given(allowed),
        preset: given(preset),
        description: String::new(),
    };
    Some((letters, parameter))
}

fn preset_for_aurora(list: &mut BTreeMap<String, Parameter>) {
    for line in super::lines(include_str!("aurora_values.tsv")) {
        if let Some((name, value)) = line.split_once('\t')
            && let Some(parameter) = list.get_mut(name)
        {
            parameter.preset = Some(value.to_owned());
        }
    }
}

/// `{DBInstanceClassMemory/32768}`, or a function over such terms.
fn is_formula(value: &str) -> bool {
    value.contains('{')
}

fn one_of(allowed: &str, value: &str) -> bool {
    allowed.split(',').any(|choice| choice.eq_ignore_ascii_case(value))
}

/// Whether a number lies in `least-most`, either of which may be negative, or in a list.
fn in_range(allowed: &str, value: &str) -> bool {
    let Ok(number) = value.parse::<f64>() else { return false };
    let split = allowed.char_indices().skip(1).find(|(_, character)| *character == '-');
    let Some((at, _)) = split else { return one_of(allowed, value) };
    let (least, most) = allowed.split_at(at);
    let most = most.strip_prefix('-').unwrap_or(most);
    let above = least.parse::<f64>().is_ok_and(|least| number >= least);
    let below = most.is_empty() || most.parse::<f64>().is_ok_and(|most| number <= most);
    above && below
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloud::refusal::Code;

    fn setting(name: &str, context: &str, kind: &str) -> Setting {
        Setting {
            name: name.into(),
            context: context.into(),
            kind: kind.into(),
            least: Some("-1".into()),
            most: Some("100".into()),
            ..Setting::default()
        }
    }

    fn parameters() -> Parameters {
        let settings = [
            setting("work_mem", "user", "integer"),
            setting("archive_timeout", "sighup", "integer"),
            setting("max_connections", "postmaster", "integer"),
            setting("wal_buffers", "postmaster", "integer"),
            setting("TimeZone", "user", "string"),
            setting("server_version", "internal", "string"),
            setting("shared_preload_libraries", "postmaster", "string"),
        ];
        Parameters::new(&settings)
    }

    #[test]
    fn every_line_of_the_overlay_is_read() {
        let text = include_str!("parameters.tsv");
        assert_eq!(
            super::super::lines(text).filter_map(overlay).count(),
            super::super::lines(text).count()
        );
    }

    #[test]
    fn aurora_lacks_what_its_storage_made_pointless_and_splits_the_rest() {
        let all = parameters();
        let has = |scope, name| all.find(scope, name).is_some();
        assert!(has(Scope::Rds, "archive_timeout"));
        assert!(!has(Scope::AuroraCluster, "archive_timeout"));
        assert!(!has(Scope::AuroraInstance, "archive_timeout"));
        assert!(has(Scope::AuroraCluster, "rds.logical_replication"));
        assert!(!has(Scope::AuroraInstance, "rds.logical_replication"));
        assert!(!has(Scope::Rds, "apg_critical_insights_mode"));
        assert!(has(Scope::AuroraInstance, "apg_critical_insights_mode"));
        assert!(has(Scope::Rds, "timezone") && !has(Scope::AuroraInstance, "timezone"));
    }

    #[test]
    fn the_context_of_the_server_decides_static_or_dynamic() {
        let all = parameters();
        let find = |name| all.find(Scope::Rds, name).unwrap();
        assert_eq!(find("work_mem").apply_type, ApplyType::Dynamic);
        assert_eq!(find("max_connections").apply_type, ApplyType::Static);
        assert_eq!(find("server_version").editing, Editing::Locked);
    }

    #[test]
    fn values_are_checked_against_what_is_allowed() {
        let all = parameters();
        let check = |name: &str, value| all.find(Scope::Rds, name).unwrap().check(value);
        assert!(check("work_mem", "-1").is_ok());
        assert!(check("work_mem", "100").is_ok());
        assert_eq!(check("work_mem", "101").unwrap_err().code, Code::InvalidParameterValue);
        assert!(check("work_mem", "much").is_err());
        assert!(check("max_connections", "{DBInstanceClassMemory/9531392}").is_ok());
        assert!(check("rds.logical_replication", "2").is_err());
        assert!(check("shared_preload_libraries", "pg_cron, pgaudit").is_ok());
        assert!(check("shared_preload_libraries", "evil").is_err());
        assert!(check("auto_explain.log_min_duration", "-1").is_ok());
    }

    #[test]
    fn the_real_server_hears_its_own_spelling_and_no_formula() {
        let all = parameters();
        let pair = |name: &str, value: &str| Some((name.to_owned(), value.to_owned()));
        assert_eq!(all.real("WORK_MEM", "64"), pair("work_mem", "64"));
        assert_eq!(all.real("timezone", "UTC"), pair("TimeZone", "UTC"));
        assert_eq!(all.real("max_connections", "{DBInstanceClassMemory/9531392}"), None);
    }
}
