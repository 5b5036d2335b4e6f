//! Problems: what a person is told when a move stops.
//!
//! Every problem has a code with a page of its own (`docs/problems/LF-NNN.md`, compiled in) and
//! PostgreSQL's three parts: a primary line, a detail, a hint. Where writes go at that moment is
//! added by the driver from the process table, so that it is always said and never guessed.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Who takes the application's writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Writes {
    /// The source.
    Source,
    /// Nobody: connections wait at the gateway.
    Nobody,
    /// The target.
    Target,
}

impl fmt::Display for Writes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Source => "Writes are accepted by the source.",
            Self::Nobody => "Writes wait at the gateway; neither side accepts them.",
            Self::Target => "Writes are accepted by the target.",
        })
    }
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $title:literal;)*) => {
        /// The code of a problem; stored, printed, and never given a second meaning.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Code {
            $($(#[$doc])* #[serde(rename = $number)] $name,)*
        }

        impl Code {
            /// Every code, in order.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// Such as `LF-014`.
            #[must_use]
            pub const fn number(self) -> &'static str {
                match self { $(Self::$name => $number,)* }
            }

            /// The problem in a few words.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)* }
            }

            /// Its page: what you see, what it means, what is safe, what to do.
            #[must_use]
            pub const fn page(self) -> &'static str {
                match self {
                    $(Self::$name =>
                        include_str!(concat!("../../../docs/problems/", $number, ".md")),)*
                }
            }
        }
    };
}

codes! {
    /// The spec could not be read as one.
    SpecInvalid = "LF-001", "the spec has mistakes";
    /// No instance of that name.
    SourceMissing = "LF-002", "the source instance does not exist";
    /// MySQL, Aurora, or anything else.
    SourceNotPostgres = "LF-003", "the source is not RDS for PostgreSQL";
    /// One Aurora read replica per source.
    SourceHasReplica = "LF-004", "the source already has an Aurora read replica";
    /// Not ours, or another move's.
    NameTaken = "LF-005", "a name this move needs is taken by somebody else";
    /// No Aurora version to move to.
    NoTargetVersion = "LF-006", "no Aurora version fits the source";
    /// The class is not offered by Aurora.
    NoTargetClass = "LF-007", "no Aurora instance class fits the source";
    /// The replica did not become available in time, or failed.
    ReplicaNotAvailable = "LF-008", "the replica does not become available";
    /// Lag did not stay under the limit.
    LagNotSustained = "LF-009", "the replica does not keep up";
    /// Proxies missing or refusing.
    GatewayNotReady = "LF-010", "a gateway proxy does not follow the route";
    /// A quarantine group is unknown, missing or open.
    QuarantineGroup = "LF-011", "the quarantine group cannot be used";
    /// Somebody still writes.
    FenceLeaks = "LF-012", "the fence does not hold";
    /// Two-phase commit in flight.
    PreparedTransaction = "LF-013", "a prepared transaction is open on the source";
    /// The metric contradicts the LSN proof.
    ProofsDisagree = "LF-014", "the two proofs of sync disagree";
    /// Neither proof could be made.
    ProofMissing = "LF-015", "the proof of sync cannot be made";
    /// The time for the pause is used up.
    PauseBudgetSpent = "LF-016", "the pause budget is spent";
    /// The budget cannot hold a pause of this length.
    PauseBudgetTooSmall = "LF-017", "the pause budget is too small";
    /// Written to before release.
    TargetWritten = "LF-018", "the promoted target may have been written to";
    /// Abort after release.
    PointOfNoReturn = "LF-019", "the point of no return is behind us";
    /// The lease is held.
    AnotherOrchestrator = "LF-020", "another orchestrator leads this move";
    /// No answer from AWS, the database or the gateway.
    PortUnavailable = "LF-021", "a service does not answer";
    /// Throttled for long.
    CloudThrottles = "LF-022", "AWS keeps throttling";
    /// Its state does not allow the call.
    ObjectBusy = "LF-023", "an object stays in a state that allows nothing";
    /// It was there, or should be.
    ObjectMissing = "LF-024", "an object this move needs is missing";
    /// AWS or PostgreSQL says no.
    AccessDenied = "LF-025", "access is denied";
    /// The service refused values.
    CallRefused = "LF-026", "a call is refused";
    /// An account quota.
    QuotaExceeded = "LF-027", "an AWS quota is used up";
    /// Somebody else changed the route.
    RouteChangedByAnother = "LF-028", "the route was changed by somebody else";
    /// Disk full, permissions, corruption.
    StoreUnwritable = "LF-029", "the state store cannot be written";
    /// Not in the table.
    UnknownFailure = "LF-030", "a failure that Landfall does not know";
    /// The same order had no effect three times.
    NoEffect = "LF-031", "an order has no effect";
    /// A wait reached its deadline.
    WaitTooLong = "LF-032", "a wait took too long";
    /// The owner's test says no.
    SmokeFailed = "LF-033", "a smoke test fails";
    /// Nobody answers at the endpoint.
    TargetUnreachable = "LF-034", "the target cannot be reached from the gateway";
    /// The source is open again after the cutover.
    FenceDrift = "LF-035", "the fence on the source was changed by somebody else";
    /// No such move in the store.
    UnknownMove = "LF-036", "no move of that name is known";
    /// The spec is not the one the move began with.
    SpecChanged = "LF-037", "the spec differs from the one the move began with";
    /// The request does not fit the move's state.
    NotNow = "LF-038", "that cannot be done in this state";
    /// `failed`, `incompatible-parameters`, `storage-full` …
    ResourceFailed = "LF-039", "AWS reports a failed resource";
    /// The access cannot do what a step needs.
    AccessTooWeak = "LF-040", "the given access is too weak";
    /// Settings or extensions differ from what was planned.
    ParityBroken = "LF-041", "the replica does not match the source";
    /// `max_connections` below the sessions there are.
    TargetTooSmall = "LF-042", "the target takes fewer sessions than there are";
    /// A property of the source that AWS makes no Aurora replica of.
    RoadClosed = "LF-043", "AWS makes no Aurora replica of this source";
    /// WAL would fill it before the replica is there.
    DiskTooSmall = "LF-044", "the source's disk fills before the replica is ready";
    /// Installed on the source, not to be had on Aurora.
    ExtensionMissing = "LF-045", "an extension does not exist on Aurora";
    /// What bundles are signed with.
    EvidenceKey = "LF-046", "the evidence key cannot be used";
    /// A line of it is not what was signed.
    BundleChanged = "LF-047", "the bundle is not what was signed";
    /// Replication back to the source cannot be armed, or is broken.
    WayBackBroken = "LF-048", "the way back is not whole";
    /// A roll-back would lose what was written since the release.
    WayBackMissing = "LF-049", "there is no way back";
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.number())
    }
}

impl std::str::FromStr for Code {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let upper = text.trim().to_ascii_uppercase();
        let number = if upper.starts_with("LF-") { upper } else { format!("LF-{upper:0>3}") };
        Self::ALL.iter().copied().find(|code| code.number() == number).ok_or_else(|| {
            let (first, last) = ("LF-001", Self::ALL.last().map_or("LF-001", |code| code.number()));
            format!("{text} is not a problem code; codes run from {first} to {last}")
        })
    }
}

/// A stop that a person must know about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Its code and page.
    pub code: Code,
    /// One factual line.
    pub primary: String,
    /// More, when there is more.
    pub detail: String,
    /// A full sentence: what to do.
    pub hint: String,
    /// Who takes writes meanwhile; filled in by the driver.
    pub writes: Option<Writes>,
}

impl Problem {
    /// A problem before the driver has said where writes go.
    pub fn new(code: Code, primary: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            code,
            primary: primary.into(),
            detail: String::new(),
            hint: hint.into(),
            writes: None,
        }
    }

    /// Adds the detail.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = detail.into();
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.primary)?;
        if !self.detail.is_empty() {
            write!(f, "\n  {}", self.detail)?;
        }
        if let Some(writes) = self.writes {
            write!(f, "\n  {writes}")?;
        }
        if !self.hint.is_empty() {
            write!(f, "\n  {}", self.hint)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_run_without_gaps_and_pages_have_their_parts() {
        for (index, code) in Code::ALL.iter().enumerate() {
            assert_eq!(code.number(), format!("LF-{:03}", index + 1));
            for part in [
                "## What you see",
                "## What it means",
                "## What is safe right now",
                "## What to do",
                "## What Landfall does by itself",
            ] {
                assert!(code.page().contains(part), "{code} has no part {part:?}");
            }
            assert!(
                code.page().starts_with(&format!("# {code}: {}\n", code.title())),
                "{code} title"
            );
        }
    }

    #[test]
    fn codes_are_found_as_people_type_them() {
        for text in ["LF-014", "lf-014", "14", "014"] {
            assert_eq!(text.parse(), Ok(Code::ProofsDisagree), "{text}");
        }
        assert!("LF-999".parse::<Code>().unwrap_err().contains("LF-001"));
    }
}
