//! Tables and indexes: what does not reach a replica, what the way back cannot carry, what is
//! broken already.

use landfall_core::finding::Finding;

use super::asking::{Heard, count, names, of_each, of_server, plain, within};
use super::{Seen, page};
use crate::question::Listed;
use crate::question::database::Tablespaces;
use crate::question::identity::{IdentityTable, TablesWithFullIdentity, TablesWithoutIdentity};
use crate::question::table::{
    InvalidIndexes, LargeObjects, RowSecurity, UnanalyzedTables, UnloggedTables,
};
use landfall_core::quantity::ByteCount;

/// All items of all databases, named, with how many there are.
fn gathered<'a, T: 'a, L>(
    said: &'a [(String, L)],
    list: impl Fn(&'a L) -> &'a Listed<T>,
    name: impl Fn(&'a str, &'a T) -> String,
) -> Option<(u64, String)> {
    let total: u64 = said.iter().map(|(_, one)| list(one).total).sum();
    let more: u64 = said.iter().map(|(_, one)| list(one).left_out()).sum();
    let all = said.iter().flat_map(|(database, one)| {
        list(one).items.iter().map(|item| name(database, item)).collect::<Vec<_>>()
    });
    (total > 0).then(|| (total, names(all, more)))
}

pub(super) fn unlogged(seen: &Seen<'_>) -> Vec<Finding> {
    of_each::<UnloggedTables>(seen, "unlogged tables").judge(|said| {
        let all = gathered(said, |l| &l.0, |db, one| within(db, &one.schema, &one.name));
        let Some((total, listed)) = all else { return vec![] };
        let what = format!("{}: {listed}", count(total, "unlogged relation", "unlogged relations"));
        vec![
            Finding::warning(&seen.instance.id, what)
                .why("They are not in the WAL: on the target they are there and empty.")
                .remedy(
                    "Run alter table … set logged beforehand (it rewrites the table under an \
                     exclusive lock), or plan to fill them anew.",
                )
                .see(page::UNLOGGED),
        ]
    })
}

pub(super) fn tablespaces(seen: &Seen<'_>) -> Vec<Finding> {
    of_server::<Tablespaces>(seen, "tablespaces").judge(|said| {
        let all = said.iter().flat_map(|(_, Tablespaces(list))| &list.items);
        all.map(|one| {
            let name = plain(&one.name);
            match &one.inside {
                Some(other) => {
                    let what = format!("this tablespace lies inside {}", plain(other));
                    Finding::warning(name, what)
                        .why("Nested tablespaces have broken the building of Aurora replicas.")
                        .remedy("Move its objects to pg_default and drop it before the move.")
                        .see(page::VERSIONS)
                }
                None => Finding::note(name, "a tablespace of its own")
                    .why(
                        "RDS and Aurora keep tablespaces for compatibility; all lie on one volume.",
                    )
                    .remedy("Nothing to do.")
                    .see(page::STORAGE),
            }
        })
        .collect()
    })
}

/// `db: schema.table (3 changes)`.
fn changed(database: &str, table: &IdentityTable) -> String {
    let name = within(database, &table.schema, &table.name);
    format!("{name} ({})", count(table.changes, "change", "changes"))
}

pub(super) fn without_identity(seen: &Seen<'_>) -> Vec<Finding> {
    let heard: Heard<TablesWithoutIdentity> = of_each(seen, "replica identities");
    heard.judge(|said| {
        let Some((total, listed)) = gathered(said, |l| &l.0, changed) else { return vec![] };
        let what = format!(
            "{} without a usable replica identity: {listed}",
            count(total, "table", "tables")
        );
        vec![
            Finding::warning(&seen.instance.id, what)
                .why(
                    "Their updates and deletes cannot be replicated logically: they close the \
                     logical roads and the way back, and published they would fail.",
                )
                .remedy(
                    "Give each a primary key, or replica identity full where it changes little.",
                )
                .see(page::IDENTITY),
        ]
    })
}

/// From here on a sequential scan for each changed row is felt.
const LARGE_ROWS: u64 = 10_000;

pub(super) fn full_identity(seen: &Seen<'_>) -> Vec<Finding> {
    let heard: Heard<TablesWithFullIdentity> = of_each(seen, "replica identity full");
    heard.judge(|said| {
        let Some((total, listed)) = gathered(said, |l| &l.0, changed) else { return vec![] };
        let large = |one: &IdentityTable| {
            one.changes > 0
                && one.rows.unwrap_or_default().saturating_mul(one.changes)
                    > LARGE_ROWS * LARGE_ROWS
        };
        let costly = said.iter().flat_map(|(_, l)| &l.0.items).any(large);
        let what =
            format!("{} with replica identity full: {listed}", count(total, "table", "tables"));
        let finding = if costly {
            Finding::warning(&seen.instance.id, what)
        } else {
            Finding::note(&seen.instance.id, what)
        };
        vec![
            finding
                .why(
                    "Each update logs the whole row, and each change that is applied logically \
                     (on the way back) searches the table: up to PostgreSQL 15 row by row.",
                )
                .remedy("Give the large ones a key, and set the identity to it.")
                .see(page::IDENTITY),
        ]
    })
}

pub(super) fn invalid_indexes(seen: &Seen<'_>) -> Vec<Finding> {
    of_each::<InvalidIndexes>(seen, "invalid indexes").judge(|said| {
        let all = gathered(said, |l| &l.0, |db, one| within(db, &one.schema, &one.name));
        let Some((total, listed)) = all else { return vec![] };
        let what = format!("{}: {listed}", count(total, "invalid index", "invalid indexes"));
        vec![
            Finding::warning(&seen.instance.id, what)
                .why("Queries cannot use them, writes pay for them; they move as they are.")
                .remedy("Drop them, or run reindex index concurrently.")
                .see(page::INDEXES),
        ]
    })
}

pub(super) fn without_statistics(seen: &Seen<'_>) -> Vec<Finding> {
    of_each::<UnanalyzedTables>(seen, "statistics of tables").judge(|said| {
        let all = gathered(said, |l| &l.0, |db, one| within(db, &one.schema, &one.name));
        let Some((total, listed)) = all else { return vec![] };
        let what = format!("{} without statistics: {listed}", count(total, "table", "tables"));
        vec![
            Finding::note(&seen.instance.id, what)
                .why("The planner guesses there, before the move as after it.")
                .remedy("Run analyze on them before the baseline is taken.")
                .see(page::ANALYZE),
        ]
    })
}

pub(super) fn row_security(seen: &Seen<'_>) -> Vec<Finding> {
    of_each::<RowSecurity>(seen, "row-level security").judge(|said| {
        let all = gathered(said, |l| &l.0, |db, one| within(db, &one.schema, &one.name));
        let Some((total, listed)) = all else { return vec![] };
        let forced = said.iter().flat_map(|(_, l)| &l.0.items).filter(|one| one.forced).count();
        let what = format!(
            "{} with row-level security, {forced} of them forced: {listed}",
            count(total, "table", "tables")
        );
        vec![
            Finding::note(&seen.instance.id, what)
                .why(
                    "A physical replica has every row. A dump, a logical copy or a comparison of \
                     data sees only what the policies let its role see, forced ones also for the \
                     owner.",
                )
                .remedy("Compare and copy with a role that has bypassrls.")
                .see(page::ROW_SECURITY),
        ]
    })
}

pub(super) fn large_objects(seen: &Seen<'_>) -> Vec<Finding> {
    of_each::<LargeObjects>(seen, "large objects").judge(|said| {
        let objects: u64 = said.iter().map(|(_, one)| one.count).sum();
        let bytes: u64 = said.iter().map(|(_, one)| one.bytes).sum();
        if objects == 0 {
            return vec![];
        }
        let held = said.iter().filter(|(_, one)| one.count > 0).map(|(db, _)| plain(db));
        let what = format!(
            "{} in {}, {}",
            count(objects, "large object", "large objects"),
            names(held, 0),
            ByteCount(bytes)
        );
        vec![
            Finding::note(&seen.instance.id, what)
                .why("A physical replica has them; logical replication, and so the way back, not.")
                .remedy("Before a roll-back, copy large objects that were made after the cutover.")
                .see(page::RESTRICTIONS),
        ]
    })
}
