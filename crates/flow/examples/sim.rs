//! Runs the simulator over many seeds.
//!
//! `sim --seeds N [--from S]` runs N seeds, says which fail and why, and how many passed.
//! `sim --seed ONE --trace` tells one seed's whole story. `--break fence` runs them in a world
//! whose fence cuts nobody, which must be found. Exit code 0 = all passed, 1 = some failed,
//! 2 = the line could not be read.

use std::io::{self, Write};
use std::process::ExitCode;

use landfall_flow::model::{Sabotage, TWO_SIDES};
use landfall_flow::sim::{self, Report};

const USAGE: &str = "sim [--seeds N] [--from S] [--seed ONE] [--trace] [--break fence]";

/// How much is told.
#[derive(PartialEq, Eq)]
enum Telling {
    Failures,
    Stories,
}

/// What was asked for.
struct Asked {
    seeds: u64,
    from: u64,
    telling: Telling,
    sabotage: Sabotage,
}

fn read(mut words: impl Iterator<Item = String>) -> Option<Asked> {
    let mut asked =
        Asked { seeds: 500, from: 1, telling: Telling::Failures, sabotage: Sabotage::None };
    while let Some(word) = words.next() {
        match word.as_str() {
            "--seeds" => asked.seeds = words.next()?.parse().ok()?,
            "--from" => asked.from = words.next()?.parse().ok()?,
            "--seed" => {
                asked.from = words.next()?.parse().ok()?;
                asked.seeds = 1;
            }
            "--trace" => asked.telling = Telling::Stories,
            "--break" if words.next()? == "fence" => asked.sabotage = Sabotage::Fence,
            _ => return None,
        }
    }
    Some(asked)
}

fn main() -> ExitCode {
    let Some(asked) = read(std::env::args().skip(1)) else {
        let _ = writeln!(io::stderr(), "{USAGE}");
        return ExitCode::from(2);
    };
    match simulate(&asked, &mut io::stdout().lock()) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) | Err(_) => ExitCode::FAILURE,
    }
}

/// Runs every seed; how many failed.
fn simulate(asked: &Asked, out: &mut impl Write) -> io::Result<u64> {
    let (mut passed, mut failed) = (0_u64, 0);
    for seed in asked.from..asked.from.saturating_add(asked.seeds) {
        let report = sim::run(seed, asked.sabotage);
        if asked.telling == Telling::Stories {
            for line in &report.story {
                writeln!(out, "{line}")?;
            }
            tell(&report, out)?;
        }
        let Err(invariant) = &report.verdict else {
            passed += 1;
            continue;
        };
        failed += 1;
        writeln!(out, "seed {seed} failed: {invariant}")?;
        // A broken world is to be found, not counted.
        if asked.sabotage != Sabotage::None && invariant.starts_with(TWO_SIDES) {
            break;
        }
    }
    writeln!(out, "{passed} passed, {failed} failed")?;
    Ok(failed)
}

fn tell(report: &Report, out: &mut impl Write) -> io::Result<()> {
    let Report { seed, verdict, took, leaders, .. } = report;
    writeln!(out, "seed {seed}: {verdict:?} after {took:?} with {leaders} leaders")
}
