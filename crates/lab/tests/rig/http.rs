//! HTTP by hand: one request, one answer, no library in between.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::Rig;

pub(crate) const SIGNED: &str = "AWS4-HMAC-SHA256 Credential=lab-admin/20260101/us-east-1/rds/aws4_request, \
                      SignedHeaders=host, Signature=0";

/// An answer: status, headers in lower case, body.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn error_code(&self) -> String {
        let text = self.text();
        let code = text.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>"));
        code.map(|(code, _)| code.to_owned()).unwrap_or_default()
    }
}

/// Sends one request and reads the answer; `None` when the connection was cut instead.
pub(crate) async fn send(
    url: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Option<Answer> {
    let host = url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(host).await.unwrap();
    let named = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n"));
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\ncontent-length: {}\r\n{}\r\n",
        body.len(),
        named.collect::<String>()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(body).await.unwrap();
    let mut answer = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut answer));
    // A cut connection is an end of file or a reset, both before any byte.
    let _ = read.await.expect("the door answers or hangs up");
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&answer[..end]).to_lowercase();
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some(Answer { status, head, body: answer[end + 4..].to_vec() })
}

/// One call by awsQuery.
pub(crate) async fn query(rig: &Rig, form: &str) -> Answer {
    let headers = [
        ("authorization", SIGNED),
        ("content-type", "application/x-www-form-urlencoded; charset=utf-8"),
    ];
    send(&rig.lab.endpoint_url(), "/", &headers, form.as_bytes()).await.expect("an answer")
}
