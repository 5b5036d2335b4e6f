//! Each module says at its top what it is, and is named after a concept of the domain.

use crate::tidy::Finding;
use crate::tidy::tree::{File, Kind, Tree};

const RULE: &str = "module";
const REFUSED: &[&str] = &["utils", "util", "common", "helpers", "helper", "types", "misc"];

pub(super) fn findings(tree: &Tree) -> Vec<Finding> {
    tree.of_kind(Kind::Rust).flat_map(of_file).collect()
}

fn of_file(file: &File) -> Vec<Finding> {
    let finding = |what: String| Finding { rule: RULE, path: file.path.clone(), line: 1, what };
    let mut found = Vec::new();
    let documented = file.text.lines().any(|line| line.starts_with("//!"));
    // An empty crate has nothing to say yet.
    let has_code = file.text.lines().any(|line| !line.trim().is_empty() && line != "fn main() {}");
    if has_code && !documented {
        found.push(finding("no `//!` lines: say what it is and what it is not".to_owned()));
    }
    if let Some(name) = file.path.split(['/', '.']).find(|part| REFUSED.contains(part)) {
        found.push(finding(format!("`{name}` says nothing: name it after what it holds")));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(path: &str, text: &str) -> usize {
        findings(&Tree::of(&[(path, text)])).len()
    }

    #[test]
    fn module_without_docs_or_with_an_empty_name_is_found() {
        assert_eq!(count("a/src/slot.rs", "//! Slots.\nfn f() {}\n"), 0);
        assert_eq!(count("a/src/slot.rs", "fn f() {}\n"), 1);
        assert_eq!(count("a/src/lib.rs", ""), 0);
        assert_eq!(count("a/src/utils.rs", "//! Things.\n"), 1);
        assert_eq!(count("a/tests/common/mod.rs", "//! Things.\n"), 1);
    }
}
