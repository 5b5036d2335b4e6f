//! Evidence: what a move did and how that is known, as a page for people and a bundle for
//! machines.
//!
//! Pure: the entries of a journal go in, text comes out. It reads no file, asks no clock and
//! decides nothing; every figure is one that the journal or the store has, and what neither has is
//! said to be missing. [`Report`] is the one model, [`page`] and JSON are its two forms; [`bundle`]
//! holds the journal itself, so that nobody has to believe the model.

use std::collections::BTreeMap;

pub mod bundle;
mod chart;
pub mod left;
mod line;
pub mod markup;
pub mod page;
pub mod people;
pub mod picture;
pub mod proof;
pub mod seal;
pub mod story;
mod time;
pub mod trouble;
pub mod verify;
pub mod walk;

pub use story::{Judged, Made, Material, Report, Unreadable, assessed};

/// Step titles by id.
pub type Titles = BTreeMap<String, String>;
