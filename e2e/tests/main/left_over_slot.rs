//! Risk: a slot that nobody reads fills the source's disk, and a slot that somebody needs is
//! dropped. The doctor names the one, drops it with a reason on record, and refuses the others.

use std::process::Output;

use landfall_e2e::stage::connect;
use landfall_e2e::{Stage, StageConfig};
use serde_json::Value;

fn said(output: &Output) -> String {
    let (out, err) = (&output.stdout, &output.stderr);
    format!("{}{}", String::from_utf8_lossy(out), String::from_utf8_lossy(err))
}

// The lab answers in this process while the command runs: it needs a thread of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_slot_is_named_and_dropped_on_record() {
    let stage = Stage::set(StageConfig::default(), None).await.expect("set the stage");
    let spec = stage.spec_file().unwrap().display().to_string();
    let source = stage.lab.source().clone();
    let client = connect(&source, &source.databases[0]).await.unwrap();
    for slot in ["left_over", "rds_replica_1"] {
        let sql = "select pg_create_physical_replication_slot($1::text::name, true)";
        client.query(sql, &[&slot]).await.unwrap();
    }
    let doctor = |more: &[&str]| {
        stage.product.run([&["doctor", &spec], more].concat()).expect("run the doctor")
    };

    let looked = doctor(&[]);
    let text = said(&looked);
    assert!(looked.status.success(), "{text}");
    assert!(
        text.contains("IDLE     left_over") && text.contains("replica  rds_replica_1"),
        "{text}"
    );

    let reason = ["--reason", "the warehouse is gone"];
    let refused = doctor(&[&["--drop", "rds_replica_1"], &reason[..]].concat());
    assert!(!refused.status.success() && said(&refused).contains("Delete the replica"));
    let unreasoned = doctor(&["--drop", "left_over"]);
    assert!(!unreasoned.status.success() && said(&unreasoned).contains("--reason"));

    let dropped = doctor(&[&["--drop", "left_over"], &reason[..]].concat());
    assert!(dropped.status.success(), "{}", said(&dropped));
    let left = client.query("select slot_name::text from pg_replication_slots", &[]).await.unwrap();
    let left: Vec<String> = left.iter().map(|row| row.get(0)).collect();
    assert_eq!(left, ["rds_replica_1"]);

    let file = std::fs::read_to_string(stage.product.state().join("audit.jsonl")).unwrap();
    let lines: Vec<Value> = file.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let told: Vec<(&Value, &Value)> = lines.iter().map(|l| (&l["slot"], &l["stage"])).collect();
    let slot = Value::from("left_over");
    assert_eq!(told, [(&slot, &Value::from("intended")), (&slot, &Value::from("done"))]);
    assert_eq!(lines[0]["reason"], "the warehouse is gone");

    drop(client);
    stage.down().await.expect("take the stage down");
}
