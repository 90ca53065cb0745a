//! Spans in the order of their commits, from Postgres.

use async_trait::async_trait;
use offtake_model::alert::Usd;
use offtake_model::id::OrgId;
use offtake_model::{Error, ErrorKind, Result};

use super::LIMIT;
use super::events::PgTraceEvents;
use crate::escape::{escaped, unescaped};
use crate::spans::events::{TraceEvents as _, bound};
use crate::spans::tail::{POSTGRES, Row, SPENT_POSTGRES, SpanTail, SpentIn, TailSpan, bounds, usd};

#[async_trait]
impl SpanTail for PgTraceEvents {
    async fn last(&self) -> Result<u64> {
        self.newest().await
    }

    async fn between(&self, orgs: &[OrgId], after: u64, upto: u64) -> Result<Vec<TailSpan>> {
        let names: Vec<&str> = orgs.iter().map(OrgId::as_str).collect();
        let (after, upto) = bounds(after, upto);
        let work = self.pool.work(LIMIT).await?;
        let rows = work.rows(&POSTGRES, &[&after, &upto, &names]).await?;
        rows.iter().map(|found| plain(row(found).map_err(|cause| work.error(cause))?)?.span()).collect()
    }

    async fn spent(&self, asked: &SpentIn<'_>) -> Result<Usd> {
        let SpentIn { org, provider, from, to, upto } = *asked;
        let (provider, upto) = (provider.map(|provider| escaped(provider).into_owned()), bound(upto));
        let work = self.pool.work(LIMIT).await?;
        let found = work.first(SPENT_POSTGRES, &[&org.as_str(), &from, &to, &upto, &provider]).await?;
        let nothing = || Error::new(ErrorKind::Internal, "the span store adds nothing up");
        let row = found.ok_or_else(nothing)?;
        let number = |column: usize| row.try_get::<_, i64>(column).map_err(|cause| work.error(cause));
        Ok(usd(number(0)?, number(1)?))
    }
}

fn row(row: &tokio_postgres::Row) -> Result<Row, tokio_postgres::Error> {
    Ok(Row {
        seq: row.try_get(0)?,
        org: row.try_get(1)?,
        texts: [row.try_get(2)?, row.try_get(3)?, row.try_get(4)?, row.try_get(5)?, row.try_get(6)?, row.try_get(7)?],
        started_at: row.try_get(8)?,
        ended_at: row.try_get(9)?,
        tokens: row.try_get(10)?,
        cost_nanos: row.try_get(11)?,
        failed: row.try_get(12)?,
        duration_ms: row.try_get(13)?,
    })
}

/// The row with its texts as they came in.
fn plain(mut row: Row) -> Result<Row> {
    for text in row.texts.iter_mut().flatten() {
        let mut room = String::new();
        let own = unescaped(text, &mut room).map(str::to_owned);
        *text = own.ok_or_else(|| Error::new(ErrorKind::Internal, "a text of a span is not as it was stored"))?;
    }
    Ok(row)
}
