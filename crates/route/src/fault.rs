//! The one table from what can go wrong here to a [`Failure`].
//!
//! Nothing is retried in this crate; the kind decides what the driver does.

use std::io;

use landfall_core::journal::StoreError;
use landfall_core::{Failure, FailureKind};

/// The store refused or could not be read.
pub(crate) fn of_store(what: &str, error: &StoreError) -> Failure {
    let kind = match error {
        StoreError::RouteOutrun { .. } | StoreError::EpochLost(_) => FailureKind::StaleEpoch,
        StoreError::Medium { .. } | StoreError::Newer(_) => FailureKind::Store,
        // Refusals of an append and of taking a lease; no route call can meet them.
        StoreError::Outrun(_) | StoreError::LeaseHeld { .. } => FailureKind::Unknown,
    };
    Failure::new(kind, what, error.to_string())
}

/// The store did not answer in time.
pub(crate) fn of_time(what: &str, bound: std::time::Duration) -> Failure {
    Failure::new(FailureKind::TimedOut, what, format!("no answer within {bound:?}"))
}

/// The address for the proxies cannot be had.
pub(crate) fn of_listen(what: &str, error: &io::Error) -> Failure {
    let is = |kind| error.kind() == kind;
    let kind = if is(io::ErrorKind::AddrInUse) {
        FailureKind::TakenByAnother
    } else if is(io::ErrorKind::PermissionDenied) {
        FailureKind::Denied
    } else if is(io::ErrorKind::AddrNotAvailable) || is(io::ErrorKind::InvalidInput) {
        FailureKind::Invalid
    } else {
        FailureKind::Unknown
    };
    Failure::new(kind, what, error.to_string())
}

/// The control plane of this process has stopped.
pub(crate) fn of_stop(what: &str) -> Failure {
    Failure::new(FailureKind::Unavailable, what, "the control plane has stopped")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::Timestamp;
    use landfall_core::{Epoch, Seq, ServiceName};

    use landfall_core::journal::StoreTrouble;

    use super::*;

    #[test]
    fn each_refusal_of_the_store_has_its_kind() {
        let outrun = StoreError::RouteOutrun { service: ServiceName::new("orders"), found: 4 };
        let held =
            StoreError::LeaseHeld { holder: "other".to_owned(), until: Timestamp::UNIX_EPOCH };
        let full = StoreError::Medium {
            what: "write the store".to_owned(),
            told: "disk full".to_owned(),
            trouble: StoreTrouble::Full,
        };
        let table = [
            (outrun, FailureKind::StaleEpoch),
            (full, FailureKind::Store),
            (StoreError::Newer(9), FailureKind::Store),
            (StoreError::Outrun(Seq(3)), FailureKind::Unknown),
            (StoreError::EpochLost(Epoch(3)), FailureKind::StaleEpoch),
            (held, FailureKind::Unknown),
        ];
        for (error, kind) in table {
            let failure = of_store("store the route of orders", &error);
            assert_eq!(failure.kind, kind, "{error}");
            assert_eq!(failure.detail, error.to_string());
        }
    }

    #[test]
    fn each_refusal_to_listen_has_its_kind() {
        let table = [
            (io::ErrorKind::AddrInUse, FailureKind::TakenByAnother),
            (io::ErrorKind::PermissionDenied, FailureKind::Denied),
            (io::ErrorKind::AddrNotAvailable, FailureKind::Invalid),
            (io::ErrorKind::OutOfMemory, FailureKind::Unknown),
        ];
        for (error, kind) in table {
            assert_eq!(of_listen("listen", &error.into()).kind, kind, "{error}");
        }
    }

    #[test]
    fn silence_and_a_stopped_control_plane_say_nothing_of_the_effect() {
        assert_eq!(of_time("hold orders", Duration::from_secs(1)).kind, FailureKind::TimedOut);
        assert_eq!(of_stop("hold orders").kind, FailureKind::Unavailable);
    }
}
