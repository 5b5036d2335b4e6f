//! Collations: whether text is ordered on the target as the indexes were built.

use landfall_core::finding::{Finding, Learnt};

use super::asking::{count, names, of_each, of_server, plain, within};
use super::{Seen, page};
use crate::question::collation::{Collations, DatabaseCollations};

/// The first minors whose collation library is pinned on both RDS and Aurora, by major.
const PINNED_SINCE: &[(u32, u32)] = &[(14, 6), (13, 9), (12, 13), (11, 18)];

const REINDEX: &str = "Run reindex on what is ordered by it, then alter … refresh collation version, before the move.";

pub(super) fn library(seen: &Seen<'_>) -> Vec<Finding> {
    let version = &seen.instance.engine_version;
    let plain = version.split('-').next().unwrap_or(version);
    let mut parts = plain.split('.').map(str::parse::<u32>);
    let (Some(Ok(major)), Some(Ok(minor))) = (parts.next(), parts.next()) else { return vec![] };
    let since = PINNED_SINCE.iter().find(|(of, _)| *of == major).map(|(_, minor)| *minor);
    let old = since.is_some_and(|since| minor < since) || major < 11;
    if !old {
        return vec![];
    }
    let what = format!("PostgreSQL {version} is older than the pinned collation library");
    vec![
        Finding::warning(&seen.instance.id, what)
            .learnt(Learnt::Inferred)
            .why("Aurora may order text otherwise: indexes on text then miss rows, silently.")
            .remedy(
                "Upgrade the source's minor first, and reindex there; or reindex on the target.",
            )
            .see(page::COLLATIONS),
    ]
}

pub(super) fn of_databases(seen: &Seen<'_>) -> Vec<Finding> {
    of_server::<DatabaseCollations>(seen, "collation versions of databases").judge(|said| {
        let all = said.iter().flat_map(|(_, DatabaseCollations(list))| &list.items);
        all.filter(|one| one.recorded != one.actual)
            .map(|one| {
                let what = format!(
                    "its collation {} was recorded as version {}, and the library is {}",
                    plain(&one.collate),
                    one.recorded.as_deref().unwrap_or("none"),
                    one.actual.as_deref().unwrap_or("none")
                );
                Finding::warning(plain(&one.name), what)
                    .why("Indexes on text may be in another order than queries expect.")
                    .remedy(REINDEX)
                    .see(page::COLLATIONS)
            })
            .collect()
    })
}

pub(super) fn of_columns(seen: &Seen<'_>) -> Vec<Finding> {
    of_each::<Collations>(seen, "collations of indexes").judge(|said| {
        let all = said.iter().flat_map(|(db, one)| {
            one.collations.items.iter().map(move |collation| (db, collation))
        });
        let differ: Vec<_> = all.filter(|(_, one)| one.recorded != one.actual).collect();
        let uses: u64 = differ.iter().map(|(_, one)| one.uses).sum();
        if differ.is_empty() {
            return vec![];
        }
        let listed = names(differ.iter().map(|(db, one)| within(db, &one.schema, &one.name)), 0);
        let what = format!(
            "{} ordered by collations of another version than the library: {listed}",
            count(uses, "index is", "indexes are")
        );
        vec![
            Finding::warning(&seen.instance.id, what)
                .why("Such an index may miss rows, on the source already.")
                .remedy(REINDEX)
                .see(page::COLLATIONS),
        ]
    })
}
