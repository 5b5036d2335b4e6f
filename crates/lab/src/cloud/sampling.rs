//! The sampler's loop: real readings of every server that is up become metric points.
//!
//! Rates are differences of counters between two samples; the first sample after a start gives
//! none. No point depends on what a migration is doing, only on the servers and on the faults
//! that were armed by hand.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::Cloud;
use super::cluster::ClusterStatus;
use super::instance::Instance;
use super::machines::{Machine, Stall};
use super::metrics::{Reading, Subject};
use super::names::Identifier;
use crate::catalogue::versions::Engine;
use crate::faults::{Fault, Faults};
use crate::sampler::{Sample, sample};

const LOW_STORAGE: u64 = 512 << 20;
const GIB: u64 = 1 << 30;
/// A metric of clusters alone.
const VOLUME: &str = "VolumeBytesUsed";

/// What the points of one server need besides the sample.
struct Target {
    id: Identifier,
    engine: Engine,
    storage_gib: u64,
    vcpus: u64,
    machine: Arc<Machine>,
    part: Part,
}

/// A server's own readings, and the bytes that went through its firewall until then.
struct Moment {
    sample: Sample,
    bytes: (u64, u64),
}

/// The part that an instance plays.
enum Part {
    Single,
    Writer {
        cluster: Identifier,
        replicates: bool,
    },
    Reader {
        cluster: Identifier,
    },
    /// The one instance of a cluster that follows a cluster of another Region.
    Follower {
        cluster: Identifier,
    },
}

/// Samples until the cloud is shut down.
pub(super) async fn run(cloud: Cloud) {
    let mut before: BTreeMap<Identifier, Moment> = BTreeMap::new();
    let mut ticks = tokio::time::interval(cloud.delays().sampling);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    loop {
        ticks.tick().await;
        cloud.follow_stall();
        if cloud.faults().active(Fault::MetricGap).is_some() {
            continue;
        }
        for target in targets(&cloud) {
            let Some(sampled) = sample(target.machine.server()).await else {
                before.remove(&target.id);
                continue;
            };
            let now = Moment { bytes: target.machine.firewall().bytes(), sample: sampled };
            let age = replay_age(&target.machine, &now.sample).await;
            let readings = readings(&target, &now, before.get(&target.id), cloud.faults());
            // A fault that was armed meanwhile concerns this sample too.
            if cloud.faults().active(Fault::MetricGap).is_some() {
                break;
            }
            let at = Timestamp::try_from(now.sample.at).unwrap_or_else(|_| Timestamp::now());
            store(&cloud, &target, at, readings, age);
            before.insert(target.id.clone(), now);
        }
    }
}

impl Cloud {
    /// Brings about the fault "replica stall", which is a state of the streams, or ends it. Done
    /// with each sample, since the fault may run out and standbys may be made.
    pub fn follow_stall(&self) {
        let stall = match self.faults().active(Fault::ReplicaStall) {
            Some(_) => Stall::Still,
            None => Stall::Flowing,
        };
        self.read(|world| {
            let instances = world.instances.values();
            for machine in instances.filter_map(|instance| instance.machine.as_ref()) {
                machine.stall(stall);
            }
        });
    }
}

/// The servers that give metrics: those that are up, and not those that are being promoted.
fn targets(cloud: &Cloud) -> Vec<Target> {
    cloud.read(|world| {
        let up = world.instances.values().filter(|instance| instance.status.is_up());
        up.filter_map(|instance| {
            let cluster = instance.cluster.as_ref().and_then(|id| world.clusters.get(id));
            if cluster.is_some_and(|cluster| cluster.status == ClusterStatus::Promoting) {
                return None;
            }
            let part = match cluster {
                None => Part::Single,
                Some(cluster) if world.followed_by(&cluster.id).is_some() => {
                    Part::Follower { cluster: cluster.id.clone() }
                }
                Some(cluster) if cluster.members.first() == Some(&instance.id) => Part::Writer {
                    cluster: cluster.id.clone(),
                    replicates: cluster.replication_source.is_some(),
                },
                Some(cluster) => Part::Reader { cluster: cluster.id.clone() },
            };
            target(instance, part)
        })
        .collect()
    })
}

fn target(instance: &Instance, part: Part) -> Option<Target> {
    let class = crate::catalogue::classes::find(&instance.class);
    Some(Target {
        id: instance.id.clone(),
        engine: instance.engine,
        storage_gib: u64::from(instance.storage_gib),
        vcpus: class.map_or(2, |class| class.vcpus),
        machine: Arc::clone(instance.machine.as_ref()?),
        part,
    })
}

/// Whole seconds since the last replayed commit, which the lab's heartbeat keeps near zero.
async fn replay_age(machine: &Machine, sample: &Sample) -> Option<f64> {
    if !sample.in_recovery {
        return None;
    }
    let sql = "select extract(epoch from clock_timestamp() \
               - pg_last_xact_replay_timestamp())::float8";
    let rows = machine.server().query(sql, &[]).await.ok()?;
    let age: Option<f64> = rows.first()?.try_get(0).ok()?;
    age.map(|age| age.max(0.0).floor())
}

fn store(
    cloud: &Cloud,
    target: &Target,
    at: Timestamp,
    mut readings: Vec<Reading>,
    age: Option<f64>,
) {
    let lag =
        |metric, unit, factor: f64| age.map(|age| Reading { metric, unit, value: age * factor });
    let instance = Subject::Instance(target.id.clone());
    match &target.part {
        Part::Single => {}
        Part::Writer { cluster, replicates } => {
            if *replicates {
                readings.extend(lag("RDSToAuroraPostgreSQLReplicaLag", "Seconds", 1.0));
            }
            cloud.metrics().store(&Subject::Cluster(cluster.clone()), at, &readings);
        }
        Part::Follower { cluster } => {
            let behind = lag("AuroraGlobalDBReplicationLag", "Milliseconds", 1000.0);
            let cluster = Subject::Cluster(cluster.clone());
            cloud.metrics().store(&cluster, at, behind.as_slice());
        }
        Part::Reader { cluster } => {
            let maximum = lag("AuroraReplicaLagMaximum", "Milliseconds", 1000.0);
            let cluster = Subject::Cluster(cluster.clone());
            cloud.metrics().store(&cluster, at, maximum.as_slice());
            readings.extend(lag("AuroraReplicaLag", "Milliseconds", 1000.0));
        }
    }
    readings.retain(|reading| reading.metric != VOLUME);
    cloud.metrics().store(&instance, at, &readings);
}

fn readings(
    target: &Target,
    now: &Moment,
    before: Option<&Moment>,
    faults: &Faults,
) -> Vec<Reading> {
    let mut readings = levels(target, &now.sample, faults);
    if let Some(before) = before {
        readings.extend(rates(target, &now.sample, &before.sample));
        readings.extend(network(now, before));
    }
    readings
}

/// What is true at one moment.
fn levels(target: &Target, now: &Sample, faults: &Faults) -> Vec<Reading> {
    let reading = |metric, unit, value| Reading { metric, unit, value };
    let bytes = |metric, value| reading(metric, "Bytes", number(value));
    let mut readings = vec![
        reading("DatabaseConnections", "Count", number(now.database_connections)),
        reading("MaximumUsedTransactionIDs", "Count", number(now.maximum_used_transaction_ids)),
        reading("DiskQueueDepth", "Count", number(now.waiting_for_disk)),
    ];
    readings.extend(now.freeable_memory_bytes.map(|free| bytes("FreeableMemory", free)));
    let slots = [
        ("OldestReplicationSlotLag", now.oldest_replication_slot_lag_bytes),
        ("OldestLogicalReplicationSlotLag", now.oldest_logical_replication_slot_lag_bytes),
        ("ReplicationSlotDiskUsage", now.replication_slot_disk_usage_bytes),
    ];
    readings.extend(
        slots.into_iter().filter_map(|(metric, value)| value.map(|value| bytes(metric, value))),
    );
    let log = now.transaction_logs_disk_usage_bytes;
    match target.engine {
        Engine::Postgres => {
            let pressure = faults.active(Fault::DiskPressure);
            let free = match pressure {
                Some(order) => order.argument.unwrap_or(LOW_STORAGE),
                None => (target.storage_gib * GIB).saturating_sub(now.data_bytes + log),
            };
            readings.push(bytes("FreeStorageSpace", free));
            readings.push(bytes("TransactionLogsDiskUsage", log));
            readings.push(reading("CheckpointLag", "Seconds", now.seconds_since_checkpoint));
        }
        Engine::Aurora => {
            readings.push(bytes(VOLUME, now.data_bytes));
            // Without logical replication Aurora has no figure to give.
            readings.push(match now.oldest_logical_replication_slot_lag_bytes {
                Some(_) => bytes("TransactionLogsDiskUsage", log),
                None => reading("TransactionLogsDiskUsage", "Bytes", -1.0),
            });
        }
    }
    readings
}

/// What grew since the last sample, per second.
fn rates(target: &Target, now: &Sample, before: &Sample) -> Vec<Reading> {
    let Ok(elapsed) = now.at.duration_since(before.at) else { return Vec::new() };
    let seconds = elapsed.as_secs_f64().max(0.001);
    let (new, old) = (&now.counters, &before.counters);
    let grown = |new: f64, old: f64| (new >= old).then_some(new - old);
    let per_second = |new: u64, old: u64| grown(number(new), number(old)).map(|by| by / seconds);
    let latency = |millis: Option<f64>, operations: Option<f64>| {
        let operations = operations? * seconds;
        Some(if operations > 0.0 { millis? / 1000.0 / operations } else { 0.0 })
    };
    let reads = per_second(new.read_operations, old.read_operations);
    let writes = per_second(new.write_operations, old.write_operations);
    let read_millis = grown(new.read_millis, old.read_millis);
    let write_millis = grown(new.write_millis, old.write_millis);
    let cpu = grown(new.cpu_seconds, old.cpu_seconds)
        .map(|used| (used / seconds / number(target.vcpus) * 100.0).min(100.0));
    let mut values = vec![
        ("CPUUtilization", "Percent", cpu),
        ("ReadIOPS", "Count/Second", reads),
        ("WriteIOPS", "Count/Second", writes),
        ("ReadLatency", "Seconds", latency(read_millis, reads)),
        ("WriteLatency", "Seconds", latency(write_millis, writes)),
    ];
    match target.engine {
        Engine::Postgres => values.push((
            "TransactionLogsGeneration",
            "Bytes/Second",
            per_second(new.wal_generated_bytes, old.wal_generated_bytes),
        )),
        Engine::Aurora => {
            values.push(("CommitThroughput", "Count/Second", per_second(new.commits, old.commits)));
        }
    }
    values
        .into_iter()
        .filter_map(|(metric, unit, value)| Some(Reading { metric, unit, value: value? }))
        .collect()
}

/// What went through the firewall since the last sample, per second. It is the server's only door,
/// so streams to replicas count as they do on AWS.
fn network(now: &Moment, before: &Moment) -> Vec<Reading> {
    let Ok(elapsed) = now.sample.at.duration_since(before.sample.at) else { return Vec::new() };
    let seconds = elapsed.as_secs_f64().max(0.001);
    let rate = |metric, new: u64, old: u64| Reading {
        metric,
        unit: "Bytes/Second",
        value: number(new.saturating_sub(old)) / seconds,
    };
    vec![
        rate("NetworkReceiveThroughput", now.bytes.0, before.bytes.0),
        rate("NetworkTransmitThroughput", now.bytes.1, before.bytes.1),
    ]
}

/// Metric values are doubles on the wire; counts above 2^53 lose their last digits there too.
fn number(value: u64) -> f64 {
    let high = u32::try_from(value >> 32).unwrap_or(u32::MAX);
    let low = u32::try_from(value & u64::from(u32::MAX)).unwrap_or(u32::MAX);
    f64::from(high) * 4_294_967_296.0 + f64::from(low)
}
