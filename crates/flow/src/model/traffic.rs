//! The application of the model: sessions that write, and the ledger that judges the move.
//!
//! Sessions live on a server until it restarts or ends them, or until the pool renews them; a new
//! one goes where the route leads and the firewall lets it. Every tick each session that can write
//! does, and remembers that it was acknowledged. The invariants are looked at on every tick, not at
//! the end.

use std::time::Duration;

use jiff::Timestamp;
use landfall_core::action::{SessionClass, SessionsEnded};
use landfall_core::ids::DatabaseName;
use landfall_core::port::database::SessionState;
use landfall_core::port::router;

use super::way_back::GIVEN_TWICE;
use super::{Inner, Sabotage, Server};

/// The application's database.
pub(super) const APPLICATION: &str = "shop";

/// The first invariant, by name.
pub const TWO_SIDES: &str = "two writable sides";

/// The service of the clients that only read.
pub(super) const READING: &str = "orders-ro";

/// One write of the application, by number.
pub type Write = u64;

/// A side of the move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Source,
    Target,
}

/// How a client reaches its server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Gateway,
    /// Past the gateway, through an allowed group, to the source.
    Past,
    /// It was let in once, writes nothing, and does not come back.
    Once,
    /// Through the gateway, by the service that only reads.
    Reading,
}

impl Way {
    const fn writes(self) -> bool {
        matches!(self, Self::Gateway | Self::Past)
    }

    /// As the server sees it.
    pub(super) const fn address(self) -> &'static str {
        match self {
            Self::Gateway | Self::Reading => "10.0.0.7",
            Self::Past | Self::Once => "10.0.9.9",
        }
    }

    const fn is_pooled(self) -> bool {
        matches!(self, Self::Gateway | Self::Reading)
    }
}

/// One client of the application.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    pub(crate) pid: i32,
    pub(crate) on: Option<Side>,
    pub(crate) way: Way,
    /// Connected since then.
    pub(crate) since: Timestamp,
    /// In a transaction until then.
    pub(crate) open_until: Option<Timestamp>,
    /// In a transaction since then.
    pub(crate) open_since: Option<Timestamp>,
    /// The pool renews the session then. One that came past the gateway stays.
    pub(crate) renewed_at: Option<Timestamp>,
}

/// How long the pool keeps its first session; each further one a little longer.
const POOL_LIFETIME: Duration = Duration::from_secs(3);

#[derive(Debug)]
pub(crate) struct Traffic {
    pub(crate) clients: Vec<Client>,
    pub(crate) bypass: bool,
    next: Write,
    /// The highest value that a sequence gave.
    given: i64,
    acknowledged: Vec<Write>,
}

/// What the application was told, and what each server has.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    /// Acknowledged writes.
    pub acknowledged: Vec<Write>,
    /// On the source.
    pub source: Vec<Write>,
    /// On the target, once it is a primary.
    pub target: Vec<Write>,
}

impl Ledger {
    /// Acknowledged writes that a server does not have.
    pub fn lost(&self, server: &[Write]) -> Vec<Write> {
        let have = counts(server);
        let missing =
            |write: &&Write| index(**write).and_then(|at| have.get(at)).is_none_or(|n| *n == 0);
        self.acknowledged.iter().filter(missing).copied().collect()
    }

    /// Writes that a server has more than once.
    pub fn doubled(server: &[Write]) -> Vec<Write> {
        (0..).zip(counts(server)).filter(|(_, count)| *count > 1).map(|(write, _)| write).collect()
    }
}

fn index(write: Write) -> Option<usize> {
    usize::try_from(write).ok()
}

/// How often a server has each write; they are numbered without gaps.
fn counts(server: &[Write]) -> Vec<u8> {
    let highest = server.iter().max().copied().and_then(index);
    let mut counts = vec![0_u8; highest.map_or(0, |highest| highest + 1)];
    for write in server {
        if let Some(count) = index(*write).and_then(|at| counts.get_mut(at)) {
            *count = count.saturating_add(1);
        }
    }
    counts
}

impl Client {
    pub(crate) fn waiting(way: Way) -> Self {
        Self {
            pid: 2000,
            on: None,
            way,
            since: Timestamp::MIN,
            open_until: None,
            open_since: None,
            renewed_at: None,
        }
    }
}

impl Traffic {
    pub(crate) fn new(sessions: i32) -> Self {
        let client = |pid| Client { pid: 1000 + pid, ..Client::waiting(Way::Gateway) };
        Self {
            clients: (0..sessions).map(client).collect(),
            bypass: false,
            next: 0,
            given: 0,
            acknowledged: Vec::new(),
        }
    }

    pub(crate) fn hold_open(&mut self, now: Timestamp, until: Timestamp) {
        if let Some(client) = self.clients.first_mut() {
            client.open_since.get_or_insert(now);
            client.open_until = Some(until);
        }
    }

    /// The clients past the gateway go away and do not come back.
    pub(crate) fn end_bypass(&mut self) {
        self.bypass = false;
        self.clients.retain(|client| client.way != Way::Past);
    }

    /// Ends sessions on a side, all of them or the idle ones.
    pub(crate) fn cut(&mut self, side: Side, class: SessionClass) -> SessionsEnded {
        let mut ended = SessionsEnded::default();
        for client in self.clients.iter_mut().filter(|client| client.on == Some(side)) {
            let idle = client.open_until.is_none();
            if class == SessionClass::All || idle {
                if idle { &mut ended.idle } else { &mut ended.in_transaction }.push(client.pid);
                client.on = None;
                client.open_until = None;
                client.open_since = None;
            }
        }
        self.clients.retain(|client| client.way != Way::Once || client.on.is_some());
        ended
    }

    /// A client that only reads.
    pub(crate) fn read(&mut self) {
        self.clients.push(Client { pid: 4000, ..Client::waiting(Way::Reading) });
    }

    pub(crate) fn on(&self, side: Side) -> impl Iterator<Item = &Client> {
        self.clients.iter().filter(move |client| client.on == Some(side))
    }
}

impl Inner {
    pub(crate) fn server(&self, side: Side) -> Option<&Server> {
        match side {
            Side::Source => Some(&self.source),
            Side::Target => self.target.as_ref(),
        }
    }

    pub(crate) fn server_mut(&mut self, side: Side) -> Option<&mut Server> {
        match side {
            Side::Source => Some(&mut self.source),
            Side::Target => self.target.as_mut(),
        }
    }

    /// Whether a side's groups let a client in. The quarantine groups let only us in, and on the
    /// target the gateway.
    fn lets_in(&self, side: Side, way: Way) -> bool {
        let groups = self.server(side).map(|server| server.groups.as_slice()).unwrap_or_default();
        let [of_source, of_target] = &self.quarantine;
        groups.iter().any(|group| {
            if group == of_source {
                way == Way::Past
            } else if group == of_target {
                side == Side::Target && matches!(way, Way::Gateway | Way::Reading)
            } else {
                true
            }
        })
    }

    /// One tick of the application, and the look at the invariants.
    pub(crate) fn tick(&mut self) {
        self.replicate();
        self.flow_back();
        if self.traffic.bypass {
            self.traffic.bypass = false;
            self.traffic.clients.push(Client::waiting(Way::Past));
        }
        for index in 0..self.traffic.clients.len() {
            self.connect(index);
            self.write(index);
        }
        // What an idle server writes by itself.
        self.source.wal += u64::from(self.source.up) * 24;
        self.look_at_invariants();
    }

    fn connect(&mut self, index: usize) {
        let now = self.now;
        let Some(client) = self.traffic.clients.get_mut(index) else { return };
        if client.open_until.is_none() && client.renewed_at.is_some_and(|at| at <= now) {
            client.on = None;
        }
        if client.on.is_some() {
            return;
        }
        let way = client.way;
        let side = match way {
            Way::Past => Some(Side::Source),
            Way::Gateway => self.route_leads_to(self.written.as_deref()),
            Way::Reading => self.route_leads_to(Some(READING)),
            Way::Once => None,
        };
        let open = side.filter(|side| {
            self.server(*side).is_some_and(|server| server.up && !server.in_recovery)
                && self.lets_in(*side, way)
        });
        if let (Some(side), Some(client)) = (open, self.traffic.clients.get_mut(index)) {
            client.on = Some(side);
            client.since = now;
            let lifetime = POOL_LIFETIME * u32::try_from(index + 1).unwrap_or(u32::MAX);
            client.renewed_at = way.is_pooled().then(|| now + lifetime);
        }
    }

    /// Where the gateway sends a new connection; before a service is adopted it stands beside.
    fn route_leads_to(&self, service: Option<&str>) -> Option<Side> {
        let route = service.and_then(|service| self.routes.get(service));
        let Some(route) = route else { return Some(Side::Source) };
        if route.traffic == router::Traffic::Held {
            return None;
        }
        self.side_at(&route.endpoint)
    }

    fn write(&mut self, index: usize) {
        let now = self.now;
        let Some(client) = self.traffic.clients.get_mut(index) else { return };
        let Some(side) = client.on.filter(|_| client.way.writes()) else { return };
        if client.open_until.is_some_and(|until| until > now) {
            return;
        }
        client.open_until = None;
        client.open_since = None;
        let write = self.traffic.next;
        let Some(server) = self.server_mut(side) else { return };
        if !server.up || server.in_recovery {
            return;
        }
        server.wal += 200;
        server.counted += 1;
        server.back.sequence += 1;
        let (position, value) = (server.wal, server.back.sequence);
        server.writes.push((write, position, now));
        self.traffic.next += 1;
        self.traffic.acknowledged.push(write);
        if side == Side::Source && self.is_forked() {
            self.break_once(TWO_SIDES);
        }
        // What a fork gives twice is told already.
        if value <= self.traffic.given && !self.is_forked() {
            self.break_once(GIVEN_TWICE);
        }
        self.traffic.given = self.traffic.given.max(value);
    }

    /// The replica takes over what it has received by now: every write, marker and position of
    /// the same past instant, so that what is replayed is also visible.
    fn replicate(&mut self) {
        self.wal_then.push_back((self.now, self.source.wal));
        let until = self.stalled.unwrap_or(self.now);
        let Some(horizon) = until.checked_sub(self.delays.lag).ok() else { return };
        while self.wal_then.get(1).is_some_and(|(at, _)| *at <= horizon) {
            self.wal_then.pop_front();
        }
        let Some(target) = self.target.as_mut().filter(|target| target.in_recovery && target.up)
        else {
            return;
        };
        let have = target.writes.len();
        let arrived = self.source.writes.iter().skip(have).take_while(|(_, _, at)| *at <= horizon);
        target.writes.extend(arrived.cloned());
        let missing = self.source.writes.len().saturating_sub(target.writes.len());
        target.back.sequence =
            self.source.back.sequence.saturating_sub(i64::try_from(missing).unwrap_or(i64::MAX));
        target.back.changed = self.source.back.changed;
        if let Some((_, position)) = self.wal_then.front().filter(|(at, _)| *at <= horizon) {
            target.wal = target.wal.max(*position);
        }
        target.markers = self
            .source
            .markers
            .as_ref()
            .map(|rows| rows.iter().filter(|(_, _, at)| *at <= horizon).cloned().collect());
    }

    /// A session that sits on the source.
    pub(super) fn sit_down(&mut self, state: SessionState) -> i32 {
        let highest = self.traffic.clients.iter().map(|client| client.pid).max();
        let pid = highest.unwrap_or(3000) + 1;
        let open = (state == SessionState::InTransaction).then_some(self.now);
        let client = Client {
            pid,
            on: Some(Side::Source),
            since: self.now,
            open_since: open,
            open_until: open.map(|_| Timestamp::MAX),
            ..Client::waiting(Way::Once)
        };
        self.traffic.clients.push(client);
        pid
    }

    /// One row of the application on the promoted target, by no session of it.
    pub(super) fn row_on_target(&mut self) {
        let (now, write) = (self.now, self.traffic.next);
        let Some(target) = self.target.as_mut().filter(|target| !target.in_recovery) else {
            return;
        };
        target.wal += 200;
        target.counted += 1;
        target.back.sequence += 1;
        target.writes.push((write, target.wal, now));
        self.traffic.next += 1;
        self.traffic.acknowledged.push(write);
    }

    /// One row that nobody is told of.
    pub(super) fn row(&mut self, database: &DatabaseName) {
        self.source.wal += 200;
        if database.as_str() == APPLICATION {
            self.source.counted += 1;
        } else {
            self.source.counted_beside += 1;
        }
    }

    fn look_at_invariants(&mut self) {
        let writable = |side| {
            self.server(side).is_some_and(|server| server.up && !server.in_recovery)
                && self.traffic.on(side).next().is_some()
        };
        if writable(Side::Source) && writable(Side::Target) {
            self.break_once(TWO_SIDES);
        }
        let mut went_back = false;
        for (service, route) in &self.routes {
            if let Some(highest) = self.highest.get_mut(service) {
                went_back |= route.epoch < *highest;
                *highest = route.epoch.max(*highest);
            } else {
                self.highest.insert(service.clone(), route.epoch);
            }
        }
        if went_back {
            self.break_once("a route's epoch went back");
        }
    }

    pub(crate) fn break_once(&mut self, what: &str) {
        if !self.broken.iter().any(|known| known.starts_with(what)) {
            self.broken.push(format!("{what} at {}", self.now));
        }
    }

    /// Whether terminations and groups really cut.
    pub(crate) fn fence_works(&self) -> bool {
        self.sabotage != Sabotage::Fence
    }

    pub(crate) fn ledger(&self) -> Ledger {
        let ids = |server: &Server| server.writes.iter().map(|(write, _, _)| *write).collect();
        Ledger {
            acknowledged: self.traffic.acknowledged.clone(),
            source: ids(&self.source),
            target: self.target.as_ref().map(ids).unwrap_or_default(),
        }
    }
}
