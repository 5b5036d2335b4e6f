//! `explain`: the page of a problem code, or the list of them. Needs no server.

use landfall_api::core::Code;
use serde_json::json;

use crate::exit::Exit;
use crate::out::{Form, Out};
use crate::show::layout::columns;
use crate::stop::Stop;

pub(super) fn explain(code: Option<&str>, out: Out) -> Result<Exit, Stop> {
    let Some(text) = code else {
        list(out);
        return Ok(Exit::Done);
    };
    let code: Code = text
        .parse()
        .map_err(|why| Stop::mistake(format!("{why}. `landfall explain` lists them.")))?;
    match out.form {
        Form::Text => out.text(code.page()),
        Form::Json => {
            out.json(&json!({ "code": code, "title": code.title(), "page": code.page() }));
        }
    }
    Ok(Exit::Done)
}

fn list(out: Out) {
    let rows: Vec<Vec<String>> = Code::ALL
        .iter()
        .map(|code| vec![code.number().to_owned(), code.title().to_owned()])
        .collect();
    let json: Vec<_> =
        Code::ALL.iter().map(|code| json!({ "code": code, "title": code.title() })).collect();
    out.data(&json, |width| columns(&rows, width));
}
