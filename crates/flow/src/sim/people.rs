//! The people of a simulation: an operator who answers, somebody who asks at the wrong moment, and
//! a world that has its own life.

use std::time::Duration;

use landfall_core::Phase::{Cutover, Quiesce};
use landfall_core::journal::Request;
use landfall_core::port::Clock;
use landfall_core::status::{Course, Run, Status};

use super::coverage::Way;
use super::dice::Dice;
use super::night::Night;
use super::witness::goes_forward;
use crate::model::Presence;

/// After so many resumed stops the operator gives up, if that is still possible.
const RESUMES: u32 = 8;
/// How often a move that waits to be accepted is rolled back, in thousandths.
const ROLLED_BACK: u32 = 400;

impl Night<'_> {
    /// Approves, resumes after a while, and gives up in the end.
    pub(super) async fn operator(&self) {
        let (mut resumed, mut rolled_back) = (0, false);
        let dice = self.dice("the operator");
        loop {
            self.world.sleep(dice.time(Duration::from_millis(300), Duration::from_secs(3))).await;
            let Some(status) = self.status() else { continue };
            let by = "the operator".to_owned();
            let request = match status.run {
                Run::AwaitingApproval { ref gate } if !rolled_back && self.rolls_back(gate) => {
                    rolled_back = true;
                    let why = "the application is slow".to_owned();
                    Request::RollBack { by, why, accept_loss: None }
                }
                Run::AwaitingApproval { gate } => {
                    Request::Approve { gate, by, note: String::new() }
                }
                Run::Paused { .. } | Run::NeedsHuman { .. } if resumed < RESUMES => {
                    self.world.sleep(dice.seconds(1, 60)).await;
                    self.mend();
                    resumed += 1;
                    Request::Resume { by }
                }
                Run::Paused { .. } | Run::NeedsHuman { .. } => {
                    self.mend();
                    let why = "it stopped too often".to_owned();
                    if self.ask(Request::Abort { by: by.clone(), why }).await {
                        continue;
                    }
                    Request::Resume { by }
                }
                Run::Running | Run::Waiting { .. } | Run::Finished { .. } => continue,
            };
            self.ask(request).await;
        }
    }

    /// Asks for anything at any time; most of it is refused.
    pub(super) async fn person(&self) {
        let dice = self.dice("a person");
        let mut aimed = false;
        loop {
            self.world.sleep(dice.time(Duration::from_millis(50), Duration::from_secs(1))).await;
            let Some(status) = self.status() else { continue };
            let (by, why) = ("somebody".to_owned(), "a feeling".to_owned());
            if !aimed && self.is_undone_here(&status) {
                aimed = self.ask(Request::Abort { by, why }).await;
                continue;
            }
            // People are nervous while it matters.
            let tense = [Quiesce, Cutover].contains(&status.phase);
            let luck = self.luck.people * if tense { 10 } else { 1 };
            let Some(mut draw) = self.weather.happens("a person asks", luck) else { continue };
            let request = match draw.pick(&[0, 1, 2, 2]).unwrap_or(0) {
                0 => Request::Abort { by, why },
                1 => Request::Resume { by },
                _ => Request::Pause { by, why },
            };
            self.ask(request).await;
        }
    }

    /// Whether the night aims at the undo of the step that the move has come to.
    fn is_undone_here(&self, status: &Status) -> bool {
        self.weather.aim.as_ref().is_some_and(|spot| {
            spot.way == Way::Undoing && spot.step == status.step && goes_forward(status)
        })
    }

    /// Whether the person at the last gate goes back instead of accepting.
    fn rolls_back(&self, gate: &str) -> bool {
        gate == crate::steps::ACCEPT_GATE
            && self.weather.chosen("it is rolled back", ROLLED_BACK).is_some()
    }

    async fn ask(&self, request: Request) -> bool {
        let what = format!("{request:?}");
        let (book, name) = (self.book(), &self.spec.migration.name);
        let asked = crate::request(&book, self.world, name, request).await;
        if asked.is_err() {
            self.story.tell(format!("refused: {what}"));
        }
        asked.is_ok()
    }

    /// Things happen, and most of them pass.
    pub(super) async fn meddler(&self) {
        let dice = self.dice("the world");
        loop {
            self.world.sleep(dice.time(Duration::from_millis(100), Duration::from_secs(4))).await;
            if self.weather.happens("something happens", self.luck.world).is_some() {
                self.meddle(&dice).await;
            }
        }
    }

    async fn meddle(&self, dice: &Dice) {
        let Some(status) = self.status() else { return };
        let node = dice.pick(&["sidecar-1", "sidecar-2"]);
        match dice.pick(&[0, 0, 1, 2, 3, 4, 5, 6]) {
            0 => {
                self.does("the replica stalls", |world| world.stall());
                let short = dice.seconds(1, 40);
                let stalls = dice.pick(&[short, short, dice.seconds(60, 240)]);
                self.world.sleep(stalls).await;
                self.does("the replica recovers", |world| world.recover());
            }
            1 => {
                self.does("a proxy goes", |world| world.disconnect(node));
                self.world.sleep(dice.seconds(1, 20)).await;
                self.does("a proxy is back", |world| world.reconnect(node));
            }
            2 => {
                self.does("a proxy is mute", |world| world.mute(node));
                self.world.sleep(dice.seconds(1, 20)).await;
                self.does("a proxy speaks", |world| world.reconnect(node));
            }
            3 => {
                let open_for = dice.seconds(1, 30);
                self.does("a long transaction", |world| world.long_transaction(open_for));
            }
            4 => {
                self.does("a stale slot", |world| world.stale_slot(Presence::There));
                self.world.sleep(dice.seconds(1, 30)).await;
                self.does("the slot is dropped", |world| world.stale_slot(Presence::Gone));
            }
            // Who is let in by the quarantine group and comes after the last proof cannot be
            // seen by anybody; and without access nobody looks.
            5 if self.spec.access.is_some() && is_before_fence(&status) => {
                self.does("a client past the gateway", |world| world.bypass());
            }
            6 if soaks(&status) => {
                let production = ["sg-app".into(), "sg-office".into()];
                self.does("the source is opened", |world| world.regroup_source(&production));
            }
            _ if status.step == "replicate.wait_available" && dice.chance(100) => {
                self.does("AWS gives up", |world| world.fail_replicas());
            }
            _ => {}
        }
    }

    /// What a person mends before they resume.
    fn mend(&self) {
        self.does("somebody mends the world", |world| {
            world.recover();
            world.end_bypass();
            world.stale_slot(Presence::Gone);
            world.reconnect("sidecar-1");
            world.reconnect("sidecar-2");
        });
    }

    fn does(&self, what: &str, change: impl FnOnce(&mut crate::model::Meddling<'_>)) {
        self.story.tell(what.to_owned());
        self.world.meddle(change);
    }
}

fn is_before_fence(status: &Status) -> bool {
    let phase = status.phase;
    let fence = ["quiesce.hold_traffic", "quiesce.fence_source"].contains(&status.step.as_str());
    let early = phase < Quiesce || fence;
    early && status.course == Course::Doing
}

fn soaks(status: &Status) -> bool {
    matches!(&status.run, Run::AwaitingApproval { gate } if gate == crate::steps::ACCEPT_GATE)
}
