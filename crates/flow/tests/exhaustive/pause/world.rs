//! The world of the exhaustive model: a source with its groups, a replica, a route, two clients.
//!
//! Only what decides about a lost write is here. A client is a session that may write; the one that
//! comes past the gateway reaches the source whenever its groups let it in. Writes are counted, not
//! kept: the target has everything when its count is the source's.

/// The security groups of the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Groups {
    /// Those of production: everybody comes in.
    Production,
    /// Quarantine: nobody new comes in; who is in stays.
    Quarantine,
}

/// A side of the move.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Side {
    /// The source.
    Source,
    /// The target.
    Target,
}

/// Whether the gateway lets new connections through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Traffic {
    /// It does.
    Open,
    /// They wait.
    Held,
}

/// The stored route, which grows by one epoch with each change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Route {
    pub(crate) to: Side,
    pub(crate) traffic: Traffic,
    pub(crate) epoch: u8,
}

/// What the target is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Target {
    /// It follows the source.
    Replica,
    /// It takes writes of its own; so many came.
    Primary { writes: u8 },
}

/// Whether the client that knows the source's own address has a session there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Bypass {
    /// It has none.
    Out,
    /// It has one.
    In,
}

/// Whether the source follows the promoted target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum WayBack {
    Closed,
    Armed,
}

/// One state of the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct World {
    pub(crate) groups: Groups,
    pub(crate) route: Route,
    /// Acknowledged writes on the source.
    pub(crate) written: u8,
    /// Those of them that the target has.
    pub(crate) replayed: u8,
    /// The last marker: how many writes lay before it.
    pub(crate) marker: Option<u8>,
    pub(crate) target: Target,
    /// Where the application has its session.
    pub(crate) application: Option<Side>,
    pub(crate) bypass: Bypass,
    pub(crate) way_back: WayBack,
}

/// An order that an orchestrator gives to the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Order {
    Hold {
        epoch: u8,
    },
    Quarantine,
    EndSessions,
    WriteMarker,
    Promote,
    /// The source follows the target from here on: the way back.
    Subscribe,
    Unsubscribe,
    Point {
        to: Side,
        epoch: u8,
    },
    Release {
        epoch: u8,
    },
    RestoreGroups,
}

/// What the world does by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Life {
    ApplicationConnects,
    ApplicationLeaves,
    ApplicationWrites,
    BypassConnects,
    BypassLeaves,
    BypassWrites,
    ReplicaReplays,
}

impl Life {
    pub(crate) const ALL: [Self; 7] = [
        Self::ApplicationConnects,
        Self::ApplicationLeaves,
        Self::ApplicationWrites,
        Self::BypassConnects,
        Self::BypassLeaves,
        Self::BypassWrites,
        Self::ReplicaReplays,
    ];
}

impl World {
    /// Production as it stands before the pause.
    pub(crate) const fn before() -> Self {
        Self {
            groups: Groups::Production,
            route: Route { to: Side::Source, traffic: Traffic::Open, epoch: 0 },
            written: 0,
            replayed: 0,
            marker: None,
            target: Target::Replica,
            application: Some(Side::Source),
            bypass: Bypass::Out,
            way_back: WayBack::Closed,
        }
    }

    /// A source behind its fence, before anything was promoted.
    pub(crate) const fn fenced() -> Self {
        Self {
            groups: Groups::Quarantine,
            route: Route { to: Side::Source, traffic: Traffic::Held, epoch: 1 },
            application: None,
            ..Self::before()
        }
    }

    /// Whether anybody who could write has a session on the source.
    pub(crate) fn source_is_used(&self) -> bool {
        self.application == Some(Side::Source) || self.bypass == Bypass::In
    }

    /// Whether anybody is, or was, on the promoted target.
    pub(crate) fn target_is_used(&self) -> bool {
        let wrote = matches!(self.target, Target::Primary { writes } if writes > 0);
        wrote || self.application == Some(Side::Target)
    }

    /// The world after something that it does by itself; `None` when that cannot happen.
    pub(crate) fn lives(mut self, life: Life, writes: u8) -> Option<Self> {
        let open = self.route.traffic == Traffic::Open;
        let lets_in = self.groups == Groups::Production;
        match (life, self.application, self.bypass) {
            (Life::ApplicationConnects, None, _) if open => {
                let there = match self.route.to {
                    Side::Source => lets_in,
                    Side::Target => self.target != Target::Replica,
                };
                self.application = there.then_some(self.route.to);
                there.then_some(self)
            }
            (Life::ApplicationLeaves, Some(_), _) => {
                self.application = None;
                Some(self)
            }
            (Life::ApplicationWrites, Some(Side::Source), _)
            | (Life::BypassWrites, _, Bypass::In) => self.source_takes(writes),
            (Life::ApplicationWrites, Some(Side::Target), _) => match self.target {
                Target::Primary { writes: 0 } => {
                    self.target = Target::Primary { writes: 1 };
                    Some(self)
                }
                Target::Primary { .. } | Target::Replica => None,
            },
            (Life::BypassConnects, _, Bypass::Out) if lets_in => {
                self.bypass = Bypass::In;
                Some(self)
            }
            (Life::BypassLeaves, _, Bypass::In) => {
                self.bypass = Bypass::Out;
                Some(self)
            }
            (Life::ReplicaReplays, _, _) => {
                let behind = self.target == Target::Replica && self.replayed < self.written;
                self.replayed += u8::from(behind);
                behind.then_some(self)
            }
            (
                Life::ApplicationConnects
                | Life::ApplicationLeaves
                | Life::ApplicationWrites
                | Life::BypassConnects
                | Life::BypassLeaves
                | Life::BypassWrites,
                _,
                _,
            ) => None,
        }
    }

    fn source_takes(mut self, writes: u8) -> Option<Self> {
        self.written += 1;
        (self.written <= writes).then_some(self)
    }

    /// The world after an order arrived. A route's epoch that is not the next one is refused.
    pub(crate) fn obeys(mut self, order: Order) -> Self {
        let next = self.route.epoch + 1;
        match order {
            Order::Hold { epoch } if epoch == next => {
                self.route = Route { traffic: Traffic::Held, epoch, ..self.route };
            }
            Order::Point { to, epoch } if epoch == next && self.route.traffic == Traffic::Held => {
                self.route = Route { to, epoch, ..self.route };
            }
            Order::Release { epoch } if epoch == next => {
                self.route = Route { traffic: Traffic::Open, epoch, ..self.route };
            }
            Order::Hold { .. } | Order::Point { .. } | Order::Release { .. } => {}
            Order::Quarantine => self.groups = Groups::Quarantine,
            Order::RestoreGroups => self.groups = Groups::Production,
            Order::EndSessions => {
                self.application = self.application.filter(|side| *side != Side::Source);
                self.bypass = Bypass::Out;
            }
            Order::Subscribe => self.way_back = WayBack::Armed,
            Order::Unsubscribe => self.way_back = WayBack::Closed,
            Order::WriteMarker => self.marker = Some(self.written),
            Order::Promote => {
                if self.target == Target::Replica {
                    self.target = Target::Primary { writes: 0 };
                }
            }
        }
        self
    }

    /// Another attempt begins with a replica that has everything again; the spent one is gone.
    pub(crate) const fn rebuilt(mut self) -> Self {
        self.replayed = self.written;
        self.marker = None;
        self.target = Target::Replica;
        self
    }
}
