//! Rust files that no module declares: cargo ignores them in silence, and so would a reviewer.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::metadata::Package;
use crate::tidy::Finding;
use crate::tidy::tree::{File, Kind, Tree};
use crate::workspace::Workspace;

const RULE: &str = "dead-file";

/// The files that cargo starts from, relative to the checkout.
pub(super) fn roots(workspace: &Workspace, own: &[Package]) -> Vec<String> {
    let targets = own.iter().flat_map(|package| &package.targets);
    let relative = targets.filter_map(|target| target.root.strip_prefix(workspace.root()).ok());
    relative.map(|path| path.to_string_lossy().into_owned()).collect()
}

pub(super) fn findings(tree: &Tree, roots: &[String]) -> Vec<Finding> {
    let files: BTreeMap<&str, &File> =
        tree.of_kind(Kind::Rust).map(|file| (file.path.as_str(), file)).collect();
    let mut reached: BTreeSet<String> = BTreeSet::new();
    let mut open: Vec<String> = roots.to_vec();
    while let Some(path) = open.pop() {
        if let Some(file) = files.get(path.as_str())
            && reached.insert(path.clone())
        {
            open.extend(declared(file, &home(&path, roots)));
        }
    }
    let dead = files.keys().filter(|path| !reached.contains(**path));
    dead.map(|path| Finding {
        rule: RULE,
        path: (*path).to_owned(),
        line: 1,
        what: "no module declares this file: add `mod`, or remove it".to_owned(),
    })
    .collect()
}

/// The folder in which a file's modules lie: its own for a root and for `mod.rs`, else one named
/// after it.
fn home(path: &str, roots: &[String]) -> String {
    let stem = path.strip_suffix(".rs").unwrap_or(path);
    let beside = stem.ends_with("/mod") || roots.iter().any(|root| root == path);
    if beside { parent(path) } else { stem.to_owned() }
}

/// Every place where the modules that a file declares may be.
fn declared(file: &File, home: &str) -> Vec<String> {
    let folder = parent(&file.path);
    let mut found = Vec::new();
    let mut named_path: Option<String> = None;
    for (_, line) in file.lines() {
        let line = line.trim();
        if let Some(path) = between(line, "#[path = \"", "\"]") {
            named_path = Some(path.to_owned());
        } else if let Some(path) = between(line, "include!(\"", "\")") {
            found.push(join(&folder, path));
        } else if let Some(name) = module(line) {
            match named_path.take() {
                Some(path) => found.push(join(&folder, &path)),
                None => {
                    found.push(join(home, &format!("{name}.rs")));
                    found.push(join(home, &format!("{name}/mod.rs")));
                }
            }
        }
    }
    found
}

/// The name in `mod x;`, `pub mod x;`, `pub(crate) mod x;`.
fn module(line: &str) -> Option<&str> {
    let (before, rest) = line.split_once("mod ")?;
    let visible = before.is_empty() || (before.starts_with("pub") && before.ends_with(' '));
    let name = rest.split_once(';')?.0.trim();
    let named = name.chars().all(|c| c.is_alphanumeric() || c == '_');
    (visible && named).then_some(name)
}

fn between<'a>(line: &'a str, start: &str, end: &str) -> Option<&'a str> {
    Some(line.split_once(start)?.1.split_once(end)?.0)
}

fn parent(path: &str) -> String {
    Path::new(path).parent().map(|folder| folder.to_string_lossy().into_owned()).unwrap_or_default()
}

/// Joins and resolves `..`, so that the result compares with listed paths.
fn join(folder: &str, path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in folder.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            other => parts.push(other),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dead(files: &[(&str, &str)], roots: &[&str]) -> Vec<String> {
        let roots: Vec<String> = roots.iter().map(|root| (*root).to_owned()).collect();
        findings(&Tree::of(files), &roots).into_iter().map(|finding| finding.path).collect()
    }

    #[test]
    fn modules_are_followed_in_both_layouts() {
        let files = [
            ("a/src/lib.rs", "pub mod slot;\nmod fence;\n#[cfg(test)]\nmod tests;\n"),
            ("a/src/slot.rs", "pub(crate) mod name;\n"),
            ("a/src/slot/name.rs", ""),
            ("a/src/fence/mod.rs", "mod proof;\n"),
            ("a/src/fence/proof.rs", ""),
            ("a/src/tests.rs", ""),
            ("a/src/forgotten.rs", ""),
        ];
        assert_eq!(dead(&files, &["a/src/lib.rs"]), ["a/src/forgotten.rs"]);
    }

    #[test]
    fn named_paths_and_includes_reach_files() {
        let files = [
            ("a/tests/main.rs", "#[path = \"../shared/x.rs\"]\nmod x;\ninclude!(\"y.rs\");\n"),
            ("a/shared/x.rs", ""),
            ("a/tests/y.rs", ""),
        ];
        assert_eq!(dead(&files, &["a/tests/main.rs"]), Vec::<String>::new());
    }

    #[test]
    fn comment_about_a_module_declares_nothing() {
        let files = [("a/src/lib.rs", "// mod slot;\n"), ("a/src/slot.rs", "")];
        assert_eq!(dead(&files, &["a/src/lib.rs"]), ["a/src/slot.rs"]);
    }
}
