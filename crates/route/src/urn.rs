//! A service's name on the wire: the cluster's name in Landfall's own naming authority.
//!
//! A plain name would do, but Envoy gives the first answer to a plain name 15 seconds and then
//! ends the connections that wait for it, whatever its configuration says. A name of an authority
//! takes its patience from the authority, where the bootstrap sets it to endless.

use landfall_core::ServiceName;

/// The authority that the bootstrap binds to the control plane.
pub(crate) const AUTHORITY: &str = "landfall";

const PREFIX: &str = "xdstp://landfall/envoy.config.cluster.v3.Cluster/";

/// The cluster's name of a service; every byte that could mean something is escaped.
pub(crate) fn of_service(service: &ServiceName) -> String {
    let mut urn = PREFIX.to_owned();
    for byte in service.as_str().bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            urn.push(char::from(byte));
        } else {
            urn.extend(['%', hexadecimal(byte >> 4), hexadecimal(byte & 0xf)]);
        }
    }
    urn
}

/// The service of a cluster's name, if it is one of ours.
pub(crate) fn service(urn: &str) -> Option<ServiceName> {
    let mut bytes = urn.strip_prefix(PREFIX)?.bytes();
    let mut decoded = Vec::new();
    while let Some(byte) = bytes.next() {
        decoded.push(if byte == b'%' {
            16 * digit(bytes.next()?)? + digit(bytes.next()?)?
        } else {
            byte
        });
    }
    let name = String::from_utf8(decoded).ok()?;
    (!name.is_empty() && name != "*").then(|| ServiceName::new(name))
}

fn hexadecimal(digit: u8) -> char {
    char::from_digit(digit.into(), 16).unwrap_or_default().to_ascii_uppercase()
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_survives_the_wire() {
        for name in ["orders", "orders-ro", "a/b?c#d", "é %", "*x"] {
            let urn = of_service(&ServiceName::new(name));
            assert!(urn.is_ascii() && urn.starts_with(&format!("xdstp://{AUTHORITY}/")), "{urn}");
            assert_eq!(service(&urn), Some(ServiceName::new(name)), "{urn}");
        }
        let plain = of_service(&ServiceName::new("a/b"));
        assert_eq!(plain, "xdstp://landfall/envoy.config.cluster.v3.Cluster/a%2Fb");
    }

    #[test]
    fn other_names_are_not_ours() {
        let cluster = "xdstp://landfall/envoy.config.cluster.v3.Cluster/";
        for name in ["orders", "*", cluster, &format!("{cluster}*"), &format!("{cluster}%4")] {
            assert_eq!(service(name), None, "{name}");
        }
    }
}
