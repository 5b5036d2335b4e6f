//! A program of the operator's as a gateway: for proxies that Landfall does not know.
//!
//! Landfall runs it with a hook's name and the wanted state, and believes what its `view` says of
//! its nodes. It runs once at a time, is never told an older state after a newer one, and a hook
//! that fails is shown as a node that does not follow, with the program's own words. Dying
//! half-way leaves a program that may end its hook: the next hook tells the whole state again.

mod hook;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use landfall_core::port::Clock;
use landfall_core::port::router::{AtHold, ProxyView, Route, RouterAbility, Sessions};
use landfall_core::spec::CommandSpec;
use landfall_core::{Endpoint, Failure, ServiceName};
use landfall_program::Program;
use tokio::sync::Mutex;

use crate::gateway::Gateway;
use crate::probe;

use self::hook::{Hook, hooks};

/// What stands for the program itself where it names no nodes.
const NODE: &str = "command";

/// A gateway behind a program.
pub struct CommandGateway {
    program: Program,
    at_hold: AtHold,
    call_timeout: Duration,
    clock: Arc<dyn Clock>,
    /// Held while a hook runs.
    told: Mutex<BTreeMap<ServiceName, Told>>,
}

/// The newest state that the program was told, and what came of it.
struct Told {
    route: Route,
    outcome: Result<(), String>,
}

impl CommandGateway {
    /// `call_timeout` bounds a probe; the spec bounds a hook.
    pub fn new(spec: &CommandSpec, call_timeout: Duration, clock: Arc<dyn Clock>) -> Self {
        let program = Program::new(&spec.program, spec.timeout);
        let at_hold = if spec.holds { AtHold::Wait } else { AtHold::Pass };
        Self { program, at_hold, call_timeout, clock, told: Mutex::default() }
    }

    async fn run(&self, hook: Hook, route: &Route) -> Result<Vec<u8>, String> {
        self.program.run(Some(hook.word()), &hook::input(route)?).await
    }

    /// What the program says of its nodes.
    async fn look(&self, route: &Route, failed: Option<&String>) -> Vec<ProxyView> {
        let now = self.clock.now();
        let said = match self.run(Hook::View, route).await {
            Ok(output) => hook::nodes(&output),
            Err(words) => Err(words),
        };
        let nodes = match said {
            Ok(nodes) if !nodes.is_empty() => nodes,
            Ok(_) => return vec![self.deaf(now, "its view names no node")],
            Err(words) => return vec![self.deaf(now, failed.unwrap_or(&words))],
        };
        nodes.into_iter().map(|node| node.view(route, failed, (now, self.at_hold))).collect()
    }

    /// The program itself, when it cannot be asked.
    fn deaf(&self, now: Timestamp, words: &str) -> ProxyView {
        ProxyView {
            node: NODE.to_owned(),
            connected_since: None,
            last_seen: now,
            subscribed: true,
            sent: None,
            acknowledged: None,
            rejected: Some(words.to_owned()),
            at_hold: self.at_hold,
            waiting: None,
        }
    }
}

#[async_trait]
impl Gateway for CommandGateway {
    async fn ability(&self) -> Result<RouterAbility, Failure> {
        let holds = self.at_hold == AtHold::Wait;
        Ok(RouterAbility { holds, holds_at_most: None, sessions: Sessions::Cut })
    }

    async fn tell(&self, route: &Route) -> Result<(), Failure> {
        let mut told = self.told.lock().await;
        let last = told.get(&route.service);
        if last.is_some_and(|last| last.route.epoch > route.epoch) {
            return Ok(());
        }
        // After a failure nobody knows what was done: everything is told again.
        let known = last.filter(|last| last.outcome.is_ok()).map(|last| &last.route);
        let mut outcome = Ok(());
        for hook in hooks(known, route) {
            let done = self.run(*hook, route).await;
            if let Err(words) = done {
                tracing::warn!(service = %route.service, hook = hook.word(), words, "a hook failed");
                outcome = Err(format!("{}: {words}", hook.word()));
                break;
            }
        }
        told.insert(route.service.clone(), Told { route: route.clone(), outcome });
        Ok(())
    }

    async fn nodes(
        &self,
        _: &ServiceName,
        route: Option<&Route>,
    ) -> Result<Vec<ProxyView>, Failure> {
        let Some(route) = route else { return Ok(Vec::new()) };
        let told = self.told.lock().await;
        let failed = told
            .get(&route.service)
            .filter(|told| told.route.epoch == route.epoch)
            .and_then(|told| told.outcome.as_ref().err());
        Ok(self.look(route, failed).await)
    }

    async fn probe(&self, endpoint: &Endpoint) -> Result<Result<(), String>, Failure> {
        Ok(probe::probe(endpoint, self.call_timeout).await)
    }
}
