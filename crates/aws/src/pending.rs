//! What a DB instance is about to become: its PendingModifiedValues, each as `Name=value`.
//!
//! A value that is a secret is named and never shown. What AWS adds to the list one day is not seen
//! here until it is added, so an empty list says that none of these waits.

use aws_sdk_rds::types::PendingModifiedValues;

/// Every change that waits, under AWS's name for it.
pub(crate) fn changes(pending: &PendingModifiedValues) -> Vec<String> {
    let words = [
        ("DBInstanceClass", pending.db_instance_class()),
        ("EngineVersion", pending.engine_version()),
        ("CACertificateIdentifier", pending.ca_certificate_identifier()),
        ("DBInstanceIdentifier", pending.db_instance_identifier()),
        ("DBSubnetGroupName", pending.db_subnet_group_name()),
        ("StorageType", pending.storage_type()),
        ("MasterUserPassword", pending.master_user_password().map(|_| "(set)")),
    ];
    let numbers = [
        ("AllocatedStorage", pending.allocated_storage()),
        ("BackupRetentionPeriod", pending.backup_retention_period()),
        ("Iops", pending.iops()),
        ("Port", pending.port()),
        ("StorageThroughput", pending.storage_throughput()),
    ];
    let flags = [
        ("DedicatedLogVolume", pending.dedicated_log_volume()),
        ("IAMDatabaseAuthenticationEnabled", pending.iam_database_authentication_enabled()),
        ("MultiAZ", pending.multi_az()),
    ];
    let words = words.into_iter().filter_map(|(name, value)| Some((name, value?.to_owned())));
    let numbers = numbers.into_iter().filter_map(|(name, value)| Some((name, value?.to_string())));
    let flags = flags.into_iter().filter_map(|(name, value)| Some((name, value?.to_string())));
    let all = words.chain(numbers).chain(flags);
    all.map(|(name, value)| format!("{name}={value}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_is_named_and_a_password_is_not_shown() {
        let pending = PendingModifiedValues::builder()
            .db_instance_class("db.m6g.xlarge")
            .allocated_storage(200)
            .multi_az(true)
            .master_user_password("hunter2")
            .build();
        let expected = [
            "DBInstanceClass=db.m6g.xlarge",
            "MasterUserPassword=(set)",
            "AllocatedStorage=200",
            "MultiAZ=true",
        ];
        assert_eq!(changes(&pending), expected);
        assert!(changes(&PendingModifiedValues::builder().build()).is_empty());
    }
}
