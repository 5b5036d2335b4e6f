//! Chromium without a window: a picture of a page, kept, and what its script measures of it.
//!
//! The page forbids scripts, so the measuring one is put into a copy without that rule.

use std::path::{Path, PathBuf};
use std::time::Duration;

use landfall_lab::process::{Program, Signal};
use landfall_lab::tools;
use serde::Deserialize;

/// Longer than a start of the browser takes on a busy machine.
const BOUND: Duration = Duration::from_secs(60);
const HEIGHT: u32 = 3_000;
/// Where the pictures stay.
const KEPT: &str = env!("CARGO_TARGET_TMPDIR");
const RULE: &str = "http-equiv=\"Content-Security-Policy\"";
const BEGIN: &str = "<pre id=\"measured\">";

const SCRIPT: &str = "<script>
const all = (selector) => [...document.querySelectorAll(selector)];
const box = (element) => element.getBoundingClientRect();
const right = (svg) => Math.max(...[svg, ...svg.querySelectorAll('text')].map((e) => box(e).right));
const measured = {
  title: document.title,
  inner_width: innerWidth,
  scroll_width: document.documentElement.scrollWidth,
  verdict: document.querySelector('#verdict').innerText,
  sections: all('main > section').map((section) => ({
    heading: section.querySelector('h2').innerText, height: Math.round(box(section).height) })),
  drawings: all('svg.chart').map((svg) => ({
    title: svg.querySelector('title').textContent, description: svg.querySelector('desc').textContent,
    right: right(svg), width: box(svg).width, height: box(svg).height })),
  headless_tables: all('table').filter((table) => !table.querySelector('th[scope]')).length,
  requests: performance.getEntriesByType('resource').length,
  text: document.body.innerText,
};
const pre = document.createElement('pre');
pre.id = 'measured';
pre.textContent = JSON.stringify(measured);
document.body.append(pre);
</script></body>";

/// What was measured.
#[derive(Debug, Deserialize)]
pub(super) struct Probe {
    pub(super) title: String,
    pub(super) inner_width: u32,
    pub(super) scroll_width: u32,
    pub(super) verdict: String,
    pub(super) sections: Vec<Section>,
    pub(super) drawings: Vec<Drawing>,
    pub(super) headless_tables: u32,
    pub(super) requests: u32,
    pub(super) text: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Section {
    pub(super) heading: String,
    pub(super) height: i64,
}

#[derive(Debug, Deserialize)]
pub(super) struct Drawing {
    pub(super) title: String,
    pub(super) description: String,
    pub(super) right: f64,
    pub(super) width: f64,
    pub(super) height: f64,
}

/// The browser.
pub(super) struct Browser {
    program: PathBuf,
    dir: PathBuf,
}

impl Browser {
    pub(super) fn find(dir: &Path) -> Self {
        Self { program: tools::chromium().expect("find the browser"), dir: dir.to_owned() }
    }

    /// Opens the page as wide as this, keeps a picture of it, and measures.
    pub(super) async fn look(&self, page: &Path, width: u32) -> Probe {
        let picture = Path::new(KEPT).join(format!("report-{width}.png"));
        let _ = std::fs::remove_file(&picture);
        self.open(page, width, &format!("--screenshot={}", picture.display())).await;
        let size = std::fs::metadata(&picture).expect("a picture").len();
        assert!(size > 10_000, "{} has {size} bytes", picture.display());

        let html = std::fs::read_to_string(page).expect("read the page");
        assert!(html.contains(RULE), "the page may run scripts");
        let probed = html.replacen(RULE, "name=\"no-rule\"", 1).replacen("</body>", SCRIPT, 1);
        let copy = self.dir.join(format!("probed-{width}.html"));
        std::fs::write(&copy, probed).expect("write the copy");
        let dom = self.open(&copy, width, "--dump-dom").await;
        let measured = dom.split_once(BEGIN).and_then(|(_, rest)| rest.split_once('<'));
        let (measured, _) = measured.unwrap_or_else(|| panic!("nothing was measured:\n{dom}"));
        serde_json::from_str(&as_text(measured)).expect("what the script measured")
    }

    /// Runs it once and returns what it wrote.
    async fn open(&self, page: &Path, width: u32, how: &str) -> String {
        let name = how.split('=').next().unwrap_or_default();
        let log = self.dir.join(format!("browser{name}-{width}.log"));
        let profile = self.dir.join("browser");
        Program::new(&self.program, &log)
            // Root has no sandbox to go into, and the page is our own.
            .args(["--no-sandbox", "--disable-gpu", "--hide-scrollbars", how])
            .arg(format!("--user-data-dir={}", profile.display()))
            .arg(format!("--window-size={width},{HEIGHT}"))
            .arg(format!("file://{}", page.display()))
            .when_we_die(Signal::Kill)
            .finish(BOUND)
            .await
            .expect("run the browser");
        std::fs::read_to_string(&log).unwrap_or_default()
    }
}

/// What the browser escapes in the text of an element.
fn as_text(markup: &str) -> String {
    let nearly = markup.replace("&lt;", "<").replace("&gt;", ">").replace("&nbsp;", "\u{a0}");
    nearly.replace("&amp;", "&")
}
