//! What happens to traces, told by number: the same in SQLite and in Postgres, whoever reads it and in whatever pieces.

use crate::common::{Backend, Kept, org, span, spans_of};
use offtake_datasets::spans::{Span, TraceEvents, TraceState};
use offtake_testkit::PgVersion;

/// Everything after `at`, read in pieces of so many spans.
async fn read(events: &dyn TraceEvents, names: Option<&[&str]>, mut at: u64, spans: u32) -> Vec<TraceState> {
    let orgs: Option<Vec<_>> = names.map(|names| names.iter().map(|name| org(name)).collect());
    let mut traces = Vec::new();
    loop {
        let batch = events.after(orgs.as_deref(), at, spans).await.unwrap();
        traces.extend(batch.traces);
        if !batch.more {
            assert_eq!(batch.upto, events.newest().await.unwrap());
            return traces;
        }
        at = batch.upto;
    }
}

/// What was created, in order: organization, trace, number.
fn created(traces: &[TraceState]) -> Vec<(String, String, u64)> {
    let named =
        |trace: &TraceState| trace.created.map(|seq| (trace.org.as_str().to_owned(), trace.trace_id.clone(), seq));
    let mut created: Vec<_> = traces.iter().filter_map(named).collect();
    created.sort_by_key(|(_, _, seq)| *seq);
    created
}

async fn traces_are_created_once_and_grow(backend: Backend) {
    let kept = Kept::new(backend).await;
    let (events, acme) = (kept.store.events(), org("acme"));
    assert_eq!(events.newest().await.unwrap(), 0);
    assert!(read(events.as_ref(), None, 0, 10).await.is_empty());
    let mut child = span(1, 1, 100);
    child.parent_span_id = Some("00000000000000aa".to_owned());
    (child.provider, child.cost_usd) = (Some("a\u{0}b".to_owned()), Some(1_500_000_000));
    let mut root = span(1, 2, 90);
    (root.provider, root.user_id) = (Some("openai".to_owned()), Some("ada".to_owned()));
    (root.ended_at, root.cost_usd) = (Some(2_090), Some(1));
    kept.store.append(&acme, vec![child, span(2, 1, 5)]).await.unwrap();
    let first = read(events.as_ref(), Some(&["acme"]), 0, 100).await;
    assert_eq!(created(&first).len(), 2);
    let one = first.iter().find(|trace| trace.cost_nanos.is_some()).unwrap();
    assert_eq!((one.provider.as_deref(), one.cost_nanos, one.updated), (Some("a\u{0}b"), Some(1_500_000_000), None));
    kept.store.append(&acme, vec![root]).await.unwrap();
    kept.store.append(&org("other"), vec![span(1, 1, 100)]).await.unwrap();
    let grown = read(events.as_ref(), Some(&["acme"]), 2, 100).await;
    assert_eq!(grown.len(), 1, "{grown:?}");
    assert_eq!((grown[0].created, grown[0].updated), (None, Some(3)));
    assert_eq!((grown[0].provider.as_deref(), grown[0].user_id.as_deref()), (Some("openai"), Some("ada")));
    assert_eq!((grown[0].cost_nanos, grown[0].duration_ms), (Some(1_500_000_001), Some(2.0)));
    assert_eq!(grown[0].started_at.as_microsecond(), 90);
    // From the beginning again: the same numbers, and the state of now.
    let again = read(events.as_ref(), Some(&["acme"]), 0, 100).await;
    assert_eq!(created(&again), created(&first));
    assert_eq!(created(&read(events.as_ref(), None, 0, 100).await).len(), 3);
    assert!(read(events.as_ref(), Some(&["nobody"]), 0, 100).await.is_empty());
    assert!(read(events.as_ref(), Some(&[]), 0, 100).await.is_empty());
}

async fn genuine_spans_say_the_same_in_any_pieces(backend: Backend) {
    let kept = Kept::new(backend).await;
    let events = kept.store.events();
    let spans: Vec<Span> =
        ["openai-v2", "anthropic", "langchain-openinference"].into_iter().flat_map(spans_of).collect();
    let traces: std::collections::BTreeSet<_> = spans.iter().map(|span| span.trace_id.clone()).collect();
    for piece in spans.chunks(17) {
        kept.store.append(&org("acme"), piece.to_vec()).await.unwrap();
        kept.store.append(&org("other"), piece.to_vec()).await.unwrap();
    }
    let whole = created(&read(events.as_ref(), None, 0, 10_000).await);
    assert_eq!(whole.len(), 2 * traces.len());
    for spans in [1, 3, 16, 17, 100] {
        assert_eq!(created(&read(events.as_ref(), None, 0, spans).await), whole, "in pieces of {spans}");
    }
    let own = created(&read(events.as_ref(), Some(&["other"]), 0, 13).await);
    assert_eq!(own, whole.iter().filter(|(org, ..)| org == "other").cloned().collect::<Vec<_>>());
}

macro_rules! both {
    ($($name:ident)+) => {
        mod sqlite {
            use super::Backend;
            $(#[tokio::test]
            async fn $name() {
                super::$name(Backend::Sqlite).await;
            })+
        }
        mod postgres {
            use super::{Backend, PgVersion};
            $(#[tokio::test]
            async fn $name() {
                super::$name(Backend::Postgres(PgVersion::V15)).await;
            })+
        }
    };
}

both! {
    traces_are_created_once_and_grow
    genuine_spans_say_the_same_in_any_pieces
}
