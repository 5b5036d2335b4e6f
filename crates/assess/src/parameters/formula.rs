//! RDS's formulas of parameter values: `{DBInstanceClassMemory/32768}`,
//! `GREATEST({DBInstanceClassMemory/63963136},64)`, `SUM({…},8)`, `{log(DBInstanceClassMemory)*…}`.
//!
//! Evaluated for one instance class. What is not a formula, or refers to what is not known, has no
//! value here: it is never guessed. Depth is bounded, since the text comes from outside.

/// What a formula may refer to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Bytes of memory of the class.
    pub memory: u64,
    /// Its virtual CPUs.
    pub vcpu: u32,
    /// `AllocatedStorage` in bytes, when it is known.
    pub storage: Option<u64>,
}

const DEEPEST: usize = 32;

/// Whether a text is a formula at all.
pub fn is_formula(text: &str) -> bool {
    text.contains('{') || text.contains('(')
}

/// The value of a formula on a class, or `None` when it cannot be known.
pub fn evaluate(text: &str, size: Size) -> Option<f64> {
    let letters: Vec<char> = text.chars().collect();
    let mut reader = Reader { letters: &letters, at: 0, size };
    let value = reader.sum(0)?;
    (reader.peek().is_none() && value.is_finite()).then_some(value)
}

struct Reader<'a> {
    letters: &'a [char],
    at: usize,
    size: Size,
}

impl Reader<'_> {
    /// The next letter that is no space.
    fn peek(&mut self) -> Option<char> {
        while self.letters.get(self.at).is_some_and(|letter| letter.is_whitespace()) {
            self.at += 1;
        }
        self.letters.get(self.at).copied()
    }

    fn take(&mut self, wanted: char) -> Option<()> {
        (self.peek() == Some(wanted)).then(|| self.at += 1)
    }

    fn sum(&mut self, depth: usize) -> Option<f64> {
        if depth > DEEPEST {
            return None;
        }
        let mut value = self.product(depth)?;
        while let Some(sign @ ('+' | '-')) = self.peek() {
            self.at += 1;
            let next = self.product(depth)?;
            value = if sign == '+' { value + next } else { value - next };
        }
        Some(value)
    }

    fn product(&mut self, depth: usize) -> Option<f64> {
        let mut value = self.atom(depth)?;
        while let Some(sign @ ('*' | '/')) = self.peek() {
            self.at += 1;
            let next = self.atom(depth)?;
            value = if sign == '*' { value * next } else { value / next };
        }
        Some(value)
    }

    fn atom(&mut self, depth: usize) -> Option<f64> {
        match self.peek()? {
            '{' => self.inside('{', '}', depth),
            '(' => self.inside('(', ')', depth),
            '-' => {
                self.at += 1;
                Some(-self.atom(depth + 1).filter(|_| depth < DEEPEST)?)
            }
            letter if letter.is_ascii_digit() => self.number(),
            letter if letter.is_ascii_alphabetic() => self.name(depth),
            _ => None,
        }
    }

    fn inside(&mut self, open: char, close: char, depth: usize) -> Option<f64> {
        self.take(open)?;
        let value = self.sum(depth + 1)?;
        self.take(close)?;
        Some(value)
    }

    fn word(&mut self, belongs: impl Fn(char) -> bool) -> String {
        let rest = self.letters.iter().skip(self.at);
        let word: String = rest.take_while(|letter| belongs(**letter)).collect();
        self.at += word.chars().count();
        word
    }

    fn number(&mut self) -> Option<f64> {
        self.word(|letter| letter.is_ascii_digit() || letter == '.').parse().ok()
    }

    fn name(&mut self, depth: usize) -> Option<f64> {
        let name = self.word(|letter| letter.is_ascii_alphanumeric() || letter == '_');
        if self.peek() == Some('(') {
            let of = self.arguments(depth)?;
            return apply(&name, &of);
        }
        match name.as_str() {
            "DBInstanceClassMemory" => Some(as_float(self.size.memory)),
            "DBInstanceVCPU" => Some(f64::from(self.size.vcpu)),
            "AllocatedStorage" => self.size.storage.map(as_float),
            _ => None,
        }
    }

    fn arguments(&mut self, depth: usize) -> Option<Vec<f64>> {
        self.take('(')?;
        let mut of = vec![self.sum(depth + 1)?];
        while self.take(',').is_some() {
            of.push(self.sum(depth + 1)?);
        }
        self.take(')')?;
        Some(of)
    }
}

fn apply(name: &str, of: &[f64]) -> Option<f64> {
    match (name.to_ascii_lowercase().as_str(), of) {
        ("greatest", of) => of.iter().copied().reduce(f64::max),
        ("least", of) => of.iter().copied().reduce(f64::min),
        ("sum", of) => Some(of.iter().sum()),
        // The base is two: RDS's user guide says so.
        ("log", [one]) if *one > 0.0 => Some(one.log2()),
        ("round", [one]) => Some(one.round()),
        ("ceil", [one]) => Some(one.ceil()),
        ("floor", [one]) => Some(one.floor()),
        _ => None,
    }
}

#[expect(clippy::cast_precision_loss, reason = "bytes of memory lie far below 2^53")]
fn as_float(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;
    const SIZE: Size = Size { memory: 16 * GIB, vcpu: 2, storage: None };

    #[test]
    fn the_formulas_of_the_documentation_have_their_values() {
        let cases = [
            ("{DBInstanceClassMemory/32768}", 524_288.0),
            ("LEAST({DBInstanceClassMemory/9531392},5000)", 1802.4),
            ("GREATEST({DBInstanceClassMemory/63963136},64)", 268.5),
            ("GREATEST({DBInstanceVCPU*2},8)", 8.0),
            ("SUM({DBInstanceClassMemory/12038},-50003)", 1_377_129.4),
            ("SUM(1, 2, 3)", 6.0),
            ("GREATEST({log(DBInstanceClassMemory/8187281418)*1000},10)", 1069.3),
            ("{DBInstanceClassMemory*3/4}", 12.0 * 1_073_741_824.0),
            ("LEAST(GREATEST(1,2),(3-1)*4)", 2.0),
            ("7", 7.0),
        ];
        for (text, expected) in cases {
            let value = evaluate(text, SIZE).unwrap_or_else(|| panic!("{text} has no value"));
            let near = (value - expected).abs() <= expected.abs() * 0.001 + 0.1;
            assert!(near, "{text} is {value}, not {expected}");
        }
    }

    #[test]
    fn what_cannot_be_known_has_no_value() {
        let deep = format!("{}1{}", "(".repeat(5_000), ")".repeat(5_000));
        let minus = "-".repeat(5_000);
        let cases = [
            "",
            "on",
            "{AllocatedStorage/1}",
            "{",
            "{1",
            "LEAST()",
            "LEAST(1",
            "1/0",
            "f(1)",
            "1 2",
            "log(0)",
            "{EndPointPort}",
            "a,b",
            "é",
            &deep,
            &minus,
        ];
        for text in cases {
            assert_eq!(evaluate(text, SIZE), None, "{text}");
        }
        let known = Size { storage: Some(10), ..SIZE };
        assert_eq!(evaluate("{AllocatedStorage/5}", known), Some(2.0));
    }
}
