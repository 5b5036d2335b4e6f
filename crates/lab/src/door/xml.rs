//! awsQuery output: a tree of named values and the XML it becomes.
//!
//! Actions build a [`Fields`] tree and never write text, so escaping happens in one place and a
//! test can compare every element name with the official model.

use std::fmt::{Display, Write as _};

use jiff::Timestamp;

/// A value in an answer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Node {
    Text(String),
    Structure(Fields),
    List { member: &'static str, items: Vec<Node> },
}

/// The members of a structure, in order.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Fields(Vec<(&'static str, Node)>);

impl Fields {
    /// An empty structure.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Adds a scalar.
    #[must_use]
    pub(crate) fn text(mut self, name: &'static str, value: impl Display) -> Self {
        self.0.push((name, Node::Text(value.to_string())));
        self
    }

    /// Adds a scalar if there is one.
    #[must_use]
    pub(crate) fn maybe(self, name: &'static str, value: Option<impl Display>) -> Self {
        match value {
            Some(value) => self.text(name, value),
            None => self,
        }
    }

    /// Adds a time in the form AWS writes it.
    #[must_use]
    pub(crate) fn time(self, name: &'static str, value: Timestamp) -> Self {
        self.text(name, format_args!("{value:.3}"))
    }

    /// Adds a nested structure.
    #[must_use]
    pub(crate) fn structure(mut self, name: &'static str, fields: Fields) -> Self {
        self.0.push((name, Node::Structure(fields)));
        self
    }

    /// Adds a list of structures.
    #[must_use]
    pub(crate) fn list(
        mut self,
        name: &'static str,
        member: &'static str,
        items: impl IntoIterator<Item = Fields>,
    ) -> Self {
        let items = items.into_iter().map(Node::Structure).collect();
        self.0.push((name, Node::List { member, items }));
        self
    }

    /// Adds a list of scalars.
    #[must_use]
    pub(crate) fn texts<T: Display>(
        mut self,
        name: &'static str,
        member: &'static str,
        items: impl IntoIterator<Item = T>,
    ) -> Self {
        let items = items.into_iter().map(|item| Node::Text(item.to_string())).collect();
        self.0.push((name, Node::List { member, items }));
        self
    }
}

/// Whether the answer of an action is wrapped in `<ActionResult>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wrapper {
    Result,
    None,
}

/// The document for a successful answer.
pub(crate) fn answer(action: &str, namespace: &str, wrapper: Wrapper, fields: &Fields) -> String {
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let _ = write!(out, "<{action}Response xmlns=\"{namespace}\">");
    match wrapper {
        Wrapper::Result => {
            let _ = write!(out, "<{action}Result>");
            write_fields(&mut out, fields);
            let _ = write!(out, "</{action}Result>");
        }
        Wrapper::None => write_fields(&mut out, fields),
    }
    let _ = write!(
        out,
        "<ResponseMetadata><RequestId>{}</RequestId></ResponseMetadata></{action}Response>",
        crate::cloud::names::request_id()
    );
    out
}

/// The document for a successful answer of a REST service: the members and nothing around them.
pub(crate) fn rest(action: &str, namespace: &str, fields: &Fields) -> String {
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let _ = write!(out, "<{action}Response xmlns=\"{namespace}\">");
    write_fields(&mut out, fields);
    let _ = write!(out, "</{action}Response>");
    out
}

/// The document for a refusal.
pub(crate) fn refusal(namespace: &str, kind: &str, code: &str, message: &str) -> String {
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let _ = write!(out, "<ErrorResponse xmlns=\"{namespace}\">");
    let error = Fields::new().text("Type", kind).text("Code", code).text("Message", message);
    let body = Fields::new()
        .structure("Error", error)
        .text("RequestId", crate::cloud::names::request_id());
    write_fields(&mut out, &body);
    out.push_str("</ErrorResponse>");
    out
}

fn write_fields(out: &mut String, fields: &Fields) {
    for (name, node) in &fields.0 {
        write_node(out, name, node);
    }
}

fn write_node(out: &mut String, name: &str, node: &Node) {
    let _ = write!(out, "<{name}>");
    match node {
        Node::Text(text) => escape(out, text),
        Node::Structure(fields) => write_fields(out, fields),
        Node::List { member, items } => {
            for item in items {
                write_node(out, member, item);
            }
        }
    }
    let _ = write!(out, "</{name}>");
}

/// Escapes markup, and drops what XML 1.0 cannot carry at all.
fn escape(out: &mut String, text: &str) {
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            '\r' => out.push_str("&#xD;"),
            '\t' | '\n' => out.push(character),
            '\u{0}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => {}
            _ => out.push(character),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped_and_lists_carry_their_member_name() {
        let fields = Fields::new()
            .text("Name", "a<b>&\"c\"\u{1}")
            .maybe("Absent", None::<&str>)
            .texts("Groups", "Group", ["x", "y"]);
        let document = answer("Do", "urn:lab", Wrapper::Result, &fields);
        assert!(document.contains(
            "<DoResponse xmlns=\"urn:lab\"><DoResult><Name>a&lt;b&gt;&amp;&quot;c&quot;</Name>\
             <Groups><Group>x</Group><Group>y</Group></Groups></DoResult><ResponseMetadata>"
        ));
        assert!(!document.contains("Absent"));
    }

    #[test]
    fn an_answer_without_result_has_none() {
        let document = answer("Tag", "urn:lab", Wrapper::None, &Fields::new());
        assert!(!document.contains("TagResult") && document.contains("RequestId"));
    }
}
