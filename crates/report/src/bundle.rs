//! The bundle: the whole journal and what was concluded from it, as signed JSON lines.
//!
//! ```text
//! {"line":1,"before":"<SHA-256 of the line before>","kind":"header","body":{…},"signature":"…"}
//! ```
//!
//! Each line has its number, the SHA-256 of the whole line before it, and a signature over its own
//! text up to `,"signature"`. So a changed line fails by itself, and one that is missing, repeated,
//! moved or taken from another bundle does not follow from the line before. The last line says
//! that it is the last.

use landfall_core::journal::{Entry, RECORD_VERSION};
use landfall_core::sample::Sample;
use serde::Serialize;
use serde_json::{Value, json};

use crate::seal::{SigningKey, hash};
use crate::story::{Made, Report};

/// The form of the lines.
pub const FORMAT: u32 = 1;
/// What stands before the signature in a line.
pub(crate) const SIGNATURE: &str = ",\"signature\":\"";
pub(crate) const LINE_END: &str = "\"}";

/// A line without its signature. The order of the fields is the order in the file.
#[derive(Serialize)]
struct Line<'a> {
    line: u64,
    before: &'a str,
    kind: Kind,
    body: Value,
}

/// What a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The first: versions, the move, the key.
    Header,
    /// An entry of the journal.
    Entry,
    /// The samples of lag.
    Samples,
    /// What the entries come to.
    Facts,
    /// The findings of the assessment.
    Findings,
    /// How the move stands.
    Verdict,
    /// The last.
    Footer,
}

impl Kind {
    /// In words, as stored.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Header => "header",
            Self::Entry => "entry",
            Self::Samples => "samples",
            Self::Facts => "facts",
            Self::Findings => "findings",
            Self::Verdict => "verdict",
            Self::Footer => "footer",
        }
    }
}

/// Why no bundle can be made.
#[derive(Debug, thiserror::Error)]
#[error("write {what} of the bundle")]
pub struct Unwritable {
    what: &'static str,
    #[source]
    source: serde_json::Error,
}

/// Lines, as they are added.
struct Lines<'a> {
    key: &'a SigningKey,
    text: String,
    count: u64,
    before: String,
}

impl Lines<'_> {
    fn add(&mut self, kind: Kind, body: &impl Serialize) -> Result<(), Unwritable> {
        let broken = |source| Unwritable { what: kind.word(), source };
        let body = serde_json::to_value(body).map_err(broken)?;
        self.count += 1;
        let line = Line { line: self.count, before: &self.before, kind, body };
        let mut whole = serde_json::to_string(&line).map_err(broken)?;
        whole.pop();
        let signature = self.key.sign(whole.as_bytes());
        whole.push_str(SIGNATURE);
        whole.push_str(&signature);
        whole.push_str(LINE_END);
        self.before = hash(whole.as_bytes());
        self.text.push_str(&whole);
        self.text.push('\n');
        Ok(())
    }
}

/// The bundle of a move.
///
/// # Errors
/// When a part of it is no JSON, such as a figure that is not a number.
pub fn bundle(
    entries: &[Entry],
    samples: &[Sample],
    report: &Report,
    key: &SigningKey,
) -> Result<String, Unwritable> {
    let mut lines = Lines { key, text: String::new(), count: 0, before: String::new() };
    lines.add(Kind::Header, &header(report, entries, key))?;
    for entry in entries {
        lines.add(Kind::Entry, entry)?;
    }
    lines.add(Kind::Samples, &json!({ "lag_bytes": samples }))?;
    lines.add(Kind::Facts, &facts(report))?;
    lines.add(Kind::Findings, &report.findings)?;
    lines.add(Kind::Verdict, &report.verdict)?;
    let all = lines.count + 1;
    lines.add(Kind::Footer, &json!({ "lines": all, "entries": entries.len() }))?;
    Ok(lines.text)
}

fn header(report: &Report, entries: &[Entry], key: &SigningKey) -> Value {
    let Made { at, version } = &report.made;
    let public = key.public();
    json!({
        "format": FORMAT,
        "landfall": version,
        "record_version": RECORD_VERSION,
        "move": report.name,
        "made_at": at,
        "entries": entries.len(),
        "key": public.to_string(),
        "key_id": public.id(),
    })
}

/// The proofs and figures, without the lists that the entries hold anyhow.
fn facts(report: &Report) -> Value {
    json!({
        "source": report.source,
        "target": report.target,
        "pause": report.pause,
        "proofs": report.proofs,
        "sustained": report.sustained,
        "parameters": report.parameters,
        "parity": report.parity,
        "comparison": report.comparison,
        "smoke": report.smoke,
        "sessions_ended": report.sessions_ended,
        "left": report.left,
    })
}
