//! The laws of every process table: what must hold of any row that anybody adds.

use std::collections::BTreeSet;

use landfall_core::journal::Commitment;
use landfall_core::problem::Writes;
use landfall_core::status::Road;
use landfall_flow::process::{Row, Undo, Window, position, table};

const ROADS: [Road; 1] = [Road::Physical];

/// Every table, with the place of its point of no return.
fn tables() -> impl Iterator<Item = (Road, &'static [Row], usize)> {
    ROADS.into_iter().map(|road| {
        // A new road is an error here until it is in the list.
        match road {
            Road::Physical => {}
        }
        let rows = table(road);
        let point = rows.iter().position(|row| row.commitment == Commitment::Committed);
        (road, rows, point.expect("every road has a point of no return"))
    })
}

fn id(row: &Row) -> &'static str {
    row.step.id()
}

#[test]
fn ids_are_unique_and_never_renamed() {
    for (road, rows, _) in tables() {
        let ids: Vec<_> = rows.iter().map(id).collect();
        let distinct: BTreeSet<_> = ids.iter().collect();
        assert_eq!(distinct.len(), ids.len(), "{road:?}");
        for (at, id) in ids.iter().enumerate() {
            assert_eq!(position(rows, id), Some(at));
        }
        // Ids are stored in every journal: a row may be added, none may be renamed.
        insta::assert_snapshot!(format!("{road:?}"), ids.join("\n"));
    }
}

#[test]
fn every_row_can_be_undone_up_to_the_point_of_no_return() {
    for (_, rows, point) in tables() {
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
    for (road, rows, _) in tables() {
        assert!(rows.is_sorted_by_key(|row| row.phase), "{road:?}");
        for row in rows {
            let prefix = format!("{}.", row.phase);
            let name = id(row).strip_prefix(&prefix);
            assert!(name.is_some_and(|name| !name.is_empty()), "{} in {}", id(row), row.phase);
        }
    }
}

#[test]
fn the_pause_is_one_window_that_ends_with_the_release() {
    for (_, rows, point) in tables() {
        let paused: Vec<_> =
            (0..rows.len()).filter(|at| rows[*at].window == Window::Pause).collect();
        let first = *paused.first().expect("a cutover pauses");
        assert_eq!(paused, (first..=point).collect::<Vec<_>>());
        assert_eq!(id(&rows[first]), "quiesce.hold_traffic");
        assert_eq!(id(&rows[point]), "cutover.release_traffic");
    }
}

#[test]
fn writes_go_from_the_source_to_nobody_to_the_target() {
    let order = |writes| match writes {
        Writes::Source => 0,
        Writes::Nobody => 1,
        Writes::Target => 2,
    };
    for (_, rows, point) in tables() {
        assert!(rows.iter().map(|row| order(row.writes)).is_sorted());
        for (at, row) in rows.iter().enumerate() {
            assert_eq!(row.writes == Writes::Target, at >= point, "{}", id(row));
        }
    }
}

#[test]
fn every_row_says_what_is_safe_in_full_sentences() {
    for (_, rows, _) in tables() {
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
