//! A worker's REST interface: the calls that a hand-over needs, and what each refusal means.
//!
//! A member of a group answers 409 while the group finds itself anew, and 429 or 503 when it is
//! busy: nothing was done, so the call is made again while its time lasts. Everything else is one
//! [`Failure`] that names the connector, the worker and what to do. While a worker starts it
//! answers 404 without JSON to everything, which is silence and no word about a connector.

use std::time::{Duration, Instant};

use hyper::Method;
use landfall_core::{Failure, FailureKind};
use serde_json::{Map, Value, json};

use super::http::{Answer, Http, Trouble};
use super::offset::Offset;
use super::told::Told;

/// Between two tries of a call that the group was not ready for.
const PAUSE: Duration = Duration::from_millis(250);

/// What is kept of a worker's own words.
const WORDS_MAX: usize = 600;

pub(super) struct Worker {
    http: Result<Http, String>,
    url: String,
    connector: String,
    bound: Duration,
}

impl Worker {
    pub(super) fn new(
        http: Result<Http, String>,
        url: String,
        connector: String,
        bound: Duration,
    ) -> Self {
        Self { http, url, connector, bound }
    }

    /// Everything that the worker says of its connectors, ours among them or not.
    pub(super) async fn connectors(&self) -> Result<Told, Failure> {
        let what = self.what("look at");
        let path = "/connectors?expand=info&expand=status";
        let answer = self.done(&what, Method::GET, path, None).await?;
        let told: Map<String, Value> = self.read(&what, &answer)?;
        Ok(Told::new(told))
    }

    /// The stored offsets of every partition, as they are written.
    pub(super) async fn offsets(&self) -> Result<Vec<Offset>, Failure> {
        let what = self.what("read the offsets of");
        let answer = self.done(&what, Method::GET, &self.path("/offsets"), None).await?;
        let told: Value = self.read(&what, &answer)?;
        Ok(Offset::all(&told))
    }

    pub(super) async fn stop(&self) -> Result<(), Failure> {
        self.order("stop", "/stop").await
    }

    pub(super) async fn pause(&self) -> Result<(), Failure> {
        self.order("pause", "/pause").await
    }

    pub(super) async fn resume(&self) -> Result<(), Failure> {
        self.order("resume", "/resume").await
    }

    /// Starts its tasks anew; one that gave up does not come back by a resume.
    pub(super) async fn restart(&self) -> Result<(), Failure> {
        let what = self.what("restart");
        let path = self.path("/restart?includeTasks=true&onlyFailed=true");
        self.done(&what, Method::POST, &path, None).await.map(drop)
    }

    pub(super) async fn set_offset(
        &self,
        partition: &Value,
        offset: &Value,
    ) -> Result<(), Failure> {
        let what = self.what("set the offset of");
        let body = json!({ "offsets": [{ "partition": partition, "offset": offset }] });
        self.done(&what, Method::PATCH, &self.path("/offsets"), Some(&body)).await.map(drop)
    }

    /// Replaces the settings whole, which is how the interface takes them.
    pub(super) async fn configure(&self, settings: &Map<String, Value>) -> Result<(), Failure> {
        let what = self.what("point");
        let body = json!(settings);
        self.done(&what, Method::PUT, &self.path("/config"), Some(&body)).await.map(drop)
    }

    /// For messages.
    pub(super) fn what(&self, verb: &str) -> String {
        format!("{verb} connector {} of the worker at {}", self.connector, self.url)
    }

    async fn order(&self, verb: &str, path: &str) -> Result<(), Failure> {
        let what = self.what(verb);
        self.done(&what, Method::PUT, &self.path(path), None).await.map(drop)
    }

    fn path(&self, rest: &str) -> String {
        format!("/connectors/{}{rest}", escaped(&self.connector))
    }

    /// Asks until it is done, refused, or the call's time is over.
    async fn done(
        &self,
        what: &str,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Answer, Failure> {
        let http = self
            .http
            .as_ref()
            .map_err(|why| Failure::new(FailureKind::Invalid, what, why.clone()))?;
        let begun = Instant::now();
        loop {
            let left = self.bound.saturating_sub(begun.elapsed());
            let body = body.map(|body| body.to_string().into_bytes());
            let asked = http.ask(method.clone(), path, body, left).await;
            let answer = asked.map_err(|trouble| self.unheard(what, trouble))?;
            if (200..300).contains(&answer.status) {
                return Ok(answer);
            }
            let again = matches!(answer.status, 409 | 429 | 503);
            if !again || begun.elapsed() + PAUSE >= self.bound {
                return Err(refusal(what, &answer));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    fn unheard(&self, what: &str, trouble: Trouble) -> Failure {
        let hint = "Nothing is known of what it did; what it has is looked at again";
        match trouble {
            Trouble::Wrong(words) => Failure::new(
                FailureKind::Invalid,
                what,
                format!("{words}. Mend url or root_certificate of this [[consumer]]"),
            ),
            Trouble::Silent(words) => Failure::new(
                FailureKind::Unavailable,
                what,
                format!("no answer: {words}. {hint}; check that the worker runs"),
            ),
            Trouble::Late => Failure::new(
                FailureKind::TimedOut,
                what,
                format!("no answer within {:?} (call_within). {hint}", self.bound),
            ),
        }
    }

    fn read<T: serde::de::DeserializeOwned>(
        &self,
        what: &str,
        answer: &Answer,
    ) -> Result<T, Failure> {
        serde_json::from_slice(&answer.body).map_err(|error| {
            let detail = format!(
                "the answer is not one of Kafka Connect ({error}). Check that {} is the worker's \
                 REST interface",
                self.url
            );
            Failure::new(FailureKind::Invalid, what, detail)
        })
    }
}

/// What a status that is no success means.
fn refusal(what: &str, answer: &Answer) -> Failure {
    let told: Option<Value> = serde_json::from_slice(&answer.body).ok();
    let message = told.as_ref().and_then(|told| told.get("message")).and_then(Value::as_str);
    let words = bounded(message.unwrap_or("it gave no reason"));
    let (kind, hint) = match (answer.status, message) {
        (401 | 403, _) => (FailureKind::Denied, "Check user and password of this [[consumer]]"),
        (404, Some(_)) => (FailureKind::NotFound, "Check the connector's name"),
        (404, None) => {
            (FailureKind::Unavailable, "The worker is starting, or its interface is elsewhere")
        }
        (400, Some(message)) if message.contains("STOPPED state") => {
            (FailureKind::WrongState, "It is looked at again")
        }
        (400 | 422, _) => (FailureKind::Invalid, "The worker tries new settings on the server"),
        (409, _) => (FailureKind::WrongState, "Its group of workers is finding itself anew"),
        (429, _) => (FailureKind::Throttled, "It is asked again"),
        (500.., _) => (FailureKind::Unavailable, "The worker's log says more"),
        _ => (FailureKind::Unknown, "The worker's log says more"),
    };
    Failure::new(kind, what, format!("it answered {}: {words}. {hint}", answer.status))
}

/// A worker's words on one line, without the lines of its program. Of long ones the beginning and
/// the end are kept: Debezium tells its whole state before it comes to the point.
pub(super) fn bounded(words: &str) -> String {
    let first = words.lines().map(str::trim).filter(|line| !line.is_empty());
    let line = first.take_while(|line| !line.starts_with("at ")).collect::<Vec<_>>().join(" ");
    let line: Vec<char> = line.chars().filter(|part| !part.is_control()).collect();
    if line.len() <= WORDS_MAX {
        return line.into_iter().collect();
    }
    let (head, rest) = line.split_at(WORDS_MAX / 3);
    let tail = rest.iter().skip(rest.len().saturating_sub(WORDS_MAX - head.len()));
    head.iter().chain(&[' ', '…', ' ']).chain(tail).collect()
}

/// A connector's name as a part of a path.
fn escaped(name: &str) -> String {
    let mut text = String::new();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.push('%');
            text.push_str(&data_encoding::HEXUPPER.encode(&[byte]));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use hyper::body::Bytes;

    use super::*;

    fn kind(status: u16, body: &'static str) -> FailureKind {
        let answer = Answer { status, body: Bytes::from_static(body.as_bytes()) };
        refusal("stop connector cdc of the worker at http://c", &answer).kind
    }

    #[test]
    fn a_refusal_says_whether_asking_again_helps() {
        let said = r#"{"error_code":400,"message":"no"}"#;
        assert_eq!(kind(400, said), FailureKind::Invalid);
        assert_eq!(kind(404, said), FailureKind::NotFound);
        assert_eq!(kind(404, "<html>Not Found</html>"), FailureKind::Unavailable, "it starts");
        assert_eq!(kind(401, ""), FailureKind::Denied);
        assert_eq!(kind(409, said), FailureKind::WrongState);
        assert_eq!(kind(500, said), FailureKind::Unavailable);
        let stopped = r#"{"message":"Connectors must be in the STOPPED state before"}"#;
        assert_eq!(kind(400, stopped), FailureKind::WrongState);
    }

    #[test]
    fn a_name_stays_one_part_of_a_path() {
        assert_eq!(escaped("orders-cdc"), "orders-cdc");
        assert_eq!(escaped("a/b c?"), "a%2Fb%20c%3F");
    }

    #[test]
    fn a_trace_is_its_words_without_its_lines() {
        let trace = "org.x.Error: no slot\n\tat org.x.Y(Y.java:1)\n\tat java.base/z";
        assert_eq!(bounded(trace), "org.x.Error: no slot");
        let long = bounded(&format!("org.x.Error: {}: no slot", "state ".repeat(500)));
        assert!(long.starts_with("org.x.Error") && long.ends_with(": no slot"), "{long}");
        assert!(long.chars().count() < WORDS_MAX + 10);
    }
}
