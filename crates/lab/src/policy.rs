//! A small part of IAM: whether the statements of one policy allow one call on one resource.
//!
//! It knows identity policies with `Action`, `Resource` and three operators of `Condition`; any
//! other member is refused when the policy is read, so that nothing is silently left out. There
//! are no resource policies, boundaries or sessions. What nothing allows is denied, as by AWS.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// The policies that Landfall's documentation ships, as it ships them.
pub const MOVE: &str = include_str!("../../../docs/operate/iam-policy.json");
/// Only what an assessment reads.
pub const ASSESS: &str = include_str!("../../../docs/operate/iam-policy-assess.json");
/// Only what `doctor --aws` reads.
pub const DOCTOR: &str = include_str!("../../../docs/operate/iam-policy-doctor.json");

/// One thing that a call does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// Such as `rds:DeleteDBCluster`.
    pub action: String,
    /// An ARN; `*` for what concerns no resource.
    pub resource: String,
    /// Condition keys and their values, such as `aws:RequestTag/team`.
    pub context: BTreeMap<String, String>,
}

/// What a policy says to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Allowed,
    /// By no statement.
    NotAllowed,
    /// By a statement that says so.
    Denied,
}

/// A policy, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy(Vec<Statement>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Statement {
    verdict: Verdict,
    actions: Vec<String>,
    resources: Vec<String>,
    conditions: Vec<Condition>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Condition {
    operator: Operator,
    key: String,
    values: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Null,
    StringEquals,
    StringLike,
}

impl Policy {
    /// Reads a policy document, with words of it replaced, such as a name for its placeholder.
    pub fn read(document: &str, words: &[(&str, &str)]) -> Result<Self, String> {
        let filled = words
            .iter()
            .fold(document.to_owned(), |text, (placeholder, name)| text.replace(placeholder, name));
        let value: Value = serde_json::from_str(&filled).map_err(|error| error.to_string())?;
        let statements = value.get("Statement").and_then(Value::as_array);
        let statements = statements.ok_or("no list of statements")?;
        statements.iter().map(Statement::read).collect::<Result<_, _>>().map(Self)
    }

    /// What it says to an ask; a denial wins.
    pub fn judge(&self, ask: &Ask) -> Verdict {
        let matching = self.0.iter().filter(|statement| statement.matches(ask));
        matching.fold(Verdict::NotAllowed, |so_far, statement| match (so_far, statement.verdict) {
            (Verdict::Denied, _) | (_, Verdict::Denied) => Verdict::Denied,
            (_, verdict) => verdict,
        })
    }
}

impl Statement {
    fn read(value: &Value) -> Result<Self, String> {
        let members = value.as_object().ok_or("a statement is no object")?;
        let known = ["Sid", "Effect", "Action", "Resource", "Condition"];
        if let Some(unknown) = members.keys().find(|key| !known.contains(&key.as_str())) {
            return Err(format!("the lab knows no {unknown} in a statement"));
        }
        let verdict = match members.get("Effect").and_then(Value::as_str) {
            Some("Allow") => Verdict::Allowed,
            Some("Deny") => Verdict::Denied,
            other => return Err(format!("the lab knows no effect {other:?}")),
        };
        let conditions = match members.get("Condition").and_then(Value::as_object) {
            Some(operators) => conditions(operators)?,
            None => Vec::new(),
        };
        let list = |name: &str| members.get(name).map(texts).unwrap_or_default();
        Ok(Self { verdict, actions: list("Action"), resources: list("Resource"), conditions })
    }

    fn matches(&self, ask: &Ask) -> bool {
        // Actions do not care for capitals, resources do.
        let action = ask.action.to_ascii_lowercase();
        let named = |pattern: &String| is_like(&pattern.to_ascii_lowercase(), &action);
        self.actions.iter().any(named)
            && self.resources.iter().any(|pattern| is_like(pattern, &ask.resource))
            && self.conditions.iter().all(|condition| condition.holds(ask))
    }
}

impl Condition {
    fn holds(&self, ask: &Ask) -> bool {
        let value = ask.context.get(&self.key);
        let any = |test: &dyn Fn(&str, &str) -> bool| {
            value.is_some_and(|value| self.values.iter().any(|wanted| test(wanted, value)))
        };
        match self.operator {
            Operator::Null => {
                let absent = if value.is_none() { "true" } else { "false" };
                self.values.iter().any(|wanted| wanted == absent)
            }
            Operator::StringEquals => any(&|wanted, value| wanted == value),
            Operator::StringLike => any(&is_like),
        }
    }
}

fn conditions(operators: &Map<String, Value>) -> Result<Vec<Condition>, String> {
    let mut conditions = Vec::new();
    for (word, keys) in operators {
        let operator = match word.as_str() {
            "Null" => Operator::Null,
            "StringEquals" => Operator::StringEquals,
            "StringLike" => Operator::StringLike,
            unknown => return Err(format!("the lab knows no condition {unknown}")),
        };
        for (key, values) in keys.as_object().into_iter().flatten() {
            conditions.push(Condition { operator, key: key.clone(), values: texts(values) });
        }
    }
    Ok(conditions)
}

/// One text, or a list of texts.
fn texts(value: &Value) -> Vec<String> {
    let one = |value: &Value| value.as_str().map(str::to_owned);
    match value.as_array() {
        Some(list) => list.iter().filter_map(one).collect(),
        None => one(value).into_iter().collect(),
    }
}

/// Whether a text fits a pattern with `*` and `?`.
fn is_like(pattern: &str, text: &str) -> bool {
    let Some((head, tail)) = pattern.split_once('*') else {
        let same = |(wanted, found)| wanted == '?' || wanted == found;
        return pattern.chars().count() == text.chars().count()
            && pattern.chars().zip(text.chars()).all(same);
    };
    let skip = head.chars().count();
    let Some(rest) = text.char_indices().map(|(at, _)| at).chain([text.len()]).nth(skip) else {
        return false;
    };
    let (Some(begin), Some(rest)) = (text.get(..rest), text.get(rest..)) else { return false };
    let ends = rest.char_indices().map(|(at, _)| at).chain([rest.len()]);
    is_like(head, begin) && ends.filter_map(|at| rest.get(at..)).any(|end| is_like(tail, end))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(action: &str, resource: &str) -> Ask {
        Ask { action: action.into(), resource: resource.into(), context: BTreeMap::new() }
    }

    fn tagged(action: &str, resource: &str) -> Ask {
        let tag = ("aws:RequestTag/landfall:migration".to_owned(), "orders".to_owned());
        Ask { context: BTreeMap::from([tag]), ..ask(action, resource) }
    }

    fn shipped() -> Policy {
        let words = [
            ("SOURCE_INSTANCE", "orders-prod"),
            ("TARGET_CLUSTER", "orders-aurora"),
            ("DATABASE_USER", "landfall"),
        ];
        Policy::read(MOVE, &words).unwrap()
    }

    #[test]
    fn stars_and_question_marks() {
        for (pattern, text, fits) in [
            ("*", "", true),
            ("a*c", "abbc", true),
            ("a*c", "abcd", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("*b*", "abc", true),
            ("rds:Describe*", "rds:DescribeEvents", true),
        ] {
            assert_eq!(is_like(pattern, text), fits, "{pattern} {text}");
        }
    }

    #[test]
    fn the_shipped_policy_keeps_to_the_two_names() {
        let policy = shipped();
        let here = "arn:aws:rds:us-east-1:123456789012";
        for (asked, verdict) in [
            (ask("rds:DescribeDBInstances", "*"), Verdict::Allowed),
            (ask("rds:RebootDBInstance", &format!("{here}:db:orders-prod")), Verdict::Allowed),
            (ask("rds:RebootDBInstance", &format!("{here}:db:other")), Verdict::NotAllowed),
            (
                ask("rds:DeleteDBCluster", &format!("{here}:cluster:orders-aurora")),
                Verdict::Allowed,
            ),
            (ask("rds:DeleteDBCluster", &format!("{here}:cluster:other")), Verdict::NotAllowed),
            (ask("rds:DeleteDBInstance", &format!("{here}:db:orders-aurora-1")), Verdict::Allowed),
            (ask("rds:DeleteDBSnapshot", &format!("{here}:snapshot:x")), Verdict::NotAllowed),
            // Nothing is made without the tag that says whose it is.
            (
                ask("rds:CreateDBCluster", &format!("{here}:cluster:orders-aurora")),
                Verdict::NotAllowed,
            ),
            (
                tagged("rds:CreateDBCluster", &format!("{here}:cluster:orders-aurora")),
                Verdict::Allowed,
            ),
            (ask("rds:AddTagsToResource", &format!("{here}:db:other")), Verdict::NotAllowed),
        ] {
            assert_eq!(policy.judge(&asked), verdict, "{asked:?}");
        }
    }

    #[test]
    fn who_may_only_look_changes_nothing() {
        for document in [ASSESS, DOCTOR] {
            let policy = Policy::read(document, &[]).unwrap();
            assert_eq!(policy.judge(&ask("rds:DescribeEvents", "*")), Verdict::Allowed);
            for change in ["rds:ModifyDBInstance", "rds:CreateDBCluster", "rds:DeleteDBInstance"] {
                let verdict = policy.judge(&tagged(change, "arn:aws:rds:us-east-1:1:db:x"));
                assert_eq!(verdict, Verdict::NotAllowed, "{change}");
            }
        }
    }

    #[test]
    fn a_denial_wins_and_what_is_not_known_is_refused() {
        let document = r#"{"Statement": [
            {"Effect": "Allow", "Action": "*", "Resource": "*"},
            {"Effect": "Deny", "Action": "rds:delete*", "Resource": "*"}]}"#;
        let policy = Policy::read(document, &[]).unwrap();
        assert_eq!(policy.judge(&ask("rds:DeleteDBCluster", "x")), Verdict::Denied);
        assert_eq!(policy.judge(&ask("rds:CreateDBCluster", "x")), Verdict::Allowed);
        for unknown in ["\"NotAction\": \"x\"", "\"Condition\": {\"Bool\": {\"a\": \"b\"}}"] {
            let statement = format!(
                r#"{{"Statement": [{{"Effect": "Allow", "Action": "*", "Resource": "*", {unknown}}}]}}"#
            );
            assert!(Policy::read(&statement, &[]).is_err(), "{unknown}");
        }
    }
}
