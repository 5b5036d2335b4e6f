//! The verdict: what the ledger says happened against what the servers hold.
//!
//! It looks at `workload_ledger` directly on both servers and trusts nobody in between. Rows are
//! streamed and folded into bitmaps, so millions of them cost a few bits each. Ids of other runs
//! (a client that bypassed the gateway, a long transaction) are compared between the servers as
//! well; what became of them only their own ledger could say.
//!
//! Judge after the load has stopped: rows committed later would look unexpected. Reading changes
//! nothing, so dying half-way costs nothing.

use std::path::Path;

use futures_util::{TryStreamExt as _, pin_mut};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Row};

use super::Error;
use super::endpoint::{Endpoint, Session};
use super::entry::{Event, Key};
use super::ids::{IdSet, Inserted, RowId};
use super::ledger::Reader;
use super::verdict::{Examples, SourceReading, UnknownCheck, Verdict};

const EXAMPLES: usize = 10;

const READ_ROWS: &str = "select run, writer, seq, payload from workload_ledger";
const COUNT_ORPHANS: &str = "\
    select count(*) from workload_ledger as l \
    where l.order_id is not null and not exists (select from orders as o where o.id = l.order_id)";

/// What the ledger file claims.
#[derive(Debug, Default)]
pub(super) struct Claims {
    run: i64,
    acknowledged: IdSet,
    /// Unknown by record, and tried without any outcome because the process died.
    unknown: IdSet,
    failed: u64,
    sessions_cut: u64,
    /// Attempts that were open when the process died: nobody was left to see their sessions end.
    open_at_death: u64,
}

/// What one server holds.
#[derive(Debug, Default)]
pub(super) struct Holdings {
    seen: IdSet,
    doubled: IdSet,
    altered: IdSet,
    orphans: u64,
}

/// Judges a run by the deciding server (`target`; the source when the move went back) and, where it
/// can be reached, the other one (`source`), where nothing may exist that `target` does not have.
/// Give a fenced source a short `connect_timeout`: it may answer with silence.
pub async fn judge(
    ledger: &Path,
    source: Option<&Endpoint>,
    target: &Endpoint,
) -> Result<Verdict, Error> {
    let claims = Claims::read(ledger)?;
    let target = open(target).await?;
    let deciding = Holdings::read(&target.client).await?;
    let other = match source {
        None => Other::NotAsked,
        Some(source) => match open(source).await {
            Ok(session) => Other::look(&session.client).await,
            Err(error) => Other::Unreachable(error.to_string()),
        },
    };
    Ok(compare(&claims, &deciding, other))
}

/// The same over sessions that the caller has, such as the lab's own on its private socket.
pub async fn judge_over(
    ledger: &Path,
    source: Option<&Client>,
    target: &Client,
) -> Result<Verdict, Error> {
    let claims = Claims::read(ledger)?;
    let deciding = Holdings::read(target).await?;
    let other = match source {
        None => Other::NotAsked,
        Some(source) => Other::look(source).await,
    };
    Ok(compare(&claims, &deciding, other))
}

async fn open(endpoint: &Endpoint) -> Result<Session, Error> {
    Session::open(endpoint)
        .await
        .map_err(|code| Error::Connect { address: endpoint.address.clone(), code })
}

impl Claims {
    fn read(path: &Path) -> Result<Self, Error> {
        let reader = Reader::open(path)?;
        let mut claims = Self { run: reader.header.run, ..Self::default() };
        let mut open = IdSet::default();
        for entry in reader {
            claims.take(&entry?.event, &mut open);
        }
        claims.open_at_death = open.len();
        for id in open.iter() {
            claims.unknown.insert(id);
        }
        Ok(claims)
    }

    fn take(&mut self, event: &Event, open: &mut IdSet) {
        match event {
            Event::Tried(key) => {
                open.insert(self.id(*key));
            }
            Event::Acknowledged { key, .. } => {
                open.remove(self.id(*key));
                self.acknowledged.insert(self.id(*key));
            }
            Event::Failed { key, .. } => {
                open.remove(self.id(*key));
                self.failed += 1;
            }
            Event::Unknown { key, .. } => {
                open.remove(self.id(*key));
                self.unknown.insert(self.id(*key));
            }
            Event::Cut { .. } => self.sessions_cut += 1,
            Event::Closed => (),
        }
    }

    fn id(&self, key: Key) -> RowId {
        RowId { run: self.run, writer: key.writer, seq: key.seq }
    }
}

impl Holdings {
    async fn read(client: &Client) -> Result<Self, Error> {
        let failed = |source| Error::Read { source };
        let mut holdings = Self::default();
        let none: [&(dyn ToSql + Sync); 0] = [];
        let rows = client.query_raw(READ_ROWS, none).await.map_err(failed)?;
        pin_mut!(rows);
        while let Some(row) = rows.try_next().await.map_err(failed)? {
            let (id, payload) = identity(&row).map_err(failed)?;
            holdings.take(id, payload);
        }
        let orphans: i64 = client.query_one_scalar(COUNT_ORPHANS, &[]).await.map_err(failed)?;
        holdings.orphans = orphans.unsigned_abs();
        Ok(holdings)
    }

    fn take(&mut self, id: RowId, payload: &str) {
        if self.seen.insert(id) == Inserted::Again {
            self.doubled.insert(id);
        }
        if id.payload() != payload {
            self.altered.insert(id);
        }
    }
}

fn identity(row: &Row) -> Result<(RowId, &str), tokio_postgres::Error> {
    let id = RowId { run: row.try_get(0)?, writer: row.try_get(1)?, seq: row.try_get(2)? };
    Ok((id, row.try_get(3)?))
}

#[derive(Debug)]
enum Other {
    NotAsked,
    Read(Holdings),
    Unreachable(String),
}

impl Other {
    /// A source that cannot be read is a finding of the verdict, never the end of it.
    async fn look(client: &Client) -> Self {
        match Holdings::read(client).await {
            Ok(holdings) => Self::Read(holdings),
            Err(error) => Self::Unreachable(error.to_string()),
        }
    }
}

fn compare(claims: &Claims, target: &Holdings, other: Other) -> Verdict {
    let nothing = IdSet::default();
    let (source, on_source) = match &other {
        Other::NotAsked => (SourceReading::NotAsked, &nothing),
        Other::Unreachable(why) => (SourceReading::Unreachable { why: why.clone() }, &nothing),
        Other::Read(holdings) => {
            (SourceReading::Read { rows: holdings.seen.len() }, &holdings.seen)
        }
    };
    let known = |id: &RowId| claims.acknowledged.contains(*id) || claims.unknown.contains(*id);
    let lost = Found::of(claims.acknowledged.iter().filter(|id| !target.seen.contains(*id)));
    let stranded = Found::of(on_source.iter().filter(|id| !target.seen.contains(*id)));
    let of_both = on_source.iter().filter(|id| !target.seen.contains(*id));
    let unexpected = Found::of(
        target.seen.iter().chain(of_both).filter(|id| id.run == claims.run && !known(id)),
    );
    let doubled = Found::of(target.doubled.iter());
    let altered = Found::of(target.altered.iter());
    let explained = claims.sessions_cut + claims.open_at_death;
    let excess = claims.unknown.len().saturating_sub(explained);
    Verdict {
        run: claims.run,
        acknowledged: claims.acknowledged.len(),
        failed: claims.failed,
        lost: lost.count,
        doubled: doubled.count,
        stranded: stranded.count,
        unexpected: unexpected.count,
        altered: altered.count,
        orders_missing: target.orphans,
        unknown: claims.unknown.len(),
        unknown_present: count(claims.unknown.iter().filter(|id| target.seen.contains(*id))),
        sessions_cut: claims.sessions_cut,
        unknown_check: if excess == 0 {
            UnknownCheck::Explained
        } else {
            UnknownCheck::Excess { by: excess }
        },
        target_rows: target.seen.len(),
        source,
        examples: Examples {
            lost: lost.first,
            doubled: doubled.first,
            stranded: stranded.first,
            unexpected: unexpected.first,
            altered: altered.first,
        },
    }
}

/// How many ids, and the first few of them.
struct Found {
    count: u64,
    first: Vec<RowId>,
}

impl Found {
    fn of(ids: impl Iterator<Item = RowId>) -> Self {
        let mut found = Self { count: 0, first: Vec::new() };
        for id in ids {
            found.count += 1;
            if found.first.len() < EXAMPLES {
                found.first.push(id);
            }
        }
        found
    }
}

fn count(ids: impl Iterator<Item = RowId>) -> u64 {
    ids.fold(0, |count, _| count + 1)
}

#[cfg(test)]
mod tests;
