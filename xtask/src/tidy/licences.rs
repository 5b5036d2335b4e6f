//! Licences of everything a build links: each must be usable under a licence of the allow-list,
//! and come from the public registry or from this workspace.

use crate::metadata::Package;
use crate::tidy::Finding;

const RULE: &str = "licences";
const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

const ALLOWED: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "BlueOak-1.0.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "OpenSSL",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

pub(super) fn findings(packages: &[Package]) -> Vec<Finding> {
    packages.iter().filter_map(of_package).collect()
}

fn of_package(package: &Package) -> Option<Finding> {
    let what = match (package.source.as_deref(), package.license.as_deref()) {
        (Some(source), _) if source != REGISTRY => format!("comes from {source}"),
        (_, Some(expression)) if usable(expression) => return None,
        (_, Some(expression)) => format!("licence {expression} is not in the allow-list"),
        (_, None) => "names no licence".to_owned(),
    };
    let path = format!("package {} {}", package.name, package.version);
    Some(Finding { rule: RULE, path, line: 1, what })
}

/// Whether an SPDX expression can be satisfied by allowed licences. The old `/` means OR.
fn usable(expression: &str) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut reader = Reader { words: &words, at: 0 };
    let usable = reader.either();
    usable && reader.at == words.len()
}

/// Reads `a OR b`, where each side is `x AND y`, and each of those a licence or a bracket.
struct Reader<'a> {
    words: &'a [&'a str],
    at: usize,
}

impl Reader<'_> {
    fn either(&mut self) -> bool {
        let mut usable = self.both();
        while self.take("OR") {
            // Not `||`: the rest has to be read even when the answer is known.
            usable |= self.both();
        }
        usable
    }

    fn both(&mut self) -> bool {
        let mut usable = self.one();
        while self.take("AND") {
            usable &= self.one();
        }
        usable
    }

    fn one(&mut self) -> bool {
        if self.take("(") {
            let usable = self.either();
            return self.take(")") && usable;
        }
        let Some(name) = self.next() else { return false };
        if self.take("WITH") {
            let Some(exception) = self.next() else { return false };
            return ALLOWED.contains(&format!("{name} WITH {exception}").as_str());
        }
        ALLOWED.contains(&name.as_str())
    }

    fn take(&mut self, word: &str) -> bool {
        let matches = self.words.get(self.at) == Some(&word);
        self.at += usize::from(matches);
        matches
    }

    fn next(&mut self) -> Option<String> {
        let word = self.words.get(self.at)?;
        self.at += 1;
        Some((*word).to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expression_is_usable_when_one_alternative_is_wholly_allowed() {
        for good in [
            "MIT",
            "MIT OR GPL-3.0",
            "MIT/Apache-2.0",
            "(MIT OR Apache-2.0) AND Unicode-3.0",
            "Apache-2.0 WITH LLVM-exception OR MIT",
            "ISC AND (Apache-2.0 OR ISC) AND OpenSSL",
        ] {
            assert!(usable(good), "{good}");
        }
        for bad in ["GPL-3.0", "MIT AND GPL-3.0", "(MIT OR", "MIT MIT", "", "MIT WITH X"] {
            assert!(!usable(bad), "{bad}");
        }
    }
}
