//! What happens to traces, from Postgres: by connections of its own, as the owner of the tables, whom no policy holds. It reads for
//! many organizations at once, and its reader keeps them apart.

use async_trait::async_trait;
use offtake_model::id::OrgId;
use offtake_model::{Error, ErrorKind, Result};
use offtake_postgres::Pool;

use super::LIMIT;
use crate::escape::unescaped;
use crate::spans::events::{POSTGRES, Row, RowOfTrace, TraceBatch, TraceEvents, batch, bound, number};

/// Reads by the connections of this pool.
#[derive(Debug)]
pub(super) struct PgTraceEvents {
    pub(super) pool: Pool,
}

impl PgTraceEvents {
    pub(super) const fn of(pool: Pool) -> Self {
        Self { pool }
    }
}

#[async_trait]
impl TraceEvents for PgTraceEvents {
    async fn newest(&self) -> Result<u64> {
        let work = self.pool.work(LIMIT).await?;
        let row = work.first("SELECT last_settled_span()", &[]).await?;
        let newest: Option<i64> = row.map(|row| row.try_get(0)).transpose().map_err(|cause| work.error(cause))?;
        Ok(newest.map_or(0, number))
    }

    async fn after(&self, orgs: Option<&[OrgId]>, seq: u64, spans: u32) -> Result<TraceBatch> {
        let orgs: Option<Vec<&str>> = orgs.map(|orgs| orgs.iter().map(OrgId::as_str).collect());
        let work = self.pool.work(LIMIT).await?;
        let rows = work.rows(&POSTGRES, &[&bound(seq), &i64::from(spans), &orgs]).await?;
        let rows = rows.iter().map(|found| row(found).map_err(|cause| work.error(cause)).and_then(plain));
        batch(rows.collect::<Result<Vec<_>>>()?, seq, spans)
    }
}

fn row(row: &tokio_postgres::Row) -> Result<Row, tokio_postgres::Error> {
    let (upto, read) = (row.try_get(0)?, row.try_get(1)?);
    let Some(org) = row.try_get(2)? else { return Ok(Row { upto, read, trace: None }) };
    let trace = RowOfTrace {
        org,
        trace_id: row.try_get(3)?,
        settled: row.try_get(4)?,
        newest: row.try_get(5)?,
        texts: [row.try_get(6)?, row.try_get(7)?, row.try_get(8)?, row.try_get(9)?],
        cost_nanos: row.try_get(10)?,
        duration_ms: row.try_get(11)?,
        status_code: row.try_get(12)?,
        started_micros: row.try_get(13)?,
    };
    Ok(Row { upto, read, trace: Some(trace) })
}

/// The row with its texts as they came in.
fn plain(mut row: Row) -> Result<Row> {
    if let Some(trace) = &mut row.trace {
        for text in trace.texts.iter_mut().flatten() {
            let mut room = String::new();
            let own = unescaped(text, &mut room).map(str::to_owned);
            *text = own.ok_or_else(|| Error::new(ErrorKind::Internal, "a text of a trace is not as it was stored"))?;
        }
    }
    Ok(row)
}
