//! A bundle that is what was signed, in a few lines.

use landfall_report::verify::{Signer, Whole};
use serde_json::{Value, json};

use super::layout::labelled;

/// For people.
pub(crate) fn whole(bundle: &Whole, width: usize) -> String {
    let signer = match bundle.signer {
        Signer::AsAsked => "the key that was asked for",
        Signer::AsNamed => "the key that it names itself",
    };
    let counts = format!("{} lines, {} journal entries", bundle.lines, bundle.entries);
    let made = format!("{} by Landfall {}", bundle.made_at, bundle.version);
    let key = format!("{} (id {}), {signer}", bundle.key, bundle.key.id());
    let rows = [
        ("Whole:    ", counts.as_str()),
        ("Move:     ", &bundle.name),
        ("Verdict:  ", &bundle.headline),
        ("Made:     ", &made),
        ("Key:      ", &key),
    ];
    rows.map(|(label, text)| labelled(label, text, width)).join("\n")
}

/// For programs.
pub(crate) fn json(bundle: &Whole) -> Value {
    let signer = match bundle.signer {
        Signer::AsAsked => "as_asked",
        Signer::AsNamed => "as_named",
    };
    json!({
        "whole": true,
        "move": bundle.name,
        "verdict": bundle.headline,
        "made_at": bundle.made_at,
        "landfall": bundle.version,
        "lines": bundle.lines,
        "entries": bundle.entries,
        "key": bundle.key.to_string(),
        "key_id": bundle.key.id(),
        "signer": signer,
    })
}
