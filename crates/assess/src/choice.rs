//! What the source becomes: the Aurora version and the instance class. Pure.

use landfall_core::Spec;
use landfall_core::port::cloud::{EngineVersion, Instance};

/// The Aurora version asked for, or the newest of the source's own major.
pub fn choose_version<'a>(
    spec: &Spec,
    instance: &Instance,
    versions: &'a [EngineVersion],
) -> Option<&'a EngineVersion> {
    if let Some(asked) = &spec.target.engine_version {
        return versions.iter().find(|version| version.version == *asked);
    }
    let major = major(&instance.engine_version);
    versions
        .iter()
        .filter(|version| self::major(&version.version) == major)
        .max_by_key(|version| minor(&version.version))
}

fn major(version: &str) -> &str {
    version.split('.').next().unwrap_or(version)
}

/// The minor as numbers; `17.6-R2` is 17.6.
fn minor(version: &str) -> Vec<u32> {
    let plain = version.split('-').next().unwrap_or(version);
    plain.split('.').skip(1).filter_map(|part| part.parse().ok()).collect()
}

/// The Aurora class for a source's class: its own when offered, else the same size of a memory
/// family, newest generation first.
pub fn choose_class(spec: &Spec, instance: &Instance, classes: &[String]) -> Option<String> {
    let offered = |class: &str| classes.iter().any(|one| one == class);
    if let Some(asked) = spec.target.asked_class() {
        return offered(asked).then(|| asked.to_owned());
    }
    if offered(&instance.class) {
        return Some(instance.class.clone());
    }
    let size = instance.class.rsplit('.').next()?;
    const FAMILIES: &[&str] = &["r8g", "r7g", "r7i", "r6g", "r6i", "r5", "t4g", "t3"];
    let sizes = [size, "large", "medium"];
    sizes.iter().find_map(|size| {
        FAMILIES.iter().map(|family| format!("db.{family}.{size}")).find(|class| offered(class))
    })
}
