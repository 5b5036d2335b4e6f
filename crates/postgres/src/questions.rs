//! The questions of an assessment, each for itself: one that is refused does not hide the others.
//!
//! Every statement has its own time limit; all of them together have none, because an instance may
//! hold a thousand databases. A few databases are visited at a time, on one connection each, and a
//! database that lets nobody in is knocked at once, not once per question. A database that is
//! dropped meanwhile is left out. What is kept is bounded: when the lists of all answers together
//! grow too long, later ones are cut to their first items, with their totals left as they are.

use futures_util::StreamExt as _;
use futures_util::stream;
use landfall_core::port::database::{Answer, Question, Said, Scope};
use landfall_core::{DatabaseName, Failure, FailureKind};
use serde_json::Value;
use tokio_postgres::Client;

use crate::call::Call;
use crate::trouble::Trouble;
use crate::{fault, reads};

/// Databases that are visited at the same time: each costs the server a session.
const AT_ONCE: usize = 8;

/// List items that are kept of all answers together.
const ITEMS: usize = 10_000;

/// List items that every answer keeps.
const ITEMS_EACH: usize = 3;

pub(crate) async fn ask(call: Call<'_>, questions: &[Question]) -> Result<Vec<Answer>, Failure> {
    let major = major(call).await?;
    let asked = |scope| {
        let of_it = questions.iter().filter(move |q| q.scope == scope && q.since <= major);
        of_it.collect::<Vec<_>>()
    };
    let (of_server, of_each) = (asked(Scope::Server), asked(Scope::EachDatabase));
    let mut left = ITEMS;
    let mut answers = visit(call, &of_server, call.connections.first_database().clone()).await;
    for answer in &mut answers {
        answer.database = None;
        cut(&mut answer.said, &mut left);
    }
    let databases = if of_each.is_empty() { vec![] } else { reads::databases(call).await? };
    let visits = databases.into_iter().map(|database| visit(call, &of_each, database));
    let mut visits = stream::iter(visits).buffered(AT_ONCE);
    while let Some(mut found) = visits.next().await {
        for answer in &mut found {
            cut(&mut answer.said, &mut left);
        }
        answers.append(&mut found);
    }
    Ok(answers)
}

/// Asks one database everything; nothing when it has gone.
async fn visit(call: Call<'_>, questions: &[&Question], database: DatabaseName) -> Vec<Answer> {
    let place = call.place(&database);
    let answer = |question: &Question, said| Answer {
        question: question.name.to_owned(),
        database: Some(database.clone()),
        said,
    };
    let lease = match call.connections.lend(&place).await {
        Ok(lease) => lease,
        Err(trouble) => {
            let said = refused(call, trouble);
            let each = questions.iter().filter_map(|q| Some(answer(q, said.clone()?)));
            return each.collect();
        }
    };
    let mut answers = Vec::with_capacity(questions.len());
    for question in questions {
        if let Some(said) = one(call, question, &lease.client).await {
            answers.push(answer(question, said));
        }
    }
    call.connections.keep(&place, lease);
    answers
}

/// `None` when the database has gone.
async fn one(call: Call<'_>, question: &Question, client: &Client) -> Option<Said> {
    // Typed, so that asking is one trip: a thousand databases are asked twenty questions each.
    let rows = match client.query_typed(question.sql, &[]).await {
        Ok(rows) => rows,
        Err(error) => return refused(call, error.into()),
    };
    let value = rows.first().map_or(Ok(None), |row| row.try_get::<_, Option<String>>(0));
    Some(match value.map(|text| serde_json::from_str(text.as_deref().unwrap_or("null"))) {
        Ok(Ok(value)) => Said::Answer(value),
        Ok(Err(error)) => unread(format!("its answer is not JSON: {error}")),
        Err(error) => unread(format!("its answer is not text: {error}")),
    })
}

fn unread(words: String) -> Said {
    Said::Refused { sqlstate: None, words }
}

fn refused(call: Call<'_>, trouble: Trouble) -> Option<Said> {
    match trouble.as_db_error() {
        // 3D000: the database has gone since it was listed.
        Some(answer) if answer.code().code() == "3D000" => None,
        Some(answer) => Some(Said::Refused {
            sqlstate: Some(answer.code().code().to_owned()),
            words: fault::words(answer),
        }),
        None => Some(unread(call.failed(trouble).detail)),
    }
}

/// Shortens every list that stands beside its total once the common budget is spent.
fn cut(said: &mut Said, left: &mut usize) {
    if let Said::Answer(value) = said {
        cut_lists(value, left);
    }
}

fn cut_lists(value: &mut Value, left: &mut usize) {
    let Value::Object(fields) = value else { return };
    if fields.contains_key("total")
        && let Some(Value::Array(items)) = fields.get_mut("items")
    {
        items.truncate(ITEMS_EACH.max(*left));
        items.shrink_to_fit();
        *left = left.saturating_sub(items.len());
        return;
    }
    for inner in fields.values_mut() {
        cut_lists(inner, left);
    }
}

async fn major(call: Call<'_>) -> Result<u32, Failure> {
    let sql = "select current_setting('server_version_num')::int4 / 10000";
    let found = call.ask(sql, &[], |row| row.try_get::<_, i32>(0)).await?;
    found.first().and_then(|major| u32::try_from(*major).ok()).ok_or_else(|| {
        Failure::new(FailureKind::Unknown, call.what, "the server does not say its version")
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn lists_are_cut_to_a_common_budget_and_keep_their_totals() {
        let list = |n: u32| json!({ "total": n, "items": (0..n).collect::<Vec<_>>() });
        let mut left = 10;
        let mut nested = Said::Answer(json!({ "tables": list(7), "indexes": 4 }));
        cut(&mut nested, &mut left);
        assert_eq!((nested, left), (Said::Answer(json!({ "tables": list(7), "indexes": 4 })), 3));
        let mut longer = Said::Answer(list(5));
        cut(&mut longer, &mut left);
        let expected = Said::Answer(json!({ "total": 5, "items": [0, 1, 2] }));
        assert_eq!((&longer, left), (&expected, 0));
        // With nothing left the most telling items stay all the same.
        cut(&mut longer, &mut left);
        assert_eq!((longer, left), (expected, 0));
        let mut refusal = unread("no".to_owned());
        cut(&mut refusal, &mut left);
        assert_eq!(refusal, unread("no".to_owned()));
    }
}
