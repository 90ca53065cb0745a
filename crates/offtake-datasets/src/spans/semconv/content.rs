//! What a model, tool or chain was given, and what it answered.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::{Span, span::Event};

use super::table::{EVENT_CONTENT, EVENT_MESSAGES, NUMBERED, Slot};
use super::text;
use crate::spans::otlp::render::{Json, value_text};

/// The text of `input` or `output`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Content {
    /// The text.
    pub(crate) text: String,
    /// The attribute that is this text, byte for byte, and so need not be kept a second time.
    pub(crate) moved: Option<usize>,
}

/// Looks for content: in the attribute that says it best, in numbered attributes, in events.
pub(crate) fn find(span: &Span, slot: Slot, attribute: Option<usize>) -> Option<Content> {
    if let Some(at) = attribute {
        let value = span.attributes.get(at)?.value.as_ref()?;
        return match value.value.as_ref().and_then(text) {
            Some(text) => Some(Content { text: text.to_owned(), moved: Some(at) }),
            // Structured content is rendered; the attribute stays, for it says more than its text.
            None => value_text(value).map(copied),
        };
    }
    numbered(&span.attributes, slot)
        .or_else(|| of_event(&span.events, slot))
        .or_else(|| messages(&span.events, slot))
        .map(copied)
}

fn copied(text: String) -> Content {
    Content { text, moved: None }
}

fn numbered(attributes: &[KeyValue], slot: Slot) -> Option<String> {
    NUMBERED.iter().filter(|(of, ..)| *of == slot).find_map(|(_, before, after)| {
        let mut messages: BTreeMap<u32, Vec<(&str, &AnyValue)>> = BTreeMap::new();
        for attribute in attributes {
            if let Some((number, name)) =
                attribute.key.strip_prefix(before).and_then(|rest| number_and_name(rest, after))
                && let Some(value) = &attribute.value
            {
                messages.entry(number).or_default().push((name, value));
            }
        }
        (!messages.is_empty()).then(|| array(messages.into_values()))?
    })
}

/// `0.message.role` → 0 and `role`. One spelling per number: `00` would be a second name for the same message.
fn number_and_name<'a>(rest: &'a str, after: &str) -> Option<(u32, &'a str)> {
    let (digits, name) = rest.split_once('.')?;
    let number: u32 = digits.parse().ok().filter(|number: &u32| number.to_string() == digits)?;
    Some((number, name.strip_prefix(after)?))
}

fn of_event(events: &[Event], slot: Slot) -> Option<String> {
    EVENT_CONTENT.iter().filter(|(of, ..)| *of == slot).find_map(|(_, name, key)| {
        let attributes = events.iter().filter(|event| event.name == *name).flat_map(|event| &event.attributes);
        let attribute = attributes.into_iter().find(|attribute| attribute.key == *key)?;
        let value = attribute.value.as_ref()?;
        text(value.value.as_ref()?).map(str::to_owned).or_else(|| value_text(value))
    })
}

fn messages(events: &[Event], slot: Slot) -> Option<String> {
    let role = |event: &Event| {
        let found = EVENT_MESSAGES.iter().find(|(of, name, _)| *of == slot && event.name == *name);
        found.map(|(_, _, role)| AnyValue { value: Some(Value::StringValue((*role).to_owned())) })
    };
    let roles: Vec<(AnyValue, &Event)> = events.iter().filter_map(|event| Some((role(event)?, event))).collect();
    if roles.is_empty() {
        return None;
    }
    array(roles.iter().map(|(role, event)| {
        let own =
            event.attributes.iter().filter_map(|attribute| Some((attribute.key.as_str(), attribute.value.as_ref()?)));
        let says_role = event.attributes.iter().any(|attribute| attribute.key == "role");
        (!says_role).then_some(("role", role)).into_iter().chain(own).collect()
    }))
}

/// A JSON array of objects; `None` if a value is nested too deep.
fn array<'a>(messages: impl Iterator<Item = Vec<(&'a str, &'a AnyValue)>>) -> Option<String> {
    let mut json = Json::default();
    json.raw("[");
    for message in messages {
        json.separate();
        json.raw("{");
        for (name, value) in message {
            json.member(name);
            json.raw(&value_text(value)?);
        }
        json.raw("}");
    }
    json.raw("]");
    Some(json.into_text())
}
