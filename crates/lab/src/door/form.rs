//! awsQuery input: `A.member.1.B=c` pairs become a nested map, read through typed getters.
//!
//! List elements carry the member's name (`VpcSecurityGroupIds.VpcSecurityGroupId.1`) or, from
//! some clients, the word `member`; both are taken. Parsing refuses nothing: a key that no action
//! asks for is ignored, as RDS does.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::cloud::refusal::{Code, Refusal};

/// A node of the decoded form: a value, members, or both.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Form {
    value: Option<String>,
    members: BTreeMap<String, Form>,
}

impl Form {
    /// Decodes an `application/x-www-form-urlencoded` body.
    pub(crate) fn parse(body: &str) -> Self {
        let mut root = Self::default();
        for pair in body.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let key = decode(key);
            let node = key
                .split('.')
                .fold(&mut root, |node, part| node.members.entry(part.to_owned()).or_default());
            node.value = Some(decode(value));
        }
        root
    }

    /// The text of a member; an absent and an empty one are the same, as for AWS.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.members.get(name)?.value.as_deref().filter(|value| !value.is_empty())
    }

    /// The text of a member that the action cannot do without.
    pub(crate) fn required(&self, name: &str) -> Result<&str, Refusal> {
        self.text(name).ok_or_else(|| {
            Refusal::new(
                Code::MissingParameter,
                format!("The request must contain the parameter {name}."),
            )
        })
    }

    /// A whole number.
    pub(crate) fn number(&self, name: &str) -> Result<Option<u32>, Refusal> {
        self.text(name)
            .map(|text| {
                text.parse()
                    .map_err(|_| Refusal::value(format!("{text} is not a valid value for {name}.")))
            })
            .transpose()
    }

    /// `true` or `false`.
    pub(crate) fn flag(&self, name: &str) -> Result<Option<bool>, Refusal> {
        self.text(name)
            .map(|text| match text.to_ascii_lowercase().as_str() {
                "true" | "1" => Ok(true),
                "false" | "0" => Ok(false),
                _ => Err(Refusal::value(format!("{text} is not a boolean ({name})."))),
            })
            .transpose()
    }

    /// An ISO 8601 time.
    pub(crate) fn time(&self, name: &str) -> Result<Option<Timestamp>, Refusal> {
        self.text(name)
            .map(|text| {
                text.parse()
                    .map_err(|_| Refusal::value(format!("{text} is not a valid time ({name}).")))
            })
            .transpose()
    }

    /// The elements of a list, in the order of their numbers.
    pub(crate) fn list(&self, name: &str, member: &str) -> Vec<&Self> {
        let Some(list) = self.members.get(name) else { return Vec::new() };
        let holder = [member, "member"].iter().find_map(|key| list.members.get(*key));
        let holder = holder.unwrap_or(list);
        let mut numbered: Vec<(u32, &Self)> = holder
            .members
            .iter()
            .filter_map(|(key, node)| key.parse().ok().map(|number| (number, node)))
            .collect();
        numbered.sort_by_key(|(number, _)| *number);
        numbered.into_iter().map(|(_, node)| node).collect()
    }

    /// The texts of a list of plain values.
    pub(crate) fn texts(&self, name: &str, member: &str) -> Vec<String> {
        self.list(name, member).into_iter().filter_map(|node| node.value.clone()).collect()
    }

    /// A nested structure; an absent one has no members.
    pub(crate) fn sub(&self, name: &str) -> &Self {
        static EMPTY: Form = Form { value: None, members: BTreeMap::new() };
        self.members.get(name).unwrap_or(&EMPTY)
    }
}

/// Undoes percent-encoding and `+`; a malformed escape stays as it is.
pub(crate) fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => {
                let ahead = rest.clone();
                let digits: Vec<u8> = ahead.take(2).collect();
                let parsed = std::str::from_utf8(&digits)
                    .ok()
                    .filter(|digits| digits.len() == 2)
                    .and_then(|digits| u8::from_str_radix(digits, 16).ok());
                if let Some(parsed) = parsed {
                    bytes.push(parsed);
                    rest.nth(1);
                } else {
                    bytes.push(byte);
                }
            }
            _ => bytes.push(byte),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_come_in_the_order_of_their_numbers_under_either_name() {
        let form = Form::parse("Ids.Id.10=c&Ids.Id.2=b&Ids.Id.1=a&Other.member.1=x&Action=Do");
        assert_eq!(form.texts("Ids", "Id"), ["a", "b", "c"]);
        assert_eq!(form.texts("Other", "Name"), ["x"]);
        assert_eq!(form.text("Action"), Some("Do"));
        assert!(form.texts("Absent", "Id").is_empty());
    }

    #[test]
    fn structures_nest_inside_lists() {
        let form = Form::parse(
            "Parameters.Parameter.1.ParameterName=a&Parameters.Parameter.1.ParameterValue=b%26c+d",
        );
        let list = form.list("Parameters", "Parameter");
        assert_eq!(list[0].text("ParameterName"), Some("a"));
        assert_eq!(list[0].text("ParameterValue"), Some("b&c d"));
    }

    #[test]
    fn a_bad_escape_is_kept_and_utf8_survives() {
        assert_eq!(decode("100%&"), "100%&");
        assert_eq!(decode("%zz%C3%A9"), "%zzé");
    }

    #[test]
    fn wrong_types_are_refused_with_the_name_of_the_parameter() {
        let form = Form::parse("MaxRecords=many&Skip=perhaps");
        assert!(form.number("MaxRecords").unwrap_err().message.contains("MaxRecords"));
        assert_eq!(form.flag("Skip").unwrap_err().code, Code::InvalidParameterValue);
        assert_eq!(form.required("Gone").unwrap_err().code, Code::MissingParameter);
    }
}
