//! Problem JSON: what a client is told when a request is not done.

use std::fmt;

use landfall_core::problem::{Problem, Writes};
use landfall_core::spec::SpecError;
use landfall_core::{Code, Failure};
use serde::{Deserialize, Serialize};

/// The body of every answer that is not a success.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiProblem {
    /// The problem's code, when it has a page.
    pub code: Option<Code>,
    /// One factual line.
    pub title: String,
    /// More, when there is more.
    #[serde(default)]
    pub detail: String,
    /// A full sentence: what to do.
    #[serde(default)]
    pub hint: String,
    /// Everything wrong with a spec.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mistakes: Vec<SpecError>,
    /// Who takes writes meanwhile, when a move is concerned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub writes: Option<Writes>,
    /// The HTTP status it came with.
    pub status: u16,
    /// Finds the request in the server's log.
    pub request_id: String,
}

impl ApiProblem {
    /// A problem with a page.
    pub fn new(status: u16, code: Code, title: impl Into<String>) -> Self {
        Self { code: Some(code), ..Self::bare(status, title) }
    }

    /// A problem of the HTTP conversation itself.
    pub fn bare(status: u16, title: impl Into<String>) -> Self {
        Self {
            code: None,
            title: title.into(),
            detail: String::new(),
            hint: String::new(),
            mistakes: Vec::new(),
            writes: None,
            status,
            request_id: String::new(),
        }
    }

    /// Adds the detail.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = detail.into();
        self
    }

    /// Adds what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = hint.into();
        self
    }

    /// A stop of a move, as an answer.
    pub fn of(status: u16, problem: &Problem) -> Self {
        Self {
            detail: problem.detail.clone(),
            hint: problem.hint.clone(),
            writes: problem.writes,
            ..Self::new(status, problem.code, problem.primary.clone())
        }
    }

    /// A port call that went wrong while a request was answered. What the service said to it is not
    /// for every client.
    pub fn failed(failure: &Failure) -> Self {
        let (_, code) = failure.kind.policy();
        Self::new(502, code, format!("could not {}", failure.what))
            .hint(format!("`landfall explain {code}` says what to look at."))
    }
}

impl fmt::Display for ApiProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.code {
            Some(code) => write!(f, "{code}: {}", self.title),
            None => f.write_str(&self.title),
        }
    }
}

impl std::error::Error for ApiProblem {}
