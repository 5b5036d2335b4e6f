//! Inventories made up for tests: one without any fault, one with all of them.

pub(crate) mod faults;
mod inside;

use jiff::Timestamp;
use landfall_core::finding::Finding;
use landfall_core::port::cloud::{
    ApplyType, EngineVersion, Instance, Metric, MetricSpan, Parameter, ParameterSource,
    Surroundings,
};
use landfall_core::port::database::{Answer, Said, Scope};
use landfall_core::{DatabaseName, Spec, spec};
use serde_json::{Value, json};

use crate::Inventory;
use crate::inventory::{Defaults, History};
use crate::question::ALL;

const SPEC: &str = r#"
[migration]
name = "orders"
[source]
instance = "orders-prod"
[target]
cluster = "orders-aurora"
quarantine_group = "sg-target"
readers = 1
[access]
user = "landfall"
password = "env:LANDFALL_PASSWORD"
[route]
service = "orders"
gateway_networks = ["10.0.8.0/24"]
[cutover]
quarantine_group = "sg-source"
"#;

/// A spec and what was found.
pub(crate) struct Case {
    pub(crate) spec: Spec,
    pub(crate) inventory: Inventory,
}

impl Case {
    pub(crate) fn findings(&self) -> Vec<Finding> {
        crate::findings(&self.spec, &self.inventory)
    }

    pub(crate) fn instance(&mut self) -> &mut Instance {
        self.inventory.instance.as_mut().expect("a made-up inventory has an instance")
    }

    /// Puts another answer in the place of a question's.
    pub(crate) fn says(&mut self, question: &str, answer: Value) {
        let of_it = self.inventory.answers.iter_mut().filter(|one| one.question == question);
        // The first database alone has the fault.
        let first = of_it.into_iter().next().unwrap_or_else(|| panic!("{question} is asked"));
        first.said = Said::Answer(answer);
    }

    /// Refuses a question everywhere.
    pub(crate) fn refuses(&mut self, question: &str) {
        for one in self.inventory.answers.iter_mut().filter(|one| one.question == question) {
            let words = "permission denied".to_owned();
            one.said = Said::Refused { sqlstate: Some("42501".to_owned()), words };
        }
    }
}

pub(crate) fn now() -> Timestamp {
    "2026-11-20T12:00:00Z".parse().expect("an instant")
}

fn instance() -> Instance {
    serde_json::from_value(json!({
        "id": "orders-prod",
        "arn": "arn:aws:rds:eu-west-1:123456789012:db:orders-prod",
        "engine": "postgres", "engine_version": "15.14", "class": "db.r6g.large",
        "state": "available",
        "endpoint": { "host": "orders-prod.rds.example", "port": 5432 },
        "master_user": "shop", "backup_retention_days": 7,
        "security_groups": [{ "group": "sg-app", "active": true }],
        "subnet_group": "private",
        "parameter_group": { "name": "orders-pg15", "apply_status": "in-sync" },
        "replica_clusters": [], "replica_instances": [], "replica_of": null, "cluster": null,
        "encrypted": true, "kms_key": "arn:aws:kms:eu-west-1:123456789012:key/1",
        "multi_az": false, "allocated_gib": 200, "deletion_protected": true, "tags": {},
        "detail": { "resource_id": "db-ABC", "storage_type": "gp3", "ca": "rds-ca-rsa2048-g1" }
    }))
    .expect("an instance")
}

/// An hour's period, so many hours before now.
fn spans(value: impl Fn(i64) -> f64) -> Vec<MetricSpan> {
    let span = |hours: i64| {
        let at = now() - jiff::SignedDuration::from_hours(hours);
        let value = value(hours);
        MetricSpan { at, average: value, minimum: value, maximum: value * 1.5, samples: 60.0 }
    };
    (1..=72).rev().map(span).collect()
}

pub(crate) fn history(metric: Metric, value: impl Fn(i64) -> f64) -> History {
    History { metric, spans: Ok(spans(value)) }
}

pub(crate) const GIB: f64 = 1_073_741_824.0;

pub(crate) fn parameter(name: &str, value: &str, source: ParameterSource) -> Parameter {
    Parameter {
        name: name.to_owned(),
        value: (!value.is_empty()).then(|| value.to_owned()),
        apply_type: ApplyType::Dynamic,
        modifiable: true,
        allowed: None,
        source,
    }
}

/// What each question is answered when there is nothing to say.
fn nothing(question: &str) -> Value {
    match question {
        "settings" => json!({
            "version_num": 150014, "preloaded": ["rdsutils"], "password_encryption":
            "scram-sha-256", "wal_level": "replica", "max_slot_wal_keep_size": "-1",
            "max_connections": 500, "tracking": "on", "set": { "total": 0, "items": [] }
        }),
        "databases" => json!({
            "freeze_max_age": 200_000_000, "started_at": "2026-11-01T00:00:00Z",
            "databases": { "total": 1, "items": [database("shop", "open", 1000)] }
        }),
        "database_sizes" => json!({ "total": 1, "items": [
            { "name": "shop", "bytes": 50_000_000_000_u64 }] }),
        "connections" => {
            json!({ "sessions": 0, "hidden": 0, "groups": { "total": 0, "items": [] } })
        }
        "long_transactions" => {
            json!({ "hidden": 0, "transactions": { "total": 0, "items": [] } })
        }
        "roles" => json!({ "logins": 3, "notable": { "total": 0, "items": [] } }),
        "password_hashes" => {
            json!({ "scram": 3, "without": 0, "md5": { "total": 0, "items": [] } })
        }
        "tables" => json!({ "indexes": 0, "bytes": 0, "stats_reset": null,
                            "largest": { "total": 0, "items": [] } }),
        "large_objects" => json!({ "count": 0, "bytes": 0 }),
        "sequences" => json!({ "total": 0, "looked": 0, "hidden": 0, "worn": 0, "items": [] }),
        "collations" => {
            json!({ "default_uses": 0, "collations": { "total": 0, "items": [] } })
        }
        "jobs" => {
            json!({ "cron": "absent", "jobs": [], "partman": "absent", "partman_sets": null })
        }
        _ => json!({ "total": 0, "items": [] }),
    }
}

pub(crate) fn database(name: &str, door: &str, xid_age: u64) -> Value {
    json!({ "name": name, "owner": "shop", "door": door, "encoding": "UTF8", "collate": "C",
            "xid_age": xid_age, "multixact_age": 1, "tablespace": null, "stats_reset": null,
            "commits": 5 })
}

/// A source with nothing wrong, looked at in full.
pub(crate) fn clean() -> Case {
    let said = |name: &str, database: Option<&str>| Answer {
        question: name.to_owned(),
        database: database.map(DatabaseName::new),
        said: Said::Answer(nothing(name)),
    };
    let answers = ALL.iter().flat_map(|question| match question.scope {
        Scope::Server => vec![said(question.name, None)],
        Scope::EachDatabase => {
            vec![said(question.name, Some("shop")), said(question.name, Some("postgres"))]
        }
    });
    let version: EngineVersion = serde_json::from_value(json!({
        "version": "15.14", "family": "aurora-postgresql15", "features": [], "log_types": []
    }))
    .expect("a version");
    let defaults =
        |value: &str| vec![parameter("max_connections", value, ParameterSource::EngineDefault)];
    let inventory = Inventory {
        taken_at: Some(now()),
        instance: Some(instance()),
        versions: vec![version],
        classes: vec!["db.r6g.large".to_owned()],
        gateway: Some(Ok(serde_json::from_value(json!({
            "holds": true, "holds_at_most": null, "sessions": "kept"
        }))
        .expect("an ability"))),
        around: Some(Surroundings {
            maintenance: Ok(vec![]),
            quotas: Ok(vec![]),
            alarms: Ok(vec![]),
            group_shared_with: Ok(vec![]),
            proxies: Ok(vec![]),
        }),
        answers: answers.collect(),
        history: vec![
            history(Metric::TransactionLogsGeneration, |_| 500_000.0),
            history(Metric::FreeStorageSpace, |_| 120.0 * GIB),
        ],
        defaults: Some(Ok(Defaults {
            source: defaults("500"),
            cluster: vec![],
            instance: defaults("500"),
        })),
        ..Inventory::default()
    };
    Case { spec: spec::parse(SPEC).expect("a spec"), inventory }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::saved::Saved;

    /// The same two inventories as files: other crates show them, and they are what `--save` writes.
    /// `LANDFALL_WRITE_FIXTURES=1 cargo test -p landfall-assess saved_files` writes them anew.
    #[test]
    fn saved_files_are_what_is_made_up_here() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data");
        for (name, case) in [("clean", clean()), ("faulty", faults::faulty())] {
            let saved = Saved::new(case.spec, case.inventory);
            let (path, text) = (format!("{folder}/{name}.json"), saved.to_text().unwrap());
            if std::env::var_os("LANDFALL_WRITE_FIXTURES").is_some() {
                std::fs::write(&path, &text).unwrap();
            }
            assert_eq!(std::fs::read_to_string(&path).unwrap(), text, "{path} is not fresh");
            assert_eq!(Saved::from_text(&text).unwrap(), saved);
        }
    }

    #[test]
    fn a_file_of_another_format_is_refused() {
        let text = Saved::new(clean().spec, clean().inventory).to_text().unwrap();
        let other = text.replacen("\"format\": 1", "\"format\": 2", 1);
        assert!(Saved::from_text(&other).unwrap_err().to_string().contains("format 2"));
        assert!(Saved::from_text("{}").is_err());
        assert!(Saved::from_text("").is_err());
    }
}
