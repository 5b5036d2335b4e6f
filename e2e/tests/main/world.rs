//! The world around a move, as the lab itself sees it: to be compared with what it was before.

use std::time::Duration;

use landfall_api::core::port::router::Traffic;
use landfall_e2e::Stage;
use landfall_lab::cloud::names::Identifier;

/// Long enough for a load whose sessions were cut.
const BACK_WITHIN: Duration = Duration::from_secs(30);

const INSIDE: &str = "select 'schema ' || nspname from pg_namespace
                        where nspname !~ '^pg_(toast_)?temp'
                      union all select 'slot ' || slot_name from pg_replication_slots
                      union all select 'role ' || rolname from pg_roles
                      union all select 'setting of ' || setdatabase || setrole
                        from pg_db_role_setting
                      order by 1";

/// Everything that a move may change and an undo has to put back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct World {
    /// The source's groups, in order, each with its state.
    groups: Vec<String>,
    source: String,
    instances: Vec<String>,
    clusters: Vec<String>,
    parameter_groups: Vec<String>,
    snapshots: usize,
    /// Schemas, slots, roles and settings of the source.
    inside: Vec<String>,
    /// Where the service goes, and whether it does.
    route: Vec<String>,
}

impl World {
    /// Looks, without Landfall's help, except for the route, which is Landfall's own.
    pub(crate) async fn of(stage: &Stage) -> Self {
        let source = stage.lab.source();
        let id = Identifier::lookup(&source.instance);
        let rows = stage.lab.sql(&source.instance, "shop", INSIDE).await.expect("look inside");
        let routes = stage.product.client().unwrap().routes().await.expect("read the routes");
        let route = routes.iter().filter_map(|one| one.view.route.as_ref());
        let mut world = stage.lab.cloud().read(|world| {
            let instance = world.instances.get(&id).expect("the source is there");
            let member = |member: &landfall_lab::cloud::security::Membership| {
                format!("{} {}", member.group, member.state.word())
            };
            Self {
                groups: instance.memberships.iter().map(member).collect(),
                source: format!(
                    "{}, group {}, {} days of backups",
                    instance.status.word(),
                    instance.parameter_group.name,
                    instance.retention_days
                ),
                instances: world.instances.keys().map(ToString::to_string).collect(),
                clusters: world.clusters.keys().map(ToString::to_string).collect(),
                parameter_groups: world
                    .groups
                    .keys()
                    .map(|(kind, name)| format!("{kind:?} {name}"))
                    .collect(),
                snapshots: world.snapshots.len(),
                inside: vec![],
                route: vec![],
            }
        });
        world.inside = rows.into_iter().flatten().flatten().collect();
        world.route = route
            .map(|route| {
                let open = if route.traffic == Traffic::Open { "open" } else { "held" };
                format!("{} {open} to {}", route.service, route.endpoint)
            })
            .collect();
        world
    }

    /// The world is as it was when this was taken, and the load goes on.
    pub(crate) async fn is_back(&self, stage: &Stage) {
        let now = Self::of(stage).await;
        assert_eq!(*self, now, "not as before (left) but like this (right)");
        goes_on(stage).await;
    }

    /// The source takes writes as before; a promoted target may be left.
    pub(crate) async fn source_is_back(&self, stage: &Stage) {
        let now = Self::of(stage).await;
        let part = |world: &Self| {
            let World { groups, source, inside, route, .. } = world.clone();
            (groups, source, inside, route)
        };
        assert_eq!(part(self), part(&now), "not as before (left) but like this (right)");
        goes_on(stage).await;
    }

    /// Which clusters there are.
    pub(crate) fn clusters(&self) -> &[String] {
        &self.clusters
    }
}

/// The load is answered again.
pub(crate) async fn goes_on(stage: &Stage) {
    let load = stage.load().expect("a load");
    load.go_on_for(50, BACK_WITHIN).await.expect("see the load go on");
}
