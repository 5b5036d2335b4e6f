//! Facts about AWS that were tried: those that differ first, for they are why one looks.

use landfall_api::core::probe::{Probed, Verdict};

use super::layout::{labelled, wrap};

const ORDER: [Verdict; 3] = [Verdict::Differs, Verdict::Confirmed, Verdict::NotLooked];

/// All of them, by what became of them.
pub(crate) fn list(probed: &[Probed], width: usize) -> String {
    let count = |verdict| probed.iter().filter(|one| one.verdict == verdict).count();
    let counts = ORDER.map(|verdict| format!("{} {}", count(verdict), verdict.word()));
    let mut parts = vec![wrap(&format!("Facts about AWS: {}.", counts.join(", ")), width, 0)];
    for verdict in ORDER {
        let mut those = probed.iter().filter(|one| one.verdict == verdict).peekable();
        if those.peek().is_none() {
            continue;
        }
        parts.push(String::new());
        parts.push(verdict.word().to_uppercase());
        parts.extend(those.map(|one| fact(one, width)));
    }
    if count(Verdict::Differs) > 0 {
        let text = "What differs here is where this account and what Landfall counts on part: \
                    read it before the move, and tell the Landfall project.";
        parts.push(String::new());
        parts.push(wrap(text, width, 0));
    }
    parts.join("\n")
}

fn fact(one: &Probed, width: usize) -> String {
    let head = labelled("  ", &format!("{} [{}]", one.fact, one.id), width);
    format!("{head}\n{}", labelled("    seen: ", &one.seen, width))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn probed(id: &str, verdict: Verdict, seen: &str) -> Probed {
        let fact = "OldestReplicationSlotLag is in bytes".to_owned();
        Probed { id: id.to_owned(), fact, verdict, seen: seen.to_owned() }
    }

    #[test]
    fn what_differs_comes_first_and_every_line_fits() {
        let all = [
            probed("a", Verdict::Confirmed, "Bytes"),
            probed("b", Verdict::NotLooked, "there is no recent point of it in this account"),
            probed("c", Verdict::Differs, "Megabytes"),
        ];
        for width in [40, 80] {
            let text = list(&all, width);
            assert!(text.lines().all(|line| line.chars().count() <= width), "{text}");
            let at = |word: &str| text.find(word).unwrap_or_else(|| panic!("no {word} in {text}"));
            assert!(at("DIFFERS") < at("CONFIRMED") && at("CONFIRMED") < at("COULD NOT LOOK"));
            assert!(text.starts_with("Facts about AWS: 1 differs"), "{text}");
        }
        let good = list(&all[..1], 80);
        assert!(!good.contains("DIFFERS") && !good.contains("part:"), "{good}");
    }
}
