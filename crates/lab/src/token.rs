//! Login tokens of IAM: a signed request that is never sent, given as the password.
//!
//! It is checked as AWS documents Signature Version 4, by code of the lab's own: nothing is shared
//! with the SDK that signs. A token opens one server for one role, for a quarter of an hour.

use std::collections::BTreeMap;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign};
use jiff::{SignedDuration, Timestamp};

use crate::cloud::names::REGION;

const SERVICE: &str = "rds-db";
const VALID_FOR: SignedDuration = SignedDuration::from_mins(15);
/// How far clocks may be apart.
const SKEW: SignedDuration = SignedDuration::from_mins(5);

/// Where and as whom somebody logs in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Login<'a> {
    /// Host and port, as the client dials them.
    pub(crate) at: &'a str,
    pub(crate) user: &'a str,
    pub(crate) now: Timestamp,
}

/// The access key that signed a token; or why it opens nothing.
pub(crate) fn signer(token: &str, login: &Login<'_>, secret_key: &str) -> Result<String, String> {
    let (host, query) = token.split_once("/?").ok_or("it is no token")?;
    if host != login.at {
        return Err(format!("it is for {host}"));
    }
    let mut members: BTreeMap<String, String> = query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (decoded(name), decoded(value)))
        .collect();
    let signature = members.remove("X-Amz-Signature").ok_or("it is not signed")?;
    let member = |name: &str| members.get(name).map(String::as_str).unwrap_or_default();
    if member("Action") != "connect" || member("DBUser") != login.user {
        return Err(format!("it is for the role {}", member("DBUser")));
    }
    let date = member("X-Amz-Date");
    is_in_time(date, member("X-Amz-Expires"), login.now)?;
    let (access_key, scope) =
        member("X-Amz-Credential").split_once('/').ok_or("it names no key")?;
    let day = date.get(..8).unwrap_or_default();
    if scope != format!("{day}/{REGION}/{SERVICE}/aws4_request") {
        return Err(format!("its scope is {scope}"));
    }
    let listed: Vec<String> = members
        .iter()
        .map(|(name, value)| format!("{}={}", encoded(name), encoded(value)))
        .collect();
    let request =
        format!("GET\n/\n{}\nhost:{host}\n\nhost\n{}", listed.join("&"), hex(&sha256("")));
    let to_sign = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{}", hex(&sha256(&request)));
    let steps = [day, REGION, SERVICE, "aws4_request", &to_sign];
    let key = format!("AWS4{secret_key}").into_bytes();
    let expected = steps.iter().fold(key, |key, step| hmac(&key, step));
    if hex(&expected) == signature {
        Ok(access_key.to_owned())
    } else {
        Err("its signature is wrong".to_owned())
    }
}

fn is_in_time(date: &str, expires: &str, now: Timestamp) -> Result<(), String> {
    let signed = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", date)
        .and_then(|date| date.to_zoned(jiff::tz::TimeZone::UTC))
        .map_err(|_| format!("{date:?} is no date"))?
        .timestamp();
    let valid_for = expires.parse().map_or(SignedDuration::ZERO, SignedDuration::from_secs);
    if valid_for > VALID_FOR || signed > now + SKEW {
        return Err("it would be valid too long".to_owned());
    }
    if signed + valid_for < now {
        return Err(format!("it was valid until {}", signed + valid_for));
    }
    Ok(())
}

fn sha256(text: &str) -> Vec<u8> {
    digest(&SHA256, text.as_bytes()).as_ref().to_vec()
}

fn hmac(key: &[u8], text: &str) -> Vec<u8> {
    sign(&Key::new(HMAC_SHA256, key), text.as_bytes()).as_ref().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    let one =
        |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    text.bytes().map(one).collect()
}

fn decoded(text: &str) -> String {
    crate::door::decode(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login(at: &'static str, user: &'static str, now: &str) -> Login<'static> {
        Login { at, user, now: now.parse().unwrap() }
    }

    #[test]
    fn a_token_that_nobody_signed_opens_nothing() {
        let login = login("db:1", "ann", "2026-11-21T12:00:00Z");
        for token in ["hunter2", "db:1/?Action=connect&DBUser=ann", "other:1/?Action=connect"] {
            signer(token, &login, "secret").unwrap_err();
        }
        let unsigned = "db:1/?Action=connect&DBUser=ann&X-Amz-Date=20261121T120000Z\
                        &X-Amz-Expires=900&X-Amz-Credential=lab%2F20261121%2Fus-east-1%2Frds-db\
                        %2Faws4_request&X-Amz-Signature=00";
        assert_eq!(signer(unsigned, &login, "secret").unwrap_err(), "its signature is wrong");
        let late = Login { now: login.now + SignedDuration::from_mins(16), ..login };
        assert!(signer(unsigned, &late, "secret").unwrap_err().contains("valid until"));
        let bob = Login { user: "bob", ..login };
        assert!(signer(unsigned, &bob, "secret").unwrap_err().contains("the role ann"));
        let forever = unsigned.replace("=900", "=90000");
        assert!(signer(&forever, &login, "secret").unwrap_err().contains("too long"));
    }
}
