//! What Aurora's own statistics say of the target, as notes beside the comparison.

use landfall_core::port::database::Answer;

use crate::question::aurora::{Follower, Instances, Wait, Waits};
use crate::question::{Reading, server};

/// What was answered, for people. Nothing that was not looked at counts as fine.
pub fn aurora_notes(answers: &[Answer]) -> Vec<String> {
    let waits = match server::<Waits>(answers) {
        Reading::Looked(Waits(seen)) if seen.items.is_empty() => None,
        Reading::Looked(Waits(seen)) => {
            let told: Vec<String> = seen.items.iter().map(wait).collect();
            Some(format!("since it started, the target waited most for {}", told.join(", ")))
        }
        reading @ (Reading::NotLooked { .. } | Reading::NotAsked) => {
            not_looked("what the target waits for", &reading)
        }
    };
    let instances = match server::<Instances>(answers) {
        Reading::Looked(Instances(seen)) if seen.items.is_empty() => None,
        Reading::Looked(Instances(seen)) => {
            let told: Vec<String> = seen.items.iter().map(follower).collect();
            Some(format!("behind the target's writer: {}", told.join(", ")))
        }
        reading @ (Reading::NotLooked { .. } | Reading::NotAsked) => {
            not_looked("the lag of the target's other instances", &reading)
        }
    };
    waits.into_iter().chain(instances).collect()
}

fn wait(one: &Wait) -> String {
    format!("{} ({:.1} s, {:.0} times)", one.event, one.total_ms / 1000.0, one.waits)
}

fn follower(one: &Follower) -> String {
    let lag = one.lag_ms.map_or_else(|| "an unknown time".to_owned(), |ms| format!("{ms:.0} ms"));
    format!("{} in {} by {lag}", one.server, one.region)
}

fn not_looked<T>(what: &str, reading: &Reading<T>) -> Option<String> {
    Some(match reading {
        Reading::Looked(_) => return None,
        Reading::NotLooked { why, grant: "" } => format!("{what} was not looked at: {why}"),
        Reading::NotLooked { why, grant } => format!("{what} was not looked at ({why}): {grant}"),
        Reading::NotAsked => {
            format!("{what} was not looked at: the server has no such functions of Aurora's")
        }
    })
}

#[cfg(test)]
mod tests {
    use landfall_core::port::database::Said;
    use serde_json::json;

    use super::*;

    fn answer(question: &str, said: Said) -> Answer {
        Answer { question: question.to_owned(), database: None, said }
    }

    #[test]
    fn waits_and_instances_are_told_and_silence_is_not_fine() {
        let waits = json!({"total": 1, "items": [
            {"event": "IO:XactSync", "waits": 120.0, "total_ms": 61_500.0}]});
        let instances = json!({"total": 2, "items": [
            {"server": "shop-2", "region": "eu-west-1", "lag_ms": 14.6},
            {"server": "shop-3", "region": "us-east-1", "lag_ms": null}]});
        let notes = aurora_notes(&[
            answer("aurora_waits", Said::Answer(waits)),
            answer("aurora_instances", Said::Answer(instances)),
        ]);
        assert_eq!(
            notes,
            [
                "since it started, the target waited most for IO:XactSync (61.5 s, 120 times)",
                "behind the target's writer: shop-2 in eu-west-1 by 15 ms, shop-3 in us-east-1 by \
                 an unknown time",
            ]
        );
        let refused =
            Said::Refused { sqlstate: Some("42501".to_owned()), words: "no right".to_owned() };
        let notes = aurora_notes(&[answer("aurora_waits", refused)]);
        assert!(notes[0].contains("(no right): grant pg_monitor"), "{notes:?}");
        assert!(notes[1].contains("no such functions of Aurora's"), "{notes:?}");
    }
}
