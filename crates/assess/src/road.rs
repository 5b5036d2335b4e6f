//! The roads from RDS to Aurora: which are open, what each would take, and which is best.
//!
//! Judged by the findings alone, so that a closed road names the finding that closes it. This
//! version travels the physical road only; the others are told so that nobody waits for the wrong
//! thing. The figures of the others are stated priors (see `basis`), never measurements of ours.

use std::time::Duration;

use landfall_core::Spec;
use landfall_core::finding::{Finding, Learnt, Severity};
use serde::{Deserialize, Serialize};

use crate::forecast::{Forecast, Spell};
use crate::inventory::Inventory;

/// The roads that are judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RoadName {
    /// An Aurora read replica, promoted.
    Physical,
    /// Native logical replication with its own copy.
    Logical,
    /// A snapshot restored as Aurora, then logical replication from its position.
    Seeded,
    /// Dump and restore.
    Dump,
    /// AWS Database Migration Service; for comparison.
    Dms,
    /// RDS Blue/Green deployments; for comparison.
    BlueGreen,
}

impl RoadName {
    /// Every road, Landfall's own first.
    pub const ALL: &[Self] =
        &[Self::Physical, Self::Logical, Self::Seeded, Self::Dump, Self::Dms, Self::BlueGreen];

    /// The word of the command line.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Physical => "physical",
            Self::Logical => "logical",
            Self::Seeded => "seeded",
            Self::Dump => "dump",
            Self::Dms => "dms",
            Self::BlueGreen => "blue-green",
        }
    }

    const fn title(self) -> &'static str {
        match self {
            Self::Physical => "Aurora read replica, promoted",
            Self::Logical => "Logical replication with its own copy",
            Self::Seeded => "Snapshot restored, then logical replication",
            Self::Dump => "Dump and restore",
            Self::Dms => "AWS DMS (for comparison)",
            Self::BlueGreen => "RDS Blue/Green (for comparison)",
        }
    }
}

impl std::str::FromStr for RoadName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let words: Vec<_> = Self::ALL.iter().map(|road| road.word()).collect();
        Self::ALL
            .iter()
            .copied()
            .find(|road| road.word() == text)
            .ok_or_else(|| format!("{text:?} is no road; roads are {}", words.join(", ")))
    }
}

/// What a finding does to a road.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// Points taken from a hundred; a hundred closes the road.
    pub minus: u32,
    /// The finding's check, when one is behind it.
    pub check: Option<String>,
    /// Why.
    pub text: String,
}

/// One road as it stands for this source.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Road {
    /// Which.
    pub road: RoadName,
    /// In words.
    pub title: String,
    /// What closes it; open when empty.
    pub closed_by: Vec<Reason>,
    /// Whether this version of Landfall travels it.
    pub runs_today: bool,
    /// 0 to 100; 0 when it is closed.
    pub score: u32,
    /// What was taken from a hundred, and why.
    pub reasons: Vec<Reason>,
    /// From the start until the target follows.
    pub time: Spell,
    /// How long the application waits.
    pub pause: Spell,
    /// What can go wrong on it.
    pub risk: String,
    /// What is paid beside source and target.
    pub cost: String,
    /// Where the figures are from.
    pub basis: String,
}

impl Road {
    /// Whether it can be gone.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.closed_by.is_empty()
    }
}

/// What roads are judged by.
struct Look<'a> {
    spec: &'a Spec,
    inventory: &'a Inventory,
    findings: &'a [Finding],
    forecast: &'a Forecast,
}

impl Look<'_> {
    fn find(&self, check: &str, least: Severity) -> Option<&Finding> {
        let looked = |one: &&Finding| one.learnt != Learnt::NotLooked;
        let of_it = self.findings.iter().filter(looked).filter(|one| one.check == check);
        of_it.clone().find(|one| one.severity <= least)
    }

    fn reason(&self, minus: u32, check: &str, least: Severity, text: &str) -> Option<Reason> {
        let finding = self.find(check, least)?;
        let text = format!("{text}: {}: {}", finding.object, finding.what);
        Some(Reason { minus, check: Some(check.to_owned()), text })
    }

    /// Bytes over a speed in GB an hour, with so much beside.
    fn copied(&self, fast: f64, slow: f64, beside: Duration) -> Spell {
        #[expect(clippy::cast_precision_loss, reason = "a forecast has no use for single bytes")]
        let gigabytes = self.forecast.bytes.0 as f64 / 1e9;
        let at = |speed: f64| {
            let seconds = (gigabytes / speed * 3600.0).round();
            Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX).saturating_add(beside)
        };
        Spell { p50: at(fast), p95: at(slow) }
    }
}

/// Every road, the best first; equal ones in the order of [`RoadName::ALL`].
pub fn roads(
    spec: &Spec,
    inventory: &Inventory,
    findings: &[Finding],
    forecast: &Forecast,
) -> Vec<Road> {
    let look = Look { spec, inventory, findings, forecast };
    let mut roads: Vec<Road> = RoadName::ALL.iter().map(|road| judged(&look, *road)).collect();
    roads.sort_by_key(|road| std::cmp::Reverse(road.score));
    roads
}

fn judged(look: &Look<'_>, road: RoadName) -> Road {
    let closed_by = closing(look, road);
    let reasons = costing(look, road);
    let minus: u32 = reasons.iter().map(|reason| reason.minus).sum();
    // An open road keeps a point: bad is not closed.
    let score = if closed_by.is_empty() { 100_u32.saturating_sub(minus).max(1) } else { 0 };
    let words = words(road);
    Road {
        road,
        title: road.title().to_owned(),
        closed_by,
        runs_today: road == RoadName::Physical,
        score,
        reasons,
        time: time(look, road),
        pause: pause(look, road),
        risk: words.risk.to_owned(),
        cost: words.cost.to_owned(),
        basis: words.basis.to_owned(),
    }
}

/// Blockers of the physical road alone; every other blocker stands in the way of all roads.
const OF_THE_REPLICA: &[&str] = &[
    "source.cluster",
    "replicas.aurora",
    "replicas.chain",
    "replicas.elsewhere",
    "storage.race",
    "storage.volume",
    "inside.extensions",
];

fn closing(look: &Look<'_>, road: RoadName) -> Vec<Reason> {
    let blocker = |one: &&Finding| one.severity == Severity::Blocker;
    let of_replica = |one: &&Finding| OF_THE_REPLICA.contains(&one.check.as_str());
    let as_reason = |one: &Finding| Reason {
        minus: 100,
        check: Some(one.check.clone()),
        text: format!("{}: {}", one.object, one.what),
    };
    let blockers = look.findings.iter().filter(blocker);
    let mut closed: Vec<Reason> = match road {
        RoadName::Physical => blockers.map(as_reason).collect(),
        RoadName::BlueGreen => vec![Reason {
            minus: 100,
            check: None,
            text: "RDS Blue/Green goes from RDS to RDS and from Aurora to Aurora, never across"
                .to_owned(),
        }],
        RoadName::Logical | RoadName::Seeded | RoadName::Dump | RoadName::Dms => {
            blockers.filter(|one| !of_replica(one)).map(as_reason).collect()
        }
    };
    let extension =
        || look.reason(100, "inside.extensions", Severity::Blocker, "cannot be restored");
    match road {
        RoadName::Physical | RoadName::BlueGreen => {}
        RoadName::Dump => closed.extend(extension()),
        RoadName::Logical | RoadName::Seeded | RoadName::Dms => {
            if look.spec.access.is_none() {
                closed.push(Reason {
                    minus: 100,
                    check: Some("inside.access".to_owned()),
                    text: "it needs SQL access, and the spec gives none".to_owned(),
                });
            }
            let large = "large objects are not replicated";
            closed.extend(look.reason(100, "inside.large_objects", Severity::Note, large));
            closed.extend(extension());
        }
    }
    closed
}

fn costing(look: &Look<'_>, road: RoadName) -> Vec<Reason> {
    let plain = |minus: u32, text: &str| Some(Reason { minus, check: None, text: text.to_owned() });
    let warning = Severity::Warning;
    let logical = || {
        vec![
            look.reason(30, "inside.identity", warning, "updates of these tables need an identity"),
            look.reason(
                10,
                "parameters.logical",
                Severity::Note,
                "the source needs a reboot first",
            ),
            look.reason(5, "inside.sequences", warning, "sequences are set by hand"),
            look.reason(10, "inside.privileged", warning, "cannot be made again"),
            look.reason(5, "inside.row_security", Severity::Note, "policies hide rows from a copy"),
            plain(10, "every change of the schema must wait or be made twice"),
        ]
    };
    let reasons = match road {
        RoadName::Physical => vec![
            look.reason(15, "storage.race", warning, "the disk may lose the race"),
            look.reason(10, "inside.unlogged", warning, "arrive empty"),
            look.reason(10, "collation.library", warning, "indexes may need a rebuild"),
            look.reason(5, "inside.tablespaces", warning, "nested tablespaces"),
            look.reason(5, "inside.slots", warning, "consumers are handed over by hand"),
            plain(5, "the same major version on both sides"),
        ],
        RoadName::Logical => {
            let mut all = logical();
            all.push(plain(10, "the copy loads the source with reads of every table"));
            all
        }
        RoadName::Seeded => {
            let mut all = logical();
            all.push(plain(15, "finding the snapshot's position takes a temporary instance"));
            all
        }
        RoadName::Dump => {
            let pause = pause(look, road).p50 > Duration::from_hours(1);
            vec![
                plain(
                    if pause { 70 } else { 30 },
                    "the application waits while everything is copied",
                ),
                look.reason(10, "inside.privileged", warning, "cannot be restored"),
            ]
        }
        RoadName::Dms => {
            let mut all = logical();
            all.push(plain(30, "indexes, foreign keys, defaults and sequences are made by hand"));
            all.push(plain(10, "values may be rounded or cut unless it is told otherwise"));
            all
        }
        RoadName::BlueGreen => vec![],
    };
    reasons.into_iter().flatten().collect()
}

fn time(look: &Look<'_>, road: RoadName) -> Spell {
    let hour = Duration::from_hours(1);
    match road {
        RoadName::Physical => look.forecast.build,
        RoadName::Logical => look.copied(118.0, 60.0, hour),
        RoadName::Seeded => {
            let build = look.forecast.build;
            Spell { p50: build.p50 + hour, p95: build.p95 + hour * 3 }
        }
        RoadName::Dump => look.copied(60.0, 30.0, hour / 2),
        RoadName::Dms => look.copied(152.0, 60.0, hour * 8),
        RoadName::BlueGreen => Spell { p50: Duration::ZERO, p95: Duration::ZERO },
    }
}

fn pause(look: &Look<'_>, road: RoadName) -> Spell {
    let spell =
        |p50: u64, p95: u64| Spell { p50: Duration::from_secs(p50), p95: Duration::from_secs(p95) };
    match road {
        RoadName::Physical => crate::forecast::pause(look.inventory),
        RoadName::Logical | RoadName::Seeded => spell(10, 120),
        // Nothing is written from the dump's begin to the restore's end.
        RoadName::Dump => time(look, road),
        RoadName::Dms => spell(60, 720),
        RoadName::BlueGreen => spell(0, 0),
    }
}

struct Words {
    risk: &'static str,
    cost: &'static str,
    basis: &'static str,
}

const fn words(road: RoadName) -> Words {
    match road {
        RoadName::Physical => Words {
            risk: "low: every byte is the source's, and the proof of sync is one position",
            cost: "the target's instance while it follows; storage of the source grows by the WAL \
                   it keeps",
            basis: "the forecast of the assessment",
        },
        RoadName::Logical => Words {
            risk: "medium: sequences, large objects and schema changes do not travel; the rest is \
                   compared row by row",
            cost: "the target's instance while it follows; reads of every table on the source",
            basis: "118 GB an hour, 60 at worst: PeerDB's published comparison, February 2026",
        },
        RoadName::Seeded => Words {
            risk: "medium: as logical, and the position of the snapshot must be exact",
            cost: "a snapshot, a temporary RDS instance, the target's instance while it follows",
            basis: "as the building of a replica, and an hour or three beside",
        },
        RoadName::Dump => Words {
            risk: "low for the data, high for the pause",
            cost: "the target's instance while it is filled",
            basis: "60 GB an hour, 30 at worst: PeerDB's published comparison, February 2026",
        },
        RoadName::Dms => Words {
            risk: "high: what is not copied is found by the application; tables without key lose \
                   updates",
            cost: "a replication instance, and the target's while it follows",
            basis: "152 GB an hour, 60 at worst, and a day's work: a published case study",
        },
        RoadName::BlueGreen => Words {
            risk: "does not apply",
            cost: "does not apply",
            basis: "AWS: a deployment stays on its engine",
        },
    }
}

/// The best open road, and what to say when this version does not travel it.
pub fn advice(roads: &[Road]) -> Option<String> {
    let best = roads.iter().find(|road| road.is_open())?;
    let physical = roads.iter().find(|road| road.road == RoadName::Physical)?;
    Some(match (best.road == RoadName::Physical, physical.is_open()) {
        (true, _) => "the physical road; Landfall travels it".to_owned(),
        (false, true) => format!(
            "the {} road would be better; this version of Landfall travels the physical road only",
            best.road.word()
        ),
        (false, false) => format!(
            "the {} road is open; this version of Landfall travels the physical road only, which \
             is closed",
            best.road.word()
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::made_up::faults::{all, faulty};
    use crate::made_up::{Case, clean};

    fn of(case: &Case) -> Vec<Road> {
        let instance = case.inventory.instance.clone().unwrap();
        let forecast = crate::forecast::forecast(&case.inventory, &instance);
        roads(&case.spec, &case.inventory, &case.findings(), &forecast)
    }

    fn one(roads: &[Road], name: RoadName) -> &Road {
        roads.iter().find(|road| road.road == name).unwrap()
    }

    fn put(check: &str, told: &str) -> Case {
        let mut case = clean();
        let fault = all().find(|fault| fault.check == check && fault.told.contains(told));
        (fault.unwrap().put)(&mut case);
        case
    }

    #[test]
    fn the_physical_road_is_the_best_of_a_clean_source_and_the_only_one_travelled() {
        let roads = of(&clean());
        assert_eq!(roads.len(), RoadName::ALL.len());
        assert_eq!(roads[0].road, RoadName::Physical);
        assert!(roads.windows(2).all(|pair| pair[0].score >= pair[1].score));
        let travelled: Vec<_> = roads.iter().filter(|road| road.runs_today).collect();
        assert_eq!(travelled.len(), 1);
        assert_eq!(advice(&roads).unwrap(), "the physical road; Landfall travels it");
    }

    #[test]
    fn blue_green_never_crosses_from_rds_to_aurora() {
        let roads = of(&clean());
        let road = one(&roads, RoadName::BlueGreen);
        assert!(!road.is_open() && road.score == 0);
    }

    #[test]
    fn a_closed_road_names_what_closes_it_and_the_others_stay_open() {
        let roads = of(&put("replicas.elsewhere", ""));
        let physical = one(&roads, RoadName::Physical);
        assert_eq!(physical.closed_by[0].check.as_deref(), Some("replicas.elsewhere"));
        assert!(one(&roads, RoadName::Logical).is_open());
        assert!(advice(&roads).unwrap().contains("which is closed"));
    }

    #[test]
    fn large_objects_and_missing_access_close_what_is_logical() {
        for case in [put("inside.large_objects", ""), put("inside.access", "no access")] {
            let roads = of(&case);
            for road in [RoadName::Logical, RoadName::Seeded, RoadName::Dms] {
                assert!(!one(&roads, road).is_open(), "{road:?}");
            }
            assert!(one(&roads, RoadName::Physical).is_open());
            assert!(one(&roads, RoadName::Dump).is_open());
        }
    }

    #[test]
    fn a_blocker_of_no_road_in_particular_closes_every_road() {
        let roads = of(&put("source.state", "incompatible"));
        assert!(roads.iter().all(|road| !road.is_open()));
        assert_eq!(advice(&roads), None);
        assert!(of(&faulty()).iter().all(|road| road.score == 0));
    }

    #[test]
    fn findings_cost_points_and_never_close_by_themselves() {
        let (clean, put) = (of(&clean()), of(&put("inside.identity", "")));
        let score = |roads: &[Road]| one(roads, RoadName::Logical).score;
        assert_eq!(score(&clean) - score(&put), 30);
        assert!(one(&put, RoadName::Logical).is_open());
    }

    #[test]
    fn words_are_read_back() {
        for road in RoadName::ALL {
            assert_eq!(road.word().parse(), Ok(*road));
        }
        assert!("sea".parse::<RoadName>().unwrap_err().contains("blue-green"));
    }
}
