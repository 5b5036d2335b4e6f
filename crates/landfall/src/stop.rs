//! Why a command did not do what was asked: one sentence, a remedy, and an exit code.

use landfall_api::core::Code;
use landfall_api::{ApiProblem, ClientError};
use landfall_server::StartError;

use crate::exit::Exit;
use crate::out::{Form, Out};
use crate::show;

/// The end of a command that failed.
#[derive(Debug)]
pub(crate) enum Stop {
    /// What was typed cannot be meant.
    Mistake(String),
    /// The server says no.
    Problem(Box<ApiProblem>),
    /// The server does not answer.
    Unreachable(String),
    /// It went wrong here.
    Failed(Exit, String),
}

impl Stop {
    /// Something typed, with a remedy in the text.
    pub(crate) fn mistake(text: impl Into<String>) -> Self {
        Self::Mistake(text.into())
    }

    /// The code a script sees.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Mistake(_) => Exit::Mistake,
            Self::Problem(problem) => of_problem(problem),
            Self::Unreachable(_) => Exit::Unreachable,
            Self::Failed(exit, _) => *exit,
        }
    }

    /// Tells it: text or JSON, on stderr.
    pub(crate) fn tell(&self, out: Out) {
        match (self, out.form) {
            (Self::Problem(problem), Form::Json) => {
                let text = serde_json::to_string_pretty(problem).expect("a problem is plain data");
                out.say(&text);
            }
            (Self::Problem(problem), Form::Text) => {
                out.say(&show::problem::answer(problem, out.width()));
            }
            (Self::Mistake(text) | Self::Unreachable(text) | Self::Failed(_, text), Form::Text) => {
                out.say(&show::layout::wrap(text, out.width(), 0));
            }
            (Self::Mistake(text) | Self::Unreachable(text) | Self::Failed(_, text), Form::Json) => {
                out.say(&serde_json::json!({ "title": text }).to_string());
            }
        }
    }
}

fn of_problem(problem: &ApiProblem) -> Exit {
    match (problem.code, problem.status) {
        (Some(Code::BundleChanged), _) => Exit::Tampered,
        (Some(Code::SpecInvalid | Code::UnknownMove), _) | (_, 400 | 404 | 422) => Exit::Mistake,
        (_, 409) => Exit::Refused,
        (_, 502..=504) => Exit::Unreachable,
        _ => Exit::Defect,
    }
}

impl From<ClientError> for Stop {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Problem(problem) => Self::Problem(problem),
            ClientError::Unreachable { ref url, .. } => Self::Unreachable(format!(
                "No Landfall server answers at {url} ({}). Start one with `landfall serve`, or \
                 leave --server and LANDFALL_SERVER away to work without one.",
                show::root(&error)
            )),
            ClientError::Strange { ref url, status } => Self::Unreachable(format!(
                "What answers at {url} is not a Landfall of this version (HTTP {status}). Check \
                 --server."
            )),
        }
    }
}

impl From<StartError> for Stop {
    fn from(error: StartError) -> Self {
        Self::Failed(Exit::Unreachable, format!("Could not {}.", show::chain(&error)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_answer_has_its_exit_code() {
        for (problem, exit) in [
            (ApiProblem::new(422, Code::SpecInvalid, "x"), Exit::Mistake),
            (ApiProblem::new(404, Code::UnknownMove, "x"), Exit::Mistake),
            (ApiProblem::new(0, Code::BundleChanged, "x"), Exit::Tampered),
            (ApiProblem::bare(404, "x"), Exit::Mistake),
            (ApiProblem::new(409, Code::NotNow, "x"), Exit::Refused),
            (ApiProblem::new(409, Code::PointOfNoReturn, "x"), Exit::Refused),
            (ApiProblem::new(502, Code::AccessDenied, "x"), Exit::Unreachable),
            (ApiProblem::new(503, Code::StoreUnwritable, "x"), Exit::Unreachable),
            (ApiProblem::bare(500, "x"), Exit::Defect),
        ] {
            assert_eq!(Stop::Problem(Box::new(problem.clone())).exit(), exit, "{problem:?}");
        }
    }
}
