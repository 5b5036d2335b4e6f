//! Dice: everything random of a simulation, from one seed.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use landfall_core::Spec;
use landfall_core::spec::{Approval, FenceKind, OnOverrun, ReaderSpec, RetireSource, Stragglers};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::model::{Delays, example_spec};

/// The dice of one simulation, shared by all its lanes.
pub(super) struct Dice {
    random: Mutex<StdRng>,
}

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self { random: Mutex::new(StdRng::seed_from_u64(seed)) }
    }

    /// Dice of one lane of a simulation.
    pub(super) fn of(seed: u64, lane: &str) -> Self {
        let mut hasher = DefaultHasher::new();
        (seed, lane).hash(&mut hasher);
        Self::new(hasher.finish())
    }

    fn lock(&self) -> MutexGuard<'_, StdRng> {
        self.random.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// True this often in a thousand.
    pub(super) fn chance(&self, per_mille: u32) -> bool {
        self.lock().random_range(0..1000) < per_mille
    }

    /// One of them.
    pub(super) fn pick<T: Copy>(&self, all: &[T]) -> T {
        let at = self.lock().random_range(0..all.len());
        *all.get(at).expect("the index was drawn from the length")
    }

    /// A time between two, to the millisecond.
    pub(super) fn time(&self, from: Duration, to: Duration) -> Duration {
        let whole = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        Duration::from_millis(self.lock().random_range(whole(from)..=whole(to)))
    }

    /// A time between two, in seconds.
    pub(super) fn seconds(&self, from: u64, to: u64) -> Duration {
        self.time(Duration::from_secs(from), Duration::from_secs(to))
    }
}

/// Random numbers of one site, cheap to begin.
pub(super) struct Draw(u64);

impl Draw {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// SplitMix64.
    const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// True this often in a thousand.
    pub(super) fn chance(&mut self, per_mille: u32) -> bool {
        self.next() % 1000 < u64::from(per_mille)
    }

    /// One of them, when there is any.
    pub(super) fn pick<T: Copy>(&mut self, all: &[T]) -> Option<T> {
        let many = u64::try_from(all.len()).ok().filter(|many| *many > 0)?;
        all.get(usize::try_from(self.next() % many).ok()?).copied()
    }

    /// A time between two, to the millisecond.
    pub(super) fn time(&mut self, from: Duration, to: Duration) -> Duration {
        let whole = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let span = whole(to).saturating_sub(whole(from)).saturating_add(1);
        from + Duration::from_millis(self.next() % span)
    }
}

/// How bad a night it is, in thousandths.
#[derive(Debug, Clone, Copy)]
pub(super) struct Luck {
    /// An order is refused, loses its answer, is done twice, is slow.
    pub(super) orders: u32,
    /// A look fails, is slow, is stale.
    pub(super) looks: u32,
    /// A driver dies at a write, or oversleeps.
    pub(super) writes: u32,
    /// A clock jumps, at each write.
    pub(super) clocks: u32,
    /// Somebody meddles, at each of the meddler's rounds.
    pub(super) world: u32,
    /// A person asks for something, at each of the person's rounds.
    pub(super) people: u32,
}

impl Luck {
    pub(super) fn draw(dice: &Dice) -> Self {
        Self {
            orders: dice.pick(&[0, 50, 200, 400]),
            looks: dice.pick(&[0, 5, 30, 100]),
            writes: dice.pick(&[0, 10, 40, 100]),
            clocks: dice.pick(&[0, 0, 5, 30]),
            world: dice.pick(&[0, 100, 300]),
            people: dice.pick(&[0, 0, 2, 10]),
        }
    }
}

/// How long things take that night.
pub(super) fn delays(dice: &Dice) -> Delays {
    let millis = |from, to| dice.time(Duration::from_millis(from), Duration::from_millis(to));
    Delays {
        call: millis(2, 40),
        groups: millis(50, 2_000),
        cluster: millis(200, 5_000),
        writer: millis(500, 20_000),
        reboot: millis(500, 15_000),
        promote: dice.pick(&[millis(300, 8_000), millis(8_000, 90_000)]),
        delete: millis(200, 5_000),
        lag: millis(5, 400),
        metric: dice.pick(&[Duration::from_secs(1), Duration::from_secs(5)]),
    }
}

/// What is asked for that night.
pub(super) fn spec(dice: &Dice) -> Spec {
    let mut spec = example_spec();
    if dice.chance(300) {
        spec.access = None;
        spec.smoke.clear();
    } else {
        spec.cutover.fence = dice.pick(&[FenceKind::Auto, FenceKind::Auto, FenceKind::Reboot]);
    }
    let person = |dice: &Dice| dice.pick(&[Approval::Automatic, Approval::Person]);
    spec.approve.backups = person(dice);
    spec.approve.cutover = person(dice);
    spec.approve.acceptance = person(dice);
    spec.cutover.on_overrun = dice.pick(&[OnOverrun::Finish, OnOverrun::Undo]);
    spec.cutover.grace = dice.pick(&[Duration::ZERO, Duration::from_secs(2)]);
    spec.cutover.sustained_for = Duration::from_secs(2);
    spec.route.pause_budget = Some(Duration::from_secs(dice.pick(&[30, 60, 200, 900])));
    spec.limits.replica_available_within = Duration::from_mins(10);
    spec.limits.lag_sustained_within = Duration::from_mins(10);
    if dice.chance(250) {
        spec.retire.source = RetireSource::SnapshotAndDelete;
    }
    if dice.chance(400) {
        spec.route.reader = vec![ReaderSpec { service: "orders-ro".into() }];
    }
    use Stragglers::{GoOn, Stop, Undo};
    spec.route.stragglers = dice.pick(&[Stop, Stop, GoOn, Undo]);
    spec
}
