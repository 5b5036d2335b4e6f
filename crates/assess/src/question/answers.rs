//! What the owner hands back after she has run [`super::script`]: a file of JSON lines.
//!
//! Taken whole or not at all. A file that is cut off, put together from two runs, of another edition
//! of the questions, or edited so that an answer is missing or there twice is refused with the line
//! that shows it: half a file would read as "nothing found".

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, Read as _};

use jiff::Timestamp;
use landfall_core::DatabaseName;
use landfall_core::port::database::{Answer, Question, Said, Scope};
use serde::Deserialize;

use super::{ALL, script};

/// No line of the script's is longer; what is, was not made by it.
const LINE_LIMIT: u64 = 4 << 20;

/// Databases beyond this make no sense, and would fill the memory.
const DATABASE_LIMIT: usize = 20_000;

/// The owner's answers.
#[derive(Debug, Clone, PartialEq)]
pub struct Told {
    /// `server_version_num` of the server that she asked.
    pub version_num: u32,
    /// When, by the server's clock.
    pub at: Timestamp,
    /// The answers, in the order in which an observer's role gets them.
    pub answers: Vec<Answer>,
}

/// Why a file is not taken, at one of its lines.
#[derive(Debug, thiserror::Error)]
#[error("read line {line}")]
pub struct Unreadable {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong.
    #[source]
    pub why: Why,
}

/// What is wrong with a line.
#[derive(Debug, thiserror::Error)]
pub enum Why {
    /// The file cannot be read.
    #[error("it could not be read")]
    Io(#[source] std::io::Error),
    /// It does not begin as it should.
    #[error(
        "this is not the beginning of answers to Landfall's questions; run the script of \
         `landfall assess --sql-script` with psql -X and -o FILE"
    )]
    NoHeader,
    /// Not a line of the script's.
    #[error("it is not a line that the script writes: {0}")]
    NotALine(String),
    /// A longer line than the script writes.
    #[error("it is longer than any line that the script writes")]
    TooLong,
    /// Another edition.
    #[error(
        "the file answers the questions of another edition ({found}; this Landfall asks {known}); \
         print the script again and run it"
    )]
    OtherEdition {
        /// Of the file.
        found: String,
        /// Ours.
        known: String,
    },
    /// Two runs in one file.
    #[error(
        "it is from another run of the script than the first line; hand in each run's file as it is"
    )]
    OtherRun,
    /// An unknown question.
    #[error("it answers {0:?}, which is none of this edition's questions on this server")]
    Unknown(String),
    /// A database that the header does not name.
    #[error("it answers for the database {0:?}, which the first line does not name")]
    UnknownDatabase(String),
    /// Twice the same.
    #[error("{0} is answered a second time")]
    Twice(String),
    /// Something after the end.
    #[error("the file goes on after its end")]
    AfterEnd,
    /// No end.
    #[error(
        "the file ends here before the script did: it was cut off, or psql lost its connection; \
         read psql's last message, and run the script again"
    )]
    CutOff,
    /// An end, but not everything before it.
    #[error("the file ends, and {0} is not answered; run the script again")]
    Missing(String),
}

#[derive(Deserialize)]
struct Header {
    run: String,
    edition: String,
    version_num: u32,
    at: Timestamp,
    databases: Vec<DatabaseName>,
}

#[derive(Deserialize)]
struct Line {
    run: String,
    #[serde(default)]
    landfall: Option<String>,
    #[serde(default)]
    closed: Option<serde_json::Value>,
    #[serde(default)]
    question: Option<String>,
    #[serde(default)]
    database: Option<DatabaseName>,
    #[serde(flatten)]
    rest: serde_json::Map<String, serde_json::Value>,
}

/// Reads a whole file.
pub fn read(file: impl BufRead) -> Result<Told, Unreadable> {
    let mut lines = Lines { file, number: 0 };
    let Some(first) = lines.next()? else { return Err(lines.wrong(Why::NoHeader)) };
    let header: Header = serde_json::from_str(&first).map_err(|_| lines.wrong(Why::NoHeader))?;
    if header.edition != script::edition() {
        let (found, known) = (header.edition, script::edition());
        return Err(lines.wrong(Why::OtherEdition { found, known }));
    }
    if header.databases.len() > DATABASE_LIMIT {
        return Err(lines.wrong(Why::NotALine("it names too many databases".to_owned())));
    }
    let mut heard = Heard::new(&header);
    loop {
        let Some(text) = lines.next()? else { return Err(lines.wrong(Why::CutOff)) };
        let line: Line =
            serde_json::from_str(&text).map_err(|e| lines.wrong(Why::NotALine(e.to_string())))?;
        if line.run != header.run {
            return Err(lines.wrong(Why::OtherRun));
        }
        match line.landfall.as_deref() {
            Some("end") => break,
            Some(_) => return Err(lines.wrong(Why::OtherRun)),
            None => heard.take(line).map_err(|why| lines.wrong(why))?,
        }
    }
    if lines.next()?.is_some() {
        return Err(lines.wrong(Why::AfterEnd));
    }
    let answers = heard.whole().map_err(|why| lines.wrong(why))?;
    Ok(Told { version_num: header.version_num, at: header.at, answers })
}

/// The lines of a file, without the empty ones, each bounded.
struct Lines<R> {
    file: R,
    number: usize,
}

impl<R: BufRead> Lines<R> {
    fn next(&mut self) -> Result<Option<String>, Unreadable> {
        loop {
            let mut text = String::new();
            self.number += 1;
            let read = (&mut self.file).take(LINE_LIMIT).read_line(&mut text);
            let read = read.map_err(|error| self.wrong(Why::Io(error)))?;
            if read == 0 {
                // What is wrong at the end is told of the last line there is.
                self.number = self.number.saturating_sub(1).max(1);
                return Ok(None);
            }
            if u64::try_from(read).unwrap_or(u64::MAX) >= LINE_LIMIT {
                return Err(self.wrong(Why::TooLong));
            }
            if !text.trim().is_empty() {
                return Ok(Some(text));
            }
        }
    }

    const fn wrong(&self, why: Why) -> Unreadable {
        Unreadable { line: self.number, why }
    }
}

/// Answers as they come in, by question and database.
struct Heard<'a> {
    header: &'a Header,
    names: BTreeSet<&'a DatabaseName>,
    asked: Vec<&'static Question>,
    said: BTreeMap<(&'static str, Option<DatabaseName>), Said>,
}

impl<'a> Heard<'a> {
    fn new(header: &'a Header) -> Self {
        let major = header.version_num / 10_000;
        Self {
            header,
            names: header.databases.iter().collect(),
            asked: ALL.iter().filter(|question| question.since <= major).collect(),
            said: BTreeMap::new(),
        }
    }

    fn take(&mut self, line: Line) -> Result<(), Why> {
        if let Some(database) = &line.database
            && !self.names.contains(database)
        {
            return Err(Why::UnknownDatabase(database.to_string()));
        }
        let Some(name) = line.question else { return self.closed(line) };
        let scope = if line.database.is_some() { Scope::EachDatabase } else { Scope::Server };
        let found = self.asked.iter().find(|q| q.name == name && q.scope == scope);
        let question = *found.ok_or(Why::Unknown(name))?;
        let said = serde_json::from_value(serde_json::Value::Object(line.rest));
        let said = said.map_err(|error| Why::NotALine(error.to_string()))?;
        self.put(question, line.database, said)
    }

    /// A database that let nobody in: nothing could be asked there.
    fn closed(&mut self, line: Line) -> Result<(), Why> {
        let (Some(database), Some(_)) = (line.database, line.closed) else {
            return Err(Why::NotALine("neither a question nor a database".to_owned()));
        };
        let words =
            "psql did not go there: its connections are used up, or it was left out".to_owned();
        let said = Said::Refused { sqlstate: None, words };
        for question in self.asked.clone() {
            if question.scope == Scope::EachDatabase {
                self.put(question, Some(database.clone()), said.clone())?;
            }
        }
        Ok(())
    }

    fn put(
        &mut self,
        question: &'static Question,
        database: Option<DatabaseName>,
        said: Said,
    ) -> Result<(), Why> {
        let told = describe(question, database.as_ref());
        match self.said.insert((question.name, database), said) {
            None => Ok(()),
            Some(_) => Err(Why::Twice(told)),
        }
    }

    /// Everything in the order of asking, if it is everything.
    fn whole(mut self) -> Result<Vec<Answer>, Why> {
        let mut answers = Vec::with_capacity(self.said.len());
        let of = |scope| move |question: &&&Question| question.scope == scope;
        let server = self.asked.iter().filter(of(Scope::Server)).map(|question| (*question, None));
        let each = self.header.databases.iter().flat_map(|database| {
            let of_each = self.asked.iter().filter(of(Scope::EachDatabase));
            of_each.map(move |question| (*question, Some(database.clone())))
        });
        for (question, database) in server.chain(each) {
            let said = self.said.remove(&(question.name, database.clone()));
            let said = said.ok_or_else(|| Why::Missing(describe(question, database.as_ref())))?;
            answers.push(Answer { question: question.name.to_owned(), database, said });
        }
        Ok(answers)
    }
}

fn describe(question: &Question, database: Option<&DatabaseName>) -> String {
    match database {
        None => question.name.to_owned(),
        Some(database) => format!("{} of the database {:?}", question.name, database.as_str()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const RUN: &str = "20261121-17";

    /// What the script writes on a server of PostgreSQL 14 with the databases `a` and `b "2"`.
    fn file() -> Vec<String> {
        let databases = ["a", "b \"2\"\n"];
        let mut lines = vec![
            json!({ "landfall": "answers", "run": RUN, "edition": script::edition(),
                "major": null, "version_num": 140_012, "at": "2026-11-21T17:00:00+00:00",
                "databases": databases })
            .to_string(),
        ];
        let asked = || ALL.iter().filter(|question| question.since <= 14);
        for question in asked().filter(|question| question.scope == Scope::Server) {
            let name = question.name;
            lines.push(json!({ "run": RUN, "question": name, "answer": { "n": 1 } }).to_string());
        }
        for question in asked().filter(|question| question.scope == Scope::EachDatabase) {
            let refused = json!({ "sqlstate": "42501", "words": "42501: no" });
            let line = json!({ "run": RUN, "question": question.name, "database": "a",
                "refused": refused });
            lines.push(line.to_string());
        }
        lines.push(json!({ "run": RUN, "database": databases[1], "closed": true }).to_string());
        lines.push(json!({ "run": RUN, "landfall": "end" }).to_string());
        lines
    }

    fn told(lines: &[String]) -> Result<Told, Unreadable> {
        read(lines.join("\n").as_bytes())
    }

    /// The line and the message of what is wrong.
    fn wrong(lines: &[String]) -> (usize, String) {
        let error = told(lines).expect_err("it was taken");
        (error.line, error.why.to_string())
    }

    #[test]
    fn a_whole_file_is_taken_in_the_order_of_asking() {
        let told = told(&file()).unwrap();
        assert_eq!(told.version_num, 140_012);
        assert!(!told.answers.iter().any(|answer| answer.question == "database_collations"));
        let asked: Vec<&Question> = ALL.iter().filter(|question| question.since <= 14).collect();
        let each = asked.iter().filter(|q| q.scope == Scope::EachDatabase).count();
        assert_eq!(told.answers.len(), asked.len() + each);
        assert_eq!(told.answers[0].said, Said::Answer(json!({ "n": 1 })));
        let last = told.answers.last().unwrap();
        assert_eq!(last.database.as_ref().unwrap().as_str(), "b \"2\"\n");
        let Said::Refused { sqlstate: None, words } = &last.said else { panic!("{last:?}") };
        assert!(words.contains("psql"), "{words}");
        let of_a = &told.answers[asked.len() - each];
        let expected =
            Said::Refused { sqlstate: Some("42501".to_owned()), words: "42501: no".to_owned() };
        assert_eq!((of_a.database.as_ref().unwrap().as_str(), &of_a.said), ("a", &expected));
    }

    #[test]
    fn every_cut_is_refused() {
        let whole = file().join("\n");
        assert!(read(whole.as_bytes()).is_ok());
        for end in (0..whole.len()).step_by(7).filter(|end| whole.is_char_boundary(*end)) {
            let error = read(&whole.as_bytes()[..end]).expect_err("a cut file was taken");
            assert!(error.line >= 1, "{error}");
        }
    }

    #[test]
    fn a_missing_line_is_named() {
        let mut lines = file();
        let removed = lines.remove(3);
        let name = ALL[2].name;
        assert!(removed.contains(name));
        let (line, message) = wrong(&lines);
        assert_eq!(line, lines.len());
        assert!(message.contains(name) && message.contains("run the script again"), "{message}");
    }

    #[test]
    fn a_line_twice_is_refused_where_it_stands() {
        let mut lines = file();
        lines.insert(4, lines[2].clone());
        let (line, message) = wrong(&lines);
        assert_eq!(line, 5);
        assert!(message.contains("a second time"), "{message}");
    }

    #[test]
    fn two_runs_in_one_file_are_refused() {
        let other: Vec<String> =
            file().iter().map(|line| line.replace(RUN, "20261121-18")).collect();
        let mut lines = file();
        lines[6] = other[6].clone();
        assert_eq!(wrong(&lines).0, 7);
        let after = [file(), other].concat();
        let (line, message) = wrong(&after);
        assert_eq!(line, file().len() + 1);
        assert!(message.contains("after its end"), "{message}");
    }

    #[test]
    fn an_old_edition_is_refused_with_what_to_do() {
        let mut lines = file();
        lines[0] = lines[0].replace(&script::edition(), "0123456789abcdef");
        let (line, message) = wrong(&lines);
        assert_eq!(line, 1);
        assert!(message.contains("print the script again"), "{message}");
    }

    #[test]
    fn what_is_no_answer_is_refused_where_it_stands() {
        let unknown_database = json!({ "run": RUN, "question": "tables", "database": "zoo",
            "answer": {} });
        let table = [
            ("not JSON".to_owned(), "not a line"),
            ("[1]".to_owned(), "not a line"),
            (json!({ "run": RUN }).to_string(), "neither"),
            (json!({ "run": RUN, "question": "tables" }).to_string(), "none of this edition's"),
            (json!({ "run": RUN, "question": "weather" }).to_string(), "weather"),
            (json!({ "run": RUN, "question": "slots", "rows": 1 }).to_string(), "not a line"),
            (unknown_database.to_string(), "zoo"),
            // A newer server's question on an older server.
            (
                json!({ "run": RUN, "question": "database_collations", "answer": {} }).to_string(),
                "database_collations",
            ),
        ];
        for (text, expected) in table {
            let mut lines = file();
            lines.insert(1, text.clone());
            let (line, message) = wrong(&lines);
            assert_eq!(line, 2, "{text}");
            assert!(message.contains(expected), "{text}: {message}");
        }
        for nothing in ["", "\n\n", "hello", "{}"] {
            let error = read(nothing.as_bytes()).expect_err("nothing was taken");
            assert!(matches!(error.why, Why::NoHeader), "{error}");
        }
    }

    #[test]
    fn an_endless_line_is_refused_without_reading_it_all() {
        let endless = std::io::BufReader::new(std::io::repeat(b'x'));
        let error = read(endless).expect_err("it was taken");
        assert!(matches!(error.why, Why::TooLong), "{error}");
    }
}
