//! Parts that sections are put together from: paragraphs, lists of facts, tables that scroll.

use crate::markup::{Markup, said};

/// A cell of a table.
pub(super) enum Cell {
    /// Text.
    Text(String),
    /// A figure or an instant: never broken.
    Number(String),
    /// Somebody's words, with their line ends.
    Said(String),
    /// A name as a machine spells it.
    Code(String),
}

impl Cell {
    fn markup(&self) -> Markup {
        match self {
            Self::Text(text) => said("td", text),
            Self::Number(text) => Markup::element("td", &[("class", "number")], Markup::text(text)),
            Self::Said(text) => Markup::element("td", &[("class", "said")], Markup::text(text)),
            Self::Code(text) => Markup::element("td", &[], said("code", text)),
        }
    }
}

/// A section with its heading.
pub(super) fn anchored(id: &'static str, title: &str, inside: Markup) -> Markup {
    let heading = format!("{id}-h");
    let attributes = [("id", id), ("aria-labelledby", heading.as_str())];
    let heading = Markup::element("h2", &[("id", &heading)], Markup::text(title));
    Markup::element("section", &attributes, heading.then(inside))
}

pub(super) fn paragraph(class: &str, text: &str) -> Markup {
    if class.is_empty() {
        return said("p", text);
    }
    Markup::element("p", &[("class", class)], Markup::text(text))
}

pub(super) fn list(items: &[String]) -> Markup {
    Markup::element("ul", &[], items.iter().map(|item| said("li", item)).collect())
}

/// Names and what they are.
pub(super) fn facts_list(rows: &[(&'static str, String)]) -> Markup {
    let row = |(name, value): &(&'static str, String)| said("dt", name).then(said("dd", value));
    Markup::element("dl", &[], rows.iter().map(row).collect())
}

/// A table in a box that scrolls where the screen is narrow; the keyboard reaches it.
pub(super) fn table(caption: &str, heads: &[&str], rows: &[Vec<Cell>]) -> Markup {
    let head = |text: &&str| Markup::element("th", &[("scope", "col")], Markup::text(text));
    let heads = Markup::element("tr", &[], heads.iter().map(head).collect());
    let row =
        |cells: &Vec<Cell>| Markup::element("tr", &[], cells.iter().map(Cell::markup).collect());
    let inside = said("caption", caption)
        .then(Markup::element("thead", &[], heads))
        .then(Markup::element("tbody", &[], rows.iter().map(row).collect()));
    let attributes =
        [("class", "wide"), ("role", "region"), ("tabindex", "0"), ("aria-label", caption)];
    Markup::element("div", &attributes, Markup::element("table", &[], inside))
}
