//! The actions on alarms of one metric. Alarms made of other alarms do not exist here.

use serde_json::Value as Json;

use super::wire::Reply;
use super::{Answer, missing, text};
use crate::cloud::Cloud;

/// Alarms on a page, when nobody asks for another number.
const PAGE: usize = 50;

pub(super) fn put(cloud: &Cloud, input: &Json) -> Answer {
    cloud.put_alarm(input)?;
    Ok(Reply::Map(vec![]))
}

pub(super) fn delete(cloud: &Cloud, input: &Json) -> Answer {
    let names = names(input).ok_or_else(|| missing("AlarmNames"))?;
    cloud.delete_alarms(&names)?;
    Ok(Reply::Map(vec![]))
}

pub(super) fn describe(cloud: &Cloud, input: &Json) -> Answer {
    let asked = names(input).filter(|names| !names.is_empty());
    let prefix = text(input, "AlarmNamePrefix");
    let after = text(input, "NextToken");
    let size = input["MaxRecords"].as_u64().and_then(|size| usize::try_from(size).ok());
    let size = size.unwrap_or(PAGE);
    cloud.read(|world| {
        let fits = |name: &str| {
            asked.as_ref().is_none_or(|asked| asked.iter().any(|one| one == name))
                && prefix.is_none_or(|prefix| name.starts_with(prefix))
                && after.is_none_or(|after| name > after)
        };
        let matching: Vec<_> = world.alarms.iter().filter(|(name, _)| fits(name)).collect();
        let shown = matching
            .iter()
            .take(size)
            .map(|(_, fields)| Reply::Given(Json::Object((*fields).clone())));
        let mut answer = vec![
            ("MetricAlarms", Reply::List(shown.collect())),
            ("CompositeAlarms", Reply::List(vec![])),
        ];
        if let Some((last, _)) = matching.get(..size).and_then(<[_]>::last)
            && matching.len() > size
        {
            answer.push(("NextToken", Reply::text(last.as_str())));
        }
        Ok(Reply::Map(answer))
    })
}

fn names(input: &Json) -> Option<Vec<String>> {
    let names = input["AlarmNames"].as_array()?;
    Some(names.iter().filter_map(|name| name.as_str().map(str::to_owned)).collect())
}
