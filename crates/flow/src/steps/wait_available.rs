//! Purpose: the replica is built and answers.
//! Reads: the cluster and its writer.
//! Changes: nothing.
//! Undo: nothing to undo.
//! If it dies here: AWS goes on building; the next start looks again.

use landfall_core::failure::Failure;
use landfall_core::port::cloud::{Cluster, Instance, ResourceState};
use landfall_core::{Code, Facts, Problem, Spec};
use serde::{Deserialize, Serialize};

use crate::step::{Look, Plan, Step};

/// The long wait.
pub struct WaitAvailable;

/// Cluster and writer.
#[derive(Debug, Serialize, Deserialize)]
pub struct Seen {
    cluster: Option<Cluster>,
    writer: Option<Instance>,
}

impl Step for WaitAvailable {
    const ID: &'static str = "replicate.wait_available";
    const TITLE: &'static str = "Wait for the replica to be available";
    type Seen = Seen;

    async fn observe(&self, look: &Look<'_>) -> Result<Seen, Failure> {
        let cloud = look.ports.cloud;
        Ok(Seen {
            cluster: cloud.cluster(&look.spec.target.cluster).await?,
            writer: cloud.instance(&look.spec.writer()).await?,
        })
    }

    fn plan(&self, spec: &Spec, _: &Facts, seen: &Seen) -> Plan {
        let states = [
            seen.cluster.as_ref().map(|cluster| &cluster.state),
            seen.writer.as_ref().map(|writer| &writer.state),
        ];
        let failed = states.iter().flatten().find_map(|state| match state {
            ResourceState::Failed(status) => Some(status.clone()),
            ResourceState::Available | ResourceState::Busy(_) | ResourceState::Deleting => None,
        });
        if let Some(status) = failed {
            return Plan::blocked(not_available(spec, &format!("AWS reports {status}")));
        }
        let available = states.iter().all(|state| *state == Some(&ResourceState::Available));
        let reachable = seen.cluster.as_ref().is_some_and(|cluster| cluster.endpoint.is_some());
        if available && reachable {
            return Plan::Done;
        }
        let [cluster, writer] = states.map(word);
        Plan::wait(
            spec,
            format!("replica {} to be available", spec.target.cluster),
            format!("cluster {cluster}, instance {writer}"),
        )
        .or(spec.limits.replica_available_within, not_available(spec, "its time is up"))
    }

    fn undo(&self, _: &Spec, _: &Facts, _: &Seen) -> Plan {
        Plan::Done
    }
}

fn word(state: Option<&ResourceState>) -> String {
    state.map_or_else(|| "not there yet".to_owned(), ToString::to_string)
}

fn not_available(spec: &Spec, why: &str) -> Problem {
    Problem::new(
        Code::ReplicaNotAvailable,
        format!("replica {} is not available: {why}", spec.target.cluster),
        "Read the cluster's events in the AWS console; `landfall resume` waits on, `landfall \
         abort` deletes the replica and leaves the source as it was.",
    )
}
