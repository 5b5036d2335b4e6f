//! Events of an instance or a cluster, as RDS tells them.
//!
//! They are evidence, not state: RDS keeps 14 days, and an event may come later than the change it
//! tells of. RDS takes an open end as one hour after the start, so the end is always given: the
//! moment of the question, by the clock that signs the request.

use aws_sdk_rds::primitives::DateTime;
use aws_sdk_rds::types::{Event, SourceType};
use jiff::Timestamp;
use landfall_core::Failure;
use landfall_core::port::cloud::{CloudEvent, Subject};

use crate::time::{from_aws, to_aws};
use crate::{AwsCloud, fault};

impl AwsCloud {
    pub(crate) async fn read_events(
        &self,
        subject: &Subject,
        since: Timestamp,
    ) -> Result<Vec<CloudEvent>, Failure> {
        let (source_type, id) = match subject {
            Subject::Instance(id) => (SourceType::DbInstance, id.as_str()),
            Subject::Cluster(id) => (SourceType::DbCluster, id.as_str()),
        };
        let call = self.rds.describe_events().source_type(source_type).source_identifier(id);
        let call = call.start_time(to_aws(since)).set_end_time(self.now());
        let all: Result<Vec<_>, _> = call.into_paginator().items().send().collect().await;
        let all =
            all.map_err(|error| fault::failure(format!("read the events of {id}"), &error))?;
        Ok(ordered(all, since))
    }

    fn now(&self) -> Option<DateTime> {
        self.rds.config().time_source().map(|clock| DateTime::from(clock.now()))
    }
}

fn ordered(events: Vec<Event>, since: Timestamp) -> Vec<CloudEvent> {
    let mut ordered: Vec<_> = events
        .into_iter()
        .filter_map(|event| {
            let at = event.date().and_then(from_aws)?;
            Some(CloudEvent { at, message: event.message? })
        })
        .filter(|event| event.at >= since)
        .collect();
    // Stable: two events of one second stay in AWS's order.
    ordered.sort_by_key(|event| event.at);
    ordered
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn oldest_first_and_nothing_from_before() {
        let event = |second: i64, message: &str| {
            Event::builder().date(DateTime::from_secs(second)).message(message).build()
        };
        let events = vec![event(30, "c"), event(9, "before"), event(10, "a"), event(10, "b")];
        let seen = ordered(events, Timestamp::from_second(10).unwrap());
        let messages: Vec<_> = seen.iter().map(|event| event.message.as_str()).collect();
        assert_eq!(messages, ["a", "b", "c"]);
    }
}
