//! Engine versions a source may become, and the instance classes that run them.
//!
//! AWS is asked each time: the lists change without notice, so none is kept here. What AWS offers
//! as an upgrade of the very source wins; where it offers nothing, any Aurora version of the same
//! major whose minor is not behind the source's will do.

use std::collections::BTreeMap;

use landfall_core::Failure;
use landfall_core::FailureKind;
use landfall_core::port::cloud::EngineVersion;

use crate::{AwsCloud, SOURCE_ENGINE, TARGET_ENGINE, fault};

/// A version as RDS writes it: `15.18`, or `17.6-R2` for the second revision of a minor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Release {
    major: u16,
    minor: u16,
    revision: u16,
}

impl Release {
    /// `None` for what is no plain PostgreSQL release, such as `16.4-limitless`.
    fn parse(text: &str) -> Option<Self> {
        let (numbers, revision) = match text.split_once("-R") {
            Some((numbers, revision)) => (numbers, revision.parse().ok()?),
            None => (text, 0),
        };
        let (major, minor) = numbers.split_once('.')?;
        Some(Self { major: major.parse().ok()?, minor: minor.parse().ok()?, revision })
    }

    /// A replica applies its source's WAL: same major, and a minor that is not behind. Revisions
    /// are RDS's own count and say nothing about Aurora's.
    const fn can_follow(self, source: Self) -> bool {
        self.major == source.major && self.minor >= source.minor
    }
}

/// What comes with a version.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Offer {
    family: String,
    log_types: Vec<String>,
    features: Vec<String>,
}

impl AwsCloud {
    pub(crate) async fn read_aurora_versions(
        &self,
        version: &str,
    ) -> Result<Vec<EngineVersion>, Failure> {
        let what = format!("read the Aurora versions for PostgreSQL {version}");
        let source = Release::parse(version).ok_or_else(|| {
            let detail = format!("{version} is not a PostgreSQL version such as 15.18");
            Failure::new(FailureKind::Invalid, &what, detail)
        })?;
        let listed = self.listed_targets(&what, version).await?;
        let offered = self.offered(&what).await?;
        Ok(choose(source, &listed, offered))
    }

    /// The Aurora versions among the source version's upgrade targets. A minor that AWS no longer
    /// offers for new instances may still run, so those are asked for too.
    async fn listed_targets(&self, what: &str, version: &str) -> Result<Vec<String>, Failure> {
        let call = self.rds.describe_db_engine_versions().engine(SOURCE_ENGINE);
        let answer = call.engine_version(version).include_all(true).send().await;
        let found = answer.map_err(|error| fault::failure(what, &error))?;
        Ok(found
            .db_engine_versions()
            .iter()
            .flat_map(|version| version.valid_upgrade_target())
            .filter(|target| target.engine() == Some(TARGET_ENGINE))
            .filter_map(|target| target.engine_version().map(str::to_owned))
            .collect())
    }

    /// What the region offers, by version.
    async fn offered(&self, what: &str) -> Result<BTreeMap<String, Offer>, Failure> {
        let call = self.rds.describe_db_engine_versions().engine(TARGET_ENGINE);
        let all: Result<Vec<_>, _> = call.into_paginator().items().send().collect().await;
        let all = all.map_err(|error| fault::failure(what, &error))?;
        Ok(all
            .into_iter()
            .filter_map(|found| {
                let log_types = found.exportable_log_types.unwrap_or_default();
                let features = found.supported_feature_names.unwrap_or_default();
                let offer = Offer { family: found.db_parameter_group_family?, log_types, features };
                Some((found.engine_version?, offer))
            })
            .collect())
    }

    pub(crate) async fn read_orderable_classes(
        &self,
        aurora_version: &str,
    ) -> Result<Vec<String>, Failure> {
        let call = self.rds.describe_orderable_db_instance_options().engine(TARGET_ENGINE);
        let pages = call.engine_version(aurora_version).into_paginator();
        let all: Result<Vec<_>, _> = pages.items().send().collect().await;
        let what = format!("read the instance classes for Aurora PostgreSQL {aurora_version}");
        let all = all.map_err(|error| fault::failure(what, &error))?;
        let mut classes: Vec<_> =
            all.into_iter().filter_map(|option| option.db_instance_class).collect();
        classes.sort_unstable();
        classes.dedup();
        Ok(classes)
    }
}

/// The versions a source may become, lowest first.
fn choose(
    source: Release,
    listed: &[String],
    offered: BTreeMap<String, Offer>,
) -> Vec<EngineVersion> {
    let mut able: Vec<_> = offered
        .into_iter()
        .filter_map(|(version, offer)| Some((Release::parse(&version)?, version, offer)))
        .filter(|(release, ..)| release.can_follow(source))
        .collect();
    if able.iter().any(|(_, version, _)| listed.contains(version)) {
        able.retain(|(_, version, _)| listed.contains(version));
    }
    able.sort_unstable();
    able.into_iter()
        .map(|(_, version, Offer { family, log_types, features })| EngineVersion {
            version,
            family,
            log_types,
            features,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offered() -> BTreeMap<String, Offer> {
        ["14.22", "15.9", "15.15", "15.17", "16.4-limitless", "17.6"]
            .into_iter()
            .map(|version| {
                let (major, _) = version.split_once('.').unwrap();
                let family = format!("aurora-postgresql{major}");
                (
                    version.to_owned(),
                    Offer {
                        family,
                        log_types: vec!["postgresql".to_owned()],
                        features: vec!["s3Import".to_owned()],
                    },
                )
            })
            .collect()
    }

    fn chosen(source: &str, listed: &[&str]) -> Vec<String> {
        let listed: Vec<_> = listed.iter().map(|&version| version.to_owned()).collect();
        let source = Release::parse(source).unwrap();
        choose(source, &listed, offered()).into_iter().map(|found| found.version).collect()
    }

    #[test]
    fn releases_are_numbers_and_revisions_are_parsed() {
        let release = |text| Release::parse(text).unwrap();
        assert!(release("15.9") < release("15.10"));
        assert!(release("17.6") < release("17.6-R2"));
        for text in ["16.4-limitless", "15", "", "15.x", "17.6-R", "x.1"] {
            assert_eq!(Release::parse(text), None, "{text}");
        }
    }

    #[test]
    fn aws_own_list_wins() {
        assert_eq!(chosen("15.9", &["15.17", "16.1"]), ["15.17"]);
    }

    #[test]
    fn without_a_list_any_minor_of_the_major_that_is_not_behind() {
        assert_eq!(chosen("15.10", &[]), ["15.15", "15.17"]);
        assert_eq!(chosen("17.6-R2", &[]), ["17.6"]);
        assert_eq!(chosen("15.18", &[]), Vec::<String>::new());
        assert_eq!(chosen("18.1", &[]), Vec::<String>::new());
    }

    #[test]
    fn a_listed_version_that_the_region_does_not_offer_is_no_list() {
        assert_eq!(chosen("15.15", &["15.16"]), ["15.15", "15.17"]);
    }

    #[test]
    fn the_family_and_the_logs_come_along() {
        let found = choose(Release::parse("14.20").unwrap(), &[], offered());
        let expected = EngineVersion {
            version: "14.22".into(),
            family: "aurora-postgresql14".into(),
            log_types: vec!["postgresql".into()],
            features: vec!["s3Import".into()],
        };
        assert_eq!(found, [expected]);
    }
}
