//! Explores the exhaustive model of the pause and prints what it found.
//!
//! `model [--writes N] [--attempts N] [--takeovers N] [--json]` visits every state within the
//! bounds. `--break NAME` makes a mistake on purpose and prints how it does harm; `--break list`
//! names them. Exit code 0 = everything holds, 1 = something is broken, 2 = the line could not be
//! read.

#[path = "../tests/exhaustive/pause/mod.rs"]
mod pause;

use std::io::{self, Write};
use std::process::ExitCode;

use pause::verdict::explore;
use pause::{Bounds, Mistake, Pause};

const USAGE: &str =
    "model [--writes N] [--attempts N] [--takeovers N] [--break NAME|list] [--json]";

/// How it is told.
#[derive(Clone, Copy)]
enum Form {
    Words,
    Json,
}

/// What was asked for.
struct Asked {
    bounds: Option<Bounds>,
    mistake: Option<Mistake>,
    form: Form,
}

/// What a full run visits.
const FULL: Bounds = Bounds { writes: 2, attempts: 2, takeovers: None };

fn read(mut words: impl Iterator<Item = String>) -> Option<Asked> {
    let mut asked = Asked { bounds: None, mistake: None, form: Form::Words };
    while let Some(word) = words.next() {
        let mut bounds = asked.bounds.unwrap_or(FULL);
        match word.as_str() {
            "--json" => asked.form = Form::Json,
            "--break" => {
                let name = words.next()?;
                let found = Mistake::ALL.into_iter().find(|one| one.name() == name);
                asked.mistake = Some(found?);
            }
            "--writes" => bounds.writes = words.next()?.parse().ok()?,
            "--attempts" => bounds.attempts = words.next()?.parse().ok()?,
            "--takeovers" => bounds.takeovers = Some(words.next()?.parse().ok()?),
            _ => return None,
        }
        if matches!(word.as_str(), "--writes" | "--attempts" | "--takeovers") {
            asked.bounds = Some(bounds);
        }
    }
    Some(asked)
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let mut out = io::stdout().lock();
    if words == ["--break", "list"] {
        let names = Mistake::ALL.map(Mistake::name).join("\n");
        return written(writeln!(out, "{names}"));
    }
    let Some(asked) = read(words.into_iter()) else {
        let _ = writeln!(io::stderr(), "{USAGE}");
        return ExitCode::from(2);
    };
    let bounds = asked.bounds.or(asked.mistake.map(Mistake::bounds)).unwrap_or(FULL);
    let explored = explore(Pause { bounds, mistake: asked.mistake });
    let told = match asked.form {
        Form::Words => write!(out, "{explored}"),
        Form::Json => writeln!(out, "{}", explored.json(asked.mistake)),
    };
    let good = explored.verdicts.iter().all(|verdict| verdict.found.is_good());
    if good { written(told) } else { ExitCode::FAILURE }
}

fn written(told: io::Result<()>) -> ExitCode {
    match told {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}
