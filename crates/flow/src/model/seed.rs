//! A model made in the likeness of a real source, for the dry run.

use std::collections::BTreeMap;

use landfall_core::Spec;
use landfall_core::ids::Endpoint;
use landfall_core::port::cloud::{
    GroupLevel, Instance, Parameter, ParameterGroup, ResourceState, Tags,
};
use landfall_core::port::router::Route;

use super::{Delays, Sabotage, World};
use landfall_assess::Inventory;

/// What the dry run has read of the real world.
#[derive(Debug, Clone)]
pub struct Likeness {
    /// The assessment.
    pub survey: Inventory,
    /// The service's route, when the gateway knows it.
    pub route: Option<Route>,
    /// Aurora's parameters, by level.
    pub offer: BTreeMap<GroupLevel, Vec<Parameter>>,
}

impl World {
    /// A world whose source, offers and route are those of a real one.
    pub fn in_the_likeness_of(spec: &Spec, seen: &Likeness) -> Self {
        let world = Self::new(Delays::default(), Sabotage::None);
        let mut inner = world.lock();
        inner.quarantine =
            [spec.cutover.quarantine_group.clone(), spec.target.quarantine_group.clone()];
        inner.offer.clone_from(&seen.offer);
        inner.versions.clone_from(&seen.survey.versions);
        inner.classes.clone_from(&seen.survey.classes);
        inner.groups.clear();
        inner.instances.clear();
        if let Some(instance) = &seen.survey.instance {
            let endpoint = instance.endpoint.clone().unwrap_or_else(|| inner.source_at.clone());
            inner.adopt(spec, instance, endpoint, &seen.survey.parameters);
        }
        if let Some(route) = &seen.route {
            // The model's proxies stand for those of the gateway, and follow what stands there.
            for proxy in &mut inner.proxies {
                (proxy.sent, proxy.acknowledged) = (Some(route.epoch), Some(route.epoch));
            }
            inner.written = Some(route.service.to_string());
            inner.routes.insert(route.service.to_string(), route.clone());
        }
        let own = |service: &str| spec.services().any(|own| own.as_str() == service);
        for route in seen.survey.routes.iter().filter(|route| own(route.service.as_str())) {
            inner.routes.entry(route.service.to_string()).or_insert_with(|| route.clone());
            for node in inner.proxies.iter().map(|proxy| proxy.node.clone()).collect::<Vec<_>>() {
                inner.acknowledged.insert((node, route.service.to_string()), route.epoch);
            }
        }
        if let Some(Ok(ability)) = seen.survey.gateway {
            inner.ability = ability;
        }
        drop(inner);
        world
    }
}

impl super::Inner {
    fn adopt(&mut self, spec: &Spec, seen: &Instance, at: Endpoint, set: &[Parameter]) {
        let mut instance = seen.clone();
        // The dry run shows the whole way: what is under way at this moment is over by then.
        instance.state = ResourceState::Available;
        instance.endpoint = Some(at.clone());
        instance.replica_clusters.retain(|replica| *replica != spec.target.cluster);
        self.source.groups = instance.security_groups.iter().map(|m| m.group.clone()).collect();
        self.source_at = at;
        self.served = instance.id.clone();
        if let Some(group) = &instance.parameter_group {
            let (name, family) = (group.name.clone(), String::new());
            let key = (GroupLevel::Instance, name.to_string());
            let group = ParameterGroup { name, family, tags: Tags::new() };
            self.groups.insert(key, (group, set.to_vec()));
        }
        self.instances.insert(instance.id.clone(), instance);
    }
}
