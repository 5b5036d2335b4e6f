//! The only place that prints. Plain lines on stdout, trouble on stderr, no colour and no cursor
//! tricks: most of what is printed here is read in a CI log.

/// One line of ordinary output.
#[expect(clippy::print_stdout, reason = "the one place of this tool that prints")]
pub(crate) fn line(text: &str) {
    println!("{text}");
}

/// One line that a person has to read because something did not work.
#[expect(clippy::print_stderr, reason = "the one place of this tool that prints")]
pub(crate) fn problem(text: &str) {
    eprintln!("xtask: {text}");
}
