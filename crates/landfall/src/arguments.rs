//! The command line. What a command does stands in `command`; its words stand here.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use landfall_api::core::quantity::duration_text;
use landfall_server::XdsSecurity;

use crate::command::{AssessArguments, DoctorArguments, LabCommand};
use crate::exit::Exit;
use crate::stop::Stop;

const AFTER: &str = "\
A move of a database, from the first look to the last:

  landfall assess orders.toml        what Landfall finds out about the source
  landfall plan orders.toml          every step and every call, without doing any
  landfall run orders.toml           start, and follow to the first gate
  landfall approve orders approve_cutover
  landfall run orders.toml           go on, through the cutover

Exit codes:";

fn after_help() -> String {
    let codes = Exit::ALL.iter().map(|(exit, what)| format!("\n  {:<3}  {what}", exit.number()));
    format!("{AFTER}{}", codes.collect::<String>())
}

/// Moves Amazon RDS for PostgreSQL databases to Aurora PostgreSQL without losing a write.
#[derive(Debug, Parser)]
#[command(name = "landfall", version, after_help = after_help(), disable_help_subcommand = true)]
#[command(max_term_width = 100)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command takes.
#[derive(Debug, Args)]
pub(crate) struct Common {
    /// Work through the Landfall server at this URL instead of starting one for this command
    #[arg(
        long,
        global = true,
        value_name = "URL",
        env = "LANDFALL_SERVER",
        hide_env_values = true
    )]
    pub(crate) server: Option<String>,
    /// Directory of the state [default: $XDG_STATE_HOME/landfall or ~/.local/state/landfall]
    #[arg(long, global = true, value_name = "DIR", env = "LANDFALL_STATE", hide_env_values = true)]
    pub(crate) state: Option<PathBuf>,
    /// A PostgreSQL as the store, for several servers: postgres://USER@HOST:PORT/DATABASE
    #[arg(long, global = true, value_name = "URL", env = "LANDFALL_STORE", hide_env_values = true)]
    pub(crate) store: Option<String>,
    /// Where its password is: file:PATH or env:VARIABLE
    #[arg(long, global = true, value_name = "REF", env = "LANDFALL_STORE_PASSWORD_FROM")]
    #[arg(hide_env_values = true, hide_short_help = true)]
    pub(crate) store_password: Option<String>,
    /// The authorities its certificate must lead to, PEM [default: the machine's]
    #[arg(long, global = true, value_name = "FILE", env = "LANDFALL_STORE_ROOTS")]
    #[arg(hide_env_values = true, hide_short_help = true)]
    pub(crate) store_roots: Option<PathBuf>,
    /// Write JSON instead of text
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Who gives the order, for the journal [default: the user's name]
    #[arg(long, global = true, value_name = "NAME", env = "LANDFALL_BY", hide_env_values = true)]
    pub(crate) by: Option<String>,
    /// The company's own key for evidence, Ed25519 in PEM: file:PATH or env:VARIABLE [default:
    /// one that is made in the state directory]
    #[arg(long, global = true, value_name = "REF", env = "LANDFALL_EVIDENCE_KEY")]
    #[arg(hide_env_values = true, hide_short_help = true)]
    pub(crate) evidence_key: Option<String>,
}

/// The commands, in the order of a move.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Look at a source: findings, forecast, roads, the Aurora version and class it would get
    Assess(AssessArguments),
    /// Dry run: every step of the move and every call it would make
    Plan(SpecFile),
    /// Start a move, or go on with it, and follow it to the next gate or the end
    Run(Run),
    /// Where moves stand: one line each, or one move's whole table
    Status {
        /// The move; all of them when left away
        name: Option<String>,
    },
    /// Follow a move live, without driving it
    Watch {
        /// The move
        name: String,
    },
    /// What happened so far, from the journal
    History(HistoryArguments),
    /// Open a gate
    Approve {
        /// The move
        name: String,
        /// The gate, as `status` shows it
        gate: String,
        /// Why, for the journal
        #[arg(long, default_value = "")]
        note: String,
    },
    /// Stop between two actions, until `resume`
    Pause(OrderArguments),
    /// Go on after a pause or a problem
    Resume {
        /// The move
        name: String,
    },
    /// Undo everything and return to the source; refused after the point of no return
    Abort(OrderArguments),
    /// Return to the source after the release, with everything written since
    RollBack(RollBack),
    /// Accept the target: what becomes of the source is then done as the spec says
    Retire(Retire),
    /// The evidence of a move: a page, JSON, or a signed bundle
    Report(ReportArguments),
    /// Look at what nobody looks at until it fails: slots, disk, what Landfall counts on of AWS
    Doctor(DoctorArguments),
    /// The rights that Landfall needs, to be given to it
    #[command(subcommand)]
    Export(Export),
    /// Explain a problem code, such as LF-014
    Explain {
        /// The code: LF-014, or 14; all of them when left away
        code: Option<String>,
    },
    /// Serve the API and the gateways' configuration, and drive every unfinished move
    Serve(Serve),
    /// Services behind the gateway
    #[command(subcommand)]
    Route(Route),
    /// The gateway's Envoy
    #[command(subcommand)]
    Envoy(Envoy),
    /// A laboratory on this machine: AWS's calls over real PostgreSQL servers
    Lab(LabCommand),
}

/// What can be printed to be used elsewhere.
#[derive(Debug, Subcommand)]
pub(crate) enum Export {
    /// The IAM policy of a move; with a spec, of that move alone
    Iam(ExportArguments),
    /// The IAM policy of `doctor --aws`
    Doctor,
    /// SQL that makes the database role; with a spec, that move's
    Grants(ExportArguments),
}

#[derive(Debug, Args)]
pub(crate) struct ExportArguments {
    /// The spec, a TOML file; - reads it from stdin
    pub(crate) spec: Option<PathBuf>,
    /// Only what an assessment needs, which changes nothing
    #[arg(long)]
    pub(crate) assess_only: bool,
}

#[derive(Debug, Args)]
pub(crate) struct SpecFile {
    /// The spec, a TOML file; - reads it from stdin
    pub(crate) spec: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Run {
    #[command(flatten)]
    pub(crate) spec: SpecFile,
    /// Wait at gates, in pauses and at problems for others, instead of ending there
    #[arg(long)]
    pub(crate) follow: bool,
    #[command(flatten)]
    pub(crate) driving: Driving,
}

/// What a command takes that moves something.
#[derive(Debug, Args)]
pub(crate) struct Driving {
    /// Where Envoy processes connect for their configuration; port 0 picks a free one
    #[arg(long, value_name = "ADDR", env = "LANDFALL_XDS_LISTEN", hide_env_values = true)]
    #[arg(default_value = "127.0.0.1:18000")]
    pub(crate) xds_listen: SocketAddr,
    /// The longest any call to AWS, a database or a gateway may take, with its retries
    #[arg(long, value_name = "DURATION", env = "LANDFALL_CALL_TIMEOUT", hide_env_values = true)]
    #[arg(default_value = "15s", hide_short_help = true)]
    call_timeout: String,
    /// How long Envoy lets a connection wait, as its bootstrap was printed
    #[arg(long, value_name = "DURATION", env = "LANDFALL_HOLD_TIMEOUT", hide_env_values = true)]
    #[arg(default_value = "1h", hide_short_help = true)]
    hold_timeout: String,
    /// How Envoy processes connect: in plain text on this machine, with certificates of
    /// Landfall's own authority, or in plain text from anywhere
    #[arg(long, value_enum, env = "LANDFALL_XDS_SECURITY", hide_env_values = true)]
    #[arg(default_value = "plain")]
    xds_security: Security,
    /// How long a certificate told to an Envoy lives; it is renewed at half of it
    #[arg(long, value_name = "DURATION", env = "LANDFALL_CERTIFICATE_LIFETIME")]
    #[arg(default_value = "24h", hide_short_help = true, hide_env_values = true)]
    certificate_lifetime: String,
}

/// How Envoy processes connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Security {
    Plain,
    Mtls,
    PlainAnywhere,
}

/// The times of a server, and how its proxies connect.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Times {
    /// The longest call.
    pub(crate) call: Duration,
    /// The longest hold.
    pub(crate) hold: Duration,
    /// The wire to the proxies, with the life of its certificates.
    pub(crate) xds: XdsSecurity,
}

/// Nothing takes a certificate back before its end.
const LONGEST_LIFETIME: Duration = Duration::from_hours(24 * 90);

impl Driving {
    /// The timeouts, if they are some.
    pub(crate) fn times(&self) -> Result<Times, Stop> {
        let call = timeout("--call-timeout", &self.call_timeout)?;
        let hold = timeout("--hold-timeout", &self.hold_timeout)?;
        let lifetime = timeout("--certificate-lifetime", &self.certificate_lifetime)?;
        if lifetime > LONGEST_LIFETIME {
            return Err(Stop::mistake("--certificate-lifetime: at most 2160h."));
        }
        let xds = match self.xds_security {
            Security::Plain => XdsSecurity::Plain,
            Security::PlainAnywhere => XdsSecurity::PlainAnywhere,
            Security::Mtls => XdsSecurity::Mutual { lifetime },
        };
        Ok(Times { call, hold, xds })
    }
}

fn timeout(option: &str, text: &str) -> Result<Duration, Stop> {
    let timeout =
        duration_text::parse(text).map_err(|why| Stop::mistake(format!("{option}: {why}.")))?;
    if timeout.is_zero() {
        return Err(Stop::mistake(format!("{option}: it must be more than nothing.")));
    }
    Ok(timeout)
}

#[derive(Debug, Args)]
pub(crate) struct HistoryArguments {
    /// The move
    pub(crate) name: String,
    /// Only entries after this position
    #[arg(long, value_name = "SEQ", default_value_t = 0)]
    pub(crate) after: u64,
}

#[derive(Debug, Args)]
pub(crate) struct OrderArguments {
    /// The move
    pub(crate) name: String,
    /// Why, for the journal
    #[arg(long, default_value = "")]
    pub(crate) why: String,
}

#[derive(Debug, Args)]
pub(crate) struct RollBack {
    #[command(flatten)]
    pub(crate) order: OrderArguments,
    /// Go back although something is lost, and why; it is recorded with what that is
    #[arg(long, value_name = "WHY")]
    pub(crate) accept_loss: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Retire {
    /// The move
    pub(crate) name: String,
    /// Why, for the journal
    #[arg(long, default_value = "")]
    pub(crate) note: String,
    /// Do not ask, even when the source will be deleted
    #[arg(long)]
    pub(crate) yes: bool,
}

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct ReportArguments {
    /// The move
    pub(crate) name: Option<String>,
    /// One self-contained page, which is what is written unless told otherwise
    #[arg(long, conflicts_with = "bundle")]
    pub(crate) html: bool,
    /// The journal and what it comes to, signed; - is stdout
    #[arg(long, value_name = "FILE")]
    pub(crate) bundle: Option<PathBuf>,
    /// Where the page or the JSON goes; must not exist [default: stdout]
    #[arg(long, value_name = "FILE", conflicts_with = "bundle")]
    pub(crate) to: Option<PathBuf>,
    #[command(subcommand)]
    pub(crate) command: Option<ReportCommand>,
}

/// `landfall report …`
#[derive(Debug, Subcommand)]
pub(crate) enum ReportCommand {
    /// Whether a bundle is what was signed; needs nothing but the file
    Verify {
        /// The bundle; - reads it from stdin
        file: PathBuf,
        /// The public key it must be signed with, as `report key` printed it
        #[arg(long, value_name = "PUBLIC")]
        key: Option<String>,
    },
    /// The public key that bundles are signed with
    Key,
}

#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// Where the API answers; port 0 picks a free one. It asks nobody who they are: keep it on
    /// loopback
    #[arg(long, value_name = "ADDR", env = "LANDFALL_LISTEN", hide_env_values = true)]
    #[arg(default_value = "127.0.0.1:18080")]
    pub(crate) listen: SocketAddr,
    #[command(flatten)]
    pub(crate) driving: Driving,
}

/// `landfall route …`
#[derive(Debug, Subcommand)]
pub(crate) enum Route {
    /// Services, where they go, which gateway follows, and certificates that end
    Status {
        /// A spec: its services alone, at the gateways that it describes, before it has a move
        spec: Option<PathBuf>,
    },
    /// The certificates that Envoys were told
    Certificates,
    /// Take a service on, before any move, at the place where it is today
    Add {
        /// The service name that applications connect to
        service: String,
        /// Where it is today, HOST:PORT
        endpoint: String,
    },
}

/// `landfall envoy …`
#[derive(Debug, Subcommand)]
pub(crate) enum Envoy {
    /// Print the configuration file that an Envoy starts with, or write it with its certificates
    Bootstrap(Box<Bootstrap>),
    /// Ask a running Envoy whether it would hold connections, and until when it is trusted
    Check(Check),
}

/// Where an Envoy stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum HopRole {
    /// Between application and database
    OneHop,
    /// Beside the application, on the way to a gateway
    Sidecar,
    /// In front of databases, for sidecars
    Gateway,
}

#[derive(Debug, Args)]
pub(crate) struct Check {
    /// Envoy's admin page
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:19000")]
    pub(crate) admin: SocketAddr,
    /// The longest pause that it must hold for
    #[arg(long, value_name = "DURATION", default_value = "60s")]
    pub(crate) pause_budget: String,
}

#[derive(Debug, Args)]
pub(crate) struct Bootstrap {
    /// Where it stands
    #[arg(long, value_enum, default_value = "one-hop")]
    pub(crate) role: HopRole,
    /// A service and where clients connect: SERVICE=ADDR:PORT, or a Unix socket; may be repeated
    #[arg(long = "listen", value_name = "SERVICE=ADDR:PORT", required = true)]
    pub(crate) listeners: Vec<String>,
    /// How this Envoy is listed by `route status`; unique among all
    #[arg(long, value_name = "NAME")]
    pub(crate) node: String,
    /// The group of Envoys it belongs to; what its certificate speaks for
    #[arg(long, value_name = "NAME", default_value = "landfall")]
    pub(crate) cluster: String,
    /// Where Landfall serves the configuration, HOST:PORT
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:18000")]
    pub(crate) xds: String,
    /// Envoy's admin page
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:19000")]
    pub(crate) admin: SocketAddr,
    /// How long a held connection waits; longer than the longest pause budget
    #[arg(long, value_name = "DURATION", default_value = "1h")]
    pub(crate) hold_timeout: String,
    /// Sidecar: a gateway; may be repeated
    #[arg(long = "gateway", value_name = "HOST:PORT")]
    pub(crate) gateways: Vec<String>,
    /// Gateway: a group of sidecars that may reach a service, or a whole SPIFFE id; may be
    /// repeated [default: the group named as the service]
    #[arg(long = "allow", value_name = "SERVICE=GROUP")]
    pub(crate) allowed: Vec<String>,
    /// A certificate of your own authority on the proxy's machine, watched by Envoy
    #[arg(long, value_name = "FILE", requires_all = ["key", "roots"])]
    pub(crate) certificate: Option<PathBuf>,
    /// Its key
    #[arg(long, value_name = "FILE", requires = "certificate")]
    pub(crate) key: Option<PathBuf>,
    /// The roots that the other side's certificate must come from
    #[arg(long, value_name = "FILE", requires = "certificate")]
    pub(crate) roots: Option<PathBuf>,
    /// The trust domain of those certificates
    #[arg(long, value_name = "NAME", default_value = "landfall")]
    pub(crate) trust_domain: String,
    /// How it connects to Landfall [default: mtls when Landfall tells its certificate, else plain]
    #[arg(long, value_enum)]
    pub(crate) xds_security: Option<Security>,
    /// Write a folder with everything that the proxy needs, instead of printing
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Where that folder will be on the proxy's machine [default: where it is written]
    #[arg(long, value_name = "DIR", requires = "out")]
    pub(crate) installed: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn the_help_fits_a_screen() {
        let help = Arguments::command().term_width(100).render_help().to_string();
        assert!(help.lines().count() <= 60, "{help}");
        crate::show::layout::assert_fits(&help.replace(" \n", "\n"), 100);
    }
}
