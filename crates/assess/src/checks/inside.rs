//! What only SQL access sees, by the views that every move needs.

use landfall_core::Code;
use landfall_core::finding::{Finding, Learnt};

use super::Seen;

pub(super) fn access(seen: &Seen<'_>) -> Vec<Finding> {
    let id = &seen.instance.id;
    if let Some(why) = &seen.inventory.not_looked {
        let what = format!("access is given, but the database could not be looked at: {why}");
        return vec![Finding::blocker(Code::AccessTooWeak, id, what).learnt(Learnt::Sql).remedy(
            "Check [access], the security groups, and the role's rights; or remove [access].",
        )];
    }
    if seen.inventory.inside.is_some() || seen.spec.access.is_some() {
        return vec![];
    }
    vec![Finding::not_looked(
        id,
        "not looked inside the database: the spec gives no access",
        "Extensions, sessions and prepared transactions stay unknown until the fence.",
    )]
}

pub(super) fn prepared(seen: &Seen<'_>) -> Vec<Finding> {
    let prepared = seen.inventory.inside.iter().flat_map(|inside| &inside.prepared);
    let what = "a prepared transaction is open; the fence does not end it";
    prepared
        .map(|gid| {
            Finding::warning(gid, what)
                .learnt(Learnt::Sql)
                .remedy("Commit or roll it back before the cutover.")
        })
        .collect()
}

pub(super) fn slots(seen: &Seen<'_>) -> Vec<Finding> {
    let slots = || seen.inventory.inside.iter().flat_map(|inside| &inside.slots);
    let idle = slots().filter(|slot| !slot.active).map(|slot| {
        let what = format!(
            "a slot that nobody uses keeps {} of WAL and hides the replica's lag",
            slot.retained
        );
        Finding::warning(&slot.name, what).remedy("Find its owner; drop it when nobody needs it.")
    });
    let logical = slots().filter(|slot| slot.plugin.is_some()).map(|slot| {
        let what =
            "a logical slot does not survive the promotion, and this version does not carry it over";
        Finding::warning(&slot.name, what)
            .remedy("Stop its consumer before the cutover and plan a backfill.")
    });
    idle.chain(logical).map(|finding| finding.learnt(Learnt::Sql)).collect()
}
