//! The words of `landfall lab …`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use landfall_lab::cloud::delays::Profile;

/// `landfall lab …`
#[derive(Debug, Args)]
pub(crate) struct LabCommand {
    /// The lab's folder [default: landfall-lab-UID, in the folder of temporary files]
    #[arg(long, global = true, value_name = "DIR", env = "LANDFALL_LAB", hide_env_values = true)]
    pub(super) dir: Option<PathBuf>,
    #[command(subcommand)]
    pub(super) command: Lab,
}

/// What a lab is told.
#[derive(Debug, Subcommand)]
pub(super) enum Lab {
    /// Bring up a lab with one RDS instance; prints the environment to talk to it
    Up(UpArguments),
    /// Take it down; no process and no file is left
    Down,
    /// Its instances, faults and gateway
    Status,
    /// The environment to talk to it, for `eval`
    Env,
    /// Print a spec that moves its instance
    Spec(SpecArguments),
    /// Arm a fault, clear it, or list what is armed
    Fault(FaultArguments),
    /// Have AWS show something about it that is not so, for a check to find
    Pretend(PretendArguments),
    /// Start or stop an Envoy in front of it
    #[command(subcommand)]
    Gateway(GatewayArguments),
    /// Write to it through the gateway, and keep a ledger of every acknowledged write
    Load(LoadArguments),
    /// Hold a ledger against what the servers have
    Judge(JudgeArguments),
    /// Run SQL as the lab's own superuser, past every security group
    Sql(SqlArguments),
}

#[derive(Debug, Args)]
pub(super) struct UpArguments {
    /// The instance's identifier
    #[arg(long, value_name = "NAME", default_value = "shop-prod")]
    pub(super) instance: String,
    /// A database to make; may be repeated
    #[arg(long = "database", value_name = "NAME", default_value = "shop")]
    pub(super) databases: Vec<String>,
    /// Fill the first database with a shop: tiny (5 MB), default (100 MB), large (1 GB), or none
    #[arg(long, value_name = "SIZE", default_value = "tiny")]
    pub(super) seed: String,
    /// How long AWS takes
    #[arg(long, value_enum, default_value_t = Pace::Quick)]
    pub(super) pace: Pace,
    /// Days of automated backups; 0 = off
    #[arg(long, value_name = "DAYS", default_value_t = 7)]
    pub(super) backup_retention: u32,
    /// Seconds after which an idle server switches its log segment [default: the pace's]
    #[arg(long, value_name = "SECONDS")]
    pub(super) archive_timeout: Option<u32>,
    #[command(flatten)]
    pub(super) capture: CaptureArguments,
    /// Stay in the foreground; Ctrl-C takes the lab down
    #[arg(long)]
    pub(super) foreground: bool,
}

/// Who reads the source's changes.
#[derive(Debug, Args)]
pub(super) struct CaptureArguments {
    /// Start a real Kafka Connect worker that captures the first database's changes
    #[arg(long, conflicts_with = "foreground")]
    pub(super) with_cdc: bool,
}

/// How long the lab's AWS takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Pace {
    /// As fast as the servers
    Quick,
    /// As on AWS
    Realistic,
}

impl From<Pace> for Profile {
    fn from(pace: Pace) -> Self {
        match pace {
            Pace::Quick => Self::Quick,
            Pace::Realistic => Self::Realistic,
        }
    }
}

impl Pace {
    /// As it is typed.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Quick => "quick",
            Self::Realistic => "realistic",
        }
    }
}

#[derive(Debug, Args)]
pub(super) struct SpecArguments {
    /// The move's name
    #[arg(long, default_value = "shop")]
    pub(super) name: String,
    /// The target's cluster
    #[arg(long, default_value = "shop-aurora")]
    pub(super) cluster: String,
    /// The service at the gateway
    #[arg(long, default_value = "shop")]
    pub(super) service: String,
    /// Without SQL access: metrics and events prove the sync
    #[arg(long)]
    pub(super) no_access: bool,
    /// Whether gates ask a person, or open by themselves
    #[arg(long, value_enum, default_value_t = Gates::Ask)]
    pub(super) gates: Gates,
}

/// Who opens the gates of a move in the lab.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Gates {
    /// A person
    Ask,
    /// Nobody: they are open
    Open,
}

#[derive(Debug, Args)]
pub(super) struct FaultArguments {
    /// Which; without it what is armed is listed
    pub(super) name: Option<String>,
    /// Clear it, or all
    #[arg(long)]
    pub(super) clear: bool,
    /// How often it strikes
    #[arg(long, value_name = "N")]
    pub(super) count: Option<u32>,
    /// How long it lasts
    #[arg(long, value_name = "N")]
    pub(super) milliseconds: Option<u64>,
    /// Only calls of this AWS action
    #[arg(long, value_name = "ACTION")]
    pub(super) action: Option<String>,
    /// Its own figure: milliseconds, bytes or a status
    #[arg(long, value_name = "N")]
    pub(super) argument: Option<u64>,
}

#[derive(Debug, Args)]
pub(super) struct PretendArguments {
    /// What, as JSON: docs/lab.md lists them; {"pretend":"nothing"} takes all of it back
    #[arg(value_name = "JSON")]
    pub(super) what: String,
}

#[derive(Debug, Subcommand)]
pub(super) enum GatewayArguments {
    /// Start an Envoy, or two; prints where applications connect
    Start(GatewayStart),
    /// Stop it
    Stop,
}

/// How many Envoys stand between an application and its database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Hops {
    /// One, in plain text
    One,
    /// A sidecar and a gateway, with mutual TLS between them and to Landfall
    Two,
}

#[derive(Debug, Args)]
pub(super) struct GatewayStart {
    /// How many Envoys; two need a Landfall that serves with --xds-security mtls
    #[arg(long, value_enum, default_value_t = Hops::One)]
    pub(super) hops: Hops,
    /// The service behind it
    #[arg(long, default_value = "shop")]
    pub(super) service: String,
    /// Where applications connect; port 0 picks a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    pub(super) listen: SocketAddr,
    /// Where Landfall serves its configuration
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:18000")]
    pub(super) xds: String,
    /// Its name in `landfall route status`; with two hops the sidecar adds -sidecar
    #[arg(long, default_value = "lab")]
    pub(super) node: String,
}

#[derive(Debug, Args)]
pub(super) struct LoadArguments {
    /// The gateway, ADDR:PORT, as `lab gateway start` prints it
    pub(super) address: String,
    /// Where every attempt and acknowledgement is written; must not exist
    #[arg(long, value_name = "FILE", default_value = "ledger")]
    pub(super) ledger: PathBuf,
    /// Where the summary goes at the end [default: the ledger's name and .json]
    #[arg(long, value_name = "FILE")]
    pub(super) summary: Option<PathBuf>,
    /// Writers that keep their session
    #[arg(long, default_value_t = 4)]
    pub(super) writers: usize,
    /// Writers that connect for every transaction
    #[arg(long, default_value_t = 4)]
    pub(super) reconnecting: usize,
    /// Transactions a second of each writer, at most
    #[arg(long, value_name = "N")]
    pub(super) rate: Option<f64>,
    /// End by itself after this time [default: Ctrl-C ends it]
    #[arg(long = "for", value_name = "DURATION")]
    pub(super) for_time: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct JudgeArguments {
    /// The ledger of a load that is over
    #[arg(long, value_name = "FILE", default_value = "ledger")]
    pub(super) ledger: PathBuf,
    /// The instance that decides: the target's writer, or the source when the move went back
    #[arg(long, value_name = "INSTANCE", default_value = "shop-aurora-1")]
    pub(super) decides: String,
    /// The other one, where nothing may be that the deciding one does not have
    #[arg(long, value_name = "INSTANCE")]
    pub(super) other: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct SqlArguments {
    /// The statement
    pub(super) statement: String,
    /// The instance [default: the source]
    #[arg(long)]
    pub(super) instance: Option<String>,
    /// The database [default: the source's first]
    #[arg(long)]
    pub(super) database: Option<String>,
}
