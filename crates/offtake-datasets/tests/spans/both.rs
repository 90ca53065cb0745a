//! Spans in Postgres and in SQLite are the same rows, cell by cell.

use std::sync::Arc;

use crate::common::{Backend, Kept, SUITES, all, org, rows_of, span, spans_of, up_to};
use futures::StreamExt as _;
use offtake_datasets::spans::{Span, SpanType};
use offtake_datasets::{Dataset, PlanSettings};
use offtake_model::as_of::AsOf;
use offtake_model::budget::MemoryBudget;
use offtake_model::query::RowQuery;
use offtake_testkit::PgVersion;

/// Every column of every row, read range by range.
async fn exported(dataset: &Dataset, query: &RowQuery) -> Vec<Vec<String>> {
    let settings = PlanSettings { limit: None, frame_bytes: 1 << 16, max_frame_rows: 128 };
    let plan = dataset.source.plan(&dataset.schema, query, settings, Arc::new(|_| ())).await.unwrap();
    let plan = Arc::new(plan);
    let columns = &dataset.schema.default_columns;
    let reader = dataset.source.open(&dataset.schema, query, &plan, columns, 2).await.unwrap();
    let mut rows = Vec::new();
    for range in 0..plan.cuts.len() {
        let mut pieces = reader.read(range, &MemoryBudget::new(1 << 26));
        while let Some(piece) = pieces.next().await {
            rows.extend(rows_of(&piece.unwrap().0));
        }
    }
    assert_eq!(rows.len() as u64, plan.rows_expected);
    rows
}

/// What every dataset says after some appends, at the end and at the moment after the first.
async fn told(backend: Backend, appends: &[Vec<Span>]) -> Vec<(String, Vec<Vec<String>>)> {
    let kept = Kept::new(backend).await;
    let acme = org("acme");
    let mut early = None;
    for spans in appends {
        kept.store.append(&acme, spans.clone()).await.unwrap();
        kept.store.append(&org("other"), spans.clone()).await.unwrap();
        if early.is_none() {
            let (_, as_of) = kept.rows("spans", &["span_id"], &all(&acme)).await;
            let AsOf::Cutoff { sequence, .. } = as_of else { panic!("the store is append-only") };
            early = Some(up_to(&acme, sequence));
        }
    }
    let mut told = Vec::new();
    for dataset in kept.store.datasets() {
        for (when, query) in [("early", early.clone().unwrap()), ("late", all(&acme))] {
            told.push((format!("{} {when}", dataset.schema.name), exported(&dataset, &query).await));
        }
    }
    told
}

fn odd_spans() -> Vec<Span> {
    let with = |at: u16, change: fn(&mut Span)| {
        let mut span = span(9, at, 1_794_607_391_787_767 + i64::from(at));
        change(&mut span);
        span
    };
    vec![
        with(1, |span| span.name = "nul \0 and \u{1}\u{3}".to_owned()),
        with(2, |span| (span.input, span.output) = (Some(String::new()), Some("x".repeat(100_000)))),
        with(3, |span| (span.ended_at, span.ended_ns) = (Some(18_446_744_073_709_551), Some(615))),
        with(4, |span| (span.started_at, span.started_ns, span.duration_ms) = (0, 999, Some(-2.499_999))),
        with(5, |span| span.cost_usd = Some(999_999_999_999_999_999)),
        with(6, |span| span.cost_usd = Some(1)),
        with(7, |span| span.cost_usd = Some(0)),
        with(8, |span| {
            span.attributes = r#"{"a":"\u0000 \u001f","b":[1e+308,5.0,-0.0,9223372036854775807],"a":{}}"#.to_owned()
        }),
        with(9, |span| (span.span_type, span.user_id) = (SpanType::Completion, Some("Ω 🦀 \u{ffff}".to_owned()))),
        with(10, |span| {
            span.parent_span_id = Some(crate::common::span(9, 1, 0).span_id);
            (span.span_type, span.total_tokens) = (SpanType::Completion, Some(1_000_000_000));
        }),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_databases_say_the_same_of_the_same_spans() {
    let genuine: Vec<Vec<Span>> = SUITES.iter().map(|name| spans_of(name)).collect();
    // Traces grow with the later appends, and what is there stays.
    let later = genuine.iter().flatten().step_by(3).map(|span| Span {
        span_id: format!("{:016x}", u64::from_str_radix(&span.span_id, 16).unwrap() ^ 1),
        started_at: span.started_at - 5,
        ..span.clone()
    });
    let appends = [vec![genuine.concat()], vec![later.collect()], vec![odd_spans(), genuine.concat()]].concat();
    let sqlite = told(Backend::Sqlite, &appends).await;
    assert_eq!(sqlite[0].1.len(), 413);
    for version in PgVersion::ALL {
        let postgres = told(Backend::Postgres(version), &appends).await;
        for ((what, ours), (_, theirs)) in sqlite.iter().zip(&postgres) {
            assert_eq!(ours.len(), theirs.len(), "{what}");
            for (ours, theirs) in ours.iter().zip(theirs) {
                assert_eq!(ours, theirs, "{what} in {version:?}");
            }
        }
    }
}
