//! The adapter against answers written down here: what it sends, and what it makes of what comes.
//!
//! No state machine: that is the lab's part (`tests/lab.rs`). Here are the answers a lab hardly
//! gives — pages, foreign units, broken bodies, a door that never answers.

#[cfg(test)]
mod door;
#[cfg(test)]
mod environment;
#[cfg(test)]
mod orders;
#[cfg(test)]
mod reads;
#[cfg(test)]
mod trouble;
