//! A network as a spec writes it: an address and how many bits of it count.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// A network in CIDR notation, such as `10.0.8.0/24`; an address alone is itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

impl Network {
    /// Whether an address lies in it. An IPv4 address inside IPv6 is the IPv4 address.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let (own, own_width) = number(self.address);
        let (other, width) = number(address);
        let shift = width.saturating_sub(u32::from(self.bits));
        // A shift by the whole width is no shift at all, so nothing of it counts.
        width == own_width && own.checked_shr(shift) == other.checked_shr(shift)
    }
}

/// An address as a number, with how many bits its kind has.
fn number(address: IpAddr) -> (u128, u32) {
    match address.to_canonical() {
        IpAddr::V4(address) => (u128::from(u32::from(address)), 32),
        IpAddr::V6(address) => (u128::from(address), 128),
    }
}

impl TryFrom<String> for Network {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let wrong = || format!("{text:?} is not a network; write one such as \"10.0.8.0/24\"");
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text.as_str(), None),
        };
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        if address.to_canonical() != address {
            return Err(wrong());
        }
        let width: u8 = if address.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            Some(bits) => bits.parse().ok().filter(|bits| *bits <= width).ok_or_else(wrong)?,
            None => width,
        };
        Ok(Self { address, bits })
    }
}

impl From<Network> for String {
    fn from(network: Network) -> Self {
        network.to_string()
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(text: &str) -> Result<Network, String> {
        Network::try_from(text.to_owned())
    }

    #[test]
    fn a_network_holds_its_addresses_and_no_others() {
        let table = [
            ("10.0.8.0/24", "10.0.8.255", true),
            ("10.0.8.0/24", "10.0.9.0", false),
            ("10.0.8.17/24", "10.0.8.1", true),
            ("10.0.8.17", "10.0.8.17", true),
            ("10.0.8.17", "10.0.8.18", false),
            ("0.0.0.0/0", "192.0.2.1", true),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("::/0", "2001:db8::1", true),
            ("10.0.8.0/24", "::ffff:10.0.8.1", true),
            ("2001:db8::/32", "2001:db8:1::1", true),
            ("2001:db8::/32", "2001:db9::1", false),
        ];
        for (text, address, holds) in table {
            let network = network(text).unwrap();
            assert_eq!(network.contains(address.parse().unwrap()), holds, "{text} {address}");
        }
    }

    #[test]
    fn what_is_no_network_is_refused_with_an_example() {
        for text in [
            "",
            "10.0.8/24",
            "10.0.8.0/33",
            "10.0.8.0/-1",
            "gateway",
            "::/129",
            "::ffff:10.0.8.0/120",
        ] {
            assert!(network(text).unwrap_err().contains("10.0.8.0/24"), "{text}");
        }
    }
}
