//! Risk: the assessment knows a fault from made-up inventories only, and is blind to it, or takes
//! it for another, on a real server behind a real API.
//!
//! Each fault is brought about as somebody would, in SQL or by a call of AWS, or pretended where
//! a lab has no such thing; then the real binary is asked. What it tells is held against tables,
//! a line for each finding: a line that nothing matches is a blind check, and a finding that no
//! line matches is a false alarm. A lab cannot be brought to show a transaction of more than five
//! minutes, the age of ids, jobs of pg_cron and pg_partman, a preloaded library that Aurora lacks,
//! Secrets Manager, keys of another account, Multi-AZ clusters, a source that is itself a replica,
//! and defaults of TLS that differ; saved inventories stand in for those.

mod inside;
mod outside;
mod transcript;

use landfall_api::core::finding::Finding;
use landfall_e2e::{Fence, Product, Stage};
use landfall_lab::faults::{Fault, Order};
use serde_json::Value;

use crate::told::landfall;
use crate::watch::stage;

/// The check, how much it matters, and words of its object and of what was found.
type Line = (&'static str, Weight, &'static str);

/// How much a finding matters, short enough for a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Weight {
    /// Blocker.
    B,
    /// Warning.
    W,
    /// Note.
    N,
}

use Weight::{B, N, W};

/// What is told of every source in the lab.
const ALWAYS: &[Line] = &[
    ("source.place", N, "us-east-1, account 123456789012"),
    ("source.encryption", N, "not encrypted"),
    ("source.upgrades", N, "by themselves"),
    ("account.windows", N, "maintenance window"),
    ("target.class", N, "it becomes db.r8g.large"),
    ("parameters.defaults", N, "engine defaults that differ"),
    ("inside.preloaded", N, "pg_stat_statements"),
    ("gateway.ability", N, "does not carry open sessions over"),
    ("gateway.tls", N, "cannot speak TLS"),
    ("gateway.certificate", N, "verify-full"),
];

/// Of a source that somebody made as recommended.
const CLEAN: &[Line] = &[
    ("parameters.by_hand", N, "9 parameters are set by hand: 8 carried, 1 dropped"),
    ("gateway.bypass", N, "sessions come from 127.0.0.3"),
    // The load's own table.
    ("inside.identity_full", N, "public.workload_ledger"),
    // RDS shows password hashes to nobody, and so does the lab.
    ("inside.passwords", N, "not looked at password hashes"),
];

/// What the API shows of a neglected source.
const OUTSIDE: &[Line] = &[
    ("source.backups", W, "backups are off"),
    ("source.quarantine", B, "sg-quarantine-source"),
    ("source.multi_az", N, "Multi-AZ"),
    ("source.kerberos", W, "d-1234567890"),
    ("source.iam", W, "s3Import"),
    ("source.iam", W, "IAM authentication is on; policies name db-"),
    ("source.upgrades", W, "AllocatedStorage=400"),
    ("source.public", N, "publicly"),
    ("source.options", N, "shop-options"),
    ("source.alarms", N, "1 alarm watches it: shop\\n\"cpu\" é"),
    ("storage.volume", N, "io2 with 3000 IOPS"),
    ("storage.free", W, "of its 100 GiB are free"),
    ("storage.race", W, "may be full before"),
    ("account.quotas", B, "DBClusters: 0 of 0"),
    ("account.maintenance", W, "system-update"),
    ("replicas.elsewhere", B, "eu-west-1"),
    ("replicas.region", N, "shop-replica: a read replica"),
    // The lab has no simulator of policies; the source has roles to be handed on.
    ("target.rights", N, "not looked whether this is allowed: iam:PassRole"),
    ("target.version", N, "one of RDS's own releases"),
    ("target.version", N, "-R2 becomes Aurora PostgreSQL"),
    ("target.readers", N, "no reader"),
    ("parameters.by_hand", N, "set by hand"),
    ("parameters.by_hand", W, "max_standby_archive_delay"),
    ("parameters.group", W, "pending-reboot"),
    ("parameters.group", N, "worn by shop-neighbour"),
    ("parameters.logical", N, "waits for a reboot"),
];

/// What SQL finds in it.
const INSIDE: &[Line] = &[
    ("inside.databases", W, "\"shut é\""),
    ("inside.prepared", W, "\"batch.7 \"\"é\"\"\": a prepared transaction"),
    ("inside.slots", W, "warehouse: a slot that nobody uses"),
    ("inside.slots", W, "warehouse: a logical slot does not survive"),
    ("inside.slots", W, "left_over: a slot that nobody uses"),
    ("inside.publications", N, "\"dbz.\\nall\" (all tables)"),
    ("inside.subscriptions", N, "from_paused: the source subscribes to catalogue, disabled"),
    ("inside.subscriptions", W, "\"from.main\": the source subscribes to \"cat é\""),
    ("inside.extensions", B, "shop: pageinspect: Aurora does not have"),
    ("inside.extension_versions", N, "hstore 1.7 (offered 1."),
    ("inside.unlogged", W, "public.\"cache.é \"\"x\"\"\""),
    ("inside.tablespaces", N, "fast: a tablespace of its own"),
    ("inside.tablespaces", W, "lies inside fast"),
    ("inside.identity", W, "\"odd.\\nname\""),
    ("inside.identity_full", W, "public.prices (10001 changes)"),
    ("inside.invalid_indexes", W, "public.\"twice é\""),
    ("inside.statistics", N, "public.fresh"),
    ("inside.row_security", N, "2 tables with row-level security, 1 of them forced"),
    ("inside.large_objects", N, "1 large object in shop"),
    ("inside.sequences", W, "public.\"worn.out_id_seq\" (93 %)"),
    ("inside.database_collations", W, "german: its collation"),
    ("inside.collations", W, "1 index is ordered"),
    ("inside.passwords", W, "\"o'ld\""),
    ("inside.password_encryption", N, "MD5"),
    ("inside.roles", W, "by IAM: app_iam"),
    ("inside.roles", W, "by a directory: boss"),
    ("inside.role_settings", W, "default_transaction_read_only"),
    ("inside.event_triggers", N, "\"audit \"\"ddl\"\"\" on ddl_command_end"),
    ("inside.privileged", W, "public.fast (c function)"),
    (
        "inside.foreign",
        W,
        "foreign servers that lead to the source, or say no host: shop: \"self é\"",
    ),
    ("inside.foreign", N, "lead elsewhere: shop: billing"),
    ("inside.foreign", W, "functions that call dblink that lead to the source"),
];

/// Of the gateway and its clients.
const GATEWAY: &[Line] = &[
    ("gateway.patience", W, "wait 5s"),
    ("gateway.bypass", W, "nightly.batch"),
    ("gateway.routes", W, "it leads to the source as well"),
];

/// What a command told.
struct Told {
    code: Option<i32>,
    findings: Vec<Finding>,
}

async fn assess(product: &Product, spec: &str) -> Told {
    let mut command = product.command(["assess", spec, "--json"]);
    let ran = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    let out = String::from_utf8_lossy(&ran.stdout);
    let told: Value = serde_json::from_str(&out)
        .unwrap_or_else(|why| panic!("{why}: {out}\n{}", String::from_utf8_lossy(&ran.stderr)));
    let findings = serde_json::from_value(told["findings"].clone()).expect("findings");
    Told { code: ran.status.code(), findings }
}

async fn assessed(stage: &Stage) -> Told {
    let spec = stage.spec_file().unwrap();
    assess(&stage.product, spec.to_str().unwrap()).await
}

fn weight(finding: &Finding) -> Weight {
    use landfall_api::core::finding::Severity;
    match finding.severity {
        Severity::Blocker => B,
        Severity::Warning => W,
        Severity::Note => N,
    }
}

fn shown(finding: &Finding) -> String {
    format!("{}: {}", finding.object, finding.what)
}

fn matches((check, weighs, words): &Line, finding: &Finding) -> bool {
    finding.check == *check && weight(finding) == *weighs && shown(finding).contains(words)
}

impl Told {
    /// Each line is told, and nothing else.
    #[track_caller]
    fn is(&self, tables: &[&[Line]]) {
        let lines: Vec<&Line> = tables.iter().copied().flatten().collect();
        let mut wrong: Vec<String> = vec![];
        for line in &lines {
            if !self.findings.iter().any(|finding| matches(line, finding)) {
                wrong.push(format!("missing     {} {:?} {:?}", line.0, line.1, line.2));
            }
        }
        for finding in &self.findings {
            if !lines.iter().any(|line| matches(line, finding)) {
                let (check, weight) = (&finding.check, weight(finding));
                wrong.push(format!("unexpected  {check} {weight:?} {}", shown(finding)));
            }
            let line = |text: &str| !text.chars().any(char::is_control);
            if !line(&finding.object) || !line(&finding.what) {
                wrong.push(format!("not a line  {} {}", finding.check, shown(finding)));
            }
        }
        assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
        let blocked = lines.iter().any(|line| line.1 == B);
        assert_eq!(self.code, Some(if blocked { 3 } else { 0 }));
    }

    /// This line is told, whatever else.
    #[track_caller]
    fn has(&self, line: Line) {
        let all = || self.findings.iter().map(shown).collect::<Vec<_>>().join("\n");
        let told = self.findings.iter().any(|finding| matches(&line, finding));
        assert!(told, "{line:?} is not in\n{}", all());
    }
}

/// CloudWatch is some samples behind.
async fn once_the_disk_is_low(stage: &Stage) -> Told {
    for _ in 0..20 {
        let told = assessed(stage).await;
        if told.findings.iter().any(|finding| finding.check == "storage.free") {
            return told;
        }
    }
    panic!("CloudWatch never shows a disk that is nearly full");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_with_every_fault_has_each_told_as_what_it_is() {
    let mut stage = stage().await;
    outside::neglect(&stage).await;
    let held = inside::neglect(&stage).await;
    outside::leave_waiting(&stage);
    stage.product.succeed(["route", "add", "reports", &outside::endpoint(&stage)]).unwrap();
    stage.spec.extra.push(("route", "gateway_networks = [\"127.0.0.3/32\"]".to_owned()));
    stage.spec.extra.push(("route", "clients_wait = \"5s\"".to_owned()));
    let told = once_the_disk_is_low(&stage).await;
    let spec = stage.spec_file().unwrap();
    let read = landfall(&stage.product, ["assess", spec.to_str().unwrap()]).await;
    drop(held);
    told.is(&[ALWAYS, OUTSIDE, INSIDE, GATEWAY]);
    assert_eq!(read.code, Some(3), "{}", read.text);
    insta::assert_snapshot!("every_fault", transcript::steady(&read.text));
    stage.down().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clean_source_has_notes_alone_and_each_wish_too_far_is_told() {
    let mut stage = stage().await;
    // The lab's shop has one fault from the start, of which this is the remedy.
    let sql = "alter table page_views replica identity full";
    stage.lab.sql("shop-prod", "shop", sql).await.expect("mend the shop");
    assessed(&stage).await.is(&[ALWAYS, CLEAN]);
    let wishes: [(&'static str, &str, Line); 5] = [
        ("target", "engine_version = \"15.2\"", ("target.version", B, "no version 15.2")),
        ("target", "class = \"db.t4g.large\"", ("target.class", W, "a burstable class")),
        ("target", "class = \"db.m9.tiny\"", ("target.class", B, "no class")),
        (
            "route",
            "upstream_tls = \"direct\"\nupstream_roots = \"/roots.pem\"",
            ("gateway.tls", W, "by itself"),
        ),
        (
            "target",
            "serverless = { min_acu = 0.5, max_acu = 8 }",
            ("target.class", W, "may shrink to 0.5 ACU"),
        ),
    ];
    for (section, key, line) in wishes {
        stage.spec.extra.push((section, key.to_owned()));
        assessed(&stage).await.has(line);
        stage.spec.extra.pop();
    }
    let (access, fence) = (stage.spec.access.take(), stage.spec.fence);
    stage.spec.fence = Fence::Reboot;
    assessed(&stage).await.has(("inside.access", N, "not looked inside the database"));
    (stage.spec.access, stage.spec.fence) = (access, fence);

    let calls = [
        ("DescribeAccountAttributes", ("account.quotas", N, "not looked at the quotas")),
        ("DescribePendingMaintenanceActions", ("account.maintenance", N, "not looked at pending")),
        ("DescribeAlarms", ("source.alarms", N, "not looked at alarms")),
        (
            "DescribeEngineDefaultParameters",
            ("parameters.defaults", N, "not looked at engine defaults"),
        ),
    ];
    for (action, _) in calls {
        let action = Some(action.to_owned());
        stage.lab.arm(Order { action, ..Order::unlimited(Fault::Denied) }).await;
    }
    let told = assessed(&stage).await;
    for (_, line) in calls {
        told.has(line);
    }
    stage.down().await.unwrap();
}
