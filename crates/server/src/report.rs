//! The report of a move, made from the store when it is asked for: page, JSON or bundle.
//!
//! Nothing is kept of it. The findings are judged here, because the checks are another crate's;
//! what they judge is what the assessment saw when the move began.

use axum::http::HeaderValue;
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use landfall_api::{ApiProblem, EvidenceKey, ReportForm};
use landfall_assess::Inventory;
use landfall_core::journal::{Entry, Record};
use landfall_core::sample::{Sample, Series};
use landfall_core::{MigrationName, Seq};
use landfall_flow::process;
use landfall_report::bundle::bundle;
use landfall_report::page::page;
use landfall_report::proof::Watched;
use landfall_report::{Judged, Made, Material, Report, Titles, assessed};

use crate::app::App;
use crate::evidence;
use crate::refusal::{Refused, unknown};

/// The page brings everything it needs, and nothing may be added to it.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";

/// A report in one of its forms.
pub(crate) struct Written {
    form: ReportForm,
    text: String,
}

impl IntoResponse for Written {
    fn into_response(self) -> Response {
        let kind = match self.form {
            ReportForm::Html => "text/html; charset=utf-8",
            ReportForm::Json => "application/json",
            ReportForm::Bundle => "application/x-ndjson",
        };
        let mut response = self.text.into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
        response
    }
}

impl App {
    /// The report, as it can be made now.
    pub(crate) async fn report(
        &self,
        name: &MigrationName,
        form: ReportForm,
    ) -> Result<Written, Refused> {
        let entries = self.store.read(name, Seq(0)).await?;
        if entries.is_empty() {
            return Err(unknown(name));
        }
        let lag = self.store.samples(name, Series::LagBytes).await?;
        let watched = Watched {
            wal: self.store.samples(name, Series::WalBytesPerSecond).await?,
            replay: self.store.samples(name, Series::ReplayBytesPerSecond).await?,
            slots: self.store.samples(name, Series::SlotRetainedBytes).await?,
        };
        let text = self.written(&entries, (&lag, &watched), form)?;
        Ok(Written { form, text })
    }

    fn written(
        &self,
        entries: &[Entry],
        (lag, watched): (&[Sample], &Watched),
        form: ReportForm,
    ) -> Result<String, Refused> {
        let version = env!("CARGO_PKG_VERSION").to_owned();
        let made = Made { at: self.clock.now(), version };
        let (titles, findings) = (titles(), judged(entries));
        let (titles, findings, made) = (&titles, &findings, &made);
        let material = Material { entries, titles, lag, watched, findings, made };
        let report = Report::of(&material).map_err(|error| unmade(&error))?;
        match form {
            ReportForm::Html => Ok(page(&report)),
            ReportForm::Json => serde_json::to_string(&report).map_err(|error| unmade(&error)),
            ReportForm::Bundle => {
                let key = evidence::key(self.world.state(), self.world.evidence_key())?;
                bundle(entries, lag, &report, &key).map_err(|error| unmade(&error))
            }
        }
    }

    /// The public part of the key that bundles are signed with.
    pub(crate) fn evidence_key(&self) -> Result<EvidenceKey, Refused> {
        let key = evidence::key(self.world.state(), self.world.evidence_key())?.public();
        Ok(EvidenceKey { key: key.to_string(), id: key.id() })
    }
}

fn unmade(error: &dyn std::error::Error) -> Refused {
    let problem = ApiProblem::bare(503, "the report cannot be made of this journal")
        .hint("`landfall history` shows the journal as it is; the move itself is not touched.");
    Refused::because(problem, crate::chain(error))
}

fn titles() -> Titles {
    let rows = process::all();
    rows.map(|row| (row.step.id().to_owned(), row.step.title().to_owned())).collect()
}

/// The findings as they were journaled.
fn judged(entries: &[Entry]) -> Judged {
    let asked = entries.iter().rev().find_map(|entry| {
        if let Record::Started { spec, .. } = &entry.record { Some(spec.as_ref()) } else { None }
    });
    let Some((seen, spec)) = assessed(entries).zip(asked) else { return Judged::NotDone };
    // Older journals hold what was seen, and not what was said of it.
    let found = match seen.get("findings") {
        Some(found) => serde_json::from_value(found.clone()),
        None => serde_json::from_value(seen.clone())
            .map(|inventory: Inventory| landfall_assess::findings(spec, &inventory)),
    };
    match found {
        Ok(findings) => Judged::Found(findings),
        Err(error) => Judged::Unreadable(error.to_string()),
    }
}
