//! Risk: AWS throttles, or takes an order and its answer is lost. The order must not be given
//! twice to an AWS that took it the first time.

use std::collections::BTreeSet;

use landfall_api::core::status::Outcome;
use landfall_e2e::{Fence, Stage, StageConfig};
use landfall_lab::faults::{Fault, Order};

use crate::watch::{moved, moves, stage, start, until_over};
use crate::world::World;

/// What the move orders, and which of those AWS may take only once for each object.
const ORDERS: [(&str, bool); 9] = [
    ("CreateDBClusterParameterGroup", true),
    ("CreateDBParameterGroup", true),
    ("ModifyDBClusterParameterGroup", false),
    ("CreateDBCluster", true),
    ("CreateDBInstance", true),
    ("ModifyDBInstance", false),
    ("RebootDBInstance", true),
    ("PromoteReadReplicaDBCluster", true),
    ("ModifyDBCluster", false),
];

#[tokio::test]
async fn a_burst_of_throttling_is_outlasted() {
    let mut stage = stage().await;
    stage.lab.arm(Order::times(Fault::Throttle, 30)).await;
    start(&mut stage).await;
    let followed = until_over(&mut stage, Outcome::Moved).await;
    let requests = stage.lab.requests();
    let throttled = requests.iter().filter(|request| request.outcome == "Throttling").count();
    assert_eq!(throttled, 30, "the fault did not strike as armed");
    assert!(followed.view.facts.proven.is_some());
    moved(stage, &followed).await;
}

#[tokio::test]
async fn an_order_whose_answer_is_lost_is_not_given_twice() {
    let config = StageConfig { fence: Fence::Reboot, ..StageConfig::default() };
    let mut stage = Stage::set(config, None).await.expect("set the stage");
    for (action, _) in ORDERS {
        stage.lab.arm(Order::times(Fault::LostAnswer, 1).only(action)).await;
    }
    start(&mut stage).await;
    until_over(&mut stage, Outcome::Moved).await;
    let requests = stage.lab.requests();
    let orders = |action: &str| -> Vec<_> {
        let taken = |outcome: &str| outcome == "ok" || outcome == "cut";
        requests.iter().filter(|one| one.action == action && taken(&one.outcome)).collect()
    };
    let mut wrong = Vec::new();
    for (action, once) in ORDERS {
        let lost = orders(action).iter().filter(|one| one.outcome == "cut").count();
        let subjects: BTreeSet<_> = orders(action).iter().map(|one| &one.subject).collect();
        if lost != 1 || (once && orders(action).len() != subjects.len()) {
            wrong.push(format!("{action}: {lost} answers lost; taken: {:#?}", orders(action)));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}\n{}", stage.product.log());
    assert_eq!(World::of(&stage).await.clusters(), ["shop-aurora"]);
    let instances: Vec<_> = stage.lab.instances().into_iter().map(|one| one.identifier).collect();
    assert_eq!(instances, ["shop-aurora-1", "shop-prod"]);
    moves(stage).await;
}
