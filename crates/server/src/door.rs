//! The HTTP door: addresses, their bodies, and problem JSON for everything that is not done.
//!
//! It decides nothing. It asks nobody who they are, so it belongs on loopback; there it answers to
//! a name of loopback only, so that no web page can reach it through a name of its own. What went
//! wrong inside is told in the log; a server that belongs to one command tells it everything, for
//! the two are one process.

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
use axum::{Extension, Json, Router};
use landfall_api::{
    AdoptRoute, ApiProblem, Assessment, DropSlot, EvidenceKey, Health, History, MoveLine, MoveView,
    Order, PlanView, ProxyCertificate, ReportForm, Saved, ServiceRoute, SlotDropped, SpecText,
    StartMove, Started,
};
use landfall_core::journal::Request;
use landfall_core::probe::Probed;
use landfall_core::{MigrationName, Seq};

use crate::app::App;
use crate::config::Token;
use crate::refusal::Refused;
use crate::report::Written;

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
        .route("/v1/moves/{name}/report", get(report))
        .route("/v1/moves/{name}/{verb}", post(order))
        .route("/v1/plan", post(plan))
        .route("/v1/assess", post(assess))
        .route("/v1/inventory", post(inventory))
        .route("/v1/slots/drop", post(drop_slot))
        .route("/v1/routes", get(routes).post(adopt))
        .route("/v1/routes/of-spec", post(routes_of))
        .route("/v1/certificates", get(certificates))
        .route("/v1/evidence/key", get(evidence_key))
        .route("/v1/doctor/aws", get(probe))
        .fallback(nothing_here)
        .layer(middleware::from_fn_with_state(guard, answer))
        .with_state(app)
}

async fn probe(State(app): Application) -> Answer<Vec<Probed>> {
    Ok(Json(app.probe().await?))
}

async fn health(State(app): Application) -> Json<Health> {
    Json(app.health())
}

async fn moves(
    State(app): Application,
    Extension(asked): Extension<Asked>,
) -> Answer<Vec<MoveLine>> {
    let lines = app.moves().await?.into_iter().map(|(name, summary)| match summary {
        Ok(summary) => MoveLine::Stands(Box::new(summary)),
        Err(refused) => MoveLine::Unreadable { name, problem: Box::new(asked.told(refused)) },
    });
    Ok(Json(lines.collect()))
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

#[derive(serde::Deserialize)]
struct Form {
    #[serde(default)]
    form: ReportForm,
}

async fn report(
    State(app): Application,
    Path(name): Path<MigrationName>,
    form: Result<Query<Form>, QueryRejection>,
) -> Result<Written, Refused> {
    let Query(Form { form }) =
        form.map_err(|rejection| misunderstood(rejection.status(), rejection.body_text()))?;
    app.report(&name, form).await
}

async fn evidence_key(State(app): Application) -> Answer<EvidenceKey> {
    Ok(Json(app.evidence_key()?))
}

async fn order(
    State(app): Application,
    Path((name, verb)): Path<(MigrationName, String)>,
    body: Body<Order>,
) -> Answer<MoveView> {
    let order = understood(body)?;
    let request = match (verb.as_str(), order) {
        ("retire", order) => return Ok(Json(Box::pin(app.retire(&name, order)).await?)),
        ("approve", Order { by, why: note, gate: Some(gate), .. }) => {
            Request::Approve { gate, by, note }
        }
        ("approve", Order { gate: None, .. }) => {
            return Err(ApiProblem::bare(400, "an approval names its gate").into());
        }
        ("pause", Order { by, why, .. }) => Request::Pause { by, why },
        ("resume", Order { by, .. }) => Request::Resume { by },
        ("abort", Order { by, why, .. }) => Request::Abort { by, why },
        ("roll-back", Order { by, why, accept_loss, .. }) => {
            Request::RollBack { by, why, accept_loss: worded(accept_loss)? }
        }
        (_, _) => return Err(nothing_here().await),
    };
    Ok(Json(app.request(&name, request).await?))
}

/// A loss is accepted in words, or not at all.
fn worded(accepted: Option<String>) -> Result<Option<String>, Refused> {
    match accepted {
        Some(words) if words.trim().is_empty() => {
            Err(ApiProblem::bare(400, "accepting a loss takes a reason").into())
        }
        words => Ok(words),
    }
}

async fn plan(State(app): Application, body: Body<SpecText>) -> Answer<PlanView> {
    Ok(Json(app.plan(&understood(body)?).await?))
}

async fn inventory(State(app): Application, body: Body<SpecText>) -> Answer<Saved> {
    Ok(Json(app.inventory(&understood(body)?).await?))
}

async fn assess(State(app): Application, body: Body<SpecText>) -> Answer<Assessment> {
    Ok(Json(app.assess(&understood(body)?).await?))
}

async fn drop_slot(State(app): Application, body: Body<DropSlot>) -> Answer<SlotDropped> {
    Ok(Json(app.drop_slot(&understood(body)?).await?))
}

async fn routes(State(app): Application) -> Answer<Vec<ServiceRoute>> {
    Ok(Json(app.routes().await?))
}

async fn routes_of(State(app): Application, body: Body<SpecText>) -> Answer<Vec<ServiceRoute>> {
    Ok(Json(app.routes_of(&understood(body)?).await?))
}

async fn certificates(State(app): Application) -> Answer<Vec<ProxyCertificate>> {
    Ok(Json(app.certificates().await?))
}

async fn adopt(State(app): Application, body: Body<AdoptRoute>) -> Answer<ServiceRoute> {
    Ok(Json(app.adopt(understood(body)?).await?))
}

async fn nothing_here() -> Refused {
    ApiProblem::bare(404, "nothing is served at this address")
        .hint(
            "The API's addresses begin with /v1/moves, /v1/plan, /v1/assess, /v1/routes, \
             /v1/certificates and /v1/evidence.",
        )
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
        let status = StatusCode::from_u16(self.problem.status);
        let mut response = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR).into_response();
        // The outermost layer writes the body: it knows the request's id.
        response.extensions_mut().insert(Arc::new(self));
        response
    }
}

/// A request as its answer needs it.
#[derive(Debug, Clone)]
struct Asked {
    id: String,
    line: String,
    by: Client,
}

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Client {
    /// The command that this server belongs to.
    OurCommand,
    /// Whoever reaches the address.
    Anybody,
}

impl Asked {
    fn of(request: &HttpRequest, guard: &Guard) -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(1);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let id = format!("{:x}-{number}", std::process::id());
        let line = format!("{} {}", request.method(), request.uri().path());
        let by = if guard.token.is_some() { Client::OurCommand } else { Client::Anybody };
        Self { id, line, by }
    }

    /// The problem as its client may read it. Its cause goes to the log.
    fn told(&self, refused: Refused) -> ApiProblem {
        let Refused { mut problem, cause } = refused;
        let id = &self.id;
        problem.request_id.clone_from(id);
        if problem.status >= 500 {
            let (request, cause) = (&self.line, cause.as_deref());
            tracing::warn!(request_id = id, request, %problem, cause, "a request failed");
        }
        match (cause, self.by) {
            (Some(cause), Client::OurCommand) => problem.detail = cause,
            (Some(_), Client::Anybody) => {
                problem.detail = format!("The server's log has the cause, under request {id}.");
            }
            (None, _) => {}
        }
        *problem
    }
}

/// Gives each request its id, and each answer that is not a success its problem JSON.
async fn answer(State(guard): State<Guard>, mut request: HttpRequest, next: Next) -> Response {
    let asked = Asked::of(&request, &guard);
    let mut response = match guard.refusal(&request) {
        None => {
            request.extensions_mut().insert(asked.clone());
            next.run(request).await
        }
        Some(problem) => Refused::from(problem).into_response(),
    };
    if !response.status().is_success() {
        let refused = response.extensions_mut().remove::<Arc<Refused>>();
        let refused = refused.map_or_else(
            || ApiProblem::bare(response.status().as_u16(), words(response.status())).into(),
            |refused| (*refused).clone(),
        );
        let body = serde_json::to_vec(&asked.told(refused)).expect("a problem is plain data");
        response = (response.status(), body).into_response();
        let json = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(CONTENT_TYPE, json);
    }
    if let Ok(value) = HeaderValue::from_str(&asked.id) {
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
    use std::sync::Mutex;

    use axum::body::Body;
    use landfall_core::journal::{StoreError, StoreTrouble};

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

    /// What a client of this kind reads, and what the log then says.
    fn told(by: Client) -> (String, String) {
        let log = Log::default();
        let writer = log.clone();
        let to_log = tracing_subscriber::fmt().with_writer(move || writer.clone()).finish();
        let asked = Asked { id: "3f-7".to_owned(), line: "GET /v1/moves/a".to_owned(), by };
        let cause = StoreError::Medium {
            what: "read /var/lib/landfall/landfall.db".to_owned(),
            told: "malformed".to_owned(),
            trouble: StoreTrouble::Damaged,
        };
        let problem = tracing::subscriber::with_default(to_log, || asked.told(cause.into()));
        let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
        (serde_json::to_string(&problem).unwrap(), log)
    }

    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Log {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_cause_is_in_the_log_under_the_id_that_the_answer_names() {
        let (body, log) = told(Client::Anybody);
        assert!(body.contains("log has the cause, under request 3f-7"), "{body}");
        assert!(body.contains("its file is damaged") && !body.contains("landfall.db"), "{body}");
        assert!(log.contains("3f-7") && log.contains("/var/lib/landfall/landfall.db"), "{log}");
    }

    #[test]
    fn the_command_that_a_server_belongs_to_is_told_everything() {
        let (body, _) = told(Client::OurCommand);
        assert!(body.contains("/var/lib/landfall/landfall.db: malformed"), "{body}");
    }
}
