//! Makes a new server: its files, its roles as on RDS, its databases.
//!
//! The master user is no superuser. It may make databases and roles, and is a member of
//! `rds_superuser`, which carries the predefined roles that RDS gives. What RDS patches into
//! PostgreSQL cannot be had: on majors below 16 only a superuser creates subscriptions, so there
//! the master user cannot. Dying half-way leaves a folder that is of no use: the caller
//! removes it and makes the server anew.

use std::path::Path;
use std::time::Duration;

use super::folder::{make_private_folder, make_server_folder, make_socket_folder, write_private};
use super::session::{ADMIN_DATABASE, identifier, literal};
use super::{ADMIN, Error, REPLICATION_ADMIN, Server, ServerConfig};
use crate::process::Program;

const INITDB_BOUND: Duration = Duration::from_secs(120);

/// Roles that exist on every RDS instance and that nobody logs in as.
const GROUP_ROLES: [&str; 4] = ["rds_superuser", "rds_replication", "rds_password", "rds_iam"];

const HEARTBEAT_TABLE: &str = "revoke connect on database rdsadmin from public; \
    create table rds_heartbeat2 (id int primary key, value bigint not null)";

/// Every role gives its password, but for one whose token was checked: it comes by the socket, which
/// the lab alone can reach. Only the managed role replicates physically.
pub(super) const HOST_BASED_ACCESS: &str = "# Written by the lab.\n\
    local all +rds_iam trust\n\
    local all all scram-sha-256\n\
    local replication rdsrepladmin scram-sha-256\n\
    host all all 127.0.0.0/8 scram-sha-256\n\
    host replication rdsrepladmin 127.0.0.0/8 scram-sha-256\n";

/// Writes the files of a new server, and does not start it.
pub(super) async fn make(config: ServerConfig) -> Result<Server, Error> {
    let user = config.run_as.as_ref();
    make_server_folder(&config.dir, user)?;
    make_socket_folder(&config.socket_dir, user)?;
    let data = config.data();
    make_private_folder(&data, user).map_err(|cause| Error::File { path: data, cause })?;
    let (admin, replication) = (new_password(), new_password());
    write_private(&config.admin_password_file(), &admin, None)?;
    let entry = format!("*:*:*:{REPLICATION_ADMIN}:{replication}\n");
    write_private(&config.replication_password_file(), &entry, user)?;
    initdb(&config, &admin).await?;
    let server = Server::stopped(config, admin);
    server.write_host_based_access()?;
    server.write_base_settings()?;
    server.write_instance_settings(None)?;
    Ok(server)
}

/// Makes the roles and databases of a new, running server.
pub(super) async fn furnish(server: &Server) -> Result<(), Error> {
    let config = server.config();
    let entry = config.replication_password_file();
    let text =
        std::fs::read_to_string(&entry).map_err(|cause| Error::File { path: entry, cause })?;
    let replication = text.trim_end().rsplit(':').next().unwrap_or_default();
    // One session for all: logging in costs more than the statements.
    let session = server.connect("postgres").await?;
    let mut statements = vec![roles(config, replication)];
    for database in &config.databases {
        let (name, owner) = (identifier(database), identifier(&config.master_user));
        statements.push(format!("create database {name} owner {owner}"));
    }
    statements.push(format!("create database {ADMIN_DATABASE}"));
    for sql in statements {
        session.batch_execute(&sql).await.map_err(|cause| Error::Sql { sql, cause })?;
    }
    server.run_script(ADMIN_DATABASE, HEARTBEAT_TABLE).await
}

fn roles(config: &ServerConfig, replication_password: &str) -> String {
    let mut sql: Vec<String> =
        GROUP_ROLES.iter().map(|role| format!("create role {role} nologin")).collect();
    sql.push(format!(
        "create role {REPLICATION_ADMIN} login replication password {}",
        literal(replication_password)
    ));
    sql.push("grant pg_monitor, pg_signal_backend, pg_read_all_stats to rds_superuser".to_owned());
    sql.push("grant pg_checkpoint to rds_superuser".to_owned());
    if config.tools.major() >= 16 {
        sql.push(
            "grant pg_create_subscription, pg_use_reserved_connections to rds_superuser".to_owned(),
        );
    }
    sql.push("grant rds_replication, rds_password to rds_superuser with admin option".to_owned());
    let master = identifier(&config.master_user);
    sql.push(format!(
        "create role {master} login createdb createrole replication password {}",
        literal(&config.master_password)
    ));
    sql.push(format!("grant rds_superuser to {master} with admin option"));
    for database in ["postgres", "template1"] {
        sql.push(format!("alter database {database} owner to {master}"));
    }
    sql.join("; ")
}

async fn initdb(config: &ServerConfig, admin_password: &str) -> Result<(), Error> {
    let password_file = config.dir.join("initdb.password");
    write_private(&password_file, admin_password, config.run_as.as_ref())?;
    let done = initdb_program(config, &password_file).finish(INITDB_BOUND).await;
    std::fs::remove_file(&password_file)
        .map_err(|cause| Error::File { path: password_file, cause })?;
    done.map_err(Error::Program)
}

fn initdb_program(config: &ServerConfig, password_file: &Path) -> Program {
    let mut program = Program::new(config.tools.program("initdb"), config.setup_log())
        .arg("-D")
        .arg(config.data())
        .arg("--pwfile")
        .arg(password_file)
        .args(["-U", ADMIN, "--auth=scram-sha-256", "--wal-segsize=64", "--no-sync"])
        .args(["--no-instructions", "--encoding=UTF8", "--locale=C.UTF-8"])
        .run_as(config.run_as.clone());
    if config.data_checksums {
        program = program.arg("--data-checksums");
    } else if config.tools.major() >= 18 {
        // From 18 on they are the default.
        program = program.arg("--no-data-checksums");
    }
    program
}

fn new_password() -> String {
    format!("{:032x}", rand::random::<u128>())
}
