//! The bundle: whole, and with anything changed in it.

use std::sync::LazyLock;

use landfall_report::bundle::bundle;
use landfall_report::seal::{PublicKey, SigningKey};
use landfall_report::verify::{Signer, Wrong, verify};
use proptest::prelude::*;

use crate::real::{ACCESS, entries, report};

fn key() -> SigningKey {
    SigningKey::from_seed(&[42; 32]).expect("32 bytes are a key")
}

fn made_with(key: &SigningKey, entries_kept: usize) -> String {
    let mut entries = entries(ACCESS);
    entries.truncate(entries_kept);
    bundle(&entries, &[], &report(&entries), key).expect("a bundle")
}

static BUNDLE: LazyLock<String> = LazyLock::new(|| made_with(&key(), 40));

fn lines() -> Vec<&'static str> {
    BUNDLE.lines().collect()
}

fn file(lines: &[&str]) -> String {
    lines.iter().map(|line| format!("{line}\n")).collect()
}

/// The first bad line and what is wrong with it.
fn found(file: &str, asked: Option<PublicKey>) -> (u64, Wrong) {
    let broken = verify(file.as_bytes(), asked.as_ref()).expect_err("it verifies");
    (broken.line, broken.wrong)
}

#[test]
fn a_whole_bundle_says_what_it_is() {
    let public = key().public();
    let whole = verify(BUNDLE.as_bytes(), Some(&public)).unwrap();
    assert_eq!((whole.name.as_str(), whole.entries), ("shop", 40));
    assert_eq!((whole.key, whole.signer), (public, Signer::AsAsked));
    assert!(whole.headline.starts_with("Not over: "), "{whole:?}");
    assert_eq!(whole.lines, u64::try_from(lines().len()).unwrap());
    let named = verify(BUNDLE.as_bytes(), None).unwrap();
    assert_eq!((named.key, named.signer), (public, Signer::AsNamed));
}

#[test]
fn every_entry_is_in_it_as_it_was() {
    let all = entries(ACCESS);
    let kept = lines().into_iter().filter_map(|line| {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        let entry = (line["kind"] == "entry").then(|| line["body"].clone())?;
        Some(serde_json::from_value(entry).unwrap())
    });
    let kept: Vec<landfall_core::journal::Entry> = kept.collect();
    assert_eq!(kept, all[..40]);
}

#[test]
fn a_changed_record_is_named() {
    let text = BUNDLE.replacen("the wrong evening", "the right evening", 1);
    let broken = verify(text.as_bytes(), None).unwrap_err();
    assert_eq!(
        broken.to_string(),
        "line 10 (journal entry 9): changed; its text is not what was signed"
    );
}

#[test]
fn what_became_of_a_line_is_told() {
    let lines = lines();
    let with = |change: &dyn Fn(&mut Vec<&'static str>)| {
        let mut changed = lines.clone();
        change(&mut changed);
        found(&file(&changed), None)
    };
    let last = u64::try_from(lines.len()).unwrap();
    assert_eq!(
        with(&|l| {
            l.remove(4);
        }),
        (5, Wrong::Missing { first: 5, last: 5 })
    );
    assert_eq!(
        with(&|l| {
            l.drain(4..9);
        }),
        (5, Wrong::Missing { first: 5, last: 9 })
    );
    assert_eq!(
        with(&|l| {
            l.remove(0);
        }),
        (1, Wrong::Missing { first: 1, last: 1 })
    );
    assert_eq!(with(&|l| l.swap(4, 9)), (5, Wrong::Moved { number: 10 }));
    assert_eq!(with(&|l| l.insert(5, l[4])), (6, Wrong::Inserted));
    assert_eq!(with(&|l| l.insert(5, "{\"line\":6}")), (6, Wrong::Inserted));
    assert_eq!(with(&|l| l.push("")), (last + 1, Wrong::Inserted));
    assert_eq!(
        with(&|l| {
            l.pop();
        }),
        (last, Wrong::Truncated)
    );
    assert_eq!(with(&|l| l.truncate(20)), (21, Wrong::Truncated));
    let cut: String = BUNDLE.chars().take(BUNDLE.chars().count() - 10).collect();
    assert_eq!(found(&cut, None), (last, Wrong::Truncated));
    assert_eq!(found(BUNDLE.trim_end(), None), (last, Wrong::Truncated));
    assert_eq!(found("", None), (1, Wrong::NotABundle));
    assert_eq!(found("PK\u{3}\u{4}\n", None), (1, Wrong::NotABundle));
}

#[test]
fn a_line_of_another_bundle_of_the_same_key_does_not_fit() {
    let other = made_with(&key(), 41);
    let mut mixed = lines();
    mixed[5] = other.lines().nth(5).unwrap();
    assert_eq!(found(&file(&mixed), None), (6, Wrong::Foreign));
}

#[test]
fn another_key_is_told_whoever_signed_it_whole() {
    let forged = made_with(&SigningKey::from_seed(&[43; 32]).unwrap(), 40);
    assert!(verify(forged.as_bytes(), None).is_ok(), "it is whole by its own words");
    let (line, wrong) = found(&forged, Some(key().public()));
    assert!(line == 1 && matches!(wrong, Wrong::WrongKey { .. }), "{wrong:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_changed_byte_is_found_in_its_line(at in 0..BUNDLE.len(), flip in 1_u8..=255) {
        let mut bytes = BUNDLE.clone().into_bytes();
        bytes[at] ^= flip;
        let ends = BUNDLE.bytes().take(at).filter(|byte| *byte == b'\n').count();
        let line = u64::try_from(ends + 1).unwrap();
        let public = key().public();
        for asked in [None, Some(&public)] {
            let broken = verify(&bytes, asked).expect_err("it verifies");
            // A line end that is gone joins two lines, and the first of them is bad.
            prop_assert_eq!(broken.line, line, "{}", broken);
        }
    }

    #[test]
    fn any_line_gone_twice_or_moved_is_found(at in 0..lines().len(), other in 0..lines().len()) {
        let public = key().public();
        let mut gone = lines();
        gone.remove(at);
        prop_assert!(verify(file(&gone).as_bytes(), Some(&public)).is_err());
        let mut twice = lines();
        twice.insert(other, lines()[at]);
        prop_assert!(verify(file(&twice).as_bytes(), Some(&public)).is_err());
        if at != other {
            let mut swapped = lines();
            swapped.swap(at, other);
            let broken = verify(file(&swapped).as_bytes(), Some(&public)).unwrap_err();
            prop_assert_eq!(broken.line, u64::try_from(at.min(other) + 1).unwrap());
        }
    }

    #[test]
    fn anything_is_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(verify(&bytes, None).is_err());
    }
}
