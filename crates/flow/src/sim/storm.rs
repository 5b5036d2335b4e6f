//! The storm: what seeded bad luck does to calls, to drivers and to their clocks.
//!
//! Each fault is drawn at its own site (the machine, the step, the call, how often it was made), not
//! from a common stream: with one fault ruled out, the others stay as they were, which is what lets
//! a failing night be made smaller. It blows for a while and then lies down: a night of endless
//! faults shows nothing but waiting. Where a night aims at one step, it blows there in any case.

use std::collections::{BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use landfall_core::Action;
use landfall_core::failure::{Failure, FailureKind};
use landfall_core::journal::{NewEntry, Record};

use super::coverage::{Coverage, Spot};
use super::dice::{Draw, Luck};
use super::fault::{Call, Door, Fault, Kind, kinds};
use super::planted::Break;
use super::pulse::{Beat, Watch};
use super::story::Story;
use super::tap::{Fate, Sight, Tap};
use super::witness::{Clocks, Witness};
use super::wrist::Wrist;
use crate::model::World;

/// Failures that pass by themselves.
const PASSING: [FailureKind; 4] = [
    FailureKind::Unavailable,
    FailureKind::Throttled,
    FailureKind::TimedOut,
    FailureKind::WrongState,
];

/// A person is called for these.
const STICKING: [FailureKind; 2] = [FailureKind::Denied, FailureKind::Unknown];

/// A call of a driver takes no longer than its timeout.
const SLOW_AT_MOST: Duration = Duration::from_millis(4_000);

/// How often it blows where the night aims, in thousandths, and how many faults that brings.
const AIMED: (u32, u32) = (350, 18);

/// A fault by its site: the same in every run of a seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FaultId(u64);

/// A fault that struck.
#[derive(Debug, Clone)]
pub struct Struck {
    /// Which.
    pub id: FaultId,
    /// What it was, in words.
    pub words: String,
}

/// What has happened so far.
struct Log {
    met: HashMap<u64, u32>,
    struck: Vec<Struck>,
    coverage: Coverage,
    aimed: u32,
}

/// The bad luck of one night, for all of its machines.
pub(super) struct Weather<'a> {
    pub(super) world: &'a World,
    pub(super) witness: &'a Witness<'a>,
    pub(super) story: &'a Story,
    pub(super) seed: u64,
    pub(super) luck: Luck,
    pub(super) until: Timestamp,
    pub(super) aim: Option<Spot>,
    pub(super) ruled_out: &'a BTreeSet<FaultId>,
    log: Mutex<Log>,
    jumped: AtomicBool,
}

/// What a night is made of, before anything happened in it.
pub(super) struct Outlook<'a> {
    pub(super) world: &'a World,
    pub(super) witness: &'a Witness<'a>,
    pub(super) story: &'a Story,
    pub(super) ruled_out: &'a BTreeSet<FaultId>,
}

fn hashed(of: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    of.hash(&mut hasher);
    hasher.finish()
}

impl<'a> Weather<'a> {
    pub(super) fn new(
        outlook: &Outlook<'a>,
        seed: u64,
        luck: Luck,
        (until, aim): (Timestamp, Option<Spot>),
    ) -> Self {
        let Outlook { world, witness, story, ruled_out } = *outlook;
        let coverage = Coverage::of_one_night();
        let log = Log { met: HashMap::new(), struck: Vec::new(), coverage, aimed: 0 };
        let (log, jumped) = (Mutex::new(log), AtomicBool::new(false));
        Self { world, witness, story, seed, luck, until, aim, ruled_out, log, jumped }
    }

    fn lock(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the clocks can still be trusted.
    pub(super) fn clocks(&self) -> Clocks {
        if self.jumped.load(Ordering::Relaxed) { Clocks::Jumped } else { Clocks::Right }
    }

    /// What struck, in order, and what was hit.
    pub(super) fn end(&self) -> (Vec<Struck>, Coverage) {
        let log = self.lock();
        (log.struck.clone(), log.coverage.clone())
    }

    /// Something outside of every call: whether it happens is drawn at its own site too.
    pub(super) fn happens(&self, what: &str, per_mille: u32) -> Option<Draw> {
        if self.world.instant() < self.until { self.chosen(what, per_mille) } else { None }
    }

    /// The same, whatever the weather.
    pub(super) fn chosen(&self, what: &str, per_mille: u32) -> Option<Draw> {
        let mut log = self.lock();
        let (id, mut draw) = self.site(&mut log, hashed(what));
        if !draw.chance(per_mille) {
            return None;
        }
        self.strikes(&mut log, id, what.to_owned()).then_some(draw)
    }

    fn site(&self, log: &mut Log, place: u64) -> (FaultId, Draw) {
        let met = log.met.entry(place).or_default();
        *met += 1;
        let id = hashed((place, *met));
        (FaultId(id), Draw::new(hashed((self.seed, id))))
    }

    fn strikes(&self, log: &mut Log, id: FaultId, words: String) -> bool {
        if self.ruled_out.contains(&id) {
            return false;
        }
        log.struck.push(Struck { id, words });
        true
    }

    /// The fault that strikes a call, when one does.
    fn roll(&self, machine: &str, door: Door, call: Call, what: &str) -> Option<(Kind, Draw)> {
        let spot = self.witness.spot();
        let mut log = self.lock();
        log.coverage.called(&spot, door, call);
        let (id, mut draw) = self.site(&mut log, hashed((machine, &spot, door, call, what)));
        let aimed = self.aim.as_ref() == Some(&spot) && log.aimed < AIMED.1;
        let blows = self.world.instant() < self.until;
        let luck = match (door, call) {
            (Door::Clock, _) => self.luck.clocks,
            (Door::Journal, _) => self.luck.writes,
            (_, Call::Order) => self.luck.orders,
            (_, Call::Look | Call::Write) => self.luck.looks,
        };
        let luck = if blows { luck } else { 0 };
        if !draw.chance(if aimed { luck.max(AIMED.0) } else { luck }) {
            return None;
        }
        let all = kinds(door, call);
        // Where a night aims, one kind after the other.
        let kind = if aimed {
            let at = usize::try_from(self.seed).unwrap_or(0) / 7 + log.struck.len();
            *all.get(at % all.len().max(1))?
        } else {
            draw.pick(all)?
        };
        let fault = Fault { door, call, kind };
        if !self.strikes(&mut log, id, format!("{machine}: {fault} at {spot}: {what}")) {
            return None;
        }
        log.aimed += u32::from(aimed);
        log.coverage.hit(&spot, fault);
        drop(log);
        self.story.tell(format!("{machine}: {fault}: {what}"));
        Some((kind, draw))
    }
}

/// The storm as one machine feels it.
pub(super) struct Storm<'a> {
    pub(super) weather: &'a Weather<'a>,
    pub(super) machine: &'a str,
    pub(super) clock: &'a Wrist<'a>,
    pub(super) planted: Option<Break>,
    /// What becomes of it once the record that it is writing is durable.
    pub(super) afterwards: Mutex<Beat>,
}

fn failure(draw: &mut Draw) -> FailureKind {
    let kinds: &[FailureKind] = if draw.chance(60) { &STICKING } else { &PASSING };
    draw.pick(kinds).unwrap_or(FailureKind::Unknown)
}

impl Storm<'_> {
    fn roll(&self, door: Door, call: Call, what: &str) -> Option<(Kind, Draw)> {
        self.weather.roll(self.machine, door, call, what)
    }

    fn jump(&self, what: &str) {
        let Some((kind, mut draw)) = self.roll(Door::Clock, Call::Write, what) else { return };
        // Beyond a quarter of an hour AWS refuses every call, and nothing happens any more.
        let by = draw.pick(&[2, 30, 240, 600]).unwrap_or(2);
        let by = SignedDuration::from_secs(if kind == Kind::Back { -by } else { by });
        self.weather.jumped.store(true, Ordering::Relaxed);
        self.weather.story.tell(format!("{}'s clock is off by {by:#}", self.machine));
        self.clock.set(by);
    }

    fn write(&self, what: &str) -> [Beat; 2] {
        self.jump(what);
        let Some((kind, mut draw)) = self.roll(Door::Journal, Call::Write, what) else {
            return [Beat::Goes, Beat::Goes];
        };
        let slow = Beat::Hangs(draw.time(Duration::ZERO, SLOW_AT_MOST));
        match kind {
            Kind::Refused => [Beat::Fails, Beat::Goes],
            Kind::AnswerLost => [Beat::Goes, Beat::Fails],
            Kind::Slow => [slow, Beat::Goes],
            Kind::Held => [Beat::Goes, slow],
            Kind::DiesBefore => [Beat::Dies, Beat::Goes],
            Kind::DiesAfter => [Beat::Goes, Beat::Dies],
            Kind::LeaderLost => {
                let long = Duration::from_secs(16);
                let hangs = Beat::Hangs(draw.time(long, 3 * long));
                if draw.chance(500) { [hangs, Beat::Goes] } else { [Beat::Goes, hangs] }
            }
            Kind::Twice | Kind::Late | Kind::Stale | Kind::Forward | Kind::Back => {
                [Beat::Goes, Beat::Goes]
            }
        }
    }
}

impl Tap for Storm<'_> {
    fn order(&self, action: &Action) -> Fate {
        self.weather.witness.order(action, self.weather.clocks());
        let roll = self.roll(Door::of(action), Call::Order, &action.to_string());
        let Some((kind, mut draw)) = roll else { return Fate::Done };
        let slow = draw.time(Duration::ZERO, SLOW_AT_MOST);
        match kind {
            Kind::Refused => Fate::Refused(failure(&mut draw)),
            Kind::AnswerLost => Fate::AnswerLost,
            Kind::Twice => Fate::Twice,
            Kind::Slow => Fate::Slow(slow),
            Kind::Held => Fate::Held(slow),
            Kind::Late => Fate::Late(slow),
            Kind::Stale
            | Kind::DiesBefore
            | Kind::DiesAfter
            | Kind::LeaderLost
            | Kind::Forward
            | Kind::Back => Fate::Done,
        }
    }

    fn look(&self, what: &'static str) -> Sight {
        self.look_at(Door::Database, what)
    }

    fn look_at(&self, door: Door, what: &'static str) -> Sight {
        if self
            .planted
            .is_some_and(|planted| planted.looks_away(&self.weather.witness.spot(), what))
        {
            return Sight::Old;
        }
        let Some((kind, mut draw)) = self.roll(door, Call::Look, what) else { return Sight::Clear };
        let slow = draw.time(Duration::ZERO, SLOW_AT_MOST);
        match kind {
            Kind::Refused => Sight::Blind(failure(&mut draw)),
            Kind::Slow => Sight::Slow(slow),
            Kind::Held => Sight::Held(slow),
            Kind::Stale => Sight::Stale,
            Kind::AnswerLost
            | Kind::Twice
            | Kind::Late
            | Kind::DiesBefore
            | Kind::DiesAfter
            | Kind::LeaderLost
            | Kind::Forward
            | Kind::Back => Sight::Clear,
        }
    }

    fn repeats(&self, failure: &Failure) -> bool {
        let unknown = [FailureKind::Unavailable, FailureKind::TimedOut].contains(&failure.kind);
        unknown && self.planted == Some(Break::LostAnswerRepeated)
    }
}

impl Watch for Storm<'_> {
    fn before(&self, entry: &NewEntry) -> Beat {
        let [before, after] = self.write(entry.record.name());
        *self.afterwards.lock().unwrap_or_else(PoisonError::into_inner) = after;
        before
    }

    fn after(&self, entry: &NewEntry) -> Beat {
        let after = *self.afterwards.lock().unwrap_or_else(PoisonError::into_inner);
        // Once the end is written nobody is left to see the driver die.
        if matches!(entry.record, Record::Finished { .. }) { Beat::Goes } else { after }
    }

    fn renews(&self) -> [Beat; 2] {
        self.write("the lease")
    }
}
