//! Faults of the inside, each as the answer to a question.

use serde_json::json;

use super::faults::{B, Fault, N, W, alone, denied, fault};
use super::{Case, database, nothing};

/// Of the inside.
pub(crate) const OF_THE_INSIDE: &[Fault] = &[
    alone("inside.access", B, "could not be looked at", |case| {
        case.inventory.answers.clear();
        case.inventory.not_looked = Some(denied());
    }),
    alone("inside.access", N, "the spec gives no access", |case| {
        case.inventory.answers.clear();
        case.spec.access = None;
    }),
    fault("inside.databases", W, "archive (no_right)", closed_and_old),
    fault("inside.wraparound", W, "1,500,000,000 transactions old", closed_and_old),
    fault("inside.prepared", W, "does not end it", |case| {
        case.says(
            "prepared_transactions",
            json!({ "total": 1, "items": [
            { "gid": "tx 'one'\n", "database": "shop", "owner": "shop", "age_s": 60 }] }),
        );
    }),
    fault("inside.long_transactions", W, "pid 4711 of shop (2 h)", |case| {
        case.says(
            "long_transactions",
            json!({ "hidden": 3, "transactions": { "total": 1, "items": [
            { "pid": 4711, "database": "shop", "user": "shop", "application": "batch",
              "client": "10.0.8.1", "state": "active", "age_s": 7200, "holds_xids": 10 }] } }),
        );
    }),
    fault("inside.long_transactions", N, "of 3 sessions", |case| {
        case.says(
            "long_transactions",
            json!({ "hidden": 3, "transactions": { "total": 1, "items": [
            { "pid": 4711, "database": "shop", "user": "shop", "application": "batch",
              "client": "10.0.8.1", "state": "active", "age_s": 7200, "holds_xids": 10 }] } }),
        );
    }),
    fault("inside.slots", W, "nobody uses for 19 days 12 h keeps 5 GiB", |case| {
        case.says(
            "slots",
            json!({ "total": 3, "items": [slot("stale", None),
            slot("warehouse", None), slot("gone", Some("wal_removed"))] }),
        );
    }),
    fault("inside.slots", W, "does not survive the promotion", |case| {
        case.says(
            "slots",
            json!({ "total": 3, "items": [slot("stale", None),
            slot("warehouse", None), slot("gone", Some("wal_removed"))] }),
        );
    }),
    fault("inside.publications", N, "shop: dbz (all tables)", |case| {
        case.says(
            "publications",
            json!({ "total": 1, "items": [
            { "name": "dbz", "owner": "shop", "covers": "all tables", "changes": true,
              "tables": 0 }] }),
        );
    }),
    fault("inside.subscriptions", W, "subscribes to catalogue", |case| {
        case.says(
            "subscriptions",
            json!({ "total": 1, "items": [
            { "database": "shop", "name": "from_main", "owner": "shop", "enabled": true,
              "slot": "s", "publications": ["catalogue"] }] }),
        );
    }),
    fault("inside.extensions", B, "Aurora does not have", |case| {
        case.says("extensions", extensions());
    }),
    fault("inside.extension_versions", N, "hstore 1.7 (offered 1.8)", |case| {
        case.says("extensions", extensions());
        case.says(
            "available_extensions",
            json!({ "total": 1, "items": [
            { "name": "hstore", "version": "1.8" }] }),
        );
    }),
    fault("inside.preloaded", W, "cannot preload plrust", |case| {
        let mut settings = nothing("settings");
        settings["preloaded"] = json!(["rdsutils", "pg_cron", "plrust"]);
        settings["password_encryption"] = json!("md5");
        case.says("settings", settings);
    }),
    fault("inside.password_encryption", N, "stored as MD5", |case| {
        let mut settings = nothing("settings");
        settings["preloaded"] = json!(["rdsutils", "pg_cron", "plrust"]);
        settings["password_encryption"] = json!("md5");
        case.says("settings", settings);
    }),
    fault("inside.unlogged", W, "1 unlogged relation: shop: public.\"cache.x\"", |case| {
        case.says(
            "unlogged_tables",
            json!({ "total": 1, "items": [
            { "schema": "public", "name": "cache.x", "kind": "table", "bytes": 8192 }] }),
        );
    }),
    fault("inside.tablespaces", W, "lies inside fast", |case| {
        case.says(
            "tablespaces",
            json!({ "total": 1, "items": [
            { "name": "faster", "owner": "shop", "location": "/rdsdbdata/fast/er",
              "inside": "fast" }] }),
        );
    }),
    fault("inside.identity", W, "40 tables without a usable", |case| {
        case.says("tables_without_identity", json!({ "total": 40, "items": [table("log", 0)] }));
    }),
    fault("inside.identity_full", W, "1 table with replica identity full", |case| {
        case.says(
            "tables_with_full_identity",
            json!({ "total": 1, "items": [
            table("prices", 1_000_000)] }),
        );
    }),
    fault("inside.invalid_indexes", W, "public.orders_idx", |case| {
        case.says(
            "invalid_indexes",
            json!({ "total": 1, "items": [
            { "schema": "public", "name": "orders_idx", "table": "orders", "unique": false }] }),
        );
    }),
    fault("inside.statistics", N, "without statistics", |case| {
        case.says(
            "unanalyzed_tables",
            json!({ "total": 1, "items": [
            { "schema": "public", "name": "fresh", "rows": 1000 }] }),
        );
    }),
    fault("inside.row_security", N, "1 of them forced", |case| {
        case.says(
            "row_security",
            json!({ "total": 1, "items": [
            { "schema": "public", "name": "tenants", "owner": "shop", "forced": true,
              "policies": 2 }] }),
        );
    }),
    fault("inside.large_objects", N, "12 large objects in shop, 1 MiB", |case| {
        case.says("large_objects", json!({ "count": 12, "bytes": 1_048_576 }));
    }),
    fault("inside.sequences", W, "public.orders_id_seq (93 %)", worn_sequence),
    fault("inside.sequences", N, "not looked at 100 sequences", worn_sequence),
    fault("inside.database_collations", W, "version 2.26, and the library is 2.31", |case| {
        case.says(
            "database_collations",
            json!({ "total": 1, "items": [
            { "name": "shop", "collate": "en_US", "provider": "libc", "recorded": "2.26",
              "actual": "2.31" }] }),
        );
    }),
    fault("inside.collations", W, "3 indexes are ordered", |case| {
        case.says(
            "collations",
            json!({ "default_uses": 0, "collations": { "total": 1, "items": [
            { "schema": "public", "name": "de", "provider": "icu", "recorded": "1",
              "actual": "2", "uses": 3 }] } }),
        );
    }),
    fault("inside.passwords", W, "1 role has its password as an MD5 hash: old", |case| {
        case.says(
            "password_hashes",
            json!({ "scram": 2, "without": 0,
            "md5": { "total": 1, "items": ["old"] } }),
        );
    }),
    alone("inside.passwords", N, "not looked at password hashes: permission denied", |case| {
        case.refuses("password_hashes");
    }),
    fault("inside.roles", W, "by IAM: app", |case| {
        case.says(
            "roles",
            json!({ "logins": 3, "notable": { "total": 2, "items": [
            { "name": "app", "may": ["rds_iam"] }, { "name": "boss", "may": ["rds_ad"] }] } }),
        );
    }),
    fault("inside.role_settings", W, "shop default_transaction_read_only", |case| {
        case.says(
            "role_settings",
            json!({ "total": 1, "items": [
            { "role": null, "database": "shop", "name": "default_transaction_read_only",
              "value": "on" }] }),
        );
    }),
    fault("inside.event_triggers", N, "audit on ddl_command_end", |case| {
        case.says(
            "event_triggers",
            json!({ "total": 1, "items": [
            { "name": "audit", "event": "ddl_command_end", "owner": "shop",
              "function": "public.audit", "enabled": true }] }),
        );
    }),
    fault("inside.privileged", W, "public.fast (c function)", |case| {
        case.says(
            "privileged_objects",
            json!({ "total": 1, "items": [
            { "kind": "c function", "schema": "public", "name": "fast", "language": "c" }] }),
        );
    }),
    fault("inside.foreign", W, "lead to the source", |case| {
        case.says(
            "foreign_servers",
            json!({ "total": 2, "items": [
            foreign("self", "orders-prod.rds.example"), foreign("other", "billing.example")] }),
        );
    }),
    fault("inside.foreign", N, "lead elsewhere: shop: other", |case| {
        case.says(
            "foreign_servers",
            json!({ "total": 2, "items": [
            foreign("self", "orders-prod.rds.example"), foreign("other", "billing.example")] }),
        );
    }),
    fault("inside.jobs", W, "pg_cron runs nightly", |case| case.says("jobs", jobs())),
    fault("inside.jobs", N, "pg_partman keeps 2 sets", |case| case.says("jobs", jobs())),
];

fn slot(name: &str, invalid: Option<&str>) -> serde_json::Value {
    json!({ "name": name, "plugin": (name == "warehouse").then_some("pgoutput"),
            "database": "shop", "active": name == "warehouse", "lives": "persistent", "wal_status": "extended",
            "invalid": invalid, "safe_wal_size": null, "retained": 5_368_709_120_u64,
            "inactive_since": "2026-11-01T00:00:00Z", "application": null, "user": null,
            "client": null, "state": null })
}

fn table(name: &str, changes: u64) -> serde_json::Value {
    json!({ "schema": "public", "name": name, "bytes": 8192, "rows": 1_000_000,
            "changes": changes })
}

fn foreign(name: &str, host: &str) -> serde_json::Value {
    json!({ "name": name, "wrapper": "postgres_fdw", "host": host, "port": null, "database": "shop",
            "tables": 1 })
}

fn extensions() -> serde_json::Value {
    let one = |name: &str, version: &str| {
        let (schema, owner) = ("public", "shop");
        json!({ "name": name, "version": version, "schema": schema, "owner": owner })
    };
    json!({ "total": 2, "items": [one("hstore", "1.7"), one("pageinspect", "1.9")] })
}

/// A database that the role may not enter, and that nobody has frozen for long.
fn closed_and_old(case: &mut Case) {
    case.says(
        "databases",
        json!({
            "freeze_max_age": 200_000_000, "started_at": "2026-11-01T00:00:00Z",
            "databases": { "total": 2, "items": [
                database("archive", "no_right", 1_500_000_000), database("shop", "open", 1000)] }
        }),
    );
}

/// One sequence near its column's end, and a hundred beyond those that were looked at.
fn worn_sequence(case: &mut Case) {
    case.says(
        "sequences",
        json!({ "total": 600, "looked": 500, "hidden": 0, "worn": 1,
            "items": [{ "schema": "public", "name": "orders_id_seq", "type": "bigint",
                "last": 2_000_000_000, "end": 9_223_372_036_854_775_807_i64, "used": 0.0000001,
                "cycles": false, "table": "public.orders", "column": "id",
                "column_type": "integer" }] }),
    );
}

fn jobs() -> serde_json::Value {
    json!({ "cron": "own", "jobs": [{ "id": 1, "name": "nightly", "schedule": "0 3 * * *",
            "database": "shop", "user": "shop", "active": true }],
            "partman": "whole", "partman_sets": 2 })
}
