//! `landfall doctor --aws`: tries the facts about AWS that we count on and that nobody has proven,
//! on the account it is pointed at.
//!
//! It only reads, and it reads everything before it judges: each probe is a pure function of one
//! body of evidence. What only a change could show is not here. A part of the evidence that could
//! not be read leaves its probes undecided, never confirmed.

mod event;
mod evidence;
mod offer;
mod reading;
mod resource;

use landfall_core::Failure;
use landfall_core::probe::{Probed, Verdict};

use crate::AwsCloud;
use evidence::Evidence;

/// A fact and how it is judged.
struct Probe {
    id: &'static str,
    fact: &'static str,
    judge: fn(&Evidence) -> Judged,
}

/// What a probe says, and what it saw. The error is why it saw nothing.
type Judged = Result<(Verdict, String), String>;

/// Every probe, in the order of the report.
const PROBES: [&[Probe]; 4] = [offer::PROBES, resource::PROBES, event::PROBES, reading::PROBES];

impl AwsCloud {
    pub(crate) async fn probe_account(&self) -> Vec<Probed> {
        let evidence = self.gather().await;
        PROBES.into_iter().flatten().map(|probe| probe.on(&evidence)).collect()
    }
}

impl Probe {
    fn on(&self, evidence: &Evidence) -> Probed {
        let (verdict, seen) =
            (self.judge)(evidence).unwrap_or_else(|why| (Verdict::NotLooked, why));
        Probed { id: self.id.to_owned(), fact: self.fact.to_owned(), verdict, seen }
    }
}

/// A part of the evidence, or why there is none.
fn part<T>(part: &Result<T, Failure>) -> Result<&T, String> {
    part.as_ref().map_err(|failure| format!("could not {}: {}", failure.what, failure.detail))
}

/// Nothing of the kind is in this account.
fn nothing<T>(of: &str) -> Result<T, String> {
    Err(format!("there is no {of} in this account and Region"))
}

/// Confirmed when nothing speaks against it, with what does otherwise.
fn unless(against: &[String], seen: impl FnOnce() -> String) -> Judged {
    if against.is_empty() {
        Ok((Verdict::Confirmed, seen()))
    } else {
        Ok((Verdict::Differs, against.join("; ")))
    }
}

#[cfg(test)]
mod tests {
    use landfall_core::FailureKind;

    use super::*;

    #[test]
    fn an_account_that_may_not_be_read_confirms_nothing() {
        let denied = || Failure::new(FailureKind::Denied, "read it", "AccessDenied");
        let evidence = Evidence::unread(&denied());
        let probes = || PROBES.into_iter().flatten();
        for probe in probes() {
            let probed = probe.on(&evidence);
            assert_eq!(probed.verdict, Verdict::NotLooked, "{}", probed.id);
            assert!(probed.seen.contains("AccessDenied"), "{probed:?}");
        }
        let mut ids: Vec<_> = probes().map(|probe| probe.id).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), probes().count(), "an id stands twice");
    }

    #[test]
    fn an_empty_account_confirms_nothing() {
        let evidence = Evidence::default();
        for probe in PROBES.into_iter().flatten() {
            let probed = probe.on(&evidence);
            assert_eq!(probed.verdict, Verdict::NotLooked, "{}: {}", probed.id, probed.seen);
        }
    }
}
