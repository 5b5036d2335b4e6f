//! The zone port on Route 53, where the feature `route53` links its SDK; else a refusal.

#[cfg(feature = "route53")]
mod hosted;
#[cfg(feature = "route53")]
mod set;

use std::sync::Arc;
use std::time::Duration;

use landfall_core::Failure;
#[cfg(not(feature = "route53"))]
use landfall_core::FailureKind;
use landfall_core::port::Zone;

#[cfg(feature = "route53")]
pub use hosted::HostedZone;

/// The hosted zone of an ID, in the account that the SDK's environment and profile name. `name` is
/// what the zone is called; another one is refused at the first look.
///
/// # Errors
/// When this build has no Route 53.
#[cfg(feature = "route53")]
pub async fn hosted_zone(
    id: &str,
    name: &str,
    call_timeout: Duration,
) -> Result<Arc<dyn Zone>, Failure> {
    Ok(Arc::new(HostedZone::from_env(id, name, call_timeout).await))
}

/// The hosted zone of an ID.
///
/// # Errors
/// Always: this build has no Route 53.
#[cfg(not(feature = "route53"))]
#[expect(clippy::unused_async, reason = "with the feature it reads the SDK's profile")]
pub async fn hosted_zone(id: &str, _: &str, _: Duration) -> Result<Arc<dyn Zone>, Failure> {
    let detail = "this landfall was built without the feature route53; build it with that feature, \
                  or let a program change the record (route.router = \"command\")";
    Err(Failure::new(FailureKind::Invalid, format!("use hosted zone {id}"), detail))
}
