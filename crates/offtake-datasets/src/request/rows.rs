//! What a request says about rows: window, moment, selection, filters.

use std::sync::Arc;

use offtake_model::as_of::AsOf;
use offtake_model::dataset::{DatasetSchema, RowsMode};
use offtake_model::export::RowsSpec;
use offtake_model::query::{Chosen, Predicate, Test};
use offtake_model::selection::{Scope, Selection};
use offtake_model::value::Value;
use serde_json::{Map, Value as Json};

use super::values::{self, Finer};
use super::{FOREIGN, Found, NEWER_OF_MUTABLE, OF_MUTABLE, filters, instead, is_reserved, pointer, unknown};

const MICROS_A_DAY: i64 = 86_400_000_000;

/// The spec, as far as it can be read; `generic` are the members that are not filters.
pub(super) fn parse(schema: &DatasetSchema, body: &Map<String, Json>, generic: &[&str], found: &mut Found) -> RowsSpec {
    unknown(schema, body, generic, found);
    let mut text = |name: &str| match body.get(name) {
        None => None,
        Some(Json::String(text)) => Some(text.clone()),
        Some(_) => {
            found.at(&pointer(&[name]), "is a string");
            None
        }
    };
    let (start_time, end_time) = (text("start_time"), text("end_time"));
    let moments = [text("as_of"), text("newer_than")];
    let mut moment = |text: Option<String>, at: &str| match text?.parse::<AsOf>() {
        Ok(moment) => Some(moment),
        Err(error) => {
            found.at(at, error.detail());
            None
        }
    };
    let [as_of, newer_than] = moments;
    let (as_of, newer_than) = (moment(as_of, "/as_of"), moment(newer_than, "/newer_than"));
    let filters = body.iter().filter(|(name, _)| schema.filter(name).is_some() && !is_reserved(name));
    let filters = filters.map(|(name, value)| (name.clone(), value.clone())).collect();
    let selection = body.get("selection").map_or(Selection::All, |json| selection(schema, json, found));
    let scope = scope(body, found);
    RowsSpec { start_time, end_time, selection, scope, as_of, newer_than, filters }
}

/// What the spec means, and what is wrong with it.
pub(super) fn compile(schema: &DatasetSchema, spec: &RowsSpec, found: &mut Found) -> (Vec<Predicate>, Chosen) {
    match (schema.rows, spec.as_of) {
        (RowsMode::Mutable, Some(_)) => found.at("/as_of", OF_MUTABLE),
        (RowsMode::AppendOnly | RowsMode::Versioned, Some(AsOf::Snapshot { .. })) => found.at("/as_of", FOREIGN),
        (_, None) | (RowsMode::AppendOnly | RowsMode::Versioned, Some(AsOf::Cutoff { .. })) => {}
    }
    newer(schema, spec, found);
    if spec.scope == Scope::Trace && schema.trace().is_none() {
        found.at("/scope", format!("rows of {} are no parts of a trace; leave scope out", schema.name));
    }
    let mut predicates = window(schema, spec, found);
    predicates.extend(filters::compile(schema, &spec.filters, found));
    (predicates, chosen(schema, &spec.selection, found))
}

/// Whether the rows tell which of them came after a moment.
fn newer(schema: &DatasetSchema, spec: &RowsSpec, found: &mut Found) {
    let at = "/newer_than";
    match (schema.rows, spec.newer_than) {
        (_, None) => return,
        (RowsMode::AppendOnly, Some(AsOf::Cutoff { sequence, .. })) => {
            if let Some(AsOf::Cutoff { sequence: end, .. }) = spec.as_of
                && end < sequence
            {
                found.at(at, "is no earlier moment than as_of");
            }
        }
        (RowsMode::AppendOnly, Some(AsOf::Snapshot { .. })) => found.at(at, FOREIGN),
        (RowsMode::Mutable | RowsMode::Versioned, Some(_)) => found.at(at, NEWER_OF_MUTABLE),
    }
    if spec.scope == Scope::Trace {
        found.at("/scope", "whole traces have rows of any age; leave newer_than or scope out");
    }
}

fn window(schema: &DatasetSchema, spec: &RowsSpec, found: &mut Found) -> Vec<Predicate> {
    let mut moment = |text: &Option<String>, at: &str| {
        let text = text.as_deref()?;
        values::moment(text, Finer::Floored).map_err(|detail| found.at(at, detail)).ok()
    };
    let (start, end) = (moment(&spec.start_time, "/start_time"), moment(&spec.end_time, "/end_time"));
    let Some(time) = &schema.time else {
        for (given, at) in [(&spec.start_time, "/start_time"), (&spec.end_time, "/end_time")] {
            if given.is_some() {
                found.at(at, format!("{} has no time column", schema.name));
            }
        }
        return Vec::new();
    };
    if let (Some(start), Some(end)) = (start, end) {
        let days = schema.limits.days;
        if start >= end {
            found.at("/end_time", "the window ends after it starts");
        } else if end.saturating_sub(start) > i64::from(days).saturating_mul(MICROS_A_DAY) {
            found.at("/end_time", format!("the window has at most {days} days"));
        }
    }
    let from = start.map(|start| Test::AtLeast(Value::Timestamp(start)));
    let to = end.map(|end| Test::Below(Value::Timestamp(end)));
    from.into_iter().chain(to).map(|test| Predicate { columns: vec![time.clone()], test }).collect()
}

fn scope(body: &Map<String, Json>, found: &mut Found) -> Scope {
    let known = || Scope::ALL.map(Scope::name);
    let detail = match body.get("scope") {
        None => return Scope::default(),
        Some(Json::String(given)) => match Scope::ALL.into_iter().find(|scope| scope.name() == given) {
            Some(scope) => return scope,
            None => instead(given, known()),
        },
        Some(_) => format!("is one of {}", known().join(", ")),
    };
    found.at("/scope", detail);
    Scope::default()
}

/// The selection as it is stored: a bare value as id becomes the object it stands for.
fn selection(schema: &DatasetSchema, json: &Json, found: &mut Found) -> Selection {
    let Json::Object(object) = json else {
        found.at("/selection", "is an object: {\"mode\": \"all_except\", \"ids\": […]}");
        return Selection::All;
    };
    for name in object.keys().filter(|name| !matches!(name.as_str(), "mode" | "ids")) {
        found.at(&pointer(&["selection", name]), "a selection has mode and ids");
    }
    let ids = ids(schema, object.get("ids"), found);
    match object.get("mode") {
        Some(Json::String(mode)) if mode == "all" => {
            if !ids.is_empty() {
                found.at("/selection/ids", "all takes no ids; all_except and partial do");
            }
            Selection::All
        }
        Some(Json::String(mode)) if mode == "all_except" => Selection::AllExcept { ids: ids.into() },
        Some(Json::String(mode)) if mode == "partial" => {
            // Ids that cannot be read are violations of their own.
            if object.get("ids").is_none_or(|given| given.as_array().is_some_and(Vec::is_empty)) {
                found.at("/selection/ids", "partial takes the ids of at least one row");
            }
            Selection::Partial { ids: ids.into() }
        }
        Some(Json::String(mode)) => {
            found.at("/selection/mode", instead(mode, ["all", "all_except", "partial"]));
            Selection::All
        }
        _ => {
            found.at("/selection/mode", "is needed: all, all_except or partial");
            Selection::All
        }
    }
}

fn ids(schema: &DatasetSchema, json: Option<&Json>, found: &mut Found) -> Vec<Map<String, Json>> {
    let items = match json {
        None => return Vec::new(),
        Some(Json::Array(items)) => items,
        Some(_) => {
            found.at("/selection/ids", "is a list of identities");
            return Vec::new();
        }
    };
    if items.len() > schema.limits.identities {
        let most = schema.limits.identities;
        found.at("/selection/ids", format!("{} identities are too many; at most {most} are possible", items.len()));
        return Vec::new();
    }
    let columns = schema.identity.join(", ");
    let mut ids = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        match (item, schema.identity.as_slice()) {
            (Json::Object(id), _) => ids.push(id.clone()),
            (Json::String(_) | Json::Number(_), [only]) => {
                ids.push(Map::from_iter([(only.clone(), item.clone())]));
            }
            _ => found.at(&format!("/selection/ids/{index}"), format!("an identity is an object with {columns}")),
        }
    }
    ids
}

fn chosen(schema: &DatasetSchema, selection: &Selection, found: &mut Found) -> Chosen {
    match selection {
        Selection::All => Chosen::All,
        Selection::AllExcept { ids } if ids.is_empty() => Chosen::All,
        Selection::AllExcept { ids } => Chosen::AllExcept(identities(schema, ids, found)),
        Selection::Partial { ids } => Chosen::Only(identities(schema, ids, found)),
    }
}

fn identities(schema: &DatasetSchema, ids: &[Map<String, Json>], found: &mut Found) -> Arc<[Vec<Value>]> {
    let columns = schema.identity.join(", ");
    let mut identities = Vec::with_capacity(ids.len());
    for (index, id) in ids.iter().enumerate() {
        let at = format!("/selection/ids/{index}");
        for name in id.keys().filter(|name| !schema.identity.contains(name)) {
            found.at(&format!("{at}{}", pointer(&[name])), format!("an identity has {columns} and nothing else"));
        }
        let mut values = Vec::with_capacity(schema.identity.len());
        for name in &schema.identity {
            let (Some(column), Some(json)) = (schema.column(name), id.get(name)) else {
                found.at(&at, format!("{name} is missing: an identity has {columns}"));
                continue;
            };
            match values::equal_to(json, column, Finer::Refused) {
                Ok(value) => values.push(value),
                Err(detail) => found.at(&format!("{at}{}", pointer(&[name])), detail),
            }
        }
        identities.push(values);
    }
    identities.into()
}
