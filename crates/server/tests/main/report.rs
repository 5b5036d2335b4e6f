//! The report over HTTP: its forms, what they are sent as, and the key.

use landfall_api::{Order, ReportForm};
use landfall_core::{Code, MigrationName};
use landfall_report::seal::PublicKey;
use landfall_report::verify::{Signer, verify};

use crate::place::{Place, by, problem, status_and_code};

fn orders() -> MigrationName {
    MigrationName::new("orders")
}

#[tokio::test]
async fn a_report_is_a_page_json_and_a_bundle_of_the_servers_key() {
    let place = Place::new().await;
    place.start().await;
    let why = "not before <Monday>".to_owned();
    place.client.order(&orders(), "pause", &Order { why, ..by("ann") }).await.unwrap();

    let page = place.client.report(&orders(), ReportForm::Html).await.unwrap();
    assert!(page.starts_with("<!doctype html>") && page.contains("not before &lt;Monday&gt;"));
    let json = place.client.report(&orders(), ReportForm::Json).await.unwrap();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["verdict"]["headline"], "Not over: paused by ann.");
    assert_eq!(json["people"]["orders"][0]["why"], "not before <Monday>");

    let key = place.client.evidence_key().await.unwrap();
    let public: PublicKey = key.key.parse().unwrap();
    assert_eq!(key.id, public.id());
    let bundle = place.client.report(&orders(), ReportForm::Bundle).await.unwrap();
    let whole = verify(bundle.as_bytes(), Some(&public)).unwrap();
    assert_eq!((whole.name.as_str(), whole.entries, whole.signer), ("orders", 2, Signer::AsAsked));
    place.close().await;
}

#[tokio::test]
async fn a_page_is_sent_as_one_and_brings_its_policy() {
    let place = Place::new().await;
    place.start().await;
    let url = format!("http://{}/v1/moves/orders/report", place.address());
    let answer = reqwest::get(&url).await.unwrap();
    let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(header("content-type"), "text/html; charset=utf-8");
    assert!(header("content-security-policy").contains("default-src 'none'"));
    let odd = reqwest::get(format!("{url}?form=pdf")).await.unwrap();
    assert_eq!(odd.status().as_u16(), 400);
    place.close().await;
}

#[tokio::test]
async fn what_cannot_be_reported_on_is_told() {
    let place = Place::new().await;
    let refused = problem(place.client.report(&orders(), ReportForm::Html).await);
    assert_eq!(status_and_code(&refused), (404, Some(Code::UnknownMove)));
    place.start().await;
    std::fs::write(place.state.path().join("evidence.key"), "damaged").unwrap();
    let refused = problem(place.client.report(&orders(), ReportForm::Bundle).await);
    assert_eq!(status_and_code(&refused), (503, Some(Code::EvidenceKey)));
    assert!(!refused.hint.is_empty(), "{refused:?}");
    place.client.report(&orders(), ReportForm::Html).await.expect("a page needs no key");
    place.close().await;
}
