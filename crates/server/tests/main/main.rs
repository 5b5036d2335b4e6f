//! The server through its HTTP door, without AWS, a database or a gateway: what it answers, what
//! it refuses, and what it writes into journals.

// Marked as tests for clippy, which otherwise takes their helpers for the program's own code.
#[cfg(test)]
mod answers;
#[cfg(test)]
mod orders;
#[cfg(test)]
mod place;
#[cfg(test)]
mod report;
#[cfg(test)]
mod start;
#[cfg(test)]
mod unreadable;
