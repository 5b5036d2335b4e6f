//! The harness: the whole table, row by row, under everything that can go wrong at one place.
//!
//! Fail at every row and unwind; every order twice; every answer lost; a crash at every journal
//! write; two drivers; abort against release; the pause budget; and the bad days that people know.
//! Nothing here names a row unless the test is about it, so a new row is covered as it is added.
//! (`cfg(test)` tells clippy that helpers of tests may panic.)

#[cfg(test)]
mod bad_days;
#[cfg(test)]
mod budget;
#[cfg(test)]
mod contend;
#[cfg(test)]
mod crash;
#[cfg(test)]
mod drivers;
#[cfg(test)]
mod extras;
#[cfg(test)]
mod lost;
#[cfg(test)]
mod moves;
#[cfg(test)]
mod pause;
#[cfg(test)]
mod roll_back;
#[cfg(test)]
mod routers;
#[cfg(test)]
mod stage;
#[cfg(test)]
mod support;
#[cfg(test)]
mod twice;
#[cfg(test)]
mod unwind;
#[cfg(test)]
mod watched;
#[cfg(test)]
mod way_back;
