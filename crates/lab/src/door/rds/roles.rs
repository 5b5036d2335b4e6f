//! The actions on roles of instances and clusters, and on clusters' custom endpoints.

use super::super::form::Form;
use super::super::xml::Fields;
use super::{Answer, filters, owned, page, shapes, tags};
use crate::cloud::Cloud;
use crate::cloud::endpoints::{CustomEndpoint, EndpointRequest};
use crate::cloud::names::{Identifier, Resource};
use crate::cloud::refusal::Refusal;
use crate::cloud::roles::Role;

pub(super) fn add_to_instance(cloud: &Cloud, form: &Form) -> Answer {
    // The model wants a feature for an instance, and not for a cluster.
    form.required("FeatureName")?;
    cloud.add_instance_role(&instance(form)?, role(form)?)?;
    Ok(Fields::new())
}

pub(super) fn add_to_cluster(cloud: &Cloud, form: &Form) -> Answer {
    cloud.add_cluster_role(&cluster(form)?, role(form)?)?;
    Ok(Fields::new())
}

pub(super) fn remove_from_instance(cloud: &Cloud, form: &Form) -> Answer {
    form.required("FeatureName")?;
    cloud.remove_instance_role(&instance(form)?, &role(form)?)?;
    Ok(Fields::new())
}

pub(super) fn remove_from_cluster(cloud: &Cloud, form: &Form) -> Answer {
    cloud.remove_cluster_role(&cluster(form)?, &role(form)?)?;
    Ok(Fields::new())
}

fn role(form: &Form) -> Result<Role, Refusal> {
    Ok(Role {
        arn: form.required("RoleArn")?.to_owned(),
        feature: owned(form, "FeatureName").unwrap_or_default(),
    })
}

fn instance(form: &Form) -> Result<Identifier, Refusal> {
    let text = form.required("DBInstanceIdentifier")?;
    Ok(Identifier::lookup_or_arn(text, Resource::Instance))
}

fn cluster(form: &Form) -> Result<Identifier, Refusal> {
    let text = form.required("DBClusterIdentifier")?;
    Ok(Identifier::lookup_or_arn(text, Resource::Cluster))
}

pub(super) fn create_endpoint(cloud: &Cloud, form: &Form) -> Answer {
    let name = cloud.create_endpoint(EndpointRequest {
        name: form.required("DBClusterEndpointIdentifier")?.to_owned(),
        cluster: form.required("DBClusterIdentifier")?.to_owned(),
        kind: form.required("EndpointType")?.to_owned(),
        members: form.texts("StaticMembers", "member"),
        excluded: form.texts("ExcludedMembers", "member"),
        tags: tags(form),
    })?;
    let shown = cloud.read(|world| world.endpoints.get(&name).map(shapes::endpoint_of));
    shown.ok_or_else(|| Refusal::value(format!("DBClusterEndpoint {name} is gone.")))
}

pub(super) fn delete_endpoint(cloud: &Cloud, form: &Form) -> Answer {
    let name = Identifier::lookup(form.required("DBClusterEndpointIdentifier")?);
    Ok(shapes::endpoint_of(&cloud.delete_endpoint(&name)?))
}

pub(super) fn describe_endpoints(cloud: &Cloud, form: &Form) -> Answer {
    filters(
        form,
        &[
            "db-cluster-endpoint-custom-type",
            "db-cluster-endpoint-id",
            "db-cluster-endpoint-status",
            "db-cluster-endpoint-type",
        ],
    )?;
    let of = form.text("DBClusterIdentifier").map(Identifier::lookup);
    let name = form.text("DBClusterEndpointIdentifier").map(Identifier::lookup);
    cloud.read(|world| {
        if let Some(of) = &of {
            world.cluster(of)?;
        }
        let fits = |one: &&CustomEndpoint| {
            of.as_ref().is_none_or(|of| *of == one.cluster)
                && name.as_ref().is_none_or(|name| *name == one.name)
        };
        let matching = world.endpoints.values().filter(fits);
        let matching = matching.map(|one| (one.name.to_string(), one)).collect();
        let (endpoints, marker) = page(form, matching)?;
        let endpoints = endpoints.into_iter().map(shapes::endpoint_of);
        Ok(Fields::new().maybe("Marker", marker).list(
            "DBClusterEndpoints",
            "DBClusterEndpointList",
            endpoints,
        ))
    })
}
