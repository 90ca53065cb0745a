//! Pages of rows for the screen.

use std::sync::Arc;

use offtake_model::budget::MemoryBudget;
use offtake_model::{Error, Result};
use rusqlite::Row;
use rusqlite::types::Value as SqlValue;

use super::cells::{Cells, Layout};
use super::session::Session;
use super::{Page, PageRequest, Task};
use crate::source::cursor::Cursor;
use crate::sql::{Order, Position};

/// A page ends after so many bytes, however few rows that are: there is a next one.
const ENOUGH: u64 = 16 << 20;
/// The most a single page may take.
const MOST: u64 = 256 << 20;

/// Reads the page after the cursor, in a transaction of its own.
pub(super) fn read(session: &mut Session, task: &Task, page: &PageRequest) -> Result<Page> {
    if page.limit == 0 {
        return Err(Error::invalid_at("/limit", "a page has at least one row"));
    }
    let order = task.statements().order(page.sort.as_ref())?;
    let cursor = page.cursor.as_deref().map(|text| Cursor::parse(text, &task.schema, &task.query, page)).transpose()?;
    session.load(&task.statements())?;
    session.begin()?;
    let kept = cursor.as_ref().filter(|_| task.schema.rows.keeps_moments());
    let asked = kept.map(|cursor| cursor.as_of).or(task.query.as_of);
    let as_of = task.moment(session, asked)?;
    let after = cursor.map(|cursor| cursor.position);
    let layout = Arc::new(Layout::new(&task.schema, &task.relation, &page.columns)?);
    let sql = task.statements().page(&page.columns, &order, after.as_ref(), u64::from(page.limit) + 1)?;
    let mut cells = Cells::new(&layout, page.limit.min(1_000) as usize, &MemoryBudget::new(MOST))?;
    let mut last = None;
    let more = session.query(&sql, &task.scope(as_of), |rows| {
        while let Some(row) = rows.next()? {
            if cells.rows() as u64 == u64::from(page.limit) || (cells.bytes() > ENOUGH && cells.rows() > 0) {
                return Ok(true);
            }
            layout.key(row, layout.key_at())?;
            cells.push(row)?;
            last = Some(position(row, &layout, &order)?);
        }
        Ok(false)
    })?;
    let next_cursor =
        last.filter(|_| more).map(|position| Cursor { position, as_of }.text(&task.schema, &task.query, page));
    let (rows, _held) = cells.finish()?;
    Ok(Page { rows, next_cursor, as_of })
}

fn position(row: &Row<'_>, layout: &Layout, order: &Order) -> Result<Position> {
    let value = |index: usize| row.get::<_, SqlValue>(index).map_err(super::session::failure);
    let (from, width) = (layout.key_at(), layout.key_width());
    let key = (from..from + width).map(value).collect::<Result<Vec<_>>>()?;
    let sorted = order.is_sorted().then(|| value(from + width)).transpose()?;
    Ok(Position { sorted, key })
}
