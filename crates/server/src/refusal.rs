//! What went wrong while a request was answered, as problem JSON: the one table.

use landfall_api::ApiProblem;
use landfall_core::journal::StoreError;
use landfall_core::problem::Problem;
use landfall_core::spec::SpecMistakes;
use landfall_core::{Code, Failure};
use landfall_flow::Refusal;
use landfall_flow::view::ViewError;

/// An answer that is a problem.
#[derive(Debug)]
pub(crate) struct Refused(pub(crate) Box<ApiProblem>);

impl From<ApiProblem> for Refused {
    fn from(problem: ApiProblem) -> Self {
        Self(Box::new(problem))
    }
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Self {
        ApiProblem::failed(&failure).into()
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
        let hint = match &error {
            StoreError::Newer(_) => {
                "Use the Landfall that wrote this state directory, or a newer one."
            }
            StoreError::Medium(_)
            | StoreError::Outrun(_)
            | StoreError::EpochLost(_)
            | StoreError::LeaseHeld { .. }
            | StoreError::RouteOutrun { .. } => "Nothing was changed. Try again when it is mended.",
        };
        ApiProblem::new(503, Code::StoreUnwritable, error.to_string()).hint(hint).into()
    }
}

impl From<ViewError> for Refused {
    fn from(error: ViewError) -> Self {
        match error {
            ViewError::Store(error) => error.into(),
            ViewError::Illegal { .. } => {
                ApiProblem::new(503, Code::StoreUnwritable, crate::chain(&error))
                    .hint("The journal was changed by hand, or by another version; keep a copy.")
                    .into()
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
        let Refused(problem) = refused.into();
        assert!(!problem.hint.is_empty(), "{problem:?} says nothing to do");
        (problem.status, problem.code)
    }

    #[test]
    fn each_error_has_a_status_and_a_code() {
        let mistakes = landfall_core::spec::parse("").unwrap_err();
        assert_eq!(answer(mistakes), (422, Some(Code::SpecInvalid)));
        assert_eq!(answer(StoreError::Newer(2)), (503, Some(Code::StoreUnwritable)));
        assert_eq!(answer(StoreError::Medium("x".into())), (503, Some(Code::StoreUnwritable)));
        let failure = Failure::new(FailureKind::Denied, "look at instance a", "AccessDenied");
        assert_eq!(answer(failure), (502, Some(Code::AccessDenied)));
        assert_eq!(answer(unknown(&"orders".into())), (404, Some(Code::UnknownMove)));
        let told = Problem::new(Code::PointOfNoReturn, "it cannot be aborted", "Go on.");
        assert_eq!(answer(Refusal::Told(Box::new(told))), (409, Some(Code::PointOfNoReturn)));
    }
}
