//! Exit codes: a script tells from them what became of its command.
//!
//! They are part of the interface, like the JSON: a code never gets a second meaning.

use std::process::ExitCode;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// Done as asked.
    Done = 0,
    /// The command line, or the spec, has mistakes, or names what does not exist.
    Mistake = 1,
    /// It cannot be done in this state.
    Refused = 2,
    /// The move is stopped by a problem, or blockers were found.
    Stopped = 3,
    /// The move was undone; the source is the database, as before.
    Undone = 4,
    /// The server, AWS, the database or the store cannot be reached or used.
    Unreachable = 5,
    /// The move waits for an approval.
    Gate = 6,
    /// The move is paused by a person.
    Paused = 7,
    /// A bundle is not what was signed.
    Tampered = 8,
    /// A defect of Landfall.
    Defect = 70,
    /// Ctrl-C, or the terminal went away. The move is safe.
    Interrupted = 130,
}

impl Exit {
    /// Every code, for the help text.
    pub(crate) const ALL: [(Self, &'static str); 11] = [
        (Self::Done, "done"),
        (Self::Mistake, "a mistake in the command line or the spec, or an unknown name"),
        (Self::Refused, "cannot be done in this state"),
        (Self::Stopped, "the move is stopped by a problem, or blockers were found"),
        (Self::Undone, "the move was undone or rolled back; the source is the database"),
        (Self::Unreachable, "the server, AWS, the database or the store cannot be reached or used"),
        (Self::Gate, "the move waits for an approval"),
        (Self::Paused, "the move is paused by a person"),
        (Self::Tampered, "the bundle of a report is not what was signed"),
        (Self::Defect, "a defect of Landfall"),
        (Self::Interrupted, "interrupted; the move is safe"),
    ];

    /// The number a shell sees.
    pub(crate) const fn number(self) -> u8 {
        self as u8
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.number())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_fixed() {
        let numbers: Vec<u8> = Exit::ALL.iter().map(|(exit, _)| exit.number()).collect();
        assert_eq!(numbers, [0, 1, 2, 3, 4, 5, 6, 7, 8, 70, 130]);
    }
}
