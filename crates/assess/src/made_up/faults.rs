//! One fault for each check, with what it must be told as.

use std::collections::BTreeMap;

use landfall_core::failure::{Failure, FailureKind};
use landfall_core::finding::Severity;
use landfall_core::port::cloud::{
    Alarm, AssociatedRole, Cluster, Maintenance, Metric, ParameterSource, Quota, ResourceState,
};
use landfall_core::port::router::{Route, Traffic};
use landfall_core::{Endpoint, spec};
use serde_json::json;

use super::{Case, GIB, history, now, parameter};
use crate::bypass::Party;
use crate::inventory::{Defaults, Inside, Taken};

/// A fault.
pub(crate) struct Fault {
    /// The check that must find it.
    pub(crate) check: &'static str,
    /// As what.
    pub(crate) severity: Severity,
    /// Words of the finding.
    pub(crate) told: &'static str,
    /// How it gets in.
    pub(crate) put: fn(&mut Case),
    /// It excludes other faults, and so is left out where all are put in at once.
    pub(crate) alone: bool,
}

pub(super) const fn fault(
    check: &'static str,
    severity: Severity,
    told: &'static str,
    put: fn(&mut Case),
) -> Fault {
    Fault { check, severity, told, put, alone: false }
}

pub(super) const fn alone(
    check: &'static str,
    severity: Severity,
    told: &'static str,
    put: fn(&mut Case),
) -> Fault {
    Fault { check, severity, told, put, alone: true }
}

pub(super) const B: Severity = Severity::Blocker;
pub(super) const W: Severity = Severity::Warning;
pub(super) const N: Severity = Severity::Note;

/// Of the instance and what stands around it.
pub(crate) const OF_THE_API: &[Fault] = &[
    alone("source.state", B, "incompatible-parameters", |case| {
        case.instance().state = ResourceState::Failed("incompatible-parameters".to_owned());
    }),
    alone("source.state", B, "being deleted", |case| {
        case.instance().state = ResourceState::Deleting;
    }),
    fault("source.state", N, "backing-up", |case| {
        case.instance().state = ResourceState::Busy("backing-up".to_owned());
    }),
    fault("source.place", N, "eu-west-1, account 123456789012", |_| {}),
    fault("source.cluster", B, "Multi-AZ DB cluster orders", |case| {
        case.instance().cluster = Some("orders".into());
    }),
    fault("source.backups", W, "backups are off", |case| {
        case.instance().backup_retention_days = 0;
    }),
    fault("source.quarantine", B, "sg-app", |case| {
        case.spec.cutover.quarantine_group = "sg-app".into();
    }),
    fault("source.multi_az", N, "Multi-AZ", |case| case.instance().multi_az = true),
    fault("source.kerberos", W, "corp.example", |case| {
        case.instance().detail.domains = vec!["corp.example joined".to_owned()];
    }),
    fault("source.iam", W, "s3Import", |case| {
        case.instance().detail.roles = vec![AssociatedRole {
            arn: "arn:aws:iam::123456789012:role/import".to_owned(),
            feature: Some("s3Import".to_owned()),
        }];
    }),
    fault("source.iam", W, "db-ABC", |case| case.instance().detail.iam_auth = true),
    fault("source.upgrades", N, "by themselves", |case| {
        case.instance().detail.auto_minor_upgrade = true;
    }),
    fault("source.upgrades", W, "AllocatedStorage=400", |case| {
        case.instance().detail.pending = vec!["AllocatedStorage=400".to_owned()];
    }),
    fault("source.public", N, "publicly", |case| {
        case.instance().detail.publicly_accessible = true;
    }),
    fault("source.secret", W, "secret:rds", |case| {
        let arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:rds!db";
        case.instance().detail.master_secret = Some(arn.to_owned());
    }),
    fault("source.options", N, "orders-options", |case| {
        case.instance().detail.option_groups = vec!["orders-options".to_owned()];
    }),
    alone("source.encryption", N, "not encrypted", |case| case.instance().encrypted = false),
    alone("source.encryption", W, "by which key", |case| case.instance().kms_key = None),
    fault("source.encryption", W, "another account", |case| {
        let key = "arn:aws:kms:eu-west-1:210987654321:key/2";
        case.instance().kms_key = Some(key.to_owned());
    }),
    fault("source.alarms", N, "1 alarm watches it: orders cpu", |case| {
        let alarm = Alarm { name: "orders cpu".to_owned(), metric: "CPUUtilization".to_owned() };
        case.around().alarms = Ok(vec![alarm]);
    }),
    alone("source.alarms", N, "not looked at alarms", |case| case.around().alarms = Err(denied())),
    alone("storage.volume", B, "at most 131072", |case| case.instance().allocated_gib = 140_000),
    fault("storage.volume", N, "io2 with 20000 IOPS", |case| {
        let detail = &mut case.instance().detail;
        (detail.storage_type, detail.iops) = (Some("io2".to_owned()), Some(20_000));
    }),
    fault("storage.free", W, "4 % of its 200 GiB", |case| {
        case.inventory.history[1] = history(Metric::FreeStorageSpace, |_| 8.0 * GIB);
    }),
    fault("storage.race", B, "likely full before", |case| {
        case.inventory.history[0] = history(Metric::TransactionLogsGeneration, |_| 100e6);
    }),
    alone("storage.race", W, "may be full before", |case| {
        case.inventory.history[0] =
            history(
                Metric::TransactionLogsGeneration,
                |hour| if hour % 12 == 0 { 60e6 } else { 1e6 },
            );
    }),
    alone("storage.race", N, "not looked whether", |case| case.inventory.history.clear()),
    fault("account.quotas", B, "40 of 40", |case| {
        let quota = Quota { name: "DBClusters".to_owned(), used: 40, max: 40 };
        case.around().quotas = Ok(vec![quota]);
    }),
    alone("account.quotas", N, "not looked at the quotas", |case| {
        case.around().quotas = Err(denied());
    }),
    fault("account.maintenance", W, "system-update (kernel)", |case| {
        case.around().maintenance = Ok(vec![Maintenance {
            action: "system-update".to_owned(),
            description: Some("kernel".to_owned()),
            at: now().checked_add(jiff::SignedDuration::from_mins(10)).ok(),
        }]);
    }),
    alone("account.maintenance", N, "not looked at pending", |case| {
        case.around().maintenance = Err(denied());
    }),
    fault("account.windows", N, "sun:03:00-sun:03:30", |case| {
        let detail = &mut case.instance().detail;
        detail.maintenance_window = Some("sun:03:00-sun:03:30".to_owned());
        detail.backup_window = Some("01:00-01:30".to_owned());
    }),
    fault("replicas.aurora", B, "orders-test", |case| {
        case.instance().replica_clusters = vec!["orders-test".into()];
    }),
    fault("replicas.chain", B, "read replica of orders-main", |case| {
        case.instance().replica_of = Some("orders-main".to_owned());
    }),
    fault("replicas.elsewhere", B, "us-east-1", |case| {
        case.instance().detail.replicas_elsewhere =
            vec!["arn:aws:rds:us-east-1:123456789012:db:orders-dr".to_owned()];
    }),
    fault("replicas.region", N, "does not move", |case| {
        case.instance().replica_instances = vec!["orders-replica".into()];
    }),
    alone("target.version", N, "one of RDS's own", |case| {
        "15.14-R2".clone_into(&mut case.instance().engine_version);
    }),
    alone("target.version", N, "becomes Aurora PostgreSQL 15.14", |case| {
        "15.13".clone_into(&mut case.instance().engine_version);
    }),
    alone("target.version", B, "no version 15.2", |case| {
        case.spec.target.engine_version = Some("15.2".to_owned());
    }),
    alone("target.class", B, "no class", |case| case.inventory.classes.clear()),
    fault("target.class", N, "it becomes db.r6g.large", |case| {
        "db.m6g.large".clone_into(&mut case.instance().class);
    }),
    alone("target.class", W, "burstable", |case| {
        case.spec.target.class = Some("db.t4g.large".to_owned());
        case.inventory.classes.push("db.t4g.large".to_owned());
    }),
    alone("target.class", W, "0.5 ACU", |case| {
        case.spec.target.serverless = Some(spec::Serverless {
            min_acu: landfall_core::quantity::Acu::from_number(0.5).expect("half a unit"),
            max_acu: landfall_core::quantity::Acu::whole(8),
        });
        case.inventory.classes.push("db.serverless".to_owned());
    }),
    fault("target.readers", N, "no reader", |case| {
        case.spec.target.readers = 0;
        case.instance().multi_az = true;
    }),
    alone("target.name", B, "not this move's", |case| case.inventory.cluster = Some(cluster(&[]))),
    alone("target.name", B, "promoted by an earlier", |case| {
        let ours = [(landfall_core::port::cloud::TAG_MIGRATION, "orders")];
        case.inventory.cluster = Some(cluster(&ours));
    }),
    fault("target.members", W, "not this move's", |case| {
        let mut taken = case.inventory.instance.clone().expect("an instance");
        taken.id = "orders-aurora-2".into();
        taken.tags.clear();
        case.taken().members = vec![taken];
    }),
    alone("target.room", W, "39 of 40 are used, and 3 readers", |case| {
        let quota = Quota { name: "DBInstances".to_owned(), used: 39, max: 40 };
        case.around().quotas.as_mut().expect("they were read").push(quota);
        case.spec.target.readers = 3;
    }),
    fault("target.rights", N, "iam:PassRole", |case| case.ask_for_a_proxy()),
    fault("target.proxy", N, "are pinned by the proxy", |case| case.ask_for_a_proxy()),
    fault("target.proxy", W, "a proxy of this name exists", |case| {
        case.ask_for_a_proxy();
        let proxy = json!({ "name": "orders-proxy", "state": "available", "endpoint": null,
                            "tags": {}, "pool": null, "targets": [] });
        case.taken().proxy = Some(Ok(serde_json::from_value(proxy).expect("a proxy")));
    }),
    alone("target.proxy", N, "not looked at this proxy", |case| {
        case.ask_for_a_proxy();
        case.taken().proxy = Some(Err(denied()));
    }),
    fault("source.proxies", W, "RDS Proxy leads to it: orders-pool", |case| {
        case.around().proxies = Ok(vec!["orders-pool".to_owned()]);
    }),
    alone("source.proxies", N, "not looked for RDS Proxies", |case| {
        case.around().proxies = Err(denied());
    }),
    fault("target.global", W, "no key of us-east-1 is named", |case| {
        case.ask_for_a_second_region("us-east-1");
    }),
    alone("target.global", W, "eu-west-1 is the Region of the source", |case| {
        case.ask_for_a_second_region("eu-west-1");
    }),
    alone("target.global", W, "is burstable", |case| {
        case.ask_for_a_second_region("us-east-1");
        "db.t4g.large".clone_into(&mut case.instance().class);
    }),
    alone("target.global", W, "a Global Database of this name exists", |case| {
        case.ask_for_a_second_region("us-east-1");
        let global = json!({ "name": "orders-world", "state": "available", "writer": null,
                             "readers": [] });
        case.taken().global = Some(Ok(serde_json::from_value(global).expect("a Global Database")));
    }),
    alone("target.global", W, "a cluster orders-far exists in us-east-1", |case| {
        case.ask_for_a_second_region("us-east-1");
        let there = json!({ "state": "available", "tags": {}, "instance": null, "lag_ms": null });
        case.taken().secondary = Some(Ok(serde_json::from_value(there).expect("a cluster")));
    }),
    alone("target.global", N, "not looked at this Global Database", |case| {
        case.ask_for_a_second_region("us-east-1");
        case.taken().global = Some(Err(denied()));
    }),
    fault("parameters.by_hand", N, "2 parameters are set by hand: 1 carried, 1 dropped", |case| {
        case.inventory.parameters = vec![
            parameter("max_connections", "300", ParameterSource::User),
            parameter("plrust.work_dir", "/tmp", ParameterSource::User),
        ];
    }),
    fault("parameters.by_hand", W, "plrust.work_dir", |case| {
        case.inventory.parameters =
            vec![parameter("plrust.work_dir", "/tmp", ParameterSource::User)];
    }),
    fault("parameters.group", W, "pending-reboot", |case| {
        let group = case.instance().parameter_group.as_mut().expect("a group");
        "pending-reboot".clone_into(&mut group.apply_status);
    }),
    fault("parameters.group", N, "worn by billing", |case| {
        case.around().group_shared_with = Ok(vec!["billing".into()]);
    }),
    alone("parameters.group", N, "not looked who", |case| {
        case.around().group_shared_with = Err(denied());
    }),
    fault("parameters.logical", N, "logical replication is off", |_| {}),
    fault("parameters.defaults", W, "refuses clients without TLS", |case| {
        let default =
            |value: &str| parameter("rds.force_ssl", value, ParameterSource::EngineDefault);
        case.defaults().source.push(default("0"));
        case.defaults().cluster.push(default("1"));
    }),
    fault("parameters.defaults", N, "hot_standby_feedback off → on", |case| {
        let default =
            |value: &str| parameter("hot_standby_feedback", value, ParameterSource::EngineDefault);
        case.defaults().source.push(default("off"));
        case.defaults().instance.push(default("on"));
    }),
    alone("parameters.defaults", N, "not looked at engine defaults", |case| {
        case.inventory.defaults = Some(Err(denied()));
    }),
    alone("collation.library", W, "older than the pinned", |case| {
        "14.5".clone_into(&mut case.instance().engine_version);
    }),
];

/// Of the gateway and its clients.
pub(crate) const OF_THE_GATEWAY: &[Fault] = &[
    alone("gateway.ability", W, "cannot hold", |case| {
        case.ability(json!({ "holds": false, "holds_at_most": null, "sessions": "kept" }));
    }),
    fault("gateway.ability", N, "does not carry", |case| {
        case.ability(json!({ "holds": true, "holds_at_most": null, "sessions": "cut" }));
    }),
    alone("gateway.ability", W, "could not be asked", |case| {
        case.inventory.gateway = Some(Err(denied()));
    }),
    fault("gateway.tls", N, "cannot speak TLS to PostgreSQL 15.14", |_| {}),
    alone("gateway.tls", W, "cannot speak TLS", |case| {
        case.spec.route.upstream_tls = spec::UpstreamTls::Direct;
    }),
    alone("gateway.tls", N, "goes through Envoy untouched", |case| {
        "17.5".clone_into(&mut case.instance().engine_version);
    }),
    fault(
        "gateway.certificate",
        N,
        "verify-full check the target's certificate (rds-ca-rsa2048-g1)",
        |_| {},
    ),
    fault("gateway.patience", W, "7 sessions are of the JDBC", |case| {
        case.party("PostgreSQL JDBC Driver", "10.0.8.7", 7);
    }),
    fault("gateway.bypass", W, "came past the gateway", |case| {
        case.party("psql", "10.0.9.1", 2);
    }),
    alone("gateway.bypass", N, "sessions come from 10.0.9.1 (2)", |case| {
        case.spec.route.gateway_networks.clear();
        case.party("psql", "10.0.9.1", 2);
    }),
    fault("gateway.routes", W, "leads to the source as well", |case| {
        let endpoint = case.instance().endpoint.clone().expect("an endpoint");
        case.route("reports", endpoint);
    }),
    fault("gateway.routes", W, "which shows the past", |case| {
        let endpoint = Endpoint::new("replica.example", 5432);
        case.inventory.replicas = vec![("orders-replica".into(), endpoint.clone())];
        case.route("dashboards", endpoint);
    }),
    alone("way_back.arm", W, "no way back after the release without [access]", |case| {
        case.spec.access = None;
    }),
    alone("way_back.arm", N, "way_back.arm is off", |case| {
        case.spec.way_back.arm = spec::ArmWayBack::Off;
    }),
];

impl Case {
    fn around(&mut self) -> &mut landfall_core::port::cloud::Surroundings {
        self.inventory.around.as_mut().expect("surroundings")
    }

    fn taken(&mut self) -> &mut Taken {
        self.inventory.taken.get_or_insert_default()
    }

    fn ask_for_a_proxy(&mut self) {
        let proxy = json!({
            "name": "orders-proxy", "role": "arn:aws:iam::123456789012:role/proxy",
            "secrets": ["arn:aws:secretsmanager:eu-west-1:123456789012:secret:app"]
        });
        self.spec.target.proxy = Some(serde_json::from_value(proxy).expect("a proxy"));
    }

    fn ask_for_a_second_region(&mut self, region: &str) {
        let global = json!({ "name": "orders-world", "region": region, "cluster": "orders-far" });
        self.spec.target.global = Some(serde_json::from_value(global).expect("a second Region"));
    }

    fn defaults(&mut self) -> &mut Defaults {
        let defaults = self.inventory.defaults.as_mut().expect("they were asked");
        defaults.as_mut().expect("they were read")
    }

    fn ability(&mut self, ability: serde_json::Value) {
        let ability = serde_json::from_value(ability).expect("an ability");
        self.inventory.gateway = Some(Ok(ability));
    }

    fn party(&mut self, application: &str, client: &str, count: usize) {
        let party = Party {
            user: Some("shop".to_owned()),
            application: application.to_owned(),
            client: Some(client.to_owned()),
            count,
            pids: vec![4711],
        };
        self.inside().parties.push(party);
    }

    pub(crate) fn inside(&mut self) -> &mut Inside {
        self.inventory.inside.get_or_insert_with(|| Inside {
            server: serde_json::from_value(json!({
                "version_num": 150014, "system_identifier": 1, "timeline": 1,
                "in_recovery": false, "started_at": "2026-11-01T00:00:00Z",
                "now": "2026-11-20T12:00:00Z", "flush_lsn": "0/1000000", "replay_lsn": null,
                "writable": true
            }))
            .expect("a server"),
            prepared: vec![],
            slots: vec![],
            parties: vec![],
        })
    }

    fn route(&mut self, service: &str, endpoint: Endpoint) {
        let route = Route {
            service: service.into(),
            endpoint,
            traffic: Traffic::Open,
            epoch: 1,
            passage: landfall_core::port::router::Passage::default(),
        };
        self.inventory.routes.push(route);
    }
}

pub(super) fn denied() -> Failure {
    Failure::new(FailureKind::Denied, "read it", "AccessDenied")
}

fn cluster(tags: &[(&str, &str)]) -> Cluster {
    let tags = tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    Cluster { tags: BTreeMap::from_iter(tags), ..serde_json::from_value(json!({
        "id": "orders-aurora", "arn": "arn:aws:rds:eu-west-1:123456789012:cluster:orders-aurora",
        "engine": "aurora-postgresql", "engine_version": "15.14", "state": "available",
        "endpoint": null, "reader_endpoint": null, "replicates_from": null, "members": [],
        "parameter_group": null, "security_groups": [], "backup_retention_days": 7,
        "deletion_protected": false, "tags": {}
    }))
    .expect("a cluster") }
}

/// Every fault.
pub(crate) fn all() -> impl Iterator<Item = &'static Fault> {
    [OF_THE_API, OF_THE_GATEWAY, super::inside::OF_THE_INSIDE].into_iter().flatten()
}

/// A source with every fault that can stand beside the others.
pub(crate) fn faulty() -> Case {
    let mut case = super::clean();
    for fault in all().filter(|fault| !fault.alone) {
        (fault.put)(&mut case);
    }
    case
}
