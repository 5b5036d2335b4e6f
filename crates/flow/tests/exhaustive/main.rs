//! The exhaustive model of the pause: nothing within its bounds breaks a promise, each mistake made
//! on purpose does, and its rows are those of the process table.
//!
//! `cargo xtask model` explores further and prints what it found.

mod pause;

#[cfg(test)]
mod tests {
    use landfall_core::journal::Commitment;
    use landfall_core::status::Road;
    use landfall_flow::process::{Undo, Window, table};

    use crate::pause::journal::Row;
    use crate::pause::verdict::{Found, explore};
    use crate::pause::{Bounds, Mistake, Pause};

    #[test]
    fn the_model_has_the_rows_of_the_process_table() {
        let window: Vec<_> =
            table(Road::Physical).iter().filter(|row| row.window == Window::Pause).collect();
        let names =
            |of: &dyn Fn(usize) -> &'static str| (0..window.len()).map(of).collect::<Vec<_>>();
        assert_eq!(names(&|at| window[at].step.id()), Row::ALL.map(Row::id));
        for (row, modelled) in window.iter().zip(Row::ALL) {
            let id = modelled.id();
            let committed = row.commitment == Commitment::Committed;
            assert_eq!(committed, modelled.commits(), "{id}: the point of no return");
            let undone = matches!(row.undo, Undo::Reverts(_) | Undo::Keeps(_));
            assert_eq!(undone, modelled.is_undone(), "{id}: what is taken back");
        }
    }

    #[test]
    fn no_order_of_events_breaks_a_promise() {
        let bounds = Bounds { writes: 1, attempts: 1, takeovers: None };
        let explored = explore(Pause { bounds, mistake: None });
        assert!(explored.states > 50_000, "{explored}");
        // One attempt: what needs two of them is not seen here, and everything else is.
        let bad = explored.verdicts.iter().filter(|verdict| !verdict.found.is_good());
        let bad: Vec<_> = bad.map(|verdict| verdict.property).collect();
        assert_eq!(bad, ["a second attempt ends well"], "{explored}");
    }

    #[test]
    fn what_an_undone_attempt_left_under_way_harms_no_second_one() {
        let bounds = Bounds { writes: 0, attempts: 2, takeovers: Some(2) };
        let explored = explore(Pause { bounds, mistake: None });
        let broken = |found: &Found| matches!(found, Found::Broken(_));
        assert!(!explored.verdicts.iter().any(|verdict| broken(&verdict.found)), "{explored}");
    }

    #[test]
    fn every_mistake_is_found_out() {
        for mistake in Mistake::ALL {
            let bounds = mistake.bounds();
            let explored = explore(Pause { bounds, mistake: Some(mistake) });
            let broken: Vec<_> = explored
                .verdicts
                .iter()
                .filter(|verdict| matches!(verdict.found, Found::Broken(_)))
                .collect();
            assert!(!broken.is_empty(), "{}: {explored}", mistake.name());
            let told = explored.json(Some(mistake));
            let path = told["properties"][0]["counterexample"].as_array().map(Vec::len);
            assert!(path.is_some_and(|events| events > 20), "{told}");
        }
    }
}
