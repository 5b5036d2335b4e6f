//! Custom endpoints of clusters: stored and shown. They have no address of their own, and a
//! connection to one is a connection to the cluster.

use std::collections::BTreeMap;

use super::Cloud;
use super::names::{Identifier, Resource, arn};
use super::refusal::{Code, Refusal};

/// One custom endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CustomEndpoint {
    pub name: Identifier,
    pub cluster: Identifier,
    /// `READER` or `ANY`.
    pub kind: String,
    pub members: Vec<Identifier>,
    pub excluded: Vec<Identifier>,
}

impl CustomEndpoint {
    /// Its ARN.
    pub fn arn(&self) -> String {
        arn(Resource::ClusterEndpoint, self.name.as_str())
    }
}

/// `CreateDBClusterEndpoint`, parsed.
#[derive(Debug, Clone, Default)]
pub struct EndpointRequest {
    pub name: String,
    pub cluster: String,
    pub kind: String,
    pub members: Vec<String>,
    pub excluded: Vec<String>,
    pub tags: BTreeMap<String, String>,
}

impl Cloud {
    /// Makes one; refused for a cluster that is still a replica, as on AWS.
    pub fn create_endpoint(&self, request: EndpointRequest) -> Result<Identifier, Refusal> {
        let name = Identifier::create(&request.name)?;
        let mut world = self.world();
        if world.endpoints.contains_key(&name) {
            let message = format!("DB cluster endpoint already exists: {name}");
            return Err(Refusal::new(Code::EndpointAlreadyExists, message));
        }
        let id = Identifier::lookup_or_arn(&request.cluster, Resource::Cluster);
        let cluster = world.available_cluster(&id)?;
        if cluster.replication_source.is_some() {
            let message = format!("DB cluster {id} replicates from a DB instance.");
            return Err(Refusal::new(Code::InvalidClusterState, message));
        }
        if !["READER", "ANY"].contains(&request.kind.as_str()) {
            return Err(Refusal::value(format!("Invalid endpoint type: {}", request.kind)));
        }
        if !request.members.is_empty() && !request.excluded.is_empty() {
            return Err(Refusal::combination(
                "StaticMembers and ExcludedMembers can't be set together.",
            ));
        }
        let here = cluster.members.clone();
        let known = |names: &[String]| -> Result<Vec<Identifier>, Refusal> {
            let ids = names.iter().map(|name| Identifier::lookup(name));
            ids.map(|id| {
                if here.contains(&id) { Ok(id) } else { Err(Refusal::no_instance(id.as_str())) }
            })
            .collect()
        };
        let endpoint = CustomEndpoint {
            members: known(&request.members)?,
            excluded: known(&request.excluded)?,
            kind: request.kind,
            cluster: id,
            name: name.clone(),
        };
        world.tags.insert(endpoint.arn(), request.tags);
        world.endpoints.insert(name.clone(), endpoint);
        Ok(name)
    }

    /// Removes one.
    pub fn delete_endpoint(&self, name: &Identifier) -> Result<CustomEndpoint, Refusal> {
        let mut world = self.world();
        world.endpoints.remove(name).ok_or_else(|| {
            Refusal::new(Code::EndpointNotFound, format!("DBClusterEndpoint {name} not found."))
        })
    }
}
