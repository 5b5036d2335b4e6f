//! The public pages that findings point at.

pub(super) const REPLICA: &str = "https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/AuroraPostgreSQL.Migrating.RDSPostgreSQL.Replica.html";
pub(super) const VERSIONS: &str = "https://docs.aws.amazon.com/AmazonRDS/latest/AuroraPostgreSQLReleaseNotes/AuroraPostgreSQL.Updates.html";
pub(super) const EXTENSIONS: &str = "https://docs.aws.amazon.com/AmazonRDS/latest/AuroraPostgreSQLReleaseNotes/AuroraPostgreSQL.Extensions.html";
pub(super) const CLASSES: &str =
    "https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/Concepts.DBInstanceClass.html";
pub(super) const QUOTAS: &str =
    "https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/CHAP_Limits.html";
pub(super) const PARAMETERS: &str = "https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/AuroraPostgreSQL.Reference.ParameterGroups.html";
pub(super) const COLLATIONS: &str =
    "https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/PostgreSQL-Collations.html";
pub(super) const KERBEROS: &str =
    "https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/postgresql-kerberos.html";
pub(super) const LOGICAL: &str = "https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/AuroraPostgreSQL.Replication.Logical.html";
pub(super) const IAM: &str =
    "https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/UsingWithRDS.IAMDBAuth.html";
pub(super) const STORAGE: &str = "https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/Aurora.Overview.StorageReliability.html";
pub(super) const MAINTENANCE: &str = "https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_UpgradeDBInstance.Maintenance.html";
pub(super) const METRICS: &str =
    "https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/rds-metrics.html";
pub(super) const ENCRYPTION: &str =
    "https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/Overview.Encryption.html";
pub(super) const PROXY: &str =
    "https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/rds-proxy.html";
pub(super) const GLOBAL: &str =
    "https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/aurora-global-database.html";
pub(super) const TLS: &str = "https://www.postgresql.org/docs/current/libpq-ssl.html";
pub(super) const PREPARED: &str =
    "https://www.postgresql.org/docs/current/sql-prepare-transaction.html";
pub(super) const RESTRICTIONS: &str =
    "https://www.postgresql.org/docs/current/logical-replication-restrictions.html";
pub(super) const IDENTITY: &str =
    "https://www.postgresql.org/docs/current/logical-replication-publication.html";
pub(super) const UNLOGGED: &str = "https://www.postgresql.org/docs/current/sql-createtable.html";
pub(super) const VACUUM: &str = "https://www.postgresql.org/docs/current/routine-vacuuming.html";
pub(super) const SLOTS: &str =
    "https://www.postgresql.org/docs/current/view-pg-replication-slots.html";
pub(super) const SUBSCRIPTIONS: &str =
    "https://www.postgresql.org/docs/current/logical-replication-subscription.html";
pub(super) const PASSWORDS: &str = "https://www.postgresql.org/docs/current/auth-password.html";
pub(super) const ROW_SECURITY: &str =
    "https://www.postgresql.org/docs/current/ddl-rowsecurity.html";
pub(super) const INDEXES: &str = "https://www.postgresql.org/docs/current/sql-createindex.html";
pub(super) const SEQUENCES: &str =
    "https://www.postgresql.org/docs/current/sql-createsequence.html";
pub(super) const TRIGGERS: &str = "https://www.postgresql.org/docs/current/event-triggers.html";
pub(super) const FOREIGN: &str = "https://www.postgresql.org/docs/current/postgres-fdw.html";
pub(super) const ANALYZE: &str = "https://www.postgresql.org/docs/current/sql-analyze.html";
