//! Scalars of YAML, whatever the text or the time.

use std::fmt::{self, Write as _};
use std::time::Duration;

/// A double-quoted YAML scalar in ASCII, whatever the text.
pub(super) struct Quoted<'a>(pub(super) &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for character in self.0.chars() {
            match character {
                '"' | '\\' => write!(f, "\\{character}")?,
                ' '..='~' => f.write_char(character)?,
                other => write!(f, "\\U{:08X}", u32::from(other))?,
            }
        }
        f.write_char('"')
    }
}

/// A duration as protobuf's JSON spells it.
pub(super) struct Seconds(pub(super) Duration);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.subsec_millis() {
            0 => write!(f, "{}s", self.0.as_secs()),
            millis => write!(f, "{}.{millis:03}s", self.0.as_secs()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_leave_its_quotes() {
        let evil = "a\": b\n\\ é # {x}";
        assert_eq!(Quoted(evil).to_string(), r#""a\": b\U0000000A\\ \U000000E9 # {x}""#);
    }

    #[test]
    fn durations_keep_their_milliseconds() {
        assert_eq!(Seconds(Duration::from_millis(1_050)).to_string(), "1.050s");
        assert_eq!(Seconds(Duration::from_secs(60)).to_string(), "60s");
    }
}
