//! Pages of rows for the screen.

use offtake_model::budget::MemoryBudget;
use offtake_model::query::RowQuery;
use offtake_model::{Error, Result};
use rusqlite::types::Value as SqlValue;

use super::session::Session;
use super::{Page, PageRequest, Task};
use crate::source::building::{Building, Form};
use crate::source::cursor::Cursor;
use crate::sql::Position;

/// A page ends after so many bytes, however few rows that are: there is a next one.
const ENOUGH: u64 = 16 << 20;
/// The most a single page may take.
const MOST: u64 = 256 << 20;

/// Reads the page after the cursor. `asked` is the query as it was asked, whose cursor it is.
pub(super) async fn read(
    session: &Session,
    task: &Task,
    asked: &RowQuery,
    page: &PageRequest,
    after: Option<Position>,
) -> Result<Page> {
    if page.limit == 0 {
        return Err(Error::invalid_at("/limit", "a page has at least one row"));
    }
    let order = task.statements().order(page.sort.as_ref())?;
    let columns = task.columns(&page.columns)?;
    let sql = task.statements().page(&page.columns, &order, after.as_ref(), u64::from(page.limit) + 1)?;
    let budget = MemoryBudget::new(MOST);
    let mut rows = task.rows(session, &sql, &columns, Some(&budget)).await?;
    let mut building = Building::new(&Form::of(columns.iter()), page.limit.min(1_000) as usize, &budget)?;
    let (mut last, mut more) = (None, false);
    while let Some(tuple) = rows.next().await? {
        if more {
            continue;
        }
        if building.rows() as u64 == u64::from(page.limit) || (building.bytes() > ENOUGH && building.rows() > 0) {
            more = true;
            continue;
        }
        super::ranges::push(&mut building, &mut rows.decoders, &tuple)?;
        last = Some(tuple);
    }
    let as_of = task.as_of()?;
    let next_cursor = match last.filter(|_| more) {
        Some(tuple) => {
            let position = position(tuple.fields().skip(columns.len()), task.schema.key.len(), order.is_sorted())?;
            Some(Cursor { position, as_of }.text(&task.schema, asked, page))
        }
        None => None,
    };
    let (rows, _held) = building.finish()?;
    Ok(Page { rows, next_cursor, as_of })
}

fn position<'t>(fields: impl Iterator<Item = Option<&'t [u8]>>, width: usize, sorted: bool) -> Result<Position> {
    let text = |field: Option<&[u8]>| match field {
        None => Ok(SqlValue::Null),
        Some(bytes) => String::from_utf8(bytes.to_vec())
            .map(SqlValue::Text)
            .map_err(|_| Error::new(offtake_model::ErrorKind::SchemaDrift, "a key holds bytes that are not UTF-8")),
    };
    let mut values = fields.map(text).collect::<Result<Vec<_>>>()?;
    let sorted = if sorted { values.pop() } else { None };
    if values.len() != width || values.contains(&SqlValue::Null) {
        return Err(Error::new(offtake_model::ErrorKind::SchemaDrift, "a key holds NULL, which would be lost"));
    }
    Ok(Position { sorted, key: values })
}
