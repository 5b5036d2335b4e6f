//! Foreign servers and dblinks: what leads out of a database, and perhaps back to itself.
//!
//! Hosts, ports and database names only: no user, no password, no other option.

use serde::{Deserialize, Serialize};

use super::Listed;

/// A foreign server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForeignServer {
    /// Name.
    pub name: String,
    /// Its wrapper, such as `postgres_fdw`.
    pub wrapper: String,
    /// Option `host`, or `hostaddr`.
    pub host: Option<String>,
    /// Option `port`.
    pub port: Option<String>,
    /// Option `dbname`.
    pub database: Option<String>,
    /// Foreign tables that use it.
    pub tables: u64,
}

/// The foreign servers of one database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ForeignServers(pub Listed<ForeignServer>);

answered!(ForeignServers, EachDatabase "foreign_servers" since 13, listed!("
  select s.srvname::text as name, w.fdwname::text as wrapper, o.host, o.port, o.database,
         (select count(*) from pg_foreign_table as t where t.ftserver = s.oid) as tables
  from pg_foreign_server as s join pg_foreign_data_wrapper as w on w.oid = s.srvfdw
  cross join lateral (
    select coalesce(max(option_value) filter (where option_name = 'host'),
                    max(option_value) filter (where option_name = 'hostaddr')) as host,
           max(option_value) filter (where option_name = 'port') as port,
           max(option_value) filter (where option_name = 'dbname') as database
    from pg_options_to_table(s.srvoptions)) as o", order "name", limit 50), grant "");

/// A function whose body calls dblink.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dblink {
    /// Schema.
    pub schema: String,
    /// Function.
    pub name: String,
    /// The first `host=` in its body, where there is one.
    pub host: Option<String>,
    /// The first `port=` in its body.
    pub port: Option<String>,
}

/// The functions of one database that call dblink.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Dblinks(pub Listed<Dblink>);

answered!(Dblinks, EachDatabase "dblinks" since 13, listed!("
  select n.nspname::text as schema, p.proname::text as name,
         substring(body from 'host(?:addr)?[[:space:]]*=[[:space:]]*''*([[:alnum:]_.:/-]+)') as host,
         substring(body from 'port[[:space:]]*=[[:space:]]*''*([0-9]+)') as port
  from pg_proc as p join pg_namespace as n on n.oid = p.pronamespace
  cross join lateral (select p.prosrc || coalesce(to_jsonb(p) ->> 'prosqlbody', '') as body) as b
  where p.oid >= 16384 and p.prosrc ~ 'dblink(_connect|_exec|_open|_send_query)?(_u)?[[:space:]]*[(]'
    and not exists (select 1 from pg_depend as d
      where d.classid = 'pg_proc'::regclass and d.objid = p.oid and d.deptype = 'e')",
    order "schema, name", limit 50), grant "");
