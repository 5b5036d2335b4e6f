//! Two drivers on one move: the second is refused; one that slept past its lease is deposed.

use std::sync::Mutex;
use std::task::Poll;
use std::time::Duration;

use jiff::Timestamp;
use landfall_core::Action;
use landfall_core::ids::{Epoch, Seq};
use landfall_core::journal::StoreTrouble;
use landfall_core::port::Clock;
use landfall_core::status::Outcome;
use landfall_flow::Ended;
use landfall_flow::model::World;
use landfall_flow::sim::{Beat, Fate, Sight, Tap, Watch};

use crate::stage::{Counting, Healthy, Moment, SECOND, Strike, Way, baseline, judge, nth, started};
use crate::support::{Bench, UntilStopped, driver};

#[test]
fn a_second_driver_is_refused() {
    let (bench, before) = started(Way::Terminate);
    let gauge = UntilStopped(&bench);
    let mut ends = None;
    bench.on(async {
        let first = driver(bench.ports(), &bench.store, "first", &gauge);
        let late = async {
            bench.world.sleep(SECOND).await;
            driver(bench.ports(), &bench.store, "second", &gauge).run(bench.name()).await
        };
        ends = Some(Box::pin(futures_util::future::join(first.run(bench.name()), late)).await);
    });
    let (first, second) = ends.unwrap();
    assert_eq!(first, Ended::Finished(Outcome::Moved));
    assert_eq!(second, Ended::LedByAnother { holder: "first".to_owned() });
    let epochs = bench.entries().iter().filter(|entry| entry.epoch > Epoch(1)).count();
    assert_eq!(epochs, 0, "the refused driver wrote\n{}", bench.tail());
    judge(&bench, &before, Outcome::Moved);
}

#[test]
fn nobody_leads_a_move_that_is_over() {
    let (bench, before) = started(Way::Terminate);
    assert_eq!(bench.drive(), Ended::Finished(Outcome::Moved), "{}", bench.tail());
    let written = bench.entries();
    // One that waited for the first to let go, and tries again.
    assert_eq!(bench.drive(), Ended::Finished(Outcome::Moved));
    assert_eq!(bench.entries(), written, "{}", bench.tail());
    judge(&bench, &before, Outcome::Moved);
}

/// A driver that is not polled from an instant on, until another.
async fn stopped<T>(
    world: &World,
    from: Timestamp,
    until: Timestamp,
    driver: impl Future<Output = T>,
) -> T {
    let mut driver = Box::pin(driver);
    let mut nap = None;
    std::future::poll_fn(move |context| {
        if (from..until).contains(&world.now()) {
            let left = until.duration_since(world.now()).unsigned_abs();
            let nap = nap.get_or_insert_with(|| world.sleep(left));
            assert!(nap.as_mut().poll(context).is_pending(), "it ends with the window");
            return Poll::Pending;
        }
        driver.as_mut().poll(context)
    })
    .await
}

/// When each order of a driver began.
struct Times<'a> {
    world: &'a World,
    began: Mutex<Vec<(Timestamp, String)>>,
}

impl Tap for Times<'_> {
    fn order(&self, action: &Action) -> Fate {
        self.began.lock().unwrap().push((self.world.now(), action.to_string()));
        Fate::Done
    }

    fn look(&self, _: &'static str) -> Sight {
        Sight::Clear
    }
}

/// The first driver sleeps through its lease, and wakes up beside a second one.
fn oversleep(way: Way, from: Timestamp, first_watch: &dyn Watch, bench: &Bench) -> (Ended, Ended) {
    let until = from + Duration::from_secs(45);
    let times = Times { world: &bench.world, began: Mutex::default() };
    let counting = Counting::default();
    let gauge = UntilStopped(bench);
    let mut ends = None;
    bench.on(async {
        let first = bench.drive_lane("first", &times, first_watch, &gauge);
        let first = stopped(&bench.world, from, until, first);
        let second = async {
            bench.world.sleep(from.duration_since(bench.world.now()).unsigned_abs()).await;
            bench.drive_lane("second", &counting, &Healthy, &gauge).await
        };
        ends = Some(Box::pin(futures_util::future::join(first, second)).await);
    });
    let (first, second) = ends.unwrap();
    let taken_over = bench.entries().iter().find(|entry| entry.epoch == Epoch(2)).map(|e| e.at);
    if let Some(taken_over) = taken_over {
        let late: Vec<_> = times
            .began
            .lock()
            .unwrap()
            .iter()
            .filter(|(at, _)| *at > taken_over)
            .cloned()
            .collect();
        assert_eq!(late, [], "{way:?}: the deposed driver gave orders");
        let late: Vec<_> = bench
            .entries()
            .iter()
            .skip_while(|entry| entry.epoch != Epoch(2))
            .filter(|entry| entry.epoch == Epoch(1))
            .map(|entry| entry.seq)
            .collect();
        assert_eq!(late, [], "{way:?}: the deposed driver wrote\n{}", bench.tail());
    }
    (first.unwrap(), second.unwrap())
}

/// Stopped at instants spread over a whole move.
fn wakes_up_deposed(way: Way) {
    let mut deposed = 0;
    for step in 0..60_u64 {
        let (bench, before) = started(way);
        let from = bench.world.now() + Duration::from_millis(197 * step);
        let (first, second) = oversleep(way, from, &Healthy, &bench);
        let at = format!("{way:?} from {step}");
        assert_eq!(second, Ended::Finished(Outcome::Moved), "{at}\n{}", bench.tail());
        deposed += u32::from(first == Ended::LostLease);
        assert!(
            matches!(first, Ended::LostLease | Ended::Finished(_)),
            "{at}: {first:?}\n{}",
            bench.tail()
        );
        judge(&bench, &before, Outcome::Moved);
    }
    assert!(deposed > 30, "{way:?}: only {deposed} times");
}

#[test]
fn a_driver_that_was_stopped_wakes_up_deposed() {
    wakes_up_deposed(Way::Terminate);
}

#[test]
fn a_driver_that_was_stopped_wakes_up_deposed_without_credentials() {
    wakes_up_deposed(Way::CredentialFree);
}

/// The first driver hangs at a write for longer than its lease, while a second one goes on.
fn hang_at(n: usize, moment: Moment) {
    let (bench, before) = started(Way::Terminate);
    let hang = Strike::new(moment, nth(n), || Beat::Hangs(Duration::from_secs(45)));
    let gauge = UntilStopped(&bench);
    let (tap, successor) = (Counting::default(), Counting::default());
    let mut ends = None;
    bench.on(async {
        let first = bench.drive_lane("first", &tap, &hang, &gauge);
        let second = async {
            while !hang.has_struck() {
                bench.world.sleep(SECOND / 20).await;
            }
            bench.drive_lane("second", &successor, &Healthy, &gauge).await
        };
        ends = Some(Box::pin(futures_util::future::join(first, second)).await);
    });
    let (first, second) = ends.unwrap();
    let at = format!("write {n} {moment:?}");
    assert_eq!(first, Some(Ended::LostLease), "{at}\n{}", bench.tail());
    assert_eq!(second, Some(Ended::Finished(Outcome::Moved)), "{at}\n{}", bench.tail());
    judge(&bench, &before, Outcome::Moved);
}

#[test]
fn a_driver_that_hangs_before_a_write_wakes_up_deposed() {
    for n in 2..baseline(Way::Terminate, None).writes.len() {
        hang_at(n, Moment::Before);
    }
}

#[test]
fn a_driver_that_hangs_after_a_write_wakes_up_deposed() {
    for n in 2..baseline(Way::Terminate, None).writes.len() {
        hang_at(n, Moment::After);
    }
}

/// A store that forgets has another leader's promotion forgotten as well: nothing more is done.
#[test]
fn a_journal_that_forgot_what_was_written_stops_its_driver() {
    let (bench, _) = started(Way::Terminate);
    let forget = || bench.store.forget_after(bench.name(), Seq(12));
    let forgets = Strike::does(Moment::After, nth(20), forget);
    let (gauge, tap) = (UntilStopped(&bench), Counting::default());
    let mut end = None;
    bench.on(async {
        end = bench.drive_lane("first", &tap, &forgets, &gauge).await;
    });
    let Some(Ended::Store { trouble, cause }) = end else { panic!("{end:?}\n{}", bench.tail()) };
    assert_eq!(trouble, StoreTrouble::ChangedByHand, "{cause}");
    assert!(cause.contains("ends at 12"), "{cause}");
    assert_eq!(bench.entries().len(), 12, "it wrote on: {}", bench.tail());
}
