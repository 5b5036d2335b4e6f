//! The watch: from the committed release on one side takes the writes, and the other stays shut.
//!
//! It is no step. Whatever the move does behind its release, and also while it does nothing at all
//! (stopped, paused, at a gate), the groups of the fenced side are looked at again and again. Who
//! put others there opened a second writable side: they are replaced at once, sessions that came in
//! meanwhile are ended where there is access, and people are told. Orders are journaled like any
//! other, with the cause [`Cause::Watch`], and leave the walk where it stands. When it dies between
//! two orders, the journal says which sessions are still to be ended.

use std::time::Duration;

use jiff::Timestamp;
use landfall_core::action::{CloudAction, DatabaseAction, SessionClass};
use landfall_core::failure::Failure;
use landfall_core::ids::{Endpoint, SecurityGroupId};
use landfall_core::journal::{Cause, Commitment, Record};
use landfall_core::port::Cloud;
use landfall_core::port::cloud::{GroupMembership, ResourceState, Subject};
use landfall_core::status::Line;
use landfall_core::{Action, Fact};

use super::{Drive, Ended, Placed};
use crate::step::Step;
use crate::steps::{Membership, RetireSource, groups_are, side};
use crate::view::View;

/// Between two looks at groups that were just changed.
const SOON: Duration = Duration::from_secs(1);
/// Between two looks when they fail, or have no effect.
const SELDOM: Duration = Duration::from_mins(5);
/// Looks that fail in a row before people are told that nobody watches.
const BLIND_MAX: u32 = 3;

/// The side that nobody may write to.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Fenced {
    /// What wears the groups.
    subject: Subject,
    /// Each of these, alone, keeps it shut; the first is put on.
    shut: Vec<SecurityGroupId>,
    /// Where its sessions are ended.
    at: Option<Endpoint>,
}

/// What the watch remembers. Everything that must outlast it is in the journal.
#[derive(Debug, Default)]
pub(super) struct Guard {
    next: Option<Timestamp>,
    /// Looks and orders that failed in a row.
    failed: u32,
}

/// Which side is fenced while the move stands there; none before the release and after the end.
/// A roll-back that has not held anybody yet leaves the source fenced as it was, however long it
/// stands there; inside its pause the steps look for themselves.
pub(super) fn fenced_side(view: &View) -> Option<Fenced> {
    let (status, spec) = (&view.status, &view.spec);
    let line = match (status.line, status.commitment) {
        (Line::Migrate, Commitment::Revocable) => return None,
        (Line::Migrate, Commitment::Committed) => Line::Migrate,
        (Line::Reverse, Commitment::Revocable) if view.facts.held_since.is_some() => return None,
        (Line::Reverse, Commitment::Revocable) => Line::Migrate,
        (Line::Reverse, Commitment::Committed) => Line::Reverse,
    };
    if status.is_finished() {
        return None;
    }
    let mut shut = vec![spec.cutover.quarantine_group.clone()];
    if status.step == RetireSource::ID {
        shut.extend(spec.retire.inspection_group.clone());
    }
    let subject = side::subject(spec, line);
    Some(Fenced { subject, shut, at: side::loser(&view.facts, line).cloned() })
}

impl Fenced {
    /// What is to be done about the groups it wears. `opened` says that it was found open, and the
    /// sessions of that time were not ended yet.
    fn order(&self, wears: &[GroupMembership], opened: Option<Timestamp>) -> Option<Action> {
        let how = |group: &SecurityGroupId| groups_are(wears, std::slice::from_ref(group));
        if self.shut.iter().all(|group| how(group) == Membership::Different) {
            return self.close();
        }
        // Groups that are still being changed let somebody in after we ended all.
        let in_force = self.shut.iter().any(|group| how(group) == Membership::InForce);
        let at = self.at.clone().filter(|_| opened.is_some() && in_force)?;
        Some(DatabaseAction::TerminateSessions { at, class: SessionClass::All }.into())
    }

    fn close(&self) -> Option<Action> {
        let groups = vec![self.shut.first()?.clone()];
        Some(match &self.subject {
            Subject::Instance(instance) => {
                let instance = instance.clone();
                CloudAction::SetInstanceSecurityGroups { instance, groups }.into()
            }
            Subject::Cluster(cluster) => {
                let cluster = cluster.clone();
                CloudAction::SetClusterSecurityGroups { cluster, groups }.into()
            }
        })
    }

    fn name(&self) -> String {
        match &self.subject {
            Subject::Instance(instance) => format!("instance {instance}"),
            Subject::Cluster(cluster) => format!("cluster {cluster}"),
        }
    }

    /// The groups it wears. One that is gone, or being deleted, takes no writes.
    async fn look(&self, cloud: &dyn Cloud) -> Result<Option<Vec<GroupMembership>>, Failure> {
        let stays = |state: &ResourceState| *state != ResourceState::Deleting;
        Ok(match &self.subject {
            Subject::Instance(id) => {
                cloud.instance(id).await?.filter(|one| stays(&one.state)).map(|o| o.security_groups)
            }
            Subject::Cluster(id) => {
                cloud.cluster(id).await?.filter(|one| stays(&one.state)).map(|o| o.security_groups)
            }
        })
    }
}

impl Drive<'_> {
    /// Looks at the fenced side when it is time to, and shuts it when somebody opened it.
    pub(super) async fn watch(&mut self) -> Result<(), Ended> {
        let Some(mut fenced) = fenced_side(&self.view) else { return Ok(()) };
        let now = self.driver.ports.clock.now();
        if self.guard.next.is_some_and(|next| now < next) {
            return Ok(());
        }
        if self.driver.ports.database.is_none() {
            fenced.at = None;
        }
        self.keep_lease().await?;
        match fenced.look(self.driver.ports.cloud).await {
            Ok(wears) => self.respond(&fenced, &wears.unwrap_or_default()).await?,
            Err(failure) => self.unwatched(&fenced, &failure).await?,
        }
        self.guard.next = self.driver.ports.clock.now().checked_add(self.until_next(&fenced)).ok();
        Ok(())
    }

    fn until_next(&self, fenced: &Fenced) -> Duration {
        let every = self.view.spec.limits.look_every;
        if self.guard.failed > 0 {
            let slower = 2_u32.saturating_pow(self.guard.failed.min(16));
            return every.saturating_mul(slower).min(SELDOM).max(every);
        }
        let unsettled = self.view.opened.is_some() && fenced.at.is_some();
        if unsettled { every.min(SOON) } else { every }
    }

    async fn respond(&mut self, fenced: &Fenced, wears: &[GroupMembership]) -> Result<(), Ended> {
        let order = if wears.is_empty() { None } else { fenced.order(wears, self.view.opened) };
        let Some(action) = order else {
            self.guard.failed = 0;
            return Ok(());
        };
        let closes = matches!(action, Action::Cloud(_));
        let intent = Record::Intended {
            action: Box::new(action.clone()),
            seen: serde_json::to_value(wears).unwrap_or_default(),
            course: self.view.status.course,
            commitment: self.view.status.commitment,
            cause: Cause::Watch,
        };
        if self.place(intent).await? == Placed::Outrun {
            return Ok(());
        }
        self.keep_lease().await?;
        let done = self.perform(&action).await;
        self.record(Record::acted(&done)).await?;
        let text = match &done {
            Ok(_) if closes => shut_again(fenced, wears),
            Ok(_) => {
                self.guard.failed = 0;
                return Ok(());
            }
            Err(failure) => {
                format!("{} was found open, and could not {}: {failure}", fenced.name(), action)
            }
        };
        // An order that is taken and changes nothing is not given again at every look.
        self.guard.failed = self.guard.failed.saturating_add(1);
        self.alarm(fenced, text).await
    }

    async fn unwatched(&mut self, fenced: &Fenced, failure: &Failure) -> Result<(), Ended> {
        tracing::debug!(error = %failure, "the watch failed");
        self.guard.failed = self.guard.failed.saturating_add(1);
        if self.guard.failed != BLIND_MAX {
            return Ok(());
        }
        let text = format!(
            "nobody can see whether {} is still fenced (could not {}): look at its security groups",
            fenced.name(),
            failure.what
        );
        self.alarm(fenced, text).await
    }

    /// Tells people, once for each thing that is to be told.
    async fn alarm(&mut self, fenced: &Fenced, text: String) -> Result<(), Ended> {
        let about = format!("the fence of {}", fenced.name());
        if self.view.facts.warnings.get(&about) == Some(&text) {
            return Ok(());
        }
        self.driver.gauge.alarm(&self.view.name, &text);
        let fact = Box::new(Fact::Warned { about, text });
        self.record(Record::Learned { fact }).await
    }
}

fn shut_again(fenced: &Fenced, wears: &[GroupMembership]) -> String {
    let groups: Vec<&str> = wears.iter().map(|member| member.group.as_str()).collect();
    let rest = if fenced.at.is_some() {
        "client sessions are ended too"
    } else {
        "sessions that came meanwhile may go on until it is rebooted"
    };
    format!(
        "{} was open behind the release (security groups {}) and is shut again; {rest}: find out \
         who opened it, and whether rows were written there that the other side does not have",
        fenced.name(),
        groups.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fenced() -> Fenced {
        Fenced {
            subject: Subject::Instance("orders-prod".into()),
            shut: vec!["sg-quarantine".into(), "sg-inspection".into()],
            at: Some(Endpoint::new("orders-prod.example", 5432)),
        }
    }

    fn wears(groups: &[&str], active: Active) -> Vec<GroupMembership> {
        let active = active == Active::InForce;
        groups.iter().map(|group| GroupMembership { group: (*group).into(), active }).collect()
    }

    #[derive(PartialEq, Clone, Copy)]
    enum Active {
        InForce,
        Changing,
    }

    #[test]
    fn only_a_quarantine_alone_is_shut() {
        let fenced = fenced();
        for open in [&["sg-app"][..], &["sg-app", "sg-quarantine"], &["sg-inspection", "sg-app"]] {
            let order = fenced.order(&wears(open, Active::InForce), None);
            assert_eq!(order, fenced.close(), "{open:?}");
        }
        for shut in ["sg-quarantine", "sg-inspection"] {
            assert_eq!(fenced.order(&wears(&[shut], Active::InForce), None), None, "{shut}");
        }
        assert_eq!(fenced.order(&wears(&["sg-app"], Active::Changing), None), None);
    }

    #[test]
    fn sessions_are_ended_once_nobody_can_come_in() {
        let (fenced, opened) = (fenced(), Some(Timestamp::UNIX_EPOCH));
        let changing = wears(&["sg-quarantine"], Active::Changing);
        assert_eq!(fenced.order(&changing, opened), None);
        let order = fenced.order(&wears(&["sg-quarantine"], Active::InForce), opened);
        assert!(matches!(order, Some(Action::Database(_))), "{order:?}");
        let unreachable = Fenced { at: None, ..fenced };
        assert_eq!(unreachable.order(&wears(&["sg-quarantine"], Active::InForce), opened), None);
    }

    #[test]
    fn a_cluster_is_shut_as_an_instance_is() {
        let fenced = Fenced { subject: Subject::Cluster("orders-aurora".into()), ..fenced() };
        let order = fenced.order(&wears(&["sg-app"], Active::InForce), None);
        let wanted = CloudAction::SetClusterSecurityGroups {
            cluster: "orders-aurora".into(),
            groups: vec!["sg-quarantine".into()],
        };
        assert_eq!(order, Some(wanted.into()));
    }
}
