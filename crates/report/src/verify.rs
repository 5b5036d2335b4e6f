//! Whether a bundle is what was signed, and if not, which line is the first that is not.
//!
//! Needs the file and nothing else. Without the signer's public key it can only say that the
//! bundle fits the key that it names itself: whoever has no key to compare with has proven that
//! nobody changed it since, not who made it.

use std::fmt;

use serde::Deserialize;
use serde_json::Value;

use crate::bundle::{FORMAT, Kind, LINE_END, SIGNATURE};
use crate::seal::{PublicKey, hash};

/// A bundle that is whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Whole {
    /// The move.
    pub name: String,
    /// When it was made, as it says.
    pub made_at: String,
    /// Landfall's version.
    pub version: String,
    /// Lines of the file.
    pub lines: u64,
    /// Entries of the journal in it.
    pub entries: u64,
    /// The verdict's sentence.
    pub headline: String,
    /// The key it is signed with.
    pub key: PublicKey,
    /// Whether that key was asked for.
    pub signer: Signer,
}

/// What is known of the signer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signer {
    /// It is the key that the reader brought.
    AsAsked,
    /// The bundle names it itself.
    AsNamed,
}

/// What is wrong with the first bad line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wrong {
    /// The file is not a bundle of a form this version reads.
    NotABundle,
    /// It is signed with another key than the one asked for.
    WrongKey {
        /// The key it names.
        found: String,
    },
    /// Its text is not what was signed.
    Changed,
    /// It is a line too many.
    Inserted,
    /// Lines before it are gone.
    Missing {
        /// The first that is.
        first: u64,
        /// The last that is.
        last: u64,
    },
    /// It stands in the wrong place.
    Moved {
        /// The number it was signed with.
        number: u64,
    },
    /// It is signed, and it does not follow from the line before it.
    Foreign,
    /// The file ends here, and the bundle does not.
    Truncated,
}

/// A bundle that is not what was signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// The line of the file, from 1.
    pub line: u64,
    /// What the line is, as far as it can be read.
    pub what: String,
    /// What is wrong with it.
    pub wrong: Wrong,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, what, wrong } = self;
        write!(f, "line {line}{what}: ")?;
        match wrong {
            Wrong::NotABundle => f.write_str("this is not a bundle that this version reads"),
            Wrong::WrongKey { found } => {
                write!(f, "it is signed with another key than the one asked for: {found}")
            }
            Wrong::Changed => f.write_str("changed; its text is not what was signed"),
            Wrong::Inserted => f.write_str("inserted; the bundle has no such line here"),
            Wrong::Missing { first, last } if first == last => {
                write!(f, "missing; line {first} of the bundle is not in the file")
            }
            Wrong::Missing { first, last } => {
                write!(f, "missing; lines {first} to {last} of the bundle are not in the file")
            }
            Wrong::Moved { number } => {
                write!(f, "reordered; line {number} of the bundle stands here")
            }
            Wrong::Foreign => {
                f.write_str("it is signed, but does not follow from the line before it")
            }
            Wrong::Truncated => f.write_str("truncated; the file ends before the bundle does"),
        }
    }
}

impl std::error::Error for Broken {}

#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Line {
    line: u64,
    before: String,
    kind: Kind,
    body: Value,
}

/// One line of the file that is what was signed.
fn signed(text: &str, key: &PublicKey) -> Option<Line> {
    let (signed, rest) = text.rsplit_once(SIGNATURE)?;
    let signature = rest.strip_suffix(LINE_END)?;
    if !key.signed(signed.as_bytes(), signature) {
        return None;
    }
    serde_json::from_str(&format!("{signed}}}")).ok()
}

/// Reads a line for its words only, believing nothing.
fn read(text: &str) -> Option<Line> {
    serde_json::from_str(text).ok()
}

fn words(text: &str) -> String {
    let Some(line) = read(text) else { return String::new() };
    let seq = line.body.get("seq").and_then(Value::as_u64).filter(|_| line.kind == Kind::Entry);
    match seq {
        Some(seq) => format!(" (journal entry {seq})"),
        None => format!(" ({})", line.kind.word()),
    }
}

/// Verifies a whole file, against `asked` when it is given.
///
/// # Errors
/// The first line that is not what was signed.
pub fn verify(file: &[u8], asked: Option<&PublicKey>) -> Result<Whole, Broken> {
    let (text, ends) = match file.strip_suffix(b"\n") {
        Some(text) => (text, End::Whole),
        None => (file, End::Cut),
    };
    // A line that is no text is not what was signed, like an empty one.
    let lines = text.split(|byte| *byte == b'\n').map(|line| str::from_utf8(line).unwrap_or(""));
    let lines: Vec<&str> = lines.collect();
    let key = signer(&lines, asked)?;
    let mut reader = Reader { lines: &lines, key, before: String::new() };
    let mut kept = Vec::new();
    for (text, number) in lines.iter().zip(1_u64..) {
        if kept.last().is_some_and(|line: &Line| line.kind == Kind::Footer) {
            return Err(broken(number, text, Wrong::Inserted));
        }
        kept.push(reader.next(number, text, ends)?);
    }
    let signer = if asked.is_some() { Signer::AsAsked } else { Signer::AsNamed };
    let count = u64::try_from(lines.len()).unwrap_or(u64::MAX);
    let last_text = lines.last().copied().unwrap_or_default();
    match (kept.last(), ends) {
        (Some(last), End::Whole) if last.kind == Kind::Footer => Ok(whole(&kept, key, signer)),
        (Some(last), End::Cut) if last.kind == Kind::Footer => {
            Err(broken(count, last_text, Wrong::Truncated))
        }
        (Some(_) | None, End::Whole | End::Cut) => {
            Err(Broken { line: count + 1, what: String::new(), wrong: Wrong::Truncated })
        }
    }
}

/// Whether the file's last line has its end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Whole,
    Cut,
}

fn broken(line: u64, text: &str, wrong: Wrong) -> Broken {
    Broken { line, what: words(text), wrong }
}

/// The key to verify with. What the first line says of itself is believed only until its own
/// signature is looked at.
fn signer(lines: &[&str], asked: Option<&PublicKey>) -> Result<PublicKey, Broken> {
    let text = lines.first().copied().unwrap_or_default();
    let header = read(text).filter(|line| line.kind == Kind::Header);
    let named = header.as_ref().and_then(|line| line.body.get("key")?.as_str());
    let named: Option<PublicKey> = named.and_then(|text| text.parse().ok());
    match (asked, named) {
        (None, Some(named)) => Ok(named),
        (Some(asked), Some(named)) if *asked != named && signed(text, &named).is_some() => {
            Err(broken(1, text, Wrong::WrongKey { found: named.to_string() }))
        }
        (Some(asked), _) => Ok(*asked),
        // Some other line of the bundle may be the first of the file; nobody can say whose it is.
        (None, None) => {
            let wrong = match read(text) {
                Some(line) if line.line > 1 => Wrong::Missing { first: 1, last: line.line - 1 },
                Some(_) => Wrong::Changed,
                None if text.contains("\"kind\"") => Wrong::Changed,
                None => Wrong::NotABundle,
            };
            Err(broken(1, text, wrong))
        }
    }
}

struct Reader<'a> {
    lines: &'a [&'a str],
    key: PublicKey,
    /// The SHA-256 of the line before.
    before: String,
}

impl Reader<'_> {
    fn next(&mut self, number: u64, text: &str, ends: End) -> Result<Line, Broken> {
        let Some(line) = signed(text, &self.key) else {
            return Err(self.unsigned(number, text, ends));
        };
        if line.line != number {
            return Err(broken(number, text, self.misplaced(number, &line)));
        }
        if line.before != self.before {
            return Err(broken(number, text, Wrong::Foreign));
        }
        let known = line.kind != Kind::Header
            || line.body.get("format").and_then(Value::as_u64) == Some(u64::from(FORMAT));
        if !known {
            return Err(broken(number, text, Wrong::NotABundle));
        }
        self.before = hash(text.as_bytes());
        Ok(line)
    }

    /// A line that is not what was signed: changed, too many, or cut off.
    fn unsigned(&self, number: u64, text: &str, ends: End) -> Broken {
        let last = number == u64::try_from(self.lines.len()).unwrap_or(u64::MAX);
        let wrong = if last && ends == End::Cut {
            Wrong::Truncated
        } else if self.numbers_after(number).any(|later| later == number) {
            Wrong::Inserted
        } else {
            Wrong::Changed
        };
        broken(number, text, wrong)
    }

    /// A signed line in a place that is not its own.
    fn misplaced(&self, number: u64, line: &Line) -> Wrong {
        if line.line < number {
            return Wrong::Inserted;
        }
        if self.numbers_after(number).any(|later| later == number) {
            return Wrong::Moved { number: line.line };
        }
        Wrong::Missing { first: number, last: line.line - 1 }
    }

    /// The numbers of the signed lines behind one.
    fn numbers_after(&self, number: u64) -> impl Iterator<Item = u64> {
        let skipped = usize::try_from(number).unwrap_or(usize::MAX);
        self.lines.iter().skip(skipped).filter_map(|text| Some(signed(text, &self.key)?.line))
    }
}

fn whole(lines: &[Line], key: PublicKey, signer: Signer) -> Whole {
    let header = lines.first().map(|line| &line.body);
    let field = |name: &str| {
        let value = header.and_then(|body| body.get(name)).and_then(Value::as_str);
        value.unwrap_or_default().to_owned()
    };
    let count = |kept: usize| u64::try_from(kept).unwrap_or(u64::MAX);
    let verdict = lines.iter().rev().find(|line| line.kind == Kind::Verdict);
    let headline = verdict.and_then(|line| line.body.get("headline")).and_then(Value::as_str);
    Whole {
        name: field("move"),
        made_at: field("made_at"),
        version: field("landfall"),
        lines: count(lines.len()),
        entries: count(lines.iter().filter(|line| line.kind == Kind::Entry).count()),
        headline: headline.unwrap_or_default().to_owned(),
        key,
        signer,
    }
}
