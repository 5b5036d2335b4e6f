//! Marks of unfinished or unsteady work: notes without an issue, tests that are switched off,
//! tests that wait for time instead of for an effect.

use crate::tidy::Finding;
use crate::tidy::tree::{File, Kind, Tree};

const RULE: &str = "markers";
// Split, so that this table is not a finding of itself.
const NOTES: &[&str] = &[concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];
const SWITCHED_OFF: &str = concat!("#[ign", "ore");
const SLEEPS: &[&str] = &[concat!("sle", "ep("), concat!("sleep_", "until(")];

/// Places that may sleep, with the reason; a folder ends in a slash.
const MAY_SLEEP: &[(&str, &str)] = &[
    ("crates/flow/", "virtual time: nobody sleeps"),
    ("crates/aws/tests/answers/door.rs", "a door that answers late on purpose"),
    ("crates/aws/tests/lab.rs", "the pause between two looks of the conformance suite"),
    ("crates/postgres/tests/conformance.rs", "the pause between two looks of the suite"),
    ("crates/postgres/tests/smoke.rs", "a query of PostgreSQL that is to be cut off"),
    ("crates/route/tests/envoy/wall_clock.rs", "a clock for the router, not a pause"),
    ("crates/route/tests/pgbouncer/load.rs", "a query of PostgreSQL, to have a transaction last"),
    ("crates/server/src/locked.rs", "the model's clock: virtual time"),
    ("e2e/src/", "the stage's own waits: looks with a bound that print what they saw"),
    ("e2e/examples/", "the same in the demo and the benchmarks"),
    ("e2e/tests/main/", "the same: looks with a bound"),
];

pub(super) fn findings(tree: &Tree) -> Vec<Finding> {
    let notes = tree.written().flat_map(notes_without_issue);
    let code = tree.of_kind(Kind::Rust);
    let code = code.flat_map(|file| switched_off(file).into_iter().chain(sleeping(file)));
    notes.chain(code).collect()
}

fn notes_without_issue(file: &File) -> Vec<Finding> {
    let without = |line: &str| {
        words(line).any(|word| NOTES.contains(&word)) && !line.split('#').skip(1).any(digit_first)
    };
    at(file, without, "a note without an issue number: file it as `(#12)`, or do it")
}

fn switched_off(file: &File) -> Vec<Finding> {
    let off = |line: &str| line.trim_start().starts_with(SWITCHED_OFF);
    at(file, off, "a test that never runs: repair it or remove it")
}

fn sleeping(file: &File) -> Vec<Finding> {
    let may =
        |path: &str| path == file.path || (path.ends_with('/') && file.path.starts_with(path));
    if MAY_SLEEP.iter().any(|(path, _)| may(path)) {
        return Vec::new();
    }
    let sleeps = |line: &str| SLEEPS.iter().any(|call| line.contains(call));
    let mut found = at(file, sleeps, "a test that sleeps: wait for the effect, with a bound");
    found.retain(|finding| finding.line >= file.tests_from());
    found
}

fn at(file: &File, matches: impl Fn(&str) -> bool, what: &str) -> Vec<Finding> {
    let lines = file.lines().filter(|(_, line)| matches(line));
    lines
        .map(|(line, _)| Finding {
            rule: RULE,
            path: file.path.clone(),
            line,
            what: what.to_owned(),
        })
        .collect()
}

fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
}

fn digit_first(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(path: &str, text: &str) -> usize {
        findings(&Tree::of(&[(path, text)])).len()
    }

    #[test]
    fn note_needs_an_issue() {
        let note = NOTES[0];
        assert_eq!(count("docs/A.md", &format!("{note}: later")), 1);
        assert_eq!(count("docs/A.md", &format!("{note} (#12): later")), 0);
        assert_eq!(count("a.sql", "select 'METODOLOGY'"), 0);
    }

    #[test]
    fn switched_off_test_is_found() {
        assert_eq!(count("a/src/x.rs", &format!("  {SWITCHED_OFF} = \"slow\"]\n")), 1);
    }

    #[test]
    fn sleep_is_refused_in_tests_only() {
        let call = format!("thread::{}d);\n", SLEEPS[0]);
        assert_eq!(count("a/src/x.rs", &call), 0);
        assert_eq!(count("a/tests/main.rs", &call), 1);
        assert_eq!(count("a/src/x.rs", &format!("#[cfg(test)]\nmod t {{\n{call}}}\n")), 1);
    }
}
