//! The stage: ways to set a move up, to strike at one place of it, and to judge how it ended.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt;
use jiff::Timestamp;
use landfall_core::action::DatabaseAction;
use landfall_core::journal::{Entry, NewEntry, Record, Request};
use landfall_core::spec::{FenceKind, ReaderSpec};
use landfall_core::status::{Course, Outcome, Run};
use landfall_core::{Action, Code, Problem};
use landfall_flow::driver::Gauge;
use landfall_flow::model::{Delays, Ledger};
use landfall_flow::sim::{self, Beat, Fate, Footprint, Pulse, Sight, Tap, Tapped, Watch};
use landfall_flow::{Ended, Refusal};

use crate::support::{Bench, Nobody, UntilStopped, driver};

/// The ways a move fences and proves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Terminate,
    Reboot,
    CredentialFree,
    /// With access, and with a service that only reads.
    Reader,
}

pub(crate) const WAYS: [Way; 4] = [Way::Terminate, Way::Reboot, Way::CredentialFree, Way::Reader];

/// A world with backups off, so that every row has something to do, in which nothing takes long.
pub(crate) fn bench(way: Way) -> Bench {
    let mut bench = Bench::with(Delays {
        cluster: Duration::from_secs(1),
        writer: Duration::from_secs(3),
        reboot: Duration::from_secs(2),
        promote: Duration::from_secs(1),
        delete: Duration::from_secs(1),
        ..Delays::default()
    });
    bench.world.meddle(|world| world.instance(|source| source.backup_retention_days = 0));
    bench.spec.cutover.sustained_for = Duration::from_secs(2);
    // A driver that dies right before a reboot or a promotion costs minutes: nobody may order
    // either again before the first order had its time to show.
    bench.spec.route.pause_budget = Some(Duration::from_mins(20));
    match way {
        Way::Terminate => {}
        Way::Reader => {
            bench.spec.route.reader = vec![ReaderSpec { service: "orders-ro".into() }];
            bench.world.meddle(|world| world.reader());
        }
        Way::Reboot => bench.spec.cutover.fence = FenceKind::Reboot,
        Way::CredentialFree => {
            bench.spec.access = None;
            bench.spec.smoke.clear();
        }
    }
    bench
}

/// A bench whose move has started, with the footprint from before.
pub(crate) fn started(way: Way) -> (Bench, Footprint) {
    let bench = bench(way);
    let before = bench.world.footprint();
    bench.start();
    (bench, before)
}

impl Bench {
    /// Drives with a tap and a watch of one's own: `None` when the driver died.
    pub(crate) fn drive_with(
        &self,
        holder: &str,
        tap: &dyn Tap,
        watch: &dyn Watch,
    ) -> Option<Ended> {
        self.drive_as(holder, tap, watch, &UntilStopped(self))
    }

    /// Drives on through every problem: nobody resumes.
    pub(crate) fn drive_alone(&self, tap: &dyn Tap, watch: &dyn Watch) -> Option<Ended> {
        self.drive_as("first", tap, watch, &Nobody)
    }

    fn drive_as(
        &self,
        holder: &str,
        tap: &dyn Tap,
        watch: &dyn Watch,
        gauge: &dyn Gauge,
    ) -> Option<Ended> {
        let mut ended = None;
        self.on(async { ended = self.drive_lane(holder, tap, watch, gauge).await });
        ended
    }

    /// The same as a lane: it waits for the lease of a driver that died.
    pub(crate) async fn drive_lane(
        &self,
        holder: &str,
        tap: &dyn Tap,
        watch: &dyn Watch,
        gauge: &dyn Gauge,
    ) -> Option<Ended> {
        let tapped = Tapped::new(self.ports(), tap);
        let store = Pulse::new(&self.store, &self.world, watch);
        loop {
            let driver = driver(tapped.ports(), &store, holder, gauge);
            match store.until_it_stops(driver.run(self.name())).await {
                Some(Ended::LedByAnother { .. }) => self.ports().clock.sleep(SECOND).await,
                ended => return ended,
            }
        }
    }

    pub(crate) fn ask(&self, request: Request) -> Result<(), Problem> {
        let asked = landfall_flow::request(&self.store, &self.world, self.name(), request);
        match asked.now_or_never().expect("a store in memory does not wait") {
            Ok(_) => Ok(()),
            Err(Refusal::Told(problem)) => Err(*problem),
            Err(other) => panic!("{other}"),
        }
    }

    pub(crate) fn entries(&self) -> Vec<Entry> {
        self.store.entries(self.name())
    }

    /// When an order was first intended.
    pub(crate) fn ordered_at(&self, wanted: impl Fn(&Action) -> bool) -> Timestamp {
        let fits = |entry: &&Entry| matches!(&entry.record, Record::Intended { action, .. } if wanted(action));
        let entries = self.entries();
        let found = entries.iter().find(fits);
        found.unwrap_or_else(|| panic!("no such order\n{}", self.tail())).at
    }

    pub(crate) fn problem(&self) -> Option<Problem> {
        match self.view().status.run {
            Run::NeedsHuman { problem } => Some(problem),
            Run::Running
            | Run::Waiting { .. }
            | Run::AwaitingApproval { .. }
            | Run::Paused { .. }
            | Run::Finished { .. } => None,
        }
    }

    /// Asserts a stop with this code, said together with where writes go.
    pub(crate) fn assert_stopped_by(&self, code: Code) -> Problem {
        let problem = self.problem().unwrap_or_else(|| panic!("not stopped: {}", self.tail()));
        assert_eq!(problem.code, code, "{problem}");
        assert!(problem.writes.is_some(), "{problem}");
        problem
    }

    /// The end of the journal, for messages.
    pub(crate) fn tail(&self) -> String {
        let entries = self.entries();
        let lines = entries.iter().skip(entries.len().saturating_sub(12)).map(sim::line);
        lines.collect::<Vec<_>>().join("\n")
    }
}

pub(crate) const SECOND: Duration = Duration::from_secs(1);

pub(crate) fn abort() -> Request {
    Request::Abort { by: "ann".to_owned(), why: "the harness says so".to_owned() }
}

/// An order by its name; a marker is one whenever it is written.
pub(crate) fn name(action: &Action) -> String {
    match action {
        Action::Database(DatabaseAction::WriteMarker { at, .. }) => format!("a marker on {at}"),
        Action::Cloud(_) | Action::Database(_) | Action::Route(_) => action.to_string(),
    }
}

/// Nothing happens to any call; orders are counted.
#[derive(Default)]
pub(crate) struct Counting {
    pub(crate) orders: Mutex<BTreeMap<String, u32>>,
}

impl Counting {
    pub(crate) fn taken(&self) -> BTreeMap<String, u32> {
        self.orders.lock().unwrap().clone()
    }
}

impl Tap for Counting {
    fn order(&self, action: &Action) -> Fate {
        *self.orders.lock().unwrap().entry(name(action)).or_default() += 1;
        Fate::Done
    }

    fn look(&self, _: &'static str) -> Sight {
        Sight::Clear
    }
}

/// Nothing happens at any write.
pub(crate) struct Healthy;

impl Watch for Healthy {
    fn before(&self, _: &NewEntry) -> Beat {
        Beat::Goes
    }

    fn after(&self, _: &NewEntry) -> Beat {
        Beat::Goes
    }
}

/// On which side of a write something happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    Before,
    After,
}

/// Does something once, at the first write that fits.
pub(crate) struct Strike<'a> {
    pub(crate) at: Box<dyn Fn(&NewEntry) -> bool + Send + Sync + 'a>,
    pub(crate) moment: Moment,
    pub(crate) blow: Box<dyn Fn() -> Beat + Send + Sync + 'a>,
    struck: Mutex<bool>,
}

impl<'a> Strike<'a> {
    pub(crate) fn new(
        moment: Moment,
        at: impl Fn(&NewEntry) -> bool + Send + Sync + 'a,
        blow: impl Fn() -> Beat + Send + Sync + 'a,
    ) -> Self {
        Self { at: Box::new(at), moment, blow: Box::new(blow), struck: Mutex::new(false) }
    }

    /// Does something to the world, or to the journal, and lets the driver go on.
    pub(crate) fn does(
        moment: Moment,
        at: impl Fn(&NewEntry) -> bool + Send + Sync + 'a,
        blow: impl Fn() + Send + Sync + 'a,
    ) -> Self {
        Self::new(moment, at, move || {
            blow();
            Beat::Goes
        })
    }

    pub(crate) fn has_struck(&self) -> bool {
        *self.struck.lock().unwrap()
    }

    fn meet(&self, entry: &NewEntry) -> Beat {
        {
            let mut struck = self.struck.lock().unwrap();
            if *struck || !(self.at)(entry) {
                return Beat::Goes;
            }
            *struck = true;
        }
        (self.blow)()
    }
}

impl Watch for Strike<'_> {
    fn before(&self, entry: &NewEntry) -> Beat {
        if self.moment == Moment::Before { self.meet(entry) } else { Beat::Goes }
    }

    fn after(&self, entry: &NewEntry) -> Beat {
        if self.moment == Moment::After { self.meet(entry) } else { Beat::Goes }
    }
}

/// The writes of a driver are numbered from one; this one.
pub(crate) fn nth(n: usize) -> impl Fn(&NewEntry) -> bool + Send + Sync {
    let count = Mutex::new(0);
    move |_: &NewEntry| {
        let mut count = count.lock().unwrap();
        *count += 1;
        *count == n
    }
}

/// A step is entered, forward.
pub(crate) fn entered(step: &str) -> impl Fn(&NewEntry) -> bool + Send + Sync + use<> {
    let step = step.to_owned();
    move |entry: &NewEntry| {
        entry.step.as_deref() == Some(&*step)
            && matches!(entry.record, Record::Entered { course: Course::Doing, .. })
    }
}

/// A step is completed for the first time.
pub(crate) fn completed(step: &str) -> impl Fn(&NewEntry) -> bool + Send + Sync + use<> {
    let step = step.to_owned();
    move |entry: &NewEntry| {
        entry.step.as_deref() == Some(&*step) && matches!(entry.record, Record::Completed { .. })
    }
}

/// What a move did that went as planned.
pub(crate) struct Baseline {
    pub(crate) orders: BTreeMap<String, u32>,
    pub(crate) outcome: Outcome,
    /// What the driver wrote, in order.
    pub(crate) writes: Vec<Record>,
}

/// Remembers every write of a driver, and passes it on.
pub(crate) struct Remember<'a> {
    pub(crate) writes: Arc<Mutex<Vec<Record>>>,
    pub(crate) then: &'a dyn Watch,
}

impl Watch for Remember<'_> {
    fn before(&self, entry: &NewEntry) -> Beat {
        self.then.before(entry)
    }

    fn after(&self, entry: &NewEntry) -> Beat {
        self.writes.lock().unwrap().push(entry.record.clone());
        self.then.after(entry)
    }
}

/// Drives one move of a way as planned, with an abort at a step when there is one.
pub(crate) fn baseline(way: Way, abort_at: Option<&str>) -> Baseline {
    let (bench, before) = started(way);
    let counting = Counting::default();
    let strike = aborting(&bench, abort_at);
    let writes = Arc::default();
    let watch = Remember { writes: Arc::clone(&writes), then: &strike };
    let ended = bench.drive_with("first", &counting, &watch);
    let Some(Ended::Finished(outcome)) = ended else { panic!("{ended:?}\n{}", bench.tail()) };
    judge(&bench, &before, outcome);
    let writes = writes.lock().unwrap().clone();
    Baseline { orders: counting.taken(), outcome, writes }
}

/// An abort when a step is entered.
pub(crate) fn aborting<'a>(bench: &'a Bench, at: Option<&str>) -> Strike<'a> {
    let at = at.map(entered);
    Strike::does(
        Moment::After,
        move |entry| at.as_ref().is_some_and(|at| at(entry)),
        || bench.ask(abort()).unwrap(),
    )
}

/// Everything that must hold of a finished move; the application goes on for a while first.
pub(crate) fn judge(bench: &Bench, before: &Footprint, outcome: Outcome) {
    let written = bench.world.ledger().acknowledged.len();
    bench.on(async { bench.ports().clock.sleep(SECOND).await });
    let ledger = bench.world.ledger();
    assert!(ledger.acknowledged.len() > written, "nobody can write\n{}", bench.tail());
    let deciding = match outcome {
        Outcome::Moved => &ledger.target,
        Outcome::Undone | Outcome::RolledBack => &ledger.source,
    };
    assert_eq!(ledger.lost(deciding), Vec::<u64>::new(), "lost\n{}", bench.tail());
    assert_eq!(Ledger::doubled(deciding), Vec::<u64>::new(), "doubled\n{}", bench.tail());
    assert_eq!(bench.world.broken(), Vec::<String>::new(), "{}", bench.tail());
    let expected = sim::expected(outcome, before, &bench.world, &bench.spec, &bench.entries());
    let difference = sim::difference(&expected, &bench.world.footprint());
    assert_eq!(difference, Vec::<String>::new(), "{}", bench.tail());
}
