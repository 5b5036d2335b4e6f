//! Names and numbers that must not be confused with one another.
//!
//! Each is a newtype with the rules of the system it names: AWS identifiers are case-insensitive
//! and stored in lower case, an epoch only grows, a sequence number has no gap.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Takes the text as it is; [`crate::spec`] checks what a person typed.
            pub fn new(text: impl Into<String>) -> Self {
                Self(text.into())
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self::new(text)
            }
        }
    };
}

name!(
    /// The name of one move, unique in a store; names of everything Landfall creates derive from it.
    MigrationName
);
name!(
    /// A DB instance identifier.
    InstanceId
);
name!(
    /// A DB cluster identifier.
    ClusterId
);
name!(
    /// A PostgreSQL database name.
    DatabaseName
);
name!(
    /// The service name that applications connect to through the gateway.
    ServiceName
);
name!(
    /// A consumer of changes, as the spec calls it.
    ConsumerName
);
name!(
    /// A VPC security group id.
    SecurityGroupId
);
name!(
    /// A parameter group name, of either level.
    ParameterGroupName
);

/// The generation of the orchestrator that leads a move; taking the lease adds one.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Epoch(pub u64);

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The position of an entry in one move's journal, from 1, without gaps.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Seq(pub u64);

impl Seq {
    /// The position after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Where a PostgreSQL server answers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Endpoint {
    /// Host name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

impl Endpoint {
    /// An endpoint from its parts.
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self { host: host.into(), port }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl std::str::FromStr for Endpoint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (host, port) =
            text.rsplit_once(':').ok_or_else(|| format!("{text} is not HOST:PORT"))?;
        let port = port.parse().map_err(|_| format!("{port} is not a port number"))?;
        if host.is_empty() {
            return Err(format!("{text} has no host"));
        }
        Ok(Self::new(host, port))
    }
}
