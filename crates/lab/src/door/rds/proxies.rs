//! The actions on RDS Proxies and, since a proxy is put into them, on subnet groups.

use super::super::form::Form;
use super::super::xml::Fields;
use super::{Answer, page, shapes, tags};
use crate::cloud::Cloud;
use crate::cloud::names::{Identifier, Resource};
use crate::cloud::proxies::{Behind, Login, Pool, Proxy, ProxyRequest, Target, Tls};
use crate::cloud::refusal::Refusal;

/// Nobody listens there.
const ADDRESS: &str = "127.0.0.1";

pub(super) fn create(cloud: &Cloud, form: &Form) -> Answer {
    let logins = form.list("Auth", "member").into_iter().map(|auth| Login {
        secret: auth.text("SecretArn").unwrap_or_default().to_owned(),
        iam: auth.text("IAMAuth").unwrap_or("DISABLED").to_owned(),
    });
    let name = cloud.create_proxy(ProxyRequest {
        name: form.required("DBProxyName")?.to_owned(),
        family: form.required("EngineFamily")?.to_owned(),
        logins: logins.collect(),
        role: form.required("RoleArn")?.to_owned(),
        subnets: form.texts("VpcSubnetIds", "member"),
        security_groups: form.texts("VpcSecurityGroupIds", "member"),
        tls: if form.flag("RequireTLS")? == Some(true) { Tls::Required } else { Tls::Optional },
        idle_s: form.number("IdleClientTimeout")?.unwrap_or(1_800),
        tags: tags(form),
    })?;
    cloud.read(|world| Ok(Fields::new().structure("DBProxy", proxy(world.proxy(&name)?))))
}

pub(super) fn delete(cloud: &Cloud, form: &Form) -> Answer {
    let gone = cloud.delete_proxy(&named(form)?)?;
    Ok(Fields::new().structure("DBProxy", proxy(&gone)))
}

pub(super) fn describe(cloud: &Cloud, form: &Form) -> Answer {
    let wanted = form.text("DBProxyName").map(Identifier::lookup);
    cloud.read(|world| {
        if let Some(wanted) = &wanted {
            world.proxy(wanted)?;
        }
        let fits = |one: &&Proxy| wanted.as_ref().is_none_or(|wanted| *wanted == one.name);
        let all = world.proxies.values().filter(fits).map(|one| (one.name.to_string(), one));
        let (proxies, marker) = page(form, all.collect())?;
        let proxies = proxies.into_iter().map(proxy);
        Ok(Fields::new().maybe("Marker", marker).list("DBProxies", "member", proxies))
    })
}

pub(super) fn describe_groups(cloud: &Cloud, form: &Form) -> Answer {
    cloud.read(|world| {
        let group = group(world.proxy(&named(form)?)?);
        Ok(Fields::new().list("TargetGroups", "member", [group]))
    })
}

pub(super) fn modify_group(cloud: &Cloud, form: &Form) -> Answer {
    let name = named(form)?;
    form.required("TargetGroupName")?;
    let before = cloud.read(|world| world.proxy(&name).map(|proxy| proxy.pool.clone()))?;
    let config = form.sub("ConnectionPoolConfig");
    let pool = Pool {
        most_percent: config.number("MaxConnectionsPercent")?.unwrap_or(before.most_percent),
        idle_percent: config.number("MaxIdleConnectionsPercent")?.unwrap_or(before.idle_percent),
        borrow_s: config.number("ConnectionBorrowTimeout")?.unwrap_or(before.borrow_s),
        filters: config.texts("SessionPinningFilters", "member"),
    };
    cloud.set_proxy_pool(&name, pool)?;
    cloud
        .read(|world| Ok(Fields::new().structure("DBProxyTargetGroup", group(world.proxy(&name)?))))
}

pub(super) fn register(cloud: &Cloud, form: &Form) -> Answer {
    let name = named(form)?;
    let clusters = form.texts("DBClusterIdentifiers", "member");
    let instances = form.texts("DBInstanceIdentifiers", "member");
    let behind = match (clusters.as_slice(), instances.as_slice()) {
        ([cluster], []) => Behind::Cluster(Identifier::lookup_or_arn(cluster, Resource::Cluster)),
        ([], [one]) => Behind::Instance(Identifier::lookup_or_arn(one, Resource::Instance)),
        _ => return Err(Refusal::combination("A proxy has one cluster or one instance.")),
    };
    cloud.register_target(&name, behind)?;
    cloud.read(|world| {
        let targets = world.targets_of(world.proxy(&name)?);
        Ok(Fields::new().list("DBProxyTargets", "member", targets.iter().map(target)))
    })
}

pub(super) fn describe_targets(cloud: &Cloud, form: &Form) -> Answer {
    cloud.read(|world| {
        let targets = world.targets_of(world.proxy(&named(form)?)?);
        Ok(Fields::new().list("Targets", "member", targets.iter().map(target)))
    })
}

pub(super) fn subnet_groups(cloud: &Cloud, form: &Form) -> Answer {
    cloud.read(|world| {
        let name = world.subnet_group(form.text("DBSubnetGroupName"))?;
        let group = shapes::subnet_group(&name);
        Ok(Fields::new().list("DBSubnetGroups", "DBSubnetGroup", [group]))
    })
}

fn named(form: &Form) -> Result<Identifier, Refusal> {
    Ok(Identifier::lookup(form.required("DBProxyName")?))
}

fn proxy(proxy: &Proxy) -> Fields {
    let logins = proxy.logins.iter().map(|login| {
        Fields::new()
            .text("AuthScheme", "SECRETS")
            .text("SecretArn", &login.secret)
            .text("IAMAuth", &login.iam)
    });
    Fields::new()
        .text("DBProxyName", &proxy.name)
        .text("DBProxyArn", proxy.arn())
        .text("Status", proxy.status())
        .text("EngineFamily", "POSTGRESQL")
        .texts("VpcSecurityGroupIds", "member", &proxy.security_groups)
        .texts("VpcSubnetIds", "member", &proxy.subnets)
        .list("Auth", "member", logins)
        .text("RoleArn", &proxy.role)
        .text("Endpoint", ADDRESS)
        .text("RequireTLS", proxy.tls == Tls::Required)
        .text("IdleClientTimeout", proxy.idle_s)
        .text("DebugLogging", false)
        .time("CreatedDate", proxy.created)
}

fn group(proxy: &Proxy) -> Fields {
    let pool = Fields::new()
        .text("MaxConnectionsPercent", proxy.pool.most_percent)
        .text("MaxIdleConnectionsPercent", proxy.pool.idle_percent)
        .text("ConnectionBorrowTimeout", proxy.pool.borrow_s)
        .texts("SessionPinningFilters", "member", &proxy.pool.filters);
    Fields::new()
        .text("DBProxyName", &proxy.name)
        .text("TargetGroupName", "default")
        .text("IsDefault", true)
        .text("Status", proxy.status())
        .structure("ConnectionPoolConfig", pool)
}

fn target(target: &Target) -> Fields {
    let fields = Fields::new()
        .text("RdsResourceId", &target.id)
        .text("Type", target.kind)
        .maybe("Port", target.port);
    match target.health {
        Some((state, reason)) => {
            let health = Fields::new().text("State", state).maybe("Reason", reason);
            fields.text("Endpoint", ADDRESS).structure("TargetHealth", health)
        }
        None => fields,
    }
}
