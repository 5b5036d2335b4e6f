//! Purpose: the replica is what it should be: a copy of this source, in recovery, set as planned.
//! Reads: both servers, their extensions, the replica's settings. Without access, nothing.
//! Changes: nothing.
//! Undo: nothing to undo.
//! If it dies here: the next start looks again.

use landfall_core::failure::Failure;
use landfall_core::port::database::{ExtensionView, ServerView};
use landfall_core::{Code, Facts, Problem, Spec};
use serde::{Deserialize, Serialize};

use super::{endpoint, source_endpoint, target};
use crate::step::{Look, Plan, Step};

/// Parity as running.
pub struct ValidateReplica;

/// Both sides, with access.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Inside {
    source: ServerView,
    target: ServerView,
    missing_extensions: Vec<ExtensionView>,
    pending_restart: Vec<String>,
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
        let missing = database.extensions(source).await?;
        let settings = database.settings(&at).await?;
        let planned = look.facts.parameters.iter().flatten();
        Ok(Seen {
            inside: Some(Inside {
                source: database.server(source).await?,
                target: database.server(&at).await?,
                missing_extensions: missing.into_iter().filter(|e| !have.contains(e)).collect(),
                pending_restart: planned
                    .filter(|verdict| verdict.target_value.is_some())
                    .filter(|v| settings.get(&v.name).is_some_and(|s| s.pending_restart))
                    .map(|verdict| verdict.name.clone())
                    .collect(),
            }),
        })
    }

    fn plan(&self, _: &Spec, _: &Facts, seen: &Seen) -> Plan {
        match seen.inside.as_ref().and_then(difference) {
            None => Plan::Done,
            Some((what, hint)) => Plan::blocked(Problem::new(Code::ParityBroken, what, hint)),
        }
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
    None
}
