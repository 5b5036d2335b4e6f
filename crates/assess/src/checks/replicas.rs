//! Replicas of the source: what AWS allows beside an Aurora replica, and what does not move.

use landfall_core::Code;
use landfall_core::finding::Finding;

use super::Seen;

pub(super) fn aurora(seen: &Seen<'_>) -> Vec<Finding> {
    let others = seen.instance.replica_clusters.iter();
    let other = others.filter(|cluster| **cluster != seen.spec.target.cluster).take(1);
    other
        .map(|other| {
            let what = format!("it has the Aurora read replica {other}, and AWS allows one");
            Finding::blocker(Code::SourceHasReplica, &seen.instance.id, what)
                .remedy("Delete or promote that replica first.")
        })
        .collect()
}

pub(super) fn chain(seen: &Seen<'_>) -> Vec<Finding> {
    let of = seen.instance.replica_of.iter();
    of.map(|of| {
        let what = format!("it is itself a read replica of {of}");
        Finding::blocker(Code::SourceHasReplica, &seen.instance.id, what)
            .remedy("Move the primary instead.")
    })
    .collect()
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
