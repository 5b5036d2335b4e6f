//! Roles and their settings: how they log in, and what follows them to the target.

use landfall_core::finding::Finding;

use super::asking::{count, names, of_server, plain};
use super::{Seen, page};
use crate::question::role::{PasswordHashes, Roles};
use crate::question::setting::{RoleSettings, Settings};

pub(super) fn passwords(seen: &Seen<'_>) -> Vec<Finding> {
    of_server::<PasswordHashes>(seen, "password hashes").judge(|said| {
        let Some((_, hashes)) = said.first() else { return vec![] };
        if hashes.md5.total == 0 {
            return vec![];
        }
        let listed = names(hashes.md5.items.iter().map(|name| plain(name)), hashes.md5.left_out());
        let have = count(hashes.md5.total, "role has its password", "roles have their passwords");
        vec![
            Finding::warning(&seen.instance.id, format!("{have} as an MD5 hash: {listed}"))
                .why(
                    "They work on the target as long as md5 is accepted there; a gateway or a \
                     newer setting that insists on SCRAM refuses them.",
                )
                .remedy("Set the passwords anew with password_encryption = scram-sha-256.")
                .see(page::PASSWORDS),
        ]
    })
}

pub(super) fn encryption(seen: &Seen<'_>) -> Vec<Finding> {
    of_server::<Settings>(seen, "password_encryption").judge(|said| {
        let md5 = said.iter().any(|(_, one)| one.password_encryption == "md5");
        if !md5 {
            return vec![];
        }
        vec![
            Finding::note(&seen.instance.id, "new passwords are stored as MD5 hashes")
                .why("PostgreSQL keeps MD5 for old clients only.")
                .remedy("Set password_encryption to scram-sha-256 when every client knows it.")
                .see(page::PASSWORDS),
        ]
    })
}

pub(super) fn notable(seen: &Seen<'_>) -> Vec<Finding> {
    of_server::<Roles>(seen, "roles").judge(|said| {
        let Some((_, roles)) = said.first() else { return vec![] };
        let by = |what: &str| {
            let has =
                roles.notable.items.iter().filter(|role| role.may.iter().any(|may| may == what));
            names(has.map(|role| plain(&role.name)), 0)
        };
        let mut found = vec![];
        let iam = by("rds_iam");
        if !iam.is_empty() {
            found.push(
                Finding::warning(&seen.instance.id, format!("roles that log in by IAM: {iam}"))
                    .why(
                        "IAM policies name the instance's resource id; the cluster has another, \
                         so they are refused after the cutover.",
                    )
                    .remedy(
                        "Allow rds-db:connect on the cluster's resource id before the release; \
                         `landfall status` shows it when the cluster exists.",
                    )
                    .see(page::IAM),
            );
        }
        let directory = by("rds_ad");
        if !directory.is_empty() {
            let what = format!("roles that log in by a directory: {directory}");
            found.push(
                Finding::warning(&seen.instance.id, what)
                    .why("Kerberos is not there during the move, and must be set up on the target.")
                    .remedy("Give them a password for the time of the move.")
                    .see(page::KERBEROS),
            );
        }
        found
    })
}

/// Settings whose role or database value decides about the move itself.
const WEIGHTY: &[&str] = &["default_transaction_read_only", "session_replication_role", "role"];

pub(super) fn settings(seen: &Seen<'_>) -> Vec<Finding> {
    of_server::<RoleSettings>(seen, "settings of roles and databases").judge(|said| {
        let Some((_, RoleSettings(list))) = said.first() else { return vec![] };
        if list.total == 0 {
            return vec![];
        }
        let told = list.items.iter().map(|one| {
            let whose = [one.database.as_deref(), one.role.as_deref()].into_iter().flatten();
            let whose: Vec<String> = whose.map(plain).collect();
            let whose = if whose.is_empty() { "all".to_owned() } else { whose.join("/") };
            format!("{whose} {}", plain(&one.name))
        });
        let listed = names(told, list.left_out());
        let what = format!(
            "{} for roles or databases: {listed}",
            count(list.total, "setting is made", "settings are made")
        );
        let weighty = list.items.iter().any(|one| WEIGHTY.contains(&one.name.as_str()));
        let finding = if weighty {
            Finding::warning(&seen.instance.id, what)
                .remedy("Look whether the target should begin with default_transaction_read_only.")
        } else {
            Finding::note(&seen.instance.id, what)
                .remedy("Nothing to do; a value that Aurora does not know is ignored by it.")
        };
        vec![finding.why("They are in the catalogue and arrive on the target as they are.")]
    })
}
