//! An auditor asks afterwards: the page of a real move in a real browser, as wide as a desk and as
//! narrow as a phone, and a bundle in which somebody changed a word.

mod browser;

use std::path::{Path, PathBuf};

use landfall_api::core::status::Outcome;
use landfall_e2e::Stage;

use crate::told::landfall;
use crate::watch::{stage_with_gates, start, until_gate, until_over};
use browser::{Browser, Probe};

const WHO: &str = "Åsa \"the <i>DBA</i>\" O'Hara";
const NOTE: &str = "change 4711:\n<script>document.title = 'owned'</script> & \u{202e}more";

/// What a sheet is wide between its margins, in pixels.
const A4: u32 = 718;

/// Every section of the page, in order.
const SECTIONS: [&str; 13] = [
    "Timeline",
    "Proof of the fence",
    "Proof of sync",
    "Lag before the cutover",
    "Parameters",
    "Findings of the assessment",
    "Before and after",
    "Smoke tests",
    "Approvals and orders",
    "Problems, and how they ended",
    "Sessions ended",
    "What is left",
    "Journal",
];

async fn approve(stage: &Stage, gate: &str) {
    let mut command = stage.product.command(["approve", "shop", gate, "--note", NOTE]);
    command.env("LANDFALL_BY", WHO);
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

async fn written(stage: &Stage, option: &str, file: &str) -> PathBuf {
    let path = stage.dir().join(file);
    let path_text = path.to_string_lossy().into_owned();
    let arguments = match option {
        "--bundle" => vec!["report", "shop", "--bundle", &path_text],
        _ => vec!["report", "shop", option, "--to", &path_text],
    };
    landfall(&stage.product, arguments).await.says(0, &["is in"]);
    path
}

#[tokio::test]
async fn a_moves_page_opens_on_a_desk_and_on_a_phone_and_its_bundle_shows_every_change() {
    let mut stage = stage_with_gates().await;
    start(&mut stage).await;
    until_gate(&mut stage, "approve_cutover").await;
    approve(&stage, "approve_cutover").await;
    until_gate(&mut stage, "accept").await;
    approve(&stage, "accept").await;
    let followed = until_over(&mut stage, Outcome::Moved).await;

    let page = written(&stage, "--html", "shop.html").await;
    let browser = Browser::find(stage.dir());
    for width in [1200, 390] {
        let probe = browser.look(&page, width).await;
        reads(&probe, width);
    }
    // As on paper: what is wider than the page is cut off there.
    let paper = stage.dir().join("paper.html");
    let html = std::fs::read_to_string(&page).unwrap();
    assert!(html.contains("@media print"), "the page has no rules for paper");
    std::fs::write(&paper, html.replace("@media print", "@media all")).unwrap();
    let probe = browser.look(&paper, A4).await;
    assert!(probe.scroll_width <= A4, "it is {} wide on a page of {A4}", probe.scroll_width);
    bundle(&stage).await;
    assert!(stage.close(&followed).await.expect("judge the move").is_good());
}

/// What anybody sees of it, at any width.
fn reads(probe: &Probe, width: u32) {
    assert_eq!(probe.title, "shop \u{2013} report of a move", "a note took the page over");
    assert_eq!(probe.inner_width, width);
    assert!(probe.scroll_width <= width, "the page is {} wide at {width}", probe.scroll_width);
    assert!(probe.verdict.starts_with("Moved: shop-aurora is the database."), "{}", probe.verdict);
    let headings: Vec<&str> = probe.sections.iter().map(|one| one.heading.as_str()).collect();
    assert_eq!(headings, SECTIONS);
    for section in &probe.sections {
        assert!(section.height > 60, "{} is {} high", section.heading, section.height);
    }
    assert!(probe.text.contains(WHO), "{WHO} is not on the page");
    assert!(probe.text.contains("<script>document.title = 'owned'</script> & \\u{202e}more"));
    assert!(probe.text.contains("the replica has replayed"), "no proof is drawn");
    assert!(probe.drawings.len() >= 4, "{:?}", probe.drawings);
    for drawing in &probe.drawings {
        assert!(!drawing.title.is_empty() && !drawing.description.is_empty(), "{drawing:?}");
        assert!(drawing.right <= f64::from(width), "it leaves the page at {width}: {drawing:?}");
        assert!(drawing.width > 200.0 && drawing.height > 80.0, "{drawing:?}");
    }
    assert_eq!(probe.headless_tables, 0, "a table has no heads");
    assert_eq!(probe.requests, 0, "the page asks for something");
}

async fn bundle(stage: &Stage) {
    let file = written(stage, "--bundle", "shop.jsonl").await;
    let key = landfall(&stage.product, ["report", "key"]).await.text;
    let key = key.lines().next().unwrap_or_default().to_owned();
    let verify = async |file: &Path| {
        let file = file.to_string_lossy().into_owned();
        landfall(&stage.product, ["report", "verify", &file, "--key", &key]).await
    };
    verify(&file).await.says(0, &["Whole:", "Moved: shop-aurora is the database."]);
    let text = std::fs::read_to_string(&file).unwrap();
    let changed = stage.dir().join("changed.jsonl");
    std::fs::write(&changed, text.replacen("change 4711", "change 4712", 1)).unwrap();
    let at = text.lines().position(|line| line.contains("change 4711")).unwrap() + 1;
    let told = format!("line {at} (journal entry {}): changed", at - 1);
    verify(&changed).await.says(8, &["LF-047", &told]);
    let again = ["report", "shop", "--bundle", file.to_str().unwrap()];
    landfall(&stage.product, again).await.says(1, &["do not overwrite"]);
}
