//! Every problem code has its page, and every page its code.

use std::collections::BTreeMap;

use crate::tidy::Finding;
use crate::tidy::tree::{Kind, Tree};

const RULE: &str = "problem-page";
const CODES: &str = "crates/core/src/problem";
const PAGES: &str = "docs/problems/";

pub(super) fn findings(tree: &Tree) -> Vec<Finding> {
    let codes = codes(tree);
    let pages = pages(tree);
    let mut found = Vec::new();
    for (code, (path, line)) in &codes {
        if !pages.contains_key(code) {
            let what = format!("{code} has no page: write {PAGES}{code}.md");
            found.push(Finding { rule: RULE, path: path.clone(), line: *line, what });
        }
    }
    for (code, path) in &pages {
        if !codes.contains_key(code) {
            let what = format!("no problem has the code {code}: remove the page or add the code");
            found.push(Finding { rule: RULE, path: path.clone(), line: 1, what });
        }
    }
    found
}

/// Codes as the source text has them: string literals such as "LF-001", outside tests.
fn codes(tree: &Tree) -> BTreeMap<String, (String, usize)> {
    let mut codes = BTreeMap::new();
    let files = tree.of_kind(Kind::Rust).filter(|file| file.path.starts_with(CODES));
    for file in files {
        for (number, line) in file.lines().take_while(|(n, _)| *n < file.tests_from()) {
            let literals = line.split('"').skip(1).step_by(2);
            for literal in literals.filter(|text| is_code(text)) {
                codes.entry(literal.to_owned()).or_insert((file.path.clone(), number));
            }
        }
    }
    codes
}

fn pages(tree: &Tree) -> BTreeMap<String, String> {
    let pages = tree.of_kind(Kind::Prose).filter_map(|file| {
        let code = file.path.strip_prefix(PAGES)?.strip_suffix(".md")?;
        is_code(code).then(|| (code.to_owned(), file.path.clone()))
    });
    pages.collect()
}

fn is_code(text: &str) -> bool {
    text.strip_prefix("LF-")
        .is_some_and(|number| number.len() == 3 && number.bytes().all(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str =
        "pub const A: Code = Code(\"LF-001\");\n#[cfg(test)]\nmod t {\n \"LF-999\"\n}\n";

    #[test]
    fn code_and_page_need_each_other() {
        let code = ("crates/core/src/problem/code.rs", TABLE);
        let page = ("docs/problems/LF-001.md", "# …");
        assert_eq!(findings(&Tree::of(&[code, page])), []);
        assert_eq!(findings(&Tree::of(&[code])).len(), 1);
        let alone = findings(&Tree::of(&[page]));
        assert!(alone[0].what.contains("no problem has the code LF-001"), "{alone:?}");
    }

    #[test]
    fn other_pages_and_other_files_are_no_codes() {
        let index = ("docs/problems/README.md", "LF-002");
        let elsewhere = ("crates/flow/src/step.rs", "\"LF-003\"");
        assert_eq!(findings(&Tree::of(&[index, elsewhere])), []);
    }
}
