//! A transaction that stays open: it writes, waits, and only then commits.
//!
//! Made to meet the fence in the middle. It reports whether its commit was acknowledged; its row
//! carries a run of its own, so the verdict of any load shows it as stranded when the source
//! kept it alone.

use std::time::Duration;

use tokio::time::timeout;

use super::Error;
use super::endpoint::{Endpoint, Session};
use super::entry::Code;
use super::ids::RowId;
use super::order;

const PID: &str = "select pg_backend_pid()";

/// How a long transaction ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LongEnd {
    /// The commit was acknowledged: the row must exist on the deciding server.
    Committed,
    /// The session ended, or the server refused, before a commit was sent: the row must not exist.
    CutBeforeCommit(Code),
    /// The commit was sent and not acknowledged.
    Unknown(Code),
}

/// A transaction that has written one row and is idle in transaction.
pub struct LongTransaction {
    session: Session,
    answer_timeout: Duration,
    pid: i32,
    id: RowId,
}

/// Writes in a transaction, holds it open for `hold`, commits, and says what came of it.
pub async fn long_transaction(endpoint: &Endpoint, hold: Duration) -> Result<LongEnd, Error> {
    Ok(LongTransaction::open(endpoint).await?.commit_after(hold).await)
}

impl LongTransaction {
    /// Returns once the row is written, so that the caller knows it is in the way.
    pub async fn open(endpoint: &Endpoint) -> Result<Self, Error> {
        let session = Session::open(endpoint)
            .await
            .map_err(|code| Error::Connect { address: endpoint.address.clone(), code })?;
        let id = RowId { run: i64::from(rand::random::<u32>()), writer: 0, seq: 1 };
        let failed = |source| Error::Write { source };
        session.client.batch_execute("begin").await.map_err(failed)?;
        order::note(&session.client, id, None).await.map_err(failed)?;
        let pid = session.client.query_one_scalar(PID, &[]).await.map_err(failed)?;
        Ok(Self { session, answer_timeout: endpoint.answer_timeout, pid, id })
    }

    /// The server process, as `pg_stat_activity` shows it (behind a pooler: the pooler's session).
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.pid
    }

    #[must_use]
    pub fn row(&self) -> RowId {
        self.id
    }

    /// Holds on for `hold`, or until the session is cut, and commits.
    pub async fn commit_after(mut self, hold: Duration) -> LongEnd {
        if let Ok(code) = timeout(hold, self.session.ended()).await {
            return LongEnd::CutBeforeCommit(code);
        }
        let commit = self.session.client.batch_execute("commit");
        match timeout(self.answer_timeout, commit).await {
            Ok(Ok(())) => LongEnd::Committed,
            Ok(Err(error)) => LongEnd::Unknown(self.session.trouble(&error).await.code),
            Err(_) => LongEnd::Unknown(Code::new("timeout")),
        }
    }
}
