//! Readings for checks: what all databases said to one question, who did not answer, and lists of
//! names that stay short and on one line.

use landfall_core::finding::{Finding, Learnt};

use super::Seen;
use crate::question::{Answered, Reading, databases, server};

/// How many names a finding shows.
const SHOWN: usize = 5;

/// What one question brought: the answers, and findings for those who did not answer.
pub(super) struct Heard<T> {
    /// Database (empty for the server) and answer.
    pub(super) said: Vec<(String, T)>,
    /// What could not be looked at.
    pub(super) silent: Vec<Finding>,
}

impl<T> Heard<T> {
    /// The findings of a judgement over all answers, after those about silence.
    pub(super) fn judge(self, judge: impl FnOnce(&[(String, T)]) -> Vec<Finding>) -> Vec<Finding> {
        let found = judge(&self.said).into_iter().map(|finding| finding.learnt(Learnt::Sql));
        self.silent.into_iter().chain(found).collect()
    }
}

/// Whether anybody asked anything inside.
pub(super) fn asked(seen: &Seen<'_>) -> bool {
    !seen.inventory.answers.is_empty()
}

/// A question about the whole server; `about` is what it looks at, in a few words.
pub(super) fn of_server<T: Answered>(seen: &Seen<'_>, about: &str) -> Heard<T> {
    let mut heard = Heard { said: vec![], silent: vec![] };
    match server::<T>(&seen.inventory.answers) {
        Reading::Looked(answer) => heard.said.push((String::new(), answer)),
        Reading::NotLooked { why, grant } => {
            heard.silent.push(silent(seen, about, &why, grant));
        }
        // Nobody asked at all: `inside.access` says so once for everything.
        Reading::NotAsked if !asked(seen) => {}
        Reading::NotAsked => heard.silent.push(not_asked::<T>(seen, about)),
    }
    heard
}

/// A question that was asked in every database.
pub(super) fn of_each<T: Answered>(seen: &Seen<'_>, about: &str) -> Heard<T> {
    let mut heard = Heard { said: vec![], silent: vec![] };
    let mut refusals: Vec<(String, String, &'static str)> = vec![];
    let readings = databases::<T>(&seen.inventory.answers);
    if readings.is_empty() && asked(seen) {
        heard.silent.push(not_asked::<T>(seen, about));
    }
    for (database, reading) in readings {
        match reading {
            Reading::Looked(answer) => heard.said.push((database.to_string(), answer)),
            Reading::NotLooked { why, grant } => {
                refusals.push((plain(database.as_str()), why, grant));
            }
            Reading::NotAsked => {}
        }
    }
    if let Some((_, why, grant)) = refusals.first() {
        let names = names(refusals.iter().map(|(name, ..)| name.clone()), 0);
        let about = format!("{about} in {names}");
        heard.silent.push(silent(seen, &about, why, grant));
    }
    heard
}

fn silent(seen: &Seen<'_>, about: &str, why: &str, grant: &str) -> Finding {
    let what = format!("not looked at {about}: {}", plain_text(why));
    let remedy = if grant.is_empty() {
        "Let the database answer, or run `landfall assess --sql-script` by a role that may.".into()
    } else {
        format!("{}.", first_upper(grant))
    };
    Finding::not_looked(&seen.instance.id, what, &remedy)
}

fn not_asked<T: Answered>(seen: &Seen<'_>, about: &str) -> Finding {
    let what = format!("not looked at {about}: nobody asked");
    let remedy = format!(
        "PostgreSQL {} and newer answer it; an older script of questions lacks it: print a new one \
         by `landfall assess --sql-script`.",
        T::QUESTION.since
    );
    Finding::not_looked(&seen.instance.id, what, &remedy)
}

fn first_upper(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// A name as it can stand in a line: quotes, dots and line ends are shown, never obeyed.
pub(super) fn plain(name: &str) -> String {
    let harmless = |letter: char| letter.is_alphanumeric() || matches!(letter, '_' | '-' | '$');
    if !name.is_empty() && name.chars().all(harmless) {
        return name.to_owned();
    }
    format!("\"{}\"", plain_text(&name.replace('"', "\"\"")))
}

/// A text without line ends and control characters.
pub(super) fn plain_text(text: &str) -> String {
    let shown = |letter: char| match letter {
        letter if letter.is_control() => letter.escape_default().to_string(),
        letter => letter.to_string(),
    };
    text.chars().map(shown).collect()
}

/// `database: schema.name`.
pub(super) fn within(database: &str, schema: &str, name: &str) -> String {
    format!("{}: {}.{}", plain(database), plain(schema), plain(name))
}

/// The first of the names, and how many more there are; `more` counts those that were cut off
/// before.
pub(super) fn names(all: impl Iterator<Item = String>, more: u64) -> String {
    let all: Vec<String> = all.collect();
    let hidden = u64::try_from(all.len().saturating_sub(SHOWN)).unwrap_or(u64::MAX);
    let left = more.saturating_add(hidden);
    let shown = all.into_iter().take(SHOWN).collect::<Vec<_>>().join(", ");
    match (shown.is_empty(), left) {
        (_, 0) => shown,
        (true, left) => format!("{left} of them"),
        (false, left) => format!("{shown} and {left} more"),
    }
}

/// `1 table`, `2 tables`.
pub(super) fn count(number: u64, one: &str, many: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {many}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_on_one_line_and_lists_stay_short() {
        assert_eq!(plain("orders"), "orders");
        assert_eq!(plain("Ünïcode"), "Ünïcode");
        assert_eq!(plain("a.b"), "\"a.b\"");
        assert_eq!(plain("a\nb\"c"), "\"a\\nb\"\"c\"");
        assert_eq!(plain(""), "\"\"");
        let seven = || (1..=7).map(|n| format!("t{n}"));
        assert_eq!(names(seven(), 0), "t1, t2, t3, t4, t5 and 2 more");
        assert_eq!(names(seven(), 40), "t1, t2, t3, t4, t5 and 42 more");
        assert_eq!(names(seven().take(2), 0), "t1, t2");
        assert_eq!(names(std::iter::empty(), 3), "3 of them");
        assert_eq!(
            (count(1, "table", "tables"), count(2, "table", "tables")),
            ("1 table".to_owned(), "2 tables".to_owned())
        );
    }
}
