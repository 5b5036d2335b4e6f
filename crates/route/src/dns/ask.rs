//! Questions and updates to one server, over TCP, each bounded.
//!
//! TCP only: every server that takes updates speaks it, no answer is cut short, and a sender's
//! address cannot be forged. Updates are signed when there is a key, and their answers verified.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use data_encoding::BASE64;
use hickory_proto::op::{Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::rdata::tsig::TsigAlgorithm;
use hickory_proto::rr::{DNSClass, Name, Record, RecordType, TSigner};
use jiff::Timestamp;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::record::{Pointer, Sight, TYPES};
use super::{record, words};

/// How far clocks may differ, in seconds; what RFC 8945 recommends.
const FUDGE_S: u16 = 300;

/// A key for signing, from its name and its base64.
pub(super) fn signer(name: &str, key: &str) -> Result<TSigner, String> {
    // The key is not repeated in any message.
    let key = BASE64
        .decode(key.trim().as_bytes())
        .map_err(|_| "route.dns.key is not base64".to_owned())?;
    TSigner::new(key, TsigAlgorithm::HmacSha256, record::name(name)?, FUDGE_S)
        .map_err(|error| error.to_string())
}

/// One server of the zone.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    pub(super) zone: Name,
    /// Absent where the zone takes unsigned updates; an error is why there is none.
    pub(super) signer: Option<Result<TSigner, String>>,
    pub(super) bound: Duration,
}

impl Server {
    /// What it shows for the name; only its own word for it counts, not a cache's.
    pub(super) async fn look(&self, name: &Name) -> Result<Sight, String> {
        let mut sight = Sight::default();
        for record_type in [RecordType::A, RecordType::AAAA] {
            let mut message = Message::query();
            message.metadata.recursion_desired = false;
            message.add_query(Query::query(name.clone(), record_type));
            let bytes = message.to_vec().map_err(|error| error.to_string())?;
            let answer = self.decoded(&self.exchange(&bytes).await?, message.id)?;
            let code = answer.response_code;
            if code != ResponseCode::NoError && code != ResponseCode::NXDomain {
                return Err(words::of_question(&self.zone, code));
            }
            if !answer.authoritative {
                return Err(format!(
                    "is not authoritative for {name}: name the zone's own servers"
                ));
            }
            sight = sight.join(Sight::of(name, answer.answers.iter()));
        }
        Ok(sight)
    }

    /// Puts a record in the place of what was seen, if that is still there.
    pub(super) async fn replace(
        &self,
        name: &Name,
        seen: &Sight,
        wanted: &Pointer,
        ttl: Duration,
    ) -> Result<(), String> {
        let mut message = self.conditional(name, seen);
        for record_type in types(seen) {
            let mut remove = Record::update0(name.clone(), 0, record_type);
            remove.dns_class = DNSClass::ANY;
            message.authorities.push(remove);
        }
        let ttl_s = u32::try_from(ttl.as_secs()).unwrap_or(u32::MAX);
        message.authorities.push(Record::from_rdata(name.clone(), ttl_s, wanted.data()));
        self.update(name, message).await
    }

    /// The same question without a change: may this key update this zone?
    pub(super) async fn ask_leave(&self, name: &Name, seen: &Sight) -> Result<(), String> {
        self.update(name, self.conditional(name, seen)).await
    }

    /// An update that is refused when the name points elsewhere than was seen.
    fn conditional(&self, name: &Name, seen: &Sight) -> Message {
        let mut message = Message::query();
        message.metadata.op_code = OpCode::Update;
        message.metadata.recursion_desired = false;
        let mut zone = Query::query(self.zone.clone(), RecordType::SOA);
        zone.set_query_class(DNSClass::IN);
        message.queries.push(zone);
        for pointer in seen.pointers() {
            message.answers.push(Record::from_rdata(name.clone(), 0, pointer.data()));
        }
        let there: Vec<RecordType> = types(seen);
        for record_type in TYPES.into_iter().filter(|one| !there.contains(one)) {
            let mut absent = Record::update0(name.clone(), 0, record_type);
            absent.dns_class = DNSClass::NONE;
            message.answers.push(absent);
        }
        message
    }

    async fn update(&self, name: &Name, mut message: Message) -> Result<(), String> {
        let now_s = u64::try_from(Timestamp::now().as_second()).unwrap_or_default();
        let signer = self.signer.as_ref().map(Result::as_ref).transpose().map_err(Clone::clone)?;
        let verifier = match signer {
            Some(signer) => message
                .finalize(signer, now_s)
                .map_err(|error| format!("the update cannot be signed: {error}"))?,
            None => None,
        };
        let bytes = message.to_vec().map_err(|error| error.to_string())?;
        let said = self.exchange(&bytes).await?;
        let answer = self.decoded(&said, message.id)?;
        if answer.response_code != ResponseCode::NoError {
            let key = signer.map(TSigner::signer_name);
            return Err(words::of_update(&self.zone, name, key, &answer));
        }
        if let Some(mut verifier) = verifier {
            verifier.verify(&said).map_err(|error| {
                format!("its answer to the update is not signed with the key: {error}")
            })?;
        }
        Ok(())
    }

    fn decoded(&self, bytes: &[u8], asked: u16) -> Result<Message, String> {
        let answer = Message::from_vec(bytes)
            .map_err(|error| format!("{} answered with no DNS message: {error}", self.address))?;
        if answer.id != asked || answer.message_type != MessageType::Response {
            return Err(format!("{} answered another question", self.address));
        }
        Ok(answer)
    }

    async fn exchange(&self, message: &[u8]) -> Result<Vec<u8>, String> {
        match tokio::time::timeout(self.bound, exchange(self.address, message)).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(format!("cannot be asked: {error}")),
            Err(_) => Err(format!("did not answer within {:?}", self.bound)),
        }
    }
}

fn types(seen: &Sight) -> Vec<RecordType> {
    let mut types: Vec<RecordType> = seen.pointers().map(Pointer::record_type).collect();
    types.dedup();
    types
}

async fn exchange(address: SocketAddr, message: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(address).await?;
    let length = u16::try_from(message.len()).map_err(io::Error::other)?;
    let mut framed = length.to_be_bytes().to_vec();
    framed.extend_from_slice(message);
    stream.write_all(&framed).await?;
    let mut answer = vec![0; usize::from(stream.read_u16().await?)];
    stream.read_exact(&mut answer).await?;
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_is_no_base64_is_refused_and_not_repeated() {
        let words = signer("landfall", "hunter2!").err().expect("no base64");
        assert!(words.contains("base64") && !words.contains("hunter2"), "{words}");
        assert!(signer("landfall", "c2VjcmV0\n").is_ok());
    }
}
