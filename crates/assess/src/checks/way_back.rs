//! Whether there is a way back after the release, as far as the spec decides it. What stands
//! against it inside the databases is found when the move prepares it.

use landfall_core::finding::Finding;
use landfall_core::spec::ArmWayBack;

use super::{Seen, page};

const LOSES: &str = "From the release on a roll-back loses what was written to the target since.";

pub(super) fn way_back(seen: &Seen<'_>) -> Vec<Finding> {
    let id = &seen.instance.id;
    match (seen.spec.way_back.arm, &seen.spec.access) {
        (ArmWayBack::Off, _) => vec![
            Finding::note(id, "there is no way back after the release: way_back.arm is off")
                .why(LOSES)
                .remedy("Nothing to do; or choose \"auto\" or \"required\".")
                .see(page::LOGICAL),
        ],
        (ArmWayBack::Auto | ArmWayBack::Required, None) => vec![
            Finding::warning(id, "there is no way back after the release without [access]")
                .why(LOSES)
                .remedy(
                    "Give [access], and the source can take back what the target took; or decide \
                     before the cutover that there is only forward.",
                )
                .see(page::LOGICAL),
        ],
        (ArmWayBack::Auto | ArmWayBack::Required, Some(_)) => vec![],
    }
}
