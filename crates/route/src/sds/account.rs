//! Who was told which certificate, what they said to it, and until when it lasts.
//!
//! For people: nothing is decided by it. It dies with the process, and fills again within seconds.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

use super::SecretName;

/// One secret of one proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretView {
    /// Envoy's node id.
    pub node: String,
    /// Whom its certificates speak for.
    pub identity: String,
    /// Which secret.
    pub secret: SecretName,
    /// Until when what was sent last is valid.
    pub not_after: Timestamp,
    /// Until when the proxy may ask at all.
    pub enrolled_until: Timestamp,
    /// When it was sent.
    pub sent: Timestamp,
    /// When the proxy took it; absent until then.
    pub acknowledged: Option<Timestamp>,
    /// The proxy's words when it refused it.
    pub rejected: Option<String>,
    /// Whether its stream is up.
    pub connected: bool,
}

/// The account of one control plane.
#[derive(Debug, Default)]
pub(super) struct Account {
    views: Mutex<BTreeMap<(String, SecretName), (u64, SecretView)>>,
}

impl Account {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<(String, SecretName), (u64, SecretView)>> {
        self.views.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what a stream was sent; a proxy's newer stream takes the place of its last.
    pub(super) fn sent(&self, stream: u64, view: SecretView) {
        self.lock().insert((view.node.clone(), view.secret), (stream, view));
    }

    /// Notes an answer to what was sent last on this stream.
    pub(super) fn answered(
        &self,
        stream: u64,
        key: &(String, SecretName),
        refusal: Option<String>,
        now: Timestamp,
    ) {
        if let Some((at, view)) = self.lock().get_mut(key)
            && *at == stream
        {
            match refusal {
                None => {
                    view.acknowledged = Some(now);
                    view.rejected = None;
                }
                words => view.rejected = words,
            }
        }
    }

    /// Notes that a stream ended. A proxy that stays away is forgotten with its certificate.
    pub(super) fn ended(&self, stream: u64, key: &(String, SecretName), now: Timestamp) {
        let mut views = self.lock();
        if let Some((at, view)) = views.get_mut(key)
            && *at == stream
        {
            view.connected = false;
        }
        views.retain(|_, (_, view)| view.connected || now < view.not_after);
    }

    /// Every secret told lately.
    pub(super) fn views(&self) -> Vec<SecretView> {
        self.lock().values().map(|(_, view)| view.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("an instant")
    }

    fn view(sent: i64) -> SecretView {
        SecretView {
            node: "web-1".to_owned(),
            identity: "spiffe://landfall/client/web".to_owned(),
            secret: SecretName::Identity,
            not_after: at(sent + 100),
            enrolled_until: at(1_000),
            sent: at(sent),
            acknowledged: None,
            rejected: None,
            connected: true,
        }
    }

    #[test]
    fn an_answer_counts_for_the_stream_it_came_on() {
        let account = Account::default();
        let key = ("web-1".to_owned(), SecretName::Identity);
        account.sent(1, view(10));
        account.sent(2, view(20));
        account.answered(1, &key, None, at(21));
        account.ended(1, &key, at(21));
        assert_eq!(account.views(), [view(20)], "the earlier stream is over");
        account.answered(2, &key, Some("no".to_owned()), at(22));
        assert_eq!(account.views()[0].rejected.as_deref(), Some("no"));
        account.answered(2, &key, None, at(23));
        assert_eq!(account.views()[0].acknowledged, Some(at(23)));
    }

    #[test]
    fn who_is_gone_is_listed_while_its_certificate_lasts() {
        let account = Account::default();
        let key = ("web-1".to_owned(), SecretName::Identity);
        account.sent(1, view(10));
        account.ended(1, &key, at(50));
        assert!(!account.views()[0].connected);
        account.ended(7, &key, at(111));
        assert_eq!(account.views(), []);
    }
}
