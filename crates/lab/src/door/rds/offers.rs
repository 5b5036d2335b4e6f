//! What the cloud offers: engine versions, classes, certificates.

use jiff::Timestamp;

use super::super::form::Form;
use super::super::xml::Fields;
use super::{Answer, filters, page};
use crate::catalogue::classes::{self, Class};
use crate::catalogue::versions::{Engine, Version, offered, upgrade_targets};
use crate::cloud::names::REGION;
use crate::cloud::refusal::{Code, Refusal};
use crate::cloud::roles::{OF_AURORA, OF_POSTGRES};
use crate::cloud::{CERTIFICATES, Cloud, DEFAULT_CERTIFICATE};

pub(super) fn engine_versions(cloud: &Cloud, form: &Form) -> Answer {
    filters(
        form,
        &["db-parameter-group-family", "engine", "engine-mode", "engine-version", "status"],
    )?;
    let engine = form.text("Engine");
    let wanted = form.text("EngineVersion");
    let family = form.text("DBParameterGroupFamily");
    let only_default = form.flag("DefaultOnly")?.unwrap_or(false);
    let mut matching = Vec::new();
    for each in Engine::ALL.into_iter().filter(|each| engine.is_none_or(|name| each.name() == name))
    {
        let versions = offered(each);
        let newest = versions.iter().copied().filter(|it| it.major == cloud.version().major).max();
        for version in versions {
            let fits = wanted.is_none_or(|wanted| covers(wanted, version))
                && family.is_none_or(|family| each.family(version.major) == family)
                && (!only_default || Some(version) == newest);
            if fits {
                let key = format!("{each}/{:05}.{:05}", version.major, version.minor);
                matching.push((key, engine_version(each, version)));
            }
        }
    }
    let (versions, marker) = page(form, matching)?;
    Ok(Fields::new().maybe("Marker", marker).list("DBEngineVersions", "DBEngineVersion", versions))
}

/// `15` means every 15.x, `15.17` that one.
fn covers(wanted: &str, version: Version) -> bool {
    wanted == version.to_string() || wanted == version.major.to_string()
}

fn engine_version(engine: Engine, version: Version) -> Fields {
    let targets = upgrade_targets(engine, version).into_iter().map(|(target, to)| {
        Fields::new()
            .text("Engine", target)
            .text("EngineVersion", to)
            .text("Description", description(target, to))
            .text("AutoUpgrade", false)
            .text("IsMajorVersionUpgrade", to.major != version.major)
    });
    let (logs, features): (&[&str], &[&str]) = match engine {
        Engine::Postgres => (&["postgresql", "upgrade"], &OF_POSTGRES),
        Engine::Aurora => (&["instance", "postgresql"], &OF_AURORA),
    };
    Fields::new()
        .text("Engine", engine)
        .text("MajorEngineVersion", version.major)
        .text("EngineVersion", version)
        .text("DBParameterGroupFamily", engine.family(version.major))
        .text("DBEngineDescription", description(engine, version))
        .text("DBEngineVersionDescription", description(engine, version))
        .text("SupportsReadReplica", engine == Engine::Postgres)
        .text("SupportsLogExportsToCloudwatchLogs", true)
        .text("Status", "available")
        .texts("ExportableLogTypes", "member", logs)
        .texts("SupportedFeatureNames", "member", features)
        .texts("SupportedCACertificateIdentifiers", "member", CERTIFICATES)
        .list("ValidUpgradeTarget", "UpgradeTarget", targets)
}

fn description(engine: Engine, version: Version) -> String {
    match engine {
        Engine::Postgres => format!("PostgreSQL {version}"),
        Engine::Aurora => format!("Aurora PostgreSQL (Compatible with PostgreSQL {version})"),
    }
}

pub(super) fn orderable(form: &Form) -> Answer {
    let name = form.required("Engine")?;
    let engine =
        Engine::parse(name).ok_or_else(|| Refusal::value(format!("Invalid DB engine: {name}")))?;
    let wanted = form.text("EngineVersion");
    let class = form.text("DBInstanceClass");
    let mut matching = Vec::new();
    for version in offered(engine)
        .into_iter()
        .filter(|version| wanted.is_none_or(|wanted| covers(wanted, *version)))
    {
        for each in classes::all().filter(|each| each.offers(engine)) {
            if class.is_none_or(|class| class == each.name) {
                let key = format!("{:05}.{:05}/{}", version.major, version.minor, each.name);
                matching.push((key, option(engine, version, &each)));
            }
        }
    }
    matching.sort_by(|(one, _), (other, _)| one.cmp(other));
    let (options, marker) = page(form, matching)?;
    let list =
        Fields::new().list("OrderableDBInstanceOptions", "OrderableDBInstanceOption", options);
    Ok(list.maybe("Marker", marker))
}

fn option(engine: Engine, version: Version, class: &Class) -> Fields {
    let zones =
        ["us-east-1a", "us-east-1b", "us-east-1c"].map(|zone| Fields::new().text("Name", zone));
    let (storage, most) = match engine {
        Engine::Postgres => ("gp3", Some(65_536)),
        Engine::Aurora => ("aurora", None),
    };
    Fields::new()
        .text("Engine", engine)
        .text("EngineVersion", version)
        .text("DBInstanceClass", class.name)
        .text("LicenseModel", "postgresql-license")
        .text("MultiAZCapable", engine == Engine::Postgres)
        .text("ReadReplicaCapable", engine == Engine::Postgres)
        .text("Vpc", true)
        .text("SupportsStorageEncryption", true)
        .text("StorageType", storage)
        .maybe("MaxStorageSize", most)
        .text("SupportsIAMDatabaseAuthentication", true)
        .text("SupportsPerformanceInsights", true)
        .list("AvailabilityZones", "AvailabilityZone", zones)
}

pub(super) fn certificates(form: &Form) -> Answer {
    let wanted = form.text("CertificateIdentifier");
    if let Some(wanted) = wanted.filter(|wanted| !CERTIFICATES.contains(wanted)) {
        return Err(Refusal::new(
            Code::CertificateNotFound,
            format!("CertificateIdentifier not found: {wanted}."),
        ));
    }
    let matching = CERTIFICATES
        .into_iter()
        .filter(|name| wanted.is_none_or(|wanted| wanted == *name))
        .map(|name| (name.to_owned(), certificate(name)))
        .collect();
    let (certificates, marker) = page(form, matching)?;
    Ok(Fields::new()
        .text("DefaultCertificateForNewLaunches", DEFAULT_CERTIFICATE)
        .list("Certificates", "Certificate", certificates)
        .maybe("Marker", marker))
}

fn certificate(name: &str) -> Fields {
    let day = |text: &str| text.parse::<Timestamp>().unwrap_or(Timestamp::UNIX_EPOCH);
    Fields::new()
        .text("CertificateIdentifier", name)
        .text("CertificateType", "CA")
        .time("ValidFrom", day("2021-05-21T22:28:00Z"))
        .time("ValidTill", day("2061-05-21T23:28:00Z"))
        .text("CertificateArn", format_args!("arn:aws:rds:{REGION}::cert:{name}"))
        .text("CustomerOverride", false)
}
