//! The HTTP door: addresses, their bodies, and problem JSON for everything that is not done.
//!
//! It decides nothing. It asks nobody who they are, so it belongs on loopback; there it answers to
//! a name of loopback only, so that no web page can reach it through a name of its own.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Path, Query, Request as HttpRequest, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue};
use axum::http::{HeaderName, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use landfall_api::{
    AdoptRoute, ApiProblem, Assessment, Health, History, MoveSummary, MoveView, Order, PlanView,
    ServiceRoute, SpecText, StartMove, Started,
};
use landfall_core::journal::Request;
use landfall_core::{MigrationName, Seq};

use crate::app::App;
use crate::config::Token;
use crate::refusal::Refused;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

type Answer<T> = Result<Json<T>, Refused>;
type Body<T> = Result<Json<T>, JsonRejection>;
type Application = State<Arc<App>>;

/// The names under which a server answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Names {
    /// Addresses and `localhost`: it listens on loopback.
    Loopback,
    /// Whatever the network calls it.
    Any,
}

/// Who is heard.
#[derive(Debug, Clone)]
pub(crate) struct Guard {
    pub(crate) names: Names,
    pub(crate) token: Option<Token>,
}

impl Guard {
    fn refusal(&self, request: &HttpRequest) -> Option<ApiProblem> {
        if self.names == Names::Loopback && !is_local(request) {
            return Some(ApiProblem::bare(403, "this server answers to loopback names only"));
        }
        let said = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let meant = self.token.as_ref().map(|token| format!("Bearer {}", token.expose()));
        if meant.as_deref().is_some_and(|meant| said != Some(meant)) {
            return Some(ApiProblem::bare(401, "this server belongs to another command"));
        }
        None
    }
}

/// Every address.
pub(crate) fn door(app: Arc<App>, guard: Guard) -> Router {
    Router::new()
        .route("/v1/health", get(health))
        .route("/v1/moves", get(moves).post(start))
        .route("/v1/moves/{name}", get(one))
        .route("/v1/moves/{name}/history", get(history))
        .route("/v1/moves/{name}/{verb}", post(order))
        .route("/v1/plan", post(plan))
        .route("/v1/assess", post(assess))
        .route("/v1/routes", get(routes).post(adopt))
        .fallback(nothing_here)
        .layer(middleware::from_fn_with_state(guard, answer))
        .with_state(app)
}

async fn health(State(app): Application) -> Json<Health> {
    Json(app.health())
}

async fn moves(State(app): Application) -> Answer<Vec<MoveSummary>> {
    Ok(Json(app.moves().await?))
}

async fn start(State(app): Application, body: Body<StartMove>) -> Answer<Started> {
    Ok(Json(app.start(understood(body)?).await?))
}

async fn one(State(app): Application, Path(name): Path<MigrationName>) -> Answer<MoveView> {
    Ok(Json(app.one(&name).await?))
}

#[derive(serde::Deserialize)]
struct From {
    #[serde(default)]
    after: Seq,
}

async fn history(
    State(app): Application,
    Path(name): Path<MigrationName>,
    from: Result<Query<From>, QueryRejection>,
) -> Answer<History> {
    let Query(from) =
        from.map_err(|rejection| misunderstood(rejection.status(), rejection.body_text()))?;
    Ok(Json(app.history(&name, from.after).await?))
}

async fn order(
    State(app): Application,
    Path((name, verb)): Path<(MigrationName, String)>,
    body: Body<Order>,
) -> Answer<MoveView> {
    let order = understood(body)?;
    let request = match (verb.as_str(), order) {
        ("retire", order) => return Ok(Json(app.retire(&name, order).await?)),
        ("approve", Order { by, why: note, gate: Some(gate) }) => {
            Request::Approve { gate, by, note }
        }
        ("approve", Order { gate: None, .. }) => {
            return Err(ApiProblem::bare(400, "an approval names its gate").into());
        }
        ("pause", Order { by, why, .. }) => Request::Pause { by, why },
        ("resume", Order { by, .. }) => Request::Resume { by },
        ("abort", Order { by, why, .. }) => Request::Abort { by, why },
        (_, _) => return Err(nothing_here().await),
    };
    Ok(Json(app.request(&name, request).await?))
}

async fn plan(State(app): Application, body: Body<SpecText>) -> Answer<PlanView> {
    Ok(Json(app.plan(&understood(body)?).await?))
}

async fn assess(State(app): Application, body: Body<SpecText>) -> Answer<Assessment> {
    Ok(Json(app.assess(&understood(body)?).await?))
}

async fn routes(State(app): Application) -> Answer<Vec<ServiceRoute>> {
    Ok(Json(app.routes().await?))
}

async fn adopt(State(app): Application, body: Body<AdoptRoute>) -> Answer<ServiceRoute> {
    Ok(Json(app.adopt(understood(body)?).await?))
}

async fn nothing_here() -> Refused {
    ApiProblem::bare(404, "nothing is served at this address")
        .hint("The API's addresses begin with /v1/moves, /v1/plan, /v1/assess and /v1/routes.")
        .into()
}

fn understood<T>(body: Body<T>) -> Result<T, Refused> {
    match body {
        Ok(Json(body)) => Ok(body),
        Err(rejection) => Err(misunderstood(rejection.status(), rejection.body_text())),
    }
}

fn misunderstood(status: StatusCode, why: String) -> Refused {
    ApiProblem::bare(status.as_u16(), "the request is not understood")
        .detail(why)
        .hint("Client and server must be of one version.")
        .into()
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.status);
        let mut response = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR).into_response();
        // The outermost layer writes the body: it knows the request's id.
        response.extensions_mut().insert(Arc::new(*self.0));
        response
    }
}

/// Gives each request its id, and each answer that is not a success its problem JSON.
async fn answer(State(guard): State<Guard>, request: HttpRequest, next: Next) -> Response {
    static COUNT: AtomicU64 = AtomicU64::new(1);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let request_id = format!("{:x}-{number}", std::process::id());
    let line = format!("{} {}", request.method(), request.uri().path());
    let mut response = match guard.refusal(&request) {
        None => next.run(request).await,
        Some(problem) => Refused::from(problem).into_response(),
    };
    if !response.status().is_success() {
        let problem = response.extensions_mut().remove::<Arc<ApiProblem>>();
        let mut problem = problem.map_or_else(
            || ApiProblem::bare(response.status().as_u16(), words(response.status())),
            |problem| (*problem).clone(),
        );
        problem.request_id.clone_from(&request_id);
        if response.status().is_server_error() {
            tracing::warn!(request_id, request = line, problem = %problem, "a request failed");
        }
        let body = serde_json::to_vec(&problem).expect("a problem is plain data");
        response = (response.status(), body).into_response();
        let json = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(CONTENT_TYPE, json);
    }
    if let Ok(value) = HeaderValue::from_str(&request_id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    response
}

fn words(status: StatusCode) -> String {
    status.canonical_reason().unwrap_or("the request was refused").to_lowercase()
}

/// Whether the request names this server as its own machine would.
fn is_local(request: &HttpRequest) -> bool {
    let Some(host) = request.headers().get(HOST).and_then(|host| host.to_str().ok()) else {
        return true;
    };
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    bare.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    #[test]
    fn a_loopback_server_answers_to_loopback_names_only() {
        let asked = |host: &str| {
            let request = HttpRequest::builder().header(HOST, host).body(Body::empty()).unwrap();
            is_local(&request)
        };
        for host in ["127.0.0.1:18080", "127.0.0.1", "localhost:1", "[::1]:18080", "LOCALHOST"] {
            assert!(asked(host), "{host}");
        }
        for host in ["evil.example", "evil.example:18080", "localhost.evil.example:1", ""] {
            assert!(!asked(host), "{host}");
        }
    }
}
