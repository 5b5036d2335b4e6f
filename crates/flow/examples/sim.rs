//! Runs the simulator over many seeds.
//!
//! `sim --seeds N [--from S]` runs N seeds, says which fail and why, and how many passed; with
//! `--coverage` also which faults hit which steps, and which never did. `sim --seed ONE --trace`
//! tells one seed's whole story, `sim --shrink SEED` the smallest one in which the same goes wrong.
//! `--break NAME` plants a mistake, which must be found; `--break list` names them. `--json` prints
//! one object instead of lines. Exit code 0 = all passed, 1 = some failed, 2 = the line could not be
//! read.

use std::io::{self, Write};
use std::process::ExitCode;

use landfall_flow::sim::{self, Break, Coverage, Plan, Report};
use serde_json::json;

const USAGE: &str = "sim [--seeds N] [--from S] [--seed ONE] [--trace] [--coverage] [--shrink SEED] \
                     [--break NAME|list] [--json]";

/// What is told of each night.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Telling {
    Failures,
    Stories,
}

/// How it is told.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Lines,
    Json,
}

/// What is asked.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Question {
    /// Whether seeds pass.
    Pass,
    /// What they hit, too.
    Coverage,
    /// Why the first one fails, in as few faults as can be.
    Shrink,
}

/// What was asked for.
struct Asked {
    seeds: u64,
    from: u64,
    telling: Telling,
    form: Form,
    question: Question,
    planted: Option<Break>,
}

fn read(mut words: impl Iterator<Item = String>) -> Option<Asked> {
    let mut asked = Asked {
        seeds: 500,
        from: 1,
        telling: Telling::Failures,
        form: Form::Lines,
        question: Question::Pass,
        planted: None,
    };
    while let Some(word) = words.next() {
        match word.as_str() {
            "--seeds" => asked.seeds = words.next()?.parse().ok()?,
            "--from" => asked.from = words.next()?.parse().ok()?,
            "--seed" => (asked.from, asked.seeds) = (words.next()?.parse().ok()?, 1),
            "--shrink" => {
                asked.from = words.next()?.parse().ok()?;
                asked.question = Question::Shrink;
            }
            "--trace" => asked.telling = Telling::Stories,
            "--coverage" => asked.question = Question::Coverage,
            "--json" => asked.form = Form::Json,
            "--break" => asked.planted = Some(Break::named(&words.next()?)?),
            _ => return None,
        }
    }
    Some(asked)
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let mut out = io::stdout().lock();
    if words == ["--break", "list"] {
        let names = Break::ALL.map(Break::name).join("\n");
        return code(writeln!(out, "{names}").map(|()| 0));
    }
    let Some(asked) = read(words.into_iter()) else {
        let _ = writeln!(io::stderr(), "{USAGE}");
        return ExitCode::from(2);
    };
    code(match asked.question {
        Question::Pass | Question::Coverage => simulate(&asked, &mut out),
        Question::Shrink => shrink(&asked, &mut out),
    })
}

fn code(failed: io::Result<u64>) -> ExitCode {
    match failed {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) | Err(_) => ExitCode::FAILURE,
    }
}

fn plan(asked: &Asked, seed: u64) -> Plan {
    Plan { seed, planted: asked.planted, ..Plan::default() }
}

/// Runs every seed, or up to the first that finds what was planted; how many failed.
fn simulate(asked: &Asked, out: &mut impl Write) -> io::Result<u64> {
    let mut coverage = Coverage::default();
    let mut failed: Vec<(u64, String)> = Vec::new();
    let mut nights = 0_u64;
    for seed in asked.from..asked.from.saturating_add(asked.seeds) {
        let report = sim::run(&plan(asked, seed));
        nights += 1;
        coverage.add(&report.coverage);
        if asked.telling == Telling::Stories && asked.form == Form::Lines {
            tell(&report, out)?;
        }
        let Err(invariant) = report.verdict else { continue };
        if asked.form == Form::Lines {
            writeln!(out, "seed {seed} failed: {invariant}")?;
        }
        failed.push((seed, invariant));
        if asked.planted.is_some() {
            break;
        }
    }
    match asked.form {
        Form::Lines => sum(asked, (nights, failed.len()), &coverage, out)?,
        Form::Json => {
            let told = json!({"break": asked.planted.map(Break::name), "nights": nights,
                "failed": failed, "coverage": coverage.json()});
            writeln!(out, "{told}")?;
        }
    }
    Ok(u64::try_from(failed.len()).unwrap_or(u64::MAX))
}

fn sum(
    asked: &Asked,
    (nights, failed): (u64, usize),
    coverage: &Coverage,
    out: &mut impl Write,
) -> io::Result<()> {
    if asked.question == Question::Coverage {
        write!(out, "{coverage}")?;
    }
    match (asked.planted, failed) {
        (Some(planted), 0) => writeln!(out, "{planted} was not found in {nights} seeds"),
        (Some(planted), _) => writeln!(out, "{planted} was found after {nights} seeds"),
        (None, _) => {
            let failed = u64::try_from(failed).unwrap_or(u64::MAX);
            writeln!(out, "{} passed, {failed} failed", nights.saturating_sub(failed))
        }
    }
}

fn tell(report: &Report, out: &mut impl Write) -> io::Result<()> {
    for line in &report.story {
        writeln!(out, "{line}")?;
    }
    let Report { seed, verdict, took, leaders, .. } = report;
    writeln!(out, "seed {seed}: {verdict:?} after {took:?} with {leaders} leaders")
}

/// Tells the smallest story; a seed that passes has none.
fn shrink(asked: &Asked, out: &mut impl Write) -> io::Result<u64> {
    let Some(shrunk) = sim::shrink(&plan(asked, asked.from)) else {
        writeln!(out, "seed {} passes: there is nothing to make smaller", asked.from)?;
        return Ok(0);
    };
    let struck = &shrunk.report.struck;
    if asked.form == Form::Json {
        let words: Vec<&str> = struck.iter().map(|struck| struck.words.as_str()).collect();
        let told = json!({"seed": asked.from, "nights": shrunk.nights, "faults": words,
            "before": shrunk.before, "broken": shrunk.report.verdict.as_ref().err(),
            "story": shrunk.report.story});
        writeln!(out, "{told}")?;
        return Ok(1);
    }
    tell(&shrunk.report, out)?;
    let (left, before, nights) = (struck.len(), shrunk.before, shrunk.nights);
    writeln!(out, "{left} of {before} faults are needed, after {nights} nights:")?;
    for struck in struck {
        writeln!(out, "  {}", struck.words)?;
    }
    Ok(1)
}
