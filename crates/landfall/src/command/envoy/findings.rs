//! What an Envoy's configuration, certificates and counters say about a cutover. Pure.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::Value;

use crate::show::time::{instant, span};

/// A certificate that ends sooner is worth a word.
const SOON: SignedDuration = SignedDuration::from_hours(6);

const OURS: &str = "xdstp://landfall/envoy.config.cluster.v3.Cluster/";

/// What was asked of the admin page, and what for.
pub(super) struct Seen {
    pub(super) config: Value,
    pub(super) certificates: Value,
    pub(super) stats: Value,
    pub(super) now: Timestamp,
    pub(super) pause_budget: Duration,
}

/// How good a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Judged {
    /// As it should be.
    Good,
    /// It works today.
    Warning,
    /// Connections would be lost, or refused.
    Bad,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    pub(super) judged: Judged,
    pub(super) what: String,
    pub(super) remedy: Option<String>,
}

fn good(what: String) -> Finding {
    Finding { judged: Judged::Good, what, remedy: None }
}

fn bad(what: String, remedy: &str) -> Finding {
    Finding { judged: Judged::Bad, what, remedy: Some(remedy.to_owned()) }
}

fn warning(what: String, remedy: &str) -> Finding {
    Finding { judged: Judged::Warning, what, remedy: Some(remedy.to_owned()) }
}

/// Every finding, in the order of the path.
pub(super) fn judge(seen: &Seen) -> Vec<Finding> {
    let mut findings = Vec::new();
    let proxies = tcp_proxies(&seen.config);
    let ours: Vec<&Value> =
        proxies.iter().copied().filter(|proxy| service(proxy).is_some()).collect();
    let to_gateways = proxies.iter().filter(|proxy| text(proxy, "cluster").starts_with("gateway/"));
    let to_gateways = to_gateways.count();
    for proxy in &ours {
        findings.push(holds(proxy, seen.pause_budget));
    }
    if ours.is_empty() && to_gateways == 0 {
        findings.push(bad(
            "No listener goes to a service of Landfall's.".to_owned(),
            "Start it from `landfall envoy bootstrap`.",
        ));
    }
    if to_gateways > 0 {
        findings.push(good(format!(
            "{to_gateways} listeners go to a gateway, which holds: nothing is to be held here."
        )));
    }
    if !ours.is_empty() {
        findings.push(patience(&seen.config));
        findings.push(connected(&seen.stats));
        findings.extend(pushed_listeners(&seen.config));
    }
    findings.extend(certificates(&seen.certificates, seen.now));
    findings
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// Every `tcp_proxy` anywhere in the dump.
fn tcp_proxies(config: &Value) -> Vec<&Value> {
    let mut found = Vec::new();
    let sections = config.get("configs").and_then(Value::as_array);
    let listeners = sections
        .into_iter()
        .flatten()
        .filter(|section| text(section, "@type").ends_with("ListenersConfigDump"));
    for section in listeners {
        walk(section, &mut found);
    }
    found
}

fn walk<'a>(value: &'a Value, found: &mut Vec<&'a Value>) {
    match value {
        Value::Object(map) => {
            if text(value, "@type").ends_with("tcp_proxy.v3.TcpProxy") {
                found.push(value);
            }
            map.values().for_each(|value| walk(value, found));
        }
        Value::Array(values) => values.iter().for_each(|value| walk(value, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn service(proxy: &Value) -> Option<&str> {
    text(proxy, "cluster").strip_prefix(OURS)
}

fn holds(proxy: &Value, pause_budget: Duration) -> Finding {
    let service = service(proxy).unwrap_or_default();
    let Some(on_demand) = proxy.get("on_demand") else {
        return bad(
            format!("{service}: connections that come during a cutover are cut, not held."),
            "Its tcp_proxy has no on_demand: start it from `landfall envoy bootstrap`.",
        );
    };
    let timeout = seconds(text(on_demand, "timeout")).unwrap_or(Duration::from_mins(1));
    if timeout < pause_budget {
        return bad(
            format!(
                "{service}: held connections are cut after {}, and the pause may take {}.",
                span(timeout),
                span(pause_budget)
            ),
            "Give `landfall envoy bootstrap` a longer --hold-timeout.",
        );
    }
    good(format!("{service}: new connections are held, for {} at most.", span(timeout)))
}

fn seconds(text: &str) -> Option<Duration> {
    let seconds: f64 = text.strip_suffix('s')?.parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}

/// By default Envoy takes 15 seconds of silence for an absence.
fn patience(config: &Value) -> Finding {
    let sections = config.get("configs").and_then(Value::as_array);
    let sources = sections
        .into_iter()
        .flatten()
        .filter_map(|section| section.get("bootstrap")?.get("config_sources")?.as_array());
    let endless = sources.flatten().any(|source| {
        seconds(text(source, "initial_fetch_timeout")).is_some_and(|bound| bound.is_zero())
    });
    if endless {
        return good("It waits for Landfall's word without end.".to_owned());
    }
    bad(
        "After 15 seconds of silence it takes a held service for an absent one.".to_owned(),
        "Start it from `landfall envoy bootstrap`, which sets initial_fetch_timeout to 0s.",
    )
}

fn connected(stats: &Value) -> Finding {
    let connections = stat(stats, "cluster.landfall/control-plane.upstream_cx_active");
    let count = |name: &str| stat(stats, &format!("cluster.landfall/control-plane.{name}"));
    let tried = count("upstream_cx_total").unwrap_or_default() > 0;
    match connections {
        Some(1..) => good("It is connected to Landfall.".to_owned()),
        Some(0) if !tried => warning(
            "It has not asked Landfall for anything yet.".to_owned(),
            "It does when the first client connects; check again then.",
        ),
        Some(0) | None => bad(
            "It is not connected to Landfall: a hold would not reach it.".to_owned(),
            "Is `landfall serve` up at the address that the bootstrap names? With mutual TLS: is \
             the enrolment still valid? Landfall's log names who is not let in, and why.",
        ),
    }
}

fn stat(stats: &Value, name: &str) -> Option<u64> {
    let all = stats.get("stats").and_then(Value::as_array)?;
    all.iter().find(|stat| text(stat, "name") == name)?.get("value")?.as_u64()
}

/// A change of a listener ends what it holds.
fn pushed_listeners(config: &Value) -> Option<Finding> {
    let sections = config.get("configs").and_then(Value::as_array)?;
    let pushed = sections.iter().filter_map(|section| section.get("dynamic_listeners")?.as_array());
    let count: usize = pushed.map(Vec::len).sum();
    (count > 0).then(|| {
        warning(
            format!("{count} of its listeners are pushed by a control plane."),
            "A change of a listener during a cutover cuts the connections it holds: let nothing \
             be pushed then.",
        )
    })
}

fn certificates(dump: &Value, now: Timestamp) -> Vec<Finding> {
    let all = dump.get("certificates").and_then(Value::as_array);
    let chains = all.into_iter().flatten().filter_map(|entry| entry.get("cert_chain")?.as_array());
    let mut findings: Vec<Finding> = Vec::new();
    for certificate in chains.flatten() {
        let name = certificate
            .get("subject_alt_names")
            .and_then(|names| names.get(0))
            .map(|name| text(name, "uri"))
            .unwrap_or_default();
        let Ok(until) = text(certificate, "expiration_time").parse::<Timestamp>() else { continue };
        let what = format!("The certificate of {name} is valid until {}.", instant(until));
        let finding = if until <= now {
            bad(
                format!("The certificate of {name} ended at {}.", instant(until)),
                "Landfall renews what it tells at half its life: is this Envoy connected? One in \
                 a file is renewed by replacing the file; an enrolment, by a new bootstrap folder.",
            )
        } else if until.duration_since(now) < SOON {
            warning(what, "Whoever renews it should have done so.")
        } else {
            good(what)
        };
        if !findings.contains(&finding) {
            findings.push(finding);
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn seen(proxy: &Value) -> Seen {
        Seen {
            config: json!({ "configs": [
                { "@type": "type.googleapis.com/envoy.admin.v3.BootstrapConfigDump",
                  "bootstrap": { "config_sources": [{ "initial_fetch_timeout": "0s" }] } },
                { "@type": "type.googleapis.com/envoy.admin.v3.ListenersConfigDump",
                  "static_listeners": [{ "filters": [{ "typed_config": proxy }] }] },
            ] }),
            certificates: json!({ "certificates": [] }),
            stats: json!({ "stats": [
                { "name": "cluster.landfall/control-plane.upstream_cx_active", "value": 1 },
            ] }),
            now: "2026-11-21T12:00:00Z".parse().unwrap(),
            pause_budget: Duration::from_secs(60),
        }
    }

    fn proxy() -> Value {
        json!({
            "@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
            "cluster": format!("{OURS}orders"),
            "on_demand": { "timeout": "3600s" },
        })
    }

    fn bad_ones(seen: &Seen) -> Vec<String> {
        let findings = judge(seen).into_iter();
        findings.filter(|one| one.judged == Judged::Bad).map(|one| one.what).collect()
    }

    #[test]
    fn our_own_bootstrap_is_good() {
        assert_eq!(bad_ones(&seen(&proxy())), [""; 0]);
    }

    #[test]
    fn what_would_not_hold_is_named() {
        let mut impatient = proxy();
        impatient["on_demand"]["timeout"] = json!("5s");
        assert!(
            bad_ones(&seen(&impatient))[0].contains("after 5 s"),
            "{:?}",
            bad_ones(&seen(&impatient))
        );
        let mut cutting = proxy();
        cutting.as_object_mut().unwrap().remove("on_demand");
        assert!(bad_ones(&seen(&cutting))[0].contains("not held"));
        let mut alone = seen(&proxy());
        alone.stats = json!({ "stats": [] });
        assert!(bad_ones(&alone)[0].contains("not connected"));
        let mut hasty = seen(&proxy());
        hasty.config["configs"][0]["bootstrap"] = json!({});
        assert!(bad_ones(&hasty)[0].contains("15 seconds"));
    }

    #[test]
    fn certificates_are_judged_by_their_end() {
        let mut seen = seen(&proxy());
        let until = |text: &str| {
            json!({ "cert_chain": [{
            "subject_alt_names": [{ "uri": "spiffe://landfall/gateway/g" }],
            "expiration_time": text,
        }] })
        };
        for (end, judged) in [
            ("2026-11-21T11:59:59Z", Judged::Bad),
            ("2026-11-21T13:00:00Z", Judged::Warning),
            ("2026-11-22T12:00:00Z", Judged::Good),
        ] {
            seen.certificates = json!({ "certificates": [until(end), until(end)] });
            let findings = judge(&seen);
            let found: Vec<_> = findings.iter().filter(|one| one.what.contains("spiffe")).collect();
            assert_eq!(found.len(), 1, "{found:?}");
            assert_eq!(found[0].judged, judged, "{found:?}");
        }
    }
}
