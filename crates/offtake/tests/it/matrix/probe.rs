//! Requests: every place of a call, with a thing of somebody else's, and with one that nobody ever had.

use std::collections::BTreeMap;

use offtake_testkit::{Answer, Client};
use serde_json::{Map, Value as Json, json};

use super::document::{At, BodyKind, Operation, Place};
use super::estate::{Estate, absent, spans_of};
use super::places::{Kind, Sort};

/// A request with the texts in it that name something.
#[derive(Debug)]
pub(super) struct Request {
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    pub(super) names: Vec<String>,
}

/// A request that names a thing, and its twin that names one that never was; without a twin where nothing is named.
#[derive(Debug)]
pub(super) struct Probe {
    /// Where the thing stands.
    pub(super) place: String,
    /// Which sort of thing it is; `None` if nothing is named.
    pub(super) sort: Option<Sort>,
    pub(super) request: Request,
    pub(super) twin: Option<Request>,
}

type Values<'a> = BTreeMap<(At, &'a str), Json>;

/// One probe for every place of the call and every thing of `estate` that can stand there.
pub(super) fn probes(operation: &Operation, estate: &Estate) -> Vec<Probe> {
    let needed = needed(operation, estate);
    let mut all = Vec::new();
    for (place, sort) in things(operation) {
        for thing in estate.things(sort, operation) {
            let mut named = needed.clone();
            named.insert((place.at, &place.name), thing);
            let twin = named.iter().map(|(at, thing)| (*at, absent(thing))).collect();
            all.push(Probe {
                place: format!("{:?} {}", place.at, place.name),
                sort: Some(sort.clone()),
                request: request(operation, &named),
                twin: Some(request(operation, &twin)),
            });
        }
    }
    if needed.is_empty() {
        let request = request(operation, &Values::new());
        all.push(Probe { place: "nothing".to_owned(), sort: None, request, twin: None });
    }
    all
}

/// Places in which things can stand.
pub(super) fn things(operation: &Operation) -> impl Iterator<Item = (&Place, &Sort)> {
    operation.places.iter().filter_map(|place| match &place.kind {
        Kind::Thing(sort) => Some((place, sort)),
        Kind::Free(_) => None,
    })
}

/// The things without which there is no request.
fn needed<'a>(operation: &'a Operation, estate: &Estate) -> Values<'a> {
    let needed = things(operation).filter(|(place, _)| place.at == At::Path || place.required);
    needed
        .map(|(place, sort)| {
            let thing = estate.things(sort, operation).into_iter().next();
            ((place.at, place.name.as_str()), thing.unwrap_or_else(|| json!("zqnever-thing")))
        })
        .collect()
}

/// The request with just what it must have, and these things.
pub(super) fn request(operation: &Operation, things: &Values<'_>) -> Request {
    let (mut path, mut query, mut headers) = (operation.path.clone(), Vec::new(), Vec::new());
    let mut body = Map::new();
    for place in &operation.places {
        let value = match (things.get(&(place.at, place.name.as_str())), &place.kind) {
            (Some(thing), _) => thing.clone(),
            (None, Kind::Free(Some(value))) => value.clone(),
            (None, Kind::Free(None) | Kind::Thing(_)) => continue,
        };
        match place.at {
            At::Path => path = path.replace(&format!("{{{}}}", place.name), &encoded(&value)),
            At::Query => query.push(format!("{}={}", place.name, encoded(&value))),
            At::Header => headers.push((place.name.clone(), text(&value))),
            At::Body => {
                if place.kind == Kind::Thing(Sort::RowCursor) {
                    // As the page was asked for that it was handed out with.
                    body.insert("limit".to_owned(), json!(2));
                }
                body.insert(place.name.clone(), value);
            }
        }
    }
    if !query.is_empty() {
        path = format!("{path}?{}", query.join("&"));
    }
    let body = match operation.body {
        None => Vec::new(),
        Some(BodyKind::Json) => {
            headers.push(("content-type".to_owned(), "application/json".to_owned()));
            Json::Object(body).to_string().into_bytes()
        }
        Some(BodyKind::Otlp) => {
            headers.push(("content-type".to_owned(), "application/x-protobuf".to_owned()));
            spans_of(&body["otlp"])
        }
    };
    let names = things.values().flat_map(names_in).collect();
    Request { path, headers, body, names }
}

impl Request {
    pub(super) async fn send(&self, operation: &Operation, client: &Client) -> Answer {
        let headers: Vec<(&str, &str)> = self.headers.iter().map(|(name, value)| (&**name, &**value)).collect();
        client.send(operation.method.clone(), &self.path, &headers, self.body.clone()).await
    }
}

/// Every text in a thing.
fn names_in(thing: &Json) -> Vec<String> {
    match thing {
        Json::String(text) => vec![text.clone()],
        Json::Array(all) => all.iter().flat_map(names_in).collect(),
        Json::Object(all) => all.values().flat_map(names_in).collect(),
        Json::Null | Json::Bool(_) | Json::Number(_) => Vec::new(),
    }
}

fn text(value: &Json) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn encoded(value: &Json) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let one = |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    text(value).bytes().map(one).collect()
}
