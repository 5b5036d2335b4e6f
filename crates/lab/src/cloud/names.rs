//! Names in the cloud: identifiers, ARNs and resource ids of the one account and region.
//!
//! Identifiers are case-insensitive: they are stored in lower case, and every look-up goes
//! through [`Identifier`], so that no comparison can forget it.

use std::fmt;

use rand::RngExt as _;

use super::refusal::Refusal;

/// The Region of the lab.
pub const REGION: &str = "us-east-1";
/// The pretended second Region, which has what Global Databases put there and nothing else.
pub const SECOND_REGION: &str = "eu-west-1";
/// The only account of the lab.
pub const ACCOUNT: &str = "123456789012";

/// The kinds of resource that have an ARN.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Resource {
    Instance,
    Cluster,
    ParameterGroup,
    ClusterParameterGroup,
    Snapshot,
    ClusterSnapshot,
    ClusterEndpoint,
    Proxy,
}

impl Resource {
    const ALL: [Self; 8] = [
        Self::Instance,
        Self::Cluster,
        Self::ParameterGroup,
        Self::ClusterParameterGroup,
        Self::Snapshot,
        Self::ClusterSnapshot,
        Self::ClusterEndpoint,
        Self::Proxy,
    ];

    const fn word(self) -> &'static str {
        match self {
            Self::Instance => "db",
            Self::Cluster => "cluster",
            Self::ParameterGroup => "pg",
            Self::ClusterParameterGroup => "cluster-pg",
            Self::Snapshot => "snapshot",
            Self::ClusterSnapshot => "cluster-snapshot",
            Self::ClusterEndpoint => "cluster-endpoint",
            Self::Proxy => "db-proxy",
        }
    }
}

/// The ARN of a resource.
pub fn arn(resource: Resource, name: &str) -> String {
    arn_in(REGION, resource, name)
}

/// The ARN of a resource in one of the Regions.
pub fn arn_in(region: &str, resource: Resource, name: &str) -> String {
    format!("arn:aws:rds:{region}:{ACCOUNT}:{}:{name}", resource.word())
}

/// The ARN of a Global Database.
pub fn global_arn(name: &Identifier) -> String {
    format!("arn:aws:rds::{ACCOUNT}:global-cluster:{name}")
}

/// Splits an ARN of this account and region into its parts.
pub fn parse_arn(text: &str) -> Option<(Resource, Identifier)> {
    let rest = text.strip_prefix("arn:aws:rds:")?.strip_prefix(REGION)?;
    let rest = rest.strip_prefix(':')?.strip_prefix(ACCOUNT)?.strip_prefix(':')?;
    let (word, name) = rest.split_once(':')?;
    let resource = Resource::ALL.into_iter().find(|resource| resource.word() == word)?;
    Some((resource, Identifier::lookup(name)))
}

/// The name of an instance, cluster, group or snapshot, in lower case.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub struct Identifier(String);

impl Identifier {
    /// A name to look up: never refused, only folded.
    pub fn lookup(text: &str) -> Self {
        Self(text.to_ascii_lowercase())
    }

    /// A name to look up where AWS also takes the ARN of that kind of resource.
    pub fn lookup_or_arn(text: &str, resource: Resource) -> Self {
        match parse_arn(text) {
            Some((kind, name)) if kind == resource => name,
            Some(_) | None => Self::lookup(text),
        }
    }

    /// A name for something new: a letter first, then letters, digits and single hyphens.
    pub fn create(text: &str) -> Result<Self, Refusal> {
        let well_formed = text.len() <= 63
            && text.starts_with(|first: char| first.is_ascii_alphabetic())
            && text.chars().all(|each| each.is_ascii_alphanumeric() || each == '-')
            && !text.ends_with('-')
            && !text.contains("--");
        if well_formed {
            Ok(Self::lookup(text))
        } else {
            Err(Refusal::value(format!(
                "The parameter {text} is not a valid identifier. Identifiers must begin with a \
                 letter; must contain only ASCII letters, digits, and hyphens; and must not end \
                 with a hyphen or contain two consecutive hyphens."
            )))
        }
    }

    /// The folded text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Identifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A resource id such as `db-ABCDEFGHIJKLMNOPQRSTUVWXYZ`.
pub fn resource_id(prefix: &str) -> String {
    let tail: String = (0..26).map(|_| letter(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")).collect();
    format!("{prefix}-{tail}")
}

/// A request id in the form of a UUID.
pub fn request_id() -> String {
    let part =
        |length: usize| -> String { (0..length).map(|_| letter(b"0123456789abcdef")).collect() };
    format!("{}-{}-4{}-a{}-{}", part(8), part(4), part(3), part(3), part(12))
}

/// A random word, for passwords and tokens of the lab.
pub fn random_word(length: usize) -> String {
    (0..length).map(|_| letter(b"abcdefghijkmnpqrstuvwxyz23456789")).collect()
}

fn letter(alphabet: &[u8]) -> char {
    let index = rand::rng().random_range(0..alphabet.len());
    alphabet.get(index).copied().map_or('x', char::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_survives_the_round_trip_and_a_foreign_one_is_none() {
        let text = arn(Resource::ClusterParameterGroup, "Shop-PG");
        let parsed = parse_arn(&text).unwrap();
        assert_eq!(parsed, (Resource::ClusterParameterGroup, Identifier::lookup("shop-pg")));
        assert_eq!(parse_arn("arn:aws:rds:eu-west-1:123456789012:db:a"), None);
        assert_eq!(parse_arn("shop-prod"), None);
    }

    #[test]
    fn new_names_follow_the_rules_of_rds() {
        assert_eq!(Identifier::create("Shop-Prod").unwrap().as_str(), "shop-prod");
        for bad in ["", "1shop", "shop-", "a--b", "shop_prod", &"a".repeat(64)] {
            assert!(Identifier::create(bad).is_err(), "{bad}");
        }
    }
}
