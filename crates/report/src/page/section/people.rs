//! Who decided what, what stopped the move, whose sessions ended.

use super::super::part::{Cell, facts_list, paragraph, table};
use crate::markup::{Markup, said};
use crate::people::{Gate, Opened, Order};
use crate::story::Report;
use crate::time;
use crate::trouble::{FailedCall, Trouble};

pub(super) fn approvals(report: &Report) -> Markup {
    let people = &report.people;
    let mut inside = if people.gates.is_empty() {
        paragraph("", "No gate was reached.")
    } else {
        let rows: Vec<_> = people.gates.iter().map(gate).collect();
        let heads = ["Gate", "By", "Note", "Opened", "Waited", "Attempt"];
        table("Gates", &heads, &rows)
    };
    if !people.orders.is_empty() {
        let row = |order: &Order| {
            vec![
                Cell::Text(order.verb.to_owned()),
                Cell::Text(order.by.clone()),
                Cell::Said(order.why.clone()),
                Cell::Number(time::instant(order.at)),
                Cell::Number(order.attempt.to_string()),
            ]
        };
        let rows: Vec<_> = people.orders.iter().map(row).collect();
        inside.push(table("Other orders", &["Order", "By", "Why", "At", "Attempt"], &rows));
    }
    inside
}

fn gate(gate: &Gate) -> Vec<Cell> {
    let none = || "\u{2013}".to_owned();
    let (opened, by, note) = match &gate.opened {
        None => ("not opened".to_owned(), none(), none()),
        Some(Opened::Unasked { at }) => {
            (time::instant(*at), "nobody was asked, as the spec says".to_owned(), none())
        }
        Some(Opened::Person { who, at, note }) => (time::instant(*at), who.clone(), note.clone()),
    };
    let until = gate.opened.as_ref().map(|opened| match opened {
        Opened::Person { at, .. } | Opened::Unasked { at } => *at,
    });
    let waited = gate.waited_since.zip(until).map(|(since, until)| time::took(since, until));
    vec![
        Cell::Text(gate.title.clone()),
        Cell::Text(by),
        Cell::Said(note),
        Cell::Number(opened),
        Cell::Number(waited.unwrap_or_else(none)),
        Cell::Number(gate.attempt.to_string()),
    ]
}

pub(super) fn problems(report: &Report) -> Markup {
    let troubles = &report.people.troubles;
    let mut inside = if troubles.is_empty() {
        paragraph("", "No problem stopped the move.")
    } else {
        let rows: Vec<_> = troubles.iter().map(trouble).collect();
        let heads = ["Problem", "How it ended", "Step", "At", "Attempt"];
        table("Problems that stopped the move", &heads, &rows)
    };
    if report.failed_calls.is_empty() {
        inside.push(paragraph("", "No call failed."));
    } else {
        let row = |call: &FailedCall| {
            vec![
                Cell::Text(call.what.clone()),
                Cell::Number(call.times.to_string()),
                Cell::Text(call.said.clone()),
                Cell::Number(time::instant(call.from)),
            ]
        };
        let rows: Vec<_> = report.failed_calls.iter().map(row).collect();
        let caption = "Calls that failed and were looked into again by Landfall";
        inside.push(table(caption, &["Call", "Times", "The last answer", "First at"], &rows));
    }
    inside
}

fn trouble(trouble: &Trouble) -> Vec<Cell> {
    let problem = &trouble.problem;
    let mut what = format!("{}: {}", problem.code, problem.primary);
    for more in [&problem.detail, &problem.writes.map(|w| w.to_string()).unwrap_or_default()] {
        if !more.is_empty() {
            what.push('\n');
            what.push_str(more);
        }
    }
    let ended = trouble.ended.as_ref().map_or_else(
        || "it has not".to_owned(),
        |(at, how)| format!("{how}, after {}", time::took(trouble.at, *at)),
    );
    vec![
        Cell::Said(what),
        Cell::Text(ended),
        Cell::Text(trouble.title.clone()),
        Cell::Number(time::instant(trouble.at)),
        Cell::Number(trouble.attempt.to_string()),
    ]
}

pub(super) fn sessions(report: &Report) -> Markup {
    let ended = &report.sessions_ended;
    if ended.is_empty() {
        let words = if report.proofs.fence.as_ref().is_some_and(|f| f.restarted_at.is_some()) {
            "A restart of the source ended every session; it is not known how many there were."
        } else {
            "The fence ended no session."
        };
        return paragraph("", words);
    }
    let pids = |pids: &[i32]| {
        let pids: Vec<String> = pids.iter().map(ToString::to_string).collect();
        if pids.is_empty() { String::new() } else { format!(" (pid {})", pids.join(", ")) }
    };
    let rows = [
        ("Outside a transaction", format!("{}{}", ended.idle.len(), pids(&ended.idle))),
        (
            "Inside a transaction",
            format!("{}{}", ended.in_transaction.len(), pids(&ended.in_transaction)),
        ),
    ];
    let words = "A session outside a transaction loses no work. The client of one inside sees an \
                 error, and may not know whether its last commit counted.";
    said("p", words).then(facts_list(&rows))
}
