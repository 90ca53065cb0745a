//! Facets: one pass that counts, and the values that were found read as cells.

use offtake_model::budget::MemoryBudget;
use offtake_model::dataset::Column;
use offtake_model::{Error, ErrorKind, Result};
use tokio::time::timeout;

use super::decode::Decoder;
use super::session::Session;
use super::{FacetRequest, Facets, Task};
use crate::source::building::{Building, Form};
use crate::source::facets::Facet;
use crate::source::tally::{Found, MOST_ROWS, Tally};

/// What the values of one facet may take.
const MOST_BYTES: u64 = 64 << 20;
/// After so many rows somebody else has their turn, and the time is looked at: rows that have arrived wait for nothing.
const ROWS_AT_ONCE: u64 = 2_048;

/// Counts for as long as there is patience.
pub(super) async fn read(session: Session, task: &Task, asked: &FacetRequest) -> Result<Facets> {
    let columns = task.columns(&asked.columns)?;
    let (mut tally, mut decoders) = (Tally::new(columns.len()), Vec::new());
    let counting = count(&session, task, asked, &columns, &mut tally, &mut decoders);
    match timeout(asked.patience, counting).await {
        Ok(counted) => {
            counted?;
            session.end().await?;
        }
        Err(_) => {
            tally.was_cut_short();
            // Its statement is cancelled.
            drop(session);
        }
    }
    let (exact, rows) = (tally.is_exact(), tally.rows());
    let mut decoders = decoders.into_iter();
    let found = tally.found(asked.limit).into_iter().zip(&columns);
    let facets = found.map(|(found, column)| facet(column, decoders.next(), found)).collect::<Result<_>>()?;
    Ok(Facets { facets, exact, rows, as_of: task.as_of()? })
}

async fn count(
    session: &Session,
    task: &Task,
    asked: &FacetRequest,
    columns: &[Column],
    tally: &mut Tally,
    decoders: &mut Vec<Decoder>,
) -> Result<()> {
    let (sql, facets) = task.statements().facets(&asked.columns, MOST_ROWS)?;
    let mut own: Vec<(usize, bool)> = facets.into_iter().map(|facet| (facet, true)).collect();
    let mut rows = task.rows(session, &sql, columns, Some(&MemoryBudget::new(MOST_BYTES))).await?;
    *decoders = std::mem::take(&mut rows.decoders);
    while let Some(tuple) = rows.next().await? {
        // Few columns, each looked at once: no list of them is made for every row.
        let field = |index: usize| tuple.fields().nth(index).flatten();
        for (index, (_, passes)) in own.iter_mut().enumerate() {
            *passes = field(columns.len() + index) == Some(&[1]);
        }
        tally.add(&own, |index| Ok::<_, Error>(field(index)))?;
        if tally.rows().is_multiple_of(ROWS_AT_ONCE) {
            tokio::task::yield_now().await;
        }
    }
    Ok(())
}

fn facet(column: &Column, decoder: Option<Decoder>, found: Found) -> Result<Facet> {
    let mut building =
        Building::new(&Form::of(std::iter::once(column)), found.values.len(), &MemoryBudget::new(MOST_BYTES))?;
    let mut counts = Vec::with_capacity(found.values.len());
    if let Some(mut decoder) = decoder {
        for (value, rows) in found.values {
            let (builders, room) = building.columns();
            let fits = match builders.first_mut() {
                Some(builder) => builder.push(decoder.cell(&value, 1)?, room)?,
                None => false,
            };
            if !fits {
                let detail = "a cell was decoded as another type than its column's";
                return Err(Error::new(ErrorKind::Internal, detail));
            }
            building.end_row()?;
            counts.push(rows);
        }
    }
    let (values, _held) = building.finish()?;
    Ok(Facet { values, counts, nulls: found.nulls, others: found.others })
}
