//! Rolling back behind the release: lossless or refused, and as safe as the way forward.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use landfall_core::journal::{Cause, Commitment, NewEntry, Record, Request};
use landfall_core::spec::Approval;
use landfall_core::status::{Line, Outcome};
use landfall_core::{Code, Problem};
use landfall_flow::Ended;
use landfall_flow::model::{Applying, Ledger, Loss};
use landfall_flow::process::{REVERSE, Undo};
use landfall_flow::sim::{Beat, Watch};

use crate::crash::Both;
use crate::stage::{
    Counting, Healthy, Moment, Strike, Way, abort, bench, completed, entered, judge, nth,
};
use crate::support::Bench;

/// A move whose acceptance is a person's.
fn soaking(way: Way) -> Bench {
    let mut bench = bench(way);
    bench.spec.approve.acceptance = Approval::Person;
    bench.spec.approve.cutover = Approval::Automatic;
    bench
}

fn roll_back(accept_loss: Option<&str>) -> Request {
    let accept_loss = accept_loss.map(str::to_owned);
    Request::RollBack { by: "ann".to_owned(), why: "too slow".to_owned(), accept_loss }
}

fn accept() -> Request {
    Request::Approve { gate: "accept".to_owned(), by: "ann".to_owned(), note: String::new() }
}

fn at_the_gate(entry: &NewEntry) -> bool {
    matches!(&entry.record, Record::GateOpened { gate } if gate == "accept")
}

/// Asks for the roll-back when the acceptance is asked for.
fn rolling<'a>(bench: &'a Bench) -> Strike<'a> {
    Strike::does(Moment::After, at_the_gate, || bench.ask(roll_back(None)).unwrap())
}

/// Accepts the move when that is asked for again, once its roll-back was undone.
fn accepting<'a>(bench: &'a Bench) -> Strike<'a> {
    let returned = Mutex::new(false);
    let again = move |entry: &NewEntry| {
        let mut returned = returned.lock().unwrap();
        *returned |= matches!(entry.record, Record::Returned { .. });
        *returned && at_the_gate(entry)
    };
    Strike::does(Moment::After, again, || bench.ask(accept()).unwrap())
}

/// Rolls back as planned; what the drivers wrote.
fn planned(way: Way) -> Vec<NewEntry> {
    let bench = soaking(way);
    let before = bench.world.footprint();
    bench.start();
    let writes = Arc::new(Mutex::new(Vec::new()));
    let rolling = rolling(&bench);
    let all = Entries { writes: Arc::clone(&writes), then: &rolling };
    let ended = bench.drive_with("first", &Counting::default(), &all);
    assert_eq!(ended, Some(Ended::Finished(Outcome::RolledBack)), "{}", bench.tail());
    judge(&bench, &before, Outcome::RolledBack);
    let ledger = bench.world.ledger();
    assert!(ledger.target.len() > 20, "the target took {} writes", ledger.target.len());
    let writes = writes.lock().unwrap();
    writes.clone()
}

/// Remembers every write of a driver, and passes it on.
struct Entries<'a> {
    writes: Arc<Mutex<Vec<NewEntry>>>,
    then: &'a dyn Watch,
}

impl Watch for Entries<'_> {
    fn before(&self, entry: &NewEntry) -> Beat {
        self.then.before(entry)
    }

    fn after(&self, entry: &NewEntry) -> Beat {
        self.writes.lock().unwrap().push(entry.clone());
        self.then.after(entry)
    }
}

#[test]
fn everything_that_the_target_took_is_on_the_source() {
    for way in [Way::Terminate, Way::Reader] {
        planned(way);
    }
}

#[test]
fn a_crash_at_every_write_of_a_roll_back_changes_nothing() {
    let writes = planned(Way::Terminate);
    let gate = writes.iter().position(at_the_gate).unwrap();
    let mut tried = 0;
    for (index, entry) in writes.iter().enumerate().skip(gate + 1) {
        if matches!(entry.record, Record::Finished { .. }) {
            continue;
        }
        let mut moments = vec![(index + 1, Moment::After)];
        if matches!(entry.record, Record::Intended { .. }) {
            // When its effect is there and its answer is not.
            moments.push((index + 2, Moment::Before));
        }
        for (n, moment) in moments {
            dies_once(n, moment);
            tried += 1;
        }
    }
    assert!(tried > 60, "{tried}");
}

fn dies_once(n: usize, moment: Moment) {
    let bench = soaking(Way::Terminate);
    let before = bench.world.footprint();
    bench.start();
    let rolling = rolling(&bench);
    let dying = Strike::new(moment, nth(n), || Beat::Dies);
    let died = bench.drive_with("first", &Counting::default(), &Both(&rolling, &dying));
    let at = format!("write {n}, {moment:?}");
    assert_eq!(died, None, "{at}: it did not die\n{}", bench.tail());
    let ended = bench.drive_with("second", &Counting::default(), &rolling);
    assert_eq!(ended, Some(Ended::Finished(Outcome::RolledBack)), "{at}\n{}", bench.tail());
    judge(&bench, &before, Outcome::RolledBack);
}

/// Aborts a roll-back at a write that fits, and accepts the move afterwards.
fn taken_back(way: Way, at: impl Fn(&NewEntry) -> bool + Send + Sync, what: &str) {
    let bench = soaking(way);
    let before = bench.world.footprint();
    bench.start();
    let rolling = rolling(&bench);
    let aborting = Strike::does(Moment::After, at, || {
        assert_eq!(bench.view().status.line, Line::Reverse, "{what}");
        bench.ask(abort()).unwrap();
    });
    let accepting = accepting(&bench);
    let both = Both(&rolling, &aborting);
    let ended = bench.drive_with("first", &Counting::default(), &Both(&both, &accepting));
    assert!(aborting.has_struck(), "{what} was not reached\n{}", bench.tail());
    assert_eq!(ended, Some(Ended::Finished(Outcome::Moved)), "{what}\n{}", bench.tail());
    judge(&bench, &before, Outcome::Moved);
    assert!(bench.view().facts.forward.is_none(), "{what}");
}

#[test]
fn a_roll_back_that_is_aborted_leaves_the_target_in_charge() {
    for row in REVERSE.iter().filter(|row| row.undo != Undo::Refused) {
        for way in [Way::Terminate, Way::Reader] {
            let id = row.step.id();
            taken_back(way, entered(id), &format!("{id} entered, {way:?}"));
            taken_back(way, completed(id), &format!("{id} completed, {way:?}"));
        }
    }
}

#[test]
fn a_roll_back_that_cannot_drain_in_its_budget_goes_back_to_the_target() {
    let mut bench = soaking(Way::Terminate);
    bench.spec.route.pause_budget = Some(Duration::from_secs(30));
    let before = bench.world.footprint();
    bench.start();
    let rolling = rolling(&bench);
    let stuck = Strike::does(Moment::After, entered("reverse.final_marker"), || {
        bench.world.meddle(|world| world.way_back().applying = Applying::Idle);
    });
    let returned = |entry: &NewEntry| matches!(entry.record, Record::Returned { .. });
    let mended = Strike::does(Moment::After, returned, || {
        bench.world.meddle(|world| world.way_back().applying = Applying::Works);
    });
    let accepting = accepting(&bench);
    let first = Both(&rolling, &stuck);
    let second = Both(&mended, &accepting);
    let ended = bench.drive_alone(&Counting::default(), &Both(&first, &second));
    assert_eq!(ended, Some(Ended::Finished(Outcome::Moved)), "{}", bench.tail());
    judge(&bench, &before, Outcome::Moved);
    let by = |record: &Record| {
        let Record::Requested { request: Request::Abort { by, .. } } = record else { return false };
        by == "the pause budget"
    };
    assert!(bench.entries().iter().any(|entry| by(&entry.record)), "{}", bench.tail());
}

/// What a person is told who asks for a roll-back in the soak.
fn refused(bench: &Bench, request: Request) -> Problem {
    let told = Mutex::new(None);
    let asking = Strike::new(Moment::After, at_the_gate, || {
        *told.lock().unwrap() = bench.ask(request.clone()).err();
        Beat::Dies
    });
    bench.start();
    bench.drive_with("first", &Counting::default(), &asking);
    let told = told.lock().unwrap().take();
    told.unwrap_or_else(|| panic!("it was taken\n{}", bench.tail()))
}

#[test]
fn without_a_way_back_a_roll_back_is_refused_in_words() {
    let problem = refused(&soaking(Way::CredentialFree), roll_back(None));
    assert_eq!(problem.code, Code::WayBackMissing);
    assert!(problem.primary.contains("gives no access"), "{problem}");
    assert!(problem.hint.contains("--accept-loss"), "{problem}");
}

#[test]
fn what_does_not_flow_back_is_named_before_it_is_lost() {
    let mut bench = soaking(Way::Terminate);
    bench.spec.way_back.tables_without_identity = landfall_core::spec::WithoutIdentity::Lose;
    bench.world.meddle(|world| {
        world.way_back().without_identity = vec!["public.events".to_owned()];
    });
    let problem = refused(&bench, roll_back(None));
    assert_eq!(problem.code, Code::WayBackMissing);
    assert!(problem.detail.contains("public.events"), "{problem}");
}

#[test]
fn a_loss_that_somebody_accepts_is_recorded_with_what_is_lost() {
    let bench = soaking(Way::CredentialFree);
    bench.world.meddle(|world| world.way_back().loss = Loss::Accepted);
    bench.start();
    let words = "the target is unusable";
    let asking = Strike::does(Moment::After, at_the_gate, || {
        bench.ask(roll_back(Some(words))).unwrap();
    });
    let ended = bench.drive_with("first", &Counting::default(), &asking);
    assert_eq!(ended, Some(Ended::Finished(Outcome::RolledBack)), "{}", bench.tail());
    let loss = bench.view().facts.way_back.loss.expect("it was recorded");
    assert_eq!(loss.consent, words);
    assert_eq!(loss.rows, None, "nobody may count them");
    let ledger = bench.world.ledger();
    assert_eq!(Ledger::doubled(&ledger.source), Vec::<u64>::new());
}

#[test]
fn a_roll_back_is_refused_before_the_release_and_after_the_acceptance() {
    let bench = soaking(Way::Terminate);
    let told = Mutex::new(Vec::new());
    let asks = |at: &str| {
        let problem = bench.ask(roll_back(None)).unwrap_err();
        told.lock().unwrap().push((at.to_owned(), problem.to_string()));
    };
    let early = Strike::does(Moment::After, entered("cutover.smoke_target"), || asks("early"));
    let accepting = Strike::does(Moment::After, at_the_gate, || bench.ask(accept()).unwrap());
    let late = Strike::does(Moment::After, entered("retire.close_way_back"), || asks("late"));
    bench.start();
    let first = Both(&early, &accepting);
    let ended = bench.drive_with("first", &Counting::default(), &Both(&first, &late));
    assert_eq!(ended, Some(Ended::Finished(Outcome::Moved)), "{}", bench.tail());
    let told = told.lock().unwrap();
    assert!(told[0].1.contains("abort it instead"), "{told:?}");
    assert!(told[1].1.contains("accepted"), "{told:?}");
}

#[test]
fn an_abort_behind_the_roll_backs_release_is_refused() {
    let bench = soaking(Way::Terminate);
    let before = bench.world.footprint();
    bench.start();
    let rolling = rolling(&bench);
    let late = Strike::does(Moment::After, entered("reverse.finish_source"), || {
        assert_eq!(bench.view().status.commitment, Commitment::Committed);
        let problem = bench.ask(abort()).unwrap_err();
        assert_eq!(problem.code, Code::PointOfNoReturn);
        assert!(problem.primary.contains("released to the source"), "{problem}");
    });
    let ended = bench.drive_with("first", &Counting::default(), &Both(&rolling, &late));
    assert_eq!(ended, Some(Ended::Finished(Outcome::RolledBack)), "{}", bench.tail());
    judge(&bench, &before, Outcome::RolledBack);
}

#[test]
fn the_target_that_somebody_opens_behind_a_roll_back_is_shut_again() {
    let bench = soaking(Way::Terminate);
    let before = bench.world.footprint();
    bench.start();
    let rolling = rolling(&bench);
    let opened = Strike::does(Moment::After, entered("reverse.finish_source"), || {
        bench.world.meddle(|world| world.regroup_target(&["sg-app".into()]));
    });
    let ended = bench.drive_with("first", &Counting::default(), &Both(&rolling, &opened));
    assert_eq!(ended, Some(Ended::Finished(Outcome::RolledBack)), "{}", bench.tail());
    judge(&bench, &before, Outcome::RolledBack);
}

#[test]
fn a_way_back_that_broke_in_the_soak_stops_a_roll_back_before_anybody_is_held() {
    let bench = soaking(Way::Terminate);
    bench.start();
    let asking = Strike::does(Moment::After, at_the_gate, || {
        bench.ask(roll_back(None)).unwrap();
        bench.world.meddle(|world| world.change_target());
    });
    bench.drive_with("first", &Counting::default(), &asking);
    let problem = bench.assert_stopped_by(Code::WayBackBroken);
    assert!(problem.primary.contains("schema public"), "{problem}");
    assert!(bench.view().facts.held_since.is_none());
    // Mended on the source as well, it goes on.
    bench.world.meddle(|world| world.change_source());
    bench.ask(Request::Resume { by: "ann".to_owned() }).unwrap();
    let ended = bench.drive_alone(&Counting::default(), &Healthy);
    assert_eq!(ended, Some(Ended::Finished(Outcome::RolledBack)), "{}", bench.tail());
}

#[test]
fn a_source_that_is_opened_while_a_roll_back_stands_still_is_shut_again() {
    let bench = soaking(Way::Terminate);
    bench.start();
    let asking = Strike::does(Moment::After, at_the_gate, || {
        bench.ask(roll_back(None)).unwrap();
        bench.world.meddle(|world| world.change_target());
    });
    bench.drive_with("first", &Counting::default(), &asking);
    bench.assert_stopped_by(Code::WayBackBroken);
    bench.world.meddle(|world| world.regroup_source(&["sg-app".into()]));
    // Nobody resumes: a driver that only stands there shuts it.
    let resumed = Mutex::new(false);
    let shut =
        |entry: &NewEntry| matches!(&entry.record, Record::Intended { cause: Cause::Watch, .. });
    let mending = Strike::does(Moment::After, shut, || {
        *resumed.lock().unwrap() = true;
        bench.world.meddle(|world| world.change_source());
        bench.ask(Request::Resume { by: "ann".to_owned() }).unwrap();
    });
    let ended = bench.drive_alone(&Counting::default(), &mending);
    assert!(*resumed.lock().unwrap(), "{}", bench.tail());
    assert_eq!(ended, Some(Ended::Finished(Outcome::RolledBack)), "{}", bench.tail());
}
