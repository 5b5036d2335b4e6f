//! What no API tells, from small files that name their source and date: families of instance
//! classes, extensions that Aurora lacks, Aurora's largest volume.
//!
//! Whatever is judged by them says "as of" with [`AS_OF`]. Versions, orderable classes and quotas
//! are never here: those are asked.

use crate::parameters::formula::Size;

/// When the files of `data/` were read off AWS's pages.
pub const AS_OF: &str = "2026-04";

const FAMILIES: &str = include_str!("../data/families.txt");
const EXTENSIONS: &str = include_str!("../data/extensions.txt");

/// The largest Aurora volume in GiB that every version still offered can have: 128 TiB. Newer
/// minors go to 256 TiB, while RDS ends at 64 TiB.
pub const AURORA_VOLUME_GIB: u64 = 128 * 1024;

fn lines(text: &'static str) -> impl Iterator<Item = &'static str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// Whether Aurora lacks an extension.
pub fn aurora_lacks(extension: &str) -> bool {
    lines(EXTENSIONS).any(|name| name == extension)
}

/// Memory and CPUs of a class such as `db.r6g.xlarge`; `None` when the name is not understood.
pub fn size_of(class: &str) -> Option<Size> {
    let (family, size) = class.strip_prefix("db.")?.split_once('.')?;
    // `db.x2idn.16xlarge.tpc2.mem4x` and the like: processor features change the figures.
    if size.contains('.') {
        return None;
    }
    let (vcpu, gib) =
        if is_burstable(class) { burstable(family, size)? } else { fixed(family, size)? };
    let bytes = whole(gib * 1_073_741_824.0);
    Some(Size { memory: bytes, vcpu, storage: None })
}

/// Families whose CPU is a budget: `t3`, `t4g`.
pub fn is_burstable(class: &str) -> bool {
    class.strip_prefix("db.t").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
}

fn burstable(family: &str, size: &str) -> Option<(u32, f64)> {
    let vcpu = if family == "t2" && matches!(size, "micro" | "small") { 1 } else { 2 };
    Some(match size {
        "micro" => (vcpu, 1.0),
        "small" => (vcpu, 2.0),
        "medium" => (vcpu, 4.0),
        "large" => (vcpu, 8.0),
        "xlarge" => (4, 16.0),
        "2xlarge" => (8, 32.0),
        _ => return None,
    })
}

fn fixed(family: &str, size: &str) -> Option<(u32, f64)> {
    let vcpu = match size {
        "medium" => 1,
        "large" => 2,
        "xlarge" => 4,
        other => other.strip_suffix("xlarge")?.parse::<u32>().ok()?.checked_mul(4)?,
    };
    let each = per_cpu(family)?;
    Some((vcpu, f64::from(vcpu) * each))
}

/// The family itself, or its letters alone: `r6gd` is like `r`.
fn per_cpu(family: &str) -> Option<f64> {
    let letter = family.split(|c: char| c.is_ascii_digit()).next()?;
    let figure = |name: &str| {
        let mut rows = lines(FAMILIES).filter_map(|line| line.split_once(' '));
        rows.find(|(row, _)| *row == name).and_then(|(_, each)| each.trim().parse().ok())
    };
    figure(family).or_else(|| figure(letter))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a positive whole number of bytes, far below 2^53"
)]
fn whole(bytes: f64) -> u64 {
    bytes as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_have_the_sizes_of_the_user_guide() {
        let cases = [
            ("db.m6g.large", 2, 8.0),
            ("db.r6g.large", 2, 16.0),
            ("db.r5b.24xlarge", 96, 768.0),
            ("db.r8gd.xlarge", 4, 32.0),
            ("db.c6gd.medium", 1, 2.0),
            ("db.x2g.16xlarge", 64, 1024.0),
            ("db.x1e.xlarge", 4, 122.0),
            ("db.x2iedn.xlarge", 4, 128.0),
            ("db.z1d.large", 2, 16.0),
            ("db.r4.large", 2, 15.25),
            ("db.t4g.medium", 2, 4.0),
            ("db.t2.micro", 1, 1.0),
        ];
        for (class, vcpu, gib) in cases {
            let size = size_of(class).unwrap_or_else(|| panic!("{class}"));
            assert_eq!(size.vcpu, vcpu, "{class}");
            assert_eq!(size.memory, whole(gib * 1_073_741_824.0), "{class}");
        }
        for class in
            ["db.serverless", "db.q1.large", "m6g.large", "db.r6g.huge", "", "db.r5.2xlarge.tpc2"]
        {
            assert_eq!(size_of(class), None, "{class}");
        }
        assert!(is_burstable("db.t4g.medium") && !is_burstable("db.r6g.large"));
    }

    #[test]
    fn every_file_says_where_it_is_from_and_when() {
        for text in [FAMILIES, EXTENSIONS] {
            assert!(text.contains("Source: "), "{text}");
            assert!(text.contains(&format!("As of {AS_OF}")), "{text}");
        }
        assert!(aurora_lacks("pg_transport") && !aurora_lacks("hstore") && !aurora_lacks("#"));
    }
}
