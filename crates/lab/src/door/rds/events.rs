//! Events and tags.

use jiff::{Timestamp, ToSpan as _};

use super::super::form::Form;
use super::super::xml::Fields;
use super::{Answer, page, tags};
use crate::cloud::Cloud;
use crate::cloud::event::Event;
use crate::cloud::names::Identifier;
use crate::cloud::refusal::Refusal;

/// How far back events are shown when the request does not say.
const MINUTES: u32 = 60;

pub(super) fn describe(cloud: &Cloud, form: &Form) -> Answer {
    let source = form.text("SourceIdentifier").map(Identifier::lookup);
    let kind = form.text("SourceType");
    if source.is_some() && kind.is_none() {
        return Err(Refusal::combination("SourceType is required with SourceIdentifier."));
    }
    let minutes = i64::from(form.number("Duration")?.unwrap_or(MINUTES));
    let end = form.time("EndTime")?.unwrap_or_else(Timestamp::now);
    let start = match form.time("StartTime")? {
        Some(start) => start,
        None => end.checked_sub(minutes.minutes()).unwrap_or(Timestamp::UNIX_EPOCH),
    };
    let categories = form.texts("EventCategories", "EventCategory");
    cloud.read(|world| {
        let matching = world
            .events
            .iter()
            .enumerate()
            .filter(|(_, event)| (start..=end).contains(&event.at))
            .filter(|(_, event)| kind.is_none_or(|kind| kind == event.origin.word()))
            .filter(|(_, event)| source.as_ref().is_none_or(|source| *source == event.source))
            .filter(|(_, event)| {
                categories.is_empty() || categories.iter().any(|each| each == event.category)
            })
            .map(|(number, event)| (format!("{number:09}"), event))
            .collect();
        let (events, marker) = page(form, matching)?;
        Ok(Fields::new().maybe("Marker", marker).list(
            "Events",
            "Event",
            events.into_iter().map(shape),
        ))
    })
}

fn shape(event: &Event) -> Fields {
    Fields::new()
        .text("SourceIdentifier", &event.source)
        .text("SourceType", event.origin.word())
        .text("SourceArn", event.arn())
        .text("Message", &event.message)
        .texts("EventCategories", "EventCategory", [event.category])
        .time("Date", event.at)
}

pub(super) fn list_tags(cloud: &Cloud, form: &Form) -> Answer {
    let tags = cloud.tags(form.required("ResourceName")?)?;
    let tags =
        tags.into_iter().map(|(key, value)| Fields::new().text("Key", key).text("Value", value));
    Ok(Fields::new().list("TagList", "Tag", tags))
}

pub(super) fn add_tags(cloud: &Cloud, form: &Form) -> Answer {
    cloud.add_tags(form.required("ResourceName")?, tags(form))?;
    Ok(Fields::new())
}

pub(super) fn remove_tags(cloud: &Cloud, form: &Form) -> Answer {
    cloud.remove_tags(form.required("ResourceName")?, &form.texts("TagKeys", "member"))?;
    Ok(Fields::new())
}
