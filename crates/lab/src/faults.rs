//! Faults on demand: armed by name, limited by a count or a time, taken by whoever they concern.
//!
//! This module only keeps the book. The door asks it before answering, the workflows of the
//! cloud ask it while they wait, the sampler before it stores a point. Nothing survives a restart.

use std::fmt;
use std::str::FromStr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// What can go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// The call is refused with `Throttling`.
    Throttle,
    /// The call is refused with `AccessDenied`, as by a policy that does not name its action.
    Denied,
    /// The call is refused with 500, or 503 when the argument says so.
    ServerError,
    /// The call takes effect and the connection is cut instead of answered.
    LostAnswer,
    /// The call is answered late: the argument is milliseconds, 2000 by default.
    Slow,
    /// A promotion does not go on.
    StuckPromote,
    /// A new instance does not become available.
    StuckCreate,
    /// A reboot takes longer: the argument is milliseconds, 5000 by default.
    SlowReboot,
    /// No metric is stored.
    MetricGap,
    /// The stream to Aurora replicas stands still.
    ReplicaStall,
    /// `FreeStorageSpace` is low: the argument is bytes, 512 MiB by default.
    DiskPressure,
    /// The gateway's Envoy is killed.
    GatewayDead,
}

impl Fault {
    /// Every fault, in the order of the documentation.
    pub const ALL: [Self; 12] = [
        Self::Throttle,
        Self::Denied,
        Self::ServerError,
        Self::LostAnswer,
        Self::Slow,
        Self::StuckPromote,
        Self::StuckCreate,
        Self::SlowReboot,
        Self::MetricGap,
        Self::ReplicaStall,
        Self::DiskPressure,
        Self::GatewayDead,
    ];

    /// The name that people type.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Throttle => "throttle",
            Self::Denied => "denied",
            Self::ServerError => "server-error",
            Self::LostAnswer => "lost-answer",
            Self::Slow => "slow",
            Self::StuckPromote => "stuck-promote",
            Self::StuckCreate => "stuck-create",
            Self::SlowReboot => "slow-reboot",
            Self::MetricGap => "metric-gap",
            Self::ReplicaStall => "replica-stall",
            Self::DiskPressure => "disk-pressure",
            Self::GatewayDead => "gateway-dead",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Fault {
    type Err = UnknownFault;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|fault| fault.name() == text)
            .ok_or_else(|| UnknownFault(text.to_owned()))
    }
}

/// Nobody knows a fault of that name.
#[derive(Debug, thiserror::Error)]
#[error("find fault {0}: known are {names}", names = Fault::ALL.map(Fault::name).join(", "))]
pub struct UnknownFault(String);

/// A fault to arm. Without a count and a time it lasts until it is cleared.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Order {
    pub fault: Fault,
    /// How many times it strikes.
    #[serde(default)]
    pub count: Option<u32>,
    /// How long it lasts.
    #[serde(default)]
    pub milliseconds: Option<u64>,
    /// Only calls of this action.
    #[serde(default)]
    pub action: Option<String>,
    /// What it means depends on the fault.
    #[serde(default)]
    pub argument: Option<u64>,
}

impl Order {
    /// An order without any limit.
    pub fn unlimited(fault: Fault) -> Self {
        Self { fault, count: None, milliseconds: None, action: None, argument: None }
    }

    /// An order for the next `count` calls.
    pub fn times(fault: Fault, count: u32) -> Self {
        Self { count: Some(count), ..Self::unlimited(fault) }
    }

    /// The same for one action alone.
    #[must_use]
    pub fn only(mut self, action: &str) -> Self {
        self.action = Some(action.to_owned());
        self
    }
}

#[derive(Debug)]
struct Armed {
    order: Order,
    until: Option<Instant>,
}

impl Armed {
    fn concerns(&self, fault: Fault, action: &str) -> bool {
        self.order.fault == fault
            && self.order.action.as_deref().is_none_or(|only| only.eq_ignore_ascii_case(action))
    }
}

/// The faults that are armed.
#[derive(Debug, Default)]
pub struct Faults(Mutex<Vec<Armed>>);

impl Faults {
    /// Arms one.
    pub fn arm(&self, order: Order) {
        let until = order.milliseconds.and_then(|milliseconds| {
            Instant::now().checked_add(Duration::from_millis(milliseconds))
        });
        self.book().push(Armed { order, until });
    }

    /// Disarms all of one kind, or all.
    pub fn clear(&self, fault: Option<Fault>) {
        self.book().retain(|armed| fault.is_some_and(|fault| armed.order.fault != fault));
    }

    /// What is armed, with the strikes that are left.
    pub fn armed(&self) -> Vec<Order> {
        self.book().iter().map(|armed| armed.order.clone()).collect()
    }

    /// Strikes once: returns the order and counts it down.
    pub fn take(&self, fault: Fault, action: &str) -> Option<Order> {
        let mut book = self.book();
        let index = book.iter().position(|armed| armed.concerns(fault, action))?;
        let armed = book.get_mut(index)?;
        let order = armed.order.clone();
        if let Some(count) = &mut armed.order.count {
            *count = count.saturating_sub(1);
            if *count == 0 {
                book.remove(index);
            }
        }
        Some(order)
    }

    /// Looks without counting: for faults that are a state.
    pub fn active(&self, fault: Fault) -> Option<Order> {
        self.book().iter().find(|armed| armed.concerns(fault, "")).map(|armed| armed.order.clone())
    }

    /// The book without what has run out.
    fn book(&self) -> MutexGuard<'_, Vec<Armed>> {
        let mut book = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        book.retain(|armed| {
            armed.order.count != Some(0) && armed.until.is_none_or(|until| until > now)
        });
        book
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counted_fault_strikes_that_often_and_only_its_action() {
        let faults = Faults::default();
        faults.arm(Order::times(Fault::Throttle, 2).only("DescribeDBInstances"));
        assert!(faults.take(Fault::Throttle, "DescribeDBClusters").is_none());
        assert!(faults.take(Fault::LostAnswer, "DescribeDBInstances").is_none());
        assert!(faults.take(Fault::Throttle, "DescribeDBInstances").is_some());
        assert!(faults.take(Fault::Throttle, "DescribeDBInstances").is_some());
        assert!(faults.take(Fault::Throttle, "DescribeDBInstances").is_none());
        assert!(faults.armed().is_empty());
    }

    #[test]
    fn a_timed_fault_runs_out_and_a_state_stays_until_cleared() {
        let faults = Faults::default();
        faults.arm(Order { milliseconds: Some(0), ..Order::unlimited(Fault::MetricGap) });
        assert!(faults.active(Fault::MetricGap).is_none());
        faults.arm(Order::unlimited(Fault::StuckPromote));
        faults.arm(Order::unlimited(Fault::Slow));
        assert!(faults.active(Fault::StuckPromote).is_some());
        faults.clear(Some(Fault::StuckPromote));
        assert!(faults.active(Fault::StuckPromote).is_none());
        assert_eq!(faults.armed().len(), 1);
        faults.clear(None);
        assert!(faults.armed().is_empty());
    }

    #[test]
    fn every_fault_is_found_by_its_name_and_others_are_told_the_list() {
        for fault in Fault::ALL {
            assert_eq!(fault.name().parse::<Fault>().unwrap(), fault);
        }
        assert!("meteor".parse::<Fault>().unwrap_err().to_string().contains("stuck-promote"));
    }
}
