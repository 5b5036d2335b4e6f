//! Record sets of Route 53 as records that point to a place, and back.

use std::net::IpAddr;
use std::time::Duration;

use aws_sdk_route53::error::BuildError;
use aws_sdk_route53::types::{ResourceRecord, ResourceRecordSet, RrType};
use landfall_core::port::zone::{ZoneRecord, ZoneTarget};

/// A name without its last dot, in lower case.
pub(super) fn bare(name: &str) -> String {
    name.trim_end_matches('.').to_ascii_lowercase()
}

/// The places of a set; none for a type that leads nowhere. The error is why it is not simple.
pub(super) fn records(set: &ResourceRecordSet) -> Result<Vec<ZoneRecord>, String> {
    if !matches!(set.r#type(), RrType::A | RrType::Aaaa | RrType::Cname) {
        return Ok(Vec::new());
    }
    if let Some(kind) = policy(set) {
        return Err(format!(
            "it is {kind}: Landfall changes simple records alone, make it one, or let a program \
             change it (route.router = \"command\")"
        ));
    }
    let ttl_s = set.ttl().and_then(|ttl| u64::try_from(ttl).ok()).unwrap_or_default();
    let place = |record: &ResourceRecord| {
        let value = record.value();
        let target = match value.parse::<IpAddr>() {
            Ok(address) => ZoneTarget::Address(address),
            Err(_) => ZoneTarget::Name(value.to_owned()),
        };
        ZoneRecord { target, ttl: Duration::from_secs(ttl_s) }
    };
    Ok(set.resource_records().iter().map(place).collect())
}

/// What the set is beside a name and its places.
fn policy(set: &ResourceRecordSet) -> Option<String> {
    let id = set.set_identifier().unwrap_or("?");
    if let Some(alias) = set.alias_target() {
        return Some(format!("an alias of {}", alias.dns_name()));
    }
    let kind = [
        (set.weight().is_some(), "weighted"),
        (set.region().is_some(), "latency-based"),
        (set.failover().is_some(), "for failover"),
        (set.geo_location().is_some() || set.geo_proximity_location().is_some(), "geographic"),
        (set.cidr_routing_config().is_some(), "for networks"),
        (set.multi_value_answer().is_some(), "one of several values"),
        (set.set_identifier().is_some(), "one of several"),
    ];
    let (_, kind) = kind.iter().find(|(is, _)| *is)?;
    Some(format!("{kind} (set identifier {id})"))
}

/// A record as a set of its own.
pub(super) fn of(name: &str, record: &ZoneRecord) -> Result<ResourceRecordSet, BuildError> {
    let (kind, value) = match &record.target {
        ZoneTarget::Address(address @ IpAddr::V4(_)) => (RrType::A, address.to_string()),
        ZoneTarget::Address(address @ IpAddr::V6(_)) => (RrType::Aaaa, address.to_string()),
        ZoneTarget::Name(name) => (RrType::Cname, name.clone()),
    };
    ResourceRecordSet::builder()
        .name(name)
        .r#type(kind)
        .ttl(i64::try_from(record.ttl.as_secs()).unwrap_or(i64::MAX))
        .resource_records(ResourceRecord::builder().value(value).build()?)
        .build()
}

#[cfg(test)]
mod tests {
    use aws_sdk_route53::types::AliasTarget;

    use super::*;

    fn set(kind: RrType) -> aws_sdk_route53::types::builders::ResourceRecordSetBuilder {
        ResourceRecordSet::builder().name("orders.test.").r#type(kind)
    }

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let ttl = Duration::from_secs(5);
        for target in ["10.0.0.1", "2001:db8::1", "db.example.org."] {
            let target = match target.parse() {
                Ok(address) => ZoneTarget::Address(address),
                Err(_) => ZoneTarget::Name(target.to_owned()),
            };
            let record = ZoneRecord { target, ttl };
            let set = of("orders.test.", &record).unwrap();
            assert_eq!(records(&set), Ok(vec![record]));
        }
        assert_eq!(records(&set(RrType::Txt).build().unwrap()), Ok(vec![]));
    }

    #[test]
    fn what_is_more_than_a_place_is_refused_by_its_kind() {
        let weighted = set(RrType::A).set_identifier("blue").weight(10).build().unwrap();
        let words = records(&weighted).expect_err("weighted");
        assert!(words.contains("weighted (set identifier blue)"), "{words}");
        let alias = AliasTarget::builder()
            .hosted_zone_id("Z2")
            .dns_name("lb.example.org.")
            .evaluate_target_health(false)
            .build()
            .unwrap();
        let words = records(&set(RrType::A).alias_target(alias).build().unwrap());
        assert!(words.expect_err("an alias").contains("an alias of lb.example.org."));
        let several = set(RrType::A).set_identifier("a").multi_value_answer(true).build().unwrap();
        assert!(records(&several).expect_err("several").contains("several values"));
    }
}
