//! Security groups: which actors each admits, and an instance's membership in them.
//!
//! Groups are given when the lab starts. A change of membership is accepted first and in force
//! later, and only then does the firewall change: what it means for connections is there.

use std::collections::{BTreeMap, BTreeSet};

use super::refusal::Refusal;
use crate::firewall::Actor;

/// Group id → the actors it lets in.
#[derive(Debug, Clone)]
pub struct SecurityGroups(BTreeMap<String, BTreeSet<Actor>>);

impl Default for SecurityGroups {
    /// The groups that every lab has. The source dials the target as long as there is a way back,
    /// whatever the target wears: its quarantine group, production's, and in a roll-back the
    /// source's own.
    fn default() -> Self {
        use Actor::{Application, Consumer, Gateway, Landfall, Source, Target};
        let groups: [(&str, &[Actor]); 5] = [
            ("sg-app", &[Application, Gateway, Landfall, Consumer, Source]),
            ("sg-gateway", &[Gateway, Landfall]),
            ("sg-quarantine-source", &[Landfall, Consumer, Source, Target]),
            ("sg-quarantine-target", &[Gateway, Landfall, Consumer, Source]),
            ("sg-inspect", &[Landfall]),
        ];
        Self(
            groups
                .into_iter()
                .map(|(id, actors)| (id.to_owned(), actors.iter().copied().collect()))
                .collect(),
        )
    }
}

impl SecurityGroups {
    /// Adds or replaces a group.
    pub fn define(&mut self, id: &str, actors: BTreeSet<Actor>) {
        self.0.insert(id.to_owned(), actors);
    }

    /// Refuses a list with a group that does not exist.
    pub fn check(&self, ids: &[String]) -> Result<(), Refusal> {
        match ids.iter().find(|id| !self.0.contains_key(*id)) {
            Some(id) => {
                Err(Refusal::value(format!("Invalid security group , groupId= {id}, groupName=.")))
            }
            None => Ok(()),
        }
    }

    /// Who may come in through any of these memberships.
    pub fn admitted(&self, memberships: &[Membership]) -> BTreeSet<Actor> {
        memberships
            .iter()
            .filter(|membership| match membership.state {
                MembershipState::Active | MembershipState::Removing => true,
                MembershipState::Adding => false,
            })
            .filter_map(|membership| self.0.get(&membership.group))
            .flatten()
            .copied()
            .collect()
    }
}

/// Where a membership stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MembershipState {
    Active,
    Adding,
    Removing,
}

impl MembershipState {
    /// The word on the wire.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Adding => "adding",
            Self::Removing => "removing",
        }
    }
}

/// One group of an instance or cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    pub group: String,
    pub state: MembershipState,
}

/// Memberships that are in force from the start.
pub fn active(ids: &[String]) -> Vec<Membership> {
    ids.iter().map(|id| Membership { group: id.clone(), state: MembershipState::Active }).collect()
}

/// Begins to replace the memberships by a new list.
pub fn begin(memberships: &mut Vec<Membership>, ids: &[String]) {
    for membership in memberships.iter_mut() {
        if !ids.contains(&membership.group) {
            membership.state = MembershipState::Removing;
        } else if membership.state == MembershipState::Removing {
            membership.state = MembershipState::Active;
        }
    }
    for id in ids {
        if !memberships.iter().any(|membership| membership.group == *id) {
            memberships.push(Membership { group: id.clone(), state: MembershipState::Adding });
        }
    }
}

/// Puts a replacement in force.
pub fn settle(memberships: &mut Vec<Membership>) {
    memberships.retain(|membership| membership.state != MembershipState::Removing);
    for membership in memberships {
        membership.state = MembershipState::Active;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn states(memberships: &[Membership]) -> Vec<(&str, &str)> {
        memberships.iter().map(|each| (each.group.as_str(), each.state.word())).collect()
    }

    #[test]
    fn a_replacement_is_in_force_only_when_it_settles() {
        let groups = SecurityGroups::default();
        let mut memberships = active(&["sg-app".to_owned()]);
        begin(&mut memberships, &["sg-quarantine-source".to_owned()]);
        assert_eq!(
            states(&memberships),
            [("sg-app", "removing"), ("sg-quarantine-source", "adding")]
        );
        assert!(groups.admitted(&memberships).contains(&Actor::Application));
        settle(&mut memberships);
        assert_eq!(states(&memberships), [("sg-quarantine-source", "active")]);
        let admitted = groups.admitted(&memberships);
        let expected = [Actor::Landfall, Actor::Consumer, Actor::Source, Actor::Target];
        assert_eq!(admitted, BTreeSet::from(expected));
    }

    #[test]
    fn changing_back_before_it_settles_leaves_what_was() {
        let mut memberships = active(&["sg-app".to_owned()]);
        begin(&mut memberships, &["sg-inspect".to_owned()]);
        begin(&mut memberships, &["sg-app".to_owned()]);
        settle(&mut memberships);
        assert_eq!(states(&memberships), [("sg-app", "active")]);
    }

    #[test]
    fn an_unknown_group_is_refused() {
        let groups = SecurityGroups::default();
        assert!(groups.check(&["sg-app".to_owned(), "sg-none".to_owned()]).is_err());
    }
}
