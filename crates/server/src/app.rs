//! What requests are answered from: the store, the world, and the drivers when there are any.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use landfall_api::{
    AdoptRoute, Driven, Health, History, Measured, MoveSummary, MoveView, Order, ProxyCertificate,
    ServiceRoute, StartMove, Started, WaitingAt,
};
use landfall_core::action::RouteAction;
use landfall_core::journal::{Request, Store, StoreError};
use landfall_core::port::{Clock, Router};
use landfall_core::status::{Outcome, Phase, Run};
use landfall_core::{Code, Failure, MigrationName, Problem, Seq, Series, ServiceName, Spec, spec};
use landfall_flow::steps::ACCEPT_GATE;
use landfall_flow::{View, process};
use tokio::time::MissedTickBehavior;

use crate::drivers::Drivers;
use crate::refusal::{Refused, told, unknown};
use crate::standing::{self, Around};
use crate::world::World;

/// How long an answer waits for what the gateways show.
const WAITING_WITHIN: Duration = Duration::from_secs(1);

/// How often moves are looked for that nobody drives here.
const TAKEN_EVERY: Duration = Duration::from_secs(2);

/// The gate before the source is deleted.
const RETIREMENT_GATE: &str = "approve_retirement";

/// A move in short, or why its journal cannot be read.
pub(crate) type Summary = (MigrationName, Result<MoveSummary, Refused>);

/// Everything a handler needs.
pub(crate) struct App {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) world: Arc<World>,
    pub(crate) drivers: Option<Drivers>,
}

impl App {
    pub(crate) async fn start(&self, asked: StartMove) -> Result<Started, Refused> {
        let spec = spec::parse(&asked.spec_toml)?;
        let name = spec.migration.name.clone();
        if self.drivers.is_some() {
            // A move that nobody could drive is not started.
            self.world.ports(&spec).await?;
        }
        let known = View::load(self.store.as_ref(), &name).await?;
        let over = |run: &Run| {
            matches!(run, Run::Finished { outcome: Outcome::Undone | Outcome::RolledBack })
        };
        let new = known.is_none_or(|view| over(&view.status.run));
        landfall_flow::start(self.store.as_ref(), self.clock.as_ref(), spec, &asked.by).await?;
        let view = self.view(&name).await?;
        if !view.status.is_finished() {
            self.drive(&name);
        }
        Ok(Started { name, new, last: view.last })
    }

    /// Every move; a journal that cannot be read does not hide the others.
    pub(crate) async fn moves(&self) -> Result<Vec<Summary>, Refused> {
        let mut moves = Vec::new();
        for name in self.store.migrations().await? {
            let view = self.view(&name).await;
            moves.push((name, view.map(|view| standing::summary(&view))));
        }
        Ok(moves)
    }

    pub(crate) async fn one(&self, name: &MigrationName) -> Result<MoveView, Refused> {
        let entries = self.store.read(name, Seq(0)).await?;
        let view = View::fold(&entries)?.ok_or_else(|| unknown(name))?;
        let waiting = Box::pin(self.waiting(&view)).await;
        let around = Around {
            waiting,
            measured: self.measured(&view).await?,
            reached: standing::reached(&entries),
            last_pause: standing::last_pause(&entries),
            now: self.clock.now(),
            lease: self.store.lease(name).await?,
            driven: self.drivers.as_ref().map_or(Driven::No, |drivers| drivers.state(name)),
            reading: self.drivers.as_ref().and_then(|drivers| drivers.reading(name)),
        };
        Ok(standing::whole(view, around))
    }

    /// What is measured while a replica follows, and behind the release while the source does;
    /// before, between and after nobody looks at it live.
    async fn measured(&self, view: &View) -> Result<BTreeMap<Series, Measured>, Refused> {
        let mut found = BTreeMap::new();
        let follows = |series: &Series| match view.status.phase {
            Phase::Replicate => *series != Series::WayBackLagBytes,
            Phase::Verify | Phase::Soak => {
                *series == Series::WayBackLagBytes && view.facts.way_back.is_armed()
            }
            Phase::Prepare | Phase::Quiesce | Phase::Cutover | Phase::Retire => false,
        };
        if view.status.is_finished() {
            return Ok(found);
        }
        for series in Series::ALL.into_iter().filter(follows) {
            let samples = self.store.samples(&view.name, series).await?;
            let in_short = standing::measured(&samples, view.started_at);
            found.extend(in_short.map(|measured| (series, measured)));
        }
        Ok(found)
    }

    /// What waits at the proxies while traffic is held, as far as this server sees them. Where
    /// they stand is told without it when they cannot be looked at.
    async fn waiting(&self, view: &View) -> Vec<WaitingAt> {
        let held = view.facts.held_since.is_some() && view.facts.released_at.is_none();
        if !held || view.status.is_finished() || self.drivers.is_none() {
            return Vec::new();
        }
        // The answer to an order does not wait for a gateway that is silent.
        let look = tokio::time::timeout(WAITING_WITHIN, async {
            let router = self.world.router(Some(&view.spec)).await?;
            let mut found = Vec::new();
            for service in view.spec.services() {
                let proxies = router.view(service).await?.proxies.into_iter();
                let connected = proxies.filter(|proxy| proxy.connected_since.is_some());
                found.extend(connected.map(|proxy| WaitingAt {
                    service: service.clone(),
                    node: proxy.node,
                    waiting: proxy.waiting,
                }));
            }
            Ok::<_, Failure>(found)
        });
        let why = match look.await {
            Ok(Ok(found)) => return found,
            Ok(Err(failure)) => failure.to_string(),
            Err(silent) => silent.to_string(),
        };
        tracing::debug!(%why, "who waits at the proxies is not shown");
        Vec::new()
    }

    pub(crate) async fn history(
        &self,
        name: &MigrationName,
        after: Seq,
    ) -> Result<History, Refused> {
        self.view(name).await?;
        let titles = process::all()
            .map(|row| (row.step.id().to_owned(), row.step.title().to_owned()))
            .collect();
        let entries = self.store.read(name, after).await?;
        Ok(History { name: name.clone(), entries, titles })
    }

    /// Writes a request into the journal and says where the move then stands.
    pub(crate) async fn request(
        &self,
        name: &MigrationName,
        request: Request,
    ) -> Result<MoveView, Refused> {
        landfall_flow::request(self.store.as_ref(), self.clock.as_ref(), name, request).await?;
        self.drive(name);
        self.one(name).await
    }

    /// Accepts the target, or approves the source's retirement: whichever gate is open.
    pub(crate) async fn retire(
        &self,
        name: &MigrationName,
        order: Order,
    ) -> Result<MoveView, Refused> {
        let view = self.view(name).await?;
        let Order { by, why: note, .. } = order;
        if let Run::AwaitingApproval { gate } = view.status.run
            && [ACCEPT_GATE, RETIREMENT_GATE].contains(&gate.as_str())
        {
            return self.request(name, Request::Approve { gate, by, note }).await;
        }
        Err(told(&Problem::new(
            Code::NotNow,
            format!("{name} cannot be retired: it does not wait for its acceptance"),
            format!("`landfall status {name}` shows where it stands and what it waits for."),
        )))
    }

    pub(crate) async fn routes(&self) -> Result<Vec<ServiceRoute>, Refused> {
        let mut services: BTreeMap<ServiceName, Option<Spec>> = BTreeMap::new();
        for route in self.store.routes().await? {
            services.insert(route.service, None);
        }
        for service in self.world.envoy().await?.waiting().await? {
            services.insert(service, None);
        }
        // Which gateways a service has, its move says; one whose journal cannot be read says it
        // elsewhere.
        for name in self.store.migrations().await? {
            let Ok(view) = self.view(&name).await else { continue };
            for service in view.spec.services() {
                services.entry(service.clone()).and_modify(|spec| *spec = Some(view.spec.clone()));
            }
        }
        let mut routes = Vec::new();
        for (service, spec) in services {
            let router = self.world.router(spec.as_ref()).await?;
            let view = router.view(&service).await?;
            routes.push(ServiceRoute { service, view });
        }
        Ok(routes)
    }

    /// What proxies were told over this server's own control plane.
    pub(crate) async fn certificates(&self) -> Result<Vec<ProxyCertificate>, Refused> {
        let told = self.world.envoy().await?.certificates();
        let certificates = told.into_iter().map(|view| ProxyCertificate {
            node: view.node,
            identity: view.identity,
            secret: view.secret.word().to_owned(),
            not_after: view.not_after,
            enrolled_until: view.enrolled_until,
            sent: view.sent,
            acknowledged: view.acknowledged,
            rejected: view.rejected,
            connected: view.connected,
        });
        Ok(certificates.collect())
    }

    pub(crate) async fn adopt(&self, adopt: AdoptRoute) -> Result<ServiceRoute, Refused> {
        let AdoptRoute { service, endpoint } = adopt;
        if let Some(route) = self.store.route(&service).await?
            && route.endpoint != endpoint
        {
            return Err(told(&Problem::new(
                Code::NotNow,
                format!("{service} is known already and goes to {}", route.endpoint),
                "A route is changed by a move; `landfall route status` shows it.",
            )));
        }
        let router = self.world.router(None).await?;
        if self.store.route(&service).await?.is_none() {
            let service = service.clone();
            router.act(&RouteAction::Adopt { service, endpoint, epoch: 1 }, None).await?;
        }
        let view = router.view(&service).await?;
        Ok(ServiceRoute { service, view })
    }

    pub(crate) fn health(&self) -> Health {
        Health {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            drives: self.drivers.is_some(),
            xds: self.world.xds().map(|address| address.to_string()),
            moves: self.drivers.as_ref().map(Drivers::states).unwrap_or_default(),
        }
    }

    /// Looks for moves that nobody drives here: started at another server, or left by one that
    /// died. Whoever leads keeps the lead; a driver beside it waits for the lease.
    pub(crate) async fn take_moves(self: Arc<Self>) {
        let mut over: BTreeMap<MigrationName, Seq> = BTreeMap::new();
        let mut ticks = tokio::time::interval(TAKEN_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if let Err(error) = self.take_left_moves(&mut over).await {
                tracing::debug!(%error, "moves of other servers are looked for later");
            }
        }
    }

    /// `over` spares reading the journals of finished moves again while nothing is added to them.
    async fn take_left_moves(
        &self,
        over: &mut BTreeMap<MigrationName, Seq>,
    ) -> Result<(), StoreError> {
        let Some(drivers) = &self.drivers else { return Ok(()) };
        for name in self.store.migrations().await? {
            if drivers.has(&name) {
                continue;
            }
            if let Some(last) = over.get(&name)
                && self.store.read(&name, *last).await?.is_empty()
            {
                continue;
            }
            match View::load(self.store.as_ref(), &name).await {
                Ok(Some(view)) if view.status.is_finished() => {
                    over.insert(name, view.last);
                }
                Ok(_) | Err(_) => drivers.ensure(&name),
            }
        }
        Ok(())
    }

    /// Every unfinished move gets its driver. That of a journal that cannot be read says so, and
    /// tries again.
    pub(crate) async fn drive_unfinished(&self) -> Result<(), Refused> {
        for name in self.store.migrations().await? {
            if !self.view(&name).await.is_ok_and(|view| view.status.is_finished()) {
                self.drive(&name);
            }
        }
        Ok(())
    }

    fn drive(&self, name: &MigrationName) {
        if let Some(drivers) = &self.drivers {
            drivers.ensure(name);
        }
    }

    async fn view(&self, name: &MigrationName) -> Result<View, Refused> {
        View::load(self.store.as_ref(), name).await?.ok_or_else(|| unknown(name))
    }
}
