//! Which crate may depend on which. The table is the architecture: a crate without a row, or an
//! arrow without an entry, fails.

use crate::metadata::{Dependency, Package};
use crate::tidy::Finding;

const RULE: &str = "arrows";

struct Row {
    package: &'static str,
    uses: &'static [&'static str],
    tests_also_use: &'static [&'static str],
}

/// Adapters are tested against the real parts that the lab runs.
const fn adapter(package: &'static str) -> Row {
    Row { package, uses: &["landfall-core"], tests_also_use: &["landfall-lab"] }
}

/// An adapter that the operator's own programs stand behind.
const fn runs_programs(package: &'static str) -> Row {
    Row { package, uses: &["landfall-core", "landfall-program"], tests_also_use: &["landfall-lab"] }
}

const TABLE: &[Row] = &[
    Row { package: "landfall-core", uses: &[], tests_also_use: &[] },
    Row { package: "landfall-assess", uses: &["landfall-core"], tests_also_use: &[] },
    Row { package: "landfall-report", uses: &["landfall-core"], tests_also_use: &[] },
    Row {
        package: "landfall-flow",
        uses: &["landfall-core", "landfall-assess"],
        tests_also_use: &[],
    },
    adapter("landfall-store"),
    // The questions that it must be able to ask, on a real server.
    Row {
        package: "landfall-postgres",
        uses: &["landfall-core"],
        tests_also_use: &["landfall-lab", "landfall-assess"],
    },
    adapter("landfall-aws"),
    // The operator's programs, which gateways, consumers and the owner's tests run alike.
    Row { package: "landfall-program", uses: &[], tests_also_use: &[] },
    runs_programs("landfall-route"),
    runs_programs("landfall-cdc"),
    // The assessment is told as it is judged, and a saved inventory is judged without a server.
    Row {
        package: "landfall-api",
        uses: &["landfall-core", "landfall-assess"],
        tests_also_use: &[],
    },
    Row {
        package: "landfall-server",
        uses: &[
            "landfall-core",
            "landfall-assess",
            "landfall-report",
            "landfall-flow",
            "landfall-store",
            "landfall-postgres",
            "landfall-aws",
            "landfall-program",
            "landfall-route",
            "landfall-cdc",
            "landfall-api",
        ],
        tests_also_use: &["landfall-lab"],
    },
    Row {
        package: "landfall",
        uses: &["landfall-server", "landfall-api", "landfall-lab", "landfall-report"],
        tests_also_use: &[],
    },
    Row { package: "landfall-lab", uses: &[], tests_also_use: &[] },
    Row {
        package: "landfall-e2e",
        uses: &["landfall-lab", "landfall-api", "landfall"],
        // Decision 0018; and consumers, until a row of the table hands them over.
        tests_also_use: &["landfall-core", "landfall-route", "landfall-store", "landfall-cdc"],
    },
    Row {
        package: "xtask",
        uses: &["landfall-lab", "landfall-api", "landfall"],
        tests_also_use: &[],
    },
];

/// Compiled into tests only: production code must not reach the suites.
const TEST_FEATURE: &str = "conformance";

pub(super) fn findings(own: &[Package]) -> Vec<Finding> {
    let ours = |name: &str| own.iter().any(|package| package.name == name);
    let mut found = Vec::new();
    for package in own {
        let Some(row) = TABLE.iter().find(|row| row.package == package.name) else {
            found.push(finding(package, "it has no row in the table of arrows".to_owned()));
            continue;
        };
        let arrows = package.dependencies.iter().filter(|dependency| ours(&dependency.name));
        found.extend(arrows.filter_map(|arrow| refused(row, arrow)).map(|w| finding(package, w)));
    }
    found
}

fn refused(row: &Row, arrow: &Dependency) -> Option<String> {
    let for_tests = arrow.kind.as_deref() == Some("dev");
    let allowed = row.uses.contains(&arrow.name.as_str())
        || (for_tests && row.tests_also_use.contains(&arrow.name.as_str()));
    if !allowed {
        return Some(format!("must not depend on {}: the design has no such arrow", arrow.name));
    }
    let reaches_suites = arrow.features.iter().any(|feature| feature == TEST_FEATURE);
    (reaches_suites && !for_tests)
        .then(|| format!("`{TEST_FEATURE}` of {} belongs under [dev-dependencies]", arrow.name))
}

fn finding(package: &Package, what: String) -> Finding {
    let path = format!("package {}", package.name);
    Finding { rule: RULE, path, line: 1, what }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, uses: &[(&str, Option<&str>, &[&str])]) -> Package {
        let dependencies = uses.iter().map(|(name, kind, features)| Dependency {
            name: (*name).to_owned(),
            kind: kind.map(str::to_owned),
            features: features.iter().map(|feature| (*feature).to_owned()).collect(),
        });
        Package {
            name: name.to_owned(),
            version: "0.1.0".to_owned(),
            license: None,
            source: None,
            dependencies: dependencies.collect(),
            targets: Vec::new(),
        }
    }

    fn of(uses: &[(&str, Option<&str>, &[&str])], name: &str) -> usize {
        let others = ["landfall-core", "landfall-flow", "landfall-aws", "landfall-lab"];
        let mut own = vec![package(name, uses)];
        let rest = others.iter().filter(|other| **other != name);
        own.extend(rest.map(|other| package(other, &[])));
        findings(&own).len()
    }

    #[test]
    fn adapter_sees_core_and_nothing_else_of_ours() {
        assert_eq!(of(&[("landfall-core", None, &[]), ("tokio", None, &[])], "landfall-store"), 0);
        assert_eq!(of(&[("landfall-flow", None, &[])], "landfall-store"), 1);
        assert_eq!(of(&[("landfall-aws", Some("dev"), &[])], "landfall-store"), 1);
    }

    #[test]
    fn lab_is_for_the_tests_of_adapters() {
        assert_eq!(of(&[("landfall-lab", Some("dev"), &[])], "landfall-route"), 0);
        assert_eq!(of(&[("landfall-lab", None, &[])], "landfall-route"), 1);
        assert_eq!(of(&[("landfall-core", None, &[])], "landfall-lab"), 1);
        assert_eq!(of(&[("landfall-core", Some("dev"), &[])], "landfall-lab"), 1);
    }

    #[test]
    fn suites_are_for_tests() {
        assert_eq!(of(&[("landfall-core", Some("dev"), &["conformance"])], "landfall-flow"), 0);
        assert_eq!(of(&[("landfall-core", None, &["conformance"])], "landfall-flow"), 1);
    }

    #[test]
    fn crate_without_a_row_is_found() {
        assert_eq!(of(&[], "landfall-surprise"), 1);
    }
}
