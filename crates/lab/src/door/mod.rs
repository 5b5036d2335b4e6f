//! The cloud door: RDS, STS, CloudWatch, Route 53 and Secrets Manager on one free loopback port, in
//! AWS's wire protocols.
//!
//! It translates, authorises and logs; states and rules are the cloud's. Signatures are *not*
//! verified: whose access key a well-formed `Authorization` header names is who calls, and what
//! its policy does not allow is refused. A request without one is refused. Faults on calls strike
//! here. Dropping the door closes its port and its connections.

mod authorise;
mod cloudwatch;
mod form;
mod log;
mod rds;
mod route;
mod secrets;
mod sts;
mod xml;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::http::request::Parts;
use hyper::service::service_fn;
use hyper::{Request as HttpRequest, Response};
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};

pub use log::{Request, RequestLog};

pub(crate) use form::decode;
pub(crate) use xml::Fields;

use crate::account::Account;
use crate::cloud::Cloud;
use crate::cloud::names::request_id;
use crate::cloud::refusal::{Code, Refusal};
use crate::faults::Fault;
use crate::zones::api;
use cloudwatch::wire::{self, Reply};
use route::Call;

const BODY_MAX: usize = 1 << 20;
const SLOW: u64 = 2_000;

/// An open door.
#[derive(Debug)]
pub struct Door {
    address: SocketAddr,
    log: Arc<RequestLog>,
    accepting: JoinHandle<()>,
}

impl Door {
    /// Opens a door to a cloud for the users of an account.
    pub async fn open(cloud: Cloud, account: Arc<Account>) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let log = Arc::new(RequestLog::default());
        let desk = Arc::new(Desk { cloud, account, log: Arc::clone(&log) });
        Ok(Self { address, log, accepting: tokio::spawn(accept(listener, desk)) })
    }

    /// The URL for `AWS_ENDPOINT_URL`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The requests so far.
    pub fn log(&self) -> &Arc<RequestLog> {
        &self.log
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, desk: Arc<Desk>) {
    // Connections end with this set, when the door is dropped.
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        // An error concerns one newcomer or a lack of descriptors: go on.
        let Ok((stream, _)) = listener.accept().await else {
            tokio::task::yield_now().await;
            continue;
        };
        let desk = Arc::clone(&desk);
        connections.spawn(async move {
            let service = service_fn(move |request| {
                let desk = Arc::clone(&desk);
                async move { desk.serve(request).await }
            });
            let serving = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service);
            // It ends with an error when a client goes away or an answer is cut on purpose.
            let _ = serving.await;
        });
    }
}

/// The answer is withheld and the connection ended.
#[derive(Debug, thiserror::Error)]
#[error("the answer is lost on purpose")]
struct Cut;

/// What an answer consists of before it is an HTTP response.
struct Reaction {
    status: u16,
    content_type: &'static str,
    body: Vec<u8>,
    /// What the log says.
    outcome: String,
    /// `x-amzn-query-error`, for query-compatible protocols.
    query_error: Option<String>,
}

struct Desk {
    cloud: Cloud,
    account: Arc<Account>,
    log: Arc<RequestLog>,
}

impl Desk {
    async fn serve(&self, request: HttpRequest<Incoming>) -> Result<Response<Full<Bytes>>, Cut> {
        let began = Instant::now();
        let at = Timestamp::now();
        let (head, body) = request.into_parts();
        let body = match Limited::new(body, BODY_MAX).collect().await {
            Ok(body) => body.to_bytes(),
            Err(_) => return Err(Cut),
        };
        let call = route::route(&head, &body);
        let (service, action, subject) = match &call {
            Ok(call) => (call.service(), call.action().to_owned(), call.subject()),
            Err(_) => ("unknown", "unknown".to_owned(), None),
        };
        let reaction = match call {
            Ok(call) => self.react(&head, &call, &body).await,
            Err(refusal) => in_xml(rds::NAMESPACE, &refusal),
        };
        let cut = self.cloud.faults().take(Fault::LostAnswer, &action).is_some();
        self.log.add(Request {
            at,
            service: service.to_owned(),
            action,
            subject,
            outcome: if cut { "cut".to_owned() } else { reaction.outcome.clone() },
            milliseconds: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
        });
        if cut { Err(Cut) } else { Ok(respond(reaction)) }
    }

    async fn react(&self, head: &Parts, call: &Call, body: &[u8]) -> Reaction {
        if let Err(refusal) = self.admit(head, call).await {
            return refuse(call, &refusal);
        }
        match call {
            Call::Rds { action, form } => {
                match rds::perform(&self.cloud, (action, route::region(head)), form).await {
                    Ok((wrapper, fields)) => {
                        done(xml::answer(action, rds::NAMESPACE, wrapper, &fields))
                    }
                    Err(refusal) => refuse(call, &refusal),
                }
            }
            Call::Sts { action, form } => match sts::perform(action, form) {
                Ok(fields) => {
                    done(xml::answer(action, sts::NAMESPACE, xml::Wrapper::Result, &fields))
                }
                Err(refusal) => refuse(call, &refusal),
            },
            Call::Route53(call) => match call.perform(self.cloud.zones(), body) {
                Ok(fields) => done(xml::rest(call.action(), api::NAMESPACE, &fields)),
                Err(refused) => rest_refusal(&refused),
            },
            Call::SecretsManager { action, secret } => {
                match secrets::perform(&self.cloud, action, secret) {
                    Ok(body) => secrets::reaction(200, "ok", &body),
                    Err(refusal) => refuse(call, &refusal),
                }
            }
            Call::CloudWatch { operation, wire: form, .. } => {
                let reply = wire::read(*form, body)
                    .and_then(|input| cloudwatch::perform(&self.cloud, operation, &input));
                match reply {
                    Ok(reply) => Reaction {
                        status: 200,
                        content_type: form.content_type(),
                        body: wire::write(*form, &reply),
                        outcome: "ok".to_owned(),
                        query_error: None,
                    },
                    Err(refusal) => refuse(call, &refusal),
                }
            }
        }
    }

    /// Lets a call in, unless it has no credentials or a fault strikes it.
    async fn admit(&self, head: &Parts, call: &Call) -> Result<(), Refusal> {
        let access_key = authorise::access_key(head).ok_or_else(|| {
            Refusal::new(
                Code::MissingAuthenticationToken,
                "Request is missing Authentication Token",
            )
        })?;
        let faults = self.cloud.faults();
        let action = call.action();
        if let Some(order) = faults.take(Fault::Slow, action) {
            tokio::time::sleep(Duration::from_millis(order.argument.unwrap_or(SLOW))).await;
        }
        if faults.take(Fault::Throttle, action).is_some() {
            return Err(Refusal::new(Code::Throttling, "Rate exceeded"));
        }
        if faults.take(Fault::Denied, action).is_some() {
            let message = format!("User: lab is not authorized to perform: {action}");
            return Err(Refusal::new(Code::AccessDenied, message));
        }
        self.account.admit(access_key, &authorise::asks(call))?;
        match faults.take(Fault::ServerError, action).map(|order| order.argument) {
            Some(Some(503)) => {
                Err(Refusal::new(Code::ServiceUnavailable, "The service is unavailable."))
            }
            Some(_) => Err(Refusal::new(Code::InternalFailure, "An internal error occurred.")),
            None => Ok(()),
        }
    }
}

fn done(document: String) -> Reaction {
    Reaction {
        status: 200,
        content_type: "text/xml",
        body: document.into_bytes(),
        outcome: "ok".to_owned(),
        query_error: None,
    }
}

/// The refusal in the protocol of the call.
fn refuse(call: &Call, refusal: &Refusal) -> Reaction {
    match call {
        Call::Rds { .. } => in_xml(rds::NAMESPACE, refusal),
        Call::Sts { .. } => in_xml(sts::NAMESPACE, refusal),
        Call::Route53(_) => in_xml(api::NAMESPACE, refusal),
        Call::SecretsManager { .. } => secrets::refusal(refusal),
        Call::CloudWatch { wire: form, .. } => {
            let code = refusal.code.text();
            let body = Reply::Map(vec![
                ("__type", Reply::text(format!("com.amazonaws.cloudwatch#{code}"))),
                ("message", Reply::text(&refusal.message)),
            ]);
            Reaction {
                status: refusal.code.status(),
                content_type: form.content_type(),
                body: wire::write(*form, &body),
                outcome: code.to_owned(),
                query_error: Some(format!("{code};{}", fault_of(refusal))),
            }
        }
    }
}

fn in_xml(namespace: &str, refusal: &Refusal) -> Reaction {
    let code = refusal.code.text();
    let document = xml::refusal(namespace, fault_of(refusal), code, &refusal.message);
    Reaction { status: refusal.code.status(), outcome: code.to_owned(), ..done(document) }
}

fn rest_refusal(refused: &api::Refused) -> Reaction {
    let api::Refused { status, code, message } = refused;
    let document = xml::refusal(api::NAMESPACE, "Sender", code, message);
    Reaction { status: *status, outcome: (*code).to_owned(), ..done(document) }
}

/// Whose fault an error is, in AWS's words.
const fn fault_of(refusal: &Refusal) -> &'static str {
    if refusal.code.status() >= 500 { "Receiver" } else { "Sender" }
}

fn respond(reaction: Reaction) -> Response<Full<Bytes>> {
    let mut response = Response::builder()
        .status(reaction.status)
        .header("content-type", reaction.content_type)
        .header("x-amzn-requestid", request_id());
    if reaction.content_type == wire::Form::Cbor.content_type() {
        response = response.header("smithy-protocol", "rpc-v2-cbor");
    }
    if let Some(error) = reaction.query_error {
        response = response.header("x-amzn-query-error", error);
    }
    // Building fails only for malformed headers, and none here comes from outside.
    response.body(Full::new(Bytes::from(reaction.body))).unwrap_or_default()
}
