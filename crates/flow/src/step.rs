//! A step: three functions, none of which can write.
//!
//! `observe` reads the world through the ports, `plan` and `undo` are pure. Acting and seeing
//! that it worked belong to the driver, once, for all steps.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use landfall_core::failure::Failure;
use landfall_core::port::Ports;
use landfall_core::status::Course;
use landfall_core::{Action, Code, Fact, Facts, Problem, Sample, Series, Spec};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// What the sampler has measured, by series.
pub type Samples = BTreeMap<Series, Vec<Sample>>;

/// What a step may look at.
#[derive(Clone, Copy)]
pub struct Look<'a> {
    /// The world, read-only by convention of [`Step::observe`].
    pub ports: Ports<'a>,
    /// What was asked.
    pub spec: &'a Spec,
    /// What is remembered.
    pub facts: &'a Facts,
    /// When this step became the current one.
    pub entered_at: Timestamp,
    /// What the sampler has measured in this attempt.
    pub samples: &'a Samples,
    /// Doing or undoing: the way back must not depend on what only the way forward needs.
    pub course: Course,
}

impl Look<'_> {
    /// The instant now, by the driver's clock.
    pub fn now(&self) -> Timestamp {
        self.ports.clock.now()
    }
}

/// A wait: for what, how often to look, and when it becomes a problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wait {
    /// What is awaited; journaled when it changes.
    pub why: String,
    /// The last reading, for the progress line; not journaled.
    pub reading: String,
    /// Look again after this.
    pub every: Duration,
    /// Too long after this.
    pub within: Duration,
    /// What a person is told then.
    pub late: Problem,
}

/// What a step decides.
#[derive(Debug, Clone, PartialEq)]
pub enum Plan {
    /// Seen to be done.
    Done,
    /// Remember this, then look again.
    Learn(Fact),
    /// Remember this; with it the step is done, and nobody waits for a second look.
    Conclude(Fact),
    /// Do the first, then look again. The rest tells the dry run what is meant to follow.
    Do(Vec<Action>),
    /// The world needs time.
    Wait(Box<Wait>),
    /// What an earlier step proved does not hold any more: the move goes on from there.
    Return(&'static str),
    /// The spec says that the move is undone now, and why. Only before the point of no return.
    GiveUp(String),
    /// A person decides at the gate of this name.
    Gate(&'static str),
    /// It cannot go on like this.
    Blocked(Box<Problem>),
}

impl Plan {
    /// One action.
    pub fn act(action: impl Into<Action>) -> Self {
        Self::Do(vec![action.into()])
    }

    /// A stop.
    pub fn blocked(problem: Problem) -> Self {
        Self::Blocked(Box::new(problem))
    }

    /// A wait on AWS with the spec's rhythm and patience.
    pub fn wait(spec: &Spec, why: impl Into<String>, reading: impl Into<String>) -> Self {
        let why = why.into();
        let late = Problem::new(
            Code::WaitTooLong,
            format!("still waiting: {why}"),
            "Look at the resource in the AWS console; when it moves again, run `landfall resume`.",
        );
        Self::Wait(Box::new(Wait {
            why,
            reading: reading.into(),
            every: spec.limits.look_every,
            within: spec.limits.step_within,
            late,
        }))
    }

    /// The same wait, looked at more often: for the window in which people wait.
    #[must_use]
    pub fn every(mut self, pause: Duration) -> Self {
        if let Self::Wait(wait) = &mut self {
            wait.every = wait.every.min(pause);
        }
        self
    }

    /// The same wait, looked at less often: for what changes slowly.
    #[must_use]
    pub fn seldom(mut self, pause: Duration) -> Self {
        if let Self::Wait(wait) = &mut self {
            wait.every = wait.every.max(pause);
        }
        self
    }

    /// The same wait with another patience and what is told when it ends.
    #[must_use]
    pub fn or(mut self, within: Duration, late: Problem) -> Self {
        if let Self::Wait(wait) = &mut self {
            wait.within = within;
            wait.late = late;
        }
        self
    }
}

/// How long ago something was. A clock that was set back has not made anybody wait.
pub(crate) fn elapsed(since: Timestamp, now: Timestamp) -> Duration {
    now.duration_since(since).max(SignedDuration::ZERO).unsigned_abs()
}

/// The highest value of a series.
pub(crate) fn highest(samples: &Samples, series: Series) -> Option<f64> {
    let of = samples.get(&series)?;
    of.iter().map(|sample| sample.maximum).reduce(f64::max)
}

/// The sum of everything measured in a series.
pub(crate) fn total(samples: &Samples, series: Series) -> Option<f64> {
    let of = samples.get(&series).filter(|of| !of.is_empty())?;
    Some(of.iter().map(|sample| sample.average * f64::from(sample.count)).sum())
}

/// How far AWS's clock may be from ours; beyond it AWS refuses every call as too far skewed.
pub(crate) const SKEW_AT_MOST: SignedDuration = SignedDuration::from_mins(15);

/// How often to look inside the pause.
pub const BRISK: Duration = Duration::from_millis(20);

/// One step of a process.
pub trait Step: Send + Sync + 'static {
    /// Stored in every journal; never renamed.
    const ID: &'static str;
    /// For people: what it does, as an order.
    const TITLE: &'static str;
    /// What it looked at; journaled with the decision. A field `now` is ignored when two looks
    /// are compared.
    type Seen: Serialize + DeserializeOwned + Send;

    /// Reads; never writes.
    fn observe(&self, look: &Look<'_>) -> impl Future<Output = Result<Self::Seen, Failure>> + Send;
    /// What to do next, forward.
    fn plan(&self, spec: &Spec, facts: &Facts, seen: &Self::Seen) -> Plan;
    /// What to do next, backward.
    fn undo(&self, spec: &Spec, facts: &Facts, seen: &Self::Seen) -> Plan;
    /// What the step does, forward, when a call of its fails: asked at each failure. `None` = it is
    /// tried again as long as that makes sense, and is a problem then.
    fn instead(&self, _: &Spec, _: &Facts, _: &Failure, _: Tried) -> Option<Instead> {
        None
    }
}

/// For how long a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tried {
    /// It will be tried again; its step goes on for this long.
    For(Duration),
    /// It will not be tried again by itself.
    InVain,
}

/// How a step goes on without what fails.
#[derive(Debug, Clone, PartialEq)]
pub enum Instead {
    /// Remember this, then look again.
    Learn(Box<Fact>),
    /// The spec says that the move is undone now, and why.
    GiveUp(String),
}

impl Instead {
    /// What a plan comes to where a call has failed: it cannot wait or order.
    pub fn of(plan: Plan) -> Option<Self> {
        match plan {
            Plan::Learn(fact) => Some(Self::Learn(Box::new(fact))),
            Plan::GiveUp(why) => Some(Self::GiveUp(why)),
            Plan::Done
            | Plan::Conclude(_)
            | Plan::Do(_)
            | Plan::Wait(_)
            | Plan::Return(_)
            | Plan::Gate(_)
            | Plan::Blocked(_) => None,
        }
    }
}

/// What was seen and what follows from it.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// The step's `Seen`.
    pub seen: Value,
    /// The plan or the undo.
    pub plan: Plan,
}

/// A step in the table, its `Seen` erased.
#[async_trait]
pub trait AnyStep: Send + Sync {
    /// [`Step::ID`].
    fn id(&self) -> &'static str;
    /// [`Step::TITLE`].
    fn title(&self) -> &'static str;
    /// Observes and decides.
    async fn decide(&self, look: &Look<'_>) -> Result<Decision, Failure>;
    /// [`Step::instead`].
    fn instead(&self, _: &Spec, _: &Facts, _: &Failure, _: Tried) -> Option<Instead> {
        None
    }
}

#[async_trait]
impl<S: Step> AnyStep for S {
    fn id(&self) -> &'static str {
        S::ID
    }

    fn title(&self) -> &'static str {
        S::TITLE
    }

    async fn decide(&self, look: &Look<'_>) -> Result<Decision, Failure> {
        let seen = self.observe(look).await?;
        let plan = match look.course {
            Course::Doing => self.plan(look.spec, look.facts, &seen),
            Course::Undoing => self.undo(look.spec, look.facts, &seen),
        };
        let seen = serde_json::to_value(&seen).expect("a step's Seen is plain data");
        Ok(Decision { seen, plan })
    }

    fn instead(
        &self,
        spec: &Spec,
        facts: &Facts,
        failure: &Failure,
        tried: Tried,
    ) -> Option<Instead> {
        Step::instead(self, spec, facts, failure, tried)
    }
}
