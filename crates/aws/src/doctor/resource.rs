//! Probes of the instances and clusters of the account.

use std::collections::BTreeSet;

use aws_sdk_rds::types::{DbInstance, VpcSecurityGroupMembership};
use jiff::SignedDuration;
use landfall_core::port::cloud::ResourceState;
use landfall_core::probe::Verdict;

use super::evidence::Evidence;
use super::{Judged, Probe, nothing, part, unless};
use crate::time::from_aws;

/// How far behind the newest restorable instant may lie.
const RESTORABLE: SignedDuration = SignedDuration::from_mins(15);

pub(super) const PROBES: &[Probe] = &[
    Probe {
        id: "identifiers-fold",
        fact: "an instance is found by its name in capitals and shown in small letters",
        judge: identifiers_fold,
    },
    Probe {
        id: "status-words",
        fact: "every status is one that Landfall can tell apart",
        judge: status_words,
    },
    Probe {
        id: "group-words",
        fact: "a security group is active, adding or removing",
        judge: group_words,
    },
    Probe {
        id: "apply-status-words",
        fact: "a parameter group is in-sync, applying or pending-reboot",
        judge: apply_status_words,
    },
    Probe {
        id: "replicas-elsewhere",
        fact: "a read replica in another Region is listed by its ARN, one of this Region by name",
        judge: replicas_elsewhere,
    },
    Probe {
        id: "replicas-beside-aurora",
        fact: "read replicas of this Region do not keep a source from an Aurora replica",
        judge: replicas_beside_aurora,
    },
    Probe {
        id: "replica-source",
        fact: "an unpromoted replica cluster names its source's ARN, and no other cluster has one",
        judge: replica_source,
    },
    Probe {
        id: "restorable-time",
        fact: "the newest restorable instant of a cluster lies minutes behind",
        judge: restorable_time,
    },
];

fn instances(evidence: &Evidence) -> Result<&[DbInstance], String> {
    let all = part(&evidence.instances)?;
    if all.is_empty() { nothing("instance") } else { Ok(all) }
}

fn name(instance: &DbInstance) -> &str {
    instance.db_instance_identifier().unwrap_or("unnamed")
}

fn identifiers_fold(evidence: &Evidence) -> Judged {
    instances(evidence)?;
    let Some(found) = part(&evidence.capitals)? else {
        return Ok((Verdict::Differs, "it was not found in capitals".to_owned()));
    };
    let folded = !name(found).chars().any(char::is_uppercase);
    let verdict = if folded { Verdict::Confirmed } else { Verdict::Differs };
    Ok((verdict, format!("shown as {}", name(found))))
}

/// Words that pass by themselves, as far as we know them; another busy word is waited for too, but
/// somebody should know of it.
const PASSING: [&str; 16] = [
    "backing-up",
    "configuring-enhanced-monitoring",
    "configuring-iam-database-auth",
    "configuring-log-exports",
    "converting-to-vpc",
    "creating",
    "maintenance",
    "migrating",
    "modifying",
    "moving-to-vpc",
    "promoting",
    "rebooting",
    "renaming",
    "resetting-master-credentials",
    "storage-optimization",
    "upgrading",
];

fn status_words(evidence: &Evidence) -> Judged {
    let of_instances = part(&evidence.instances)?.iter().filter_map(|one| one.db_instance_status());
    let of_clusters = part(&evidence.clusters)?.iter().filter_map(|one| one.status());
    let words: BTreeSet<_> = of_instances.chain(of_clusters).collect();
    if words.is_empty() {
        return nothing("instance or cluster");
    }
    let unknown = |word: &&&str| {
        matches!(ResourceState::from_status(word), ResourceState::Busy(_))
            && !PASSING.contains(*word)
    };
    let against: Vec<_> = words.iter().filter(unknown).map(|word| (*word).to_owned()).collect();
    unless(&against, || joined(&words))
}

fn joined(words: &BTreeSet<&str>) -> String {
    words.iter().copied().collect::<Vec<_>>().join(", ")
}

fn words_within(words: &BTreeSet<&str>, known: &[&str], of: &str) -> Judged {
    if words.is_empty() {
        return nothing(of);
    }
    let unknown = words.iter().filter(|word| !known.contains(*word));
    let against: Vec<_> = unknown.map(|word| (*word).to_owned()).collect();
    unless(&against, || joined(words))
}

fn group_words(evidence: &Evidence) -> Judged {
    let memberships = instances(evidence)?.iter().flat_map(DbInstance::vpc_security_groups);
    let words = memberships.filter_map(VpcSecurityGroupMembership::status).collect();
    words_within(&words, &["active", "adding", "removing"], "security group on an instance")
}

fn apply_status_words(evidence: &Evidence) -> Judged {
    let groups = instances(evidence)?.iter().flat_map(DbInstance::db_parameter_groups);
    let words = groups.filter_map(|group| group.parameter_apply_status()).collect();
    let known = ["in-sync", "applying", "pending-reboot"];
    words_within(&words, &known, "parameter group on an instance")
}

fn replicas_elsewhere(evidence: &Evidence) -> Judged {
    let all = instances(evidence)?;
    let here: BTreeSet<_> = all.iter().map(name).collect();
    let listed: Vec<_> =
        all.iter().flat_map(DbInstance::read_replica_db_instance_identifiers).collect();
    if listed.is_empty() {
        return nothing("instance with read replicas");
    }
    let (arns, names): (Vec<&String>, Vec<&String>) =
        listed.into_iter().partition(|one| one.starts_with("arn:"));
    let lost = names.iter().filter(|name| !here.contains(name.as_str()));
    let against: Vec<_> = lost.map(|name| format!("{name} is not an instance here")).collect();
    unless(&against, || format!("{} by name, {} by ARN", names.len(), arns.len()))
}

fn replicas_beside_aurora(evidence: &Evidence) -> Judged {
    let both = |one: &&DbInstance| {
        !one.read_replica_db_instance_identifiers().is_empty()
            && !one.read_replica_db_cluster_identifiers().is_empty()
    };
    match instances(evidence)?.iter().find(both) {
        Some(one) => Ok((Verdict::Confirmed, format!("{} has both", name(one)))),
        None => nothing("instance with both"),
    }
}

fn replica_source(evidence: &Evidence) -> Judged {
    let clusters = part(&evidence.clusters)?;
    let sources: BTreeSet<_> = part(&evidence.instances)?
        .iter()
        .filter(|one| !one.read_replica_db_cluster_identifiers().is_empty())
        .filter_map(DbInstance::db_instance_arn)
        .collect();
    if sources.is_empty() {
        return nothing("instance with an Aurora replica");
    }
    let named: BTreeSet<_> = clusters
        .iter()
        .filter_map(|cluster| cluster.replication_source_identifier())
        .filter(|source| source.contains(":db:"))
        .collect();
    let one_sided = sources.symmetric_difference(&named);
    let against: Vec<_> = one_sided.map(|arn| format!("{arn} is named by one side only")).collect();
    unless(&against, || joined(&named))
}

fn restorable_time(evidence: &Evidence) -> Judged {
    let clusters = part(&evidence.clusters)?.iter().filter_map(|cluster| {
        let at = cluster.latest_restorable_time().and_then(from_aws)?;
        Some((
            cluster.db_cluster_identifier().unwrap_or("unnamed"),
            evidence.now.duration_since(at),
        ))
    });
    let mut behind: Vec<_> = clusters.collect();
    behind.sort_by_key(|(_, behind)| *behind);
    let Some((name, worst)) = behind.last() else {
        return nothing("cluster with a restorable time");
    };
    let verdict = if *worst <= RESTORABLE { Verdict::Confirmed } else { Verdict::Differs };
    Ok((verdict, format!("{name}: {} s behind at most", worst.as_secs())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(instances: Vec<DbInstance>) -> Evidence {
        Evidence { instances: Ok(instances), ..Evidence::default() }
    }

    #[test]
    fn a_status_that_nobody_knows_differs_and_is_named() {
        let status = |word: &str| DbInstance::builder().db_instance_status(word).build();
        let known = with(vec![status("available"), status("modifying"), status("storage-full")]);
        assert_eq!(status_words(&known).unwrap().0, Verdict::Confirmed);
        let unknown = status_words(&with(vec![status("available"), status("dreaming")])).unwrap();
        assert_eq!(unknown, (Verdict::Differs, "dreaming".to_owned()));
    }

    #[test]
    fn replicas_are_told_apart_by_how_they_are_listed() {
        let source = |replica: &str| {
            let replica = replica.to_owned();
            DbInstance::builder()
                .db_instance_identifier("orders")
                .read_replica_db_instance_identifiers(replica)
                .build()
        };
        let beside = DbInstance::builder().db_instance_identifier("reports").build();
        let by_name = with(vec![source("reports"), beside]);
        let expected = (Verdict::Confirmed, "1 by name, 0 by ARN".to_owned());
        assert_eq!(replicas_elsewhere(&by_name).unwrap(), expected);
        let by_arn = with(vec![source("arn:aws:rds:eu-west-1:1:db:reports")]);
        assert_eq!(replicas_elsewhere(&by_arn).unwrap().0, Verdict::Confirmed);
        let lost = with(vec![source("reports")]);
        assert_eq!(replicas_elsewhere(&lost).unwrap().0, Verdict::Differs);
        assert!(replicas_beside_aurora(&lost).is_err());
    }

    #[test]
    fn a_name_is_folded_or_it_differs() {
        let named = |name: &str| DbInstance::builder().db_instance_identifier(name).build();
        let shown = |name: &str| Evidence {
            capitals: Ok(Some(named(name))),
            ..with(vec![named("orders")])
        };
        assert_eq!(identifiers_fold(&shown("orders")).unwrap().0, Verdict::Confirmed);
        assert_eq!(identifiers_fold(&shown("ORDERS")).unwrap().0, Verdict::Differs);
    }
}
