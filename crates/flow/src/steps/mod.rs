//! The steps, one file each. What they share is small and stands here: reading an object and
//! telling whose it is.

mod add_readers;
mod adopt_route;
mod arm_way_back;
mod assess_source;
mod beside;
mod carry_over;
mod clean_up;
mod close_way_back;
mod compare_with_baseline;
mod create_replica_cluster;
mod create_writer;
mod drain_replica;
mod enable_backups;
mod fence_source;
mod final_marker;
mod finish_target;
mod gate;
mod hold_traffic;
mod keep_fence;
mod metric_proof;
mod move_readers;
mod point_at_target;
mod prepare_marker;
mod prepare_way_back;
mod promote_replica;
mod prove_fence;
mod record_baseline;
mod rehearse_route;
mod rehearse_way_back;
mod release_traffic;
mod retire_source;
mod reverse;
mod services;
pub(crate) mod side;
mod smoke;
mod sustain_lag;
mod translate_parameters;
mod validate_replica;
mod wait_available;
mod wait_writable;
pub(crate) mod way_back;

pub use add_readers::AddReaders;
pub use adopt_route::AdoptRoute;
pub use arm_way_back::ArmWayBack;
pub use assess_source::AssessSource;
pub use carry_over::CarryOver;
pub use clean_up::CleanUp;
pub use close_way_back::{ClearWayBack, CloseWayBack};
pub use compare_with_baseline::CompareWithBaseline;
pub use create_replica_cluster::CreateReplicaCluster;
pub use create_writer::CreateWriter;
pub use drain_replica::DrainReplica;
pub use enable_backups::EnableBackups;
pub use fence_source::FenceSource;
pub use final_marker::FinalMarker;
pub use finish_target::FinishTarget;
pub use gate::{APPROVE_BACKUPS, APPROVE_CUTOVER, APPROVE_RETIREMENT};
pub use hold_traffic::HoldTraffic;
pub use keep_fence::{ACCEPT_GATE, KeepFence};
pub use move_readers::MoveReaders;
pub use point_at_target::PointAtTarget;
pub use prepare_marker::PrepareMarker;
pub use prepare_way_back::PrepareWayBack;
pub use promote_replica::PromoteReplica;
pub use prove_fence::ProveFence;
pub use record_baseline::RecordBaseline;
pub use rehearse_route::RehearseRoute;
pub use rehearse_way_back::RehearseWayBack;
pub use release_traffic::ReleaseTraffic;
pub use retire_source::RetireSource;
pub(crate) use reverse::missing as missing_way_back;
pub use reverse::{
    AdmitGateway, CLEAN_BOTH, CLOSE_BACK, CarrySequences, CheckWayBack, DrainWayBack, FENCE_TARGET,
    FinalMarkers, FinishSource, HOLD_AGAIN, KeepTarget, PROVE_TARGET, PointAtSource, RELEASE_BACK,
    StopApply,
};
pub use smoke::{SMOKE_AGAIN, SMOKE_SOURCE, SMOKE_TARGET};
pub use sustain_lag::SustainLag;
pub use translate_parameters::TranslateParameters;
pub use validate_replica::ValidateReplica;
pub use wait_available::WaitAvailable;
pub use wait_writable::WaitWritable;

use landfall_core::failure::{Failure, FailureKind};
use landfall_core::ids::SecurityGroupId;
use landfall_core::port::cloud::{Cluster, GroupMembership, Instance, TAG_MIGRATION, Tags};
use landfall_core::port::router::ProxyView;
use landfall_core::{Code, Endpoint, Facts, Problem, Spec};

use crate::step::Look;

/// The source, which assessment has seen; its absence now is a failure.
async fn source(look: &Look<'_>) -> Result<Instance, Failure> {
    let id = &look.spec.source.instance;
    look.ports.cloud.instance(id).await?.ok_or_else(|| {
        Failure::new(FailureKind::NotFound, format!("look at instance {id}"), "it does not exist")
    })
}

/// The target cluster, where it must be there by now.
async fn target(look: &Look<'_>) -> Result<Cluster, Failure> {
    let id = &look.spec.target.cluster;
    look.ports.cloud.cluster(id).await?.ok_or_else(|| {
        Failure::new(FailureKind::NotFound, format!("look at cluster {id}"), "it does not exist")
    })
}

/// Where an object answers, or the failure that it has no endpoint.
fn endpoint(
    object: impl std::fmt::Display,
    endpoint: Option<&Endpoint>,
) -> Result<Endpoint, Failure> {
    endpoint.cloned().ok_or_else(|| {
        Failure::new(FailureKind::WrongState, format!("reach {object}"), "it has no endpoint yet")
    })
}

/// Where the source answered at assessment.
fn source_endpoint(facts: &Facts) -> Option<&Endpoint> {
    facts.source.as_ref().map(|source| &source.endpoint)
}

/// Whether tags say that this move made the object.
fn is_ours(spec: &Spec, tags: &Tags) -> bool {
    tags.get(TAG_MIGRATION).map(String::as_str) == Some(spec.migration.name.as_str())
}

/// An object of the name we need belongs to somebody else.
fn name_taken(object: impl std::fmt::Display) -> Problem {
    Problem::new(
        Code::NameTaken,
        format!("{object} exists and is not this move's"),
        "Choose another name in the spec, or remove the object if nobody needs it.",
    )
}

/// The groups are exactly these, and in force.
pub(crate) fn groups_are(have: &[GroupMembership], want: &[SecurityGroupId]) -> Membership {
    let settled = have.iter().all(|member| member.active);
    let same = have.len() == want.len() && want.iter().all(|g| have.iter().any(|m| m.group == *g));
    match (same, settled) {
        (true, true) => Membership::InForce,
        (false, false) | (true, false) => Membership::Changing,
        (false, true) => Membership::Different,
    }
}

/// How the groups of an object stand to the wanted ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Membership {
    InForce,
    Changing,
    Different,
}

fn straggler(proxy: &ProxyView) -> String {
    let reason = match (&proxy.rejected, proxy.connected_since) {
        (Some(words), _) => format!("refuses the route: {words}"),
        (None, None) => format!("is not connected, last seen {:.0}", proxy.last_seen),
        (None, Some(_)) => "has not acknowledged".to_owned(),
    };
    format!("{} {reason}", proxy.node)
}

/// What is told when proxies do not follow.
fn gateway_problem(doing: &str, who: &[String]) -> Problem {
    Problem::new(
        Code::GatewayNotReady,
        format!("{doing}: {} of the gateway's proxies do not follow", who.len()),
        "Look at those gateways and their way to Landfall (`landfall route status`); then run \
         `landfall resume`, or `landfall abort`.",
    )
    .detail(who.join("; "))
}
