//! What the cloud says instead of doing it: AWS's error codes with their HTTP status.
//!
//! The code on the wire is not the name of the shape (`DBInstanceNotFound`, not
//! `DBInstanceNotFoundFault`, yet `DBClusterNotFoundFault`), so each is written out once, here.
//! Messages follow the tone of AWS; only the code is part of the contract.

/// Every error code that the lab can put on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    AccessDenied,
    AlarmNotFound,
    CertificateNotFound,
    ClusterAlreadyExists,
    ClusterNotFound,
    ClusterParameterGroupNotFound,
    ClusterRoleAlreadyExists,
    ClusterRoleNotFound,
    ClusterSnapshotAlreadyExists,
    ClusterSnapshotNotFound,
    EndpointAlreadyExists,
    EndpointNotFound,
    GlobalClusterAlreadyExists,
    GlobalClusterNotFound,
    InstanceAlreadyExists,
    InstanceNotFound,
    InstanceRoleAlreadyExists,
    InstanceRoleNotFound,
    InternalFailure,
    InvalidAction,
    InvalidClusterState,
    InvalidGlobalClusterState,
    InvalidInstanceState,
    InvalidParameterCombination,
    InvalidParameterGroupState,
    InvalidParameterValue,
    InvalidProxyState,
    MissingAuthenticationToken,
    MissingParameter,
    ParameterGroupAlreadyExists,
    ParameterGroupNotFound,
    ProxyAlreadyExists,
    ProxyNotFound,
    ProxyTargetAlreadyRegistered,
    ResourceNotFound,
    ServiceUnavailable,
    SnapshotAlreadyExists,
    SnapshotNotFound,
    SubnetGroupNotFound,
    Throttling,
}

impl Code {
    /// The text inside `<Code>`.
    pub const fn text(self) -> &'static str {
        match self {
            Self::AccessDenied => "AccessDenied",
            Self::AlarmNotFound => "ResourceNotFound",
            Self::CertificateNotFound => "CertificateNotFound",
            Self::ClusterAlreadyExists => "DBClusterAlreadyExistsFault",
            Self::ClusterNotFound => "DBClusterNotFoundFault",
            Self::ClusterParameterGroupNotFound => "DBClusterParameterGroupNotFound",
            Self::ClusterRoleAlreadyExists => "DBClusterRoleAlreadyExists",
            Self::ClusterRoleNotFound => "DBClusterRoleNotFound",
            Self::ClusterSnapshotAlreadyExists => "DBClusterSnapshotAlreadyExistsFault",
            Self::ClusterSnapshotNotFound => "DBClusterSnapshotNotFoundFault",
            Self::EndpointAlreadyExists => "DBClusterEndpointAlreadyExistsFault",
            Self::EndpointNotFound => "DBClusterEndpointNotFoundFault",
            Self::GlobalClusterAlreadyExists => "GlobalClusterAlreadyExistsFault",
            Self::GlobalClusterNotFound => "GlobalClusterNotFoundFault",
            Self::InstanceAlreadyExists => "DBInstanceAlreadyExists",
            Self::InstanceNotFound => "DBInstanceNotFound",
            Self::InstanceRoleAlreadyExists => "DBInstanceRoleAlreadyExists",
            Self::InstanceRoleNotFound => "DBInstanceRoleNotFound",
            Self::InternalFailure => "InternalFailure",
            Self::InvalidAction => "InvalidAction",
            Self::InvalidClusterState => "InvalidDBClusterStateFault",
            Self::InvalidGlobalClusterState => "InvalidGlobalClusterStateFault",
            Self::InvalidInstanceState => "InvalidDBInstanceState",
            Self::InvalidParameterCombination => "InvalidParameterCombination",
            Self::InvalidParameterGroupState => "InvalidDBParameterGroupState",
            Self::InvalidParameterValue => "InvalidParameterValue",
            Self::InvalidProxyState => "InvalidDBProxyStateFault",
            Self::MissingAuthenticationToken => "MissingAuthenticationToken",
            Self::MissingParameter => "MissingParameter",
            Self::ParameterGroupAlreadyExists => "DBParameterGroupAlreadyExists",
            Self::ParameterGroupNotFound => "DBParameterGroupNotFound",
            Self::ProxyAlreadyExists => "DBProxyAlreadyExistsFault",
            Self::ProxyNotFound => "DBProxyNotFoundFault",
            Self::ProxyTargetAlreadyRegistered => "DBProxyTargetAlreadyRegisteredFault",
            Self::ResourceNotFound => "ResourceNotFoundFault",
            Self::ServiceUnavailable => "ServiceUnavailable",
            Self::SnapshotAlreadyExists => "DBSnapshotAlreadyExists",
            Self::SnapshotNotFound => "DBSnapshotNotFound",
            Self::SubnetGroupNotFound => "DBSubnetGroupNotFoundFault",
            Self::Throttling => "Throttling",
        }
    }

    /// The HTTP status that goes with it.
    pub const fn status(self) -> u16 {
        match self {
            Self::AlarmNotFound
            | Self::CertificateNotFound
            | Self::ClusterNotFound
            | Self::ClusterParameterGroupNotFound
            | Self::ClusterRoleNotFound
            | Self::ClusterSnapshotNotFound
            | Self::GlobalClusterNotFound
            | Self::ProxyNotFound
            | Self::InstanceNotFound
            | Self::InstanceRoleNotFound
            | Self::ParameterGroupNotFound
            | Self::ResourceNotFound
            | Self::SnapshotNotFound
            | Self::SubnetGroupNotFound => 404,
            Self::AccessDenied | Self::MissingAuthenticationToken => 403,
            Self::InternalFailure => 500,
            Self::ServiceUnavailable => 503,
            Self::ClusterAlreadyExists
            | Self::ClusterRoleAlreadyExists
            | Self::EndpointAlreadyExists
            | Self::EndpointNotFound
            | Self::GlobalClusterAlreadyExists
            | Self::InvalidGlobalClusterState
            | Self::InvalidProxyState
            | Self::ProxyAlreadyExists
            | Self::ProxyTargetAlreadyRegistered
            | Self::InstanceRoleAlreadyExists
            | Self::ClusterSnapshotAlreadyExists
            | Self::InstanceAlreadyExists
            | Self::InvalidAction
            | Self::InvalidClusterState
            | Self::InvalidInstanceState
            | Self::InvalidParameterCombination
            | Self::InvalidParameterGroupState
            | Self::InvalidParameterValue
            | Self::MissingParameter
            | Self::ParameterGroupAlreadyExists
            | Self::SnapshotAlreadyExists
            | Self::Throttling => 400,
        }
    }
}

/// A request that the cloud turned down.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {message}", code.text())]
pub struct Refusal {
    pub code: Code,
    pub message: String,
}

impl Refusal {
    /// A refusal with a code of the caller's choice.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// `InvalidParameterValue`: one value is wrong by itself.
    pub fn value(message: impl Into<String>) -> Self {
        Self::new(Code::InvalidParameterValue, message)
    }

    /// `InvalidParameterCombination`: values that do not go together.
    pub fn combination(message: impl Into<String>) -> Self {
        Self::new(Code::InvalidParameterCombination, message)
    }

    /// The named instance does not exist.
    pub fn no_instance(name: &str) -> Self {
        Self::new(Code::InstanceNotFound, format!("DBInstance {name} not found."))
    }

    /// The named cluster does not exist.
    pub fn no_cluster(name: &str) -> Self {
        Self::new(Code::ClusterNotFound, format!("DBCluster {name} not found."))
    }
}
