//! A record of a DNS zone as a gateway, changed by dynamic update (RFC 2136) or in Route 53.
//!
//! DNS cannot hold: whoever resolves during a move is sent to the source, and meets the fence
//! there. So a held route changes nothing, and an open one is followed only when every server
//! shows the record and nobody may have the old one cached any more. Each change says what it
//! replaces and is refused by the server when somebody else was faster. Dying half-way leaves the
//! old record or the new one.

mod ask;
mod authority;
mod judge;
mod memory;
mod record;
mod words;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::join_all;
use hickory_proto::rr::Name;
use landfall_core::port::router::{AtHold, ProxyView, Route, RouterAbility, Sessions, Traffic};
use landfall_core::port::{Clock, Zone};
use landfall_core::spec::DnsSpec;
use landfall_core::{Endpoint, Failure, FailureKind, ServiceName};
use tokio::time::Instant;

use crate::gateway::Gateway;
use crate::probe;

use self::ask::Server;
use self::authority::{Authority, Hosted, Wanted};
use self::judge::{Judgement, Standing};
pub use self::memory::DnsMemory;
use self::memory::Key;
use self::record::Pointer;

/// A name that applications resolve.
pub struct DnsGateway {
    service: ServiceName,
    name: Name,
    /// The name is the zone's own, where no CNAME may be.
    apex: bool,
    port: u16,
    ttl: Duration,
    /// The zone's primary, which takes updates.
    primary: Authority,
    /// The other servers that resolvers ask.
    secondaries: Vec<Authority>,
    call_timeout: Duration,
    memory: DnsMemory,
    clock: Arc<dyn Clock>,
}

impl DnsGateway {
    /// The name of `service` as the spec describes it.
    pub fn new(
        spec: &DnsSpec,
        service: ServiceName,
        writes: DnsWrites,
        around: DnsSurroundings,
    ) -> Result<Self, Failure> {
        let DnsSurroundings { call_timeout, memory, clock } = around;
        let zone = record::name(&spec.zone).map_err(invalid)?;
        let server = |text: &String, signer| {
            let address: SocketAddr =
                text.parse().map_err(|_| invalid(format!("{text} is no address with a port")))?;
            let zone = zone.clone();
            Ok::<_, Failure>(Authority::Server(Server {
                address,
                zone,
                signer,
                bound: call_timeout,
            }))
        };
        let primary = match (writes, &spec.server, &spec.hosted_zone) {
            (DnsWrites::Updates { key }, Some(text), _) => {
                let signer = match (&spec.key_name, key) {
                    (Some(name), Some(key)) => Some(key.and_then(|key| ask::signer(name, &key))),
                    (None, _) | (_, None) => None,
                };
                server(text, signer)?
            }
            (DnsWrites::Hosted(zone), _, Some(id)) => {
                Authority::Hosted(Hosted::new(zone, id, memory.clone()))
            }
            (DnsWrites::Updates { .. }, None, _) | (DnsWrites::Hosted(_), _, None) => {
                return Err(invalid("route.dns names neither a server nor its hosted zone".into()));
            }
        };
        // They are only asked.
        let secondaries: Result<_, _> =
            spec.secondaries.iter().map(|text| server(text, None)).collect();
        Ok(Self {
            service,
            name: record::name(&spec.name).map_err(invalid)?,
            apex: zone == record::name(&spec.name).map_err(invalid)?,
            port: spec.port,
            ttl: spec.ttl,
            primary,
            secondaries: secondaries?,
            call_timeout,
            memory,
            clock,
        })
    }

    /// What one server shows, remembered.
    async fn look_at(&self, authority: &Authority) -> Result<Standing, String> {
        let sight = authority.look(&self.name).await?;
        Ok(self.memory.seen(self.key(authority), sight, self.ttl, Instant::now()))
    }

    fn key(&self, authority: &Authority) -> Key {
        (self.name.clone(), authority.label())
    }

    fn may_change_still(&self) -> bool {
        let within = self.primary.permit();
        self.memory.permitted(&self.key(&self.primary), within, Instant::now())
    }

    fn judgement<'a>(&'a self, route: &'a Route) -> Result<Judgement<'a>, String> {
        if route.endpoint.port != self.port {
            return Err(format!(
                "{} is not on port {}, and DNS carries no port: source and target must listen \
                 on the same (route.dns.port)",
                route.endpoint, self.port
            ));
        }
        let wanted = Pointer::to(&route.endpoint)?;
        let known = self.memory.route(&self.name, route, &wanted);
        Ok(Judgement { wanted, route, known, ttl: self.ttl })
    }

    /// Brings the primary's record to the route; the error is why it was not done.
    async fn bring(&self, route: &Route) -> Result<(), String> {
        // Looked at first: what a restarted process finds is what it was to replace.
        let standing = self.look_at(&self.primary).await?;
        let judgement = self.judgement(route)?;
        judgement.replaceable(&standing)?;
        match route.traffic {
            Traffic::Open if standing.sight.is(&judgement.wanted) => {
                self.may_change(&standing).await?;
            }
            Traffic::Open => self.put(&standing, &judgement.wanted, route.epoch).await?,
            Traffic::Held if standing.sight.pointer().is_none() => {
                return Err(words::absent(&self.name));
            }
            Traffic::Held => self.may_change(&standing).await?,
        }
        // Seen at once, so that the time of the old TTL is counted from here.
        self.look_at(&self.primary).await.map(drop)
    }

    async fn put(&self, standing: &Standing, to: &Pointer, epoch: u64) -> Result<(), String> {
        let now = &standing.sight;
        let ttl = if now.is(to) { now.ttl() } else { self.ttl };
        let comment = format!("landfall: {} to {to}, epoch {epoch}", self.service);
        let wanted = Wanted { pointer: to, ttl, comment };
        self.primary.replace(&self.name, now, wanted).await?;
        self.memory.permit(self.key(&self.primary), Instant::now());
        Ok(())
    }

    async fn node(&self, (at, authority): (usize, &Authority), route: &Route) -> ProxyView {
        let is_primary = at == 0;
        let told = self.memory.outcome(&self.name, route.epoch).filter(|_| is_primary);
        let seen = match self.look_at(authority).await {
            Ok(standing) if is_primary => self.may_change(&standing).await.map(|()| standing),
            other => other,
        };
        let reached = seen.is_ok();
        let follows = match (seen, told) {
            (Err(words), _) | (Ok(_), Some(Err(words))) => Err(words),
            (Ok(standing), None | Some(Ok(()))) => self.judged(authority, route, standing).await,
        };
        let now = self.clock.now();
        ProxyView {
            node: authority.label(),
            connected_since: reached.then_some(now),
            last_seen: now,
            subscribed: true,
            sent: Some(route.epoch),
            acknowledged: follows.is_ok().then_some(route.epoch),
            rejected: follows.err(),
            at_hold: AtHold::Pass,
            waiting: None,
        }
    }

    async fn judged(
        &self,
        authority: &Authority,
        route: &Route,
        standing: Standing,
    ) -> Result<(), String> {
        if route.traffic == Traffic::Held {
            return self.judgement(route)?.follows(&standing, Instant::now());
        }
        authority.everywhere(&self.name).await?;
        // Looked at anew: what has spread may be cached from now on.
        let standing = self.look_at(authority).await?;
        self.judgement(route)?.follows(&standing, Instant::now())
    }

    /// Asks the primary whether the record may be changed, by putting it in place of itself:
    /// nothing changes, and a missing right is found long before the release.
    async fn may_change(&self, standing: &Standing) -> Result<(), String> {
        if self.may_change_still() {
            return Ok(());
        }
        let now = &standing.sight;
        match now.pointer() {
            Some(same) => {
                let comment = format!("landfall: {} stays, to see whether it may", self.service);
                let wanted = Wanted { pointer: &same, ttl: now.ttl(), comment };
                self.primary.replace(&self.name, now, wanted).await?;
            }
            None => self.primary.ask_leave(&self.name, now).await?,
        }
        self.memory.permit(self.key(&self.primary), Instant::now());
        Ok(())
    }
}

/// How the record is changed.
pub enum DnsWrites {
    /// By dynamic update of the zone's primary server.
    Updates {
        /// The TSIG key, base64, or why it cannot be had: then the record is shown, and not
        /// changed.
        key: Option<Result<String, String>>,
    },
    /// Through the API of whoever hosts the zone.
    Hosted(Arc<dyn Zone>),
}

/// What a gateway of this kind needs beside its spec.
#[derive(Clone)]
pub struct DnsSurroundings {
    /// Bound of a question to a server, and of a probe.
    pub call_timeout: Duration,
    /// Shared by all gateways of a process.
    pub memory: DnsMemory,
    /// Wall clock, for what is shown.
    pub clock: Arc<dyn Clock>,
}

#[async_trait]
impl Gateway for DnsGateway {
    async fn ability(&self) -> Result<RouterAbility, Failure> {
        Ok(RouterAbility { holds: false, holds_at_most: None, sessions: Sessions::Cut })
    }

    async fn tell(&self, route: &Route) -> Result<(), Failure> {
        // Another service, such as a reader's, has another name; it is none of this record's.
        if route.service != self.service {
            return Ok(());
        }
        let _turn = self.memory.turn().await;
        if self.memory.is_older(&self.name, route.epoch) {
            return Ok(());
        }
        let outcome = self.bring(route).await;
        if let Err(words) = &outcome {
            tracing::warn!(name = %self.name, epoch = route.epoch, words, "the record is not changed");
        }
        self.memory.told(&self.name, route.epoch, outcome);
        Ok(())
    }

    async fn nodes(
        &self,
        service: &ServiceName,
        route: Option<&Route>,
    ) -> Result<Vec<ProxyView>, Failure> {
        let Some(route) = route.filter(|_| *service == self.service) else {
            return Ok(Vec::new());
        };
        let all = std::iter::once(&self.primary).chain(&self.secondaries).enumerate();
        Ok(join_all(all.map(|one| self.node(one, route))).await)
    }

    async fn probe(&self, endpoint: &Endpoint) -> Result<Result<(), String>, Failure> {
        if endpoint.port != self.port {
            return Ok(Err(format!(
                "{endpoint} is not on port {}, which applications of {} use (route.dns.port); \
                 DNS cannot send them to another",
                self.port, self.name
            )));
        }
        match Pointer::to(endpoint) {
            Err(words) => return Ok(Err(words)),
            Ok(Pointer::Alias(alias)) if self.apex => {
                return Ok(Err(words::no_alias_here(&self.name, &alias)));
            }
            Ok(Pointer::Alias(_) | Pointer::Address(_)) => {}
        }
        Ok(probe::probe(endpoint, self.call_timeout).await)
    }
}

fn invalid(detail: String) -> Failure {
    Failure::new(FailureKind::Invalid, "steer the record of route.dns", detail)
}
