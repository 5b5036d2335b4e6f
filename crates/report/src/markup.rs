//! HTML and SVG as values that cannot hold unescaped text.
//!
//! A [`Markup`] is made of constants of ours and of escaped text, and of nothing else: a name with
//! quotes, `<` or a line end stays a name. Characters that a browser would obey instead of show
//! (control characters, changes of the writing direction) are shown as their code.

use std::fmt::Write as _;

/// A piece of a page.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Markup(String);

/// Attributes of an element: the name is ours, the value is anybody's.
pub type Attributes<'a> = &'a [(&'static str, &'a str)];

impl Markup {
    /// Nothing.
    #[must_use]
    pub const fn none() -> Self {
        Self(String::new())
    }

    /// Somebody's text, to be shown as it is.
    #[must_use]
    pub fn text(text: &str) -> Self {
        let mut escaped = String::with_capacity(text.len());
        text.chars().for_each(|c| escape(&mut escaped, c));
        Self(escaped)
    }

    /// Markup that is written in our source.
    #[must_use]
    pub fn constant(markup: &'static str) -> Self {
        Self(markup.to_owned())
    }

    /// `<name attributes>inside</name>`.
    #[must_use]
    pub fn element(name: &'static str, attributes: Attributes<'_>, inside: Self) -> Self {
        let mut markup = Self::opened(name, attributes);
        let _ = write!(markup.0, ">{}</{name}>", inside.0);
        markup
    }

    /// `<name attributes/>`: an element of SVG, or one of HTML that has no end.
    #[must_use]
    pub fn leaf(name: &'static str, attributes: Attributes<'_>) -> Self {
        let mut markup = Self::opened(name, attributes);
        markup.0.push_str("/>");
        markup
    }

    fn opened(name: &'static str, attributes: Attributes<'_>) -> Self {
        let mut markup = Self(format!("<{name}"));
        for (key, value) in attributes {
            let _ = write!(markup.0, " {key}=\"{}\"", Self::text(value).0);
        }
        markup
    }

    /// The same followed by more.
    #[must_use]
    pub fn then(mut self, more: Self) -> Self {
        self.0.push_str(&more.0);
        self
    }

    /// Adds more.
    pub fn push(&mut self, more: Self) {
        self.0.push_str(&more.0);
    }

    /// The text of it.
    #[must_use]
    pub fn into_string(self) -> String {
        self.0
    }

    /// The text of it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromIterator<Self> for Markup {
    fn from_iter<I: IntoIterator<Item = Self>>(pieces: I) -> Self {
        pieces.into_iter().fold(Self::none(), Self::then)
    }
}

/// An element around somebody's text.
#[must_use]
pub fn said(name: &'static str, text: &str) -> Markup {
    Markup::element(name, &[], Markup::text(text))
}

fn escape(into: &mut String, c: char) {
    match c {
        '&' => into.push_str("&amp;"),
        '<' => into.push_str("&lt;"),
        '>' => into.push_str("&gt;"),
        '"' => into.push_str("&quot;"),
        '\'' => into.push_str("&#39;"),
        '\n' | '\t' => into.push(c),
        _ if is_obeyed(c) => {
            let _ = write!(into, "\\u{{{:x}}}", u32::from(c));
        }
        _ => into.push(c),
    }
}

/// Whether a browser acts on the character instead of showing it.
fn is_obeyed(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(c, '\u{2066}'..='\u{2069}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What a browser shows of escaped text.
    fn shown(markup: &str) -> String {
        markup
            .replace("&lt;", "<")
            .replace("&gt;", ">")
            .replace("&quot;", "\"")
            .replace("&#39;", "'")
            .replace("&amp;", "&")
    }

    proptest! {
        #[test]
        fn text_stays_text(text in any::<String>()) {
            let markup = Markup::text(&text);
            prop_assert!(!markup.as_str().contains(['<', '>', '"', '\'']), "{markup:?}");
            prop_assert!(!markup.as_str().chars().any(|c| is_obeyed(c) && !"\n\t".contains(c)));
            if !text.chars().any(is_obeyed) {
                prop_assert_eq!(shown(markup.as_str()), text);
            }
        }

        #[test]
        fn an_attribute_ends_where_it_should(value in any::<String>()) {
            let leaf = Markup::leaf("a", &[("href", &value)]).into_string();
            prop_assert_eq!(leaf.matches('"').count(), 2);
            prop_assert!(leaf.starts_with("<a href=\"") && leaf.ends_with("\"/>"));
            prop_assert_eq!(leaf.matches(['<', '>']).count(), 2);
        }
    }

    #[test]
    fn an_element_holds_what_is_inside() {
        let inside = said("b", "<i>&").then(Markup::text(" \u{202e}x"));
        let markup = Markup::element("p", &[("id", "a\"b")], inside);
        let html = "<p id=\"a&quot;b\"><b>&lt;i&gt;&amp;</b> \\u{202e}x</p>";
        assert_eq!(markup.into_string(), html);
    }
}
