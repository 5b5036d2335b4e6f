//! Which service, action and wire form a request is for, told as AWS's clients encode it.

use hyper::http::request::Parts;

use super::cloudwatch;
use super::cloudwatch::wire;
use super::form::Form;
use super::{rds, secrets, sts};
use crate::cloud::names::{REGION, SECOND_REGION};
use crate::cloud::refusal::{Code, Refusal};
use crate::zones::api;

/// A request, told apart and not yet performed.
#[derive(Debug)]
pub(super) enum Call {
    Rds {
        action: String,
        form: Form,
    },
    Sts {
        action: String,
        form: Form,
    },
    /// With the name of the alarm that it changes.
    CloudWatch {
        operation: String,
        wire: wire::Form,
        alarm: Option<String>,
    },
    /// With the name or ARN of the secret that it is about.
    SecretsManager {
        action: String,
        secret: String,
    },
    Route53(api::Call),
}

impl Call {
    /// The name of the service.
    pub(super) const fn service(&self) -> &'static str {
        match self {
            Self::Rds { .. } => "rds",
            Self::Sts { .. } => "sts",
            Self::CloudWatch { .. } => "monitoring",
            Self::SecretsManager { .. } => "secretsmanager",
            Self::Route53(_) => "route53",
        }
    }

    /// The name of the action.
    pub(super) fn action(&self) -> &str {
        match self {
            Self::Rds { action, .. }
            | Self::Sts { action, .. }
            | Self::SecretsManager { action, .. } => action,
            Self::CloudWatch { operation, .. } => operation,
            Self::Route53(call) => call.action(),
        }
    }

    /// The first identifier that the request names.
    pub(super) fn subject(&self) -> Option<String> {
        const NAMES: [&str; 10] = [
            "DBInstanceIdentifier",
            "DBClusterIdentifier",
            "DBParameterGroupName",
            "DBClusterParameterGroupName",
            "DBProxyName",
            "GlobalClusterIdentifier",
            "DBSnapshotIdentifier",
            "DBClusterSnapshotIdentifier",
            "ResourceName",
            "SourceIdentifier",
        ];
        match self {
            Self::Rds { form, .. } | Self::Sts { form, .. } => {
                NAMES.iter().find_map(|name| form.text(name)).map(str::to_owned)
            }
            Self::CloudWatch { alarm, .. } => alarm.clone(),
            Self::SecretsManager { secret, .. } => Some(secret.clone()),
            Self::Route53(call) => Some(call.subject().to_owned()),
        }
    }
}

/// The Region that a request is signed for: the pretended second one, or else the lab's own.
pub(super) fn region(head: &Parts) -> &'static str {
    let authorization = head.headers.get("authorization").and_then(|it| it.to_str().ok());
    let scope = authorization.and_then(|text| text.split("Credential=").nth(1));
    if scope.and_then(|scope| scope.split('/').nth(2)) == Some(SECOND_REGION) {
        SECOND_REGION
    } else {
        REGION
    }
}

fn watch(operation: &str, wire: wire::Form, body: &[u8]) -> Call {
    // A body that cannot be read is refused where it is performed.
    let input = wire::read(wire, body).unwrap_or_default();
    let first = || input.get("AlarmNames")?.get(0)?.as_str();
    let alarm = input.get("AlarmName").and_then(serde_json::Value::as_str).or_else(first);
    let alarm = alarm.filter(|_| !operation.starts_with("Describe")).map(str::to_owned);
    Call::CloudWatch { operation: operation.to_owned(), wire, alarm }
}

/// Tells a request apart.
pub(super) fn route(head: &Parts, body: &[u8]) -> Result<Call, Refusal> {
    if let Some(call) = api::Call::of(head) {
        return Ok(Call::Route53(call));
    }
    let header = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
    let prefix = format!("/service/{}/operation/", cloudwatch::SERVICE);
    if let Some(operation) = head.uri.path().strip_prefix(&prefix) {
        return Ok(watch(operation, wire::Form::Cbor, body));
    }
    if let Some((service, operation)) =
        header("x-amz-target").and_then(|target| target.split_once('.'))
    {
        if service == cloudwatch::SERVICE {
            return Ok(watch(operation, wire::Form::Json, body));
        }
        if service == secrets::SERVICE {
            let secret = secrets::named(body)?;
            return Ok(Call::SecretsManager { action: operation.to_owned(), secret });
        }
        return Err(Refusal::new(Code::InvalidAction, format!("The lab has no {service}.")));
    }
    let form = Form::parse(&String::from_utf8_lossy(body));
    let action = form.required("Action")?.to_owned();
    match form.text("Version") {
        Some(rds::VERSION) => Ok(Call::Rds { action, form }),
        Some(sts::VERSION) => Ok(Call::Sts { action, form }),
        version => Err(Refusal::new(
            Code::InvalidAction,
            format!(
                "Could not find operation {action} for version {}",
                version.unwrap_or("NO_VERSION_SPECIFIED")
            ),
        )),
    }
}
