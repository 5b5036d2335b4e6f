//! The translation: each fate with its case, formulas, renames, levels, and old journals.

use landfall_core::port::cloud::ApplyType;

use super::*;

fn parameter(name: &str, value: &str, allowed: &str) -> Parameter {
    Parameter {
        name: name.into(),
        value: (!value.is_empty()).then(|| value.into()),
        apply_type: ApplyType::Dynamic,
        modifiable: name != "wal_buffers",
        allowed: (!allowed.is_empty()).then(|| allowed.into()),
        source: ParameterSource::User,
    }
}

fn offer() -> Offer {
    Offer::new(
        vec![
            parameter("rds.logical_replication", "0", "0,1"),
            parameter("shared_preload_libraries", "", "auto_explain,pg_cron,pgaudit"),
        ],
        vec![
            parameter("work_mem", "", "64-2147483647"),
            parameter("log_statement", "none", "none,ddl,mod,all"),
            parameter("shared_buffers", "", "16-1073741823"),
            parameter("wal_buffers", "", ""),
            parameter("debug_parallel_query", "off", "off,on,regress"),
            parameter(
                "max_connections",
                "LEAST({DBInstanceClassMemory/9531392},5000)",
                "6-8388607",
            ),
            parameter("maintenance_work_mem", "", "1024-100000"),
        ],
    )
}

fn classes() -> Classes {
    Classes { source: "db.m6g.large".to_owned(), target: "db.r6g.large".to_owned() }
}

fn fate(name: &str, value: &str) -> ParameterVerdict {
    translate(&[parameter(name, value, "")], &offer(), &classes()).remove(0)
}

#[test]
fn each_fate_has_its_case() {
    let cases = [
        ("work_mem", "65536", ParameterFate::Carried, Some("65536")),
        ("work_mem", "1", ParameterFate::Adjusted, Some("64")),
        ("log_statement", "none", ParameterFate::Carried, None),
        ("log_statement", "some", ParameterFate::KeptDefault, None),
        ("checkpoint_timeout", "900", ParameterFate::Dropped, None),
        ("shared_buffers", "262144", ParameterFate::KeptDefault, None),
        ("wal_buffers", "8192", ParameterFate::KeptDefault, None),
        ("rds.logical_replication", "1", ParameterFate::Carried, Some("1")),
        ("rds.logical_replication", "on", ParameterFate::Carried, Some("1")),
        ("force_parallel_mode", "on", ParameterFate::Renamed, Some("on")),
        ("shared_preload_libraries", "pg_cron,plrust", ParameterFate::Adjusted, Some("pg_cron")),
        (
            "work_mem",
            "{DBInstanceClassMemory/262144}",
            ParameterFate::Carried,
            Some("{DBInstanceClassMemory/262144}"),
        ),
        (
            "maintenance_work_mem",
            "{DBInstanceClassMemory/65536}",
            ParameterFate::Adjusted,
            Some("100000"),
        ),
    ];
    for (name, value, expected, target) in cases {
        let verdict = fate(name, value);
        assert_eq!(verdict.fate, expected, "{name}={value}: {}", verdict.reason);
        assert_eq!(verdict.target_value.as_deref(), target, "{name}={value}");
        assert!(!verdict.reason.is_empty());
    }
}

#[test]
fn a_formula_says_what_it_comes_to_on_both_classes() {
    let verdict = fate("work_mem", "GREATEST({DBInstanceClassMemory/262144},64)");
    let expected = "the formula comes to 32768 on db.m6g.large, 65536 on db.r6g.large";
    assert_eq!(verdict.reason, expected);
    let unknown = Classes { target: "db.serverless".to_owned(), ..classes() };
    let set = [parameter("work_mem", "{DBInstanceClassMemory/262144}", "")];
    let verdict = translate(&set, &offer(), &unknown).remove(0);
    assert_eq!(verdict.fate, ParameterFate::Carried);
    assert!(verdict.reason.contains("not known"), "{}", verdict.reason);
}

#[test]
fn a_renamed_parameter_is_set_under_its_other_name() {
    let verdicts = [fate("force_parallel_mode", "on")];
    assert_eq!(verdicts[0].target_name.as_deref(), Some("debug_parallel_query"));
    let changes = changes(&verdicts, &offer(), GroupLevel::Instance);
    assert_eq!(changes[0].name, "debug_parallel_query");
}

#[test]
fn levels_are_told_apart() {
    assert_eq!(fate("rds.logical_replication", "1").level, Some(GroupLevel::Cluster));
    assert_eq!(fate("work_mem", "65536").level, Some(GroupLevel::Instance));
}

#[test]
fn defaults_of_the_engine_are_not_translated() {
    let mut default = parameter("work_mem", "4096", "");
    default.source = ParameterSource::EngineDefault;
    assert!(translate(&[default], &Offer::default(), &classes()).is_empty());
}

#[test]
fn a_verdict_of_an_older_journal_is_still_read() {
    let old = r#"{"name":"work_mem","source_value":"1","fate":"carried","level":"instance",
                  "target_value":"1","reason":"same value"}"#;
    let verdict: ParameterVerdict = serde_json::from_str(old).unwrap();
    assert_eq!((verdict.target_name, verdict.apply), (None, None));
}
