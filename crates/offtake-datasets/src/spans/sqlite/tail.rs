//! Spans in the order of their commits, from a SQLite file.

use async_trait::async_trait;
use offtake_model::Result;
use offtake_model::alert::Usd;
use offtake_model::id::OrgId;
use rusqlite::params;

use super::events::SqliteTraceEvents;
use crate::spans::events::{TraceEvents as _, bound};
use crate::spans::tail::{Row, SPENT_SQLITE, SQLITE, SpanTail, SpentIn, TailSpan, bounds, usd};

#[async_trait]
impl SpanTail for SqliteTraceEvents {
    async fn last(&self) -> Result<u64> {
        self.newest().await
    }

    async fn between(&self, orgs: &[OrgId], after: u64, upto: u64) -> Result<Vec<TailSpan>> {
        let names: Vec<&str> = orgs.iter().map(OrgId::as_str).collect();
        let (orgs, (after, upto)) = (serde_json::json!(names).to_string(), bounds(after, upto));
        let rows = self.read(move |connection| {
            let mut statement = connection.prepare_cached(&SQLITE)?;
            let rows = statement.query_map(params![after, upto, orgs], row)?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        });
        rows.await?.into_iter().map(Row::span).collect()
    }

    async fn spent(&self, asked: &SpentIn<'_>) -> Result<Usd> {
        let (org, provider) = (asked.org.as_str().to_owned(), asked.provider.map(str::to_owned));
        let (from, to, upto) = (asked.from, asked.to, bound(asked.upto));
        let spent = self.read_apart(move |connection| {
            connection
                .prepare(SPENT_SQLITE)?
                .query_row(params![org, from, to, upto, provider], |row| Ok((row.get(0)?, row.get(1)?)))
        });
        spent.await.map(|(dollars, nanos)| usd(dollars, nanos))
    }
}

fn row(row: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
    Ok(Row {
        seq: row.get(0)?,
        org: row.get(1)?,
        texts: [row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?, row.get(6)?, row.get(7)?],
        started_at: row.get(8)?,
        ended_at: row.get(9)?,
        tokens: row.get(10)?,
        cost_nanos: row.get(11)?,
        failed: row.get(12)?,
        duration_ms: row.get(13)?,
    })
}
