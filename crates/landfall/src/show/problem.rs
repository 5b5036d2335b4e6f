//! A problem, whole: what happened, what is so right now, where writes go, what to type next.

use landfall_api::ApiProblem;
use landfall_api::core::Problem;

use super::layout::labelled;

/// The stop of a move.
pub(crate) fn stop(problem: &Problem, width: usize) -> String {
    let mut lines = vec![labelled(&format!("{}: ", problem.code), &problem.primary, width)];
    if !problem.detail.is_empty() {
        lines.push(labelled("  ", &problem.detail, width));
    }
    if let Some(writes) = problem.writes {
        lines.push(labelled("  ", &writes.to_string(), width));
    }
    if !problem.hint.is_empty() {
        lines.push(labelled("  ", &problem.hint, width));
    }
    lines.push(labelled("  ", &format!("More: landfall explain {}", problem.code), width));
    lines.join("\n")
}

/// The answer to a request that was not done.
pub(crate) fn answer(problem: &ApiProblem, width: usize) -> String {
    let label = problem.code.map_or_else(String::new, |code| format!("{code}: "));
    let mut lines = vec![labelled(&label, &problem.title, width)];
    for mistake in &problem.mistakes {
        lines.push(labelled("  - ", &mistake.to_string(), width));
    }
    if !problem.detail.is_empty() {
        lines.push(labelled("  ", &problem.detail, width));
    }
    if let Some(writes) = problem.writes {
        lines.push(labelled("  ", &writes.to_string(), width));
    }
    if !problem.hint.is_empty() {
        lines.push(labelled("  ", &problem.hint, width));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use landfall_api::core::problem::Writes;
    use landfall_api::core::{Code, spec};

    use super::super::layout::assert_fits;
    use super::*;

    #[test]
    fn a_stop_says_where_writes_go_at_any_width() {
        let mut problem = Problem::new(
            Code::PreparedTransaction,
            "1 prepared transaction is open on orders-prod, and the fence does not end it",
            "Commit it or roll it back on the source, then run `landfall resume orders`.",
        )
        .detail("gid payment-4711, owner shop, database shop");
        problem.writes = Some(Writes::Source);
        for width in [40, 100] {
            let text = stop(&problem, width);
            assert_fits(&text, width);
            let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
            for part in [
                "LF-013: 1 prepared",
                "gid payment-4711",
                "Writes are accepted by the source.",
                "`landfall resume orders`",
                "landfall explain LF-013",
            ] {
                assert!(flat.contains(part), "{part} missing in\n{text}");
            }
        }
        insta::assert_snapshot!(stop(&problem, 40));
    }

    #[test]
    fn every_mistake_of_a_spec_is_listed() {
        let mut problem = ApiProblem::new(422, Code::SpecInvalid, "the spec has 2 mistakes");
        problem.mistakes = vec![
            spec::SpecError {
                key: "cutover.lag_mux".to_owned(),
                message: "no key has this name; did you mean lag_max?".to_owned(),
            },
            spec::SpecError { key: String::new(), message: "this is not TOML".to_owned() },
        ];
        let text = answer(&problem.hint("Correct what is listed; nothing was started."), 60);
        assert_fits(&text, 60);
        insta::assert_snapshot!(text);
    }
}
