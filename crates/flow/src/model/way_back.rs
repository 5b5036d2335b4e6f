//! The way back in the model: one stream from the promoted target to the fenced source.
//!
//! Each server has its [`Ends`]: a publication with a slot per database, a subscription, the state
//! of its tables and of its one sequence. While a subscription is on and its slot lives, writes and
//! markers of the publisher appear on the subscriber after [`Circumstances::delay`], and nothing
//! else does: a sequence stays behind until it is set, and values that it then gives twice are a
//! broken invariant. What stands against it is in [`Circumstances`], for tests to change.
//!
//! A roll-back is judged by [`super::Ledger`]: it is lossless when `lost(&ledger.source)` is empty
//! and nothing in `source` is doubled. A write on the source while rows of the target have not
//! flowed back is a fork, unless [`Circumstances::loss`] says that somebody accepted that.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use landfall_core::action::{Apply, WayBackAction};
use landfall_core::failure::{Failure, FailureKind};
use landfall_core::port::cloud::{GroupLevel, TAG_MIGRATION};
use landfall_core::port::database::MarkerView;
use landfall_core::port::way_back::{
    IsCalled, Named, PublisherView, Room, SequenceValue, Sequences, SlotState, SubscriberView,
    SubscriptionView, Survey, WayBackName, WayBackSlot,
};
use landfall_core::quantity::ByteCount;
use landfall_core::spec::WithoutIdentity;
use landfall_core::{DatabaseName, Endpoint, Lsn};

use super::traffic::{APPLICATION, Side};
use super::{Inner, Server};

/// The sequence that numbers the application's rows.
pub const SEQUENCE: &str = "public.orders_id_seq";
/// The worker's pid.
const WORKER: i32 = 900;

/// A sequence that gave a value which was given before.
pub const GIVEN_TWICE: &str = "a sequence gave a value twice";

/// What a test may say about the world, as far as a way back depends on it.
#[derive(Debug, Clone)]
pub struct Circumstances {
    /// Databases that accept connections; the application's is `shop`.
    pub databases: Vec<DatabaseName>,
    /// The application's tables without a replica identity.
    pub without_identity: Vec<String>,
    /// The application's unlogged tables.
    pub unlogged: Vec<String>,
    /// Large objects of the application.
    pub large_objects: u64,
    /// What keeps rows from being applied on the source, in words.
    pub obstacles: Vec<String>,
    /// Whether the source reaches the target; else why not.
    pub path: Result<(), String>,
    /// `max_logical_replication_workers` of the source.
    pub apply_workers: i64,
    /// From a commit on the target to its row on the source.
    pub delay: Duration,
    /// WAL that a slot may keep before it is lost; absent without a limit.
    pub slot_limit: Option<u64>,
    /// What becomes of rows on the source.
    pub applying: Applying,
    /// Whether our role may read the sequences.
    pub sequences: super::Presence,
    /// Whether somebody accepted that rows which did not flow back are lost.
    pub loss: Loss,
}

/// What the apply worker does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applying {
    /// It applies.
    Works,
    /// It never starts.
    Idle,
    /// Each row is an error.
    Fails,
}

/// Whether rows may stay behind on the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// None may.
    Forbidden,
    /// Somebody said so.
    Accepted,
}

impl Default for Circumstances {
    fn default() -> Self {
        Self {
            databases: ["postgres", APPLICATION].map(DatabaseName::new).to_vec(),
            without_identity: vec![],
            unlogged: vec![],
            large_objects: 0,
            obstacles: vec![],
            path: Ok(()),
            apply_workers: 4,
            delay: Duration::from_millis(40),
            slot_limit: None,
            applying: Applying::Works,
            sequences: super::Presence::There,
            loss: Loss::Forbidden,
        }
    }
}

/// What one server has of a way back, and what decides whether rows fit.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ends {
    publication: Option<Publication>,
    subscription: Option<Subscription>,
    /// How often its tables were changed.
    pub(super) changed: u32,
    /// Tables that came after the others.
    added: Vec<String>,
    /// The last value of its sequence; 0 = none was given.
    pub(super) sequence: i64,
    /// Rows that flowed back to it.
    pub(super) received: u64,
}

#[derive(Debug, Clone)]
struct Publication {
    name: WayBackName,
    without_identity: WithoutIdentity,
    slots: BTreeSet<DatabaseName>,
    lost: BTreeSet<DatabaseName>,
    /// Writes of the publisher before this one are on the subscriber.
    next: usize,
    /// Markers up to this position are there too.
    marked: u64,
    /// `confirmed_flush_lsn` of each slot.
    confirmed: u64,
}

#[derive(Debug, Clone)]
struct Subscription {
    name: WayBackName,
    publisher: Endpoint,
    apply: Apply,
    errors: u64,
}

fn named(names: &[String]) -> Named {
    Named { count: names.len() as u64, names: names.to_vec() }
}

fn refused(kind: FailureKind, action: &WayBackAction, detail: &str) -> Failure {
    Failure::new(kind, action.to_string(), detail)
}

impl Ends {
    /// For the footprint of a world.
    pub(super) fn left(&self) -> impl Iterator<Item = &'static str> {
        let publication = self.publication.as_ref().map(|_| "publication");
        publication.into_iter().chain(self.subscription.as_ref().map(|_| "subscription"))
    }

    /// Somebody changes a table.
    pub(super) const fn change(&mut self) {
        self.changed += 1;
    }

    /// Somebody adds a table.
    pub(super) fn add(&mut self, table: &str) {
        self.added.push(table.to_owned());
    }

    /// The slot of a database is invalidated.
    pub(super) fn lose_slot(&mut self, database: &DatabaseName) {
        if let Some(publication) = &mut self.publication {
            publication.lost.insert(database.clone());
        }
    }

    /// Somebody drops the subscriptions.
    pub(super) fn forget(&mut self) {
        self.subscription = None;
    }

    fn fingerprint(&self, database: &DatabaseName) -> BTreeMap<String, String> {
        let tables = format!("{} {}", self.changed, self.added.join(" "));
        let tables = if database.as_str() == APPLICATION { tables } else { "0 ".to_owned() };
        BTreeMap::from([("public".to_owned(), tables)])
    }
}

impl Inner {
    fn each<T>(&self, of: impl Fn(&DatabaseName) -> T) -> BTreeMap<DatabaseName, T> {
        self.way_back.databases.iter().map(|name| (name.clone(), of(name))).collect()
    }

    pub(super) fn markers(
        &self,
        at: &Endpoint,
        token: &str,
    ) -> Result<BTreeMap<DatabaseName, MarkerView>, Failure> {
        let view = self.marker(at, token)?;
        Ok(self.each(|_| view))
    }

    pub(super) fn survey(&self, at: &Endpoint) -> Result<BTreeMap<DatabaseName, Survey>, Failure> {
        let (side, server) = self.reach(at)?;
        let seen = &self.way_back;
        Ok(self.each(|database| {
            let fingerprint = server.back.fingerprint(database);
            if database.as_str() != APPLICATION {
                return Survey { carried: 1, fingerprint, ..Survey::default() };
            }
            Survey {
                carried: 1 + server.back.added.len() as u64,
                without_identity: named(&seen.without_identity),
                unlogged: named(&seen.unlogged),
                large_objects: seen.large_objects,
                materialized_views: 0,
                obstacles: if side == Side::Source { seen.obstacles.clone() } else { vec![] },
                fingerprint,
            }
        }))
    }

    /// What the target's cluster group says, once the move made one.
    fn of_cluster_group(&self, name: &str) -> Option<i64> {
        let cluster = self.groups.iter().find(|((level, _), (group, _))| {
            *level == GroupLevel::Cluster && group.tags.contains_key(TAG_MIGRATION)
        });
        let (_, (_, values)) = cluster?;
        values.iter().find(|one| one.name == name)?.value.as_ref()?.parse().ok()
    }

    pub(super) fn room(&self, at: &Endpoint) -> Result<Room, Failure> {
        const USUAL: i64 = 10;
        let (side, server) = self.reach(at)?;
        let taken = |there: usize| i64::try_from(there).unwrap_or(i64::MAX);
        let all = self.way_back.databases.len();
        let slots = taken(server.back.publication.as_ref().map_or(0, |one| one.slots.len()));
        let workers = server.back.subscription.as_ref().map_or(0, |_| taken(all));
        Ok(match side {
            Side::Source => Room {
                wal_level: "replica".to_owned(),
                slots: USUAL,
                senders: USUAL,
                apply_workers: self.way_back.apply_workers - workers,
            },
            Side::Target => {
                let logical = self.of_cluster_group("rds.logical_replication") == Some(1);
                let of = |name| self.of_cluster_group(name).unwrap_or(USUAL) - slots;
                Room {
                    wal_level: if logical { "logical" } else { "replica" }.to_owned(),
                    slots: of("max_replication_slots"),
                    senders: of("max_wal_senders"),
                    apply_workers: 4,
                }
            }
        })
    }

    pub(super) fn publisher(
        &self,
        at: &Endpoint,
        name: &WayBackName,
    ) -> Result<BTreeMap<DatabaseName, PublisherView>, Failure> {
        let (_, server) = self.reach(at)?;
        let ours = server.back.publication.as_ref().filter(|one| one.name == *name);
        Ok(self.each(|database| {
            let view = PublisherView {
                flush_lsn: (!server.in_recovery).then_some(Lsn(server.wal)),
                fingerprint: server.back.fingerprint(database),
                ..PublisherView::default()
            };
            let Some(ours) = ours else { return view };
            let application = database.as_str() == APPLICATION;
            let mut left_out = vec![];
            if application {
                left_out.clone_from(&server.back.added);
                if ours.without_identity == WithoutIdentity::Lose {
                    left_out.extend(self.way_back.without_identity.iter().cloned());
                }
            }
            left_out.sort();
            PublisherView {
                published: Some(1),
                left_out: named(&left_out),
                slot: self.slot(server, ours, database),
                ..view
            }
        }))
    }

    fn slot(
        &self,
        server: &Server,
        ours: &Publication,
        database: &DatabaseName,
    ) -> Option<WayBackSlot> {
        ours.slots.get(database)?;
        let state = if ours.lost.contains(database) {
            SlotState::Lost
        } else if self.streams() {
            SlotState::Active
        } else {
            SlotState::Inactive
        };
        let retained = server.wal.saturating_sub(ours.confirmed);
        let safe = self.way_back.slot_limit.map(|limit| limit.saturating_sub(retained));
        Some(WayBackSlot {
            state,
            confirmed: Some(Lsn(ours.confirmed)),
            retained: ByteCount(retained),
            safe_wal: safe.map(ByteCount),
        })
    }

    pub(super) fn subscriber(
        &self,
        at: &Endpoint,
        name: &WayBackName,
    ) -> Result<BTreeMap<DatabaseName, SubscriberView>, Failure> {
        let (_, server) = self.reach(at)?;
        let ours = server.back.subscription.as_ref().filter(|one| one.name == *name);
        let confirmed = self.target.as_ref().and_then(|target| target.back.publication.as_ref());
        let subscription = ours.map(|ours| SubscriptionView {
            apply: ours.apply,
            worker: self.streams().then_some(WORKER),
            applied: confirmed.map(|one| Lsn(one.confirmed)),
            errors: Some(ours.errors),
        });
        Ok(self.each(|_| SubscriberView { subscription: subscription.clone() }))
    }

    /// Whether the source's worker runs and streams from the target's slot.
    fn streams(&self) -> bool {
        let Some(target) = self.target.as_ref().filter(|one| one.up && !one.in_recovery) else {
            return false;
        };
        let Some(ours) = &target.back.publication else { return false };
        let subscribed = self.source.back.subscription.as_ref().is_some_and(|one| {
            one.apply == Apply::On
                && one.name == ours.name
                && self.side_at(&one.publisher) == Some(Side::Target)
        });
        subscribed
            && self.source.up
            && self.way_back.path.is_ok()
            && self.way_back.applying != Applying::Idle
            && !ours.lost.contains(&DatabaseName::new(APPLICATION))
    }

    pub(super) fn reaches(
        &self,
        from: &Endpoint,
        to: &Endpoint,
    ) -> Result<Result<(), String>, Failure> {
        self.reach(from)?;
        self.reach(to)?;
        Ok(self.way_back.path.clone())
    }

    pub(super) fn sequences(&self, at: &Endpoint) -> Result<Sequences, Failure> {
        let (_, server) = self.reach(at)?;
        if self.way_back.sequences == super::Presence::Gone {
            let what = format!("read sequence {SEQUENCE} on {at}");
            return Err(Failure::new(FailureKind::Denied, what, "permission denied"));
        }
        let value = SequenceValue {
            last_value: server.back.sequence.max(1),
            is_called: if server.back.sequence > 0 { IsCalled::Called } else { IsCalled::Fresh },
            increment: 1,
        };
        let application = BTreeMap::from([(SEQUENCE.to_owned(), value)]);
        Ok(BTreeMap::from([(DatabaseName::new(APPLICATION), application)]))
    }

    pub(super) fn way_back(&mut self, action: &WayBackAction) -> Result<(), Failure> {
        match action {
            WayBackAction::Publish { at, name, without_identity } => {
                self.publish((at, name), *without_identity, action)
            }
            WayBackAction::Unpublish { at, .. } => {
                self.writable(at, action)?.back.publication = None;
                Ok(())
            }
            WayBackAction::Subscribe { at, publisher, name } => {
                self.subscribe((at, publisher), name, action)
            }
            WayBackAction::SetApply { at, apply, .. } => {
                let ours = &mut self.writable(at, action)?.back.subscription;
                match ours {
                    Some(ours) => ours.apply = *apply,
                    None => return Err(refused(FailureKind::NotFound, action, "there is none")),
                }
                Ok(())
            }
            WayBackAction::Unsubscribe { at, .. } => {
                self.writable(at, action)?.back.subscription = None;
                Ok(())
            }
            WayBackAction::SetSequences { at, values } => {
                let wanted = values.get(&DatabaseName::new(APPLICATION));
                let wanted = wanted.and_then(|sequences| sequences.get(SEQUENCE));
                let back = &mut self.writable(at, action)?.back;
                if let Some(value) = wanted.filter(|value| value.is_called == IsCalled::Called) {
                    back.sequence = back.sequence.max(value.last_value);
                }
                Ok(())
            }
            WayBackAction::WriteMarkers { at, token } => {
                let now = self.now;
                let server = self.writable(at, action)?;
                let Some(rows) = &mut server.markers else {
                    return Err(refused(FailureKind::NotFound, action, "there is no marker table"));
                };
                server.wal += 120;
                if !rows.iter().any(|(known, _, _)| known == token) {
                    rows.push((token.clone(), server.wal, now));
                }
                Ok(())
            }
        }
    }

    fn writable(&mut self, at: &Endpoint, action: &WayBackAction) -> Result<&mut Server, Failure> {
        let (side, server) = self.reach(at)?;
        if server.in_recovery {
            return Err(refused(FailureKind::WrongState, action, "the server is in recovery"));
        }
        let gone = || refused(FailureKind::Unavailable, action, "connection refused");
        self.server_mut(side).ok_or_else(gone)
    }

    fn publish(
        &mut self,
        (at, name): (&Endpoint, &WayBackName),
        without_identity: WithoutIdentity,
        action: &WayBackAction,
    ) -> Result<(), Failure> {
        let databases = self.way_back.databases.clone();
        if self.room(at)?.wal_level != "logical" {
            return Err(refused(FailureKind::Invalid, action, "wal_level is not logical"));
        }
        let server = self.writable(at, action)?;
        let (next, confirmed) = (server.writes.len(), server.wal);
        let ours = server.back.publication.get_or_insert_with(|| Publication {
            name: name.clone(),
            without_identity,
            slots: BTreeSet::new(),
            lost: BTreeSet::new(),
            next,
            marked: confirmed,
            confirmed,
        });
        ours.slots.extend(databases);
        Ok(())
    }

    fn subscribe(
        &mut self,
        (at, publisher): (&Endpoint, &Endpoint),
        name: &WayBackName,
        action: &WayBackAction,
    ) -> Result<(), Failure> {
        if let Err(why) = self.way_back.path.clone() {
            return Err(refused(FailureKind::Unavailable, action, &why));
        }
        let (publisher, name) = (publisher.clone(), name.clone());
        let ours = &mut self.writable(at, action)?.back.subscription;
        match ours {
            Some(ours) => ours.publisher = publisher,
            None => *ours = Some(Subscription { name, publisher, apply: Apply::On, errors: 0 }),
        }
        Ok(())
    }

    /// What the target committed by then appears on the source.
    pub(super) fn flow_back(&mut self) {
        if !self.streams() {
            return;
        }
        let Some(horizon) = self.now.checked_sub(self.way_back.delay).ok() else { return };
        let fails = self.way_back.applying == Applying::Fails;
        let (source, target) = (&mut self.source, &mut self.target);
        let Some(target) = target.as_mut() else { return };
        let Some(ours) = target.back.publication.as_mut() else { return };
        let due = target.writes.iter().skip(ours.next).take_while(|(_, _, at)| *at <= horizon);
        let due: Vec<_> = due.cloned().collect();
        let unfit = source.back.changed != target.back.changed;
        if (fails || unfit) && !due.is_empty() {
            if let Some(subscription) = &mut source.back.subscription {
                subscription.errors += 1;
            }
            return;
        }
        for (write, position, at) in due {
            source.wal += 200;
            source.counted += 1;
            source.back.received += 1;
            source.writes.push((write, source.wal, at));
            ours.next += 1;
            ours.confirmed = ours.confirmed.max(position);
        }
        let rows = target.markers.iter().flatten();
        let newer: Vec<_> = rows.filter(|(_, position, _)| *position > ours.marked).collect();
        let pending = newer.iter().any(|(_, _, at)| *at > horizon);
        for (token, position, at) in newer.into_iter().filter(|(_, _, at)| *at <= horizon) {
            ours.marked = *position;
            if let Some(there) = &mut source.markers {
                there.push((token.clone(), source.wal, *at));
            }
        }
        if ours.next == target.writes.len() && !pending {
            ours.confirmed = ours.confirmed.max(target.wal);
        }
    }

    /// Whether rows of the target did not flow back, and nobody accepted that.
    pub(super) fn is_forked(&self) -> bool {
        let own = self.target.as_ref().map_or(0, |target| target.counted);
        own > self.source.back.received && self.way_back.loss == Loss::Forbidden
    }
}
