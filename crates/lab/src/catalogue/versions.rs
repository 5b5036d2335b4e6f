//! Engine versions and which may follow which.
//!
//! The upgrade targets of an RDS version include the Aurora versions that can replicate from it:
//! the same major, the same or a higher minor.

use std::fmt;

/// The two engines of the lab.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Engine {
    Postgres,
    Aurora,
}

impl Engine {
    /// Both, in the order of the listing.
    pub const ALL: [Self; 2] = [Self::Aurora, Self::Postgres];

    /// The name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Aurora => "aurora-postgresql",
        }
    }

    /// The engine of that name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|engine| engine.name().eq_ignore_ascii_case(text))
    }

    /// The parameter group family of a major version.
    pub fn family(self, major: u32) -> String {
        format!("{}{major}", self.name())
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A version such as 15.17.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    pub major: u32,
    pub minor: u32,
}

impl Version {
    /// Reads `15.17`; anything else is none.
    pub fn parse(text: &str) -> Option<Self> {
        let (major, minor) = text.split_once('.')?;
        Some(Self { major: major.parse().ok()?, minor: minor.parse().ok()? })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// Every version the cloud offers for an engine, oldest first.
pub fn offered(engine: Engine) -> Vec<Version> {
    let mut versions: Vec<Version> = super::lines(include_str!("versions.tsv"))
        .filter_map(|line| line.split_once('\t'))
        .filter(|(name, _)| *name == engine.name())
        .filter_map(|(_, version)| Version::parse(version))
        .collect();
    versions.sort();
    versions
}

/// What an instance of this engine and version may become.
pub fn upgrade_targets(engine: Engine, version: Version) -> Vec<(Engine, Version)> {
    let same_engine = offered(engine)
        .into_iter()
        .filter(|target| *target > version)
        .map(|target| (engine, target));
    match engine {
        Engine::Aurora => same_engine.collect(),
        Engine::Postgres => replica_targets(version)
            .into_iter()
            .map(|target| (Engine::Aurora, target))
            .chain(same_engine)
            .collect(),
    }
}

/// The Aurora versions that can replicate from an RDS instance of this version.
pub fn replica_targets(source: Version) -> Vec<Version> {
    offered(Engine::Aurora)
        .into_iter()
        .filter(|target| target.major == source.major && target.minor >= source.minor)
        .collect()
}

/// The version an RDS instance over this real server claims: the newest minor that the server
/// covers and for which Aurora has a target, or the newest one known when there is no such minor.
pub fn claimed(real: Version) -> Version {
    let known: Vec<Version> =
        offered(Engine::Postgres).into_iter().filter(|each| each.major == real.major).collect();
    known
        .iter()
        .rev()
        .find(|each| each.minor <= real.minor && !replica_targets(**each).is_empty())
        .or_else(|| known.last())
        .copied()
        .unwrap_or(real)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> Version {
        Version::parse(text).unwrap()
    }

    #[test]
    fn every_line_of_the_table_is_read() {
        let lines = super::super::lines(include_str!("versions.tsv")).count();
        assert_eq!(offered(Engine::Aurora).len() + offered(Engine::Postgres).len(), lines);
    }

    #[test]
    fn a_minor_that_aurora_lacks_goes_to_the_next_higher_one() {
        assert_eq!(replica_targets(version("17.8")), [version("17.9")]);
        assert_eq!(replica_targets(version("15.16")), [version("15.17")]);
        assert!(replica_targets(version("18.1")).is_empty());
        let targets = upgrade_targets(Engine::Postgres, version("16.12"));
        assert!(targets.contains(&(Engine::Aurora, version("16.13"))));
        assert!(targets.contains(&(Engine::Postgres, version("17.4"))));
    }

    #[test]
    fn the_claimed_version_always_has_a_target_where_aurora_has_the_major() {
        assert_eq!(claimed(version("15.18")), version("15.17"));
        assert_eq!(claimed(version("15.11")), version("15.10"));
        assert_eq!(claimed(version("15.2")), version("15.17"));
        assert_eq!(claimed(version("18.4")), version("18.3"));
        assert_eq!(claimed(version("19.0")), version("19.0"));
    }
}
