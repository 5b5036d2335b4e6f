//! The questions of an assessment, each for itself: one that is refused does not hide the others.
//!
//! Every question has the statement's own time limit; all of them together have none, because an
//! instance may hold a thousand databases. A database that is dropped meanwhile is left out.

use landfall_core::port::database::{Answer, Question, Said, Scope};
use landfall_core::{DatabaseName, Failure, FailureKind};
use tokio_postgres::Error;

use crate::call::Call;
use crate::{fault, reads};

pub(crate) async fn ask(call: Call<'_>, questions: &[Question]) -> Result<Vec<Answer>, Failure> {
    let major = major(call).await?;
    let asked = |scope| move |q: &&Question| q.scope == scope && q.since <= major;
    let mut answers = Vec::new();
    let first = call.connections.first_database().clone();
    for question in questions.iter().filter(asked(Scope::Server)) {
        answers.extend(one(call, question, &first).await.map(|said| answer(question, None, said)));
    }
    for database in reads::databases(call).await? {
        for question in questions.iter().filter(asked(Scope::EachDatabase)) {
            let said = one(call, question, &database).await;
            answers.extend(said.map(|said| answer(question, Some(database.clone()), said)));
        }
    }
    Ok(answers)
}

fn answer(question: &Question, database: Option<DatabaseName>, said: Said) -> Answer {
    Answer { question: question.name.to_owned(), database, said }
}

/// `None` when the database has gone.
async fn one(call: Call<'_>, question: &Question, database: &DatabaseName) -> Option<Said> {
    let rows = match call.connections.ask(&call.place(database), question.sql, &[]).await {
        Ok(rows) => rows,
        Err(error) => return refused(call, &error),
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

fn refused(call: Call<'_>, error: &Error) -> Option<Said> {
    match error.as_db_error() {
        // 3D000: the database has gone since it was listed.
        Some(answer) if answer.code().code() == "3D000" => None,
        Some(answer) => Some(Said::Refused {
            sqlstate: Some(answer.code().code().to_owned()),
            words: fault::words(answer),
        }),
        None => Some(unread(fault::failure(call.what, error).detail)),
    }
}

async fn major(call: Call<'_>) -> Result<u32, Failure> {
    let sql = "select current_setting('server_version_num')::int4 / 10000";
    let found = call.ask(sql, &[], |row| row.try_get::<_, i32>(0)).await?;
    found.first().and_then(|major| u32::try_from(*major).ok()).ok_or_else(|| {
        Failure::new(FailureKind::Unknown, call.what, "the server does not say its version")
    })
}
