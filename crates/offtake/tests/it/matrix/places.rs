//! What can stand in a place of a call: a thing that belongs to somebody, or nothing that could.
//!
//! The one table that must know a new parameter. What it does not know fails the matrix.

use serde_json::{Value as Json, json};

use super::document::At;

/// Things that belong to an organization, or name what does.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Sort {
    /// A job, in whatever state.
    Job,
    /// The row of a file.
    Artifact,
    /// What signs a link to a file.
    Signature,
    /// Whom a link was made for.
    Bearer,
    /// A preset, by its name.
    Preset,
    /// A dataset: everybody's, but for those who may not read it.
    Dataset,
    /// The request that a job was asked for with.
    RequestId,
    /// The key that a job was asked for with.
    IdempotencyKey,
    /// The tag of what is in the path.
    Etag,
    /// Where a page of jobs ended.
    JobCursor,
    /// Where a page of rows ended.
    RowCursor,
    /// The moment of a page or a count.
    AsOf,
    /// Rows, by their identity.
    Selection,
    /// A filter inside of a preset.
    Filters,
    /// Spans that are sent.
    Spans,
    /// Somebody, by the name in their tokens.
    Principal,
    /// The id of an API key; the key itself is nobody's but its bearer's.
    ApiKey,
    /// Word that somebody is owed, or was given.
    Notification,
    /// An endpoint that is told by webhook.
    Webhook,
    /// What was sent to such an endpoint.
    Delivery,
    /// A schedule.
    Schedule,
    /// An alert rule.
    Alert,
    /// Where a page of a list ended.
    Page,
    /// What one of these columns of a row holds.
    Column(String),
}

/// What can stand in a place.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    /// Nothing that belongs to anybody: it is left out, or filled with this.
    Free(Option<Json>),
    /// Such a thing.
    Thing(Sort),
}

impl Sort {
    /// Whether one that never was is answered with the same bytes: not where a page goes on behind it, whatever it is.
    pub(super) fn has_twin(&self) -> bool {
        *self != Self::Page
    }
}

use Kind::{Free, Thing};

/// What stands in this place; `None` if nobody has said.
pub(super) fn kind(path: &str, at: At, name: &str, schema: &Json) -> Option<Kind> {
    match at {
        At::Path => in_path(path, name),
        At::Query => in_query(path, name, schema),
        At::Header => in_header(path, name),
        At::Body => in_body(path, name, schema),
    }
}

fn in_path(path: &str, name: &str) -> Option<Kind> {
    Some(Thing(match name {
        "id" if path.starts_with("/api/v1/export/jobs/") => Sort::Job,
        "name" if path.starts_with("/api/v1/presets/") => Sort::Preset,
        "dataset" => Sort::Dataset,
        "artifact" => Sort::Artifact,
        "sub" if path.starts_with("/api/v1/principals/") => Sort::Principal,
        "id" if path.starts_with("/api/v1/api-keys/") => Sort::ApiKey,
        "id" if path.starts_with("/api/v1/webhooks/") => Sort::Webhook,
        "delivery" => Sort::Delivery,
        "id" if path.starts_with("/api/v1/notifications/") => Sort::Notification,
        "id" if path.starts_with("/api/v1/schedules/") => Sort::Schedule,
        "id" if path.starts_with("/api/v1/alerts/") => Sort::Alert,
        // There is none without a bucket that takes it; `destinations` is about them.
        "id" if path.starts_with("/api/v1/destinations/") => {
            return Some(Free(Some(json!("dst_0199c0ffee0070008000000000000001"))));
        }
        // Files of the console, the same for everybody.
        "file" if path.starts_with("/assets/") || path.starts_with("/embed/") => return Some(Free(None)),
        // Whoever shows a one-time token may have what it is for; `one_time` is about that.
        // Its id is found within the export alone; `one_time` is about that.
        "token" if path.starts_with("/api/v1/export/jobs/") => return Some(Free(Some(json!("0000000000000000")))),
        "token" if path.starts_with("/d/") => return Some(Free(Some(json!("zqnever")))),
        _ => return None,
    }))
}

fn in_query(path: &str, name: &str, schema: &Json) -> Option<Kind> {
    Some(match name {
        "dataset" => Thing(Sort::Dataset),
        "request_id" => Thing(Sort::RequestId),
        "cursor" if path == "/api/v1/export/jobs" => Thing(Sort::JobCursor),
        "cursor" => Thing(Sort::Page),
        "actor" => Thing(Sort::Principal),
        "object" => Thing(Sort::Job),
        "action" | "from" | "to" => Free(None),
        "address" if path == "/api/v1/notifications" => Thing(Sort::Principal),
        "channel" | "state" if path == "/api/v1/notifications" => Free(None),
        "state" if path.starts_with("/api/v1/webhooks/") => Free(None),
        "signature" => Thing(Sort::Signature),
        "for" if path.starts_with("/files/") => Thing(Sort::Bearer),
        // Behind the end of every link there is.
        "expires" => Free(Some(json!("4102444800"))),
        "status" => Free(None),
        // Chance, worth one socket to whoever shows it, and known by its hash alone.
        "ticket" if path == "/api/v1/ws" => Free(None),
        _ if is_no_text(schema) => Free(None),
        _ => return None,
    })
}

fn in_header(path: &str, name: &str) -> Option<Kind> {
    Some(match name {
        "Idempotency-Key" => Thing(Sort::IdempotencyKey),
        "If-None-Match" | "If-Match" if path.starts_with("/api/") => Thing(Sort::Etag),
        // The tag of a file is its hash; the path alone decides which file it is.
        "If-None-Match" | "If-Match" | "Range" | "If-Range" => Free(None),
        // A number of the organization's; the path alone decides what it is about.
        "Last-Event-ID" => Free(None),
        // Written down, and never looked up.
        "Prefer" | "X-Request-Id" | "traceparent" => Free(None),
        _ => return None,
    })
}

fn in_body(path: &str, name: &str, schema: &Json) -> Option<Kind> {
    let of_rows = path.starts_with("/api/v1/export/") || path.starts_with("/api/v1/datasets/");
    Some(match name {
        "otlp" => Thing(Sort::Spans),
        "format" => Free(Some(json!("jsonl"))),
        "fields" | "compression" | "dialect" | "delimiter" | "formats" | "scope" | "sort" | "notify" => Free(None),
        "start_time" | "end_time" => Free(None),
        "selection" if of_rows => Thing(Sort::Selection),
        "as_of" | "newer_than" if of_rows => Thing(Sort::AsOf),
        "destination" if of_rows => Free(None),
        // Words of the dataset's schema, the same for everybody. The values counted are judged as any answer is.
        "facets" if path.starts_with("/api/v1/datasets/") => Free(Some(json!(["provider"]))),
        "cursor" if of_rows => Thing(Sort::RowCursor),
        "preset" if of_rows => Thing(Sort::Preset),
        // How the export is called.
        "name" if of_rows => Free(None),
        "name" if path.starts_with("/api/v1/presets") => Thing(Sort::Preset),
        "dataset" if path.starts_with("/api/v1/presets") => Free(Some(json!("spans"))),
        "filters" if path.starts_with("/api/v1/presets") => Thing(Sort::Filters),
        "name" if path.starts_with("/api/v1/schedules") => Free(Some(json!("zq-probe"))),
        "dataset" if path == "/api/v1/schedules" => Free(Some(json!("spans"))),
        "cron" if path.starts_with("/api/v1/schedules") => Free(Some(json!("0 3 1 1 *"))),
        "request" if path.starts_with("/api/v1/schedules") => Free(Some(json!({"format": "jsonl"}))),
        "from" if path.starts_with("/api/v1/schedules") => Free(Some(json!("2026-11-01T00:00:00Z"))),
        "to" if path.starts_with("/api/v1/schedules") => Free(Some(json!("2026-11-02T00:00:00Z"))),
        "time_zone" | "window" | "start" if path.starts_with("/api/v1/schedules") => Free(None),
        "name" if path.starts_with("/api/v1/alerts") => Free(Some(json!("zq-probe"))),
        "kind" | "metric" | "direction" if path.starts_with("/api/v1/alerts") => Free(None),
        "filters" | "provider" | "amount_usd" | "period" | "time_zone" | "percentages"
            if path.starts_with("/api/v1/alerts") =>
        {
            Free(None)
        }
        // Nobody goes there: it is no public address.
        "endpoint" if path.starts_with("/api/v1/destinations") => Free(Some(json!("https://127.0.0.1:9"))),
        "region" | "bucket" | "access_key" | "secret_key" if path.starts_with("/api/v1/destinations") => {
            Free(Some(json!("zq-probe")))
        }
        "name" if path.starts_with("/api/v1/destinations") => Free(Some(json!("zq-probe"))),
        "kind" | "prefix" if path.starts_with("/api/v1/destinations") => Free(None),
        // Tokens and tickets are worth what they are to whoever shows them.
        "token" | "ticket" => Free(Some(json!("zqnever"))),
        "name" if path == "/api/v1/api-keys" => Free(Some(json!("zq-probe"))),
        "url" if path.starts_with("/api/v1/webhooks") => Free(Some(json!("https://zq.example/hook"))),
        "events" if path.starts_with("/api/v1/webhooks") => Free(Some(json!(["system_alert"]))),
        "description" | "signing" if path.starts_with("/api/v1/webhooks") => Free(None),
        "permissions" if path == "/api/v1/api-keys" => Free(Some(json!(["exports:read"]))),
        "expires_at" if path == "/api/v1/api-keys" => Free(None),
        "withheld" if path.starts_with("/api/v1/principals/") => Free(Some(json!([]))),
        _ if is_no_text(schema) => Free(None),
        _ if of_rows => filter(schema)?,
        _ => return None,
    })
}

/// A filter says which columns it looks at.
fn filter(schema: &Json) -> Option<Kind> {
    let (_, columns) = schema["description"].as_str()?.split_once(": ")?;
    let first = columns.split(" or ").next()?;
    // Words of a closed list, the same for everybody.
    let everybodys = ["type", "status_code"].contains(&first);
    Some(if everybodys { Free(None) } else { Thing(Sort::Column(first.to_owned())) })
}

/// Ids are texts: numbers, moments, choices and yes or no name nothing.
fn is_no_text(schema: &Json) -> bool {
    let numeric = |one: &Json| ["integer", "number", "boolean"].iter().any(|known| one == known);
    // A decimal may be written as a text.
    let text = |schema: &Json| match schema["type"].as_array() {
        Some(several) => !several.iter().any(numeric),
        None => !numeric(&schema["type"]),
    };
    let closed = |schema: &Json| schema.get("enum").is_some() || schema["format"] == "date-time";
    let shapes: Vec<&Json> = schema["oneOf"].as_array().map_or_else(|| vec![schema], |all| all.iter().collect());
    // A range of moments or numbers.
    let ends: Vec<&Json> = schema["properties"].as_object().into_iter().flat_map(|all| all.values()).collect();
    let shapes = if ends.is_empty() { shapes } else { ends };
    shapes.iter().all(|shape| {
        let shape = if shape["type"] == "array" { &shape["items"] } else { *shape };
        !text(shape) || closed(shape)
    })
}
