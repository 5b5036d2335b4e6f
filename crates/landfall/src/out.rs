//! The only place that prints: data on stdout, everything else on stderr.
//!
//! A reader that went away (`| head`) is no reason to fail: what cannot be written is dropped.

use std::io::{IsTerminal, Write};

use serde::Serialize;

/// How wide text is laid out when nobody's window says otherwise.
const WIDTH: usize = 100;
const NARROWEST: usize = 40;
const WIDEST: usize = 120;

/// What people read, or what programs read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// Text.
    Text,
    /// JSON.
    Json,
}

/// Where a command's words go.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Out {
    /// What stdout gets.
    pub(crate) form: Form,
}

impl Out {
    /// Data: JSON in one form, the text of `show` in the other.
    pub(crate) fn data<T: Serialize>(self, value: &T, show: impl FnOnce(usize) -> String) {
        match self.form {
            Form::Json => self.json(value),
            Form::Text => to_stdout(&show(self.width())),
        }
    }

    /// Whether stdout gets JSON.
    pub(crate) const fn is_json(self) -> bool {
        matches!(self.form, Form::Json)
    }

    /// One JSON document.
    pub(crate) fn json<T: Serialize>(self, value: &T) {
        let text = serde_json::to_string_pretty(value).expect("the API's types are plain data");
        to_stdout(&text);
    }

    /// One JSON document on one line, for a stream of them.
    pub(crate) fn json_line<T: Serialize>(self, value: &T) {
        to_stdout(&serde_json::to_string(value).expect("the API's types are plain data"));
    }

    /// Text that is data in either form.
    pub(crate) fn text(self, text: &str) {
        to_stdout(text);
    }

    /// What a person should know, on stderr.
    pub(crate) fn say(self, text: &str) {
        let mut stderr = std::io::stderr().lock();
        let _ = writeln!(stderr, "{}", text.trim_end_matches('\n'));
    }

    /// How many columns text may use.
    pub(crate) fn width(self) -> usize {
        let stdout = std::io::stdout();
        if !stdout.is_terminal() {
            return WIDTH;
        }
        let columns =
            rustix::termios::tcgetwinsize(stdout).map_or(0, |size| usize::from(size.ws_col));
        if columns == 0 { WIDTH } else { columns.clamp(NARROWEST, WIDEST) }
    }
}

fn to_stdout(text: &str) {
    let mut stdout = std::io::stdout().lock();
    let _ = writeln!(stdout, "{}", text.trim_end_matches('\n'));
    let _ = stdout.flush();
}
