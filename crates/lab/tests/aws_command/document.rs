//! Just enough XML to read what the door writes: elements and text, no attributes that matter.

/// An element with what is inside it.
#[derive(Debug, Default)]
pub(crate) struct Element {
    pub(crate) name: String,
    pub(crate) text: String,
    pub(crate) children: Vec<Element>,
}

impl Element {
    /// Reads a document; panics on one that is not well-formed.
    pub(crate) fn parse(document: &str) -> Self {
        let body = document.split_once("?>").map_or(document, |(_, body)| body);
        let mut stack = vec![Self::default()];
        let mut rest = body.trim();
        while let Some((text, tail)) = rest.split_once('<') {
            stack.last_mut().unwrap().text.push_str(text);
            let (tag, tail) = tail.split_once('>').expect("a tag ends");
            rest = tail;
            if let Some(name) = tag.strip_prefix('/') {
                let done = stack.pop().expect("a tag was opened");
                assert_eq!(done.name, name, "a tag is closed by another");
                stack.last_mut().expect("inside the document").children.push(done);
            } else {
                let name = tag.split(' ').next().unwrap().to_owned();
                stack.push(Self { name, ..Self::default() });
            }
        }
        assert_eq!(stack.len(), 1, "a tag is left open");
        stack.pop().unwrap().children.pop().expect("a root element")
    }

    /// The first element of that name, at any depth.
    pub(crate) fn find(&self, name: &str) -> Option<&Self> {
        if self.name == name {
            return Some(self);
        }
        self.children.iter().find_map(|child| child.find(name))
    }
}
