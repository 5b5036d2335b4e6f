//! What a person reads of it, held against a golden transcript: without what differs from one lab
//! to the next (figures, ids, times), and without the line breaks that follow from those.

/// Units that follow the size of their figure.
const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];

/// The findings, steady from lab to lab. The forecast below them is another matter each time.
pub(super) fn steady(text: &str) -> String {
    let findings = text.split("\nFORECAST").next().unwrap_or_default();
    let lines = unwrapped(findings);
    lines.iter().map(|line| redacted(line)).collect::<Vec<_>>().join("\n")
}

/// What, and why it matters, as one line: where a line was broken follows from its figures.
fn unwrapped(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = vec![];
    for line in text.lines() {
        let word = line.split_whitespace().next().unwrap_or_default();
        let begins = ["*", ">", "see"].contains(&word) || !line.starts_with("    ");
        match lines.last_mut().filter(|_| !begins) {
            Some(paragraph) => {
                paragraph.push(' ');
                paragraph.push_str(line.trim_start());
            }
            None => lines.push(line.to_owned()),
        }
    }
    lines
}

fn redacted(line: &str) -> String {
    let words: Vec<&str> = line.split(' ').collect();
    let figure = |word: &str| word.starts_with(|c: char| c.is_ascii_digit());
    let mut told: Vec<String> = vec![];
    for (index, word) in words.iter().enumerate() {
        let unit = word.trim_end_matches([',', ';', ':', '.', ')']);
        let of_figure = index > 0 && figure(words[index - 1]) && UNITS.contains(&unit);
        if of_figure {
            told.push(word.replacen(unit, "bytes", 1));
        } else if word.starts_with("db-") && word.len() > 20 {
            told.push("db-ID".to_owned());
        } else {
            told.push(without_figures(word));
        }
    }
    told.join(" ")
}

/// Figures become `#`; those that belong to a name (`LF-011`, `db.m6g`, `us-east-1`) stay.
fn without_figures(word: &str) -> String {
    let mut told = String::new();
    let (mut before, mut last) = (' ', ' ');
    let mut characters = word.chars().peekable();
    while let Some(character) = characters.next() {
        let named = last.is_alphanumeric() || (last == '-' && before.is_alphabetic());
        if character.is_ascii_digit() && !named {
            while characters.next_if(|c| c.is_ascii_digit() || *c == '.').is_some() {}
            told.push('#');
            (before, last) = (' ', '#');
        } else {
            told.push(character);
            (before, last) = (last, character);
        }
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_go_and_names_stay() {
        let cases = [
            ("  * LF-011 db.m6g.large at 127.0.0.1:38257", "  * LF-011 db.m6g.large at #:#"),
            ("976.5 KiB free, 2 GiB)", "# bytes free, # bytes)"),
            ("us-east-1, within 20 min (pid 7)", "us-east-1, within # min (pid #)"),
            ("name db-TYGRY32LV2VTZ2V4V4N53CEXC7", "name db-ID"),
        ];
        for (line, expected) in cases {
            assert_eq!(redacted(line), expected);
        }
    }

    #[test]
    fn a_finding_is_a_line_and_its_remedy_another() {
        let text = "Found: 1\n\nBLOCKERS\n  * one\n    more\n    > a hint\n      of two\n    see x";
        let expected =
            ["Found: 1", "", "BLOCKERS", "  * one more", "    > a hint of two", "    see x"];
        assert_eq!(unwrapped(text), expected);
    }
}
