//! `report`: the evidence of a move, its key, and whether a bundle is what was signed.
//!
//! `verify` needs a file and nothing else: no server, no store, no network.

use std::fs::OpenOptions;
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use landfall_api::core::{Code, MigrationName};
use landfall_api::{ApiProblem, ReportForm};
use landfall_report::seal::PublicKey;
use landfall_report::verify::{Signer, Whole, verify};

use crate::arguments::{Common, ReportArguments, ReportCommand};
use crate::door::Door;
use crate::exit::Exit;
use crate::out::Out;
use crate::show;
use crate::stop::Stop;

pub(super) async fn report(
    common: &Common,
    asked: &ReportArguments,
    out: Out,
) -> Result<Exit, Stop> {
    match (&asked.command, &asked.name) {
        (Some(ReportCommand::Key), _) => key(common, out).await,
        (Some(ReportCommand::Verify { file, key }), _) => check(file, key.as_deref(), out),
        (None, Some(name)) => write(common, name, asked, out).await,
        (None, None) => Err(Stop::mistake(
            "Name the move: `landfall report orders --html`. `landfall status` lists them.",
        )),
    }
}

/// What is written, and where to; absent is stdout.
fn form(asked: &ReportArguments, out: Out) -> (ReportForm, Option<&PathBuf>) {
    match &asked.bundle {
        Some(file) => (ReportForm::Bundle, Some(file)),
        None if asked.html => (ReportForm::Html, asked.to.as_ref()),
        None if out.is_json() => (ReportForm::Json, asked.to.as_ref()),
        None => (ReportForm::Html, asked.to.as_ref()),
    }
}

async fn write(
    common: &Common,
    name: &str,
    asked: &ReportArguments,
    out: Out,
) -> Result<Exit, Stop> {
    let (form, to) = form(asked, out);
    let door = Door::ask(common).await?;
    let report = door.client.report(&MigrationName::new(name), form).await;
    door.close().await;
    let report = report?;
    let Some(to) = to.filter(|to| to.as_os_str() != "-") else {
        out.text(&report);
        return Ok(Exit::Done);
    };
    save(to, &report)?;
    out.say(&show::layout::wrap(&written(form, to), out.width(), 0));
    Ok(Exit::Done)
}

fn written(form: ReportForm, to: &Path) -> String {
    let file = to.display();
    match form {
        ReportForm::Html | ReportForm::Json => format!("The report is in {file}."),
        ReportForm::Bundle => format!(
            "The bundle is in {file}. `landfall report verify {file}` tells, on any machine, \
             whether it is what was signed; `landfall report key` shows the key to give to whoever \
             will ask."
        ),
    }
}

/// A file that is there is not overwritten: it may be evidence.
fn save(to: &Path, text: &str) -> Result<(), Stop> {
    let mut options = OpenOptions::new();
    let saved = options.write(true).create_new(true).mode(0o644).open(to).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()
    });
    saved.map_err(|error| {
        let hint = if error.kind() == std::io::ErrorKind::AlreadyExists {
            "Reports do not overwrite a file: name another, or remove it."
        } else {
            "Name a file in a folder that you may write to."
        };
        Stop::mistake(format!("Could not write {}: {error}. {hint}", to.display()))
    })
}

async fn key(common: &Common, out: Out) -> Result<Exit, Stop> {
    let door = Door::ask(common).await?;
    let key = door.client.evidence_key().await;
    door.close().await;
    let key = key?;
    out.data(&key, |_| format!("{}\n(id {})", key.key, key.id));
    Ok(Exit::Done)
}

fn check(file: &Path, key: Option<&str>, out: Out) -> Result<Exit, Stop> {
    let asked: Option<PublicKey> = key
        .map(|text| text.parse().map_err(|why| Stop::mistake(format!("--key: could not {why}."))))
        .transpose()?;
    let bytes = read(file).map_err(|error| {
        Stop::mistake(format!("Could not read the bundle {}: {error}.", file.display()))
    })?;
    match verify(&bytes, asked.as_ref()) {
        Ok(whole) => {
            out.data(&show::bundle::json(&whole), |width| show::bundle::whole(&whole, width));
            if whole.signer == Signer::AsNamed {
                out.say(&show::layout::wrap(&unknown_signer(&whole), out.width(), 0));
            }
            Ok(Exit::Done)
        }
        Err(broken) => {
            let name = file.display();
            let title = format!("{name} is not what was signed: {broken}");
            let problem = ApiProblem::new(0, Code::BundleChanged, title).hint(
                "Do not rely on this file. Ask for it again, or make another from the journal with \
                 `landfall report NAME --bundle FILE`.",
            );
            Err(Stop::Problem(Box::new(problem)))
        }
    }
}

fn read(file: &Path) -> std::io::Result<Vec<u8>> {
    if file.as_os_str() == "-" {
        let mut bytes = Vec::new();
        std::io::stdin().read_to_end(&mut bytes)?;
        return Ok(bytes);
    }
    std::fs::read(file)
}

fn unknown_signer(whole: &Whole) -> String {
    format!(
        "It is whole by the key that it names itself ({}). Whose that is, you know only when you \
         compare it with what `landfall report key` printed at its source: give it as --key.",
        whole.key
    )
}
