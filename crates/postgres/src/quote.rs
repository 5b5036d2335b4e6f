//! Names and texts as SQL takes them, for statements that take no parameters.
//!
//! Every name that comes from a server or a spec goes through one of these two types, whatever is
//! in it. Neither says whether the name exists.

use std::fmt;

/// An identifier: a role, a database, a publication.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Identifier<'a>(pub(crate) &'a str);

impl fmt::Display for Identifier<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.replace('"', "\"\""))
    }
}

/// A text. Backslashes are written so that no setting of the server changes their meaning.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Literal<'a>(pub(crate) &'a str);

impl fmt::Display for Literal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.replace('\'', "''");
        if text.contains('\\') {
            write!(f, "E'{}'", text.replace('\\', "\\\\"))
        } else {
            write!(f, "'{text}'")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_name_stays_a_name() {
        for (name, expected) in
            [("orders", "\"orders\""), ("a\"; drop", "\"a\"\"; drop\""), ("ü.x\n", "\"ü.x\n\"")]
        {
            assert_eq!(Identifier(name).to_string(), expected);
        }
    }

    #[test]
    fn any_text_stays_a_text() {
        for (text, expected) in [("it's", "'it''s'"), ("a\\'b", "E'a\\\\''b'"), ("ü\n", "'ü\n'")]
        {
            assert_eq!(Literal(text).to_string(), expected);
        }
    }
}
