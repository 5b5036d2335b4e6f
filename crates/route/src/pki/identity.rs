//! Who a certificate speaks for, spelled as a SPIFFE id: exactly one URI per certificate.
//!
//! `spiffe://landfall/client/web` is an application, `spiffe://landfall/gateway/shop` a group of
//! gateways, and `spiffe://landfall/enrolled/client/web/web-1` the proxy `web-1`, which may ask for
//! the certificate of its application. An enrolment is no identity on the way to a database: no
//! gateway lists it, and no sidecar takes it for a gateway.

use std::fmt;

/// The trust domain of Landfall's own authority.
pub const TRUST_DOMAIN: &str = "landfall";

/// The control plane's own path.
pub const CONTROL_PLANE_PATH: &str = "control-plane";

const ENROLLED: &str = "enrolled";

/// Which end of the mutual TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// An application's sidecar.
    Client,
    /// A gateway in front of databases.
    Gateway,
}

impl Part {
    const fn word(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Gateway => "gateway",
        }
    }
}

/// Whom a traffic certificate speaks for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity {
    part: Part,
    name: String,
}

impl Identity {
    /// Fails when the name cannot be a part of a SPIFFE id.
    pub fn new(part: Part, name: &str) -> Result<Self, String> {
        check(name)?;
        Ok(Self { part, name: name.to_owned() })
    }

    /// As its certificate says it, in a trust domain.
    pub fn uri_in(&self, trust_domain: &str) -> String {
        format!("spiffe://{trust_domain}/{}/{}", self.part.word(), self.name)
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.uri_in(TRUST_DOMAIN))
    }
}

/// One proxy's right to ask the control plane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enrolment {
    /// Whose certificates it may have.
    pub identity: Identity,
    /// Its node id.
    pub node: String,
}

impl Enrolment {
    /// Fails when the node's name cannot be a part of a SPIFFE id.
    pub fn new(identity: Identity, node: &str) -> Result<Self, String> {
        check(node)?;
        Ok(Self { identity, node: node.to_owned() })
    }

    /// As its certificate says it.
    pub fn uri(&self) -> String {
        let Self { identity: Identity { part, name }, node } = self;
        format!("spiffe://{TRUST_DOMAIN}/{ENROLLED}/{}/{name}/{node}", part.word())
    }

    /// Out of a certificate's URI, if it is one.
    pub(crate) fn parse(uri: &str) -> Option<Self> {
        let path = uri.strip_prefix("spiffe://")?.strip_prefix(TRUST_DOMAIN)?.strip_prefix('/')?;
        let parts: Vec<&str> = path.split('/').collect();
        let [ENROLLED, part, name, node] = parts.as_slice() else { return None };
        let part = [Part::Client, Part::Gateway].into_iter().find(|known| known.word() == *part)?;
        Self::new(Identity::new(part, name).ok()?, node).ok()
    }
}

fn check(name: &str) -> Result<(), String> {
    let is_spelled = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if name.chars().all(is_spelled) && name.chars().any(|c| c != '.') && name.len() <= 200 {
        return Ok(());
    }
    Err(format!("{name:?} is no name for a certificate: letters, digits, -, _ and dots"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_enrolment_survives_its_spelling() {
        for part in [Part::Client, Part::Gateway] {
            let identity = Identity::new(part, "web.eu-1").expect("a name");
            let enrolment = Enrolment::new(identity, "web_7").expect("a name");
            assert_eq!(Enrolment::parse(&enrolment.uri()), Some(enrolment));
        }
    }

    #[test]
    fn nothing_else_is_an_enrolment() {
        let identity = Identity::new(Part::Client, "web").expect("a name");
        for uri in [
            identity.to_string().as_str(),
            "spiffe://landfall/enrolled/client/web",
            "spiffe://landfall/enrolled/root/web/web-1",
            "spiffe://landfall/enrolled/client//web-1",
            "spiffe://landfall/enrolled/client/web/web-1/x",
            "spiffe://elsewhere/enrolled/client/web/web-1",
            "spiffe://landfallx/enrolled/client/web/web-1",
        ] {
            assert_eq!(Enrolment::parse(uri), None, "{uri}");
        }
    }

    #[test]
    fn a_name_cannot_leave_its_place() {
        for name in ["", ".", "..", "a/b", "a b", "a\"", "é"] {
            assert!(Identity::new(Part::Client, name).is_err(), "{name}");
        }
    }
}
