//! Purpose: the promoted target takes writes before anybody is sent there.
//! Reads: the cluster and its writer; with access the server itself.
//! Changes: nothing; the instant is remembered.
//! Undo: nothing to undo.
//! If it dies here: both sides stay closed; the next start looks again.

use std::pin::pin;

use futures_util::future::try_join;
use jiff::Timestamp;
use landfall_core::failure::Failure;
use landfall_core::port::cloud::{Cluster, Instance, ResourceState};
use landfall_core::port::database::ServerView;
use landfall_core::{Fact, Facts, Spec};
use serde::{Deserialize, Serialize};

use super::target;
use crate::step::{BRISK, Look, Plan, Step};

/// The wait for a primary.
pub struct WaitWritable;

/// The target, from outside and inside.
#[derive(Debug, Serialize, Deserialize)]
pub struct Seen {
    cluster: Cluster,
    writer: Option<Instance>,
    server: Option<ServerView>,
    now: Timestamp,
}

impl Step for WaitWritable {
    const ID: &'static str = "cutover.wait_writable";
    const TITLE: &'static str = "Wait until the target takes writes";
    type Seen = Seen;

    async fn observe(&self, look: &Look<'_>) -> Result<Seen, Failure> {
        let writer = look.spec.writer();
        let (inside, writer) =
            try_join(pin!(inside(look)), look.ports.cloud.instance(&writer)).await?;
        let (cluster, server) = inside;
        Ok(Seen { cluster, writer, server, now: look.now() })
    }

    fn plan(&self, spec: &Spec, facts: &Facts, seen: &Seen) -> Plan {
        let promoted = seen.cluster.replicates_from.is_none()
            && seen.cluster.state == ResourceState::Available;
        let writer = seen.writer.as_ref().is_some_and(|w| w.state == ResourceState::Available);
        let primary =
            seen.server.as_ref().is_none_or(|server| !server.in_recovery && server.writable);
        if promoted && writer && primary {
            return match facts.promoted {
                Some(_) => Plan::Done,
                None => Plan::Conclude(Fact::Promoted { at: seen.now }),
            };
        }
        let reading =
            format!("cluster {}, promoted {promoted}, primary {primary}", seen.cluster.state);
        Plan::wait(spec, format!("{} to take writes", seen.cluster.id), reading).every(BRISK)
    }

    fn undo(&self, _: &Spec, _: &Facts, _: &Seen) -> Plan {
        Plan::Done
    }
}

/// The cluster, and with access the server behind its endpoint.
async fn inside(look: &Look<'_>) -> Result<(Cluster, Option<ServerView>), Failure> {
    let cluster = target(look).await?;
    let server = match (look.ports.database, &cluster.endpoint) {
        (Some(database), Some(at)) => Some(database.server(at).await?),
        _ => None,
    };
    Ok((cluster, server))
}
