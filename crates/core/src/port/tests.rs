//! The tests port: the owner's smoke tests that are not SQL, run from where Landfall stands.
//!
//! A test that fails is an answer, never a failure of the port. What a program or a service says
//! is kept, bounded: it is what a person reads when the test says no. Each run ends within its
//! time, and whatever it started ends with it.

use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::ids::Endpoint;
use crate::spec::{CommandTest, HttpTest};

/// The most that is kept of what a test said, bytes.
pub const OUTPUT_MAX: usize = 2_048;

/// Variable that tells a program the tested server's host.
pub const HOST_VARIABLE: &str = "LANDFALL_TARGET_HOST";
/// Variable that tells a program the tested server's port.
pub const PORT_VARIABLE: &str = "LANDFALL_TARGET_PORT";

/// What came of one test.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestRun {
    /// Which, in the words of its spec.
    pub test: String,
    /// Why it failed; absent when it passed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
    /// What it said, at most [`OUTPUT_MAX`] bytes.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub output: String,
    /// How long it took.
    #[serde(with = "crate::quantity::duration_text")]
    pub took: Duration,
}

/// The beginning of what a test said, in whole characters, without control characters.
pub fn bounded(said: &[u8]) -> String {
    let shown = said.get(..said.len().min(OUTPUT_MAX)).unwrap_or_default();
    let text = String::from_utf8_lossy(shown);
    let text: String = text.chars().filter(|one| !one.is_control() || *one == '\n').collect();
    let mut text = text.trim_end().to_owned();
    // A replaced half character takes more room than it did.
    while text.len() > OUTPUT_MAX {
        text.pop();
    }
    text
}

/// Fills `{endpoint}`, `{host}` and `{port}` in.
pub fn filled(text: &str, at: &Endpoint) -> String {
    text.replace("{endpoint}", &at.to_string())
        .replace("{host}", &at.host)
        .replace("{port}", &at.port.to_string())
}

/// Whoever can ask a service and run a program.
#[async_trait]
pub trait Tests: Send + Sync {
    /// Asks a URL about the server at `at`.
    async fn http(&self, test: &HttpTest, at: &Endpoint) -> TestRun;
    /// Runs a program that tests the server at `at`.
    async fn command(&self, test: &CommandTest, at: &Endpoint) -> TestRun;
}

#[cfg(test)]
mod cases {
    use super::*;

    #[test]
    fn output_is_bounded_in_whole_characters() {
        assert_eq!(bounded(b"ok\n"), "ok");
        assert_eq!(bounded("a\u{1b}[31mred".as_bytes()), "a[31mred");
        let long = "é".repeat(OUTPUT_MAX);
        assert!(bounded(long.as_bytes()).len() <= OUTPUT_MAX);
        assert!(bounded(&[0xff; 5_000]).len() <= OUTPUT_MAX);
    }

    #[test]
    fn placeholders_are_filled_in() {
        let at = Endpoint::new("db.example", 5_433);
        assert_eq!(filled("http://x/?db={endpoint}", &at), "http://x/?db=db.example:5433");
        assert_eq!(filled("{host} {port}", &at), "db.example 5433");
    }
}
