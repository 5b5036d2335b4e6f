//! What must not leave one machine: its paths, the hosts of package registries, secrets.

use crate::tidy::Finding;
use crate::tidy::tree::{File, Kind, Tree};

const RULE: &str = "leaks";
const LOCK_SOURCE: &str = "registry+https://github.com/rust-lang/crates.io-index";

// Split, so that these tables are not findings of themselves.
const FOLDERS: &[&str] = &[concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/ho", "me/")];
const HOSTS: &[&str] = &[
    concat!("pypi", ".org"),
    concat!("pythonhosted", ".org"),
    concat!("static.crates", ".io"),
    concat!("index.crates", ".io"),
    concat!("registry.npmjs", ".org"),
    concat!("deb.debian", ".org"),
    concat!("proxy.golang", ".org"),
];
const PRIVATE_KEY: &str = concat!("-----BEGIN ", "PRIVATE KEY");
const RSA_PRIVATE_KEY: &str = concat!("-----BEGIN RSA ", "PRIVATE KEY");
const EC_PRIVATE_KEY: &str = concat!("-----BEGIN EC ", "PRIVATE KEY");
/// The key that AWS prints in its own examples.
const EXAMPLE_KEY: &str = "AKIAIOSFODNN7EXAMPLE";
const SECRET_NAMES: &[&str] = &["password", "secret", "token"];

pub(super) fn findings(tree: &Tree) -> Vec<Finding> {
    let texts = tree.files().iter().filter(|file| file.path != "LICENSE");
    texts.flat_map(of_file).collect()
}

fn of_file(file: &File) -> Vec<Finding> {
    let locked = file.path.ends_with("Cargo.lock");
    let finding = |line, what: String| Finding { rule: RULE, path: file.path.clone(), line, what };
    let of_line = |line: &str| {
        if locked { foreign_source(line) } else { leak(line, file.kind) }
    };
    file.lines().filter_map(|(number, line)| Some(finding(number, of_line(line)?))).collect()
}

fn foreign_source(line: &str) -> Option<String> {
    let source = line.strip_prefix("source = ")?.trim_matches('"');
    (source != LOCK_SOURCE).then(|| format!("a locked dependency from {source}"))
}

fn leak(line: &str, kind: Kind) -> Option<String> {
    if let Some(folder) = FOLDERS.iter().find(|folder| has_folder(line, folder)) {
        return Some(format!("a path of one machine ({folder}…): make it relative"));
    }
    if let Some(host) = HOSTS.iter().find(|host| line.contains(*host)) {
        return Some(format!("a registry's host ({host}): name the registry in words"));
    }
    if [PRIVATE_KEY, RSA_PRIVATE_KEY, EC_PRIVATE_KEY].iter().any(|mark| line.contains(mark)) {
        return Some("a private key: make one when the test starts".to_owned());
    }
    if line.split(|c: char| !c.is_ascii_alphanumeric()).any(access_key) {
        return Some("what looks like an AWS access key".to_owned());
    }
    let prose = kind == Kind::Prose;
    (!prose && secret_literal(line)).then(|| "what looks like a secret in a literal".to_owned())
}

/// `/srv/home/x` and `{root}/work/` are no machine's folders: the slash must begin the path.
fn has_folder(line: &str, folder: &str) -> bool {
    let mut before = line.split(folder);
    let Some(first) = before.next() else { return false };
    if first.len() == line.len() {
        return false;
    }
    !first.ends_with(|c: char| c.is_ascii_alphanumeric() || "_-.}/)$".contains(c))
}

fn access_key(word: &str) -> bool {
    let prefixed = word.starts_with(concat!("AK", "IA")) || word.starts_with(concat!("AS", "IA"));
    let shaped =
        word.len() == 20 && word.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
    prefixed && shaped && word != EXAMPLE_KEY
}

/// `password = "<twenty or more characters of base64>"`, in any spelling of the assignment.
fn secret_literal(line: &str) -> bool {
    let lower = line.to_ascii_lowercase();
    if !SECRET_NAMES.iter().any(|name| lower.contains(name)) {
        return false;
    }
    line.split(['"', '\'', '=', ':', ' ']).any(random_looking)
}

fn random_looking(word: &str) -> bool {
    let base64 = word.bytes().all(|b| b.is_ascii_alphanumeric() || b"+/=".contains(&b));
    let digits = word.bytes().filter(u8::is_ascii_digit).count();
    let upper = word.bytes().filter(u8::is_ascii_uppercase).count();
    let lower = word.bytes().filter(u8::is_ascii_lowercase).count();
    word.len() >= 20 && base64 && digits >= 3 && upper >= 3 && lower >= 3
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(path: &str, text: &str) -> usize {
        findings(&Tree::of(&[(path, text)])).len()
    }

    #[test]
    fn folder_of_one_machine_is_found_and_a_part_of_a_path_is_not() {
        let (work, home) = (FOLDERS[0], FOLDERS[2]);
        assert_eq!(count("a/src/x.rs", &format!("\"{work}main\"")), 1);
        assert_eq!(count("docs/A.md", &format!("see {home}me/x")), 1);
        assert_eq!(count("docs/A.md", &format!("see ./docs{work}x")), 0);
    }

    #[test]
    fn registry_host_is_found() {
        assert_eq!(count("docs/A.md", &format!("from https://{}/simple", HOSTS[0])), 1);
    }

    #[test]
    fn lock_file_knows_one_registry() {
        assert_eq!(count("Cargo.lock", &format!("source = \"{LOCK_SOURCE}\"\n")), 0);
        assert_eq!(count("Cargo.lock", "source = \"registry+https://mirror.example/x\"\n"), 1);
    }

    #[test]
    fn keys_and_random_passwords_are_found_and_examples_are_not() {
        let key = format!("{}{}", concat!("AK", "IA"), "2E0A8F3B244C9986");
        assert_eq!(count("a/src/x.rs", &format!("let key = \"{key}\";")), 1);
        assert_eq!(count("docs/A.md", &format!("key {EXAMPLE_KEY}")), 0);
        let random = ["9fK2mQ7x", "Lw3Zp8Rt", "5VbN1cYd"].concat();
        assert_eq!(count("a.toml", &format!("password = \"{random}\"")), 1);
        assert_eq!(count("a.toml", "password = \"env:LANDFALL_SOURCE_PASSWORD\""), 0);
        assert_eq!(count("a/src/x.rs", &format!("{PRIVATE_KEY}-----")), 1);
    }
}
