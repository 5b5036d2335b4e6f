//! What a name points to, as records.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use hickory_proto::rr::rdata::{A, AAAA, CNAME};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use landfall_core::Endpoint;

/// The types that lead a client to a server; at most one of them is ours.
pub(super) const TYPES: [RecordType; 3] = [RecordType::A, RecordType::AAAA, RecordType::CNAME];

/// An absolute name from its text.
pub(super) fn name(text: &str) -> Result<Name, String> {
    let mut name = Name::from_ascii(text).map_err(|error| format!("{text:?}: {error}"))?;
    name.set_fqdn(true);
    Ok(name)
}

/// Where one record points.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Pointer {
    Address(IpAddr),
    /// Names are equal whatever their case.
    Alias(Name),
}

impl Pointer {
    /// The record that leads to an endpoint's host.
    pub(super) fn to(endpoint: &Endpoint) -> Result<Self, String> {
        match endpoint.host.parse() {
            Ok(address) => Ok(Self::Address(address)),
            Err(_) => Ok(Self::Alias(name(&endpoint.host)?)),
        }
    }

    fn of(data: &RData) -> Option<Self> {
        if let RData::A(A(address)) = data {
            return Some(Self::Address(IpAddr::V4(*address)));
        }
        if let RData::AAAA(AAAA(address)) = data {
            return Some(Self::Address(IpAddr::V6(*address)));
        }
        if let RData::CNAME(CNAME(alias)) = data {
            let mut alias = alias.clone();
            alias.set_fqdn(true);
            return Some(Self::Alias(alias));
        }
        None
    }

    /// As the data of a record.
    pub(super) fn data(&self) -> RData {
        match self {
            Self::Address(IpAddr::V4(address)) => RData::A(A(*address)),
            Self::Address(IpAddr::V6(address)) => RData::AAAA(AAAA(*address)),
            Self::Alias(alias) => RData::CNAME(CNAME(alias.clone())),
        }
    }

    pub(super) fn record_type(&self) -> RecordType {
        self.data().record_type()
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Alias(alias) => alias.fmt(f),
        }
    }
}

/// What a server showed for a name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Sight {
    pointers: BTreeSet<Pointer>,
    ttl_s: u32,
}

impl Sight {
    /// The records of `name` among those of an answer; what an alias leads to is left out.
    pub(super) fn of<'a>(name: &Name, records: impl Iterator<Item = &'a Record>) -> Self {
        let mut sight = Self::default();
        for record in records.filter(|record| record.name == *name) {
            if let Some(pointer) = Pointer::of(&record.data) {
                sight.pointers.insert(pointer);
                sight.ttl_s = sight.ttl_s.max(record.ttl);
            }
        }
        sight
    }

    pub(super) fn join(mut self, other: Self) -> Self {
        self.ttl_s = self.ttl_s.max(other.ttl_s);
        self.pointers.extend(other.pointers);
        self
    }

    /// It points there and nowhere else.
    pub(super) fn is(&self, pointer: &Pointer) -> bool {
        self.pointers.len() == 1 && self.pointers.contains(pointer)
    }

    /// The one place it points to.
    pub(super) fn pointer(&self) -> Option<Pointer> {
        self.pointers.first().filter(|_| self.pointers.len() == 1).cloned()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pointers.is_empty()
    }

    pub(super) fn pointers(&self) -> impl Iterator<Item = &Pointer> {
        self.pointers.iter()
    }

    /// How long a resolver may keep it.
    pub(super) fn ttl(&self) -> Duration {
        Duration::from_secs(u64::from(self.ttl_s))
    }

    /// One record.
    pub(super) fn single(pointer: Pointer, ttl: Duration) -> Self {
        let ttl_s = u32::try_from(ttl.as_secs()).unwrap_or(u32::MAX);
        Self { pointers: BTreeSet::from([pointer]), ttl_s }
    }
}

impl fmt::Display for Sight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.pointers.is_empty() {
            return f.write_str("nothing");
        }
        let all: Vec<String> = self.pointers.iter().map(ToString::to_string).collect();
        f.write_str(&all.join(" and "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_an_address_or_an_alias() {
        let to = |host: &str| Pointer::to(&Endpoint::new(host, 5432)).expect("a host");
        assert_eq!(to("10.0.0.1").record_type(), RecordType::A);
        assert_eq!(to("::1").record_type(), RecordType::AAAA);
        assert_eq!(to("db.example.org").record_type(), RecordType::CNAME);
        assert_eq!(to("DB.example.org"), to("db.example.org."));
        assert!(Pointer::to(&Endpoint::new("a..b", 5432)).is_err());
    }

    #[test]
    fn what_an_alias_leads_to_is_not_the_name_itself() {
        let (own, other) = (name("orders.test").unwrap(), name("db.test").unwrap());
        let alias = Pointer::Alias(other.clone());
        let address = Pointer::Address(IpAddr::from([10, 0, 0, 1]));
        let answer = [
            Record::from_rdata(own.clone(), 5, alias.data()),
            Record::from_rdata(other, 600, address.data()),
        ];
        let sight = Sight::of(&own, answer.iter());
        assert!(sight.is(&alias), "{sight}");
        assert_eq!(sight.ttl(), Duration::from_secs(5));
    }
}
