//! Route 53's REST-XML: the four calls that a change of a record needs.

use std::time::Instant;

use hyper::Method;
use hyper::http::request::Parts;

use super::element::Element;
use super::{Change, HostedZone, RecordSet, State, Visibility, Zones};
use crate::door::Fields;

/// The version that begins every path.
const ROOT: &str = "/2013-04-01/";

/// The namespace of the answers.
pub(crate) const NAMESPACE: &str = "https://route53.amazonaws.com/doc/2013-04-01/";

/// A call, told apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Call {
    GetHostedZone { id: String },
    ListResourceRecordSets { id: String, from: String },
    ChangeResourceRecordSets { id: String },
    GetChange { id: String },
}

/// What Route 53 says instead of doing it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) status: u16,
    pub(crate) code: &'static str,
    pub(crate) message: String,
}

impl Call {
    /// The call of a request; nothing when it is for another service.
    pub(crate) fn of(head: &Parts) -> Option<Self> {
        let path = head.uri.path().strip_prefix(ROOT)?;
        let parts: Vec<&str> = path.trim_end_matches('/').split('/').collect();
        match (&head.method, parts.as_slice()) {
            (&Method::GET, ["hostedzone", id]) => {
                Some(Self::GetHostedZone { id: (*id).to_owned() })
            }
            (&Method::GET, ["hostedzone", id, "rrset"]) => {
                let query = head.uri.query().unwrap_or_default();
                let name = query.split('&').find_map(|pair| pair.strip_prefix("name="));
                let from = name.unwrap_or_default().to_owned();
                Some(Self::ListResourceRecordSets { id: (*id).to_owned(), from })
            }
            (&Method::POST, ["hostedzone", id, "rrset"]) => {
                Some(Self::ChangeResourceRecordSets { id: (*id).to_owned() })
            }
            (&Method::GET, ["change", id]) => Some(Self::GetChange { id: (*id).to_owned() }),
            _ => None,
        }
    }

    pub(crate) const fn action(&self) -> &'static str {
        match self {
            Self::GetHostedZone { .. } => "GetHostedZone",
            Self::ListResourceRecordSets { .. } => "ListResourceRecordSets",
            Self::ChangeResourceRecordSets { .. } => "ChangeResourceRecordSets",
            Self::GetChange { .. } => "GetChange",
        }
    }

    pub(crate) fn subject(&self) -> &str {
        match self {
            Self::GetHostedZone { id }
            | Self::ListResourceRecordSets { id, .. }
            | Self::ChangeResourceRecordSets { id }
            | Self::GetChange { id } => id,
        }
    }

    /// Performs it; the answer's members.
    pub(crate) fn perform(&self, zones: &Zones, body: &[u8]) -> Result<Fields, Refused> {
        let mut state = zones.state();
        match self {
            Self::GetHostedZone { id } => Ok(described(id, zone(&state, id)?)),
            Self::ListResourceRecordSets { id, from } => Ok(listed(zone(&state, id)?, from)),
            Self::ChangeResourceRecordSets { id } => change(&mut state, id, body),
            Self::GetChange { id } => {
                let number = id.strip_prefix('C').and_then(|number| number.parse::<usize>().ok());
                let found = number.and_then(|number| state.changes.get(number));
                let found = found.ok_or_else(|| {
                    refused(404, "NoSuchChange", format!("Could not find resource with ID: {id}"))
                })?;
                let info = info(id, found.everywhere_at);
                Ok(Fields::new().structure("ChangeInfo", info))
            }
        }
    }
}

fn refused(status: u16, code: &'static str, message: String) -> Refused {
    Refused { status, code, message }
}

fn zone<'a>(state: &'a State, id: &str) -> Result<&'a HostedZone, Refused> {
    let found = state.zones.get(id);
    found.ok_or_else(|| {
        refused(404, "NoSuchHostedZone", format!("No hosted zone found with ID: {id}"))
    })
}

fn described(id: &str, zone: &HostedZone) -> Fields {
    let private = zone.visibility == Visibility::Private;
    let config = Fields::new().text("PrivateZone", private);
    let described = Fields::new()
        .text("Id", format_args!("/hostedzone/{id}"))
        .text("Name", &zone.name)
        .text("CallerReference", "lab")
        .structure("Config", config)
        .text("ResourceRecordSetCount", zone.sets.len());
    Fields::new().structure("HostedZone", described)
}

fn listed(zone: &HostedZone, from: &str) -> Fields {
    let mut sets: Vec<&RecordSet> =
        zone.sets.iter().filter(|set| set.name.as_str() >= from).collect();
    sets.sort_by_key(|set| set.key());
    Fields::new()
        .list("ResourceRecordSets", "ResourceRecordSet", sets.into_iter().map(of_set))
        .text("IsTruncated", false)
        .text("MaxItems", 100)
}

fn of_set(set: &RecordSet) -> Fields {
    let mut fields = Fields::new().text("Name", &set.name).text("Type", &set.kind);
    if let Some((id, weight)) = &set.weighted {
        fields = fields.text("SetIdentifier", id).text("Weight", weight);
    }
    if let Some(alias) = &set.alias {
        let alias = Fields::new()
            .text("HostedZoneId", "ZALIAS")
            .text("DNSName", alias)
            .text("EvaluateTargetHealth", false);
        return fields.structure("AliasTarget", alias);
    }
    let value = |value: &String| Fields::new().text("Value", value);
    let values = set.values.iter().map(value);
    fields.text("TTL", set.ttl).list("ResourceRecords", "ResourceRecord", values)
}

fn info(id: &str, everywhere_at: Instant) -> Fields {
    let is_everywhere = everywhere_at <= Instant::now();
    Fields::new()
        .text("Id", format_args!("/change/{id}"))
        .text("Status", if is_everywhere { "INSYNC" } else { "PENDING" })
        .time("SubmittedAt", jiff::Timestamp::now())
}

fn change(state: &mut State, id: &str, body: &[u8]) -> Result<Fields, Refused> {
    let invalid = |message: String| refused(400, "InvalidChangeBatch", format!("[{message}]"));
    let mut sets = zone(state, id)?.sets.clone();
    let document = Element::parse(&String::from_utf8_lossy(body));
    let batch = document.as_ref().and_then(|root| root.child("ChangeBatch"));
    let malformed = || refused(400, "InvalidInput", "The request is malformed.".to_owned());
    let batch = batch.ok_or_else(malformed)?;
    let changes = batch.child("Changes").ok_or_else(malformed)?;
    for change in &changes.children {
        let set = change.child("ResourceRecordSet").and_then(read).ok_or_else(malformed)?;
        let (name, kind) = (&set.name, &set.kind);
        let there = sets.iter().position(|one| one.key() == set.key());
        match (change.text_of("Action").unwrap_or_default(), there) {
            ("DELETE", Some(at)) if sets.get(at) == Some(&set) => {
                sets.remove(at);
            }
            ("DELETE", Some(_)) => {
                return Err(invalid(format!(
                    "Tried to delete resource record set [name='{name}', type='{kind}'] but the \
                     values provided do not match the current values"
                )));
            }
            ("DELETE", None) => {
                return Err(invalid(format!(
                    "Tried to delete resource record set [name='{name}', type='{kind}'] but it was \
                     not found"
                )));
            }
            ("CREATE", Some(_)) => {
                return Err(invalid(format!(
                    "Tried to create resource record set [name='{name}', type='{kind}'] but it \
                     already exists"
                )));
            }
            ("UPSERT", Some(at)) => {
                sets.remove(at);
                sets.push(set);
            }
            ("CREATE" | "UPSERT", None) => sets.push(set),
            (_, _) => return Err(malformed()),
        }
    }
    if let Some(name) = beside_an_alias(&sets) {
        return Err(invalid(format!(
            "RRSet of type CNAME with DNS name {name} is not permitted as it conflicts with other \
             records with the same DNS name"
        )));
    }
    let comment = batch.text_of("Comment").unwrap_or_default().to_owned();
    let everywhere_at = Instant::now() + state.spreads_in;
    if let Some(zone) = state.zones.get_mut(id) {
        zone.sets.clone_from(&sets);
    }
    let number = state.changes.len();
    state.changes.push(Change { zone: id.to_owned(), comment, sets, everywhere_at });
    Ok(Fields::new().structure("ChangeInfo", info(&format!("C{number}"), everywhere_at)))
}

/// A name with a CNAME and something else.
fn beside_an_alias(sets: &[RecordSet]) -> Option<&str> {
    let cnames = sets.iter().filter(|set| set.kind == "CNAME");
    let alone =
        |cname: &&RecordSet| sets.iter().all(|set| set.name != cname.name || set.kind == "CNAME");
    cnames.map(|cname| (cname, alone(&cname))).find(|(_, alone)| !alone).map(|(set, _)| &*set.name)
}

fn read(element: &Element) -> Option<RecordSet> {
    let values = element.child("ResourceRecords")?.children.iter();
    let weight = || element.text_of("Weight")?.parse().ok();
    let weighted = element.text_of("SetIdentifier").map(str::to_owned).zip(weight());
    Some(RecordSet {
        name: element.text_of("Name")?.to_owned(),
        kind: element.text_of("Type")?.to_owned(),
        ttl: element.text_of("TTL")?.parse().ok()?,
        values: values.filter_map(|record| record.text_of("Value")).map(str::to_owned).collect(),
        weighted,
        alias: None,
    })
}
