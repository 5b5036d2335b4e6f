//! Replicas of the source: what AWS allows beside an Aurora replica, and what does not move.

use landfall_core::Code;
use landfall_core::finding::Finding;

use super::asking::names;
use super::{Seen, page};

pub(super) fn aurora(seen: &Seen<'_>) -> Vec<Finding> {
    let others = seen.instance.replica_clusters.iter();
    let other = others.filter(|cluster| **cluster != seen.spec.target.cluster).take(1);
    other
        .map(|other| {
            let what = format!("it has the Aurora read replica {other}, and AWS allows one");
            Finding::blocker(Code::SourceHasReplica, &seen.instance.id, what)
                .remedy("Delete or promote that replica first.")
                .see(page::REPLICA)
        })
        .collect()
}

pub(super) fn chain(seen: &Seen<'_>) -> Vec<Finding> {
    let of = seen.instance.replica_of.iter();
    of.map(|of| {
        let what = format!("it is itself a read replica of {of}");
        Finding::blocker(Code::SourceHasReplica, &seen.instance.id, what)
            .remedy("Move the primary instead.")
            .see(page::REPLICA)
    })
    .collect()
}

pub(super) fn elsewhere(seen: &Seen<'_>) -> Vec<Finding> {
    let replicas = &seen.instance.detail.replicas_elsewhere;
    if replicas.is_empty() {
        return vec![];
    }
    let listed = names(replicas.iter().cloned(), 0);
    let what = format!("it has read replicas in other Regions: {listed}");
    vec![
        Finding::blocker(Code::RoadClosed, &seen.instance.id, what)
            .why("AWS makes no Aurora replica of an instance with a cross-Region read replica.")
            .remedy("Delete or promote them for the time of the move.")
            .see(page::REPLICA),
    ]
}

pub(super) fn in_region(seen: &Seen<'_>) -> Vec<Finding> {
    let replicas = seen.instance.replica_instances.iter();
    replicas
        .map(|replica| {
            Finding::note(replica, "a read replica of the source does not move with it")
                .remedy("Add Aurora readers after the move, and point its readers at them.")
        })
        .collect()
}
