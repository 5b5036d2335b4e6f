//! Failures: a port call went wrong, and the machine must decide what to do about it.
//!
//! One table maps a kind to its retry. The automatic list is narrow, and what is not known waits
//! for a person: repeating the unknown is how a bad night becomes a lost database.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::problem::Code;

/// Why a port call did not do what was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// The service asked us to slow down, beyond the SDK's own retries.
    Throttled,
    /// 5xx, refused or broken connection: nothing is known about the effect.
    Unavailable,
    /// No answer in time: nothing is known about the effect.
    TimedOut,
    /// The object's state does not allow this call right now (`InvalidDBInstanceState` …).
    WrongState,
    /// The object named in the call does not exist.
    NotFound,
    /// An object of that name exists and is not ours.
    TakenByAnother,
    /// Credentials are missing, wrong, or may not do this.
    Denied,
    /// The service refused the values of the call.
    Invalid,
    /// An account quota is used up.
    QuotaExceeded,
    /// The route changed under us: another epoch stands in the store.
    StaleEpoch,
    /// Our own state directory or store refused (disk full, corrupted).
    Store,
    /// Anything this table does not know.
    Unknown,
}

/// What to do about a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// Observe again after a pause; at most this many in a row.
    After {
        /// Pause before the next look.
        pause: Duration,
        /// Failures in a row before a person is asked.
        at_most: u32,
    },
    /// A person fixes something, then `resume`.
    AfterFix,
    /// It cannot succeed as asked.
    Never,
}

impl FailureKind {
    /// The one table: what the driver does, and the code a person is told.
    #[must_use]
    pub const fn policy(self) -> (Retry, Code) {
        match self {
            Self::Throttled => (soon(2_000, 60), Code::CloudThrottles),
            Self::Unavailable => (soon(500, 60), Code::PortUnavailable),
            Self::TimedOut => (soon(500, 20), Code::PortUnavailable),
            Self::WrongState => (soon(500, 120), Code::ObjectBusy),
            Self::StaleEpoch => (soon(100, 5), Code::RouteChangedByAnother),
            Self::NotFound => (Retry::AfterFix, Code::ObjectMissing),
            Self::TakenByAnother => (Retry::AfterFix, Code::NameTaken),
            Self::Denied => (Retry::AfterFix, Code::AccessDenied),
            Self::Invalid => (Retry::AfterFix, Code::CallRefused),
            Self::QuotaExceeded => (Retry::AfterFix, Code::QuotaExceeded),
            Self::Store => (Retry::AfterFix, Code::StoreUnwritable),
            Self::Unknown => (Retry::AfterFix, Code::UnknownFailure),
        }
    }
}

const fn soon(millis: u64, at_most: u32) -> Retry {
    Retry::After { pause: Duration::from_millis(millis), at_most }
}

/// A port call that went wrong: what was tried, on what, and why not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub struct Failure {
    /// The class that decides the retry.
    pub kind: FailureKind,
    /// Fits after "could not": `create cluster orders-aurora`.
    pub what: String,
    /// The service's own words, without values, rows or secrets.
    pub detail: String,
}

impl Failure {
    /// A failure of `kind` while doing `what`.
    pub fn new(kind: FailureKind, what: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { kind, what: what.into(), detail: detail.into() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "could not {}: {}", self.what, self.detail)
    }
}
