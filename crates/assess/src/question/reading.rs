//! What was said to a question, as a type: looked, not looked with its reason, or not asked.
//!
//! The one place where an [`Answer`] is taken apart. An answer of another form than expected counts
//! as not looked: a check built on it says so, and never reads an absence as "fine".

use landfall_core::DatabaseName;
use landfall_core::port::database::{Answer, Question, Said};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// SQLSTATE "insufficient privilege": the one refusal that a grant mends.
const NO_RIGHT: &str = "42501";

/// The answer to one question, typed. Its type names its question.
pub trait Answered: DeserializeOwned {
    /// The question it answers.
    const QUESTION: Question;
}

/// What is known of one thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reading<T> {
    /// It was looked at.
    Looked(T),
    /// It was asked and not answered.
    NotLooked {
        /// The server's or the network's words.
        why: String,
        /// What to grant so that it is answered; empty where a grant is not the remedy.
        grant: &'static str,
    },
    /// Nobody asked: no access, or the server is older than the question.
    NotAsked,
}

impl<T> Reading<T> {
    /// What was seen, if it was looked at.
    pub const fn looked(&self) -> Option<&T> {
        match self {
            Self::Looked(seen) => Some(seen),
            Self::NotLooked { .. } | Self::NotAsked => None,
        }
    }
}

/// A list cut to the question's own bound, with the count of all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound(deserialize = "T: serde::de::DeserializeOwned"))]
pub struct Listed<T> {
    /// How many there are.
    pub total: u64,
    /// The first of them, the most telling first.
    pub items: Vec<T>,
}

impl<T> Listed<T> {
    /// How many are not in the list.
    pub fn left_out(&self) -> u64 {
        self.total.saturating_sub(u64::try_from(self.items.len()).unwrap_or(u64::MAX))
    }
}

impl<T> Default for Listed<T> {
    fn default() -> Self {
        Self { total: 0, items: Vec::new() }
    }
}

/// The reading of a question about the whole server.
pub fn server<T: Answered>(answers: &[Answer]) -> Reading<T> {
    let name = T::QUESTION.name;
    let answer = answers.iter().find(|answer| answer.question == name && answer.database.is_none());
    answer.map_or(Reading::NotAsked, |answer| read(&answer.said))
}

/// The readings of a question that was asked in every database, in the order of asking.
pub fn databases<T: Answered>(answers: &[Answer]) -> Vec<(&DatabaseName, Reading<T>)> {
    let name = T::QUESTION.name;
    let of_it = answers.iter().filter(|answer| answer.question == name);
    of_it.filter_map(|answer| Some((answer.database.as_ref()?, read(&answer.said)))).collect()
}

fn read<T: Answered>(said: &Said) -> Reading<T> {
    match said {
        Said::Answer(value) => match T::deserialize(value) {
            Ok(seen) => Reading::Looked(seen),
            Err(error) => Reading::NotLooked {
                why: format!("its answer has another form than expected: {error}"),
                grant: "",
            },
        },
        Said::Refused { sqlstate, words } => {
            let lacks_right = sqlstate.as_deref() == Some(NO_RIGHT);
            let grant = if lacks_right { T::QUESTION.grant } else { "" };
            Reading::NotLooked { why: words.clone(), grant }
        }
    }
}

#[cfg(test)]
mod tests {
    use landfall_core::port::database::Scope;
    use serde_json::json;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    struct Counted {
        n: u64,
    }

    impl Answered for Counted {
        const QUESTION: Question = Question {
            name: "counted",
            scope: Scope::EachDatabase,
            since: 13,
            sql: "select 1",
            grant: "grant it",
        };
    }

    fn answer(database: Option<&str>, said: Said) -> Answer {
        let database = database.map(DatabaseName::new);
        Answer { question: "counted".to_owned(), database, said }
    }

    fn refused(sqlstate: Option<&str>) -> Said {
        Said::Refused { sqlstate: sqlstate.map(str::to_owned), words: "no".to_owned() }
    }

    #[test]
    fn each_kind_of_answer_has_its_reading() {
        let not_looked = |grant| Reading::NotLooked::<Counted> { why: "no".to_owned(), grant };
        let table = [
            (Said::Answer(json!({ "n": 3 })), Reading::Looked(Counted { n: 3 })),
            (refused(Some("42501")), not_looked("grant it")),
            (refused(Some("57014")), not_looked("")),
            (refused(None), not_looked("")),
        ];
        for (said, expected) in table {
            assert_eq!(server::<Counted>(&[answer(None, said)]), expected);
        }
        assert_eq!(server::<Counted>(&[]), Reading::NotAsked);
    }

    #[test]
    fn another_form_is_not_looked() {
        let odd = answer(None, Said::Answer(json!({ "n": "three" })));
        let Reading::NotLooked { why, grant: "" } = server::<Counted>(&[odd]) else {
            panic!("it was read")
        };
        assert!(why.contains("another form"), "{why}");
    }

    #[test]
    fn databases_keep_their_order_and_leave_the_server_out() {
        let said = |n: u64| Said::Answer(json!({ "n": n }));
        let answers =
            [answer(None, said(0)), answer(Some("b"), said(1)), answer(Some("a"), said(2))];
        let seen: Vec<(&str, u64)> = databases::<Counted>(&answers)
            .iter()
            .filter_map(|(name, reading)| Some((name.as_str(), reading.looked()?.n)))
            .collect();
        assert_eq!(seen, [("b", 1), ("a", 2)]);
    }

    #[test]
    fn a_cut_list_knows_what_it_leaves_out() {
        let listed = Listed { total: 50_000, items: vec![1, 2, 3] };
        assert_eq!(listed.left_out(), 49_997);
        assert_eq!(Listed::<u8>::default().left_out(), 0);
    }
}
