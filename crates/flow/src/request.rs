//! What people ask of a move: start, approve, pause, resume, abort.
//!
//! A request is one journal record, written where the journal ends. It contends with the driver's
//! records for that one place, and a request that does not fit the status is refused with a
//! reason; so an abort and the release can never both be taken.

use landfall_core::ids::MigrationName;
use landfall_core::ids::Seq;
use landfall_core::journal::{Author, NewEntry, Record, Request, Store, StoreError};
use landfall_core::port::Clock;
use landfall_core::status::{self, Outcome, Road, Run, Status};
use landfall_core::{Code, Problem, Spec};

use crate::experience::experience;
use crate::steps::missing_way_back;
use crate::view::{View, ViewError};

/// How often a request tries again after the driver wrote first.
const TRIES: u32 = 100;

/// Why a request was not taken.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// It does not fit, and this is what a person is told.
    #[error("{0}")]
    Told(Box<Problem>),
    /// The journal could not be read.
    #[error("read the move")]
    View(#[from] ViewError),
    /// The journal could not be written.
    #[error("write the request")]
    Store(#[from] StoreError),
}

impl Refusal {
    fn told(problem: Problem) -> Self {
        Self::Told(Box::new(problem))
    }
}

/// Starts a move, or a new attempt of an undone one. Starting a move that is under way with the
/// same spec is no mistake: it goes on.
pub async fn start(
    store: &dyn Store,
    clock: &dyn Clock,
    spec: Spec,
    by: &str,
) -> Result<Status, Refusal> {
    let name = spec.migration.name.clone();
    let record = Record::Started {
        road: Road::Physical,
        spec: Box::new(spec.clone()),
        by: by.to_owned(),
        experience: experience(store).await?,
    };
    for _ in 0..TRIES {
        let view = View::load(store, &name).await?;
        if let Some(view) = &view {
            let undone = matches!(view.status.run, Run::Finished { outcome: Outcome::Undone });
            if !undone {
                return if view.spec == spec {
                    Ok(view.status.clone())
                } else {
                    Err(Refusal::told(spec_changed(&name)))
                };
            }
        }
        let after = view.as_ref().map_or(Seq(0), |view| view.last);
        match store.append(entry(clock, &name, after, record.clone())).await {
            Ok(_) => {
                let view = View::load(store, &name).await?;
                return view.map(|view| view.status).ok_or_else(|| Refusal::told(unknown(&name)));
            }
            Err(StoreError::Outrun(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(Refusal::told(busy(&name)))
}

/// Puts a request into a move's journal, or says why not.
pub async fn request(
    store: &dyn Store,
    clock: &dyn Clock,
    name: &MigrationName,
    request: Request,
) -> Result<Status, Refusal> {
    let record = Record::Requested { request: request.clone() };
    for _ in 0..TRIES {
        let Some(view) = View::load(store, name).await? else {
            return Err(Refusal::told(unknown(name)));
        };
        let step = (!view.status.step.is_empty()).then(|| view.status.step.clone());
        let after = match status::next(Some(&view.status), clock.now(), step.as_deref(), &record) {
            Ok(after) => after,
            Err(illegal) => return Err(Refusal::told(refused(&view, &request, &illegal.why))),
        };
        if let Request::RollBack { accept_loss: None, .. } = &request
            && let Some(problem) = lossy(&view)
        {
            return Err(Refusal::told(problem));
        }
        let entry = NewEntry { step, ..entry(clock, name, view.last, record.clone()) };
        match store.append(entry).await {
            Ok(_) => return Ok(after),
            Err(StoreError::Outrun(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(Refusal::told(busy(name)))
}

/// What a roll-back would lose, when nobody has accepted that.
fn lossy(view: &View) -> Option<Problem> {
    let way_back = &view.facts.way_back;
    let mut problem = missing_way_back(&view.spec, &view.facts);
    problem.writes = Some(landfall_core::problem::Writes::Target);
    let Some(armed) = way_back.armed.as_ref().filter(|_| way_back.is_armed()) else {
        return Some(problem);
    };
    let lost = armed.lost.iter().filter(|(_, lost)| !lost.is_nothing());
    let words: Vec<String> = lost.map(|(database, lost)| format!("{database}: {lost}")).collect();
    if words.is_empty() {
        return None;
    }
    problem.primary = format!("{} cannot be rolled back without a loss", view.name);
    Some(problem.detail(format!("what does not flow back: {}", words.join("; "))))
}

fn entry(clock: &dyn Clock, name: &MigrationName, after: Seq, record: Record) -> NewEntry {
    let (migration, at) = (name.clone(), clock.now());
    NewEntry { migration, after, author: Author::Person, at, step: None, record }
}

fn refused(view: &View, request: &Request, why: &str) -> Problem {
    use landfall_core::journal::Commitment::Committed;
    let name = &view.name;
    if matches!(request, Request::Abort { .. })
        && view.status.commitment == Committed
        && !view.status.is_finished()
    {
        let mut problem = Problem::new(
            Code::PointOfNoReturn,
            format!("{name} cannot be aborted: {why}"),
            format!(
                "The target takes writes, and going back would lose them. Let the move finish \
                 (`landfall watch {name}`); a problem it stops at is mended and resumed."
            ),
        );
        problem.writes = Some(landfall_core::problem::Writes::Target);
        return problem;
    }
    let verb = match request {
        Request::Abort { .. } => "aborted",
        Request::Approve { .. } => "approved",
        Request::Pause { .. } => "paused",
        Request::Resume { .. } => "resumed",
        Request::RollBack { .. } => "rolled back",
    };
    Problem::new(
        Code::NotNow,
        format!("{name} cannot be {verb}: {why}"),
        format!("`landfall status {name}` shows where it stands and what it waits for."),
    )
}

fn unknown(name: &MigrationName) -> Problem {
    Problem::new(
        Code::UnknownMove,
        format!("no move is named {name}"),
        "`landfall status` lists the moves of this store; check --state or --server.",
    )
}

fn spec_changed(name: &MigrationName) -> Problem {
    Problem::new(
        Code::SpecChanged,
        format!("{name} is under way, or finished, with another spec"),
        "Run it with the spec it began with, or give the new one another migration.name.",
    )
}

fn busy(name: &MigrationName) -> Problem {
    Problem::new(
        Code::NotNow,
        format!("the journal of {name} is being written to all the time"),
        "Try again.",
    )
}
