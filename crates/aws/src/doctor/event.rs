//! Probes of the sentences of events that Landfall reads.

use aws_sdk_rds::types::Event;
use landfall_core::Failure;
use landfall_core::probe::Verdict;

use super::{Judged, Probe, nothing, part};

pub(super) const PROBES: &[Probe] = &[
    Probe {
        id: "event-of-a-reboot",
        fact: "the end of a reboot is told by an event that says restarted",
        judge: |evidence| told(&evidence.instance_events, "restart", "restarted"),
    },
    Probe {
        id: "event-of-a-promotion",
        fact: "a promotion is told by an event that begins with Promoted Read Replica cluster",
        judge: |evidence| {
            told(
                &evidence.cluster_events,
                "promot",
                "Promoted Read Replica cluster to a stand-alone",
            )
        },
    },
];

/// Whether events that are about something say it in the words that are looked for.
fn told(events: &Result<Vec<Event>, Failure>, about: &str, words: &str) -> Judged {
    let messages = part(events)?.iter().filter_map(Event::message);
    let on_it: Vec<_> =
        messages.filter(|message| message.to_ascii_lowercase().contains(about)).collect();
    if let Some(found) = on_it.iter().find(|message| message.contains(words)) {
        return Ok((Verdict::Confirmed, (*found).to_owned()));
    }
    match on_it.first() {
        Some(other) => Ok((Verdict::Differs, (*other).to_owned())),
        None => nothing("such event of the last 14 days"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::evidence::Evidence;
    use super::*;

    #[test]
    fn other_words_for_the_same_thing_differ() {
        let with = |message: &str| Evidence {
            instance_events: Ok(vec![Event::builder().message(message).build()]),
            ..Evidence::default()
        };
        let [reboot, _] = PROBES else { panic!("two probes") };
        let judged = |message: &str| (reboot.judge)(&with(message));
        assert_eq!(judged("DB instance restarted").unwrap().0, Verdict::Confirmed);
        assert_eq!(judged("DB instance restart finished").unwrap().0, Verdict::Differs);
        assert!(judged("Backup begun").unwrap_err().contains("no such event"));
    }
}
