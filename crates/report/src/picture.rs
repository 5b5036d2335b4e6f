//! A drawing of a report as a file of its own, for documents that show one.

use crate::chart::Caption;
use crate::markup::Markup;
use crate::page::drawings;
use crate::story::Report;

const WIDTH: &str = "680";

/// The look of a drawing outside a page: paper, whatever is around it.
const STYLE: &str = "text{font:12px system-ui,sans-serif;fill:#1b1b1b}text.soft,tspan.soft{fill:#555}\
    .axis{stroke:#1b1b1b;stroke-opacity:.25}.limit{stroke:#1b1b1b;stroke-dasharray:6 4}\
    .line{fill:none;stroke:#1b1b1b;stroke-width:1.5}.dashed{stroke-dasharray:5 4}\
    .dot{fill:#1b1b1b}\
    .bar{fill:#4a4a4a;stroke:#4a4a4a;stroke-width:1.5}.band{fill:#1b1b1b;fill-opacity:.08}\
    .edge{stroke:#1b1b1b;stroke-dasharray:2 3;stroke-opacity:.6}.mark{stroke:#1b1b1b;stroke-width:2}\
    .wait{stroke:#1b1b1b;stroke-width:1}.ground{fill:#fff}.hatch{stroke:#1b1b1b;stroke-width:2}";

/// Every drawing that a report has, by a name that fits a file.
#[must_use]
pub fn pictures(report: &Report) -> Vec<(&'static str, String)> {
    drawings(report)
        .into_iter()
        .map(|(caption, drawing)| (caption.id, alone(&caption, drawing)))
        .collect()
}

fn alone(caption: &Caption, drawing: Markup) -> String {
    let height = drawing.as_str().split("height=\"").nth(1).and_then(|rest| rest.split('"').next());
    let height: f64 = height.and_then(|text| text.parse().ok()).unwrap_or(200.0);
    let paper = Markup::leaf("rect", &[("width", "100%"), ("height", "100%"), ("fill", "#fff")]);
    let style = Markup::element("style", &[], Markup::constant(STYLE));
    let heading = Markup::element(
        "text",
        &[("x", "16"), ("y", "24"), ("style", "font-weight:600")],
        Markup::text(caption.title),
    );
    let place = [("x", "16"), ("y", "36"), ("width", "648"), ("height", &format!("{height}"))];
    let inside = Markup::element("svg", &place, drawing);
    let all: &[(&'static str, &str)] = &[
        ("xmlns", "http://www.w3.org/2000/svg"),
        ("width", WIDTH),
        ("height", &format!("{}", height + 48.0)),
    ];
    let mut file =
        Markup::element("svg", all, style.then(paper).then(heading).then(inside)).into_string();
    file.push('\n');
    file
}
