//! The client of the control door: what `landfall lab …` calls in a lab of another process.

use std::net::SocketAddr;

use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::net::TcpStream;

use super::{Access, Capture, Error, InstanceStatus, Record, TextRow};
use crate::cloud::standing::Pretence;
use crate::door;
use crate::faults::{Fault, Order};

/// What a lab is doing.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Listing {
    pub instances: Vec<InstanceStatus>,
    pub faults: Vec<Order>,
    pub requests: usize,
    /// Whether the gateway runs, and its admin address.
    pub gateway: bool,
    pub gateway_admin: Option<SocketAddr>,
    /// The admin address of the sidecar before it, if one runs.
    pub sidecar_admin: Option<SocketAddr>,
}

/// A client of one lab's control door.
#[derive(Debug, Clone)]
pub struct Client {
    url: String,
    token: String,
}

impl Client {
    /// A client of the lab that wrote this record.
    pub fn new(record: &Record) -> Self {
        Self { url: record.control_url.clone(), token: record.token.clone() }
    }

    /// Instances, faults and counts.
    pub async fn status(&self) -> Result<Listing, Error> {
        self.get("/status").await
    }

    /// The requests at the cloud door, oldest first.
    pub async fn requests(&self) -> Result<Vec<door::Request>, Error> {
        self.get("/requests").await
    }

    /// How to log in to an instance.
    pub async fn access(&self, instance: &str) -> Result<Access, Error> {
        self.get(&format!("/instances/{instance}")).await
    }

    /// Makes another instance, outside of any cluster, and does not wait for it.
    pub async fn create_instance(&self, instance: &NewInstance) -> Result<(), Error> {
        self.call(Method::POST, "/instances", &json!(instance)).await
    }

    /// Arms a fault.
    pub async fn arm(&self, order: &Order) -> Result<(), Error> {
        self.call(Method::POST, "/faults", &json!(order)).await
    }

    /// Has the cloud show something that is not so.
    pub async fn pretend(&self, pretence: &Pretence) -> Result<(), Error> {
        self.call(Method::POST, "/pretences", &json!(pretence)).await
    }

    /// Clears one fault, or all.
    pub async fn clear(&self, fault: Option<Fault>) -> Result<(), Error> {
        let path = match fault {
            Some(fault) => format!("/faults/{fault}"),
            None => "/faults".to_owned(),
        };
        self.call(Method::DELETE, &path, &json!(null)).await
    }

    /// Starts the gateway from a bootstrap.
    pub async fn start_gateway(&self, bootstrap: &str, admin: SocketAddr) -> Result<(), Error> {
        self.call(Method::POST, "/gateway", &json!({ "bootstrap": bootstrap, "admin": admin }))
            .await
    }

    /// Starts a sidecar from a bootstrap.
    pub async fn start_sidecar(&self, bootstrap: &str, admin: SocketAddr) -> Result<(), Error> {
        self.call(Method::POST, "/sidecar", &json!({ "bootstrap": bootstrap, "admin": admin }))
            .await
    }

    /// Starts a real consumer of the source's changes, when it does not run.
    pub async fn start_capture(&self) -> Result<Capture, Error> {
        self.call(Method::POST, "/capture", &json!(null)).await
    }

    /// Stops the gateway, and the sidecar before it.
    pub async fn stop_gateway(&self) -> Result<(), Error> {
        self.call(Method::DELETE, "/gateway", &json!(null)).await
    }

    /// Runs SQL as the lab's own superuser.
    pub async fn sql(
        &self,
        instance: &str,
        database: &str,
        sql: &str,
    ) -> Result<Vec<TextRow>, Error> {
        let body = json!({ "instance": instance, "database": database, "sql": sql });
        self.call(Method::POST, "/sql", &body).await
    }

    /// Asks the lab to go down; it answers before it has gone.
    pub async fn shut_down(&self) -> Result<(), Error> {
        self.call(Method::POST, "/shutdown", &json!(null)).await
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Error> {
        self.call(Method::GET, path, &json!(null)).await
    }

    async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: &serde_json::Value,
    ) -> Result<T, Error> {
        let (status, bytes) =
            self.send(method, path, body).await.map_err(|error| self.failed(&*error))?;
        if !(200..300).contains(&status) {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            return Err(self.failed(&*Box::<dyn std::error::Error>::from(text)));
        }
        serde_json::from_slice(&bytes).map_err(|error| self.failed(&error))
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: &serde_json::Value,
    ) -> Result<(u16, Bytes), Box<dyn std::error::Error + Send + Sync>> {
        let host = self.url.strip_prefix("http://").unwrap_or(&self.url);
        let stream = TcpStream::connect(host).await?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        let driving = tokio::spawn(connection);
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", host)
            .header("authorization", format!("Bearer {}", self.token))
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(body.to_string())))?;
        let response = sender.send_request(request).await?;
        let status = response.status().as_u16();
        let bytes = response.into_body().collect().await?.to_bytes();
        drop(sender);
        driving.abort();
        Ok((status, bytes))
    }

    fn failed(&self, error: &dyn std::error::Error) -> Error {
        Error::Control { url: self.url.clone(), detail: error.to_string() }
    }
}

/// An instance to make besides the source.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct NewInstance {
    pub identifier: String,
    pub database: Option<String>,
    pub master_user: String,
    pub master_password: String,
    #[serde(default)]
    pub security_groups: Vec<String>,
}
