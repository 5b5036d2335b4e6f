//! `docs/PROCESS.md`, generated from the process tables and the headers of the step files.

use landfall_core::journal::Commitment;
use landfall_core::problem::Writes;

use crate::process::{PHYSICAL, REVERSE, Row, Window};
use crate::rehearse::undo_text;

/// The page, whole.
#[must_use]
pub fn process_page() -> String {
    let mut page = String::from(HEAD);
    describe(&mut page, PHYSICAL);
    page.push_str(REVERSE_HEAD);
    describe(&mut page, REVERSE);
    page
}

fn describe(page: &mut String, rows: &[Row]) {
    page.push_str("| phase | step | what it does | undo | in the pause | who takes writes |\n");
    page.push_str("|---|---|---|---|---|---|\n");
    for row in rows {
        page.push_str(&line(row, rows));
    }
    page.push_str(SAFE_HEAD);
    let mut last = "";
    for row in rows {
        if row.safe != last {
            page.push_str(&format_row(row));
            last = row.safe;
        }
    }
}

/// Prose is wrapped here.
const WIDTH: usize = 100;

const HEAD: &str = "\
# The process

For everybody who runs, approves or changes a move. Generated from `crates/flow/src/process/`; do
not edit it, run `cargo xtask docs`.

A move walks the rows from top to bottom. Before each change its intent is in the journal; after
each crash the next start reads the journal, looks at the world and goes on. `landfall abort` walks
the same rows from where it stands back to the top, each row's undo in turn. The committed intent
of `cutover.release_traffic` is the **point of no return**: abort and release contend for one
place in the journal, so exactly one of them is taken.

## The physical road: an Aurora read replica, promoted

";

const REVERSE_HEAD: &str = "
## Rolling back, from the release until the move is accepted

`landfall roll-back` walks these rows, and `landfall abort` walks them back as long as
`reverse.release_traffic` is not committed: then the move goes on behind its release. Everything
that the target took is proven to be on the source before a client comes there.

";

const SAFE_HEAD: &str = "
### What is safe if everything stops

";

fn line(row: &Row, rows: &[Row]) -> String {
    let first = rows.iter().find(|row| row.commitment == Commitment::Committed);
    let point = match first {
        Some(first) if first.step.id() == row.step.id() => " **(point of no return)**",
        Some(_) | None => "",
    };
    let pause = match row.window {
        Window::Pause => "yes",
        Window::Outside => "",
    };
    format!(
        "| {} | `{}` | {}{point} | {} | {pause} | {} |\n",
        row.phase,
        row.step.id(),
        row.step.title(),
        undo_text(row.undo),
        side(row.writes)
    )
}

fn format_row(row: &Row) -> String {
    let text = format!("- From `{}` on: {}", row.step.id(), row.safe);
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().expect("there is a first line");
        if line.len() + word.len() >= WIDTH {
            lines.push(format!("  {word}"));
        } else {
            let space = if line.is_empty() { "" } else { " " };
            *line = format!("{line}{space}{word}");
        }
    }
    lines.join("\n") + "\n"
}

const fn side(writes: Writes) -> &'static str {
    match writes {
        Writes::Source => "the source",
        Writes::Nobody => "nobody",
        Writes::Target => "the target",
    }
}
