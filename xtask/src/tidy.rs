//! The house rules as ordinary code. Each rule is a pure function from the tree (or from what
//! cargo knows) to findings, has its own unit tests, and is one row of [`RULES`] or of [`run`].
//! A finding names the file, the line, and what to do instead.
//!
//! `cargo test -p xtask` runs every rule that needs no network over the real tree, so a broken rule
//! of the house is a failing test as well.

mod arrows;
mod dead_files;
mod leaks;
mod length;
mod licences;
mod markers;
mod modules;
mod named_tests;
mod problems;
mod steps;
mod tree;
mod words;

use std::fmt;

use anyhow::{Result, bail};

use crate::tidy::tree::Tree;
use crate::workspace::Workspace;
use crate::{metadata, out};

/// One broken rule at one place.
#[derive(Debug, PartialEq, Eq)]
struct Finding {
    rule: &'static str,
    path: String,
    line: usize,
    what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {} [{}]", self.path, self.line, self.what, self.rule)
    }
}

type Rule = fn(&Tree) -> Vec<Finding>;

const RULES: &[Rule] = &[
    length::findings,
    modules::findings,
    words::findings,
    markers::findings,
    leaks::findings,
    problems::findings,
    named_tests::findings,
    steps::findings,
];

/// Places where a rule would be wrong, each with the reason.
const EXEMPT: &[(&str, &str, &str)] = &[
    (words::RULE, "xtask/src/tidy/words.rs", "holds the table of refused words"),
    (words::RULE, "docs/GLOSSARY.md", "names the refused words beside the chosen ones"),
    (words::RULE, "xtask/src/metadata.rs", "cargo's own name of a field"),
];

/// Runs every rule, those that ask cargo for the locked dependencies included.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let tree = Tree::read(workspace)?;
    let mut found = of_tree(workspace, &tree)?;
    found.extend(licences::findings(&metadata::locked(workspace)?.packages));
    if found.is_empty() {
        out::line(&format!("tidy: {} files keep the house rules", tree.files().len()));
        return Ok(());
    }
    found.iter().for_each(|finding| out::line(&finding.to_string()));
    bail!("{} findings of tidy", found.len())
}

fn of_tree(workspace: &Workspace, tree: &Tree) -> Result<Vec<Finding>> {
    let own = metadata::own(workspace)?;
    let mut found: Vec<Finding> = RULES.iter().flat_map(|rule| rule(tree)).collect();
    found.extend(arrows::findings(&own.packages));
    found.extend(dead_files::findings(tree, &dead_files::roots(workspace, &own.packages)));
    found.retain(|finding| !exempt(finding));
    found.sort_by(|a, b| (&a.path, a.line).cmp(&(&b.path, b.line)));
    Ok(found)
}

fn exempt(finding: &Finding) -> bool {
    EXEMPT.iter().any(|(rule, path, _)| *rule == finding.rule && *path == finding.path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tree_keeps_the_house_rules() {
        let workspace = Workspace::find().unwrap();
        let tree = Tree::read(&workspace).unwrap();
        let found = of_tree(&workspace, &tree).unwrap();
        let lines: Vec<_> = found.iter().map(Finding::to_string).collect();
        assert!(lines.is_empty(), "{} findings:\n{}", lines.len(), lines.join("\n"));
    }

    #[test]
    fn exempt_files_exist_and_need_their_exemption() {
        let tree = Tree::read(&Workspace::find().unwrap()).unwrap();
        let found: Vec<Finding> = RULES.iter().flat_map(|rule| rule(&tree)).collect();
        for (rule, path, reason) in EXEMPT {
            assert!(!reason.is_empty(), "{path} is exempt without a reason");
            let needed = found.iter().any(|finding| finding.rule == *rule && finding.path == *path);
            assert!(needed, "{path} no longer needs its exemption from {rule}");
        }
    }
}
