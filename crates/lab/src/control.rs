//! The control door: what is possible with a lab and not with AWS — faults, SQL as the lab,
//! the gateway, going down. JSON over HTTP on loopback.
//!
//! Whoever calls must have the token from `lab.json`, so that no other user of the machine and no
//! web page can. It is a door only: everything is done by the [`Lab`].

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use crate::cloud::InstanceRequest;
use crate::cloud::names::random_word;
use crate::cloud::standing::Pretence;
use crate::door;
use crate::faults::{Fault, Order};
use crate::supervisor::{Access, Capture, Error, Lab, Listing, NewInstance, TextRow};

const CLOSING_BOUND: Duration = Duration::from_secs(2);

/// An open control door.
#[derive(Debug)]
pub struct Control {
    address: SocketAddr,
    token: String,
    shutdown: Arc<Notify>,
    closing: Arc<Notify>,
    serving: JoinHandle<()>,
}

#[derive(Debug, Clone)]
struct Desk {
    lab: Arc<Lab>,
    token: String,
    shutdown: Arc<Notify>,
}

type Answer<T> = Result<Json<T>, (StatusCode, String)>;

impl Control {
    /// Opens the door of a lab on a free port.
    pub async fn open(lab: Arc<Lab>) -> std::io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let token = random_word(32);
        let shutdown = Arc::new(Notify::new());
        let desk = Desk { lab, token: token.clone(), shutdown: Arc::clone(&shutdown) };
        let app = Router::new()
            .route("/status", get(status))
            .route("/requests", get(requests))
            .route("/instances", post(create_instance))
            .route("/instances/{name}", get(access))
            .route("/faults", get(faults).post(arm).delete(clear_all))
            .route("/faults/{name}", delete(clear))
            .route("/pretences", post(pretend))
            .route("/gateway", post(start_gateway).delete(stop_gateway))
            .route("/sidecar", post(start_sidecar))
            .route("/capture", post(start_capture).delete(stop_capture))
            .route("/sql", post(sql))
            .route("/shutdown", post(shut_down))
            .layer(from_fn_with_state(desk.clone(), admit))
            .with_state(desk);
        let closing = Arc::new(Notify::new());
        let closed = Arc::clone(&closing);
        let serving = tokio::spawn(async move {
            let serving = axum::serve(listener, app)
                .with_graceful_shutdown(async move { closed.notified().await });
            if let Err(error) = serving.await {
                tracing::error!(%error, "the control door closed");
            }
        });
        Ok(Self { address, token, shutdown, closing, serving })
    }

    /// The URL of the door.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What callers must show.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Waits until somebody asks the lab to go down.
    pub async fn asked_to_stop(&self) {
        self.shutdown.notified().await;
    }

    /// Closes the door once what is being answered has been.
    pub async fn close(self) {
        self.closing.notify_one();
        let mut serving = self.serving;
        if tokio::time::timeout(CLOSING_BOUND, &mut serving).await.is_err() {
            serving.abort();
        }
    }
}

async fn admit(
    State(desk): State<Desk>,
    request: Request,
    next: Next,
) -> Result<Response, StatusCode> {
    let shown = request.headers().get("authorization").and_then(|value| value.to_str().ok());
    if shown == Some(&format!("Bearer {}", desk.token)) {
        Ok(next.run(request).await)
    } else {
        Err(StatusCode::UNAUTHORIZED)
    }
}

async fn status(State(desk): State<Desk>) -> Json<Listing> {
    let gateway_admin = desk.lab.gateway_admin().await;
    Json(Listing {
        instances: desk.lab.instances(),
        faults: desk.lab.cloud().faults().armed(),
        requests: desk.lab.requests().len(),
        gateway: gateway_admin.is_some(),
        gateway_admin,
        sidecar_admin: desk.lab.sidecar_admin().await,
    })
}

async fn requests(State(desk): State<Desk>) -> Json<Vec<door::Request>> {
    Json(desk.lab.requests())
}

async fn access(State(desk): State<Desk>, Path(name): Path<String>) -> Answer<Access> {
    desk.lab.access(&name).map(Json).map_err(failed)
}

async fn pretend(State(desk): State<Desk>, Json(pretence): Json<Pretence>) -> Answer<()> {
    let done = desk.lab.cloud().pretend(pretence);
    done.map(Json).map_err(|refusal| (StatusCode::BAD_REQUEST, refusal.message))
}

async fn create_instance(State(desk): State<Desk>, Json(new): Json<NewInstance>) -> Answer<()> {
    let request = InstanceRequest {
        id: new.identifier,
        class: "db.m6g.large".to_owned(),
        engine: "postgres".to_owned(),
        storage_gib: Some(100),
        master_user: Some(new.master_user),
        master_password: Some(new.master_password),
        database: new.database,
        security_groups: new.security_groups,
        ..InstanceRequest::default()
    };
    let made = desk.lab.cloud().create_instance(request);
    made.map(|_| Json(())).map_err(|refusal| (StatusCode::BAD_REQUEST, refusal.to_string()))
}

async fn faults(State(desk): State<Desk>) -> Json<Vec<Order>> {
    Json(desk.lab.cloud().faults().armed())
}

async fn arm(State(desk): State<Desk>, Json(order): Json<Order>) -> Json<()> {
    desk.lab.arm(order).await;
    Json(())
}

async fn clear_all(State(desk): State<Desk>) -> Json<()> {
    desk.lab.cloud().faults().clear(None);
    Json(())
}

async fn clear(State(desk): State<Desk>, Path(name): Path<String>) -> Answer<()> {
    let fault: Fault = name
        .parse()
        .map_err(|error: crate::faults::UnknownFault| (StatusCode::NOT_FOUND, error.to_string()))?;
    desk.lab.cloud().faults().clear(Some(fault));
    Ok(Json(()))
}

#[derive(Debug, Deserialize)]
struct Bootstrap {
    bootstrap: String,
    admin: SocketAddr,
}

async fn start_gateway(State(desk): State<Desk>, Json(it): Json<Bootstrap>) -> Answer<()> {
    desk.lab.start_gateway(it.bootstrap, it.admin).await.map(Json).map_err(failed)
}

async fn start_sidecar(State(desk): State<Desk>, Json(it): Json<Bootstrap>) -> Answer<()> {
    desk.lab.start_sidecar(it.bootstrap, it.admin).await.map(Json).map_err(failed)
}

async fn start_capture(State(desk): State<Desk>) -> Answer<Capture> {
    desk.lab.start_capture().await.map(Json).map_err(failed)
}

async fn stop_capture(State(desk): State<Desk>) -> Json<()> {
    desk.lab.stop_capture().await;
    Json(())
}

async fn stop_gateway(State(desk): State<Desk>) -> Json<()> {
    desk.lab.stop_gateway().await;
    Json(())
}

#[derive(Debug, Deserialize)]
struct Statement {
    instance: String,
    database: String,
    sql: String,
}

async fn sql(State(desk): State<Desk>, Json(it): Json<Statement>) -> Answer<Vec<TextRow>> {
    desk.lab.sql(&it.instance, &it.database, &it.sql).await.map(Json).map_err(failed)
}

async fn shut_down(State(desk): State<Desk>) -> Json<()> {
    desk.shutdown.notify_one();
    Json(())
}

fn failed(error: Error) -> (StatusCode, String) {
    let mut text = format!("could not {error}");
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    (StatusCode::BAD_REQUEST, text)
}
