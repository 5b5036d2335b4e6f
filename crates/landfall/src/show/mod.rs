//! What people read: each view of the API as text of a given width. Pure; nothing here prints.
//!
//! A mark never carries meaning alone: what it says is said in words too.

pub(crate) mod assessment;
pub(crate) mod bundle;
pub(crate) mod certificates;
pub(crate) mod history;
pub(crate) mod layout;
pub(crate) mod plan;
pub(crate) mod probes;
pub(crate) mod problem;
pub(crate) mod replica;
pub(crate) mod routes;
#[cfg(test)]
pub(crate) mod sample;
pub(crate) mod slots;
pub(crate) mod standing;
pub(crate) mod time;
pub(crate) mod waiting;

/// What an error comes down to.
pub(crate) fn root(error: &dyn std::error::Error) -> String {
    let mut root = error;
    while let Some(cause) = root.source() {
        root = cause;
    }
    root.to_string()
}

/// An error with everything that caused it, on one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
