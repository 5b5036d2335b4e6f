//! What stands before and beside a finished target, in the model: a proxy, a Global Database, a
//! cluster in a second Region. Each takes its time to be there; given twice, there is one.

use std::collections::BTreeMap;

use jiff::Timestamp;
use landfall_core::action::{CloudAction, NewSecondary};
use landfall_core::failure::{Failure, FailureKind};
use landfall_core::ids::ClusterId;
use landfall_core::port::Stamp;
use landfall_core::port::cloud::{ResourceState, Tags};
use landfall_core::port::equipment::{GlobalDatabase, Proxy, ProxyTarget, Secondary};
use landfall_core::spec::{GlobalSpec, ProxyPool, ProxySpec};

use super::Inner;
use super::orders::{already, busy, failure, tags};

/// How far a second Region lies behind, by the model's clock.
const LAG_MS: f64 = 80.0;

/// A cluster of the second Region: when it is there, whose it is, and its instance likewise.
#[derive(Debug)]
pub(crate) struct Far {
    ready: Timestamp,
    tags: Tags,
    instance: Option<Timestamp>,
}

/// Everything of that kind, by name.
#[derive(Debug, Default)]
pub(crate) struct Beside {
    proxies: BTreeMap<String, (Timestamp, Proxy)>,
    globals: BTreeMap<String, (Timestamp, GlobalDatabase)>,
    far: BTreeMap<(String, ClusterId), Far>,
}

impl Inner {
    fn ready(&self) -> Timestamp {
        self.now.saturating_add(self.delays.reboot).unwrap_or(self.now)
    }

    fn state(&self, ready: Timestamp) -> ResourceState {
        if self.now < ready { busy("creating") } else { ResourceState::Available }
    }

    pub(super) fn proxy(&self, name: &str) -> Option<Proxy> {
        let (ready, proxy) = self.beside.proxies.get(name)?;
        let state = self.state(*ready);
        let mut shown = Proxy { state, ..proxy.clone() };
        let tracked: Vec<_> = shown.targets.iter().map(|target| target.id.clone()).collect();
        for id in tracked {
            let members = self.clusters.get(&ClusterId::new(id)).map(|one| one.members.clone());
            shown.targets.extend(members.into_iter().flatten().map(|member| ProxyTarget {
                id: member.instance.to_string(),
                kind: "RDS_INSTANCE".to_owned(),
                health: Some("AVAILABLE".to_owned()),
                reason: None,
            }));
        }
        Some(shown)
    }

    pub(super) fn global_database(&self, name: &str) -> Option<GlobalDatabase> {
        let (ready, found) = self.beside.globals.get(name)?;
        Some(GlobalDatabase { state: self.state(*ready), ..found.clone() })
    }

    pub(super) fn secondary(&self, of: &GlobalSpec) -> Option<Secondary> {
        let found = self.beside.far.get(&(of.region.clone(), of.cluster.clone()))?;
        let instance = found.instance.map(|ready| self.state(ready));
        let lag_ms = instance.as_ref().filter(|state| **state == ResourceState::Available);
        let lag_ms = lag_ms.map(|_| LAG_MS);
        Some(Secondary {
            state: self.state(found.ready),
            tags: found.tags.clone(),
            instance,
            lag_ms,
        })
    }

    pub(super) fn create_proxy(
        &mut self,
        (cluster, asked): (&ClusterId, &ProxySpec),
        stamp: &Stamp,
        action: &CloudAction,
    ) -> Result<(), Failure> {
        self.our_cluster(cluster, stamp, action)?;
        if let Some((_, there)) = self.beside.proxies.get(&asked.name) {
            return already(&there.tags, stamp, action);
        }
        let proxy = Proxy {
            name: asked.name.clone(),
            state: busy("creating"),
            endpoint: Some(format!("{}.proxy.model", asked.name)),
            tags: tags(stamp),
            pool: None,
            targets: vec![],
        };
        let made = (self.ready(), proxy);
        self.beside.proxies.insert(asked.name.clone(), made);
        Ok(())
    }

    fn our_proxy(
        &mut self,
        name: &str,
        stamp: &Stamp,
        action: &CloudAction,
    ) -> Result<&mut Proxy, Failure> {
        let now = self.now;
        let Some((ready, proxy)) = self.beside.proxies.get_mut(name) else {
            return Err(failure(FailureKind::NotFound, action, "DBProxyNotFoundFault"));
        };
        already(&proxy.tags, stamp, action)?;
        if now < *ready {
            return Err(failure(FailureKind::WrongState, action, "InvalidDBProxyStateFault"));
        }
        Ok(proxy)
    }

    pub(super) fn set_proxy_pool(
        &mut self,
        (name, pool): (&str, &ProxyPool),
        stamp: &Stamp,
        action: &CloudAction,
    ) -> Result<(), Failure> {
        self.our_proxy(name, stamp, action)?.pool = Some(pool.clone());
        Ok(())
    }

    pub(super) fn register_target(
        &mut self,
        (name, cluster): (&str, &ClusterId),
        stamp: &Stamp,
        action: &CloudAction,
    ) -> Result<(), Failure> {
        self.standing_alone(cluster, stamp, action)?;
        let targets = &mut self.our_proxy(name, stamp, action)?.targets;
        if targets.iter().all(|target| !target.is_cluster(cluster)) {
            let (id, kind) = (cluster.to_string(), "TRACKED_CLUSTER".to_owned());
            targets.push(ProxyTarget { id, kind, health: None, reason: None });
        }
        Ok(())
    }

    /// What AWS demands of a cluster for both: that it replicates from nothing.
    fn standing_alone(
        &mut self,
        cluster: &ClusterId,
        stamp: &Stamp,
        action: &CloudAction,
    ) -> Result<String, Failure> {
        let found = self.our_cluster(cluster, stamp, action)?;
        if found.replicates_from.is_some() {
            return Err(failure(FailureKind::WrongState, action, "it replicates from an instance"));
        }
        Ok(found.arn.clone())
    }

    pub(super) fn create_global_database(
        &mut self,
        (name, cluster): (&str, &ClusterId),
        stamp: &Stamp,
        action: &CloudAction,
    ) -> Result<(), Failure> {
        let writer = Some(self.standing_alone(cluster, stamp, action)?);
        if let Some((_, there)) = self.beside.globals.get(name) {
            let taken = || failure(FailureKind::TakenByAnother, action, "another writes in it");
            return if there.writer == writer { Ok(()) } else { Err(taken()) };
        }
        let state = busy("creating");
        let made = GlobalDatabase { name: name.to_owned(), state, writer, readers: vec![] };
        let made = (self.ready(), made);
        self.beside.globals.insert(name.to_owned(), made);
        Ok(())
    }

    pub(super) fn create_secondary_cluster(
        &mut self,
        new: &NewSecondary,
        stamp: &Stamp,
        action: &CloudAction,
    ) -> Result<(), Failure> {
        let of = &new.global;
        let key = (of.region.clone(), of.cluster.clone());
        if let Some(there) = self.beside.far.get(&key) {
            return already(&there.tags, stamp, action);
        }
        let ready = self.ready();
        let now = self.now;
        let Some((since, global)) = self.beside.globals.get_mut(&of.name) else {
            return Err(failure(FailureKind::NotFound, action, "GlobalClusterNotFoundFault"));
        };
        if now < *since {
            return Err(failure(FailureKind::WrongState, action, "InvalidGlobalClusterStateFault"));
        }
        global.readers.push(format!("arn:aws:rds:{}:1:cluster:{}", of.region, of.cluster));
        self.beside.far.insert(key, Far { ready, tags: tags(stamp), instance: None });
        Ok(())
    }

    pub(super) fn create_secondary_instance(
        &mut self,
        of: &GlobalSpec,
        stamp: &Stamp,
        action: &CloudAction,
    ) -> Result<(), Failure> {
        let (now, ready) = (self.now, self.ready());
        let Some(there) = self.beside.far.get_mut(&(of.region.clone(), of.cluster.clone())) else {
            return Err(failure(FailureKind::NotFound, action, "DBClusterNotFoundFault"));
        };
        already(&there.tags, stamp, action)?;
        if now < there.ready {
            return Err(failure(FailureKind::WrongState, action, "InvalidDBClusterStateFault"));
        }
        there.instance = there.instance.or(Some(ready));
        Ok(())
    }
}
