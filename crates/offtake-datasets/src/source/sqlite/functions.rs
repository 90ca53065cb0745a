//! The SQL functions that comparisons are made with.

use std::collections::HashSet;

use memchr::memmem::Finder;
use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Result};
use serde_json::Value as Json;

use super::drift::{Drift, describe};
use super::plain;
use crate::sql::ordered_bytes;

/// Makes `offtake_contains`, `offtake_overlaps`, `offtake_micros` and `offtake_decimal` known to a connection.
pub(super) fn register(conn: &Connection, drift: &Drift) -> Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_DIRECTONLY;
    let found = drift.clone();
    conn.create_scalar_function("offtake_contains", 2, flags, move |ctx| contains(ctx, &found))?;
    let found = drift.clone();
    conn.create_scalar_function("offtake_overlaps", 2, flags, move |ctx| overlaps(ctx, &found))?;
    let found = drift.clone();
    conn.create_scalar_function("offtake_micros", 1, flags, move |ctx| micros(ctx, &found))?;
    let found = drift.clone();
    conn.create_scalar_function("offtake_decimal", 2, flags, move |ctx| decimal(ctx, &found))
}

/// Whether the first argument contains the second, which is in lower case already. LIKE would read `%` and `_` as
/// patterns and stop at NUL.
fn contains(ctx: &Context<'_>, drift: &Drift) -> Result<Option<bool>> {
    match ctx.get_raw(0) {
        ValueRef::Null => Ok(None),
        ValueRef::Text(text) => {
            let finder =
                ctx.get_or_create_aux(1, |needle| needle.as_bytes().map(|needle| Finder::new(needle).into_owned()))?;
            Ok(Some(finder.find(&text.to_ascii_lowercase()).is_some()))
        }
        other @ (ValueRef::Integer(_) | ValueRef::Real(_) | ValueRef::Blob(_)) => {
            Err(drift.found(format!("a column that is searched for text holds {}", describe(other))))
        }
    }
}

/// Whether an element of the first argument, a JSON array, is an element of the second.
fn overlaps(ctx: &Context<'_>, drift: &Drift) -> Result<Option<bool>> {
    let text = match ctx.get_raw(0) {
        ValueRef::Null => return Ok(None),
        ValueRef::Text(text) => text,
        other @ (ValueRef::Integer(_) | ValueRef::Real(_) | ValueRef::Blob(_)) => {
            return Err(drift.found(format!("a column of arrays holds {}", describe(other))));
        }
    };
    let wanted = ctx.get_or_create_aux(1, elements)?;
    match serde_json::from_slice::<Vec<Json>>(text) {
        Ok(elements) => Ok(Some(elements.iter().any(|element| wanted.contains(element)))),
        Err(_) => Err(drift.found("a column of arrays holds a text that is no JSON array".to_owned())),
    }
}

fn elements(list: ValueRef<'_>) -> std::result::Result<HashSet<Json>, Box<dyn std::error::Error + Send + Sync>> {
    Ok(serde_json::from_slice(list.as_bytes()?)?)
}

fn micros(ctx: &Context<'_>, drift: &Drift) -> Result<Option<i64>> {
    let value = ctx.get_raw(0);
    if matches!(value, ValueRef::Null) {
        return Ok(None);
    }
    match plain::micros(value) {
        Some(micros) => Ok(Some(micros)),
        None => Err(drift.found(format!("a timestamp column holds {}, which is no moment", describe(value)))),
    }
}

fn decimal(ctx: &Context<'_>, drift: &Drift) -> Result<Option<Vec<u8>>> {
    let value = ctx.get_raw(0);
    if matches!(value, ValueRef::Null) {
        return Ok(None);
    }
    let scale: i8 = ctx.get(1)?;
    match plain::decimal(value, scale) {
        Some(unscaled) => Ok(Some(ordered_bytes(unscaled).to_vec())),
        None => {
            Err(drift
                .found(format!("a decimal column holds {}, which is no number of {scale} decimals", describe(value))))
        }
    }
}
