//! RDS Proxies: the view of one, which of them lead to an instance, and the orders that put one
//! before a cluster.
//!
//! The tags of a proxy do not come with its description: they are asked for by its ARN. Every order
//! about a proxy looks at them first. What was given before is found done.

use std::time::Duration;

use aws_sdk_rds::types::{
    AuthScheme, ConnectionPoolConfiguration, ConnectionPoolConfigurationInfo, DbProxy,
    DbProxyTarget, EngineFamily, IamAuthMode, UserAuthConfig,
};
use landfall_core::port::Stamp;
use landfall_core::port::equipment::{Proxy, ProxyTarget};
use landfall_core::spec::{ProxyPool, ProxySpec};
use landfall_core::{ClusterId, Failure, InstanceId};

use crate::instance::{absent_if_not_found, group_ids, state};
use crate::ownership::{Existing, may_exist, missing, require_ours, settle, stamped, tags};
use crate::{AwsCloud, fault};

/// Every proxy has this one target group, and no other.
const TARGET_GROUP: &str = "default";
/// AWS's code for a cluster that the proxy has already.
const REGISTERED: &str = "DBProxyTargetAlreadyRegistered";

impl AwsCloud {
    pub(crate) async fn read_proxy(&self, name: &str) -> Result<Option<Proxy>, Failure> {
        let what = format!("read proxy {name}");
        let found = match self.rds.describe_db_proxies().db_proxy_name(name).send().await {
            Ok(answer) => answer.db_proxies.unwrap_or_default().into_iter().next(),
            Err(error) => return absent_if_not_found(fault::failure(what, &error)),
        };
        let Some(found) = found else { return Ok(None) };
        let arn = found.db_proxy_arn().unwrap_or_default();
        let tagged = self.rds.list_tags_for_resource().resource_name(arn).send().await;
        let tagged = tagged.map_err(|error| fault::failure(&*what, &error))?;
        Ok(Some(Proxy {
            name: name.to_owned(),
            state: state(found.status().map(|status| status.as_str())),
            endpoint: found.endpoint().map(str::to_owned),
            tags: tags(tagged.tag_list()),
            pool: self.read_pool(&what, name).await?,
            targets: self.read_targets(&what, name).await?.iter().map(target).collect(),
        }))
    }

    async fn read_pool(&self, what: &str, name: &str) -> Result<Option<ProxyPool>, Failure> {
        let answer = self.rds.describe_db_proxy_target_groups().db_proxy_name(name).send().await;
        let groups = match answer {
            Ok(answer) => answer.target_groups.unwrap_or_default(),
            // A proxy that is being made may have none yet.
            Err(error) => return absent_if_not_found(fault::failure(what, &error)),
        };
        Ok(groups.first().and_then(|group| group.connection_pool_config()).map(pool))
    }

    async fn read_targets(&self, what: &str, name: &str) -> Result<Vec<DbProxyTarget>, Failure> {
        let call = self.rds.describe_db_proxy_targets().db_proxy_name(name);
        let all: Result<Vec<_>, _> = call.into_paginator().items().send().collect().await;
        match all {
            Ok(all) => Ok(all),
            Err(error) => {
                let absent = absent_if_not_found(fault::failure(what, &error))?;
                Ok(absent.unwrap_or_default())
            }
        }
    }

    /// The names of the proxies that lead to an instance.
    pub(crate) async fn read_proxies_before(
        &self,
        id: &InstanceId,
    ) -> Result<Vec<String>, Failure> {
        let what = format!("read the proxies before {id}");
        let call = self.rds.describe_db_proxies().into_paginator().items().send();
        let all: Result<Vec<DbProxy>, _> = call.collect().await;
        let all = all.map_err(|error| fault::failure(&*what, &error))?;
        let mut found = Vec::new();
        for name in all.iter().filter_map(DbProxy::db_proxy_name) {
            let targets = self.read_targets(&what, name).await?;
            if targets.iter().any(|target| target.rds_resource_id() == Some(id.as_str())) {
                found.push(name.to_owned());
            }
        }
        Ok(found)
    }

    pub(crate) async fn create_proxy(
        &self,
        what: &str,
        (cluster, proxy): (&ClusterId, &ProxySpec),
        stamp: &Stamp,
    ) -> Result<(), Failure> {
        self.our_cluster(what, cluster, stamp).await?;
        let (subnets, groups) = self.neighbourhood(what, cluster, proxy).await?;
        let iam = match proxy.iam_auth {
            Some(true) => IamAuthMode::Required,
            Some(false) | None => IamAuthMode::Disabled,
        };
        let auth = proxy.secrets.iter().map(|secret| {
            let auth = UserAuthConfig::builder().auth_scheme(AuthScheme::Secrets);
            auth.secret_arn(secret).iam_auth(iam.clone()).build()
        });
        let idle = i32::try_from(proxy.idle_client_timeout.as_secs()).unwrap_or(i32::MAX);
        let order = self
            .rds
            .create_db_proxy()
            .db_proxy_name(&proxy.name)
            .engine_family(EngineFamily::Postgresql)
            .set_auth(Some(auth.collect()))
            .role_arn(&proxy.role)
            .set_vpc_subnet_ids(Some(subnets))
            .set_vpc_security_group_ids(Some(groups))
            .require_tls(proxy.requires_tls())
            .idle_client_timeout(idle)
            .set_tags(Some(stamped(stamp)));
        let Err(error) = order.send().await else { return Ok(()) };
        let refusal = fault::failure(what, &error);
        if !may_exist(refusal.kind) {
            return Err(refusal);
        }
        let found = self.read_proxy(&proxy.name).await?;
        let found = found.map(|proxy| Existing { tags: proxy.tags, state: proxy.state });
        settle(refusal, &format!("proxy {}", proxy.name), found, stamp)
    }

    /// The subnets and groups that a proxy gets: its own, or those of its cluster.
    async fn neighbourhood(
        &self,
        what: &str,
        cluster: &ClusterId,
        proxy: &ProxySpec,
    ) -> Result<(Vec<String>, Vec<String>), Failure> {
        let mut subnets = proxy.subnets.clone();
        let mut groups = group_ids(&proxy.security_groups);
        if !subnets.is_empty() && !groups.is_empty() {
            return Ok((subnets, groups));
        }
        let told = |error| fault::failure(what, &error);
        let answer = self.rds.describe_db_clusters().db_cluster_identifier(cluster.as_str());
        let answer = answer.send().await.map_err(told)?;
        let Some(found) = answer.db_clusters().first() else {
            return Err(missing(what, &format!("cluster {cluster}")));
        };
        if groups.is_empty() {
            let worn = found.vpc_security_groups().iter();
            groups =
                worn.filter_map(|one| one.vpc_security_group_id().map(str::to_owned)).collect();
        }
        if subnets.is_empty() {
            let name = found.db_subnet_group().unwrap_or_default();
            let call = self.rds.describe_db_subnet_groups().db_subnet_group_name(name);
            let answer = call.send().await.map_err(|error| fault::failure(what, &error))?;
            let all = answer.db_subnet_groups().iter().flat_map(|group| group.subnets());
            subnets = all.filter_map(|one| one.subnet_identifier().map(str::to_owned)).collect();
        }
        Ok((subnets, groups))
    }

    pub(crate) async fn set_proxy_pool(
        &self,
        what: &str,
        (name, wanted): (&str, &ProxyPool),
        stamp: &Stamp,
    ) -> Result<(), Failure> {
        self.our_proxy(what, name, stamp).await?;
        let borrow = i32::try_from(wanted.borrow_timeout.as_secs()).unwrap_or(i32::MAX);
        let config = ConnectionPoolConfiguration::builder()
            .max_connections_percent(i32::from(wanted.max_connections_percent))
            .max_idle_connections_percent(i32::from(wanted.max_idle_connections_percent))
            .connection_borrow_timeout(borrow)
            .set_session_pinning_filters(Some(wanted.session_pinning_filters.clone()))
            .build();
        let order = self.rds.modify_db_proxy_target_group().db_proxy_name(name);
        let order = order.target_group_name(TARGET_GROUP).connection_pool_config(config);
        order.send().await.map(drop).map_err(|error| fault::failure(what, &error))
    }

    pub(crate) async fn register_target(
        &self,
        what: &str,
        (name, cluster): (&str, &ClusterId),
        stamp: &Stamp,
    ) -> Result<(), Failure> {
        self.our_cluster(what, cluster, stamp).await?;
        let found = self.our_proxy(what, name, stamp).await?;
        if found.targets.iter().any(|target| target.is_cluster(cluster)) {
            return Ok(());
        }
        let order = self.rds.register_db_proxy_targets().db_proxy_name(name);
        let order = order.target_group_name(TARGET_GROUP).db_cluster_identifiers(cluster.as_str());
        let Err(error) = order.send().await else { return Ok(()) };
        let refusal = fault::failure(what, &error);
        if refusal.detail.contains(REGISTERED) { Ok(()) } else { Err(refusal) }
    }

    async fn our_proxy(&self, what: &str, name: &str, stamp: &Stamp) -> Result<Proxy, Failure> {
        let object = format!("proxy {name}");
        let found = self.read_proxy(name).await?.ok_or_else(|| missing(what, &object))?;
        require_ours(what, &object, &found.tags, stamp)?;
        Ok(found)
    }
}

fn pool(found: &ConnectionPoolConfigurationInfo) -> ProxyPool {
    let percent = |value: Option<i32>| value.and_then(|value| u8::try_from(value).ok());
    let borrow = found.connection_borrow_timeout().and_then(|value| u64::try_from(value).ok());
    ProxyPool {
        borrow_timeout: Duration::from_secs(borrow.unwrap_or_default()),
        max_connections_percent: percent(found.max_connections_percent()).unwrap_or_default(),
        max_idle_connections_percent: percent(found.max_idle_connections_percent())
            .unwrap_or_default(),
        session_pinning_filters: found.session_pinning_filters().to_vec(),
    }
}

fn target(found: &DbProxyTarget) -> ProxyTarget {
    let health = found.target_health();
    let reason = health.and_then(|health| {
        let code = health.reason().map(|reason| reason.as_str());
        let parts: Vec<_> = [code, health.description()].into_iter().flatten().collect();
        (!parts.is_empty()).then(|| parts.join(": "))
    });
    ProxyTarget {
        id: found.rds_resource_id().unwrap_or_default().to_owned(),
        kind: found.r#type().map(|kind| kind.as_str().to_owned()).unwrap_or_default(),
        health: health.and_then(|health| health.state()).map(|state| state.as_str().to_owned()),
        reason,
    }
}
