//! One line of the ledger file: what it can say, and its text.
//!
//! Lines are plain words separated by blanks, with times in microseconds since the run began, so
//! that a doubting reader needs nothing but `grep`. Pure: reading and writing files is ledger.rs.

use std::fmt;
use std::str::{FromStr, SplitAsciiWhitespace};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

const FORMAT: &str = "landfall-workload-1";

/// First line of a ledger: whose rows these are and when time zero was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) run: i64,
    pub(super) started: Timestamp,
    pub(super) writers: i16,
    pub(super) reconnecting: i16,
}

/// The part of a row id that varies within a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) writer: i16,
    pub(super) seq: i64,
}

/// How far an attempt had come when it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    Connect,
    Statement,
    Commit,
}

/// An SQLSTATE, or one word for what happened without one (`eof`, `refused`, `timeout`, `stopped`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Code(String);

impl Code {
    /// Blanks would split the line, so they become dashes.
    pub(super) fn new(text: &str) -> Self {
        Self(text.split_ascii_whitespace().collect::<Vec<_>>().join("-"))
    }

    /// The two-letter class of an SQLSTATE; words are their own class.
    #[must_use]
    pub fn class(&self) -> &str {
        let sqlstate = self.0.len() == 5
            && self.0.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_uppercase());
        if sqlstate { self.0.get(..2).unwrap_or(&self.0) } else { &self.0 }
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// One event of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Event {
    /// Written before commit is sent: from here on the row may exist.
    Tried(Key),
    Acknowledged {
        key: Key,
        started: Duration,
    },
    /// The server said no, or commit was never sent: the row must not exist.
    Failed {
        key: Key,
        started: Duration,
        stage: Stage,
        code: Code,
    },
    /// Commit was sent and no answer came: either outcome is legal.
    Unknown {
        key: Key,
        started: Duration,
        code: Code,
    },
    /// An established session ended from the other side.
    Cut {
        writer: i16,
        code: Code,
    },
    /// The run ended in an orderly way.
    Closed,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) at: Duration,
    pub(super) event: Event,
}

impl fmt::Display for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{FORMAT} {} {} {} {}", self.run, self.started, self.writers, self.reconnecting)
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = self.at.as_micros();
        match &self.event {
            Event::Tried(key) => write!(f, "try {at} {key}"),
            Event::Acknowledged { key, started } => {
                write!(f, "ack {at} {key} {}", started.as_micros())
            }
            Event::Failed { key, started, stage, code } => {
                write!(f, "fail {at} {key} {} {stage} {}", started.as_micros(), code.0)
            }
            Event::Unknown { key, started, code } => {
                write!(f, "unknown {at} {key} {} {}", started.as_micros(), code.0)
            }
            Event::Cut { writer, code } => write!(f, "cut {at} {writer} {}", code.0),
            Event::Closed => write!(f, "end {at}"),
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.writer, self.seq)
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "connect",
            Self::Statement => "statement",
            Self::Commit => "commit",
        })
    }
}

/// A line that is not one of ours. The reader adds file and line number.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NotALine;

impl FromStr for Header {
    type Err = NotALine;

    fn from_str(line: &str) -> Result<Self, NotALine> {
        let mut words = Words(line.split_ascii_whitespace());
        if words.word()? != FORMAT {
            return Err(NotALine);
        }
        let header = Self {
            run: words.parsed()?,
            started: words.parsed()?,
            writers: words.parsed()?,
            reconnecting: words.parsed()?,
        };
        words.end().map(|()| header)
    }
}

impl FromStr for Entry {
    type Err = NotALine;

    fn from_str(line: &str) -> Result<Self, NotALine> {
        let mut words = Words(line.split_ascii_whitespace());
        let verb = words.word()?;
        let at = words.micros()?;
        let event = match verb {
            "try" => Event::Tried(words.key()?),
            "ack" => Event::Acknowledged { key: words.key()?, started: words.micros()? },
            "fail" => Event::Failed {
                key: words.key()?,
                started: words.micros()?,
                stage: words.stage()?,
                code: words.code()?,
            },
            "unknown" => {
                Event::Unknown { key: words.key()?, started: words.micros()?, code: words.code()? }
            }
            "cut" => Event::Cut { writer: words.parsed()?, code: words.code()? },
            "end" => Event::Closed,
            _ => return Err(NotALine),
        };
        words.end().map(|()| Self { at, event })
    }
}

struct Words<'a>(SplitAsciiWhitespace<'a>);

impl<'a> Words<'a> {
    fn word(&mut self) -> Result<&'a str, NotALine> {
        self.0.next().ok_or(NotALine)
    }

    fn parsed<T: FromStr>(&mut self) -> Result<T, NotALine> {
        self.word()?.parse().map_err(|_| NotALine)
    }

    fn micros(&mut self) -> Result<Duration, NotALine> {
        self.parsed().map(Duration::from_micros)
    }

    fn key(&mut self) -> Result<Key, NotALine> {
        Ok(Key { writer: self.parsed()?, seq: self.parsed()? })
    }

    fn stage(&mut self) -> Result<Stage, NotALine> {
        match self.word()? {
            "connect" => Ok(Stage::Connect),
            "statement" => Ok(Stage::Statement),
            "commit" => Ok(Stage::Commit),
            _ => Err(NotALine),
        }
    }

    fn code(&mut self) -> Result<Code, NotALine> {
        self.word().map(Code::new)
    }

    fn end(mut self) -> Result<(), NotALine> {
        if self.0.next().is_some() { Err(NotALine) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_reads_back_what_it_wrote() {
        let key = Key { writer: 3, seq: 17 };
        let started = Duration::from_micros(40);
        let code = Code::new("57P01");
        let events = [
            Event::Tried(key),
            Event::Acknowledged { key, started },
            Event::Failed { key, started, stage: Stage::Connect, code: code.clone() },
            Event::Failed { key, started, stage: Stage::Statement, code: code.clone() },
            Event::Failed { key, started, stage: Stage::Commit, code: code.clone() },
            Event::Unknown { key, started, code: Code::new("broken pipe") },
            Event::Cut { writer: 3, code },
            Event::Closed,
        ];
        for event in events {
            let entry = Entry { at: Duration::from_micros(1234), event };
            assert_eq!(entry.to_string().parse(), Ok(entry));
        }
    }

    #[test]
    fn a_header_reads_back_what_it_wrote() {
        let header = Header {
            run: 281_474_976_710_655,
            started: Timestamp::UNIX_EPOCH,
            writers: 4,
            reconnecting: 2,
        };
        assert_eq!(header.to_string().parse(), Ok(header));
    }

    #[test]
    fn a_line_with_a_word_too_few_or_too_many_is_refused() {
        for line in ["", "ack 12 3 17", "ack 12 3 17 4 5", "nod 12 3 17", "try x 3 17", "end"] {
            assert_eq!(line.parse::<Entry>(), Err(NotALine), "{line}");
        }
        assert!("ack 12 3 17 4".parse::<Entry>().is_ok());
    }

    #[test]
    fn classes_are_of_sqlstates_only() {
        assert_eq!(Code::new("57P01").class(), "57");
        assert_eq!(Code::new("eof").class(), "eof");
        assert_eq!(Code::new("reset").class(), "reset");
    }
}
