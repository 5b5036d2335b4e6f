//! A name server of one hosted zone, over UDP and TCP on one free port of loopback.
//!
//! It answers what resolvers ask: one question for one name of the zone. Aliases to other names
//! are not followed. Dropping it closes its port.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::JoinSet;

use super::{RecordSet, Zones};

const A: u16 = 1;
const CNAME: u16 = 5;
const AAAA: u16 = 28;
/// An answer, with authority.
const ANSWER: u16 = 0x8400;
const NO_SUCH_NAME: u16 = 3;
const HEADER: usize = 12;
/// Where the question's name is, as a pointer.
const SAME_NAME: u16 = 0xC00C;
const INTERNET: u16 = 1;
const MESSAGE_MAX: usize = 512;

/// A running name server.
#[derive(Debug)]
pub struct Authority {
    address: SocketAddr,
    /// Dropping it ends them.
    _serving: JoinSet<()>,
}

impl Zones {
    /// Opens a name server of a zone.
    pub async fn serve(&self, id: &str) -> io::Result<Authority> {
        let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = tcp.local_addr()?;
        let udp = UdpSocket::bind(address).await?;
        let mut serving = JoinSet::new();
        let (zones, id) = (self.clone(), id.to_owned());
        serving.spawn(datagrams(udp, (zones.clone(), id.clone())));
        serving.spawn(async move {
            let mut streams = JoinSet::new();
            while let Ok((stream, _)) = tcp.accept().await {
                streams.spawn(questions(stream, (zones.clone(), id.clone())));
            }
        });
        Ok(Authority { address, _serving: serving })
    }
}

impl Authority {
    /// Where resolvers ask it.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

async fn datagrams(socket: UdpSocket, (zones, id): (Zones, String)) {
    let mut buffer = [0; MESSAGE_MAX];
    while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
        let asked = buffer.get(..length).unwrap_or_default();
        if let Some(answer) = answer(&zones, &id, asked) {
            // Whoever does not take it asks again.
            let _ = socket.send_to(&answer, from).await;
        }
    }
}

async fn questions(mut stream: TcpStream, (zones, id): (Zones, String)) {
    while let Ok(length) = stream.read_u16().await {
        let mut asked = vec![0; usize::from(length)];
        if stream.read_exact(&mut asked).await.is_err() {
            return;
        }
        let Some(answer) = answer(&zones, &id, &asked) else { return };
        let length = u16::try_from(answer.len()).unwrap_or(u16::MAX).to_be_bytes();
        if stream.write_all(&[&length, answer.as_slice()].concat()).await.is_err() {
            return;
        }
    }
}

/// The answer to a message; nothing when it is no question.
fn answer(zones: &Zones, id: &str, asked: &[u8]) -> Option<Vec<u8>> {
    let (name, after) = name_at(asked, HEADER)?;
    let kind = u16::from_be_bytes(asked.get(after..after + 2)?.try_into().ok()?);
    let question = asked.get(HEADER..after + 4)?;
    let sets = zones.answer(id, &name);
    let records: Vec<(u16, u32, Vec<u8>)> =
        sets.iter().flat_map(records).filter(|(of, _, _)| *of == kind || *of == CNAME).collect();
    let code = if sets.is_empty() { NO_SUCH_NAME } else { 0 };
    let mut answer = asked.get(..2)?.to_vec();
    let count = u16::try_from(records.len()).ok()?;
    for field in [ANSWER | code, 1, count, 0, 0] {
        answer.extend_from_slice(&field.to_be_bytes());
    }
    answer.extend_from_slice(question);
    for (kind, ttl, data) in records {
        for field in [SAME_NAME, kind, INTERNET] {
            answer.extend_from_slice(&field.to_be_bytes());
        }
        answer.extend_from_slice(&ttl.to_be_bytes());
        answer.extend_from_slice(&u16::try_from(data.len()).ok()?.to_be_bytes());
        answer.extend_from_slice(&data);
    }
    Some(answer)
}

fn records(set: &RecordSet) -> impl Iterator<Item = (u16, u32, Vec<u8>)> + '_ {
    set.values.iter().filter_map(|value| {
        let (kind, data) = match value.parse::<IpAddr>() {
            Ok(IpAddr::V4(address)) => (A, address.octets().to_vec()),
            Ok(IpAddr::V6(address)) => (AAAA, address.octets().to_vec()),
            Err(_) if set.kind == "CNAME" => (CNAME, encoded(value)?),
            Err(_) => return None,
        };
        Some((kind, set.ttl, data))
    })
}

/// The name that begins at a place, and where it ends; questions have no pointers.
fn name_at(message: &[u8], mut at: usize) -> Option<(String, usize)> {
    let mut name = String::new();
    loop {
        let length = usize::from(*message.get(at)?);
        at += 1;
        if length == 0 {
            return Some((name, at));
        }
        name.push_str(std::str::from_utf8(message.get(at..at + length)?).ok()?);
        name.push('.');
        at += length;
    }
}

fn encoded(name: &str) -> Option<Vec<u8>> {
    let mut data = Vec::new();
    for label in name.trim_end_matches('.').split('.') {
        data.push(u8::try_from(label.len()).ok().filter(|length| (1..=63).contains(length))?);
        data.extend_from_slice(label.as_bytes());
    }
    data.push(0);
    Some(data)
}
