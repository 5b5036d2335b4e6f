//! What the cloud offers: parameters, engine versions, instance classes, certificates.
//!
//! Lists that AWS changes are data files beside this module; rules are code. PostgreSQL's own
//! parameters are not listed at all: they are read from the running server, and the data here
//! says only what AWS adds, hides, presets or forbids.

pub mod classes;
pub mod parameters;
pub mod versions;

/// The lines of a data file that are neither empty nor comments.
fn lines(text: &'static str) -> impl Iterator<Item = &'static str> {
    text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// Whether a name is in a list of names, where a trailing `*` stands for any rest.
fn matches(text: &'static str, name: &str) -> bool {
    lines(text).any(|pattern| match pattern.strip_suffix('*') {
        Some(prefix) => name.starts_with(prefix),
        None => pattern == name,
    })
}
