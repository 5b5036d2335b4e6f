//! A page that names a test for what it says names one that exists, and every bad day has one.
//!
//! A name is a word of small letters with three underscores or more, in backticks. After a path on
//! the same line it must be in that file. A test that was renamed would otherwise leave a promise
//! behind that nothing shows any more.

use std::collections::{BTreeMap, BTreeSet};

use crate::tidy::Finding;
use crate::tidy::tree::{File, Kind, Tree};

const RULE: &str = "named-test";

/// The pages that say by what test something is shown.
const PAGES: &[&str] = &["docs/GUARANTEES.md", BAD_DAYS];

/// Each row of its tables is a risk, with its tests in the last column.
const BAD_DAYS: &str = "docs/explain/bad-days.md";

pub(super) fn findings(tree: &Tree) -> Vec<Finding> {
    let tests = tests(tree);
    let paths: BTreeSet<&str> = tree.of_kind(Kind::Rust).map(|file| &*file.path).collect();
    let pages = tree.of_kind(Kind::Prose).filter(|file| PAGES.contains(&&*file.path));
    pages.flat_map(|page| of_page(page, &tests, &paths)).collect()
}

/// Every test by its name, with the files that have one of that name.
fn tests(tree: &Tree) -> BTreeMap<&str, Vec<&str>> {
    let mut tests: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for file in tree.of_kind(Kind::Rust) {
        let mut is_test = false;
        for line in file.text.lines().map(str::trim_start) {
            if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
                is_test = true;
            } else if let Some(name) = function(line).filter(|_| is_test) {
                tests.entry(name).or_default().push(&file.path);
                is_test = false;
            }
        }
    }
    tests
}

fn function(line: &str) -> Option<&str> {
    line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ")?.split('(').next()
}

fn of_page(page: &File, tests: &BTreeMap<&str, Vec<&str>>, paths: &BTreeSet<&str>) -> Vec<Finding> {
    let mut found = Vec::new();
    for (line, text) in page.lines() {
        let mut tell = |what: String| {
            found.push(Finding { rule: RULE, path: page.path.clone(), line, what });
        };
        let mut file = None;
        for word in text.split('`').skip(1).step_by(2) {
            if word.contains('/') && word.ends_with(".rs") {
                file = Some(word);
                if !paths.contains(word) {
                    tell(format!("there is no file {word}"));
                }
            } else if is_name(word) {
                match (tests.get(word), file) {
                    (None, _) => tell(format!("no test is named {word}")),
                    (Some(at), Some(file)) if !at.contains(&file) => {
                        tell(format!("{word} is in {}, not in {file}", at.join(", ")));
                    }
                    (Some(_), Some(_) | None) => {}
                }
            }
        }
        if page.path == BAD_DAYS && is_row(text) && !last_cell(text).split('`').any(is_name) {
            tell("a bad day without a test: name one in the last column".to_owned());
        }
    }
    found
}

fn is_name(word: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    !word.is_empty() && word.chars().all(plain) && word.matches('_').count() >= 3
}

/// A row of a table that is neither its head nor the line under it.
fn is_row(line: &str) -> bool {
    line.starts_with("| ") && !line.starts_with("| risk ")
}

fn last_cell(line: &str) -> &str {
    line.trim_end().trim_end_matches('|').rsplit('|').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODE: (&str, &str) = (
        "crates/a/tests/main.rs",
        "#[tokio::test(flavor = \"x\")]\nasync fn a_hold_outlives_landfall() {}\n\
         fn helper_of_the_tests_here() {}\n#[test]\n#[ignore]\nfn it_is_all_well() {}\n",
    );

    fn told(page: &str, text: &str) -> Vec<String> {
        let found = findings(&Tree::of(&[CODE, (page, text)]));
        found.into_iter().map(|finding| finding.what).collect()
    }

    #[test]
    fn a_named_test_exists_and_is_where_the_page_says() {
        let page = "docs/GUARANTEES.md";
        let good = "`crates/a/tests/main.rs` (`a_hold_outlives_landfall`, `it_is_all_well`)";
        assert_eq!(told(page, good), [] as [String; 0]);
        assert_eq!(told(page, "`query_wait_timeout` and `route.a_b_c_d`"), [] as [String; 0]);
        assert_eq!(told(page, "`helper_of_the_tests_here`").len(), 1, "it is no test");
        assert_eq!(told(page, "`a_hold_that_was_renamed`").len(), 1);
        let elsewhere = told(page, "`crates/b.rs` (`it_is_all_well`)");
        assert_eq!(elsewhere.len(), 2, "{elsewhere:?}");
        assert_eq!(told("docs/other.md", "`a_hold_that_was_renamed`"), [] as [String; 0]);
    }

    #[test]
    fn every_bad_day_has_a_test() {
        let table = "| risk | what happens | test |\n|---|---|---|\n| fire | it burns | none |\n\
                     | rain | `it_is_all_well` | none |\n| wind | it blows | `it_is_all_well` |\n";
        assert_eq!(told(BAD_DAYS, table).len(), 2);
    }
}
