//! What a test or the simulator may do to a world behind everybody's back.
//!
//! Each method is one thing that happens to real moves: a replica that stalls, a proxy that does
//! not answer, a colleague who changes a security group. None of them is a fault of the model.

use std::collections::BTreeSet;
use std::time::Duration;

use landfall_core::ids::{DatabaseName, Endpoint, InstanceId, SecurityGroupId};
use landfall_core::port::cloud::{
    Alarm, Cluster, ClusterMember, Instance, Metric, ResourceState, Subject,
};
use landfall_core::port::database::SessionState;
use landfall_core::port::router::{Passage, ProxyView, Route, RouterAbility};

use super::{Circumstances, Delays, Inner, Later};

/// The way into a world.
pub struct Meddling<'a> {
    pub(super) inner: &'a mut Inner,
}

impl Meddling<'_> {
    /// The replica stops receiving.
    pub fn stall(&mut self) {
        self.inner.stalled.get_or_insert(self.inner.now);
    }

    /// The replica receives again.
    pub fn recover(&mut self) {
        self.inner.stalled = None;
    }

    /// A slot of somebody else's keeps the source's metric up, or is dropped again.
    pub fn stale_slot(&mut self, there: Presence) {
        self.inner.stale_slot = (there == Presence::There).then_some(self.inner.now);
    }

    /// CloudWatch has no point any more.
    pub fn silence_metric(&mut self) {
        self.inner.silent = Some(self.inner.now);
    }

    /// Changes the source instance's record.
    pub fn instance(&mut self, change: impl FnOnce(&mut Instance)) {
        if let Some(instance) = self.inner.instances.get_mut(&self.inner.served) {
            change(instance);
        }
    }

    /// Somebody gives the source other security groups, in force a little later.
    pub fn regroup_source(&mut self, groups: &[SecurityGroupId]) {
        if self.inner.instances.contains_key(&self.inner.served) {
            let subject = Subject::Instance(self.inner.served.clone());
            self.inner.plan(self.inner.delays.groups, Later::Groups(subject, groups.to_vec()));
        }
    }

    /// Somebody gives the clusters other security groups, in force a little later.
    pub fn regroup_target(&mut self, groups: &[SecurityGroupId]) {
        for id in self.inner.clusters.keys().cloned().collect::<Vec<_>>() {
            let later = Later::Groups(Subject::Cluster(id), groups.to_vec());
            self.inner.plan(self.inner.delays.groups, later);
        }
    }

    /// AWS gives up on every replica.
    pub fn fail_replicas(&mut self) {
        for cluster in self.inner.clusters.values_mut() {
            cluster.state = ResourceState::Failed("failed".to_owned());
        }
        for member in self.inner.instances.values_mut().filter(|one| one.cluster.is_some()) {
            member.state = ResourceState::Failed("failed".to_owned());
        }
        self.inner
            .later
            .retain(|(_, later)| !matches!(later, Later::ClusterReady(_) | Later::WriterReady(_)));
    }

    /// Puts a cluster there that somebody made.
    pub fn cluster(&mut self, cluster: Cluster) {
        self.inner.clusters.insert(cluster.id.clone(), cluster);
    }

    /// Puts an alarm on an instance's processor time.
    pub fn alarm(&mut self, on: &InstanceId, name: &str) {
        let metric = Metric::CpuUtilization.name().to_owned();
        let alarm = Alarm { name: name.to_owned(), metric };
        self.inner.alarms.push((Subject::Instance(on.clone()), alarm));
    }

    /// Changes the proxies.
    pub fn proxies(&mut self, change: impl FnOnce(&mut Vec<ProxyView>)) {
        change(&mut self.inner.proxies);
    }

    /// A proxy is told and does not answer any more.
    pub fn mute(&mut self, node: &str) {
        self.inner.mute.insert(node.to_owned());
    }

    /// A proxy loses its stream.
    pub fn disconnect(&mut self, node: &str) {
        let now = self.inner.now;
        for proxy in self.inner.proxies.iter_mut().filter(|proxy| proxy.node == node) {
            proxy.connected_since = None;
            proxy.last_seen = now;
        }
    }

    /// A proxy has its stream again, is told what stands, and answers.
    pub fn reconnect(&mut self, node: &str) {
        let now = self.inner.now;
        let epoch = self.inner.routes.values().next().map_or(0, |route| route.epoch);
        for route in self.inner.routes.values() {
            let key = (node.to_owned(), route.service.to_string());
            self.inner.acknowledged.insert(key, route.epoch);
        }
        for proxy in self.inner.proxies.iter_mut().filter(|proxy| proxy.node == node) {
            proxy.connected_since = Some(now);
            proxy.last_seen = now;
            proxy.sent = Some(epoch);
        }
        self.inner.mute.remove(node);
    }

    /// A client that reaches the source past the gateway, through an allowed group.
    pub fn bypass(&mut self) {
        self.inner.traffic.bypass = true;
    }

    /// The client past the gateway goes away for good.
    pub fn end_bypass(&mut self) {
        self.inner.traffic.end_bypass();
    }

    /// A proxy comes that was not there before.
    pub fn proxy(&mut self, node: &str) {
        let now = self.inner.now;
        self.inner.proxies.push(super::router::connected(node, now));
        self.reconnect(node);
    }

    /// A further instance of PostgreSQL, as a record: it is nobody's source.
    pub fn further_instance(&mut self, id: &str) {
        let mut instance = super::example_instance(&self.inner.source_at);
        instance.id = id.into();
        instance.arn = format!("arn:aws:rds:eu-west-1:123456789012:db:{id}");
        self.inner.instances.insert(instance.id.clone(), instance);
    }

    /// A client that only reads, by the service of that name.
    pub fn reader(&mut self) {
        self.inner.traffic.read();
    }

    /// Somebody gives the target a reader.
    pub fn target_reader(&mut self, id: &str) {
        let at = Endpoint::new(super::READERS_AT.0, super::READERS_AT.1);
        let mut reader = super::example_instance(&at);
        reader.id = id.into();
        for cluster in self.inner.clusters.values_mut() {
            reader.cluster = Some(cluster.id.clone());
            cluster.members.push(ClusterMember { instance: id.into(), writer: false });
        }
        self.inner.instances.insert(reader.id.clone(), reader);
    }

    /// The source has a read replica of the ordinary kind.
    pub fn source_replica(&mut self, id: &str, at: &Endpoint) {
        let mut replica = super::example_instance(at);
        replica.id = id.into();
        self.inner.instances.insert(replica.id.clone(), replica);
        self.instance(|source| source.replica_instances.push(id.into()));
    }

    /// A service that the gateway knows already.
    pub fn route(&mut self, route: Route) {
        for proxy in &self.inner.proxies {
            let key = (proxy.node.clone(), route.service.to_string());
            self.inner.acknowledged.insert(key, route.epoch);
        }
        self.inner.routes.insert(route.service.to_string(), route);
    }

    /// What the gateway can do.
    pub fn ability(&mut self) -> &mut RouterAbility {
        &mut self.inner.ability
    }

    /// What every change of a route brings.
    pub fn passage(&mut self, passage: Passage) {
        self.inner.passage = passage;
    }

    /// How many sessions the source and the target take.
    pub fn takes(&mut self) -> &mut (u32, u32) {
        &mut self.inner.takes
    }

    /// The application goes home.
    pub fn dismiss(&mut self) {
        self.inner.traffic.clients.clear();
    }

    /// A session on the source that only sits there, in a transaction or not; its pid.
    pub fn session(&mut self, state: SessionState) -> i32 {
        self.inner.sit_down(state)
    }

    /// One new row in a database of the source.
    pub fn row(&mut self, database: &DatabaseName) {
        self.inner.row(database);
    }

    /// One new row of the application on the promoted target.
    pub fn row_on_target(&mut self) {
        self.inner.row_on_target();
    }

    /// The prepared transactions of the source.
    pub fn prepared(&mut self) -> &mut BTreeSet<String> {
        &mut self.inner.prepared
    }

    /// What a way back depends on.
    pub fn way_back(&mut self) -> &mut Circumstances {
        &mut self.inner.way_back
    }

    /// Somebody changes a table of the target.
    pub fn change_target(&mut self) {
        if let Some(target) = &mut self.inner.target {
            target.back.change();
        }
    }

    /// Somebody makes the same change on the source.
    pub fn change_source(&mut self) {
        self.inner.source.back.change();
    }

    /// Somebody adds a table to the target.
    pub fn table_on_target(&mut self, table: &str) {
        if let Some(target) = &mut self.inner.target {
            target.back.add(table);
        }
    }

    /// The way back's slot of a database is invalidated.
    pub fn lose_slot(&mut self, database: &DatabaseName) {
        if let Some(target) = &mut self.inner.target {
            target.back.lose_slot(database);
        }
    }

    /// Somebody drops the way back's subscriptions.
    pub fn drop_subscriptions(&mut self) {
        self.inner.source.back.forget();
    }

    /// Somebody deletes the source.
    pub fn delete_source(&mut self) {
        let served = self.inner.served.clone();
        self.inner.plan(Duration::ZERO, Later::InstanceGone(served));
    }

    /// The world's delays.
    pub fn delays(&mut self) -> &mut Delays {
        &mut self.inner.delays
    }

    /// An application transaction that stays open until an instant from now.
    pub fn long_transaction(&mut self, open_for: Duration) {
        let until = self.inner.now + open_for;
        self.inner.traffic.hold_open(self.inner.now, until);
    }
}

/// Whether something is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// It is.
    There,
    /// It is not.
    Gone,
}
