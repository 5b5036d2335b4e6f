//! Facts: what a move must remember because it cannot be read back.
//!
//! Each is journaled once as a [`Fact`]; [`Facts`] is their fold over one attempt.

mod replica;
mod way_back;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::action::{Action, DatabaseAction, RouteAction, SessionsEnded, WayBackAction};
use crate::comparison::{Baseline, Comparison, Counters};
use crate::experience::PastMove;
use crate::finding::Assessed;
use crate::ids::{Endpoint, SecurityGroupId, ServiceName};
use crate::journal::{Cause, Effect, Entry, Record, Request};
use crate::lsn::Lsn;
use crate::port::cloud::{ApplyType, GroupLevel};
use crate::port::router::{Route, RouterAbility};
use crate::status::{Course, Line};

pub use replica::{Bursts, PaceVerdict, Parity, ReplayPace, SettingDifference, SustainedLag};
pub use way_back::{AcceptedLoss, Armed, Lost, WayBack, WayBackPlan};

/// The source as assessed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceFacts {
    /// ARN.
    pub arn: String,
    /// Where it answers.
    pub endpoint: Endpoint,
    /// Engine version.
    pub engine_version: String,
    /// Instance class.
    pub class: String,
    /// Subnet group.
    pub subnet_group: Option<String>,
    /// Encrypted storage.
    pub encrypted: bool,
    /// KMS key.
    pub kms_key: Option<String>,
    /// Its parameter group.
    pub parameter_group: Option<String>,
}

/// The target as chosen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetFacts {
    /// Aurora version.
    pub engine_version: String,
    /// Parameter group family.
    pub family: String,
    /// Instance class.
    pub class: String,
}

/// What became of one user-set parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ParameterFate {
    /// Same name, same value.
    Carried,
    /// Another name on Aurora.
    Renamed,
    /// Not on Aurora.
    Dropped,
    /// Same name, a value Aurora allows.
    Adjusted,
    /// Aurora's default is kept.
    KeptDefault,
    /// Nobody set it on the source; the move needs it on the target.
    Added,
}

/// One row of the parameter report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParameterVerdict {
    /// Name on the source.
    pub name: String,
    /// Value on the source.
    pub source_value: String,
    /// What became of it.
    pub fate: ParameterFate,
    /// Where it is set on the target, when it is.
    pub level: Option<GroupLevel>,
    /// Its name on the target, when that is another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_name: Option<String>,
    /// Value on the target, when it is set.
    pub target_value: Option<String>,
    /// When a change takes effect on the target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub apply: Option<ApplyType>,
    /// Why.
    pub reason: String,
}

/// What the metric says about the sync.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MetricVerdict {
    /// Fresh points touch zero after the fence, as they must.
    Agrees,
    /// No fresh point in time: neither for nor against.
    Silent,
    /// A fresh point lies above one segment.
    Contradicts,
}

/// The proof of sync, as it stood when promotion was allowed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncProof {
    /// Flush position of the source after our marker, when there is access.
    pub marker_lsn: Option<Lsn>,
    /// Replay position of the target, at or beyond it.
    pub replay_lsn: Option<Lsn>,
    /// What the metric says.
    pub metric: MetricVerdict,
    /// The metric's points after the fence that touched zero.
    pub zero_touches: u32,
    /// When.
    pub at: Timestamp,
}

/// The proof that nobody writes to the source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FenceProof {
    /// When it was made.
    pub at: Timestamp,
    /// The sum of all write counters, with access: it must not move any more.
    pub writes_counted: Option<u64>,
    /// The restart event that ended the sessions, when the fence was a reboot.
    pub restarted_at: Option<Timestamp>,
}

/// Something to remember.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "fact")]
pub enum Fact {
    /// The source, at assessment; in journals of older versions.
    Source(SourceFacts),
    /// The target's version and class, at assessment; likewise.
    Target(TargetFacts),
    /// The findings in short, the source and the target, when the assessment let the move begin.
    Assessed(Assessed),
    /// Retention before we changed it.
    BackupsWere {
        /// Days.
        days: u16,
    },
    /// The parameter report.
    Parameters {
        /// Row by row.
        verdicts: Vec<ParameterVerdict>,
    },
    /// The route before the move; absent when the service was adopted by it.
    RouteWas {
        /// The route.
        route: Option<Route>,
    },
    /// The source, as its metrics and statistics show it before anything is touched.
    Baseline(Box<Baseline>),
    /// Both sides compared as they run.
    Parity(Parity),
    /// The newest point of the lag's metric when the watching began, by AWS's clock: what counts
    /// is later.
    Watched {
        /// Absent when there was no point yet.
        after: Option<Timestamp>,
    },
    /// The window of sustained lag.
    Sustained(SustainedLag),
    /// The target is watched from here, to be compared with the source.
    ComparisonBegan {
        /// When, by our clock.
        at: Timestamp,
        /// The target's counters then, with access.
        counters: Option<Box<Counters>>,
    },
    /// The target beside the source.
    Compared(Box<Comparison>),
    /// The proxies that were connected right before the hold: each must follow from then on.
    ProxiesSeen {
        /// Their node ids.
        nodes: Vec<String>,
    },
    /// What the gateway can do, as asked before the hold.
    Gateway(RouterAbility),
    /// Where each read-only service led, right before the hold: an undo leads it there again.
    ReadersWere {
        /// By service.
        endpoints: BTreeMap<ServiceName, Endpoint>,
    },
    /// Proxies that did not follow in time, and that the move does not wait for any more.
    LeftBehind {
        /// Their node ids.
        nodes: Vec<String>,
        /// What each of them did not do.
        why: String,
    },
    /// Something that people should know of, and that stops nothing.
    Warned {
        /// What it is about; a later warning about the same takes its place.
        about: String,
        /// The warning.
        text: String,
    },
    /// What was warned of is over.
    Relieved {
        /// What it was about.
        about: String,
    },
    /// How something that stands before or beside the finished target is: a proxy, a second Region.
    Equipped {
        /// What.
        what: String,
        /// How it is, in words.
        state: String,
    },
    /// The source's security groups, right before the fence, in order.
    GroupsWere {
        /// Ids.
        groups: Vec<SecurityGroupId>,
    },
    /// The quarantine group is in force: no new connection but the allowed ones.
    FenceActive {
        /// When the quarantine group was seen in force, by our clock.
        at: Timestamp,
        /// The source's latest restart event then, by AWS's clock; a later one is ours.
        last_restart: Option<Timestamp>,
    },
    /// Nobody writes.
    Fenced(FenceProof),
    /// The marker is committed and flushed at this position.
    Marked {
        /// Its token.
        token: String,
        /// `pg_current_wal_flush_lsn()` after it.
        lsn: Lsn,
    },
    /// The metric was above a segment although the replica has everything: a point may be older
    /// than the catching up, and only a later one can take it back.
    Contradicted {
        /// Time of the point, by AWS's clock.
        at: Timestamp,
    },
    /// Promotion was allowed by this proof.
    Proven(SyncProof),
    /// What a way back would carry, what it would lose, and what stands against it.
    WayBackPlanned(Box<WayBackPlan>),
    /// The way back stands, and rows can flow.
    WayBackArmed(Box<Armed>),
    /// There is no way back, or none any more.
    WayBackClosed {
        /// Why.
        why: String,
    },
    /// Where the target answers, when a roll-back begins.
    TargetAt {
        /// The cluster's endpoint.
        endpoint: Endpoint,
    },
    /// What a roll-back loses, by the consent of who asked for it.
    LossAccepted(Box<AcceptedLoss>),
    /// The replica is a primary.
    Promoted {
        /// When that was first seen.
        at: Timestamp,
    },
}

/// What an attempt knows.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Facts {
    /// 1 for the first try.
    pub attempt: u32,
    /// The source.
    pub source: Option<SourceFacts>,
    /// The target.
    pub target: Option<TargetFacts>,
    /// The finished moves by which the forecast is judged.
    #[serde(default)]
    pub experience: Vec<PastMove>,
    /// The findings in short; absent in journals of older versions.
    #[serde(default)]
    pub assessed: Option<Assessed>,
    /// Retention before, when we changed it.
    pub backups_were: Option<u16>,
    /// The parameter report.
    pub parameters: Option<Vec<ParameterVerdict>>,
    /// The route before: outer absent = not looked yet.
    pub route_was: Option<Option<Route>>,
    /// The proxies connected right before the hold.
    pub proxies: Option<Vec<String>>,
    /// The writer's service.
    pub service: Option<ServiceName>,
    /// What the gateway can do.
    pub gateway: Option<RouterAbility>,
    /// Where each read-only service led before the hold.
    pub readers_were: Option<BTreeMap<ServiceName, Endpoint>>,
    /// Proxies that the move does not wait for any more, by node id, and why.
    pub left_behind: BTreeMap<String, String>,
    /// Since when the gateway's answers to the latest order are awaited by the one who leads.
    pub awaited_since: Option<Timestamp>,
    /// What people should know of, by what it is about.
    pub warnings: BTreeMap<String, String>,
    /// How what stands before or beside the finished target is, by what it is.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub equipped: BTreeMap<String, String>,
    /// The sessions of the source that the fence ended, as far as its answers arrived.
    pub sessions_ended: SessionsEnded,
    /// The source before the move.
    #[serde(default)]
    pub baseline: Option<Box<Baseline>>,
    /// Both sides as they run.
    #[serde(default)]
    pub parity: Option<Parity>,
    /// The newest point when the watching began: outer absent = it has not.
    #[serde(default)]
    pub watched_after: Option<Option<Timestamp>>,
    /// Sustained lag.
    pub sustained: Option<SustainedLag>,
    /// Since when the target is watched, and its counters then.
    #[serde(default)]
    pub comparison_began: Option<(Timestamp, Option<Box<Counters>>)>,
    /// The target beside the source.
    #[serde(default)]
    pub comparison: Option<Box<Comparison>>,
    /// When the target's databases were last ordered to analyze what has no statistics.
    #[serde(default)]
    pub analyze_ordered: Option<Timestamp>,
    /// The source's groups before the fence.
    pub groups_were: Option<Vec<SecurityGroupId>>,
    /// When the quarantine was first seen in force, and the latest restart event then.
    pub fence_active: Option<(Timestamp, Option<Timestamp>)>,
    /// When the latest reboot of the source was ordered, behind the quarantine in force.
    pub reboot_ordered: Option<Timestamp>,
    /// Gates that were approved.
    pub approvals: Vec<String>,
    /// The latest fence proof.
    pub fenced: Option<FenceProof>,
    /// How often the fence was proven: each proof has a marker of its own.
    pub fence_proofs: u32,
    /// The latest marker.
    pub marked: Option<(String, Lsn)>,
    /// The time of the point by which the metric contradicted the replica.
    pub contradicted: Option<Timestamp>,
    /// The sync proof.
    pub proven: Option<SyncProof>,
    /// When promotion was ordered: the intent's time. From then on the source may be alone.
    pub promotion_ordered: Option<Timestamp>,
    /// When the target was first seen promoted.
    pub promoted: Option<Timestamp>,
    /// When traffic was first held: the pause budget runs from here.
    pub held_since: Option<Timestamp>,
    /// When it was released again, on either side.
    pub released_at: Option<Timestamp>,
    /// Which table is walked.
    #[serde(default)]
    pub line: Line,
    /// The way back.
    #[serde(default)]
    pub way_back: WayBack,
    /// While it is rolled back: what was known when that was asked for. It is known again when the
    /// roll-back is undone.
    #[serde(default)]
    pub forward: Option<Box<Self>>,
}

impl Facts {
    /// Takes one entry in. A new attempt starts from nothing.
    pub fn apply(&mut self, entry: &Entry) {
        match &entry.record {
            Record::Started { spec, experience, .. } => {
                let (attempt, service) = (self.attempt + 1, Some(spec.route.service.clone()));
                let experience = experience.clone();
                *self = Self { attempt, service, experience, ..Self::default() };
            }
            Record::Led { .. } => self.awaited_since = self.awaited_since.map(|_| entry.at),
            Record::Learned { fact } => self.learn(fact),
            // The watch shuts what the facts know as shut.
            Record::Intended { cause: Cause::Watch, .. } => {}
            Record::Intended { action, course, .. } => self.intended(action, *course, entry.at),
            Record::Acted { effect: Effect::Taken { ended: Some(ended) } } => {
                self.sessions_ended.add(ended);
            }
            Record::Requested { request: Request::Approve { gate, .. } } => {
                self.approvals.push(gate.clone());
            }
            Record::Requested { request: Request::Resume { .. } } => {
                self.distrust();
                self.awaited_since = self.awaited_since.map(|_| entry.at);
            }
            Record::Requested { request: Request::RollBack { accept_loss, .. } } => {
                self.turn_back(accept_loss.clone());
            }
            Record::Returned { .. } => self.go_on(),
            Record::Requested { .. }
            | Record::Entered { .. }
            | Record::Acted { .. }
            | Record::Waiting { .. }
            | Record::Completed { .. }
            | Record::GateOpened { .. }
            | Record::Stopped { .. }
            | Record::Finished { .. } => {}
        }
    }

    /// Nobody watched the fence while the move stood still: what was proven before is proven anew.
    /// Once promotion is ordered there is nothing left to prove.
    fn distrust(&mut self) {
        let rolling_back = self.line == Line::Reverse && self.released_at.is_none();
        if self.promotion_ordered.is_none() || rolling_back {
            self.fence_active = None;
            self.fenced = None;
            self.marked = None;
            self.contradicted = None;
            self.proven = None;
        }
        self.left_behind.clear();
        // A sidecar may be gone for good; who resumes after the release was told which one.
        if self.released_at.is_some() {
            self.proxies = None;
        }
    }

    fn intended(&mut self, action: &Action, course: Course, at: Timestamp) {
        use crate::action::CloudAction;
        if matches!(action, Action::Route(_)) {
            self.awaited_since = Some(at);
        }
        match action {
            Action::Route(RouteAction::Hold { .. }) => {
                self.held_since = self.held_since.or(Some(at));
            }
            // Readers follow the writer; on the way back there may be nothing held but them.
            Action::Route(RouteAction::Release { service, .. })
                if course == Course::Undoing || self.is_of_the_writer(service) =>
            {
                self.released_at = self.released_at.or(Some(at));
            }
            Action::Cloud(CloudAction::PromoteCluster { .. }) => {
                self.promotion_ordered = self.promotion_ordered.or(Some(at));
            }
            Action::Cloud(CloudAction::RebootInstance { .. }) => self.reboot_ordered = Some(at),
            Action::Database(DatabaseAction::WayBack(
                WayBackAction::Publish { .. } | WayBackAction::Subscribe { .. },
            )) => {
                self.way_back.ordered = self.way_back.ordered.or(Some(at));
            }
            Action::Database(DatabaseAction::Analyze { .. }) => self.analyze_ordered = Some(at),
            // Until it is seen in force again, the side is open.
            Action::Cloud(CloudAction::SetInstanceSecurityGroups { .. })
                if self.line == Line::Migrate =>
            {
                self.fence_active = None;
            }
            Action::Cloud(CloudAction::SetClusterSecurityGroups { .. })
                if self.line == Line::Reverse =>
            {
                self.fence_active = None;
            }
            Action::Route(_) | Action::Cloud(_) | Action::Database(_) => {}
        }
    }

    fn is_of_the_writer(&self, service: &ServiceName) -> bool {
        self.service.as_ref().is_none_or(|own| own == service)
    }

    fn learn(&mut self, fact: &Fact) {
        match fact.clone() {
            Fact::Source(source) => self.source = Some(source),
            Fact::Target(target) => self.target = Some(target),
            Fact::Assessed(assessed) => {
                self.source = assessed.source.clone().or(self.source.take());
                self.target = assessed.target.clone().or(self.target.take());
                self.assessed = Some(assessed);
            }
            Fact::BackupsWere { days } => self.backups_were = Some(days),
            Fact::Parameters { verdicts } => self.parameters = Some(verdicts),
            Fact::RouteWas { route } => self.route_was = Some(route),
            Fact::ProxiesSeen { nodes } => self.proxies = Some(nodes),
            Fact::Gateway(ability) => self.gateway = Some(ability),
            Fact::ReadersWere { endpoints } => self.readers_were = Some(endpoints),
            Fact::LeftBehind { nodes, why } => {
                self.left_behind.extend(nodes.into_iter().map(|node| (node, why.clone())));
            }
            Fact::Warned { about, text } => {
                self.warnings.insert(about, text);
            }
            Fact::Relieved { about } => {
                self.warnings.remove(&about);
            }
            Fact::Equipped { what, state } => {
                self.equipped.insert(what, state);
            }
            Fact::Baseline(baseline) => self.baseline = Some(baseline),
            Fact::Parity(parity) => self.parity = Some(parity),
            Fact::Watched { after } => self.watched_after = Some(after),
            Fact::Sustained(sustained) => self.sustained = Some(sustained),
            Fact::ComparisonBegan { at, counters } => self.comparison_began = Some((at, counters)),
            Fact::Compared(comparison) => self.comparison = Some(comparison),
            Fact::GroupsWere { groups } => self.groups_were = Some(groups),
            Fact::FenceActive { at, last_restart } => {
                self.fence_active = Some((at, last_restart));
                // A reboot from before ended no session that came in until now.
                self.reboot_ordered = None;
            }
            Fact::Fenced(proof) => {
                self.fenced = Some(proof);
                self.fence_proofs = self.fence_proofs.saturating_add(1);
            }
            Fact::Marked { token, lsn } => self.marked = Some((token, lsn)),
            Fact::Contradicted { at } => self.contradicted = Some(at),
            Fact::Proven(proof) => self.proven = Some(proof),
            Fact::WayBackPlanned(plan) => self.way_back.plan = Some(*plan),
            Fact::WayBackArmed(armed) => self.way_back.armed = Some(*armed),
            Fact::WayBackClosed { why } => self.way_back.closed = Some(why),
            Fact::TargetAt { endpoint } => self.way_back.target = Some(endpoint),
            Fact::LossAccepted(loss) => self.way_back.loss = Some(*loss),
            Fact::Promoted { at } => self.promoted = Some(at),
        }
    }
}
