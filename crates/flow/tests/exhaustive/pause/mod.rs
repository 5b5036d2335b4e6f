//! The pause window, explored in full: two orchestrators, a journal, a network, two clients.
//!
//! It is no simulation: every order of events within the bounds is visited, and there is no time.
//! What the product settles by time is a guard here: no call outlasts its timeout (who waits for an
//! answer goes on only when the order has arrived or is gone), and who takes over an expired lease
//! waits until that is true of every call of the leader before. The process table names the same
//! rows; a test compares them.

pub(crate) mod journal;
pub(crate) mod orchestrator;
pub(crate) mod verdict;
pub(crate) mod world;

use journal::{Commitment, Course, Journal, Record, Run};
use orchestrator::{Decision, Doing, Lease, Orchestrator, View, decide};
use stateright::{Model, Property};
use world::{Bypass, Life, Order, Side, Target, Traffic, World};

/// A mistake in the product's logic, made on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Mistake {
    /// Nobody looks whether the fence holds.
    NoFenceProof,
    /// Who takes over does not wait, and who is deposed does not look at its lease before a call.
    NoLeaseWait,
    /// The release is ordered before its intent is in the journal.
    ReleaseBeforeIntent,
    /// A record is appended wherever the journal ends.
    NoPosition,
}

impl Mistake {
    pub(crate) const ALL: [Self; 4] =
        [Self::NoFenceProof, Self::NoLeaseWait, Self::ReleaseBeforeIntent, Self::NoPosition];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::NoFenceProof => "no-fence-proof",
            Self::NoLeaseWait => "no-lease-wait",
            Self::ReleaseBeforeIntent => "release-before-intent",
            Self::NoPosition => "no-position",
        }
    }

    /// How far one has to go to find it out.
    pub(crate) const fn bounds(self) -> Bounds {
        match self {
            Self::NoFenceProof | Self::ReleaseBeforeIntent | Self::NoPosition => {
                Bounds { writes: 1, attempts: 1, takeovers: Some(1) }
            }
            // It takes an order of one attempt that arrives in the next.
            Self::NoLeaseWait => Bounds { writes: 0, attempts: 2, takeovers: Some(2) },
        }
    }
}

/// How far the exploration goes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// Acknowledged writes on the source.
    pub(crate) writes: u8,
    /// Attempts of the move.
    pub(crate) attempts: u8,
    /// How often the lease changes hands; absent = as often as it likes.
    pub(crate) takeovers: Option<u8>,
}

/// Whose call an order in the network is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Owner {
    /// This orchestrator waits for its answer.
    AwaitedBy(usize),
    /// Whoever gave it is gone.
    Orphan,
}

/// At most so many orders are under way at once.
const UNDER_WAY: usize = 2;

/// One state of everything.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct State {
    pub(crate) journal: Journal,
    pub(crate) orchestrators: [Orchestrator; 2],
    pub(crate) network: Vec<(Order, Owner)>,
    pub(crate) world: World,
    /// How often the lease may still change hands.
    pub(crate) takeovers: Option<u8>,
}

/// One thing that happens.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Event {
    World(Life),
    /// An orchestrator takes the lease: whoever had it died, or hung too long.
    TakesOver(usize),
    /// It dies where it stands, and is started again.
    Dies(usize),
    /// The calls of the leader before are over.
    WaitedOut(usize),
    Looks(usize),
    Writes(usize),
    Orders(usize),
    /// An answer comes, or its call is given up.
    GoesOn(usize),
    /// An order arrives; it may arrive again.
    Arrives(Order),
    /// An order is over: it was done, or never will be.
    Gone(Order),
    /// A person or the budget aborts.
    Aborts,
    Resumes,
    StartsAgain,
}

/// The model.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pause {
    pub(crate) bounds: Bounds,
    pub(crate) mistake: Option<Mistake>,
}

impl State {
    fn is(&self, which: usize) -> Option<Orchestrator> {
        self.orchestrators.get(which).copied()
    }

    fn set(&mut self, which: usize, becomes: Orchestrator) {
        if let Some(one) = self.orchestrators.get_mut(which) {
            *one = becomes;
        }
    }

    fn leads(&mut self, which: usize, doing: Doing) {
        if let Some(Orchestrator::Leading { lease, .. }) = self.is(which) {
            self.set(which, Orchestrator::Leading { lease, doing });
        }
    }

    /// Appends, when it fits; everybody else's view is old from here on.
    fn append(&mut self, record: Record) -> bool {
        let Some(journal) = self.journal.with(record) else { return false };
        self.journal = journal;
        for one in &mut self.orchestrators {
            if let Orchestrator::Leading {
                doing: Doing::Deciding { view, .. } | Doing::Belated { view, .. },
                ..
            } = one
            {
                *view = View::Outrun;
            }
        }
        true
    }

    /// The order that an orchestrator gave is nobody's from here on.
    fn orphan(&mut self, which: usize) {
        for (_, owner) in &mut self.network {
            if *owner == Owner::AwaitedBy(which) {
                *owner = Owner::Orphan;
            }
        }
        self.network.sort_unstable();
    }

    fn send(&mut self, which: usize, order: Order) -> bool {
        if self.network.len() == UNDER_WAY {
            return false;
        }
        self.network.push((order, Owner::AwaitedBy(which)));
        self.network.sort_unstable();
        true
    }
}

impl Pause {
    /// The state after an event, or nothing when it cannot happen.
    fn after(&self, mut state: State, event: &Event) -> Option<State> {
        match event {
            Event::World(life) => {
                state.world = state.world.lives(*life, self.bounds.writes)?;
                Some(state)
            }
            Event::Aborts => state.append(Record::Abort).then_some(state),
            Event::Resumes => state.append(Record::Resume).then_some(state),
            Event::StartsAgain => self.starts_again(state),
            Event::TakesOver(which) => Self::takes_over(state, *which),
            Event::Dies(which) => {
                let Orchestrator::Leading { .. } = state.is(*which)? else { return None };
                state.orphan(*which);
                state.set(*which, Orchestrator::Standby);
                Some(state)
            }
            Event::WaitedOut(which) => {
                let waits = matches!(
                    state.is(*which)?,
                    Orchestrator::Leading { doing: Doing::WaitingOut, .. }
                );
                let quiet = state.network.is_empty() || self.mistake == Some(Mistake::NoLeaseWait);
                state.leads(*which, Doing::Looking);
                (waits && quiet).then_some(state)
            }
            Event::Looks(which) => self.looks(state, *which),
            Event::Writes(which) => self.writes(state, *which),
            Event::Orders(which) => self.orders(state, *which),
            Event::GoesOn(which) => {
                let awaits = matches!(
                    state.is(*which)?,
                    Orchestrator::Leading { doing: Doing::Awaiting, .. }
                );
                // A call ends, one way or another, before its timeout.
                let own = Owner::AwaitedBy(*which);
                let over = state.network.iter().all(|(_, owner)| *owner != own);
                state.leads(*which, Doing::Looking);
                (awaits && over).then_some(state)
            }
            Event::Arrives(order) => {
                let under_way = state.network.iter().any(|(one, _)| one == order);
                state.world = state.world.obeys(*order);
                under_way.then_some(state)
            }
            Event::Gone(order) => {
                let at = state.network.iter().position(|(one, _)| one == order)?;
                state.network.remove(at);
                Some(state)
            }
        }
    }

    /// Only where the replica was deleted: a promoted one is spent, and its name taken.
    fn starts_again(&self, mut state: State) -> Option<State> {
        let again = state.journal.attempt < self.bounds.attempts
            && state.world.target == Target::Replica
            && state.append(Record::Started);
        state.world = state.world.rebuilt();
        again.then_some(state)
    }

    fn takes_over(mut state: State, which: usize) -> Option<State> {
        let Orchestrator::Standby = state.is(which)? else { return None };
        if matches!(state.journal.run, Run::Moved) {
            return None;
        }
        state.takeovers = match state.takeovers {
            Some(0) => return None,
            left => left.map(|left| left - 1),
        };
        let other = 1 - which;
        if let Some(Orchestrator::Leading { doing, .. }) = state.is(other) {
            state.set(other, Orchestrator::Leading { lease: Lease::Lost, doing });
        }
        let doing = Doing::WaitingOut;
        state.set(which, Orchestrator::Leading { lease: Lease::Ours, doing });
        Some(state)
    }

    fn looks(&self, mut state: State, which: usize) -> Option<State> {
        let Orchestrator::Leading { doing: Doing::Looking, .. } = state.is(which)? else {
            return None;
        };
        if state.journal.run != Run::Running {
            return None;
        }
        let Decision::Write(record) = decide(&state.journal, &state.world, self.mistake) else {
            return None;
        };
        let forward = state.journal.course == Course::Doing;
        let early = forward && self.mistake == Some(Mistake::ReleaseBeforeIntent);
        let view = View::Fresh;
        let doing = if let (Record::Intended(order @ Order::Release { .. }), true) = (record, early)
        {
            if !state.send(which, order) {
                return None;
            }
            Doing::Belated { order, view }
        } else {
            Doing::Deciding { record, view }
        };
        state.leads(which, doing);
        Some(state)
    }

    /// The one compare-and-set: position and epoch.
    fn writes(&self, mut state: State, which: usize) -> Option<State> {
        let Orchestrator::Leading { lease, doing } = state.is(which)? else { return None };
        let (record, view, then) = match doing {
            Doing::Deciding { record: record @ Record::Intended(order), view } => {
                (record, view, Doing::Ordering(order))
            }
            Doing::Deciding { record, view } => (record, view, Doing::Looking),
            Doing::Belated { order, view } => (Record::Intended(order), view, Doing::Awaiting),
            Doing::WaitingOut | Doing::Looking | Doing::Ordering(_) | Doing::Awaiting => {
                return None;
            }
        };
        if lease == Lease::Lost {
            state.orphan(which);
            state.set(which, Orchestrator::Standby);
            return Some(state);
        }
        let positioned = view == View::Fresh || self.mistake == Some(Mistake::NoPosition);
        let written = positioned && state.append(record);
        if !written {
            state.orphan(which);
        }
        state.leads(which, if written { then } else { Doing::Looking });
        Some(state)
    }

    /// A call begins only under a lease that outlasts it.
    fn orders(&self, mut state: State, which: usize) -> Option<State> {
        let Orchestrator::Leading { lease, doing: Doing::Ordering(order) } = state.is(which)?
        else {
            return None;
        };
        if lease == Lease::Lost && self.mistake != Some(Mistake::NoLeaseWait) {
            state.set(which, Orchestrator::Standby);
            return Some(state);
        }
        if !state.send(which, order) {
            return None;
        }
        state.leads(which, Doing::Awaiting);
        Some(state)
    }
}

/// Nobody writes to both: a client on each side while both take writes.
fn one_writable_side(_: &Pause, state: &State) -> bool {
    let world = &state.world;
    let target = world.application == Some(Side::Target);
    !(target && world.bypass == Bypass::In)
}

/// Whichever side is the truth has every acknowledged write.
fn nothing_is_lost(_: &Pause, state: &State) -> bool {
    let world = &state.world;
    let used = matches!(world.target, Target::Primary { writes } if writes > 0);
    let on_target = used || state.journal.run == Run::Moved;
    let behind = world.replayed < world.written;
    let back = state.journal.run == Run::Undone && used;
    !(back || (on_target && behind))
}

/// After the committed release nobody goes back, neither the journal nor the route.
fn never_back(_: &Pause, state: &State) -> bool {
    let committed = state.journal.commitment == Commitment::Committed;
    let undoing = state.journal.course == Course::Undoing;
    let route = state.world.route;
    !committed || (!undoing && route.to == Side::Target)
}

/// Nobody is sent to the target before the release is committed.
fn nobody_before_release(_: &Pause, state: &State) -> bool {
    let committed = state.journal.commitment == Commitment::Committed;
    committed || state.world.application != Some(Side::Target)
}

fn undone_after_promotion(_: &Pause, state: &State) -> bool {
    state.journal.run == Run::Undone && state.world.target != Target::Replica
}

fn moved_at_the_second_attempt(_: &Pause, state: &State) -> bool {
    state.journal.run == Run::Moved && state.journal.attempt > 1
}

fn application_goes_on(_: &Pause, state: &State) -> bool {
    matches!(state.world.target, Target::Primary { writes } if writes > 0)
        && state.world.route.traffic == Traffic::Open
}

fn an_order_outlives_its_giver(_: &Pause, state: &State) -> bool {
    state.network.iter().any(|(_, owner)| *owner == Owner::Orphan)
}

impl Model for Pause {
    type State = State;
    type Action = Event;

    fn init_states(&self) -> Vec<State> {
        let state = |(journal, world)| State {
            journal,
            orchestrators: [Orchestrator::Standby; 2],
            network: Vec::new(),
            world,
            takeovers: self.bounds.takeovers,
        };
        let mut all = vec![state((Journal::first(), World::before()))];
        if self.bounds.attempts > 1 {
            // Reached from the first as well; from here what an undone attempt leaves in the
            // network for the next one is found after fewer steps.
            all.push(state((Journal::undoing_the_fence(), World::fenced())));
        }
        all
    }

    fn actions(&self, state: &State, events: &mut Vec<Event>) {
        events.extend(Life::ALL.map(Event::World));
        for which in [0, 1] {
            events.extend([
                Event::TakesOver(which),
                Event::Dies(which),
                Event::WaitedOut(which),
                Event::Looks(which),
                Event::Writes(which),
                Event::Orders(which),
                Event::GoesOn(which),
            ]);
        }
        events.extend(state.network.iter().map(|(order, _)| Event::Arrives(*order)));
        events.extend(state.network.iter().map(|(order, _)| Event::Gone(*order)));
        events.extend([Event::Aborts, Event::Resumes, Event::StartsAgain]);
    }

    fn next_state(&self, state: &State, event: Event) -> Option<State> {
        self.after(state.clone(), &event).filter(|next| next != state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("never two writable sides with a client on each", one_writable_side),
            Property::always("no acknowledged write is lost", nothing_is_lost),
            Property::always("after the committed release never back", never_back),
            Property::always("nobody on the target before the release", nobody_before_release),
            // What never happens in the model proves nothing in it.
            Property::sometimes("a move is undone after the promotion", undone_after_promotion),
            Property::sometimes("a second attempt ends well", moved_at_the_second_attempt),
            Property::sometimes("the application goes on on the target", application_goes_on),
            Property::sometimes("an order outlives whoever gave it", an_order_outlives_its_giver),
        ]
    }
}
