//! Rows of the process with a mistake in one step.

use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use landfall_core::action::{CloudAction, RouteAction};
use landfall_core::facts::{MetricVerdict, SyncProof};
use landfall_core::failure::Failure;
use landfall_core::port::router::Traffic;
use landfall_core::status::{Course, Status};
use landfall_core::{Action, Fact};

use super::Break;
use crate::process::{self, Row};
use crate::step::{AnyStep, Decision, Look, Plan, Step as _};
use crate::steps::{DrainReplica, FenceSource, PointAtTarget};

/// A step whose decision is spoilt.
struct Spoilt {
    step: &'static dyn AnyStep,
    planted: Break,
}

#[async_trait]
impl AnyStep for Spoilt {
    fn id(&self) -> &'static str {
        self.step.id()
    }

    fn title(&self) -> &'static str {
        self.step.title()
    }

    async fn decide(&self, look: &Look<'_>) -> Result<Decision, Failure> {
        let Decision { seen, plan } = self.step.decide(look).await?;
        let forward = look.course == Course::Doing;
        let step = self.step.id();
        let plan = match (self.planted, plan) {
            (Break::PromotionWithoutMarker, Plan::Wait(_))
                if forward && step == DrainReplica::ID =>
            {
                Plan::Conclude(believed(look))
            }
            (Break::UndoForgetsGroupOrder, Plan::Do(actions))
                if !forward && step == FenceSource::ID =>
            {
                Plan::Do(actions.into_iter().map(reversed).collect())
            }
            (Break::PointSentAtOnce, Plan::Done) if forward && step == PointAtTarget::ID => {
                told_at_once(look).await?
            }
            (_, plan) => plan,
        };
        Ok(Decision { seen, plan })
    }
}

fn believed(look: &Look<'_>) -> Fact {
    Fact::Proven(SyncProof {
        marker_lsn: None,
        replay_lsn: None,
        metric: MetricVerdict::Silent,
        zero_touches: 0,
        at: look.now(),
    })
}

fn reversed(action: Action) -> Action {
    match action {
        Action::Cloud(CloudAction::SetInstanceSecurityGroups { instance, mut groups }) => {
            groups.reverse();
            CloudAction::SetInstanceSecurityGroups { instance, groups }.into()
        }
        Action::Cloud(_) | Action::Database(_) | Action::Route(_) => action,
    }
}

/// The pointed route is opened by the row that only stores it.
async fn told_at_once(look: &Look<'_>) -> Result<Plan, Failure> {
    let view = look.ports.router.view(&look.spec.route.service).await?;
    let held = view.route.filter(|route| route.traffic == Traffic::Held);
    Ok(held.map_or(Plan::Done, |route| {
        let (service, epoch) = (route.service, route.epoch + 1);
        Plan::act(RouteAction::Release { service, epoch })
    }))
}

/// Tables with a mistake, made once: they live as long as the program, like the real ones.
static TABLES: Mutex<Vec<Table>> = Mutex::new(Vec::new());

/// A mistake, the rows it was planted in, and what became of them.
type Table = (Break, &'static [Row], &'static [Row]);

/// The rows that a move walks, with one mistake.
pub(super) fn with(planted: Break, status: &Status) -> &'static [Row] {
    let right = process::walked(status);
    let mut tables = TABLES.lock().unwrap_or_else(PoisonError::into_inner);
    let known = |(of, from, _): &&Table| *of == planted && std::ptr::eq(*from, right);
    if let Some((_, _, spoilt)) = tables.iter().find(known) {
        return spoilt;
    }
    let spoil = |row: &Row| Row {
        step: Box::leak(Box::new(Spoilt { step: row.step, planted })),
        phase: row.phase,
        window: row.window,
        commitment: row.commitment,
        undo: row.undo,
        writes: row.writes,
        safe: row.safe,
    };
    let spoilt: &'static [Row] = Box::leak(right.iter().map(spoil).collect());
    tables.push((planted, right, spoilt));
    spoilt
}
