//! What is said on a socket: JSON objects with a `type`.

use axum::extract::ws::Utf8Bytes;
use jiff::Timestamp;
use offtake_model::event::{EventType, Stream};
use offtake_model::{Error, ErrorKind, Result, Violation};
use serde::Serialize;
use serde_json::{Map, Value as Json, json};

use super::filter::Filter;
use super::hub::Numbers;
use super::queue::Missed;

/// What a client asks for.
#[derive(Debug, PartialEq)]
pub(super) enum Asked {
    Subscribe { events: Vec<EventType>, filter: Filter, after: After },
    Unsubscribe { events: Vec<EventType> },
    Ping,
}

/// Up to which numbers a client knows everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct After {
    pub(super) traces: Option<u64>,
    pub(super) organization: Option<u64>,
}

impl After {
    /// From where on a client is to be told, where these are the newest numbers: a number that nobody has given yet is none
    /// to go on from.
    pub(super) fn within(self, newest: Numbers) -> Numbers {
        Numbers {
            traces: self.traces.map_or(newest.traces, |number| number.min(newest.traces)),
            organization: self.organization.map_or(newest.organization, |number| number.min(newest.organization)),
        }
    }
}

/// Reads a message.
///
/// # Errors
/// `malformed` if it is no JSON object with a type; `invalid_request`, with everything that is wrong.
pub(super) fn read(text: &str) -> Result<Asked> {
    let malformed = |detail: &str| Error::new(ErrorKind::Malformed, detail);
    let said: Json = serde_json::from_str(text).map_err(|_| malformed("a message is a JSON object"))?;
    let Json::Object(mut said) = said else { return Err(malformed("a message is a JSON object")) };
    let named = said.shift_remove("type");
    let Some(Json::String(named)) = named else { return Err(malformed("a message has a \"type\"")) };
    match named.as_str() {
        "ping" => Ok(Asked::Ping),
        "subscribe" => subscribe(said),
        "unsubscribe" => {
            let mut wrong = Vec::new();
            let events = events(said.shift_remove("events"), &mut wrong);
            unknown(&said, &mut wrong);
            if wrong.is_empty() { Ok(Asked::Unsubscribe { events }) } else { Err(Error::invalid(wrong)) }
        }
        _ => Err(Error::invalid_at("/type", "is subscribe, unsubscribe or ping")),
    }
}

fn subscribe(mut said: Map<String, Json>) -> Result<Asked> {
    let mut wrong = Vec::new();
    let events = events(said.shift_remove("events"), &mut wrong);
    let filter = Filter::parse(said.shift_remove("filters").as_ref()).unwrap_or_else(|error| {
        wrong.extend(error.violations().iter().cloned());
        Filter::default()
    });
    let after = after(said.shift_remove("after"), &mut wrong);
    unknown(&said, &mut wrong);
    if wrong.is_empty() { Ok(Asked::Subscribe { events, filter, after }) } else { Err(Error::invalid(wrong)) }
}

fn events(said: Option<Json>, wrong: &mut Vec<Violation>) -> Vec<EventType> {
    let mut events = Vec::new();
    match said {
        Some(Json::Array(list)) if !list.is_empty() => {
            for (place, name) in list.iter().enumerate() {
                match name.as_str().and_then(EventType::parse) {
                    Some(kind) if events.contains(&kind) => {}
                    Some(kind) => events.push(kind),
                    None => {
                        let known = EventType::ALL.map(EventType::name).join(", ");
                        let detail = format!("{name} is no type of event; there are: {known}");
                        wrong.push(Violation::at(format!("/events/{place}"), detail));
                    }
                }
            }
        }
        _ => wrong.push(Violation::at("/events", "events is a list of types of events")),
    }
    events
}

fn after(said: Option<Json>, wrong: &mut Vec<Violation>) -> After {
    let mut after = After::default();
    match said {
        None | Some(Json::Null) => {}
        Some(Json::Object(said)) => {
            for (name, value) in said {
                let pointer = format!("/after/{}", name.replace('~', "~0").replace('/', "~1"));
                let place = match name.as_str() {
                    "traces" => &mut after.traces,
                    "organization" => &mut after.organization,
                    _ => {
                        wrong.push(Violation::at(pointer, "is no stream; there are: traces, organization"));
                        continue;
                    }
                };
                *place = value.as_u64();
                if place.is_none() {
                    wrong.push(Violation::at(pointer, "is the number of an event"));
                }
            }
        }
        Some(_) => wrong.push(Violation::at("/after", "is an object with the numbers of streams")),
    }
    after
}

fn unknown(rest: &Map<String, Json>, wrong: &mut Vec<Violation>) {
    let pointer = |name: &str| format!("/{}", name.replace('~', "~0").replace('/', "~1"));
    wrong.extend(rest.keys().map(|name| Violation::at(pointer(name), format!("{name} is not known here"))));
}

fn text(value: &impl Serialize) -> Utf8Bytes {
    // What is said here has no keys that are not text.
    serde_json::to_string(value).unwrap_or_default().into()
}

fn names(events: &[EventType]) -> Vec<&'static str> {
    events.iter().map(|kind| kind.name()).collect()
}

/// With the numbers behind which everything is told: whoever loses the connection before the first event names these.
pub(super) fn subscribed(events: &[EventType], subscription: &str, at: Numbers) -> Utf8Bytes {
    let mut after = Map::new();
    for (stream, name, number) in
        [(Stream::Traces, "traces", at.traces), (Stream::Organization, "organization", at.organization)]
    {
        if events.iter().any(|kind| kind.stream() == stream) {
            after.insert(name.to_owned(), json!(number));
        }
    }
    text(&json!({"type": "subscribed", "events": names(events), "subscription_id": subscription, "after": after}))
}

pub(super) fn unsubscribed(events: &[EventType]) -> Utf8Bytes {
    text(&json!({"type": "unsubscribed", "events": names(events)}))
}

pub(super) fn pong() -> Utf8Bytes {
    Utf8Bytes::from_static("{\"type\":\"pong\"}")
}

/// What is told of an error: what may be, and never why something broke inside.
pub(super) fn error(error: &Error) -> Utf8Bytes {
    let detail = if error.is_open() { error.detail() } else { "something went wrong on our side; try again" };
    text(&json!({"type": "error", "code": error.kind().code(), "detail": detail, "errors": error.violations()}))
}

/// The numbers behind which everything is to be told again: those before the first that was missed.
pub(super) fn lagged(missed: Missed) -> Utf8Bytes {
    let mut after = Map::new();
    for (name, first) in [("traces", missed.traces), ("organization", missed.organization)] {
        after.extend(first.map(|first| (name.to_owned(), json!(first.saturating_sub(1)))));
    }
    text(&json!({"type": "lagged", "missed": missed.events, "after": after}))
}

#[derive(Serialize)]
struct EventMessage<'a, D> {
    r#type: &'static str,
    event_type: &'static str,
    data: &'a D,
    timestamp: Timestamp,
    seq: u64,
}

pub(super) fn event(kind: EventType, data: &impl Serialize, timestamp: Timestamp, seq: u64) -> Utf8Bytes {
    text(&EventMessage { r#type: "event", event_type: kind.name(), data, timestamp, seq })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_read_and_everything_wrong_is_named() {
        assert_eq!(read(r#"{"type":"ping"}"#).unwrap(), Asked::Ping);
        let asked = read(r#"{"type":"subscribe","events":["trace_created","trace_created"],"after":{"traces":7}}"#);
        let after = After { traces: Some(7), organization: None };
        let events = vec![EventType::TraceCreated];
        assert_eq!(asked.unwrap(), Asked::Subscribe { events, filter: Filter::default(), after });
        for text in ["", "7", "[]", "{}", r#"{"type":7}"#, "{\"type\":\"ping\"", "\u{1F980}"] {
            assert_eq!(read(text).unwrap_err().kind(), ErrorKind::Malformed, "{text}");
        }
        let wrong = |text: &str| {
            let error = read(text).unwrap_err();
            error.violations().iter().map(|one| one.pointer.clone()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(wrong(r#"{"type":"shout"}"#), "/type");
        assert_eq!(wrong(r#"{"type":"subscribe"}"#), "/events");
        assert_eq!(wrong(r#"{"type":"unsubscribe","events":[],"x/y":1}"#), "/events /x~1y");
        let all = r#"{"type":"subscribe","events":["a",7,"trace_created"],"filters":{"b":1},"after":{"c":1,"traces":-1},"d":0}"#;
        assert_eq!(wrong(all), "/events/0 /events/1 /filters/b /after/c /after/traces /d");
    }
}
