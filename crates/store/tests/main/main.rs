//! Both stores against the contract, and against what happens to files and processes.

// Marked as tests for clippy, which otherwise takes their helpers for the program's own code.
#[cfg(test)]
mod conformance;
#[cfg(test)]
mod file;
#[cfg(test)]
mod processes;
#[cfg(test)]
mod shared;
