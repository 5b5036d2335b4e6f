//! Making a failing night smaller: faults are ruled out while the same invariant is still broken.

use std::collections::BTreeSet;

use super::Report;
use super::night::{Plan, run};
use super::storm::{FaultId, Struck};

/// The smallest failing night that was found.
#[derive(Debug)]
pub struct Shrunk {
    /// Faults that struck at first.
    pub before: usize,
    /// Nights that were simulated for it.
    pub nights: u32,
    /// What is left.
    pub report: Report,
}

/// So many nights are simulated; some fail only after hours of virtual time.
const AT_MOST: u32 = 200;

/// What an invariant is called, without the instant and the figures.
fn name(verdict: &Report) -> Option<String> {
    let broken = verdict.verdict.as_ref().err()?;
    let words = broken.split_whitespace().take_while(|word| *word != "at");
    let plain = |word: &&str| !word.chars().any(|one| one.is_ascii_digit());
    Some(words.filter(plain).take(5).collect::<Vec<_>>().join(" "))
}

/// Rules out as many faults as it can; nothing when the seed does not fail.
#[must_use]
pub fn shrink(plan: &Plan) -> Option<Shrunk> {
    let mut report = run(plan);
    let broken = name(&report)?;
    let before = report.struck.len();
    let mut ruled_out = plan.ruled_out.clone();
    let mut nights = 1;
    let mut try_without = |ruled_out: &BTreeSet<FaultId>, more: &[Struck]| {
        let mut ruled_out = ruled_out.clone();
        if nights >= AT_MOST {
            return None;
        }
        ruled_out.extend(more.iter().map(|struck| struck.id));
        nights += 1;
        let report = run(&Plan { ruled_out: ruled_out.clone(), ..plan.clone() });
        (name(&report).as_ref() == Some(&broken)).then_some((ruled_out, report))
    };
    // Large parts first, then smaller ones, down to single faults; each success begins anew.
    let mut part = report.struck.len().div_ceil(2);
    while part > 0 && !report.struck.is_empty() {
        let struck = report.struck.clone();
        let smaller = struck.chunks(part).find_map(|some| try_without(&ruled_out, some));
        match smaller {
            Some((without, night)) => {
                (ruled_out, report) = (without, night);
                part = part.min(report.struck.len());
            }
            None => part = if part == 1 { 0 } else { part.div_ceil(2) },
        }
    }
    Some(Shrunk { before, nights, report })
}
