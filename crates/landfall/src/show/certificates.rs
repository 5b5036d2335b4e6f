//! Certificates that proxies were told, and until when they last.

use jiff::{SignedDuration, Timestamp};
use landfall_api::ProxyCertificate;

use super::layout::columns;
use super::time;

/// An enrolment is renewed by hand, and wants to be known of in time.
const ENROL_AGAIN: SignedDuration = SignedDuration::from_hours(24 * 30);

/// All of them.
pub(crate) fn list(certificates: &[ProxyCertificate], now: Timestamp, width: usize) -> String {
    if certificates.is_empty() {
        return "No proxy was told a certificate by this server.".to_owned();
    }
    let rows: Vec<Vec<String>> =
        certificates.iter().map(|certificate| row(certificate, now)).collect();
    let table = columns(&rows, width.saturating_sub(2));
    table.lines().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}

fn row(certificate: &ProxyCertificate, now: Timestamp) -> Vec<String> {
    let of = if certificate.secret == "landfall/trust" { "roots" } else { &certificate.identity };
    let until = time::instant(certificate.not_after);
    let validity = if certificate.not_after <= now {
        format!("ENDED {until}")
    } else {
        format!("until {until}")
    };
    vec![certificate.node.clone(), of.to_owned(), validity, state(certificate, now)]
}

fn state(certificate: &ProxyCertificate, now: Timestamp) -> String {
    if let Some(words) = &certificate.rejected {
        return format!("REFUSES: {words}");
    }
    if certificate.enrolled_until.duration_since(now) < ENROL_AGAIN {
        return format!("ENROL AGAIN before {}", time::day(certificate.enrolled_until));
    }
    match (certificate.connected, certificate.acknowledged) {
        (false, _) => "gone".to_owned(),
        (true, None) => "sent, not answered yet".to_owned(),
        (true, Some(at)) => format!("taken {}", time::instant(at)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn certificate() -> ProxyCertificate {
        ProxyCertificate {
            node: "web-1".to_owned(),
            identity: "spiffe://landfall/client/web".to_owned(),
            secret: "landfall/identity".to_owned(),
            not_after: at("2026-11-22T12:00:00Z"),
            enrolled_until: at("2027-11-21T12:00:00Z"),
            sent: at("2026-11-21T12:00:00Z"),
            acknowledged: Some(at("2026-11-21T12:00:00Z")),
            rejected: None,
            connected: true,
        }
    }

    #[test]
    fn what_needs_a_person_is_said_in_capitals() {
        let shown = |certificate: ProxyCertificate, now: &str| list(&[certificate], at(now), 120);
        let good = shown(certificate(), "2026-11-21T13:00:00Z");
        assert!(good.contains("until 2026-11-22 12:00:00Z") && good.contains("taken"), "{good}");
        let late = shown(certificate(), "2026-11-22T13:00:00Z");
        assert!(late.contains("ENDED 2026-11-22"), "{late}");
        let soon = shown(certificate(), "2027-11-01T13:00:00Z");
        assert!(soon.contains("ENROL AGAIN before 2027-11-21"), "{soon}");
        let refused =
            ProxyCertificate { rejected: Some("no such key".to_owned()), ..certificate() };
        assert!(shown(refused, "2026-11-21T13:00:00Z").contains("REFUSES: no such key"));
    }
}
