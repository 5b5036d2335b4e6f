//! `lab`: a laboratory on this machine. Everything stands in `landfall-lab`; here are its words.
//!
//! The lab is a process of its own that outlives the command that brought it up. Its folder says
//! how to find it; without `--dir` it is the user's own in the folder of temporary files.

mod arguments;
mod gateway;
mod load;
mod spec;
mod up;

pub(crate) use arguments::LabCommand;

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use landfall_lab::cloud::standing::Pretence;
use landfall_lab::faults::{Fault, Order};
use landfall_lab::supervisor::{self, Client, Listing, Record};
use serde_json::json;

use self::arguments::{FaultArguments, Lab, PretendArguments, SqlArguments};
use crate::arguments::Common;
use crate::exit::Exit;
use crate::out::{Form, Out};
use crate::show::{self, layout};
use crate::stop::Stop;

pub(super) async fn lab(common: &Common, lab: &LabCommand, out: Out) -> Result<Exit, Stop> {
    let dir = match &lab.dir {
        Some(dir) => dir.clone(),
        None => home(),
    };
    match &lab.command {
        Lab::Up(asked) => up::up(&dir, asked, out).await,
        Lab::Down => down(&dir, out).await,
        Lab::Status => status(&dir, out).await,
        Lab::Env => env(&dir, out),
        Lab::Spec(asked) => spec::print(&record(&dir)?, asked, out),
        Lab::Fault(asked) => fault(&dir, asked, out).await,
        Lab::Pretend(asked) => pretend(&dir, asked, out).await,
        Lab::Gateway(asked) => gateway::gateway(common, &dir, asked, out).await,
        Lab::Load(asked) => load::load(&record(&dir)?, asked, out).await,
        Lab::Judge(asked) => load::judge(&dir, asked, out).await,
        Lab::Sql(asked) => sql(&dir, asked, out).await,
    }
}

/// The user's lab. Not in the state directory: PostgreSQL never runs as root, and another user
/// cannot enter root's home.
fn home() -> PathBuf {
    let uid = std::fs::metadata("/proc/self").map_or(0, |process| process.uid());
    std::env::temp_dir().join(format!("landfall-lab-{uid}"))
}

/// An error of the lab, told: its words fit after "could not".
fn failed(error: &dyn std::error::Error) -> Stop {
    Stop::Failed(Exit::Unreachable, format!("Could not {}.", show::chain(error)))
}

/// The record of the lab, which must be running.
fn record(dir: &Path) -> Result<Record, Stop> {
    let record = Record::read(dir).map_err(|error| no_lab(&error))?;
    if record.is_alive() {
        return Ok(record);
    }
    Err(Stop::Failed(
        Exit::Unreachable,
        format!(
            "The lab in {} has died. `landfall lab down` removes what is left of it.",
            dir.display()
        ),
    ))
}

fn no_lab(error: &supervisor::Error) -> Stop {
    let supervisor::Error::NoLab { path } = error else { return failed(error) };
    Stop::mistake(format!(
        "There is no lab in {}. `landfall lab up` brings one up; --dir names another folder.",
        path.display()
    ))
}

async fn down(dir: &Path, out: Out) -> Result<Exit, Stop> {
    let outcome = supervisor::down(dir).await.map_err(|error| no_lab(&error))?;
    // The log stands beside the folder, which the lab removes itself.
    let _ = std::fs::remove_file(log_file(dir));
    let words = match outcome {
        supervisor::Outcome::Stopped => "The lab is down; nothing of it is left.",
        supervisor::Outcome::WasDead => "The lab had died; what was left of it is removed.",
    };
    match out.form {
        Form::Json => out.json(&json!({ "down": true })),
        Form::Text => out.text(words),
    }
    Ok(Exit::Done)
}

async fn status(dir: &Path, out: Out) -> Result<Exit, Stop> {
    let record = record(dir)?;
    let listing = Client::new(&record).status().await.map_err(|error| failed(&error))?;
    out.data(&json!({ "lab": record, "now": listing }), |width| describe(&record, &listing, width));
    Ok(Exit::Done)
}

fn describe(record: &Record, listing: &Listing, width: usize) -> String {
    let head = ["INSTANCE", "STATUS", "CLUSTER", "PORT", "LETS IN"].map(ToOwned::to_owned).to_vec();
    let instances = listing.instances.iter().map(|instance| {
        vec![
            instance.identifier.clone(),
            instance.status.clone(),
            instance.cluster.clone().unwrap_or_else(|| "-".to_owned()),
            instance.port.map_or_else(|| "-".to_owned(), |port| port.to_string()),
            instance.admitted.join(" "),
        ]
    });
    let table = layout::columns(&std::iter::once(head).chain(instances).collect::<Vec<_>>(), width);
    let gateway = match (listing.gateway, listing.sidecar_admin) {
        (true, None) => "running",
        (true, Some(_)) => "running, and a sidecar before it",
        (false, None) => "not running",
        (false, Some(_)) => "not running; its sidecar is",
    };
    let faults: Vec<String> = listing.faults.iter().map(|order| order.fault.to_string()).collect();
    let faults = if faults.is_empty() { "none".to_owned() } else { faults.join(", ") };
    format!(
        "AWS endpoint  {}\nGateway       {gateway}\nFaults        {faults}\nRequests      {}\n\n{table}",
        record.endpoint_url, listing.requests
    )
}

fn env(dir: &Path, out: Out) -> Result<Exit, Stop> {
    print_env(&record(dir)?, out);
    Ok(Exit::Done)
}

/// The variables with which Landfall and the `aws` command talk to the lab.
fn print_env(record: &Record, out: Out) {
    let variables = variables(record);
    match out.form {
        Form::Json => {
            let map: serde_json::Map<_, _> = variables
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value.into()))
                .collect();
            out.json(&map);
        }
        Form::Text => {
            let lines: Vec<String> =
                variables.iter().map(|(name, value)| format!("export {name}='{value}'")).collect();
            out.text(&lines.join("\n"));
        }
    }
}

fn variables(record: &Record) -> Vec<(&'static str, String)> {
    let mut variables = supervisor::environment(record.endpoint_url.clone());
    variables.push((spec::PASSWORD, record.source.password.clone()));
    variables
}

async fn fault(dir: &Path, asked: &FaultArguments, out: Out) -> Result<Exit, Stop> {
    let client = Client::new(&record(dir)?);
    let name = asked.name.as_deref().map(parse_fault).transpose()?;
    match (asked.clear, name) {
        (true, name) => client.clear(name).await.map_err(|error| failed(&error))?,
        (false, Some(fault)) => {
            let order = Order {
                count: asked.count,
                milliseconds: asked.milliseconds,
                action: asked.action.clone(),
                argument: asked.argument,
                ..Order::unlimited(fault)
            };
            client.arm(&order).await.map_err(|error| failed(&error))?;
        }
        (false, None) => {}
    }
    let armed = client.status().await.map_err(|error| failed(&error))?.faults;
    out.data(&armed, |width| {
        let rows: Vec<Vec<String>> = armed.iter().map(fault_row).collect();
        if rows.is_empty() {
            "No fault is armed.".to_owned()
        } else {
            layout::columns(&rows, width)
        }
    });
    Ok(Exit::Done)
}

async fn pretend(dir: &Path, asked: &PretendArguments, out: Out) -> Result<Exit, Stop> {
    let pretence: Pretence = serde_json::from_str(&asked.what).map_err(|error| {
        Stop::mistake(format!(
            "{error}. Write JSON such as {{\"pretend\":\"version\",\"instance\":\"shop-prod\",\
             \"version\":\"17.6-R2\"}}."
        ))
    })?;
    let client = Client::new(&record(dir)?);
    client.pretend(&pretence).await.map_err(|error| failed(&error))?;
    out.say("Done: AWS shows it from here on.");
    Ok(Exit::Done)
}

fn parse_fault(name: &str) -> Result<Fault, Stop> {
    name.parse().map_err(|_| {
        let known = Fault::ALL.map(Fault::name).join(", ");
        Stop::mistake(format!("{name} is not a fault; known are {known}."))
    })
}

fn fault_row(order: &Order) -> Vec<String> {
    let limit = match (order.count, order.milliseconds) {
        (Some(count), _) => format!("{count} times"),
        (None, Some(milliseconds)) => format!("for {milliseconds} ms"),
        (None, None) => "until cleared".to_owned(),
    };
    vec![order.fault.to_string(), limit, order.action.clone().unwrap_or_default()]
}

async fn sql(dir: &Path, asked: &SqlArguments, out: Out) -> Result<Exit, Stop> {
    let record = record(dir)?;
    let instance = asked.instance.clone().unwrap_or_else(|| record.source.instance.clone());
    let database = asked
        .database
        .clone()
        .or_else(|| record.source.databases.first().cloned())
        .unwrap_or_else(|| "postgres".to_owned());
    let rows = Client::new(&record)
        .sql(&instance, &database, &asked.statement)
        .await
        .map_err(|error| failed(&error))?;
    out.data(&rows, |_| {
        let line = |row: &supervisor::TextRow| {
            let cells = row.iter().map(|cell| cell.clone().unwrap_or_default());
            cells.collect::<Vec<_>>().join("\t")
        };
        rows.iter().map(line).collect::<Vec<_>>().join("\n")
    });
    Ok(Exit::Done)
}

/// Where a lab of its own process writes what it logs: beside its folder.
fn log_file(dir: &Path) -> PathBuf {
    let mut name = dir.file_name().unwrap_or_default().to_owned();
    name.push(".log");
    dir.with_file_name(name)
}
