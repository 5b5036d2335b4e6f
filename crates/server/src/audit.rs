//! What people had done outside of any move: a file of JSON lines beside the journal.
//!
//! The journal belongs to moves; a slot is dropped where there may be none. Lines are only ever
//! added: one before the effect, durable when the effect begins, and one after it. A line before
//! without one after means that Landfall died in between; what it was about is looked at again.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use landfall_core::{Endpoint, InstanceId};
use serde::Serialize;

const FILE: &str = "audit.jsonl";

/// One line.
#[derive(Debug, Serialize)]
pub(crate) struct Line<'a> {
    pub(crate) at: Timestamp,
    pub(crate) by: &'a str,
    #[serde(flatten)]
    pub(crate) deed: Deed<'a>,
    /// How far it got.
    pub(crate) stage: Stage<'a>,
}

/// What was done.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(tag = "deed", rename_all = "snake_case")]
pub(crate) enum Deed<'a> {
    DropSlot {
        instance: &'a InstanceId,
        endpoint: &'a Endpoint,
        slot: &'a str,
        retained_bytes: u64,
        reason: &'a str,
    },
}

/// How far it got.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Stage<'a> {
    /// It will be tried.
    Intended,
    /// It is done.
    Done,
    /// It is not, or nobody knows; the words say why.
    Failed(&'a str),
}

/// Where the lines are.
pub(crate) fn file(state: &Path) -> PathBuf {
    state.join(FILE)
}

/// Adds a line; durable when it returns.
pub(crate) fn add(state: &Path, line: &Line<'_>) -> io::Result<()> {
    let mut text = serde_json::to_vec(line)?;
    text.push(b'\n');
    let mut options = OpenOptions::new();
    let mut file = options.append(true).create(true).mode(0o600).open(file(state))?;
    // One write: two Landfalls on one state do not mix their lines.
    file.write_all(&text)?;
    file.sync_data()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn lines_are_added_and_never_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let (instance, endpoint) = (InstanceId::new("orders"), Endpoint::new("db.example", 5432));
        let deed = Deed::DropSlot {
            instance: &instance,
            endpoint: &endpoint,
            slot: "left\n\"over\"",
            retained_bytes: 7,
            reason: "its owner left",
        };
        for stage in [Stage::Intended, Stage::Done, Stage::Failed("gone")] {
            let line = Line { at: Timestamp::UNIX_EPOCH, by: "ann", deed, stage };
            add(folder.path(), &line).unwrap();
        }
        let text = std::fs::read_to_string(file(folder.path())).unwrap();
        let lines: Vec<Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let stages: Vec<&Value> = lines.iter().map(|line| &line["stage"]).collect();
        assert_eq!(stages, [&json!("intended"), &json!("done"), &json!({ "failed": "gone" })]);
        assert_eq!(lines[0]["slot"], "left\n\"over\"");
        assert_eq!((&lines[2]["deed"], &lines[2]["by"]), (&json!("drop_slot"), &json!("ann")));
    }

    #[test]
    fn without_a_place_to_write_it_fails() {
        let (instance, endpoint) = (InstanceId::new("orders"), Endpoint::new("db.example", 5432));
        let deed = Deed::DropSlot {
            instance: &instance,
            endpoint: &endpoint,
            slot: "left",
            retained_bytes: 0,
            reason: "",
        };
        let line = Line { at: Timestamp::UNIX_EPOCH, by: "ann", deed, stage: Stage::Intended };
        assert!(add(Path::new("/nonexistent/state"), &line).is_err());
    }
}
