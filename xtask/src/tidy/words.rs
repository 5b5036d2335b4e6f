//! One concept, one word: synonyms that once crept in are refused with the word to use instead.
//! Identifiers are split at underscores and at capitals; prose is searched for whole phrases.

use crate::tidy::Finding;
use crate::tidy::tree::{File, Kind, Tree};

pub(super) const RULE: &str = "words";

/// Refused as a part of an identifier of several parts, such as `src_host` or `GreenCluster`.
const PARTS: &[(&str, &str)] = &[
    ("src", "source"),
    ("dst", "target"),
    ("dest", "target"),
    ("blue", "source"),
    ("green", "target"),
    ("master", "writer, or source"),
    ("slave", "reader, or replica"),
    ("failback", "way_back"),
    ("whitelist", "allow_list"),
    ("blacklist", "deny_list"),
];

/// Refused when they stand before one of [`SIDES`], as in `old_server`.
const AGES: &[(&str, &str)] = &[("old", "source"), ("new", "target")];
const SIDES: &[&str] = &["server", "database", "primary", "side"];

/// Refused in prose and in comments, whatever the capitals.
const PHRASES: &[(&str, &str)] = &[
    ("the old server", "source"),
    ("the new server", "target"),
    ("the old primary", "source"),
    ("the new primary", "target"),
    ("old side", "source"),
    ("new side", "target"),
    ("blue environment", "source"),
    ("green environment", "target"),
    ("failback", "way back"),
    ("fail-back", "way back"),
    ("cut-over", "cutover"),
    ("whitelist", "allow-list"),
    ("blacklist", "deny-list"),
];

/// Names that AWS and others gave, compared without underscores and capitals.
const GIVEN_NAMES: &[&str] =
    &["masteruser", "masterpassword", "mastersecret", "mastersession", "bluegreen", "blueoak"];

pub(super) fn findings(tree: &Tree) -> Vec<Finding> {
    tree.written().flat_map(of_file).collect()
}

fn of_file(file: &File) -> Vec<Finding> {
    let mut found = Vec::new();
    for (number, line) in file.lines() {
        let identifiers = if file.kind == Kind::Prose { None } else { refused_identifier(line) };
        if let Some(what) = identifiers.or_else(|| refused_phrase(line)) {
            found.push(Finding { rule: RULE, path: file.path.clone(), line: number, what });
        }
    }
    found
}

fn refused_phrase(line: &str) -> Option<String> {
    let lower = line.to_lowercase();
    let (phrase, instead) = PHRASES.iter().find(|(phrase, _)| whole(&lower, phrase))?;
    Some(format!("`{phrase}`: say {instead}"))
}

fn whole(line: &str, phrase: &str) -> bool {
    line.match_indices(phrase).any(|(at, _)| {
        let before = line.get(..at).and_then(|text| text.chars().next_back());
        let after = line.get(at + phrase.len()..).and_then(|text| text.chars().next());
        !before.is_some_and(char::is_alphanumeric) && !after.is_some_and(char::is_alphanumeric)
    })
}

fn refused_identifier(line: &str) -> Option<String> {
    let names = line.split(|c: char| !c.is_alphanumeric() && c != '_');
    names.filter(|name| !name.is_empty()).find_map(|name| {
        let instead = instead_of(name)?;
        Some(format!("`{name}`: say {instead}"))
    })
}

fn instead_of(name: &str) -> Option<&'static str> {
    let flat = name.replace('_', "").to_ascii_lowercase();
    if GIVEN_NAMES.iter().any(|given| flat.contains(given)) {
        return None;
    }
    let parts = parts(name);
    // A word alone is a folder (`src`), a colour, or prose; `dst` alone is neither.
    if parts.len() < 2 {
        return (flat == "dst").then_some("target");
    }
    let refused = |part: &String| PARTS.iter().find(|(word, _)| word == part);
    if let Some((_, instead)) = parts.iter().find_map(refused) {
        return Some(instead);
    }
    parts.iter().zip(parts.iter().skip(1)).find_map(|(age, side)| {
        let (_, instead) = AGES.iter().find(|(word, _)| word == age)?;
        SIDES.contains(&side.as_str()).then_some(*instead)
    })
}

/// `srcHost`, `SrcHost` and `src_host` are all `src` and `host`.
fn parts(name: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut after_lower = false;
    for c in name.chars() {
        if c == '_' || (c.is_uppercase() && after_lower) {
            parts.push(String::new());
        }
        if c != '_'
            && let Some(part) = parts.last_mut()
        {
            part.extend(c.to_lowercase());
        }
        after_lower = c.is_lowercase() || c.is_ascii_digit();
    }
    parts.retain(|part| !part.is_empty());
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refused_parts_are_found_in_every_spelling() {
        assert_eq!(instead_of("src_host"), Some("source"));
        assert_eq!(instead_of("SrcHost"), Some("source"));
        assert_eq!(instead_of("the_dst"), Some("target"));
        assert_eq!(instead_of("GREEN_CLUSTER"), Some("target"));
        assert_eq!(instead_of("old_server"), Some("source"));
        assert_eq!(instead_of("dst"), Some("target"));
    }

    #[test]
    fn names_given_by_others_and_plain_words_pass() {
        for name in ["src", "green", "MasterUsername", "master_user_password", "source_host"] {
            assert_eq!(instead_of(name), None, "{name}");
        }
        for name in ["DescribeBlueGreenDeployments", "old_password", "NewWriter", "mastering_x"] {
            assert_eq!(instead_of(name), None, "{name}");
        }
    }

    #[test]
    fn phrases_are_whole_words() {
        assert!(refused_phrase("then the Old Server answers").is_some());
        assert!(refused_phrase("the old serverless plan, a new server").is_none());
        assert!(refused_phrase("the cut-over window").is_some());
    }

    #[test]
    fn prose_is_not_read_as_identifiers() {
        let tree = Tree::of(&[("docs/A.md", "the field `src_path` of cargo")]);
        assert_eq!(findings(&tree), []);
    }
}
