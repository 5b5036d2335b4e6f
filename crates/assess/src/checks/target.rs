//! What the source would become, and whether its place is free.

use landfall_core::Code;
use landfall_core::finding::{Finding, Learnt};
use landfall_core::port::cloud::TAG_MIGRATION;
use landfall_core::quantity::Acu;

use super::asking::names;
use super::{Seen, page};
use crate::catalogue::is_burstable;
use crate::choice::{choose_class, choose_version};

pub(super) fn version(seen: &Seen<'_>) -> Vec<Finding> {
    let Seen { spec, inventory, instance } = seen;
    let Some(version) = choose_version(spec, instance, &inventory.versions) else {
        return vec![no_version(seen)];
    };
    let mut found = vec![];
    if instance.engine_version.contains('-') {
        let what = format!("its version {} is one of RDS's own releases", instance.engine_version);
        found.push(
            Finding::note(&instance.id, what)
                .learnt(Learnt::Inferred)
                .why("Its fixes may not be in Aurora's minor of the same number.")
                .remedy(format!("Read the release notes of Aurora {}.", version.version))
                .see(page::VERSIONS),
        );
    }
    if version.version != instance.engine_version {
        let what = format!(
            "PostgreSQL {} becomes Aurora PostgreSQL {}",
            instance.engine_version, version.version
        );
        found.push(
            Finding::note(&instance.id, what)
                .why("The newest minor that is offered has the most fixes for such replicas.")
                .remedy("Set target.engine_version to take another.")
                .see(page::VERSIONS),
        );
    }
    found
}

fn no_version(seen: &Seen<'_>) -> Finding {
    let Seen { spec, inventory, instance } = seen;
    let asked = spec.target.engine_version.as_ref();
    let what = format!(
        "Aurora offers {} for PostgreSQL {}",
        asked.map_or_else(|| "no version".to_owned(), |asked| format!("no version {asked}")),
        instance.engine_version
    );
    let offered = names(inventory.versions.iter().map(|one| one.version.clone()), 0);
    let offered = if offered.is_empty() {
        "AWS offered nothing for it in this Region.".to_owned()
    } else {
        format!("AWS offered {offered}.")
    };
    Finding::blocker(Code::NoTargetVersion, &instance.id, what)
        .why(format!(
            "An Aurora replica must be of the source's major and of its minor or a newer one. \
             {offered}"
        ))
        .remedy("Choose one of the versions Aurora offers, or upgrade the source's minor first.")
        .see(page::VERSIONS)
}

pub(super) fn class(seen: &Seen<'_>) -> Vec<Finding> {
    let Seen { spec, inventory, instance } = seen;
    let Some(version) = choose_version(spec, instance, &inventory.versions) else { return vec![] };
    let Some(class) = choose_class(spec, instance, &inventory.classes) else {
        let what = format!("Aurora {} has no class of this size", version.version);
        return vec![
            Finding::blocker(Code::NoTargetClass, &instance.class, what)
                .remedy("Set target.class to a class that Aurora offers.")
                .see(page::CLASSES),
        ];
    };
    let mut found = vec![];
    if class != instance.class {
        found.push(
            Finding::note(&instance.class, format!("it becomes {class}"))
                .why("Aurora does not offer every class of RDS; the same size was taken.")
                .remedy("Set target.class to take another.")
                .see(page::CLASSES),
        );
    }
    if is_burstable(&class) {
        found.push(
            Finding::warning(&class, "a burstable class for the target")
                .why("When its CPU credits are spent, it slows down, or costs more.")
                .remedy("Set target.class to one of a memory family for production.")
                .see(page::CLASSES),
        );
    }
    if let Some(range) = spec.target.serverless.filter(|range| range.min_acu < Acu::whole(2)) {
        let what = format!("it may shrink to {} ACU", range.min_acu);
        found.push(
            Finding::warning(&spec.target.cluster, what)
                .why("Below 2 ACU there is memory for few sessions and a small cache; it grows slowly.")
                .remedy("Set target.serverless.min_acu to 2 or more for production.")
                .see(page::CLASSES),
        );
    }
    found
}

pub(super) fn readers(seen: &Seen<'_>) -> Vec<Finding> {
    if seen.spec.target.readers > 0 || !(seen.instance.multi_az || has_readers(seen)) {
        return vec![];
    }
    vec![
        Finding::note(&seen.spec.target.cluster, "the target has no reader")
            .why("The source has a standby or replicas; without a reader the target has neither.")
            .remedy("Set target.readers to 1 or more.")
            .see(page::REPLICA),
    ]
}

fn has_readers(seen: &Seen<'_>) -> bool {
    !seen.instance.replica_instances.is_empty()
}

pub(super) fn name(seen: &Seen<'_>) -> Vec<Finding> {
    let Some(cluster) = &seen.inventory.cluster else { return vec![] };
    let name = seen.spec.migration.name.as_str();
    let ours = cluster.tags.get(TAG_MIGRATION).map(String::as_str) == Some(name);
    let taken = |what: &str| Finding::blocker(Code::NameTaken, &cluster.id, what);
    if !ours {
        let what = "a cluster of this name exists and is not this move's";
        return vec![taken(what).remedy("Choose another target.cluster.")];
    }
    if cluster.replicates_from.is_none() {
        let what = "a cluster of this name was promoted by an earlier attempt of this move";
        return vec![
            taken(what).remedy("Delete it when nobody needs it, or choose another target.cluster."),
        ];
    }
    vec![]
}
