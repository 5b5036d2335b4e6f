//! One writer: places orders until it is asked to stop, and puts down how each attempt ended.
//!
//! Every attempt gets an id of its own and is never repeated under it; after an unknown outcome the
//! writer goes on with the next id. So a row that exists twice was doubled by somebody else. The
//! attempt is in the ledger before its commit is sent: no row can exist that the ledger has not
//! heard of. Failing to write the ledger therefore ends the writer.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Interval, MissedTickBehavior, interval, sleep, timeout};
use tokio_postgres::error::Severity;

use super::Error;
use super::endpoint::{Endpoint, Fate, Session, Trouble};
use super::entry::{Code, Event, Key, Stage};
use super::ids::RowId;
use super::ledger::Ledger;
use super::order;
use super::stop::{Stop, StopWatch};

const BACKOFF_FIRST: Duration = Duration::from_millis(5);
const BACKOFF_MOST: Duration = Duration::from_millis(50);

/// What a writer does with its session after a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Keeps it, as an application with a pool does.
    Persistent,
    /// Closes it and opens another, so that every transaction passes the gateway's door.
    Reconnecting,
}

pub(super) struct Writer {
    pub(super) number: i16,
    pub(super) kind: Kind,
    pub(super) run: i64,
    pub(super) endpoint: Endpoint,
    pub(super) period: Option<Duration>,
    pub(super) ledger: Arc<Ledger>,
    pub(super) stop: StopWatch,
}

#[derive(Debug)]
struct Attempt {
    id: RowId,
    started: Duration,
    stage: Stage,
}

/// What the writer does after an attempt.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    GoOn,
    BackOff,
    Leave,
}

enum Halt {
    Server(tokio_postgres::Error),
    Ledger(Error),
    Silent,
    Stopped,
}

impl Writer {
    /// Runs until asked to stop. Dying half-way leaves attempts without an outcome: unknown.
    pub(super) async fn run(mut self) -> Result<(), Error> {
        let mut pace = self.period.map(paced);
        let mut session = None;
        let mut backoff = BACKOFF_FIRST;
        for seq in 1.. {
            self.wait_turn(&mut pace, &mut session).await?;
            if self.stop.asked() {
                break;
            }
            match self.attempt(&mut session, seq).await? {
                Next::GoOn => backoff = BACKOFF_FIRST,
                Next::BackOff => {
                    tokio::select! {
                        () = sleep(backoff) => backoff = (backoff * 2).min(BACKOFF_MOST),
                        () = self.stop.until(Stop::Finish) => break,
                    }
                }
                Next::Leave => break,
            }
        }
        Ok(())
    }

    /// Waits for the next tick, when there is a limit, with an ear on the idle session.
    async fn wait_turn(
        &mut self,
        pace: &mut Option<Interval>,
        session: &mut Option<Session>,
    ) -> Result<(), Error> {
        let Some(pace) = pace else { return Ok(()) };
        loop {
            let ended = tokio::select! {
                _ = pace.tick() => return Ok(()),
                () = self.stop.until(Stop::Finish) => return Ok(()),
                code = ended(session) => code,
            };
            *session = None;
            self.ledger.record(Event::Cut { writer: self.number, code: ended })?;
        }
    }

    async fn attempt(&mut self, slot: &mut Option<Session>, seq: i64) -> Result<Next, Error> {
        let mut attempt = Attempt {
            id: RowId { run: self.run, writer: self.number, seq },
            started: self.ledger.now(),
            stage: Stage::Connect,
        };
        let mut session = match slot.take() {
            Some(session) => session,
            None => tokio::select! {
                () = self.stop.until(Stop::Finish) => return Ok(Next::Leave),
                opened = Session::open(&self.endpoint) => match opened {
                    Ok(session) => session,
                    Err(code) => {
                        self.ledger.record(attempt.failed(code))?;
                        return Ok(Next::BackOff);
                    }
                },
            },
        };
        match self.transact(&session, &mut attempt).await {
            Ok(()) => {
                self.ledger.record(attempt.acknowledged())?;
                self.keep(slot, session);
                Ok(Next::GoOn)
            }
            Err(Halt::Ledger(error)) => Err(error),
            Err(Halt::Stopped) => self.give_up(&attempt, "stopped").map(|()| Next::Leave),
            Err(Halt::Silent) => self.give_up(&attempt, "timeout").map(|()| Next::BackOff),
            Err(Halt::Server(error)) => {
                let fate = self.note_trouble(&mut session, attempt, &error).await?;
                if fate == Fate::Lives {
                    self.keep(slot, session);
                }
                Ok(Next::BackOff)
            }
        }
    }

    async fn transact(&mut self, session: &Session, attempt: &mut Attempt) -> Result<(), Halt> {
        tokio::select! {
            biased;
            done = timeout(
                self.endpoint.answer_timeout,
                commit_order(session, &self.ledger, attempt),
            ) => done.unwrap_or(Err(Halt::Silent)),
            () = self.stop.until(Stop::LetGo) => Err(Halt::Stopped),
        }
    }

    /// Records a failed or unknown attempt, and rolls back where there is still a session to do it on.
    async fn note_trouble(
        &self,
        session: &mut Session,
        attempt: Attempt,
        error: &tokio_postgres::Error,
    ) -> Result<Fate, Error> {
        let mut trouble = session.trouble(error).await;
        let surely_failed = attempt.stage != Stage::Commit || refuses_commit(error);
        let code = trouble.code.clone();
        self.ledger.record(if surely_failed {
            attempt.failed(code)
        } else {
            attempt.unknown(code)
        })?;
        if trouble.fate == Fate::Lives
            && let Err(error) = session.client.batch_execute("rollback").await
        {
            trouble = Trouble { fate: Fate::Cut, ..session.trouble(&error).await };
        }
        if trouble.fate == Fate::Cut {
            self.ledger.record(Event::Cut { writer: self.number, code: trouble.code })?;
        }
        Ok(trouble.fate)
    }

    /// The session is dropped by us, but an answer may be lost with it: it counts as cut.
    fn give_up(&self, attempt: &Attempt, word: &str) -> Result<(), Error> {
        let code = Code::new(word);
        self.ledger.record(match attempt.stage {
            Stage::Connect | Stage::Statement => attempt.failed(code.clone()),
            Stage::Commit => attempt.unknown(code.clone()),
        })?;
        self.ledger.record(Event::Cut { writer: self.number, code })
    }

    fn keep(&self, slot: &mut Option<Session>, session: Session) {
        match self.kind {
            Kind::Persistent => *slot = Some(session),
            Kind::Reconnecting => drop(session),
        }
    }
}

async fn commit_order(
    session: &Session,
    ledger: &Ledger,
    attempt: &mut Attempt,
) -> Result<(), Halt> {
    attempt.stage = Stage::Statement;
    session.client.batch_execute("begin").await.map_err(Halt::Server)?;
    order::place(&session.client, attempt.id).await.map_err(Halt::Server)?;
    ledger.tried(attempt.key()).map_err(Halt::Ledger)?;
    attempt.stage = Stage::Commit;
    session.client.batch_execute("commit").await.map_err(Halt::Server)
}

impl Attempt {
    fn key(&self) -> Key {
        Key { writer: self.id.writer, seq: self.id.seq }
    }

    fn acknowledged(&self) -> Event {
        Event::Acknowledged { key: self.key(), started: self.started }
    }

    fn failed(&self, code: Code) -> Event {
        Event::Failed { key: self.key(), started: self.started, stage: self.stage, code }
    }

    fn unknown(&self, code: Code) -> Event {
        Event::Unknown { key: self.key(), started: self.started, code }
    }
}

/// Whether the answer to a commit says for sure that nothing was committed: a deferred constraint, a
/// serialization failure or a trigger's own error, and the session goes on. Everything else could
/// have come after the commit record was written.
fn refuses_commit(error: &tokio_postgres::Error) -> bool {
    error.as_db_error().is_some_and(|said| {
        let code = said.code().code();
        let rolled_back = ["23", "P0"].iter().any(|class| code.starts_with(class))
            || (code.starts_with("40") && code != "40003");
        said.parsed_severity() == Some(Severity::Error) && rolled_back
    })
}

fn paced(period: Duration) -> Interval {
    let mut pace = interval(period);
    // After a pause the load goes on at its rate. A burst would measure itself.
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    pace
}

async fn ended(session: &mut Option<Session>) -> Code {
    match session {
        Some(session) => session.ended().await,
        None => std::future::pending().await,
    }
}
