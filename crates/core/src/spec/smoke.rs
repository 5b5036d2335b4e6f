//! `[smoke]`: the owner's tests, by SQL, by HTTP and by a program; `[baseline]`: how long the
//! target is looked at before it is compared with what the source was.

use std::fmt;
use std::time::Duration;

use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::quantity::duration_text;

const WITHIN: Duration = Duration::from_secs(10);

const fn within() -> Duration {
    WITHIN
}

/// `[smoke]`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Smoke {
    /// Queries that must succeed on the target, read-only, before and after release.
    #[serde(default)]
    pub sql: Vec<SqlTest>,
    /// URLs that must answer as expected.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub http: Vec<HttpTest>,
    /// Programs that must end well.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<CommandTest>,
}

impl Smoke {
    /// How many there are.
    #[must_use]
    pub const fn count(&self) -> usize {
        self.sql.len() + self.http.len() + self.command.len()
    }

    /// Without any.
    pub fn clear(&mut self) {
        *self = Self::default();
    }
}

/// A query, and what its first value must be: `"select 1"` or `{ query = "…", expect = "…" }`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SqlTest {
    /// The query.
    pub query: String,
    /// The first column of its first row, as text; absent = it must only succeed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expect: Option<String>,
}

impl From<&str> for SqlTest {
    fn from(query: &str) -> Self {
        Self { query: query.to_owned(), expect: None }
    }
}

impl<'de> Deserialize<'de> for SqlTest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Expecting {
            query: String,
            #[serde(default)]
            expect: Option<Scalar>,
        }
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = SqlTest;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a query such as \"select 1\", or { query = \"…\", expect = \"…\" }")
            }
            fn visit_str<E>(self, query: &str) -> Result<SqlTest, E> {
                Ok(SqlTest::from(query))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<SqlTest, A::Error> {
                let Expecting { query, expect } =
                    Expecting::deserialize(MapAccessDeserializer::new(map))?;
                Ok(SqlTest { query, expect: expect.map(|Scalar(text)| text) })
            }
        }
        deserializer.deserialize_any(Either)
    }
}

/// What a person writes as an expected value: text, or a number or a truth as PostgreSQL prints it.
struct Scalar(String);

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl Visitor<'_> for Any {
            type Value = Scalar;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value such as \"42\", 42 or true")
            }
            fn visit_str<E>(self, text: &str) -> Result<Scalar, E> {
                Ok(Scalar(text.to_owned()))
            }
            fn visit_i64<E>(self, number: i64) -> Result<Scalar, E> {
                Ok(Scalar(number.to_string()))
            }
            fn visit_u64<E>(self, number: u64) -> Result<Scalar, E> {
                Ok(Scalar(number.to_string()))
            }
            fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<Scalar, E> {
                // A server prints 1.50 and 1.5 differently: only text says which is meant.
                Err(E::custom(format!("write {number} as text, as the server prints it")))
            }
            fn visit_bool<E>(self, truth: bool) -> Result<Scalar, E> {
                Ok(Scalar(if truth { "t" } else { "f" }.to_owned()))
            }
        }
        deserializer.deserialize_any(Any)
    }
}

/// `[[smoke.http]]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpTest {
    /// What to get; `{endpoint}`, `{host}` and `{port}` are the target's.
    pub url: String,
    /// The status that it must answer with.
    #[serde(default = "HttpTest::ok")]
    pub status: u16,
    /// What the answer must contain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contains: Option<String>,
    /// By when.
    #[serde(default = "within", with = "duration_text")]
    pub within: Duration,
}

impl HttpTest {
    const fn ok() -> u16 {
        200
    }
}

/// `[[smoke.command]]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommandTest {
    /// The program; it must end with 0.
    pub program: String,
    /// Its arguments; `{endpoint}`, `{host}` and `{port}` are the target's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
    /// By when.
    #[serde(default = "within", with = "duration_text")]
    pub within: Duration,
}

/// `[baseline]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BaselineSpec {
    /// How far back the source's metrics are read.
    #[serde(with = "duration_text")]
    pub history: Duration,
    /// How long the target is looked at before it is compared.
    #[serde(with = "duration_text")]
    pub compare_for: Duration,
}

impl Default for BaselineSpec {
    fn default() -> Self {
        Self { history: Duration::from_hours(14 * 24), compare_for: Duration::from_hours(1) }
    }
}

/// Host and port of a URL, with a user before them when there is one.
fn authority(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split(['/', '?', '#']).next().unwrap_or(rest)
}

/// Mistakes of `[smoke]` and `[baseline]`, each with its key.
pub(super) fn contradictions(
    smoke: &Smoke,
    baseline: &BaselineSpec,
    budget: Duration,
) -> Vec<(&'static str, String)> {
    let mut mistakes = Vec::new();
    if smoke.sql.iter().any(|test| test.query.trim().is_empty()) {
        mistakes.push(("smoke.sql", "a query is empty: write it, or take the test out".to_owned()));
    }
    for test in &smoke.http {
        let url = &test.url;
        if authority(url).contains('@') {
            // Not repeated: it may hold a password.
            let told = "a URL holds a user or a password: let a [[smoke.command]] ask instead";
            mistakes.push(("smoke.http.url", told.to_owned()));
            continue;
        }
        if !url.starts_with("http://") {
            let remedy = if url.starts_with("https://") {
                "asks over TLS, which this version does not: let a [[smoke.command]] do it"
            } else {
                "is no URL: write \"http://host:port/path\""
            };
            mistakes.push(("smoke.http.url", format!("{url:?} {remedy}")));
        } else if !["{endpoint}", "{host}", "{port}"].iter().any(|place| url.contains(place)) {
            // The application waits at the gateway meanwhile: asked inside the pause it cannot
            // answer, and the release would wait for it.
            let told = "does not say where the target is: write {endpoint}, or {host} and {port}, \
                        in it, so that a check of the target is asked and not the application, \
                        which is held meanwhile";
            mistakes.push(("smoke.http.url", format!("{url:?} {told}")));
        }
        if !(100..=599).contains(&test.status) {
            mistakes.push(("smoke.http.status", format!("{} is no HTTP status", test.status)));
        }
    }
    if smoke.command.iter().any(|test| test.program.trim().is_empty()) {
        mistakes.push(("smoke.command.program", "names no program: write its path".to_owned()));
    }
    let waits = smoke.http.iter().map(|test| ("smoke.http.within", test.within));
    let waits = waits.chain(smoke.command.iter().map(|t| ("smoke.command.within", t.within)));
    for (key, within) in waits {
        if within.is_zero() || within > budget {
            let budget = duration_text::to_text(budget);
            let told = format!("write more than 0s and no more than the pause budget ({budget})");
            mistakes.push((key, told));
        }
    }
    if baseline.history < Duration::from_mins(5) {
        let told = "write at least \"5m\": a shorter time says nothing about the source".to_owned();
        mistakes.push(("baseline.history", told));
    }
    if baseline.compare_for.is_zero() {
        let told = "write more than 0s: a target that nobody looked at compares to nothing";
        mistakes.push(("baseline.compare_for", told.to_owned()));
    }
    mistakes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Smoke, String> {
        toml::from_str(text).map_err(|error| error.message().to_owned())
    }

    fn told(text: &str) -> String {
        let none = BaselineSpec::default();
        let mistakes = contradictions(&read(text).unwrap(), &none, Duration::from_mins(5));
        mistakes.iter().map(|(key, message)| format!("{key}: {message}\n")).collect()
    }

    #[test]
    fn a_query_may_say_what_it_expects() {
        let smoke = read(
            "sql = [\"select 1\", {query = \"select 2\", expect = 2}, {query = \"x\"}, \
             {query = \"select true\", expect = true}, {query = \"y\", expect = \"1.50\"}]",
        )
        .unwrap();
        let expected: Vec<_> = smoke.sql.iter().map(|test| test.expect.as_deref()).collect();
        assert_eq!(expected, [None, Some("2"), None, Some("t"), Some("1.50")]);
        let json = serde_json::to_string(&smoke).unwrap();
        assert_eq!(serde_json::from_str::<Smoke>(&json).unwrap(), smoke);
        // As journals of older versions have it.
        assert_eq!(serde_json::from_str::<Smoke>("{\"sql\":[\"select 1\"]}").unwrap().count(), 1);
    }

    #[test]
    fn a_wrong_form_is_told_by_what_is_right() {
        assert!(read("sql = [1]").unwrap_err().contains("a query such as"));
        assert!(read("sql = [{query = \"x\", expects = 1}]").unwrap_err().contains("expects"));
        assert!(read("sql = [{expect = 1}]").unwrap_err().contains("query"));
        assert!(read("sql = [{query = \"x\", expect = 1.5}]").unwrap_err().contains("as text"));
    }

    #[test]
    fn mistakes_are_all_told_with_their_remedy() {
        let told = told(
            "sql = [\" \"]\n[[http]]\nurl = \"https://app/health\"\nstatus = 20\n\
             [[http]]\nurl = \"app\"\n[[command]]\nprogram = \"\"\nwithin = \"1h\"\n",
        );
        for part in [
            "smoke.sql: a query is empty",
            "smoke.http.url: \"https://app/health\" asks over TLS",
            "smoke.http.url: \"app\" is no URL",
            "smoke.http.status: 20 is no HTTP status",
            "smoke.command.program: names no program",
            "smoke.command.within: write more than 0s and no more than the pause budget (5m)",
        ] {
            assert!(told.contains(part), "{part} missing in\n{told}");
        }
        assert_eq!(told.lines().count(), 6, "{told}");
    }

    #[test]
    fn a_url_is_of_the_target_and_holds_no_secret() {
        let mistakes = told(
            "[[http]]\nurl = \"http://app/health\"\n\
             [[http]]\nurl = \"http://ops:hunter2@{endpoint}/\"\n\
             [[http]]\nurl = \"http://check/?db={endpoint}&as=a@b\"\n",
        );
        assert_eq!(mistakes.lines().count(), 2, "{mistakes}");
        assert!(mistakes.contains("does not say where the target is"), "{mistakes}");
        assert!(mistakes.contains("a user or a password"), "{mistakes}");
        assert!(!mistakes.contains("hunter2"), "{mistakes}");
    }

    #[test]
    fn a_comparison_has_its_defaults_and_limits() {
        let baseline: BaselineSpec = toml::from_str("compare_for = \"2s\"").unwrap();
        assert_eq!(baseline.compare_for, Duration::from_secs(2));
        assert_eq!(baseline.history, Duration::from_hours(336));
        let none = BaselineSpec { history: Duration::ZERO, compare_for: Duration::ZERO };
        let told = contradictions(&Smoke::default(), &none, Duration::from_mins(5));
        let keys: Vec<_> = told.iter().map(|(key, _)| *key).collect();
        assert_eq!(keys, ["baseline.history", "baseline.compare_for"]);
    }
}
