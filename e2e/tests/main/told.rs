//! What a person is told: by a command, or by the problem that stops a move.

use std::ffi::OsStr;
use std::process::Output;

use landfall_api::MoveView;
use landfall_api::core::Problem;
use landfall_api::core::problem::Writes;
use landfall_api::core::status::Run;
use landfall_e2e::Product;

/// A command that has ended.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) code: Option<i32>,
    pub(crate) text: String,
}

/// Runs a command to its end; the other tasks of the test go on meanwhile.
pub(crate) async fn landfall<A: AsRef<OsStr>>(
    product: &Product,
    arguments: impl IntoIterator<Item = A>,
) -> Told {
    let mut command = product.command(arguments);
    let ran = tokio::task::spawn_blocking(move || command.output()).await.unwrap();
    Told::of(&ran.expect("run landfall"))
}

impl Told {
    fn of(output: &Output) -> Self {
        let out = String::from_utf8_lossy(&output.stdout);
        let err = String::from_utf8_lossy(&output.stderr);
        Self { code: output.status.code(), text: format!("{out}\n{err}") }
    }

    /// The exit code, and every one of these, however the lines are broken.
    #[track_caller]
    pub(crate) fn says(&self, code: i32, parts: &[&str]) -> &Self {
        assert_eq!(self.code, Some(code), "exit code of\n{}", self.text);
        has(&self.text, parts);
        self
    }
}

/// Every one of these is in the text, however its lines are broken.
#[track_caller]
pub(crate) fn has(text: &str, parts: &[&str]) {
    let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
    for part in parts {
        assert!(flat.contains(part), "{part:?} is not in\n{text}");
    }
}

/// The problem at which a move stands.
#[track_caller]
pub(crate) fn problem(view: &MoveView) -> &Problem {
    let Run::NeedsHuman { problem } = &view.status.run else {
        panic!("{} does not stand at a problem: {:?}", view.name, view.status)
    };
    problem
}

/// The problem's code, where writes go, and every one of these parts in its words.
#[track_caller]
pub(crate) fn stopped(view: &MoveView, code: &str, writes: Writes, parts: &[&str]) {
    let problem = problem(view);
    assert_eq!(problem.code.number(), code, "{problem}");
    assert_eq!(problem.writes, Some(writes), "{problem}");
    assert!(!problem.hint.is_empty(), "{problem}");
    has(&problem.to_string(), parts);
}
