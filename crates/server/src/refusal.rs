//! What went wrong while a request was answered, as problem JSON: the one table.
//!
//! A problem is for every client. What SQLite, AWS or a server said underneath is its cause, which
//! may hold a path or another's name: it is for the log, where the request's id finds it.

use std::fmt;

use landfall_api::ApiProblem;
use landfall_core::journal::{StoreError, StoreTrouble};
use landfall_core::problem::Problem;
use landfall_core::spec::SpecMistakes;
use landfall_core::{Code, Failure};
use landfall_flow::Refusal;
use landfall_flow::view::ViewError;

/// An answer that is a problem.
#[derive(Debug, Clone)]
pub(crate) struct Refused {
    pub(crate) problem: Box<ApiProblem>,
    /// Not for every client.
    pub(crate) cause: Option<String>,
}

impl Refused {
    pub(crate) fn because(problem: ApiProblem, cause: String) -> Self {
        Self { problem: Box::new(problem), cause: Some(cause) }
    }
}

/// With its cause, for the terminal of whoever starts a server.
impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.problem.fmt(f)?;
        self.cause.as_ref().map_or(Ok(()), |cause| write!(f, ": {cause}"))
    }
}

impl From<ApiProblem> for Refused {
    fn from(problem: ApiProblem) -> Self {
        Self { problem: Box::new(problem), cause: None }
    }
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Self {
        Self::because(ApiProblem::failed(&failure), failure.detail)
    }
}

impl From<SpecMistakes> for Refused {
    fn from(mistakes: SpecMistakes) -> Self {
        let count = mistakes.0.len();
        let title = match count {
            1 => "the spec has a mistake".to_owned(),
            _ => format!("the spec has {count} mistakes"),
        };
        let mut problem = ApiProblem::new(422, Code::SpecInvalid, title)
            .hint("Correct what is listed; nothing was started.");
        problem.mistakes = mistakes.0;
        problem.into()
    }
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        let cause = error.to_string();
        match error {
            StoreError::Medium { .. } | StoreError::Newer(_) => {
                let (what, hint) = of_store(error.trouble());
                Self::because(ApiProblem::new(503, Code::StoreUnwritable, what).hint(hint), cause)
            }
            StoreError::Outrun(_)
            | StoreError::EpochLost(_)
            | StoreError::LeaseHeld { .. }
            | StoreError::RouteOutrun { .. } => {
                let hint = "Somebody else was faster. Look where the move stands, then try again.";
                ApiProblem::new(503, Code::StoreUnwritable, cause).hint(hint).into()
            }
        }
    }
}

impl From<ViewError> for Refused {
    fn from(error: ViewError) -> Self {
        match error {
            ViewError::Store(error) => error.into(),
            ViewError::Illegal { .. } => {
                let cause = crate::chain(&error);
                let (_, hint) = of_store(error.trouble());
                let problem = ApiProblem::new(503, Code::StoreUnwritable, error.to_string());
                Self::because(problem.hint(hint), cause)
            }
        }
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Told(problem) => told(&problem),
            Refusal::View(error) => error.into(),
            Refusal::Store(error) => error.into(),
        }
    }
}

/// What a client is told of the store, without its words, and what to do about it.
pub(crate) fn of_store(trouble: StoreTrouble) -> (String, String) {
    const COPY: &str = "Stop Landfall and copy the state directory before anything else.";
    let (why, hint) = match trouble {
        StoreTrouble::Full => ("its disk is full", "Free space there; nothing was written."),
        StoreTrouble::Forbidden => (
            "its file or its directory may not be written",
            "Give them back to Landfall's user; nothing was written.",
        ),
        StoreTrouble::Locked => (
            "another process keeps its file locked",
            "End that process, then try again; nothing was written.",
        ),
        StoreTrouble::DiskErrors => {
            ("its disk reports errors", "Check the disk; nothing was written.")
        }
        StoreTrouble::Damaged => ("its file is damaged", COPY),
        StoreTrouble::ChangedByHand => {
            ("a journal in it was changed by hand, or by another version", COPY)
        }
        StoreTrouble::Newer => (
            "it was written by a newer Landfall",
            "Use the Landfall that wrote this state directory, or a newer one.",
        ),
        StoreTrouble::Unreachable => (
            "its server does not answer",
            "Bring it back: until then nothing more is done, and what is held stays held.",
        ),
        StoreTrouble::Refused => (
            "its server refuses us",
            "Check the role, its password and its rights; nothing was written.",
        ),
        StoreTrouble::Other => (
            "its file cannot be read or written",
            "Nothing was changed. Try again when it is mended.",
        ),
    };
    let page = Code::StoreUnwritable;
    (
        format!("the state store cannot be used: {why}"),
        format!("{hint} `landfall explain {page}` says more."),
    )
}

/// A problem that a person is told, with the status that fits it.
pub(crate) fn told(problem: &Problem) -> Refused {
    let status = if problem.code == Code::UnknownMove { 404 } else { 409 };
    ApiProblem::of(status, problem).into()
}

/// No move has this name.
pub(crate) fn unknown(name: &landfall_core::MigrationName) -> Refused {
    told(&Problem::new(
        Code::UnknownMove,
        format!("no move is named {name}"),
        "`landfall status` lists the moves of this store; check --state or --server.",
    ))
}

#[cfg(test)]
mod tests {
    use landfall_core::FailureKind;

    use super::*;

    fn answer(refused: impl Into<Refused>) -> (u16, Option<Code>) {
        let Refused { problem, .. } = refused.into();
        assert!(!problem.hint.is_empty(), "{problem:?} says nothing to do");
        (problem.status, problem.code)
    }

    fn medium(told: &str, trouble: StoreTrouble) -> StoreError {
        StoreError::Medium { what: "write".to_owned(), told: told.to_owned(), trouble }
    }

    #[test]
    fn each_error_has_a_status_and_a_code() {
        let mistakes = landfall_core::spec::parse("").unwrap_err();
        assert_eq!(answer(mistakes), (422, Some(Code::SpecInvalid)));
        assert_eq!(answer(StoreError::Newer(2)), (503, Some(Code::StoreUnwritable)));
        assert_eq!(answer(medium("x", StoreTrouble::Other)), (503, Some(Code::StoreUnwritable)));
        let failure = Failure::new(FailureKind::Denied, "look at instance a", "AccessDenied");
        assert_eq!(answer(failure), (502, Some(Code::AccessDenied)));
        assert_eq!(answer(unknown(&"orders".into())), (404, Some(Code::UnknownMove)));
        let told = Problem::new(Code::PointOfNoReturn, "it cannot be aborted", "Go on.");
        assert_eq!(answer(Refusal::Told(Box::new(told))), (409, Some(Code::PointOfNoReturn)));
    }

    #[test]
    fn what_the_store_says_is_told_without_its_words() {
        let place = "/var/lib/landfall/landfall.db";
        for (trouble, told) in [
            (StoreTrouble::Full, "full"),
            (StoreTrouble::Forbidden, "may not be written"),
            (StoreTrouble::Locked, "locked"),
            (StoreTrouble::DiskErrors, "reports errors"),
            (StoreTrouble::Damaged, "damaged"),
            (StoreTrouble::ChangedByHand, "changed by hand"),
            (StoreTrouble::Newer, "newer Landfall"),
            (StoreTrouble::Unreachable, "does not answer"),
            (StoreTrouble::Refused, "refuses us"),
            (StoreTrouble::Other, "cannot be read or written"),
        ] {
            let error = medium(&format!("{place}: near \"selct\": syntax error"), trouble);
            let words = error.to_string();
            assert!(words.contains(place) && words.ends_with(trouble.remedy()), "{words}");
            let refused = Refused::from(error);
            let body = serde_json::to_string(&refused.problem).unwrap();
            assert!(body.contains(told) && body.contains("LF-029"), "{body}");
            assert!(!body.contains("landfall.db") && !body.contains("selct"), "{body}");
            assert_eq!(refused.cause, Some(words));
        }
    }

    #[test]
    fn what_a_service_said_is_a_cause() {
        let said = "error connecting to server: 10.0.3.7:5432: Connection refused";
        let failure = Failure::new(FailureKind::Unavailable, "look at instance a", said);
        let refused = Refused::from(failure);
        let body = serde_json::to_string(&refused.problem).unwrap();
        assert!(body.contains("could not look at instance a") && !body.contains("10.0"), "{body}");
        assert_eq!(refused.cause.as_deref(), Some(said));
    }
}
