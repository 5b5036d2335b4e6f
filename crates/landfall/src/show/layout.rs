//! Laying text out in columns: wrapping, indenting, cutting. Widths count characters.

/// Wraps at spaces; every line but the first begins with `indent` spaces. Line ends in the text
/// stay. A word longer than a line is broken.
pub(crate) fn wrap(text: &str, width: usize, indent: usize) -> String {
    text.lines()
        .map(|line| wrap_line(line, width, indent))
        .collect::<Vec<_>>()
        .join(&format!("\n{}", " ".repeat(indent)))
}

/// Wraps a text that stands after a label of `label` characters, and goes on below it.
pub(crate) fn labelled(label: &str, text: &str, width: usize) -> String {
    let indent = label.chars().count();
    let rest = width.saturating_sub(indent).max(16);
    let body = wrap(text, rest, 0).replace('\n', &format!("\n{}", " ".repeat(indent)));
    format!("{label}{body}").trim_end().to_owned()
}

fn wrap_line(line: &str, width: usize, indent: usize) -> String {
    let width = width.max(indent + 8);
    let mut wrapped = String::new();
    let mut column = 0;
    for word in line.split(' ').filter(|word| !word.is_empty()) {
        for (index, piece) in pieces(word, width - indent).into_iter().enumerate() {
            let length = piece.chars().count();
            let gap = usize::from(index == 0 && column > indent.min(column));
            if column > 0 && column + gap + length > width {
                wrapped.push('\n');
                wrapped.push_str(&" ".repeat(indent));
                column = indent;
            } else if gap == 1 {
                wrapped.push(' ');
                column += 1;
            }
            wrapped.push_str(&piece);
            column += length;
        }
    }
    wrapped
}

fn pieces(word: &str, longest: usize) -> Vec<String> {
    let letters: Vec<char> = word.chars().collect();
    letters.chunks(longest.max(1)).map(|piece| piece.iter().collect()).collect()
}

/// The text cut to a width, with an ellipsis when something is missing.
pub(crate) fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let kept: String = text.chars().take(width.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}

/// Rows of cells as aligned columns; the last column takes what is left and is cut.
pub(crate) fn columns(rows: &[Vec<String>], width: usize) -> String {
    let count = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..count)
        .map(|column| {
            let cells = rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        })
        .collect();
    let lines: Vec<String> = rows.iter().map(|row| line(row, &widths, width)).collect();
    lines.join("\n")
}

fn line(row: &[String], widths: &[usize], width: usize) -> String {
    let mut text = String::new();
    for (cell, column) in row.iter().zip(widths) {
        text.push_str(cell);
        text.push_str(&" ".repeat((column + 2).saturating_sub(cell.chars().count())));
    }
    cut(text.trim_end(), width)
}

#[cfg(test)]
pub(crate) fn assert_fits(text: &str, width: usize) {
    // A command is never wrapped: people copy it.
    for line in text.lines().filter(|line| !line.starts_with("  landfall ")) {
        assert!(line.chars().count() <= width, "{} > {width}: {line}", line.chars().count());
        assert_eq!(line, line.trim_end(), "spaces at the end");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stay_whole_and_lines_stay_short() {
        let text = "Writes are accepted by the source. No data was lost.";
        for width in [10, 20, 40] {
            let wrapped = wrap(text, width, 2);
            assert_fits(&wrapped, width);
            assert_eq!(wrapped.split_whitespace().collect::<Vec<_>>().join(" "), text);
        }
        assert_eq!(wrap("one two three", 9, 2), "one two\n  three");
        assert_eq!(wrap("a\nb", 40, 2), "a\n  b");
    }

    #[test]
    fn a_word_longer_than_a_line_is_broken() {
        let wrapped = wrap("arn:aws:rds:eu-central-1:123456789012:db:orders-prod", 20, 2);
        assert_fits(&wrapped, 20);
        assert_eq!(
            wrapped.replace("\n  ", ""),
            "arn:aws:rds:eu-central-1:123456789012:db:orders-prod"
        );
    }

    #[test]
    fn labels_hang() {
        assert_eq!(labelled("hint: ", "one two three four", 22), "hint: one two three\n      four");
    }

    #[test]
    fn columns_align_and_the_line_is_cut() {
        let rows = vec![vec!["a".into(), "long".into()], vec!["bbb".into(), "x".into()]];
        assert_eq!(columns(&rows, 40), "a    long\nbbb  x");
        assert_eq!(columns(&rows, 7), "a    l…\nbbb  x");
    }
}
