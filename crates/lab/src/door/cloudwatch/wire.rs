//! CloudWatch's two wire forms: rpc-v2-cbor (the SDK for Rust) and awsJson1_0 (the `aws`
//! command).
//!
//! Both are read into one JSON value, in which times are epoch seconds, and both are written from
//! one tree that still knows what is a time: CBOR tags those, JSON does not.

use ciborium::Value as Cbor;
use jiff::Timestamp;
use serde_json::Value as Json;

use crate::cloud::refusal::Refusal;

/// How a request came, and so how its answer goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Cbor,
    Json,
}

impl Form {
    /// The content type of answers.
    pub(crate) const fn content_type(self) -> &'static str {
        match self {
            Self::Cbor => "application/cbor",
            Self::Json => "application/x-amz-json-1.0",
        }
    }
}

/// A value in an answer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Reply {
    Text(String),
    Number(f64),
    Time(Timestamp),
    List(Vec<Reply>),
    /// Something that a client put and that is given back as it came.
    Given(Json),
    Map(Vec<(&'static str, Reply)>),
}

impl Reply {
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }
}

/// Reads the body of a request; an empty one has no members.
pub(crate) fn read(form: Form, body: &[u8]) -> Result<Json, Refusal> {
    if body.is_empty() {
        return Ok(Json::Object(serde_json::Map::new()));
    }
    let malformed = || Refusal::value("The request body can't be read.");
    match form {
        Form::Json => serde_json::from_slice(body).map_err(|_| malformed()),
        Form::Cbor => {
            let value: Cbor = ciborium::from_reader(body).map_err(|_| malformed())?;
            from_cbor(value).ok_or_else(malformed)
        }
    }
}

/// Writes an answer.
pub(crate) fn write(form: Form, reply: &Reply) -> Vec<u8> {
    match form {
        Form::Json => to_json(reply).to_string().into_bytes(),
        Form::Cbor => {
            let mut bytes = Vec::new();
            // Writing to a vector fails only for values that cannot be encoded; these all can.
            let _ = ciborium::into_writer(&to_cbor(reply), &mut bytes);
            bytes
        }
    }
}

fn from_cbor(value: Cbor) -> Option<Json> {
    Some(match value {
        Cbor::Null => Json::Null,
        Cbor::Bool(flag) => Json::Bool(flag),
        Cbor::Text(text) => Json::String(text),
        Cbor::Float(number) => Json::Number(serde_json::Number::from_f64(number)?),
        Cbor::Integer(number) => {
            let number = i64::try_from(i128::from(number)).ok()?;
            Json::Number(number.into())
        }
        // Tag 1: epoch seconds.
        Cbor::Tag(1, inner) => from_cbor(*inner)?,
        Cbor::Array(items) => Json::Array(items.into_iter().map(from_cbor).collect::<Option<_>>()?),
        Cbor::Map(entries) => {
            let mut map = serde_json::Map::new();
            for (key, value) in entries {
                map.insert(key.into_text().ok()?, from_cbor(value)?);
            }
            Json::Object(map)
        }
        Cbor::Tag(..) | Cbor::Bytes(_) | _ => return None,
    })
}

fn to_cbor(reply: &Reply) -> Cbor {
    match reply {
        Reply::Text(text) => Cbor::Text(text.clone()),
        Reply::Number(number) => Cbor::Float(*number),
        Reply::Time(time) => Cbor::Tag(1, Box::new(Cbor::Float(epoch(*time)))),
        Reply::Given(value) => given_to_cbor(value),
        Reply::List(items) => Cbor::Array(items.iter().map(to_cbor).collect()),
        Reply::Map(members) => Cbor::Map(
            members
                .iter()
                .map(|(name, value)| (Cbor::Text((*name).to_owned()), to_cbor(value)))
                .collect(),
        ),
    }
}

fn given_to_cbor(value: &Json) -> Cbor {
    match value {
        Json::Null => Cbor::Null,
        Json::Bool(flag) => Cbor::Bool(*flag),
        Json::Number(number) => match number.as_i64() {
            Some(whole) => Cbor::Integer(whole.into()),
            None => Cbor::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(text) => Cbor::Text(text.clone()),
        Json::Array(items) => Cbor::Array(items.iter().map(given_to_cbor).collect()),
        Json::Object(fields) => Cbor::Map(
            fields
                .iter()
                .map(|(name, value)| (Cbor::Text(name.clone()), given_to_cbor(value)))
                .collect(),
        ),
    }
}

fn to_json(reply: &Reply) -> Json {
    match reply {
        Reply::Text(text) => Json::String(text.clone()),
        Reply::Number(number) => number_to_json(*number),
        Reply::Time(time) => number_to_json(epoch(*time)),
        Reply::Given(value) => value.clone(),
        Reply::List(items) => Json::Array(items.iter().map(to_json).collect()),
        Reply::Map(members) => Json::Object(
            members.iter().map(|(name, value)| ((*name).to_owned(), to_json(value))).collect(),
        ),
    }
}

fn number_to_json(number: f64) -> Json {
    serde_json::Number::from_f64(number).map_or(Json::Null, Json::Number)
}

/// Epoch seconds with milliseconds.
fn epoch(time: Timestamp) -> f64 {
    let whole = i32::try_from(time.as_second()).map_or(f64::MAX, f64::from);
    whole + f64::from(time.subsec_millisecond()) / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply() -> Reply {
        let time = Timestamp::from_millisecond(1_800_000_000_250).unwrap();
        Reply::Map(vec![
            ("Label", Reply::text("cpu")),
            ("Timestamps", Reply::List(vec![Reply::Time(time)])),
            ("Values", Reply::List(vec![Reply::Number(1.5)])),
        ])
    }

    #[test]
    fn cbor_tags_times_and_reads_back_what_it_wrote() {
        let bytes = write(Form::Cbor, &reply());
        let raw: Cbor = ciborium::from_reader(bytes.as_slice()).unwrap();
        let text = format!("{raw:?}");
        assert!(text.contains("Tag(1, Float(1800000000.25))"), "{text}");
        let read = read(Form::Cbor, &bytes).unwrap();
        assert_eq!(read["Timestamps"][0], 1_800_000_000.25);
        assert_eq!(read["Label"], "cpu");
    }

    #[test]
    fn json_writes_times_as_numbers() {
        let text = String::from_utf8(write(Form::Json, &reply())).unwrap();
        assert_eq!(text, r#"{"Label":"cpu","Timestamps":[1800000000.25],"Values":[1.5]}"#);
    }

    #[test]
    fn an_empty_body_is_an_empty_request_and_garbage_is_refused() {
        assert_eq!(read(Form::Cbor, b"").unwrap(), serde_json::json!({}));
        assert!(read(Form::Json, b"{").is_err());
        assert!(read(Form::Cbor, &[0xff, 0x00]).is_err());
    }
}
