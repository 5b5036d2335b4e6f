//! What the target gets after the release, as far as it can be known before: names that are taken,
//! room for readers, rights that cannot be looked at, a proxy, a second Region.
//!
//! Nothing here closes a road. Behind the release such a thing would be told and left to a person;
//! here it is told while there is time.

use landfall_core::failure::Failure;
use landfall_core::finding::{Finding, Learnt};
use landfall_core::port::cloud::{TAG_MIGRATION, Tags};

use super::asking::names;
use super::{Seen, page};
use crate::inventory::Taken;

/// What else would have to be allowed, by the key that asks for it.
const NOT_LOOKED: &str = "Landfall may not look whether its own role may do this.";

fn ours(seen: &Seen<'_>, tags: &Tags) -> bool {
    tags.get(TAG_MIGRATION).map(String::as_str) == Some(seen.spec.migration.name.as_str())
}

fn unread(object: impl std::fmt::Display, what: &str, why: &Failure, right: &str) -> Finding {
    let remedy = format!("Allow {right} to Landfall's role, or look yourself.");
    Finding::not_looked(object, format!("not looked {what}: {why}"), &remedy)
}

/// Instances that have the names of the target's.
pub(super) fn members(seen: &Seen<'_>) -> Vec<Finding> {
    let Some(Taken { members, .. }) = &seen.inventory.taken else { return vec![] };
    let foreign = members.iter().filter(|one| !ours(seen, &one.tags));
    foreign
        .map(|one| {
            Finding::warning(&one.id, "an instance of this name exists and is not this move's")
                .why("The target's instances are named after its cluster and counted.")
                .remedy("Choose another target.cluster, or delete that instance.")
                .see(page::REPLICA)
        })
        .collect()
}

/// Whether the account's quota leaves room for the readers, beside the writer.
pub(super) fn room(seen: &Seen<'_>) -> Vec<Finding> {
    let readers = u64::from(seen.spec.target.readers);
    let quotas = seen.inventory.around.as_ref().and_then(|around| around.quotas.as_ref().ok());
    let Some(quota) = quotas.and_then(|all| all.iter().find(|one| one.name == "DBInstances"))
    else {
        return vec![];
    };
    let writer = u64::from(seen.inventory.cluster.is_none());
    if readers == 0 || quota.used.saturating_add(writer + readers) <= quota.max {
        return vec![];
    }
    let what =
        format!("{} of {} are used, and {readers} readers come beside", quota.used, quota.max);
    vec![
        Finding::warning("DBInstances", what)
            .why("The readers are made after the release; AWS would refuse some of them.")
            .remedy("Ask for a higher quota in Service Quotas, or set target.readers lower.")
            .see(page::QUOTAS),
    ]
}

/// Rights that a look cannot show.
pub(super) fn rights(seen: &Seen<'_>) -> Vec<Finding> {
    let target = &seen.spec.target;
    let carried = !seen.instance.detail.roles.is_empty();
    let roles = target.roles.as_ref().map_or(carried, |roles| !roles.is_empty());
    let mut rights = Vec::new();
    if roles || target.proxy.is_some() {
        rights.push("iam:PassRole on the roles that are handed on");
    }
    if target.proxy.is_some() {
        rights.push("rds:CreateDBProxy, rds:ModifyDBProxyTargetGroup, rds:RegisterDBProxyTargets");
    }
    if target.global.is_some() {
        rights.push("rds:CreateGlobalCluster, and rds:CreateDBCluster in the second Region");
    }
    if rights.is_empty() {
        return vec![];
    }
    let what = format!("not looked whether this is allowed: {}", rights.join("; "));
    let remedy = "See to it before the move; what is refused is told and left to you.";
    vec![Finding::not_looked(&target.cluster, what, remedy).why(NOT_LOOKED)]
}

/// Proxies that lead to the source.
pub(super) fn before_source(seen: &Seen<'_>) -> Vec<Finding> {
    let Some(around) = &seen.inventory.around else { return vec![] };
    let id = &seen.instance.id;
    let proxies = match &around.proxies {
        Ok(proxies) if proxies.is_empty() => return vec![],
        Ok(proxies) => proxies,
        Err(why) => {
            let rights = "rds:DescribeDBProxies and rds:DescribeDBProxyTargets";
            return vec![unread(id, "for RDS Proxies before it", why, rights)];
        }
    };
    let all = names(proxies.iter().cloned(), 0);
    vec![
        Finding::warning(id, format!("RDS Proxy leads to it: {all}"))
            .why(
                "Its clients come past the gateway: they are not held in the pause but see errors, \
                 since the fence shuts the source to the proxy too; afterwards it still leads to \
                 the source.",
            )
            .remedy(
                "Lead its clients through the gateway before the move; [target.proxy] puts a proxy \
                 of the same kind before the target.",
            )
            .see(page::PROXY),
    ]
}

/// The proxy that was asked for.
pub(super) fn proxy(seen: &Seen<'_>) -> Vec<Finding> {
    let Some(asked) = &seen.spec.target.proxy else { return vec![] };
    let mut found = vec![
        Finding::note(&asked.name, "sessions that change their state are pinned by the proxy")
            .learnt(Learnt::Inferred)
            .why(
                "set, temporary tables, advisory locks, listen, and prepared statements as many \
                 drivers make them, tie a client to one connection, and the pool shares nothing.",
            )
            .remedy(
                "Watch DatabaseConnectionsCurrentlySessionPinned; put what every session sets on \
                 the role with alter role … set.",
            )
            .see(page::PROXY),
    ];
    match seen.inventory.taken.as_ref().and_then(|taken| taken.proxy.as_ref()) {
        Some(Err(why)) => {
            found.push(unread(&asked.name, "at this proxy", why, "rds:DescribeDBProxies"));
        }
        Some(Ok(Some(there))) if !ours(seen, &there.tags) => found.push(
            Finding::warning(&asked.name, "a proxy of this name exists and is not this move's")
                .remedy("Choose another target.proxy.name, or delete that proxy.")
                .see(page::PROXY),
        ),
        Some(Ok(_)) | None => {}
    }
    found
}

/// The Global Database that was asked for.
pub(super) fn global(seen: &Seen<'_>) -> Vec<Finding> {
    let Some(asked) = &seen.spec.target.global else { return vec![] };
    let warning = |what: String| Finding::warning(&asked.name, what).see(page::GLOBAL);
    let mut found = Vec::new();
    if seen.instance.arn.split(':').nth(3) == Some(asked.region.as_str()) {
        let what = format!("{} is the Region of the source", asked.region);
        found.push(warning(what).remedy("Set target.global.region to another Region."));
    }
    if seen.instance.encrypted && asked.kms_key.is_none() {
        let what = format!("the storage is encrypted, and no key of {} is named", asked.region);
        found.push(
            warning(what)
                .why("A key belongs to its Region; AWS refuses the second cluster without one.")
                .remedy("Set target.global.kms_key to the ARN of a key there."),
        );
    }
    if !seen.instance.encrypted && asked.kms_key.is_some() {
        let what = "the storage is not encrypted, and a key is named".to_owned();
        found.push(warning(what).remedy("Drop target.global.kms_key: both clusters are alike."));
    }
    let class = asked.class.as_ref().or(seen.spec.target.class.as_ref());
    if class.is_none() && crate::catalogue::is_burstable(&seen.instance.class) {
        let what = format!("the source's class {} is burstable", seen.instance.class);
        found.push(
            warning(what)
                .why("A Global Database takes no burstable class, on either side.")
                .remedy("Set target.class to one of a memory family."),
        );
    }
    let Some(taken) = &seen.inventory.taken else { return found };
    match &taken.global {
        Some(Err(why)) => {
            let right = "rds:DescribeGlobalClusters";
            found.push(unread(&asked.name, "at this Global Database", why, right));
        }
        Some(Ok(Some(_))) if seen.inventory.cluster.is_none() => {
            let what = "a Global Database of this name exists".to_owned();
            found.push(warning(what).remedy("Choose another target.global.name."));
        }
        Some(Ok(_)) | None => {}
    }
    match &taken.secondary {
        Some(Err(why)) => {
            let right = format!("rds:DescribeDBClusters in {}", asked.region);
            found.push(unread(&asked.cluster, "at this cluster", why, &right));
        }
        Some(Ok(Some(there))) if !ours(seen, &there.tags) => {
            let what = format!("a cluster {} exists in {}", asked.cluster, asked.region);
            found.push(warning(what).remedy("Choose another target.global.cluster."));
        }
        Some(Ok(_)) | None => {}
    }
    found
}
