//! The files of the checkout as git sees them: tracked, or new and not ignored, so that a finding
//! appears before the commit. Only texts that people write are kept.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::program;
use crate::workspace::Workspace;

/// What a file is, as far as the rules care.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Rust,
    Prose,
    /// SQL, manifests, scripts, scenario files.
    Plain,
    /// Written by a tool: lock files, snapshots.
    Generated,
}

/// One text of the checkout; its path is relative to the root.
#[derive(Debug)]
pub(super) struct File {
    pub(super) path: String,
    pub(super) kind: Kind,
    pub(super) text: String,
}

impl File {
    pub(super) fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), kind: kind(path), text: text.to_owned() }
    }

    /// Lines with their number, from 1.
    pub(super) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(index, line)| (index + 1, line))
    }

    /// The number of the first line that only tests see: 1 for a file of tests.
    pub(super) fn tests_from(&self) -> usize {
        let of_tests = self.path.split('/').any(|part| part == "tests" || part == "e2e");
        if of_tests || self.path.ends_with("/tests.rs") {
            return 1;
        }
        let mut lines = self.lines().peekable();
        while let Some((number, line)) = lines.next() {
            // `mod tests;` is one line, and what follows it is ordinary code again.
            let body_elsewhere = lines.peek().is_some_and(|(_, next)| next.ends_with(';'));
            if line.trim() == "#[cfg(test)]" && !body_elsewhere {
                return number;
            }
        }
        usize::MAX
    }
}

/// Every text of the checkout.
pub(super) struct Tree {
    files: Vec<File>,
}

impl Tree {
    /// Reads what git lists; a listed file that somebody deletes meanwhile is skipped.
    pub(super) fn read(workspace: &Workspace) -> Result<Self> {
        let mut git = Command::new("git");
        git.current_dir(workspace.root());
        git.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
        let listed = program::capture(&mut git).context("list the files of the checkout")?;
        let paths: BTreeSet<&str> = listed.split('\0').filter(|path| !path.is_empty()).collect();
        let files: Vec<File> = paths
            .into_iter()
            .filter_map(|path| {
                let text = fs::read_to_string(workspace.root().join(path)).ok()?;
                Some(File::new(path, &text))
            })
            .collect();
        if files.is_empty() {
            bail!("git lists no file of the checkout")
        } else {
            Ok(Self { files })
        }
    }

    pub(super) fn files(&self) -> &[File] {
        &self.files
    }

    pub(super) fn of_kind(&self, kind: Kind) -> impl Iterator<Item = &File> {
        self.files.iter().filter(move |file| file.kind == kind)
    }

    /// Everything that a person wrote.
    pub(super) fn written(&self) -> impl Iterator<Item = &File> {
        self.files.iter().filter(|file| file.kind != Kind::Generated)
    }

    #[cfg(test)]
    pub(super) fn of(files: &[(&str, &str)]) -> Self {
        Self { files: files.iter().map(|(path, text)| File::new(path, text)).collect() }
    }
}

fn kind(path: &str) -> Kind {
    let name = path.rsplit('/').next().unwrap_or(path);
    match name.rsplit_once('.').map_or("", |(_, ending)| ending) {
        "rs" => Kind::Rust,
        "md" => Kind::Prose,
        "lock" | "snap" => Kind::Generated,
        _ if name == "LICENSE" => Kind::Generated,
        _ => Kind::Plain,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_begin_at_the_module_but_not_at_its_declaration() {
        let inline = File::new("a/src/x.rs", "fn f() {}\n#[cfg(test)]\nmod tests {\n}\n");
        assert_eq!(inline.tests_from(), 2);
        let declared = File::new("a/src/x.rs", "#[cfg(test)]\nmod tests;\nfn f() {}\n");
        assert_eq!(declared.tests_from(), usize::MAX);
        assert_eq!(File::new("a/tests/main.rs", "fn f() {}\n").tests_from(), 1);
        assert_eq!(File::new("a/src/x/tests.rs", "fn f() {}\n").tests_from(), 1);
    }

    #[test]
    fn kinds_follow_the_name() {
        assert_eq!(kind("crates/a/src/x.rs"), Kind::Rust);
        assert_eq!(kind("docs/X.md"), Kind::Prose);
        assert_eq!(kind("Cargo.lock"), Kind::Generated);
        assert_eq!(kind(".ci/run"), Kind::Plain);
    }
}
