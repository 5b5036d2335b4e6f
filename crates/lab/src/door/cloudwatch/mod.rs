//! CloudWatch: reading the stored metric points, and alarms that are kept and never ring.
//!
//! Only the namespace `AWS/RDS` has any. A metric without points is not an error, as on AWS.
//! Labs that sample faster than once a minute answer every sample, whatever period is asked for
//! (DIFFERENCES.md).

mod alarms;
pub(crate) mod wire;

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value as Json;

use crate::cloud::Cloud;
use crate::cloud::metrics::{Statistic, Subject, Window};
use crate::cloud::names::Identifier;
use crate::cloud::refusal::{Code, Refusal};
use wire::Reply;

/// The name of the service in paths and targets.
pub(super) const SERVICE: &str = "GraniteServiceVersion20100801";

const NAMESPACE: &str = "AWS/RDS";
const DATAPOINTS_MAX: usize = 100_800;

type Answer = Result<Reply, Refusal>;

/// Performs an operation.
pub(super) fn perform(cloud: &Cloud, operation: &str, input: &Json) -> Answer {
    match operation {
        "DeleteAlarms" => alarms::delete(cloud, input),
        "DescribeAlarms" => alarms::describe(cloud, input),
        "GetMetricData" => metric_data(cloud, input),
        "GetMetricStatistics" => metric_statistics(cloud, input),
        "ListMetrics" => list_metrics(cloud, input),
        "PutMetricAlarm" => alarms::put(cloud, input),
        _ => Err(Refusal::new(
            Code::InvalidAction,
            format!("Could not find operation {operation} for version 2010-08-01"),
        )),
    }
}

fn metric_data(cloud: &Cloud, input: &Json) -> Answer {
    let (start, end) = (time(input, "StartTime")?, time(input, "EndTime")?);
    let ascending = text(input, "ScanBy") == Some("TimestampAscending");
    let limit = usize::try_from(input["MaxDatapoints"].as_u64().unwrap_or(u64::MAX))
        .unwrap_or(DATAPOINTS_MAX)
        .min(DATAPOINTS_MAX);
    let queries =
        input["MetricDataQueries"].as_array().ok_or_else(|| missing("MetricDataQueries"))?;
    let mut results = Vec::new();
    for query in queries {
        let id = text(query, "Id").ok_or_else(|| missing("MetricDataQueries.Id"))?;
        if query["Expression"].is_string() {
            return Err(Refusal::value(format!("{id}: the lab computes no metric math.")));
        }
        let stat = &query["MetricStat"];
        let name = text(&stat["Metric"], "MetricName").ok_or_else(|| missing("MetricName"))?;
        let statistic = text(stat, "Stat").ok_or_else(|| missing("Stat"))?;
        let statistic = Statistic::parse(statistic)
            .ok_or_else(|| Refusal::value(format!("{statistic} is not a valid Stat.")))?;
        let window = Window { start, end, period: period(stat)? };
        let mut points = match subject(&stat["Metric"]) {
            Some(subject) => cloud.metrics().read(&subject, name, &window, &[statistic]),
            None => Vec::new(),
        };
        if !ascending {
            points.reverse();
        }
        points.truncate(limit);
        let times = points.iter().map(|(at, _)| Reply::Time(*at)).collect();
        let values = points.iter().flat_map(|(_, values)| values).map(|it| Reply::Number(*it));
        results.push(Reply::Map(vec![
            ("Id", Reply::text(id)),
            ("Label", Reply::text(text(query, "Label").unwrap_or(name))),
            ("Timestamps", Reply::List(times)),
            ("Values", Reply::List(values.collect())),
            ("StatusCode", Reply::text("Complete")),
        ]));
    }
    Ok(Reply::Map(vec![
        ("MetricDataResults", Reply::List(results)),
        ("Messages", Reply::List(Vec::new())),
    ]))
}

fn metric_statistics(cloud: &Cloud, input: &Json) -> Answer {
    let name = text(input, "MetricName").ok_or_else(|| missing("MetricName"))?;
    let window = Window {
        start: time(input, "StartTime")?,
        end: time(input, "EndTime")?,
        period: period(input)?,
    };
    let asked: Vec<&'static str> = ["Average", "Minimum", "Maximum", "Sum", "SampleCount"]
        .into_iter()
        .filter(|name| {
            input["Statistics"].as_array().is_some_and(|asked| asked.iter().any(|it| it == name))
        })
        .collect();
    if asked.is_empty() {
        return Err(missing("Statistics"));
    }
    let statistics: Vec<Statistic> = asked.iter().filter_map(|it| Statistic::parse(it)).collect();
    let (points, unit) = match subject(input) {
        Some(subject) => (
            cloud.metrics().read(&subject, name, &window, &statistics),
            cloud.metrics().unit(&subject, name).unwrap_or("None"),
        ),
        None => (Vec::new(), "None"),
    };
    let points = points.into_iter().map(|(at, values)| {
        let mut members = vec![("Timestamp", Reply::Time(at)), ("Unit", Reply::text(unit))];
        members.extend(asked.iter().copied().zip(values.into_iter().map(Reply::Number)));
        Reply::Map(members)
    });
    Ok(Reply::Map(vec![
        ("Label", Reply::text(name)),
        ("Datapoints", Reply::List(points.collect())),
    ]))
}

fn list_metrics(cloud: &Cloud, input: &Json) -> Answer {
    let namespace = text(input, "Namespace");
    let name = text(input, "MetricName");
    let filters = input["Dimensions"].as_array().cloned().unwrap_or_default();
    let fits = |subject: &Subject| {
        let (dimension, value) = subject.dimension();
        filters.iter().all(|filter| match text(filter, "Name") {
            Some("Role") => {
                matches!(subject, Subject::Cluster(_))
                    && text(filter, "Value").is_none_or(|wanted| wanted == "WRITER")
            }
            name => {
                name == Some(dimension)
                    && text(filter, "Value").is_none_or(|wanted| wanted == value)
            }
        })
    };
    let metrics = cloud
        .metrics()
        .names()
        .into_iter()
        .filter(|_| namespace.is_none_or(|namespace| namespace == NAMESPACE))
        .filter(|(subject, metric)| name.is_none_or(|name| name == *metric) && fits(subject))
        .map(|(subject, metric)| {
            let (dimension, value) = subject.dimension();
            let dimension =
                Reply::Map(vec![("Name", Reply::text(dimension)), ("Value", Reply::text(value))]);
            Reply::Map(vec![
                ("Namespace", Reply::text(NAMESPACE)),
                ("MetricName", Reply::text(metric)),
                ("Dimensions", Reply::List(vec![dimension])),
            ])
        });
    Ok(Reply::Map(vec![("Metrics", Reply::List(metrics.collect()))]))
}

/// What the dimensions name; none for another namespace or another set of dimensions.
fn subject(metric: &Json) -> Option<Subject> {
    if text(metric, "Namespace") != Some(NAMESPACE) {
        return None;
    }
    let dimensions = metric["Dimensions"].as_array()?;
    let value = |name: &str| {
        let found = dimensions.iter().find(|dimension| text(dimension, "Name") == Some(name));
        found.and_then(|dimension| text(dimension, "Value"))
    };
    match (value("DBInstanceIdentifier"), value("DBClusterIdentifier")) {
        (Some(id), None) => Some(Subject::Instance(Identifier::lookup(id))),
        // A cluster's metrics may also be asked for by role; the writer's are the cluster's.
        (None, Some(id)) if value("Role").is_none_or(|role| role == "WRITER") => {
            Some(Subject::Cluster(Identifier::lookup(id)))
        }
        _ => None,
    }
}

fn text<'a>(value: &'a Json, name: &str) -> Option<&'a str> {
    value.get(name)?.as_str()
}

fn missing(name: &str) -> Refusal {
    Refusal::new(Code::MissingParameter, format!("The parameter {name} is required."))
}

/// Epoch seconds, or ISO 8601, which some clients of awsJson send.
fn time(value: &Json, name: &str) -> Result<Timestamp, Refusal> {
    let invalid = || Refusal::value(format!("{name} is not a valid time."));
    match value.get(name) {
        Some(Json::String(text)) => text.parse().map_err(|_| invalid()),
        Some(Json::Number(number)) => {
            let seconds = number.as_f64().ok_or_else(invalid)?;
            let since = jiff::SignedDuration::try_from_secs_f64(seconds).map_err(|_| invalid())?;
            Timestamp::from_duration(since).map_err(|_| invalid())
        }
        Some(_) => Err(invalid()),
        None => Err(missing(name)),
    }
}

fn period(value: &Json) -> Result<Duration, Refusal> {
    let seconds = value["Period"].as_u64().ok_or_else(|| missing("Period"))?;
    let valid = matches!(seconds, 1 | 5 | 10 | 20 | 30) || (seconds > 0 && seconds % 60 == 0);
    if valid {
        Ok(Duration::from_secs(seconds))
    } else {
        Err(Refusal::value("Period must be 1, 5, 10, 20, 30 or a multiple of 60."))
    }
}
