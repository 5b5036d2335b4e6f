//! Whose an object is: the tags Landfall puts on what it creates, and what they allow.
//!
//! A name is no proof, because anybody can take a name. An object is a move's own when its
//! [`TAG_MIGRATION`] names that move; the epoch tag is evidence only, since a later orchestrator
//! of the same move goes on with what an earlier one made.

use aws_sdk_rds::types::Tag;
use landfall_core::port::Stamp;
use landfall_core::port::cloud::{ResourceState, TAG_EPOCH, TAG_MIGRATION, Tags};
use landfall_core::{Failure, FailureKind};

/// The tags of everything created for `stamp`.
pub(crate) fn stamped(stamp: &Stamp) -> Vec<Tag> {
    vec![tag(TAG_MIGRATION, stamp.migration.as_str()), tag(TAG_EPOCH, &stamp.epoch.to_string())]
}

fn tag(key: &str, value: &str) -> Tag {
    Tag::builder().key(key).value(value).build()
}

/// Tags as a view has them.
pub(crate) fn tags(list: &[Tag]) -> Tags {
    list.iter()
        .filter_map(|tag| {
            let key = tag.key()?.to_owned();
            Some((key, tag.value().unwrap_or_default().to_owned()))
        })
        .collect()
}

/// Passes when `tags` say that `object` is the move's own.
pub(crate) fn require_ours(
    what: &str,
    object: &str,
    tags: &Tags,
    stamp: &Stamp,
) -> Result<(), Failure> {
    let owner = match tags.get(TAG_MIGRATION) {
        Some(owner) if owner == stamp.migration.as_str() => return Ok(()),
        Some(other) => format!("belongs to the move {other}"),
        None => format!("has no tag {TAG_MIGRATION}"),
    };
    Err(Failure::new(
        FailureKind::TakenByAnother,
        what,
        format!("{object} exists and {owner}, not to the move {}", stamp.migration),
    ))
}

/// What a look found under the name of something that was to be created.
pub(crate) struct Existing {
    pub(crate) tags: Tags,
    pub(crate) state: ResourceState,
}

/// Whether a creation refused for this reason may have been done before: AWS does not say in
/// which order it checks the name, the state of others, the values and the quota.
pub(crate) const fn may_exist(refusal: FailureKind) -> bool {
    matches!(
        refusal,
        FailureKind::TakenByAnother
            | FailureKind::WrongState
            | FailureKind::Invalid
            | FailureKind::QuotaExceeded
    )
}

/// What a refused creation comes to after a look: done before, somebody else's name, or refused.
pub(crate) fn settle(
    refusal: Failure,
    object: &str,
    found: Option<Existing>,
    stamp: &Stamp,
) -> Result<(), Failure> {
    let Some(found) = found else {
        let taken = refusal.kind == FailureKind::TakenByAnother;
        return Err(if taken { going(&refusal.what, object) } else { refusal });
    };
    require_ours(&refusal.what, object, &found.tags, stamp)?;
    match found.state {
        ResourceState::Deleting => Err(going(&refusal.what, object)),
        ResourceState::Available | ResourceState::Busy(_) | ResourceState::Failed(_) => Ok(()),
    }
}

fn going(what: &str, object: &str) -> Failure {
    Failure::new(
        FailureKind::WrongState,
        what,
        format!("the name of {object} is still taken by something that is being deleted"),
    )
}

/// An order needs an object that is not there.
pub(crate) fn missing(what: &str, object: &str) -> Failure {
    Failure::new(FailureKind::NotFound, what, format!("{object} does not exist"))
}

#[cfg(test)]
mod tests {
    use landfall_core::Epoch;

    use super::*;

    fn stamp() -> Stamp {
        Stamp { migration: "orders".into(), epoch: Epoch(3) }
    }

    #[test]
    fn what_we_stamp_is_ours_for_every_epoch() {
        let made = tags(&stamped(&stamp()));
        assert_eq!(made.get(TAG_MIGRATION).map(String::as_str), Some("orders"));
        assert_eq!(made.get(TAG_EPOCH).map(String::as_str), Some("3"));
        let later = Stamp { epoch: Epoch(9), ..stamp() };
        assert_eq!(require_ours("delete it", "cluster c", &made, &later), Ok(()));
    }

    #[test]
    fn anothers_and_nobodys_are_refused_by_name() {
        let other = Stamp { migration: "billing".into(), epoch: Epoch(3) };
        for (tags, reason) in [(tags(&stamped(&other)), "billing"), (Tags::new(), "no tag")] {
            let refusal = require_ours("delete it", "cluster c", &tags, &stamp()).unwrap_err();
            assert_eq!(refusal.kind, FailureKind::TakenByAnother);
            assert!(refusal.detail.contains("cluster c"), "{refusal}");
            assert!(refusal.detail.contains(reason), "{refusal}");
        }
    }

    fn existing(stamp: &Stamp, state: ResourceState) -> Existing {
        Existing { tags: tags(&stamped(stamp)), state }
    }

    #[test]
    fn a_refused_creation_is_done_when_ours_stands() {
        let other = Stamp { migration: "billing".into(), epoch: Epoch(3) };
        let refused = |kind| Failure::new(kind, "create it", "AWS's words");
        let taken = FailureKind::TakenByAnother;
        let ours = existing(&stamp(), ResourceState::Busy("creating".into()));
        assert_eq!(settle(refused(taken), "cluster c", Some(ours), &stamp()), Ok(()));
        for (found, reason, kind) in [
            (Some(existing(&other, ResourceState::Available)), taken, taken),
            (Some(existing(&stamp(), ResourceState::Deleting)), taken, FailureKind::WrongState),
            (None, taken, FailureKind::WrongState),
            (None, FailureKind::QuotaExceeded, FailureKind::QuotaExceeded),
            (Some(existing(&other, ResourceState::Available)), FailureKind::Invalid, taken),
        ] {
            let settled = settle(refused(reason), "cluster c", found, &stamp()).unwrap_err();
            assert_eq!(settled.kind, kind, "{settled}");
        }
    }
}
