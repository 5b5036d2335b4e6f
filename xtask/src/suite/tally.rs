//! Counting tests from the closing lines that cargo and nextest print.

use std::fmt;
use std::fs;
use std::path::Path;

/// The sum over every part of a run.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    passed: u64,
    failed: u64,
    skipped: u64,
}

/// Whose closing line to read.
#[derive(Clone, Copy)]
pub(super) enum Runner {
    Cargo,
    Nextest,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

impl Tally {
    /// Adds a line when it is its runner's closing line. What a failed test printed is shown
    /// indented, and may hold closing lines of the other runner.
    pub(super) fn count(&mut self, runner: Runner, line: &str) {
        let line = without_colour(line);
        let closes = match runner {
            Runner::Cargo => line.starts_with("test result: "),
            Runner::Nextest => line.trim_start().starts_with("Summary ["),
        };
        if closes {
            let line = line.trim();
            self.passed += before(line, "passed");
            self.failed +=
                before(line, "failed") + before(line, "timed out") + before(line, "exec failed");
            self.skipped += before(line, "skipped") + before(line, "ignored");
        }
    }

    /// How many tests were executed.
    pub(super) fn ran(&self) -> u64 {
        self.passed + self.failed
    }
}

/// The number before a word: `7` of `7 passed` or of `7 passed (1 slow)`.
fn before(line: &str, word: &str) -> u64 {
    let clauses = line.split([',', ';', ':', '.']);
    let plain = clauses.filter_map(|clause| clause.split('(').next()).map(str::trim);
    plain.filter_map(|clause| clause.strip_suffix(word)?.trim().parse::<u64>().ok()).sum()
}

fn without_colour(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    let mut in_escape = false;
    for c in line.chars() {
        match c {
            '\u{1b}' => in_escape = true,
            'm' if in_escape => in_escape = false,
            _ if in_escape => {}
            other => plain.push(other),
        }
    }
    plain
}

/// Whether any doc comment under a folder holds a code block that rustdoc would run.
pub(super) fn has_documentation_tests(folder: &Path) -> bool {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).any(|path| {
        if path.is_dir() {
            return has_documentation_tests(&path);
        }
        let rust = path.extension().is_some_and(|ending| ending == "rs");
        rust && fs::read_to_string(&path).is_ok_and(|text| holds_a_test(&text))
    })
}

fn holds_a_test(text: &str) -> bool {
    let mut open = false;
    for line in text.lines().map(str::trim) {
        let doc = line.strip_prefix("///").or_else(|| line.strip_prefix("//!"));
        let Some(fence) = doc.and_then(|doc| doc.trim().strip_prefix("```")) else { continue };
        if !open && ["", "rust", "no_run", "should_panic", "compile_fail"].contains(&fence) {
            return true;
        }
        open = !open;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(runner: Runner, lines: &[&str]) -> String {
        let mut tally = Tally::default();
        lines.iter().for_each(|line| tally.count(runner, line));
        tally.to_string()
    }

    const CARGO: &str =
        "test result: ok. 7 passed; 0 failed; 2 ignored; 0 measured; 3 filtered out";
    const NEXTEST: &str =
        "     Summary [   1.234s] 12 tests run: 10 passed (1 slow), 2 failed, 4 skipped";

    #[test]
    fn closing_lines_of_both_runners_are_read() {
        assert_eq!(of(Runner::Cargo, &[CARGO, "test x ... ok"]), "7 passed, 0 failed, 2 skipped");
        assert_eq!(of(Runner::Cargo, &[CARGO, CARGO]), "14 passed, 0 failed, 4 skipped");
        assert_eq!(of(Runner::Nextest, &[NEXTEST]), "10 passed, 2 failed, 4 skipped");
    }

    #[test]
    fn closing_lines_inside_a_tests_output_do_not_count() {
        let shown = format!("    {CARGO}");
        assert_eq!(of(Runner::Nextest, &[&shown, NEXTEST]), "10 passed, 2 failed, 4 skipped");
        assert_eq!(of(Runner::Cargo, &[&shown, NEXTEST]), "0 passed, 0 failed, 0 skipped");
    }

    #[test]
    fn colours_do_not_hide_the_figures() {
        let line = "\u{1b}[32m     Summary\u{1b}[0m [ 0.1s] \u{1b}[1m3\u{1b}[0m tests run: \
                    \u{1b}[1m3\u{1b}[0m \u{1b}[32mpassed\u{1b}[0m, \u{1b}[1m0\u{1b}[0m skipped";
        assert_eq!(of(Runner::Nextest, &[line]), "3 passed, 0 failed, 0 skipped");
    }

    #[test]
    fn timed_out_counts_as_failed() {
        let line = "     Summary [ 120.0s] 3 tests run: 1 passed, 1 failed, 1 timed out, 0 skipped";
        assert_eq!(of(Runner::Nextest, &[line]), "1 passed, 2 failed, 0 skipped");
    }

    #[test]
    fn only_blocks_that_rustdoc_runs_are_documentation_tests() {
        assert!(holds_a_test("/// Adds.\n/// ```\n/// f();\n/// ```\n"));
        assert!(!holds_a_test("//! ```text\n//! a -> b\n//! ```\n"));
        assert!(!holds_a_test("//! ```toml\n//! x = 1\n//! ```\nfn f() {}\n"));
    }
}
