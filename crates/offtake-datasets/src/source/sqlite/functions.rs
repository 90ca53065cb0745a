//! The SQL functions that comparisons are made with.

use memchr::memmem::Finder;
use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Result};

use super::drift::{Drift, describe};
use super::plain;
use crate::sql::ordered_bytes;

/// Makes `offtake_contains`, `offtake_micros` and `offtake_decimal` known to a connection.
pub(super) fn register(conn: &Connection, drift: &Drift) -> Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_DIRECTONLY;
    let found = drift.clone();
    conn.create_scalar_function("offtake_contains", 2, flags, move |ctx| contains(ctx, &found))?;
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
