//! Extensions: what each database has, and what the server could give.

use serde::{Deserialize, Serialize};

use super::Listed;

/// An extension that the server has files for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AvailableExtension {
    /// Name.
    pub name: String,
    /// The version it would create.
    pub version: String,
}

/// What the server could create.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AvailableExtensions(pub Listed<AvailableExtension>);

answered!(AvailableExtensions, Server "available_extensions" since 13, listed!("
  select name::text as name, coalesce(default_version, '') as version
  from pg_available_extensions", order "name", limit 500), grant "");

/// An extension of a database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extension {
    /// Name.
    pub name: String,
    /// Version as installed.
    pub version: String,
    /// Schema of its objects.
    pub schema: String,
    /// Owner.
    pub owner: String,
}

/// The extensions of one database; `pg_stat_statements` is among them when it can be asked there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Extensions(pub Listed<Extension>);

answered!(Extensions, EachDatabase "extensions" since 13, listed!("
  select e.extname::text as name, e.extversion as version, n.nspname::text as schema,
         pg_get_userbyid(e.extowner)::text as owner
  from pg_extension as e join pg_namespace as n on n.oid = e.extnamespace",
    order "name", limit 100), grant "");
