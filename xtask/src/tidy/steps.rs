//! Each step opens with the same five labelled lines, in the same order, because the process page
//! and the reader at three in the morning both look there.

use crate::tidy::Finding;
use crate::tidy::tree::{File, Kind, Tree};

const RULE: &str = "step-header";
const STEPS: &str = "crates/flow/src/steps/";
const LABELS: [&str; 5] = ["Purpose", "Reads", "Changes", "Undo", "If it dies here"];

pub(super) fn findings(tree: &Tree) -> Vec<Finding> {
    let steps = tree.of_kind(Kind::Rust).filter(|file| file.path.starts_with(STEPS));
    steps.filter(|file| is_step(file)).filter_map(of_file).collect()
}

/// A module that only lists or shares is not a step.
fn is_step(file: &File) -> bool {
    file.lines().any(|(_, line)| line.trim_start().starts_with("impl Step for "))
}

fn of_file(file: &File) -> Option<Finding> {
    let docs = file.lines().map_while(|(_, line)| line.strip_prefix("//!"));
    let labels: Vec<&str> = docs.filter_map(label).collect();
    let opens = file.text.lines().next().and_then(|line| label(line.strip_prefix("//!")?));
    if labels == LABELS && opens.is_some() {
        return None;
    }
    let what = format!(
        "must open with `//! Purpose:`, then Reads, Changes, Undo, If it dies here, once each; \
         found: {}",
        if labels.is_empty() { "none".to_owned() } else { labels.join(", ") }
    );
    Some(Finding { rule: RULE, path: file.path.clone(), line: 1, what })
}

/// The label that a doc line begins with, plain or in bold.
fn label(doc: &str) -> Option<&'static str> {
    let text = doc.trim().trim_start_matches(['*', '-', ' ']);
    LABELS.into_iter().find(|label| {
        text.strip_prefix(label).is_some_and(|rest| rest.trim_start_matches('*').starts_with(':'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATH: &str = "crates/flow/src/steps/fence_source.rs";
    const HEADER: &str = "//! Purpose: stop writes.\n//! Reads: groups\n//! and roles.\n\
        //! Changes: groups.\n//! Undo: puts them back.\n//! If it dies here: fenced.\n";

    fn count(text: &str) -> usize {
        findings(&Tree::of(&[(PATH, text)])).len()
    }

    #[test]
    fn five_labels_in_order_at_the_top() {
        let step = "impl Step for FenceSource {}\n";
        assert_eq!(count(&format!("{HEADER}\n{step}")), 0);
        let bold = HEADER.replace("Purpose:", "**Purpose:**").replace("Undo:", "**Undo**:");
        assert_eq!(count(&format!("{}{step}", bold.replace(":**", "**:"))), 0);
        assert_eq!(count(&format!("//! A step.\n{HEADER}{step}")), 1);
        assert_eq!(count(&format!("{}{step}", HEADER.replace("Undo", "Undoing"))), 1);
        assert_eq!(count(step), 1);
    }

    #[test]
    fn list_of_steps_is_no_step() {
        assert_eq!(count("//! All steps.\nmod fence_source;\n"), 0);
    }
}
