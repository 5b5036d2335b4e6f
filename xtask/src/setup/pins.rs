//! Which packages are fetched, at which version, with which checksums: the only place to change
//! them. Each text is a pip requirements file, or lists Debian packages in the same form; a file
//! whose checksum is not listed is refused. Several checksums are the same version built for x86-64
//! and for 64-bit ARM, or for one Python.
//!
//! The text is also the stamp of an unpacked tool, so changing a pin makes every machine fetch.

/// One tool's package and everything it needs.
pub(super) struct Pin {
    pub(super) tool: &'static str,
    pub(super) version: &'static str,
    pub(super) requirements: &'static str,
}

pub(super) const POSTGRESQL: Pin = Pin {
    tool: "postgresql",
    version: "18.6.3",
    requirements: include_str!("pins/postgresql.txt"),
};

pub(super) const ENVOY: Pin =
    Pin { tool: "envoy", version: "1.40.0", requirements: include_str!("pins/envoy.txt") };

pub(super) const AWSCLI: Pin =
    Pin { tool: "awscli", version: "1.45.11", requirements: include_str!("pins/awscli.txt") };

/// Debian packages of its stable release, for x86-64.
pub(super) const PGBOUNCER: Pin =
    Pin { tool: "pgbouncer", version: "1.18.0", requirements: include_str!("pins/pgbouncer.txt") };

/// Likewise.
pub(super) const KNOT: Pin =
    Pin { tool: "knot", version: "3.2.6", requirements: include_str!("pins/knot.txt") };

/// Clients for tests; the Java runtime is in it.
pub(super) const CLIENTS: Pin =
    Pin { tool: "clients", version: "3.3.9", requirements: include_str!("pins/clients.txt") };

/// A Debian package for every architecture.
pub(super) const PGJDBC: Pin =
    Pin { tool: "pgjdbc", version: "42.5.5", requirements: include_str!("pins/pgjdbc.txt") };

/// The server alone, from the Node registry, for x86-64.
pub(super) const POSTGRESQL18: Pin = Pin {
    tool: "postgresql18",
    version: "18.4.0",
    requirements: include_str!("pins/postgresql18.txt"),
};

/// Debian packages of its stable release, for x86-64.
pub(super) const CHROMIUM: Pin = Pin {
    tool: "chromium",
    version: "150.0.7871.100",
    requirements: include_str!("pins/chromium.txt"),
};

/// Kafka Connect, Debezium's connector and a broker, for x86-64.
pub(super) const CONNECT: Pin =
    Pin { tool: "connect", version: "3.6.3.0", requirements: include_str!("pins/connect.txt") };

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_requirement_is_exact_and_has_a_checksum() {
        for pin in [
            POSTGRESQL,
            ENVOY,
            AWSCLI,
            PGBOUNCER,
            KNOT,
            CLIENTS,
            PGJDBC,
            POSTGRESQL18,
            CHROMIUM,
            CONNECT,
        ] {
            let joined = pin.requirements.replace("\\\n", " ");
            let lines: Vec<_> = joined.lines().filter(|line| !line.trim().is_empty()).collect();
            assert!(!lines.is_empty(), "{} pins nothing", pin.tool);
            for line in &lines {
                assert!(line.contains("==") && line.contains("--hash=sha256:"), "loose: {line}");
            }
            assert!(lines[0].contains(pin.version), "{} is not first in its pins", pin.tool);
        }
    }
}
