//! A worker's answers as they were seen, and what is made of them.

use serde_json::json;

use super::*;

fn connector(state: &str, tasks: &[&str], more: &Value) -> Value {
    let mut config = json!({
        "connector.class": CLASS,
        "database.hostname": "10.0.0.5",
        "database.port": "5433",
        "database.dbname": "shop",
        "database.password": "hunter2",
        "plugin.name": "pgoutput",
        "publication.name": "cdc",
        "publication.autocreate.mode": "disabled",
        "slot.name": "warehouse",
        "topic.prefix": "shop",
    });
    for (key, value) in more.as_object().unwrap() {
        config[key] = value.clone();
    }
    let tasks: Vec<Value> = tasks.iter().map(|state| json!({ "state": state })).collect();
    json!({ "status": { "connector": { "state": state }, "tasks": tasks },
            "info": { "config": config } })
}

fn told(connectors: &[(&str, Value)]) -> Told {
    Told::new(connectors.iter().map(|(name, told)| ((*name).to_owned(), told.clone())).collect())
}

#[test]
fn a_state_is_only_what_every_part_says() {
    let table: [(&str, &[&str], ConsumerState); 8] = [
        ("RUNNING", &["RUNNING"], ConsumerState::Running),
        ("RUNNING", &[], ConsumerState::Changing),
        ("RUNNING", &["UNASSIGNED"], ConsumerState::Changing),
        ("PAUSED", &["PAUSED"], ConsumerState::Paused),
        ("PAUSED", &["RUNNING"], ConsumerState::Changing),
        ("STOPPED", &[], ConsumerState::Stopped),
        ("STOPPED", &["RUNNING"], ConsumerState::Changing),
        ("RUNNING", &["FAILED"], ConsumerState::Failed("it gives no reason".to_owned())),
    ];
    for (state, tasks, expected) in table {
        let told = told(&[("cdc", connector(state, tasks, &json!({})))]);
        assert_eq!(told.connector("cdc").unwrap().state(), expected, "{state} {tasks:?}");
    }
}

#[test]
fn what_stopped_by_its_owner_after_a_failure_is_stopped() {
    let told = told(&[("cdc", connector("STOPPED", &["FAILED"], &json!({})))]);
    assert_eq!(told.connector("cdc").unwrap().state(), ConsumerState::Stopped);
}

#[test]
fn the_binding_alone_is_changed_and_comes_back() {
    for snapshot in [json!({}), json!({ "snapshot.mode": "initial" })] {
        let before = told(&[("cdc", connector("STOPPED", &[], &snapshot))]);
        let before = before.connector("cdc").unwrap();
        let to = Binding {
            endpoint: Endpoint::new("target", 5432),
            snapshot: Some("no_data".to_owned()),
        };
        let changed = before.rebound(&to);
        let mut others = changed.clone();
        for key in [HOST, PORT, SNAPSHOT] {
            others.remove(key);
        }
        assert!(others.iter().all(|(key, value)| before.settings.get(key) == Some(value)));
        assert_eq!(changed["database.password"], "hunter2");
        let after = json!({ "info": { "config": changed } });
        let after = told(&[("cdc", after)]);
        let after = after.connector("cdc").unwrap();
        assert_eq!(after.binding(), Some(to));
        assert_eq!(&after.rebound(&before.binding().unwrap()), before.settings);
    }
}

#[test]
fn those_that_read_the_same_slot_are_rivals() {
    let other = |more: &Value| connector("RUNNING", &["RUNNING"], more);
    let told = told(&[
        ("cdc", other(&json!({}))),
        ("twin", other(&json!({ "topic.prefix": "copy" }))),
        ("other-slot", other(&json!({ "slot.name": "search" }))),
        ("other-server", other(&json!({ "database.hostname": "10.0.0.6" }))),
        ("sink", other(&json!({ "connector.class": "org.apache.kafka.x.FileStreamSink" }))),
    ]);
    assert_eq!(told.rivals("cdc"), ["twin"]);
    assert_eq!(told.rivals("other-slot"), Vec::<String>::new());
}

#[test]
fn what_cannot_be_handed_over_is_told_with_a_remedy() {
    let refused = |more: Value| {
        let told = told(&[("cdc", connector("RUNNING", &["RUNNING"], &more))]);
        told.connector("cdc").unwrap().refused()
    };
    assert_eq!(refused(json!({})), None);
    let class = refused(json!({ "connector.class": "io.debezium.connector.mysql.MySqlConnector" }));
    assert!(class.unwrap().contains("kind = \"command\""));
    let host = refused(json!({ "database.hostname": "${file:/etc/db:host}" }));
    assert!(host.unwrap().contains("database.hostname"));
    assert_eq!(refused(json!({ "database.password": "${file:/etc/db:password}" })), None);
}

#[test]
fn hazards_are_settings_that_lose_or_double() {
    let hazards = |more: Value| {
        let told = told(&[("cdc", connector("RUNNING", &["RUNNING"], &more))]);
        told.connector("cdc").unwrap().hazards()
    };
    assert_eq!(hazards(json!({})), []);
    assert_eq!(hazards(json!({ "slot.drop.on.stop": "true" })), [Hazard::SlotDroppedOnStop]);
    let driver = json!({ "lsn.flush.mode": "connector_and_driver" });
    assert_eq!(hazards(driver), [Hazard::ConfirmsBeforeStored]);
    let own = json!({ "publication.autocreate.mode": "all_tables" });
    assert_eq!(hazards(own), [Hazard::MakesPublication]);
    assert_eq!(hazards(json!({ "plugin.name": "decoderbufs" })), []);
}
