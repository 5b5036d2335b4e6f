//! The source instance itself, as the API shows it.

use landfall_core::Code;
use landfall_core::finding::{Finding, Learnt};
use landfall_core::port::cloud::ResourceState;

use super::asking::{count, names, plain_text};
use super::{Seen, page};
use crate::catalogue::{AS_OF, AURORA_VOLUME_GIB};

pub(super) fn state(seen: &Seen<'_>) -> Vec<Finding> {
    let id = &seen.instance.id;
    match &seen.instance.state {
        ResourceState::Failed(status) => {
            let finding =
                Finding::blocker(Code::ResourceFailed, id, format!("its status is {status}"));
            vec![finding.remedy("Bring the instance back to available first.")]
        }
        ResourceState::Busy(status) => vec![
            Finding::note(id, format!("its status is {status}"))
                .why("AWS makes no replica of an instance that is not available.")
                .remedy("The move waits until it is available."),
        ],
        ResourceState::Deleting => vec![
            Finding::blocker(Code::ResourceFailed, id, "it is being deleted")
                .remedy("Restore its last snapshot, or name another source."),
        ],
        ResourceState::Available => vec![],
    }
}

/// Where it is: a replica stays in the Region and the account.
pub(super) fn place(seen: &Seen<'_>) -> Vec<Finding> {
    let mut parts = seen.instance.arn.split(':').skip(3);
    let (Some(region), Some(account)) = (parts.next(), parts.next()) else { return vec![] };
    vec![
        Finding::note(&seen.instance.id, format!("it is in Region {region}, account {account}"))
            .why("An Aurora replica can only be made there; another place needs a second move.")
            .remedy("Nothing to do when the target belongs there.")
            .see(page::REPLICA),
    ]
}

/// Members of a Multi-AZ DB cluster carry the same engine name, and AWS replicates from instances.
pub(super) fn alone(seen: &Seen<'_>) -> Vec<Finding> {
    let cluster = seen.instance.cluster.iter();
    cluster
        .map(|cluster| {
            let what = format!("it is a member of the Multi-AZ DB cluster {cluster}");
            Finding::blocker(Code::RoadClosed, &seen.instance.id, what)
                .why("An Aurora replica is made of a DB instance, not of a DB cluster.")
                .remedy("Restore a snapshot as a DB instance and move that, in a planned pause.")
                .see(page::REPLICA)
        })
        .collect()
}

pub(super) fn backups(seen: &Seen<'_>) -> Vec<Finding> {
    if seen.instance.backup_retention_days > 0 {
        return vec![];
    }
    let what = "automated backups are off, and an Aurora replica needs them";
    vec![
        Finding::warning(&seen.instance.id, what)
            .remedy(
                "Landfall turns them on behind gate approve_backups: RDS interrupts service \
                 briefly.",
            )
            .see(page::REPLICA),
    ]
}

pub(super) fn quarantine(seen: &Seen<'_>) -> Vec<Finding> {
    let group = &seen.spec.cutover.quarantine_group;
    if !seen.instance.security_groups.iter().any(|member| member.group == *group) {
        return vec![];
    }
    let what = format!("quarantine group {group} is one of its security groups already");
    vec![
        Finding::blocker(Code::QuarantineGroup, &seen.instance.id, what).remedy(
            "Name a group that nothing else uses, so that putting it on closes the instance.",
        ),
    ]
}

pub(super) fn multi_az(seen: &Seen<'_>) -> Vec<Finding> {
    if !seen.instance.multi_az {
        return vec![];
    }
    vec![
        Finding::note(&seen.instance.id, "it is Multi-AZ, and an Aurora replica is not")
            .why("Until the target has a reader, a failure of its writer takes minutes, not seconds.")
            .remedy("Set target.readers to 1 or more.")
            .see(page::REPLICA),
    ]
}

pub(super) fn kerberos(seen: &Seen<'_>) -> Vec<Finding> {
    let domains = &seen.instance.detail.domains;
    if domains.is_empty() {
        return vec![];
    }
    let what = format!("it is joined to a directory: {}", names(domains.iter().cloned(), 0));
    vec![
        Finding::warning(&seen.instance.id, what)
            .why(
                "Kerberos is not supported while it is a replica: such logins fail at the release.",
            )
            .remedy("Give those users a password, or join the cluster to the domain afterwards.")
            .see(page::KERBEROS),
    ]
}

pub(super) fn roles(seen: &Seen<'_>) -> Vec<Finding> {
    let detail = &seen.instance.detail;
    let mut found = vec![];
    if !detail.roles.is_empty() {
        let listed = names(
            detail.roles.iter().map(|role| {
                let feature = role.feature.as_deref().unwrap_or("no feature");
                format!("{} ({feature})", role.arn)
            }),
            0,
        );
        found.push(
            Finding::warning(&seen.instance.id, format!("IAM roles are attached: {listed}"))
                .why("AWS does not copy them; Landfall adds them to the target after the release.")
                .remedy("Set target.roles when the target needs others; those of imports wait till then.")
                .see(page::IAM),
        );
    }
    if detail.iam_auth {
        let id = detail.resource_id.as_deref().unwrap_or("its resource id");
        let what = format!("IAM authentication is on; policies name {id}");
        found.push(
            Finding::warning(&seen.instance.id, what)
                .why("The cluster has another resource id: logins by IAM are refused until policies name it.")
                .remedy("Allow rds-db:connect on the cluster's resource id before the release.")
                .see(page::IAM),
        );
    }
    found
}

pub(super) fn upgrades(seen: &Seen<'_>) -> Vec<Finding> {
    let (id, detail) = (&seen.instance.id, &seen.instance.detail);
    let mut found = vec![];
    if detail.auto_minor_upgrade {
        found.push(
            Finding::note(id, "minor upgrades happen by themselves")
                .why("One during the move interrupts it, and may overtake what Aurora offers.")
                .remedy("Turn AutoMinorVersionUpgrade off until the move is over.")
                .see(page::MAINTENANCE),
        );
    }
    if !detail.pending.is_empty() {
        let what =
            format!("changes wait to be applied: {}", names(detail.pending.iter().cloned(), 0));
        found.push(
            Finding::warning(id, what)
                .why("They are applied in the maintenance window, or at the fence's reboot.")
                .remedy("Apply them before the move, or take them back.")
                .see(page::MAINTENANCE),
        );
    }
    found
}

pub(super) fn public(seen: &Seen<'_>) -> Vec<Finding> {
    if !seen.instance.detail.publicly_accessible {
        return vec![];
    }
    vec![
        Finding::note(&seen.instance.id, "it is publicly accessible")
            .why("The target is not, unless its instances are made so.")
            .remedy("See that nobody comes from outside past the gateway."),
    ]
}

pub(super) fn secret(seen: &Seen<'_>) -> Vec<Finding> {
    let secret = seen.instance.detail.master_secret.iter();
    secret
        .map(|arn| {
            let what = format!("Secrets Manager keeps the master password: {arn}");
            Finding::warning(&seen.instance.id, what)
                .why(
                    "The target inherits the password of that moment, not the secret: a rotation \
                     changes the source alone.",
                )
                .remedy(
                    "Suspend its rotation for the move, and let RDS manage the cluster's after.",
                )
        })
        .collect()
}

pub(super) fn option_groups(seen: &Seen<'_>) -> Vec<Finding> {
    let groups = &seen.instance.detail.option_groups;
    if groups.is_empty() {
        return vec![];
    }
    let what = format!("option groups of its own: {}", names(groups.iter().cloned(), 0));
    vec![
        Finding::note(&seen.instance.id, what)
            .why("Aurora PostgreSQL has no option groups.")
            .remedy("Nothing to do unless one of its options is in use."),
    ]
}

pub(super) fn encryption(seen: &Seen<'_>) -> Vec<Finding> {
    let instance = seen.instance;
    let id = &instance.id;
    if !instance.encrypted {
        return vec![
            Finding::note(id, "its storage is not encrypted")
                .why("The cluster's will not be either, and cannot be encrypted later in place.")
                .remedy(
                    "Decide before the move: an encrypted cluster can be made of a plain source.",
                )
                .see(page::ENCRYPTION),
        ];
    }
    let Some(key) = &instance.kms_key else {
        return vec![
            Finding::warning(id, "it is encrypted, and the API does not say by which key")
                .why("Without a key, RDS would take the account's default one.")
                .remedy("Let Landfall's role read KmsKeyId.")
                .see(page::ENCRYPTION),
        ];
    };
    let account = |arn: &str| arn.split(':').nth(4).map(str::to_owned);
    if account(key).is_some() && account(key) != account(&instance.arn) {
        return vec![
            Finding::warning(id, format!("its key is of another account: {key}"))
                .why("The cluster needs that key as well; the other account may take it away.")
                .remedy("See that its policy lets RDS in this account use it (kms:CreateGrant).")
                .see(page::ENCRYPTION),
        ];
    }
    vec![]
}

pub(super) fn volume(seen: &Seen<'_>) -> Vec<Finding> {
    let instance = seen.instance;
    if u64::from(instance.allocated_gib) > AURORA_VOLUME_GIB {
        let what = format!(
            "{} GiB are allocated, and an Aurora volume has at most {AURORA_VOLUME_GIB} (as of \
             {AS_OF})",
            instance.allocated_gib
        );
        return vec![
            Finding::blocker(Code::RoadClosed, &instance.id, what)
                .remedy("Ask AWS for a version with larger volumes, or shrink the source.")
                .see(page::STORAGE),
        ];
    }
    let detail = &instance.detail;
    let fast = matches!(detail.storage_type.as_deref(), Some("io1" | "io2"));
    if !fast {
        return vec![];
    }
    let iops = detail.iops.map(|iops| format!(" with {iops} IOPS")).unwrap_or_default();
    let kind = plain_text(detail.storage_type.as_deref().unwrap_or_default());
    vec![
        Finding::note(&instance.id, format!("its storage is {kind}{iops}"))
            .why("Aurora has no provisioned IOPS: it bills I/O by count, or flat as I/O-Optimized.")
            .remedy("Give --prices to see which is cheaper; look at write latency in the soak.")
            .see(page::STORAGE),
    ]
}

pub(super) fn alarms(seen: &Seen<'_>) -> Vec<Finding> {
    let Some(around) = &seen.inventory.around else { return vec![] };
    match &around.alarms {
        Err(why) => vec![Finding::not_looked(
            &seen.instance.id,
            format!("not looked at alarms: {why}"),
            "Allow cloudwatch:DescribeAlarms to Landfall's role.",
        )],
        Ok(alarms) if alarms.is_empty() => vec![],
        Ok(alarms) => {
            let total = u64::try_from(alarms.len()).unwrap_or(u64::MAX);
            let listed = names(alarms.iter().map(|alarm| plain_text(&alarm.name)), 0);
            let what = format!("{} it: {listed}", count(total, "alarm watches", "alarms watch"));
            vec![
                Finding::note(&seen.instance.id, what)
                    .why("They name the instance, so they fall silent after the move.")
                    .remedy(
                        "Set target.alarms to \"copy\", or make the same alarms for the cluster.",
                    )
                    .see(page::METRICS)
                    .learnt(Learnt::Api),
            ]
        }
    }
}
