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
