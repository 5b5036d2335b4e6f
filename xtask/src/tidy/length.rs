//! Files of at most 600 lines of code, lines of at most 120 characters.

use crate::tidy::Finding;
use crate::tidy::tree::{File, Kind, Tree};

const RULE: &str = "length";
const CODE_LINES: usize = 600;
const CHARACTERS: usize = 120;

pub(super) fn findings(tree: &Tree) -> Vec<Finding> {
    let written = tree.files().iter().filter(|f| matches!(f.kind, Kind::Rust | Kind::Prose));
    written.flat_map(long_lines).chain(tree.of_kind(Kind::Rust).filter_map(long_file)).collect()
}

/// Blank lines, comments and what follows `#[cfg(test)]` are free, so that nobody saves on them.
fn long_file(file: &File) -> Option<Finding> {
    let tests_from = if file.tests_from() == 1 { usize::MAX } else { file.tests_from() };
    let code = file
        .lines()
        .filter(|(number, _)| *number < tests_from)
        .filter(|(_, line)| !line.trim().is_empty() && !line.trim_start().starts_with("//"))
        .count();
    (code > CODE_LINES).then(|| Finding {
        rule: RULE,
        path: file.path.clone(),
        line: 1,
        what: format!("{code} lines of code, at most {CODE_LINES}: split it by domain concept"),
    })
}

fn long_lines(file: &File) -> Vec<Finding> {
    let too_long = file.lines().filter(|(_, line)| {
        line.chars().count() > CHARACTERS && !table_row(file.kind, line) && !link_alone(line)
    });
    too_long
        .map(|(number, line)| Finding {
            rule: RULE,
            path: file.path.clone(),
            line: number,
            what: format!("{} characters, at most {CHARACTERS}: break it", line.chars().count()),
        })
        .collect()
}

fn table_row(kind: Kind, line: &str) -> bool {
    let start = if kind == Kind::Rust { line.trim_start().trim_start_matches('/') } else { line };
    start.trim_start_matches('!').trim_start().starts_with('|')
}

/// An address cannot be broken.
fn link_alone(line: &str) -> bool {
    line.split_whitespace().any(|word| word.contains("://") && word.len() > CHARACTERS / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whats(path: &str, text: &str) -> Vec<(usize, String)> {
        let found = findings(&Tree::of(&[(path, text)]));
        found.into_iter().map(|finding| (finding.line, finding.what)).collect()
    }

    #[test]
    fn only_code_before_the_tests_counts() {
        let code = "let a = 1;\n".repeat(CODE_LINES);
        let comments = "// why\n\n".repeat(50);
        let tests = format!("#[cfg(test)]\nmod tests {{\n{}}}\n", "f();\n".repeat(300));
        assert_eq!(whats("a/src/x.rs", &format!("{comments}{code}{tests}")), []);
        let found = whats("a/src/x.rs", &format!("{code}let b = 2;\n{tests}"));
        assert!(found[0].1.starts_with("601 lines of code"), "{found:?}");
    }

    #[test]
    fn file_of_tests_is_limited_too() {
        assert_eq!(whats("a/tests/main.rs", &"f();\n".repeat(CODE_LINES + 1)).len(), 1);
    }

    #[test]
    fn long_line_is_found_and_a_table_row_is_not() {
        let long = "word ".repeat(30);
        assert_eq!(whats("docs/A.md", &format!("short\n{long}\n"))[0].0, 2);
        assert_eq!(whats("docs/A.md", &format!("| {long} |\n")), []);
        assert_eq!(whats("a/src/x.rs", &format!("//! | {long} |\n")), []);
        assert_eq!(whats("docs/a.sql", &long), []);
    }
}
