//! `envoy check`: whether a running Envoy would hold, by what its own admin page says.

use jiff::Timestamp;
use landfall_api::core::quantity::duration_text;

use super::admin::Admin;
use super::findings::{Finding, Judged, Seen, judge};
use crate::arguments::Check;
use crate::exit::Exit;
use crate::out::Out;
use crate::show::layout::labelled;
use crate::stop::Stop;

pub(super) async fn check(asked: &Check, out: Out) -> Result<Exit, Stop> {
    let pause_budget = duration_text::parse(&asked.pause_budget)
        .map_err(|why| Stop::mistake(format!("--pause-budget: {why}.")))?;
    let admin = Admin::new(asked.admin)?;
    let seen = Seen {
        config: admin.json("/config_dump").await?,
        certificates: admin.json("/certs").await?,
        stats: admin.json("/stats?format=json").await?,
        now: Timestamp::now(),
        pause_budget,
    };
    let findings = judge(&seen);
    out.data(&findings, |width| {
        findings.iter().map(|finding| line(finding, width)).collect::<Vec<_>>().join("\n")
    });
    let is_bad = findings.iter().any(|finding| finding.judged == Judged::Bad);
    Ok(if is_bad { Exit::Refused } else { Exit::Done })
}

fn line(finding: &Finding, width: usize) -> String {
    let word = match finding.judged {
        Judged::Good => "ok    ",
        Judged::Warning => "CARE  ",
        Judged::Bad => "WRONG ",
    };
    let remedy = finding.remedy.as_ref().map(|text| format!(" {text}")).unwrap_or_default();
    labelled(word, &format!("{}{remedy}", finding.what), width)
}
