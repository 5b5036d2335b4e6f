//! Probes of what AWS offers: versions, classes, parameters.

use std::collections::BTreeSet;

use landfall_core::probe::Verdict;

use super::evidence::Evidence;
use super::{Judged, Probe, nothing, part, unless};
use crate::TARGET_ENGINE;

/// Parameters of PostgreSQL that Aurora does not have, because its storage does their work.
const ABSENT: [&str; 5] = [
    "archive_command",
    "archive_timeout",
    "checkpoint_timeout",
    "full_page_writes",
    "wal_writer_delay",
];

pub(super) const PROBES: &[Probe] = &[
    Probe {
        id: "upgrade-targets",
        fact: "DescribeDBEngineVersions of postgres names the Aurora versions a source can become",
        judge: upgrade_targets,
    },
    Probe {
        id: "families",
        fact: "the parameter group family of Aurora is aurora-postgresql and the major version",
        judge: families,
    },
    Probe {
        id: "aurora-classes",
        fact: "no m or c class can be ordered for Aurora PostgreSQL",
        judge: aurora_classes,
    },
    Probe {
        id: "serverless-class",
        fact: "db.serverless can be ordered for the newest Aurora version of a major in use",
        judge: serverless_class,
    },
    Probe {
        id: "absent-parameters",
        fact: "Aurora's cluster parameters have no checkpoint, archive or WAL writer settings",
        judge: absent_parameters,
    },
    Probe {
        id: "logical-replication-static",
        fact: "rds.logical_replication is a static parameter of the cluster's group",
        judge: logical_replication,
    },
    Probe {
        id: "log-types",
        fact: "Aurora's versions name the logs that can be exported, postgresql among them",
        judge: log_types,
    },
    Probe {
        id: "role-features",
        fact: "Aurora's versions name the features that a role can be associated for",
        judge: role_features,
    },
];

fn upgrade_targets(evidence: &Evidence) -> Judged {
    let versions = part(&evidence.source_versions)?;
    if versions.is_empty() {
        return nothing("version of postgres");
    }
    let names = |version: &&aws_sdk_rds::types::DbEngineVersion| {
        let mut targets = version.valid_upgrade_target().iter();
        targets.any(|target| target.engine() == Some(TARGET_ENGINE))
    };
    let (naming, all) = (versions.iter().filter(names).count(), versions.len());
    let verdict = if naming > 0 { Verdict::Confirmed } else { Verdict::Differs };
    Ok((verdict, format!("{naming} of {all} versions name one")))
}

fn families(evidence: &Evidence) -> Judged {
    let versions = part(&evidence.target_versions)?;
    if versions.is_empty() {
        return nothing("version of aurora-postgresql");
    }
    let mut seen = BTreeSet::new();
    let mut against = Vec::new();
    for version in versions {
        let (number, family) = (
            version.engine_version().unwrap_or_default(),
            version.db_parameter_group_family().unwrap_or_default(),
        );
        let major = number.split('.').next().unwrap_or(number);
        if family != format!("{TARGET_ENGINE}{major}") {
            against.push(format!("{number} is of family {family}"));
        }
        seen.insert(family);
    }
    unless(&against, || seen.into_iter().collect::<Vec<_>>().join(", "))
}

fn classes(evidence: &Evidence) -> Result<BTreeSet<&str>, String> {
    let options = part(&evidence.classes)?;
    let classes: BTreeSet<_> =
        options.iter().filter_map(|option| option.db_instance_class()).collect();
    if classes.is_empty() { nothing("class for Aurora") } else { Ok(classes) }
}

fn aurora_classes(evidence: &Evidence) -> Judged {
    let classes = classes(evidence)?;
    let general = |class: &&&str| class.starts_with("db.m") || class.starts_with("db.c");
    let against: Vec<_> = classes.iter().filter(general).map(|class| (*class).to_owned()).collect();
    unless(&against, || format!("{} classes, none of them", classes.len()))
}

fn serverless_class(evidence: &Evidence) -> Judged {
    let offered = classes(evidence)?.contains("db.serverless");
    let verdict = if offered { Verdict::Confirmed } else { Verdict::Differs };
    Ok((verdict, if offered { "offered" } else { "not offered" }.to_owned()))
}

fn absent_parameters(evidence: &Evidence) -> Judged {
    let parameters = part(&evidence.parameters)?;
    if parameters.is_empty() {
        return nothing("parameter of Aurora's newest family");
    }
    let names: BTreeSet<_> = parameters.iter().filter_map(|one| one.parameter_name()).collect();
    let there = ABSENT.iter().filter(|name| names.contains(*name));
    let against: Vec<_> = there.map(|name| format!("{name} is there")).collect();
    unless(&against, || format!("{} parameters, none of these", names.len()))
}

fn logical_replication(evidence: &Evidence) -> Judged {
    let parameters = part(&evidence.parameters)?;
    let found =
        parameters.iter().find(|one| one.parameter_name() == Some("rds.logical_replication"));
    let Some(found) = found else { return nothing("parameter rds.logical_replication") };
    let apply = found.apply_type().unwrap_or("unknown");
    let verdict = if apply == "static" { Verdict::Confirmed } else { Verdict::Differs };
    Ok((verdict, apply.to_owned()))
}

fn log_types(evidence: &Evidence) -> Judged {
    let versions = part(&evidence.target_versions)?;
    let Some(newest) = versions.last() else { return nothing("version of aurora-postgresql") };
    let logs = newest.exportable_log_types();
    let named = logs.iter().any(|log| log == "postgresql");
    let verdict = if named { Verdict::Confirmed } else { Verdict::Differs };
    Ok((verdict, format!("{}: {}", newest.engine_version().unwrap_or_default(), logs.join(", "))))
}

fn role_features(evidence: &Evidence) -> Judged {
    let versions = part(&evidence.target_versions)?;
    let Some(newest) = versions.last() else { return nothing("version of aurora-postgresql") };
    let features = newest.supported_feature_names();
    let verdict = if features.is_empty() { Verdict::Differs } else { Verdict::Confirmed };
    let seen = if features.is_empty() { "none named".to_owned() } else { features.join(", ") };
    Ok((verdict, seen))
}

#[cfg(test)]
mod tests {
    use aws_sdk_rds::types::{DbEngineVersion, OrderableDbInstanceOption, Parameter};

    use super::*;

    fn version(number: &str, family: &str) -> DbEngineVersion {
        DbEngineVersion::builder().engine_version(number).db_parameter_group_family(family).build()
    }

    #[test]
    fn a_family_of_another_form_differs_and_is_named() {
        let with = |family: &str| Evidence {
            target_versions: Ok(vec![version("15.17", family)]),
            ..Evidence::default()
        };
        let seen = families(&with("aurora-postgresql15")).unwrap();
        assert_eq!(seen, (Verdict::Confirmed, "aurora-postgresql15".to_owned()));
        let (verdict, words) = families(&with("aurora15")).unwrap();
        assert_eq!((verdict, &*words), (Verdict::Differs, "15.17 is of family aurora15"));
    }

    #[test]
    fn a_general_purpose_class_differs_and_is_named() {
        let class =
            |name: &str| OrderableDbInstanceOption::builder().db_instance_class(name).build();
        let with = |names: &[&str]| Evidence {
            classes: Ok(names.iter().map(|name| class(name)).collect()),
            ..Evidence::default()
        };
        let good = with(&["db.r6g.large", "db.serverless"]);
        assert_eq!(aurora_classes(&good).unwrap().0, Verdict::Confirmed);
        assert_eq!(serverless_class(&good).unwrap().0, Verdict::Confirmed);
        let bad = with(&["db.m8g.large"]);
        let expected = (Verdict::Differs, "db.m8g.large".to_owned());
        assert_eq!(aurora_classes(&bad).unwrap(), expected);
        assert_eq!(serverless_class(&bad).unwrap().0, Verdict::Differs);
    }

    #[test]
    fn a_parameter_that_ought_not_be_there_differs() {
        let named =
            |name: &str| Parameter::builder().parameter_name(name).apply_type("dynamic").build();
        let with = |names: &[&str]| Evidence {
            parameters: Ok(names.iter().map(|name| named(name)).collect()),
            ..Evidence::default()
        };
        assert_eq!(absent_parameters(&with(&["work_mem"])).unwrap().0, Verdict::Confirmed);
        let (verdict, words) = absent_parameters(&with(&["full_page_writes"])).unwrap();
        assert_eq!((verdict, &*words), (Verdict::Differs, "full_page_writes is there"));
        let dynamic = logical_replication(&with(&["rds.logical_replication"])).unwrap();
        assert_eq!(dynamic, (Verdict::Differs, "dynamic".to_owned()));
    }
}
