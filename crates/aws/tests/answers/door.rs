//! A door that speaks RDS's XML and CloudWatch's CBOR from a script, and remembers what it heard.
//!
//! Replies are queued by action; the last one of an action is given again and again. An action
//! without a reply is answered with `InvalidAction`, so a call nobody expected fails its test.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use landfall_aws::AwsCloud;
use landfall_core::Epoch;
use landfall_core::port::Stamp;

/// Long enough for a busy machine; only tests of time-outs wait for it.
pub(crate) const CALL_TIMEOUT: Duration = Duration::from_secs(20);

/// One request: the form's fields, or for CloudWatch only its action.
pub(crate) type Request = BTreeMap<String, String>;

#[derive(Clone)]
pub(crate) enum Reply {
    /// The content of the action's result element.
    Result(String),
    /// An error of RDS.
    Refused(u16, &'static str, &'static str),
    /// Bytes that are not AWS's.
    Raw(u16, Vec<u8>),
    /// A CBOR document.
    Cbor(ciborium::Value),
    /// The content of the action's result element, after a while.
    Late(Duration, &'static str),
    /// Nothing, for longer than anybody waits.
    Silence,
}

#[derive(Default)]
struct Script {
    replies: Mutex<HashMap<String, VecDeque<Reply>>>,
    heard: Mutex<Vec<Request>>,
}

pub(crate) struct Door {
    script: Arc<Script>,
    url: String,
}

impl Door {
    pub(crate) async fn open() -> Self {
        let script = Arc::new(Script::default());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let app = axum::Router::new().fallback(answer).with_state(Arc::clone(&script));
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { script, url }
    }

    /// Queues replies to an action.
    pub(crate) fn on(&self, action: &str, replies: impl IntoIterator<Item = Reply>) -> &Self {
        let mut queue = self.script.replies.lock().unwrap();
        queue.entry(action.to_owned()).or_default().extend(replies);
        self
    }

    pub(crate) fn heard(&self, action: &str) -> Vec<Request> {
        let heard = self.script.heard.lock().unwrap();
        heard.iter().filter(|request| request["Action"] == action).cloned().collect()
    }

    pub(crate) async fn config(&self) -> SdkConfig {
        aws_config::defaults(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .endpoint_url(&self.url)
            .retry_config(RetryConfig::disabled())
            .credentials_provider(Credentials::new("AKID", "secret", None, None, "test"))
            .load()
            .await
    }

    pub(crate) async fn cloud(&self) -> AwsCloud {
        AwsCloud::new(&self.config().await, CALL_TIMEOUT).unwrap()
    }
}

/// The move on whose behalf the tests act.
pub(crate) fn stamp() -> Stamp {
    Stamp { migration: "orders".into(), epoch: Epoch(7) }
}

/// The tags of that move, or of another, as RDS lists them.
pub(crate) fn tag_list(migration: &str) -> String {
    format!(
        "<TagList><Tag><Key>landfall:migration</Key><Value>{migration}</Value></Tag>\
         <Tag><Key>landfall:epoch</Key><Value>1</Value></Tag></TagList>"
    )
}

async fn answer(State(script): State<Arc<Script>>, uri: Uri, body: Bytes) -> Response {
    let request = request(&uri, &body);
    let action = request["Action"].clone();
    script.heard.lock().unwrap().push(request);
    match script.next(&action) {
        Reply::Result(content) => result(&action, &content),
        Reply::Late(pause, content) => {
            tokio::time::sleep(pause).await;
            result(&action, content)
        }
        Reply::Refused(status, code, message) => document(
            StatusCode::from_u16(status).unwrap(),
            format!(
                "<ErrorResponse xmlns=\"http://rds.amazonaws.com/doc/2014-10-31/\">\
                 <Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>\
                 <RequestId>1</RequestId></ErrorResponse>"
            ),
        ),
        Reply::Raw(status, bytes) => (StatusCode::from_u16(status).unwrap(), bytes).into_response(),
        Reply::Cbor(value) => {
            let mut bytes = Vec::new();
            ciborium::into_writer(&value, &mut bytes).unwrap();
            let headers =
                [("content-type", "application/cbor"), ("smithy-protocol", "rpc-v2-cbor")];
            (headers, bytes).into_response()
        }
        Reply::Silence => std::future::pending().await,
    }
}

impl Script {
    fn next(&self, action: &str) -> Reply {
        let mut replies = self.replies.lock().unwrap();
        match replies.get_mut(action) {
            Some(queue) if queue.len() > 1 => queue.pop_front().unwrap(),
            Some(queue) => queue.front().unwrap().clone(),
            None => Reply::Refused(400, "InvalidAction", "no reply was written for this action"),
        }
    }
}

fn result(action: &str, content: &str) -> Response {
    document(
        StatusCode::OK,
        format!(
            "<{action}Response xmlns=\"http://rds.amazonaws.com/doc/2014-10-31/\">\
             <{action}Result>{content}</{action}Result>\
             <ResponseMetadata><RequestId>1</RequestId></ResponseMetadata>\
             </{action}Response>"
        ),
    )
}

fn document(status: StatusCode, xml: String) -> Response {
    (status, [("content-type", "text/xml")], xml).into_response()
}

/// RDS names its action in the form, CloudWatch in the path. CloudWatch's body is flattened to
/// the few fields the tests look at.
fn request(uri: &Uri, body: &[u8]) -> Request {
    if let Some((_, operation)) = uri.path().rsplit_once("/operation/") {
        let body: ciborium::Value = ciborium::from_reader(body).unwrap();
        let fields = body.as_map().unwrap().iter();
        let mut request: Request = fields
            .map(|(name, value)| (name.as_text().unwrap().to_owned(), format!("{value:?}")))
            .collect();
        request.insert("Action".to_owned(), operation.to_owned());
        return request;
    }
    let form = std::str::from_utf8(body).unwrap();
    let uri: Uri = format!("http://form/?{form}").parse().unwrap();
    let Query(fields) = Query::<Request>::try_from_uri(&uri).unwrap();
    fields
}
