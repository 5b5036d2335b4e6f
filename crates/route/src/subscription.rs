//! One service on one proxy's stream: what was sent, what the proxy has, and what it needs.
//!
//! Pure; it neither reads the store nor writes to a stream. Invariants: no cluster goes out while
//! the route is held, a removal goes out only to a proxy that certainly has the cluster and once
//! per hold (a removal without a cluster makes Envoy drop the connections it holds), and epochs
//! never go back. It dies with the stream: the next one learns from Envoy's reported versions.

use std::sync::Arc;

use landfall_core::port::router::{Route, Traffic};

use crate::resource::Rendered;

/// The proxy's copy of the cluster, as far as it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ProxyCopy {
    /// It has none: its new connections wait.
    Absent,
    /// One is on its way to a proxy that had none; it may still refuse it.
    Unconfirmed,
    /// It has one, perhaps not the newest.
    Present,
    /// It has one and refused to give it up; it is not asked again.
    Kept,
}

/// What a proxy is told about a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Told {
    /// The service goes there: the release.
    Cluster(Arc<Rendered>),
    /// Forget the cluster: the hold, with the route's epoch.
    Removal(u64),
}

impl Told {
    fn epoch(&self) -> u64 {
        match self {
            Self::Cluster(rendered) => rendered.route.epoch,
            Self::Removal(epoch) => *epoch,
        }
    }
}

/// What is known of a proxy's part in one route.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) subscribed: bool,
    pub(crate) sent: Option<u64>,
    pub(crate) acknowledged: Option<u64>,
    pub(crate) rejected: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Interest {
    Wanted,
    Withdrawn,
}

/// The state of one service on one stream.
#[derive(Debug)]
pub(crate) struct Subscription {
    interest: Interest,
    copy: ProxyCopy,
    sent: Option<u64>,
    acknowledged: Option<u64>,
    rejected: Option<String>,
    /// Sent and not answered yet, oldest first, with their nonces.
    in_flight: Vec<(u64, Told)>,
}

impl Subscription {
    /// A first subscription; `reported` is the version of the copy the proxy says it has.
    pub(crate) fn new(reported: Option<&str>) -> Self {
        let mut fresh = Self {
            interest: Interest::Wanted,
            copy: ProxyCopy::Absent,
            sent: None,
            acknowledged: None,
            rejected: None,
            in_flight: Vec::new(),
        };
        fresh.subscribe(reported);
        fresh
    }

    /// A subscription, perhaps again: what stands is due again, unless the proxy reports it.
    pub(crate) fn subscribe(&mut self, reported: Option<&str>) {
        self.interest = Interest::Wanted;
        self.sent = None;
        if let Some(version) = reported {
            // A version that is not a number is another control plane's: a copy of unknown age.
            let epoch = version.parse().ok();
            self.copy = ProxyCopy::Present;
            self.sent = epoch;
            self.acknowledged = epoch;
        }
    }

    /// The proxy drops the cluster by itself.
    pub(crate) fn unsubscribe(&mut self) {
        self.interest = Interest::Withdrawn;
        self.copy = ProxyCopy::Absent;
        self.in_flight.clear();
    }

    /// What the proxy has to be told for `route` to stand, if anything; silence is the answer
    /// for a proxy that has nothing while the route is held.
    pub(crate) fn due(&self, rendered: &Arc<Rendered>) -> Option<Told> {
        let route = &rendered.route;
        if self.interest == Interest::Withdrawn || self.is_ahead_of(route) {
            return None;
        }
        match (route.traffic, self.copy) {
            (Traffic::Open, _) => self
                .sent
                .is_none_or(|sent| sent < route.epoch)
                .then(|| Told::Cluster(Arc::clone(rendered))),
            (Traffic::Held, ProxyCopy::Present) => Some(Told::Removal(route.epoch)),
            // Unconfirmed: a removal that overtakes a refusal would end the held connections, so
            // it waits for the answer.
            (Traffic::Held, ProxyCopy::Absent | ProxyCopy::Unconfirmed | ProxyCopy::Kept) => None,
        }
    }

    /// Notes that `told` went out under `nonce`.
    pub(crate) fn note_sent(&mut self, nonce: u64, told: Told) {
        self.sent = Some(told.epoch());
        self.rejected = None;
        self.copy = match (&told, self.copy) {
            (Told::Removal(_), _) => ProxyCopy::Absent,
            (Told::Cluster(_), ProxyCopy::Absent | ProxyCopy::Unconfirmed) => {
                ProxyCopy::Unconfirmed
            }
            (Told::Cluster(_), ProxyCopy::Present | ProxyCopy::Kept) => ProxyCopy::Present,
        };
        self.in_flight.push((nonce, told));
    }

    /// The proxy's answer to `nonce`; an answer to nothing of this service changes nothing.
    pub(crate) fn answered(&mut self, nonce: u64, refusal: Option<String>) {
        let Some(position) = self.in_flight.iter().position(|(sent, _)| *sent == nonce) else {
            return;
        };
        let (_, told) = self.in_flight.remove(position);
        match refusal {
            None => self.accepted(&told),
            Some(words) => self.refused(&told, words),
        }
    }

    fn accepted(&mut self, told: &Told) {
        self.acknowledged = self.acknowledged.max(Some(told.epoch()));
        // With a removal still on its way, this is the answer to an earlier cluster.
        let removal_follows = self.in_flight.iter().any(|(_, told)| is_removal(told));
        if !is_removal(told) && self.copy == ProxyCopy::Unconfirmed && !removal_follows {
            self.copy = ProxyCopy::Present;
        }
    }

    fn refused(&mut self, told: &Told, words: String) {
        if self.sent == Some(told.epoch()) {
            self.rejected = Some(words);
        }
        let cluster_follows = self.in_flight.iter().any(|(_, told)| !is_removal(told));
        match (told, self.copy) {
            (Told::Cluster(_), ProxyCopy::Unconfirmed) if !cluster_follows => {
                self.copy = ProxyCopy::Absent;
            }
            (Told::Removal(_), ProxyCopy::Absent) => self.copy = ProxyCopy::Kept,
            (Told::Removal(_), ProxyCopy::Unconfirmed) => self.copy = ProxyCopy::Present,
            (
                Told::Cluster(_) | Told::Removal(_),
                ProxyCopy::Absent | ProxyCopy::Unconfirmed | ProxyCopy::Present | ProxyCopy::Kept,
            ) => {}
        }
    }

    /// The proxy's part in `route` while its stream is up.
    pub(crate) fn part_in(&self, route: Option<&Route>) -> Part {
        let mut part = self.part();
        let Some(route) = route else { return part };
        if self.waits_in_silence(route) {
            part.sent = Some(route.epoch);
            part.acknowledged = Some(route.epoch);
            part.rejected = None;
        } else if self.is_ahead_of(route) {
            let reported = self.sent.unwrap_or_default();
            part.rejected = Some(format!(
                "it reports epoch {reported} and the store has {}: it followed another store",
                route.epoch
            ));
        }
        part
    }

    /// The proxy's part as it was last known.
    pub(crate) fn part(&self) -> Part {
        Part {
            subscribed: true,
            sent: self.sent,
            acknowledged: self.acknowledged,
            rejected: self.rejected.clone(),
        }
    }

    /// Whether the proxy still asks for the service.
    pub(crate) fn is_wanted(&self) -> bool {
        self.interest == Interest::Wanted
    }

    /// A held route and no copy: nothing has to be said for the proxy to follow, whatever epoch
    /// the hold has reached.
    fn waits_in_silence(&self, route: &Route) -> bool {
        route.traffic == Traffic::Held
            && self.copy == ProxyCopy::Absent
            && self.in_flight.is_empty()
    }

    fn is_ahead_of(&self, route: &Route) -> bool {
        self.sent.is_some_and(|sent| sent > route.epoch)
    }
}

const fn is_removal(told: &Told) -> bool {
    matches!(told, Told::Removal(_))
}

#[cfg(test)]
mod tests {
    use landfall_core::port::router::Passage;
    use landfall_core::{Endpoint, ServiceName};

    use super::*;

    fn route(traffic: Traffic, epoch: u64) -> Route {
        Route {
            service: ServiceName::new("orders"),
            endpoint: Endpoint::new("127.0.0.1", 5432),
            traffic,
            epoch,
            passage: Passage::default(),
        }
    }

    fn open(epoch: u64) -> Route {
        route(Traffic::Open, epoch)
    }

    fn held(epoch: u64) -> Route {
        route(Traffic::Held, epoch)
    }

    fn shared(route: Route) -> Arc<Rendered> {
        Arc::new(Rendered::new(route))
    }

    fn told(route: Route) -> Told {
        Told::Cluster(shared(route))
    }

    /// Sends what is due and says what it was.
    fn settle(subscription: &mut Subscription, nonce: u64, route: &Route) -> Option<Told> {
        let told = subscription.due(&shared(route.clone()))?;
        subscription.note_sent(nonce, told.clone());
        Some(told)
    }

    fn with_cluster(epoch: u64) -> Subscription {
        let mut subscription = Subscription::new(None);
        assert_eq!(settle(&mut subscription, 1, &open(epoch)), Some(told(open(epoch))));
        subscription.answered(1, None);
        subscription
    }

    #[test]
    fn an_open_route_is_sent_once() {
        let mut subscription = with_cluster(1);
        assert_eq!(settle(&mut subscription, 2, &open(1)), None);
        assert_eq!(subscription.part_in(Some(&open(1))).acknowledged, Some(1));
    }

    #[test]
    fn a_hold_removes_once_and_pointing_says_nothing() {
        let mut subscription = with_cluster(1);
        assert_eq!(settle(&mut subscription, 2, &held(2)), Some(Told::Removal(2)));
        assert_eq!(settle(&mut subscription, 3, &held(2)), None);
        assert_eq!(subscription.part_in(Some(&held(2))).acknowledged, Some(1));
        subscription.answered(2, None);
        assert_eq!(settle(&mut subscription, 3, &held(3)), None);
        assert_eq!(subscription.part_in(Some(&held(3))).acknowledged, Some(3));
        assert_eq!(settle(&mut subscription, 3, &open(4)), Some(told(open(4))));
        assert_eq!(subscription.part_in(Some(&open(4))).acknowledged, Some(2));
    }

    #[test]
    fn a_subscription_during_a_hold_is_met_with_silence_and_follows() {
        let mut subscription = Subscription::new(None);
        assert_eq!(settle(&mut subscription, 1, &held(2)), None);
        subscription.subscribe(None);
        assert_eq!(settle(&mut subscription, 1, &held(2)), None);
        let part = subscription.part_in(Some(&held(2)));
        assert_eq!((part.sent, part.acknowledged), (Some(2), Some(2)));
    }

    #[test]
    fn a_reported_copy_is_removed_when_held_and_left_alone_when_current() {
        let mut missed_the_hold = Subscription::new(Some("1"));
        assert_eq!(settle(&mut missed_the_hold, 1, &held(2)), Some(Told::Removal(2)));
        assert_eq!(settle(&mut missed_the_hold, 2, &held(3)), None);
        let mut current = Subscription::new(Some("3"));
        assert_eq!(settle(&mut current, 1, &open(3)), None);
        assert_eq!(current.part_in(Some(&open(3))).acknowledged, Some(3));
        let mut behind = Subscription::new(Some("1"));
        assert_eq!(settle(&mut behind, 1, &open(3)), Some(told(open(3))));
    }

    #[test]
    fn a_copy_from_another_store_is_replaced_or_reported() {
        let mut foreign = Subscription::new(Some("canary-7"));
        assert_eq!(settle(&mut foreign, 1, &open(1)), Some(told(open(1))));
        let mut ahead = Subscription::new(Some("12"));
        assert_eq!(settle(&mut ahead, 1, &open(3)), None);
        assert_eq!(settle(&mut ahead, 1, &held(4)), None);
        let words = ahead.part_in(Some(&held(4))).rejected.expect("it is reported");
        assert!(words.contains("12") && words.contains('4'), "{words}");
        assert_eq!(settle(&mut ahead, 1, &open(13)), Some(told(open(13))));
    }

    #[test]
    fn a_removal_waits_until_a_first_cluster_is_answered() {
        let mut subscription = Subscription::new(None);
        settle(&mut subscription, 1, &open(1));
        assert_eq!(settle(&mut subscription, 2, &held(2)), None);
        assert_eq!(subscription.part_in(Some(&held(2))).acknowledged, None);
        subscription.answered(1, None);
        assert_eq!(settle(&mut subscription, 2, &held(2)), Some(Told::Removal(2)));
    }

    #[test]
    fn a_refused_first_cluster_needs_no_removal() {
        let mut subscription = Subscription::new(None);
        settle(&mut subscription, 1, &open(1));
        subscription.answered(1, Some("no such thing".to_owned()));
        let part = subscription.part_in(Some(&open(1)));
        assert_eq!(part.rejected.as_deref(), Some("no such thing"));
        assert_eq!(part.acknowledged, None);
        assert_eq!(settle(&mut subscription, 2, &open(1)), None, "the same is not sent again");
        assert_eq!(settle(&mut subscription, 2, &held(2)), None);
        assert_eq!(subscription.part_in(Some(&held(2))).acknowledged, Some(2));
    }

    #[test]
    fn a_refused_change_leaves_the_earlier_copy_to_remove() {
        let mut subscription = with_cluster(1);
        settle(&mut subscription, 2, &open(2));
        subscription.answered(2, Some("bad".to_owned()));
        assert_eq!(settle(&mut subscription, 3, &held(3)), Some(Told::Removal(3)));
    }

    #[test]
    fn a_refused_removal_is_reported_and_not_repeated() {
        let mut subscription = with_cluster(1);
        settle(&mut subscription, 2, &held(2));
        subscription.answered(2, Some("cannot".to_owned()));
        assert_eq!(settle(&mut subscription, 3, &held(3)), None);
        let part = subscription.part_in(Some(&held(3)));
        assert_eq!((part.acknowledged, part.rejected.as_deref()), (Some(1), Some("cannot")));
        assert_eq!(settle(&mut subscription, 3, &open(4)), Some(told(open(4))));
        assert_eq!(settle(&mut subscription, 4, &held(5)), Some(Told::Removal(5)));
    }

    #[test]
    fn a_late_answer_to_an_earlier_cluster_does_not_confirm_the_newest() {
        let mut subscription = with_cluster(1);
        settle(&mut subscription, 2, &open(2));
        settle(&mut subscription, 3, &held(3));
        settle(&mut subscription, 4, &open(4));
        subscription.answered(2, None);
        assert_eq!(
            subscription.due(&shared(held(5))),
            None,
            "the cluster of epoch 4 is unanswered"
        );
        subscription.answered(3, None);
        assert_eq!(subscription.due(&shared(held(5))), None);
        subscription.answered(4, None);
        assert_eq!(subscription.due(&shared(held(5))), Some(Told::Removal(5)));
    }

    #[test]
    fn an_unsubscribed_service_is_left_alone_until_it_is_wanted_again() {
        let mut subscription = with_cluster(1);
        subscription.unsubscribe();
        assert_eq!(subscription.due(&shared(held(2))), None);
        assert_eq!(subscription.due(&shared(open(3))), None);
        subscription.subscribe(None);
        assert_eq!(subscription.due(&shared(open(1))), Some(told(open(1))));
    }
}
