//! The one thread that writes spans: it takes the appends that wait, stores them in one transaction and answers.

use rusqlite::{Connection, Transaction, TransactionBehavior, params};
use tokio::sync::mpsc;

use offtake_model::Result;

use super::failed;
use crate::relation::Dialect;
use crate::spans::store::{Append, Appended, group};
use crate::spans::traces;

/// KiB of cached pages while spans come in. Taken by the first append, not at open: SQLite's caches are one pool in
/// this build, so a process that only reads would fill the writer's share too.
const WRITER_CACHE_KIB: i64 = 16_384;

/// Writes until the queue is closed and empty.
pub(super) fn run(mut connection: Connection, mut appends: mpsc::Receiver<Append>) {
    let merge = traces::merge_statement(Dialect::Sqlite);
    let mut cached = false;
    while let Some(first) = appends.blocking_recv() {
        if !cached {
            // Without it writing is slower, not wrong.
            cached = connection.pragma_update(None, "cache_size", -WRITER_CACHE_KIB).is_ok();
        }
        let group = group(first, &mut appends);
        store_all(&mut connection, &merge, group);
    }
}

/// Stores a group and answers each append.
fn store_all(connection: &mut Connection, merge: &str, mut group: Vec<Append>) {
    if group.len() > 1 {
        match store(connection, merge, &group) {
            Ok(stored) => return group.into_iter().zip(stored).for_each(|(append, stored)| append.answer(Ok(stored))),
            // One of them may be larger than what is left of the disk: each gets an answer of its own.
            Err(error) => {
                tracing::warn!(%error, appends = group.len(), "storing spans together failed; storing them one by one")
            }
        }
    }
    for append in group.drain(..) {
        let stored = store(connection, merge, std::slice::from_ref(&append));
        append.answer(stored.map(|stored| stored.first().copied().unwrap_or_default()));
    }
}

/// One transaction. `synchronous=FULL`: when it has returned, the spans survive a power cut.
fn store(connection: &mut Connection, merge: &str, group: &[Append]) -> Result<Vec<Appended>> {
    let mut write = || -> rusqlite::Result<Vec<Appended>> {
        // The right to write comes before the first sequence number: that makes them commit-ordered.
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let before = last_sequence(&transaction)?;
        let stored = group.iter().map(|append| insert(&transaction, append)).collect::<rusqlite::Result<Vec<_>>>()?;
        if stored.iter().any(|appended| appended.stored > 0) {
            transaction.prepare_cached(merge)?.execute([before])?;
        }
        transaction.commit()?;
        Ok(stored)
    };
    write().map_err(|error| failed("the spans were not stored", error))
}

fn last_sequence(transaction: &Transaction<'_>) -> rusqlite::Result<i64> {
    transaction.prepare_cached(&format!("SELECT {LAST_SEQUENCE}"))?.query_row([], |row| row.get(0))
}

/// The highest sequence that was ever given, though the newest rows may be deleted.
pub(in crate::spans) const LAST_SEQUENCE: &str = "coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'spans'), 0)";

const INSERT: &str = "INSERT INTO spans (org_id, trace_id, span_id, parent_span_id, project_id, document_uuid, \
    commit_uuid, experiment_uuid, test_deployment_id, type, name, service, provider, model, environment, user_id, \
    session_id, status_code, status_message, started_at, ended_at, duration_ms, prompt_tokens, completion_tokens, \
    total_tokens, cost_usd, started_ns, ended_ns, input, output, attributes, resource, events) \
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) \
    ON CONFLICT (org_id, trace_id, span_id) DO NOTHING";

fn insert(transaction: &Transaction<'_>, append: &Append) -> rusqlite::Result<Appended> {
    let mut statement = transaction.prepare_cached(INSERT)?;
    let mut stored = 0;
    for span in &append.spans {
        stored += statement.execute(params![
            append.org.as_str(),
            span.trace_id,
            span.span_id,
            span.parent_span_id,
            span.project_id,
            span.document_uuid,
            span.commit_uuid,
            span.experiment_uuid,
            span.test_deployment_id,
            span.span_type.as_str(),
            span.name,
            span.service,
            span.provider,
            span.model,
            span.environment,
            span.user_id,
            span.session_id,
            span.status_code.as_str(),
            span.status_message,
            span.started_at,
            span.ended_at,
            span.duration_ms,
            span.prompt_tokens,
            span.completion_tokens,
            span.total_tokens,
            span.cost_usd,
            span.started_ns,
            span.ended_ns,
            span.input,
            span.output,
            span.attributes,
            &*span.resource,
            span.events,
        ])?;
    }
    let (stored, sent) = (stored as u64, append.spans.len() as u64);
    Ok(Appended { stored, duplicates: sent - stored })
}

#[cfg(test)]
mod tests {
    use offtake_model::ErrorKind;
    use offtake_model::id::OrgId;
    use rusqlite::OptionalExtension as _;

    use super::*;
    use crate::spans::otlp::{decode_json, to_spans};
    use crate::spans::{Conventions, span::Span};
    use tokio::sync::oneshot;

    /// A span of 100 kB.
    fn span(id: u8) -> Span {
        let body = format!(
            r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{{"traceId":"{}","spanId":"{}","startTimeUnixNano":1,
                "attributes":[{{"key":"input.value","value":{{"stringValue":"{}"}}}}]}}]}}]}}]}}"#,
            "01".repeat(16),
            format!("{:02x}", id + 1).repeat(8),
            "x".repeat(100_000)
        );
        to_spans(decode_json(body.as_bytes()).unwrap(), &Conventions::default(), body.len()).unwrap().spans.remove(0)
    }

    type Answer = oneshot::Receiver<Result<Appended>>;

    fn append(ids: std::ops::Range<u8>) -> (Append, Answer) {
        let (reply, answer) = oneshot::channel();
        (Append { org: OrgId::new("acme").unwrap(), spans: ids.map(span).collect(), reply }, answer)
    }

    fn store_file(path: &std::path::Path) -> Connection {
        let connection = Connection::open(path).unwrap();
        connection.pragma_update(None, "journal_mode", "WAL").unwrap();
        connection.execute_batch(include_str!("../../../migrations/spans/sqlite/0001_spans.sql")).unwrap();
        connection.execute_batch(include_str!("../../../migrations/spans/sqlite/0002_the_key_covers.sql")).unwrap();
        connection.busy_timeout(std::time::Duration::ZERO).unwrap();
        connection
    }

    fn write(connection: &mut Connection, groups: Vec<Append>) {
        store_all(connection, &traces::merge_statement(Dialect::Sqlite), groups);
    }

    fn rows(connection: &Connection) -> (i64, Option<i64>) {
        let spans = connection.query_row("SELECT count(*) FROM spans", [], |row| row.get(0)).unwrap();
        let traced = connection.query_row("SELECT span_count FROM traces", [], |row| row.get(0)).optional().unwrap();
        (spans, traced)
    }

    #[test]
    fn on_a_full_disk_an_append_is_stored_whole_or_not_at_all_and_the_others_do_not_suffer() {
        let folder = tempfile::tempdir().unwrap();
        let mut connection = store_file(&folder.path().join("spans.db"));
        connection.pragma_update(None, "max_page_count", 250).unwrap();
        let ((small, mut first), (large, mut second), (last, mut third)) =
            (append(0..3), append(3..40), append(40..42));
        write(&mut connection, vec![small, large, last]);
        assert_eq!(first.try_recv().unwrap().unwrap().stored, 3);
        assert_eq!(second.try_recv().unwrap().unwrap_err().kind(), ErrorKind::StorageFull);
        assert_eq!(third.try_recv().unwrap().unwrap().stored, 2);
        assert_eq!(rows(&connection), (5, Some(5)));
        connection.pragma_update(None, "max_page_count", 100_000).unwrap();
        let (again, mut answer) = append(2..40);
        write(&mut connection, vec![again]);
        assert_eq!(answer.try_recv().unwrap().unwrap(), Appended { stored: 37, duplicates: 1 });
        assert_eq!(rows(&connection), (42, Some(42)));
    }

    #[test]
    fn while_another_process_writes_nothing_is_stored_and_the_answer_says_to_try_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("spans.db");
        let mut connection = store_file(&path);
        let mut other = Connection::open(&path).unwrap();
        let writing = other.transaction_with_behavior(TransactionBehavior::Immediate).unwrap();
        let (refused, mut answer) = append(0..1);
        write(&mut connection, vec![refused]);
        assert_eq!(answer.try_recv().unwrap().unwrap_err().kind(), ErrorKind::StoreUnavailable);
        writing.rollback().unwrap();
        let (stored, mut answer) = append(0..1);
        write(&mut connection, vec![stored]);
        assert_eq!(answer.try_recv().unwrap().unwrap().stored, 1);
    }
}
