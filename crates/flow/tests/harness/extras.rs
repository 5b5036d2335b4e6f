//! What hangs on a target beside its data: AWS may refuse it, and the move goes on to its fence.

use landfall_core::Action;
use landfall_core::action::CloudAction;
use landfall_core::failure::FailureKind;
use landfall_core::port::cloud::Tags;
use landfall_core::status::Outcome;
use landfall_flow::Ended;
use landfall_flow::sim::{Fate, Sight, Tap};

use crate::stage::{Healthy, Way, bench};

struct NoExtras(Fate);

impl Tap for NoExtras {
    fn order(&self, action: &Action) -> Fate {
        match action {
            Action::Cloud(CloudAction::Equip(_)) => self.0,
            Action::Cloud(_) | Action::Database(_) | Action::Route(_) => Fate::Done,
        }
    }

    fn look(&self, _: &'static str) -> Sight {
        Sight::Clear
    }
}

#[test]
fn an_extra_that_is_refused_is_told_and_left_to_a_person() {
    for kind in [FailureKind::Denied, FailureKind::Invalid, FailureKind::QuotaExceeded] {
        let mut bench = bench(Way::Terminate);
        bench.spec.target.tags = Some(Tags::from([("team".to_owned(), "shop".to_owned())]));
        bench.start();
        let ended = bench.drive_with("first", &NoExtras(Fate::Refused(kind)), &Healthy);
        assert_eq!(ended, Some(Ended::Finished(Outcome::Moved)), "{kind:?}\n{}", bench.tail());
        let warnings = bench.view().facts.warnings;
        let told = warnings.iter().find(|(about, _)| about.contains("AddTagsToResource"));
        let (_, text) = told.unwrap_or_else(|| panic!("{kind:?}: {warnings:?}"));
        assert!(text.starts_with("refused: "), "{text}");
        assert!(text.ends_with("by hand when it is missed"), "{text}");
    }
}

fn with_everything_beside(bench: &mut crate::support::Bench) {
    let proxy =
        serde_json::json!({ "name": "orders-proxy", "role": "arn:r", "secrets": ["arn:s"] });
    bench.spec.target.proxy = Some(serde_json::from_value(proxy).unwrap());
    let global =
        serde_json::json!({ "name": "world", "region": "us-east-1", "cluster": "orders-far" });
    bench.spec.target.global = Some(serde_json::from_value(global).unwrap());
}

#[test]
fn a_proxy_and_a_second_region_are_there_when_the_move_is_over() {
    let mut bench = bench(Way::Terminate);
    with_everything_beside(&mut bench);
    bench.start();
    let ended = bench.drive_with("first", &NoExtras(Fate::Done), &Healthy);
    assert_eq!(ended, Some(Ended::Finished(Outcome::Moved)), "{}", bench.tail());
    let equipped = bench.view().facts.equipped;
    let told: Vec<_> = equipped.iter().map(|(what, state)| format!("{what}: {state}")).collect();
    let far = "Global Database world: orders-far in us-east-1 is available, 80 ms behind";
    let proxy = "proxy orders-proxy: available at orders-proxy.proxy.model, 1 instance reached";
    assert_eq!(told, [far, proxy]);
}

#[test]
fn whatever_aws_answers_about_what_stands_beside_the_move_ends() {
    for kind in [FailureKind::Denied, FailureKind::WrongState, FailureKind::Throttled] {
        let mut bench = bench(Way::Terminate);
        with_everything_beside(&mut bench);
        bench.start();
        let ended = bench.drive_with("first", &NoExtras(Fate::Refused(kind)), &Healthy);
        assert_eq!(ended, Some(Ended::Finished(Outcome::Moved)), "{kind:?}\n{}", bench.tail());
        let warnings = bench.view().facts.warnings;
        for what in ["proxy orders-proxy", "Global Database world"] {
            let text = warnings.get(what).unwrap_or_else(|| panic!("{kind:?}: {warnings:?}"));
            assert!(text.contains("is yours to finish: refused: "), "{text}");
        }
    }
}
