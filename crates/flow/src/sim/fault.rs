//! The faults that a simulation knows, and where each of them can strike.
//!
//! A fault is a kind at a door. Which kinds a door knows is data, so that the report of what was
//! hit has a denominator, and what cannot happen somewhere has a reason.

use std::fmt;

use landfall_core::Action;

/// What a driver reaches through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Door {
    /// The cloud port.
    Cloud,
    /// The database port.
    Database,
    /// The router port.
    Gateway,
    /// The owner's tests.
    Tests,
    /// The journal.
    Journal,
    /// Its own clock.
    Clock,
}

/// What it does there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Call {
    /// It gives an order.
    Order,
    /// It looks.
    Look,
    /// It writes a record, and reads the time for it.
    Write,
}

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// It is refused, and nothing is done.
    Refused,
    /// It is done, and the answer is lost.
    AnswerLost,
    /// It is done twice.
    Twice,
    /// It is done late.
    Slow,
    /// It is done at once, and the answer is held: what it says is old by then.
    Held,
    /// The call is given up, and is done afterwards: behind whatever was ordered meanwhile.
    Late,
    /// It shows what was so a moment ago.
    Stale,
    /// The driver dies before the record is durable.
    DiesBefore,
    /// The driver dies right after.
    DiesAfter,
    /// The driver hangs for longer than its lease, and another leads when it wakes.
    LeaderLost,
    /// The driver's clock jumps ahead.
    Forward,
    /// The driver's clock jumps back.
    Back,
}

/// A kind at a door.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fault {
    /// Where.
    pub door: Door,
    /// At which call.
    pub call: Call,
    /// What.
    pub kind: Kind,
}

/// What can go wrong with a call.
#[must_use]
pub const fn kinds(door: Door, call: Call) -> &'static [Kind] {
    use Kind::{
        AnswerLost, Back, DiesAfter, DiesBefore, Forward, Held, Late, LeaderLost, Refused, Slow,
        Stale, Twice,
    };
    match (door, call) {
        (Door::Cloud | Door::Database, Call::Order) => {
            &[Refused, AnswerLost, Twice, Slow, Held, Late]
        }
        (Door::Gateway, Call::Order) => &[Refused, AnswerLost, Twice, Slow, Held],
        (Door::Cloud, Call::Look) => &[Refused, Slow, Held, Stale],
        (Door::Database | Door::Gateway | Door::Tests, Call::Look) => &[Refused, Slow, Held],
        (Door::Journal, Call::Write) => {
            &[Refused, AnswerLost, Slow, Held, DiesBefore, DiesAfter, LeaderLost]
        }
        (Door::Clock, Call::Write) => &[Forward, Back],
        (Door::Tests | Door::Journal | Door::Clock, Call::Order)
        | (Door::Journal | Door::Clock, Call::Look)
        | (Door::Cloud | Door::Database | Door::Gateway | Door::Tests, Call::Write) => &[],
    }
}

/// What cannot happen at a door, and why.
pub const IMPOSSIBLE: &[(&str, &str)] = &[
    ("gateway order late", "a route is a row of Landfall's own store, written in the same call"),
    ("gateway look stale", "routes are read from that store, and what proxies said from memory"),
    (
        "database look stale",
        "a server answers for itself; that a replica lags is part of the model",
    ),
    ("journal look stale", "a store reads what it wrote, and every record stands at one position"),
    ("tests order", "a test changes nothing"),
    ("tests look answer_lost", "a test without an answer is a test that failed: refused"),
];

impl Door {
    /// The door through which an order goes.
    #[must_use]
    pub const fn of(action: &Action) -> Self {
        match action {
            Action::Cloud(_) => Self::Cloud,
            Action::Database(_) => Self::Database,
            Action::Route(_) => Self::Gateway,
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Cloud => "cloud",
            Self::Database => "database",
            Self::Gateway => "gateway",
            Self::Tests => "tests",
            Self::Journal => "journal",
            Self::Clock => "clock",
        }
    }
}

impl Kind {
    const fn word(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::AnswerLost => "answer_lost",
            Self::Twice => "twice",
            Self::Slow => "slow",
            Self::Held => "held",
            Self::Late => "late",
            Self::Stale => "stale",
            Self::DiesBefore => "dies_before",
            Self::DiesAfter => "dies_after",
            Self::LeaderLost => "leader_lost",
            Self::Forward => "forward",
            Self::Back => "back",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let call = match self.call {
            Call::Order => " order",
            Call::Look => " look",
            Call::Write => "",
        };
        write!(f, "{}{call} {}", self.door.word(), self.kind.word())
    }
}
