//! What the source would become, and whether its place is free.

use landfall_core::Code;
use landfall_core::finding::Finding;
use landfall_core::port::cloud::TAG_MIGRATION;

use super::Seen;
use crate::choice::{choose_class, choose_version};

pub(super) fn version(seen: &Seen<'_>) -> Vec<Finding> {
    let Seen { spec, inventory, instance } = seen;
    if choose_version(spec, instance, &inventory.versions).is_some() {
        return vec![];
    }
    let asked = spec.target.engine_version.as_ref();
    let what = format!(
        "Aurora offers {} for PostgreSQL {}",
        asked.map_or_else(|| "no version".to_owned(), |asked| format!("no version {asked}")),
        instance.engine_version
    );
    vec![
        Finding::blocker(Code::NoTargetVersion, &instance.id, what).remedy(
            "Choose one of the versions Aurora offers, or upgrade the source's minor first.",
        ),
    ]
}

pub(super) fn class(seen: &Seen<'_>) -> Vec<Finding> {
    let Seen { spec, inventory, instance } = seen;
    let Some(version) = choose_version(spec, instance, &inventory.versions) else { return vec![] };
    if choose_class(spec, instance, &inventory.classes).is_some() {
        return vec![];
    }
    let what = format!("Aurora {} has no class of this size", version.version);
    vec![
        Finding::blocker(Code::NoTargetClass, &instance.class, what)
            .remedy("Set target.class to a class that Aurora offers."),
    ]
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
