//! Purpose: the replica is what it should be: a copy of this source, in recovery, set as planned.
//! Reads: both servers, their extensions and settings as running. Without access, nothing.
//! Changes: nothing; where the two sides differ is remembered.
//! Undo: nothing to undo.
//! If it dies here: the next start looks again.

use landfall_core::facts::Parity;
use landfall_core::failure::Failure;
use landfall_core::port::database::{ExtensionView, ServerView};
use landfall_core::{Code, Fact, Facts, Problem, Spec};
use serde::{Deserialize, Serialize};

use super::{endpoint, source_endpoint, target};
use crate::step::{Look, Plan, Step};
use landfall_assess::parity;

/// Parity as running.
pub struct ValidateReplica;

/// Both sides, with access.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Inside {
    source: ServerView,
    target: ServerView,
    missing_extensions: Vec<ExtensionView>,
    pending_restart: Vec<String>,
    #[serde(default)]
    not_in_force: Vec<String>,
    #[serde(default)]
    parity: Parity,
}

/// Absent without access.
#[derive(Debug, Serialize, Deserialize)]
pub struct Seen {
    inside: Option<Inside>,
}

impl Step for ValidateReplica {
    const ID: &'static str = "replicate.validate_replica";
    const TITLE: &'static str = "Validate the replica";
    type Seen = Seen;

    async fn observe(&self, look: &Look<'_>) -> Result<Seen, Failure> {
        let (Some(database), Some(source)) = (look.ports.database, source_endpoint(look.facts))
        else {
            return Ok(Seen { inside: None });
        };
        let cluster = target(look).await?;
        let at = endpoint(&cluster.id, cluster.endpoint.as_ref())?;
        let have = database.extensions(&at).await?;
        let wanted = database.extensions(source).await?;
        let planned = look.facts.parameters.as_deref().unwrap_or_default();
        let (here, there) = (database.settings(source).await?, database.settings(&at).await?);
        let compared = parity::compare(planned, &here, &there, &have);
        Ok(Seen {
            inside: Some(Inside {
                source: database.server(source).await?,
                target: database.server(&at).await?,
                missing_extensions: wanted.into_iter().filter(|e| !have.contains(e)).collect(),
                pending_restart: compared.pending,
                not_in_force: compared.not_in_force,
                parity: compared.parity,
            }),
        })
    }

    fn plan(&self, _: &Spec, facts: &Facts, seen: &Seen) -> Plan {
        let Some(inside) = &seen.inside else { return Plan::Done };
        if let Some((what, hint)) = difference(inside) {
            return Plan::blocked(Problem::new(Code::ParityBroken, what, hint));
        }
        if facts.parity.as_ref() == Some(&inside.parity) {
            return Plan::Done;
        }
        Plan::Learn(Fact::Parity(inside.parity.clone()))
    }

    fn undo(&self, _: &Spec, _: &Facts, _: &Seen) -> Plan {
        Plan::Done
    }
}

fn difference(seen: &Inside) -> Option<(String, &'static str)> {
    let again = "Run `landfall abort`, and start again with a fresh replica.";
    let (source, target) = (&seen.source, &seen.target);
    if !target.in_recovery {
        return Some(("the target is not a replica: it is not in recovery".to_owned(), again));
    }
    let unlike =
        source.system_identifier.zip(target.system_identifier).is_some_and(|(a, b)| a != b);
    if unlike {
        return Some(("the target is a copy of another server".to_owned(), again));
    }
    if source.version_num / 10_000 != target.version_num / 10_000 {
        let what =
            format!("major versions differ: {} and {}", source.version_num, target.version_num);
        return Some((what, again));
    }
    if let Some(extension) = seen.missing_extensions.first() {
        let what = format!(
            "extension {} {} of database {} is not on the replica",
            extension.name, extension.version, extension.database
        );
        return Some((what, "Wait for the replica to catch up, then run `landfall resume`."));
    }
    if !seen.pending_restart.is_empty() {
        let what = format!("parameters wait for a restart: {}", seen.pending_restart.join(", "));
        return Some((what, "Reboot the replica's instance, then run `landfall resume`."));
    }
    if !seen.not_in_force.is_empty() {
        let what = format!("planned values are not in force: {}", seen.not_in_force.join("; "));
        let hint = "See whether the instance wears the group that Landfall made, and whether a \
                    role or a database sets another value; then run `landfall resume`.";
        return Some((what, hint));
    }
    None
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::model::example_spec;

    fn inside() -> Inside {
        let server = |in_recovery: bool| ServerView {
            version_num: 150_014,
            system_identifier: Some(1),
            timeline: Some(1),
            in_recovery,
            started_at: Timestamp::UNIX_EPOCH,
            now: Timestamp::UNIX_EPOCH,
            flush_lsn: None,
            replay_lsn: None,
            writable: !in_recovery,
        };
        Inside {
            source: server(false),
            target: server(true),
            missing_extensions: vec![],
            pending_restart: vec![],
            not_in_force: vec![],
            parity: Parity { in_force: 3, ..Parity::default() },
        }
    }

    fn plan(facts: &Facts, inside: Inside) -> Plan {
        ValidateReplica.plan(&example_spec(), facts, &Seen { inside: Some(inside) })
    }

    #[test]
    fn what_differs_is_remembered_and_what_is_not_in_force_stops() {
        let mut facts = Facts::default();
        let learned = Plan::Learn(Fact::Parity(inside().parity));
        assert_eq!(plan(&facts, inside()), learned);
        facts.parity = Some(inside().parity);
        assert_eq!(plan(&facts, inside()), Plan::Done);
        let told = |inside: Inside| {
            let Plan::Blocked(problem) = plan(&Facts::default(), inside) else {
                panic!("it is not stopped")
            };
            problem.primary
        };
        let not_in_force = vec!["work_mem is \"4\" and was planned as \"8\"".to_owned()];
        let stopped = told(Inside { not_in_force, ..inside() });
        assert!(stopped.contains("not in force: work_mem is \"4\""), "{stopped}");
        let pending_restart = vec!["max_connections".to_owned()];
        let stopped = told(Inside { pending_restart, ..inside() });
        assert!(stopped.contains("wait for a restart: max_connections"), "{stopped}");
    }

    #[test]
    fn without_access_there_is_nothing_to_compare() {
        let seen = Seen { inside: None };
        assert_eq!(ValidateReplica.plan(&example_spec(), &Facts::default(), &seen), Plan::Done);
    }
}
