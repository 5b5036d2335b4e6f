//! The laws of every process table: what must hold of any row that anybody adds.

use std::collections::BTreeSet;

use landfall_core::journal::Commitment;
use landfall_core::problem::Writes;
use landfall_core::status::{Line, Road};
use landfall_flow::process::{REVERSE, Row, Undo, Window, position, table};

/// A table, with the place of its point of no return.
struct Table {
    name: String,
    line: Line,
    rows: &'static [Row],
    point: usize,
}

/// Every road's way forward, and the one way back.
fn tables() -> impl Iterator<Item = Table> {
    let forward = ROADS.into_iter().map(|road| {
        // A new road is an error here until it is in the list.
        match road {
            Road::Physical => {}
        }
        (format!("{road:?}"), Line::Migrate, table(road))
    });
    forward.chain([("Reverse".to_owned(), Line::Reverse, REVERSE)]).map(|(name, line, rows)| {
        let point = rows.iter().position(|row| row.commitment == Commitment::Committed);
        Table { name, line, rows, point: point.expect("every table has a point of no return") }
    })
}

const ROADS: [Road; 1] = [Road::Physical];

fn id(row: &Row) -> &'static str {
    row.step.id()
}

#[test]
fn ids_are_unique_and_never_renamed() {
    for Table { name, rows, .. } in tables() {
        let ids: Vec<_> = rows.iter().map(id).collect();
        let distinct: BTreeSet<_> = ids.iter().collect();
        assert_eq!(distinct.len(), ids.len(), "{name}");
        for (at, id) in ids.iter().enumerate() {
            assert_eq!(position(rows, id), Some(at));
        }
        // Ids are stored in every journal: a row may be added, none may be renamed.
        insta::assert_snapshot!(name, ids.join("\n"));
    }
}

#[test]
fn every_row_can_be_undone_up_to_the_point_of_no_return() {
    for Table { rows, point, .. } in tables() {
        for (at, row) in rows.iter().enumerate() {
            let refused = row.undo == Undo::Refused;
            assert_eq!(refused, at >= point, "{}: {:?}", id(row), row.undo);
            let committed = row.commitment == Commitment::Committed;
            assert_eq!(committed, at >= point, "{}: {:?}", id(row), row.commitment);
        }
    }
}

#[test]
fn phases_come_in_order_and_name_their_steps() {
    for Table { name, line, rows, .. } in tables() {
        assert!(rows.is_sorted_by_key(|row| row.phase), "{name}");
        for row in rows {
            let prefix = match line {
                Line::Migrate => format!("{}.", row.phase),
                Line::Reverse => "reverse.".to_owned(),
            };
            let name = id(row).strip_prefix(&prefix);
            assert!(name.is_some_and(|name| !name.is_empty()), "{} in {}", id(row), row.phase);
        }
    }
}

#[test]
fn the_pause_is_one_window_that_ends_with_the_release() {
    for Table { line, rows, point, .. } in tables() {
        let paused: Vec<_> =
            (0..rows.len()).filter(|at| rows[*at].window == Window::Pause).collect();
        let first = *paused.first().expect("a cutover pauses");
        assert_eq!(paused, (first..=point).collect::<Vec<_>>());
        let ends = match line {
            Line::Migrate => ["quiesce.hold_traffic", "cutover.release_traffic"],
            Line::Reverse => ["reverse.hold_traffic", "reverse.release_traffic"],
        };
        assert_eq!([id(&rows[first]), id(&rows[point])], ends);
    }
}

#[test]
fn writes_go_from_one_side_to_nobody_to_the_other() {
    for Table { line, rows, point, .. } in tables() {
        let order = |writes| match (line, writes) {
            (_, Writes::Nobody) => 1,
            (Line::Migrate, Writes::Source) | (Line::Reverse, Writes::Target) => 0,
            (Line::Migrate, Writes::Target) | (Line::Reverse, Writes::Source) => 2,
        };
        assert!(rows.iter().map(|row| order(row.writes)).is_sorted());
        for (at, row) in rows.iter().enumerate() {
            assert_eq!(order(row.writes) == 2, at >= point, "{}", id(row));
        }
    }
}

#[test]
fn every_row_says_what_is_safe_in_full_sentences() {
    for Table { rows, .. } in tables() {
        for row in rows {
            let starts = row.safe.chars().next().is_some_and(char::is_uppercase);
            assert!(starts && row.safe.ends_with('.'), "{}: {:?}", id(row), row.safe);
            assert!(
                !row.step.title().is_empty() && !row.step.title().ends_with('.'),
                "{}",
                id(row)
            );
        }
    }
}
