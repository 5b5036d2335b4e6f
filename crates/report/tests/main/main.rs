//! Reports and bundles of journals of real moves, as `tests/data/make.sh` wrote them.

mod bundles;
mod pages;
mod real;
