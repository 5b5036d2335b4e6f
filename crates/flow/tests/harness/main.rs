//! The harness: the whole table, row by row, under everything that can go wrong at one place.
//!
//! Fail at every row and unwind; every order twice; every answer lost; a crash at every journal
//! write; two drivers; abort against release; the pause budget; and the bad days that people know.
//! Nothing here names a row unless the test is about it, so a new row is covered as it is added.

mod bad_days;
mod budget;
mod contend;
mod crash;
mod drivers;
mod lost;
mod moves;
mod stage;
mod support;
mod twice;
mod unwind;
