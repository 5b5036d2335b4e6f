//! Who puts the file of a node in its place: Landfall, or for a node elsewhere a program.
//!
//! The program reads the whole content and answers for the rest: that the node meets the old file
//! or the new one, and that it is there when the program has ended well. Only the node's own word
//! counts in the end. It may be run with the same content again.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use landfall_program::Program;

use super::{DatabasesFile, file};

pub(super) enum Writer {
    Here(PathBuf),
    Through { program: Program, words: String },
}

impl Writer {
    pub(super) fn new(file: DatabasesFile, bound: Duration) -> Self {
        match file {
            DatabasesFile::Here(path) => Self::Here(path),
            DatabasesFile::Through(words) => {
                Self::Through { program: Program::new(&words, bound), words: words.join(" ") }
            }
        }
    }

    /// Whether it could be written, as far as that is seen without writing it.
    pub(super) fn ready(&self) -> Result<(), String> {
        match self {
            Self::Here(path) => file::writable(path),
            // Tried by the hold, before the fence: the node shows whether it read what came.
            Self::Through { .. } => Ok(()),
        }
    }

    /// Puts the text in the place of what is there.
    pub(super) async fn write(&self, text: &str) -> Result<(), String> {
        match self {
            Self::Here(path) => {
                let (path, text) = (path.clone(), text.to_owned());
                let written = tokio::task::spawn_blocking(move || file::write(&path, &text)).await;
                written.unwrap_or_else(|_| Err("the file's writer died".to_owned()))
            }
            Self::Through { program, words } => {
                let done = program.run(None, text.as_bytes()).await;
                done.map(drop).map_err(|why| format!("`{words}` did not write its file: {why}"))
            }
        }
    }
}

impl fmt::Display for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Here(path) => path.display().fmt(f),
            Self::Through { words, .. } => write!(f, "that `{words}` writes"),
        }
    }
}
