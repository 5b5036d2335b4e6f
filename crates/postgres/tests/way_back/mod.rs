//! The way back between real servers, of two majors.

mod conformance;
mod flow;
mod obstacles;
mod sides;
mod size;
mod trouble;
