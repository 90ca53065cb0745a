//! The one task that writes spans: it takes the appends that wait, stores them in one transaction and answers.

use std::collections::HashSet;

use offtake_model::{Error, ErrorKind, Result};
use offtake_postgres::{Params, Pool, Work};
use tokio::sync::mpsc;

use super::LIMIT;
use super::rows::{COPY, Row, pieces};
use crate::relation::Dialect;
use crate::spans::store::{Append, Appended, group};
use crate::spans::traces;

/// Whoever adds spans holds this lock until its transaction is over: "spans" in ASCII.
const LOCK: &str = "SELECT pg_advisory_xact_lock(x'7370616e73'::bigint)";

/// Takes so many numbers; the last of them. Nobody else takes any at the same time.
const NUMBERS: &str = "SELECT setval('spans_numbers', (SELECT last_value FROM spans_numbers) + $1)";

/// Which of these identities are there already. Whatever is committed is seen: the lock came first, and a statement of a
/// READ COMMITTED transaction sees what was committed before the statement.
const KNOWN: &str = "SELECT x.place FROM unnest($1::text[], $2::text[], $3::text[]) WITH ORDINALITY \
    x(org_id, trace_id, span_id, place) WHERE EXISTS (SELECT 1 FROM spans s \
    WHERE s.org_id = x.org_id AND s.trace_id = x.trace_id AND s.span_id = x.span_id)";

/// Writes until the queue is closed and empty.
pub(super) async fn run(pool: Pool, mut appends: mpsc::Receiver<Append>) {
    let merge = traces::merge_statement(Dialect::Postgres);
    while let Some(first) = appends.recv().await {
        let group = group(first, &mut appends);
        store_all(&pool, &merge, group).await;
    }
}

/// Stores a group and answers each append.
async fn store_all(pool: &Pool, merge: &str, group: Vec<Append>) {
    let error = match store(pool, merge, &group).await {
        Ok(stored) => {
            return group.into_iter().zip(stored).for_each(|(append, stored)| append.answer(Ok(stored)));
        }
        Err(error) => error,
    };
    let cause = std::error::Error::source(&error).map(ToString::to_string);
    tracing::warn!(%error, cause, appends = group.len(), "spans were not stored");
    // One of them may be larger than what is left of the disk: each gets an answer of its own then.
    let together = group.len() == 1 || error.kind() == ErrorKind::StoreUnavailable;
    for append in group {
        let stored = if together {
            Err(Error::new(error.kind(), error.detail()))
        } else {
            let alone = store(pool, merge, std::slice::from_ref(&append)).await;
            alone.map(|stored| stored.first().copied().unwrap_or_default())
        };
        append.answer(stored);
    }
}

/// One transaction: when it is committed, the spans are durable and everybody's.
async fn store(pool: &Pool, merge: &str, group: &[Append]) -> Result<Vec<Appended>> {
    let sent = distinct(group);
    let work = pool.transaction(LIMIT).await?;
    let stored = add(&work, merge, &sent).await;
    let stored = work.end(stored).await?;
    Ok(group
        .iter()
        .zip(0..)
        .map(|(append, place)| {
            let stored = stored.iter().filter(|of| **of == place).count() as u64;
            Appended { stored, duplicates: append.spans.len() as u64 - stored }
        })
        .collect())
}

/// The spans of a group, each with the place of its append; of those with the same identity the first.
fn distinct(group: &[Append]) -> Vec<(usize, Row<'_>)> {
    let spans = group.iter().map(|append| append.spans.len()).sum();
    let (mut seen, mut sent) = (HashSet::with_capacity(spans), Vec::with_capacity(spans));
    for (place, append) in group.iter().enumerate() {
        let org = append.org.as_str();
        let new = append.spans.iter().filter(|span| seen.insert((org, span.trace_id.as_str(), span.span_id.as_str())));
        sent.extend(new.map(|span| (place, Row { org, span })));
    }
    sent
}

/// Adds those that are not there yet; for each that was added, the place of its append.
async fn add(work: &Work, merge: &str, sent: &[(usize, Row<'_>)]) -> Result<Vec<usize>> {
    let orgs: Vec<&str> = sent.iter().map(|(_, row)| row.org).collect();
    let traces: Vec<&str> = sent.iter().map(|(_, row)| row.span.trace_id.as_str()).collect();
    let spans: Vec<&str> = sent.iter().map(|(_, row)| row.span.span_id.as_str()).collect();
    let count = i64::try_from(sent.len()).unwrap_or(i64::MAX);
    work.rows(LOCK, &[]).await?;
    let (wanted, identities): (Params<'_>, Params<'_>) = (&[&count], &[&orgs, &traces, &spans]);
    let (last, known) = tokio::try_join!(work.first(NUMBERS, wanted), work.rows(KNOWN, identities))?;
    let none = || Error::new(ErrorKind::Internal, "the database gives no numbers");
    let last: i64 = last.ok_or_else(none)?.try_get(0).map_err(|cause| work.error(cause))?;
    let mut is_new = vec![true; sent.len()];
    for row in known {
        let place: i64 = row.try_get(0).map_err(|cause| work.error(cause))?;
        if let Some(new) = usize::try_from(place - 1).ok().and_then(|place| is_new.get_mut(place)) {
            *new = false;
        }
    }
    let new = sent.iter().zip(is_new).filter(|(_, new)| *new).map(|(sent, _)| *sent);
    let (added, rows): (Vec<usize>, Vec<Row<'_>>) = new.unzip();
    if !added.is_empty() {
        let before = last - count;
        work.copy_in(COPY, pieces(rows, before + 1)).await?;
        work.execute(merge, &[&before]).await?;
    }
    Ok(added)
}
