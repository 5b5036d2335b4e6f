//! The XML that AWS's clients write: elements and text, without anything else of XML.

/// An element with its text and children.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Element {
    pub(super) name: String,
    pub(super) text: String,
    pub(super) children: Vec<Element>,
}

impl Element {
    /// Reads a document; nothing when it is not one.
    pub(super) fn parse(document: &str) -> Option<Self> {
        let mut open: Vec<Self> = vec![Self::default()];
        let mut rest = document;
        while let Some((text, after)) = rest.split_once('<') {
            open.last_mut()?.text.push_str(&unescaped(text.trim()));
            let (tag, next) = after.split_once('>')?;
            rest = next;
            if tag.starts_with('?') || tag.starts_with('!') {
                continue;
            }
            if let Some(name) = tag.strip_prefix('/') {
                let done = open.pop().filter(|done| done.name == name.trim())?;
                open.last_mut()?.children.push(done);
                continue;
            }
            let (tag, is_empty) = tag.strip_suffix('/').map_or((tag, false), |tag| (tag, true));
            let name = tag.split_whitespace().next()?.to_owned();
            let element = Self { name, ..Self::default() };
            if is_empty {
                open.last_mut()?.children.push(element);
            } else {
                open.push(element);
            }
        }
        let root = open.pop().filter(|_| open.is_empty())?;
        root.children.into_iter().next()
    }

    pub(super) fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    /// The text of a child.
    pub(super) fn text_of(&self, name: &str) -> Option<&str> {
        self.child(name).map(|child| child.text.as_str())
    }
}

fn unescaped(text: &str) -> String {
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&apos;", "'")
        .replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_read() {
        let text = "<?xml version=\"1.0\"?><a xmlns=\"u\"><b>x &amp; y</b><c/><b>z</b></a>";
        let read = Element::parse(text).unwrap();
        assert_eq!((read.name.as_str(), read.children.len()), ("a", 3));
        assert_eq!(read.text_of("b"), Some("x & y"));
        assert_eq!(read.child("c"), Some(&Element { name: "c".to_owned(), ..Element::default() }));
        for wrong in ["", "text", "<a>", "<a></b>", "<a"] {
            assert_eq!(Element::parse(wrong), None, "{wrong}");
        }
    }
}
