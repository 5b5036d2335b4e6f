//! The source instance itself, as the API shows it.

use landfall_core::Code;
use landfall_core::finding::Finding;
use landfall_core::port::cloud::ResourceState;

use super::Seen;

pub(super) fn state(seen: &Seen<'_>) -> Vec<Finding> {
    let id = &seen.instance.id;
    match &seen.instance.state {
        ResourceState::Failed(status) => {
            let finding =
                Finding::blocker(Code::ResourceFailed, id, format!("its status is {status}"));
            vec![finding.remedy("Bring the instance back to available first.")]
        }
        ResourceState::Available | ResourceState::Busy(_) | ResourceState::Deleting => vec![],
    }
}

pub(super) fn backups(seen: &Seen<'_>) -> Vec<Finding> {
    if seen.instance.backup_retention_days > 0 {
        return vec![];
    }
    let what = "automated backups are off, and an Aurora replica needs them";
    vec![Finding::warning(&seen.instance.id, what).remedy(
        "Landfall turns them on behind gate approve_backups: RDS interrupts service briefly.",
    )]
}

pub(super) fn parameters(seen: &Seen<'_>) -> Vec<Finding> {
    let count = seen.inventory.parameters.len();
    if count == 0 {
        return vec![];
    }
    vec![
        Finding::note(&seen.instance.id, format!("{count} parameters are set by hand"))
            .remedy("`landfall plan` shows what becomes of each on Aurora."),
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
