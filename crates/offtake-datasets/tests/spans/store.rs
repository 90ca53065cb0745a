//! The span store: every span once, durable, and at any cut-off what it was then.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use crate::common::{Backend, Kept, Place, SUITES, all, org, rows_of, span, spans_of, up_to};
use futures::StreamExt as _;
use offtake_datasets::spans::tail::SpentIn;
use offtake_datasets::spans::{Appended, Span, SpanStore, SpanType, StatusCode};
use offtake_datasets::{PageRequest, PlanSettings};
use offtake_model::as_of::AsOf;
use offtake_model::budget::MemoryBudget;
use offtake_model::dataset::FilterOp;
use offtake_model::id::OrgId;
use offtake_model::query::{Chosen, Predicate, RowQuery, Sort, Test};
use offtake_model::value::Value;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use rusqlite::Connection;
use serde_json::json;
use tokio::time::timeout;

const TRACE_COLUMNS: &[&str] = &[
    "trace_id",
    "name",
    "model",
    "input",
    "output",
    "status_code",
    "started_at",
    "ended_at",
    "span_count",
    "error_count",
    "prompt_tokens",
    "cost_usd",
];

fn sequence(as_of: AsOf) -> i64 {
    match as_of {
        AsOf::Cutoff { sequence, .. } => sequence,
        AsOf::Snapshot { .. } => panic!("the store is append-only"),
    }
}

async fn what_is_sent_again_is_not_stored_again(backend: Backend) {
    let kept = Kept::new(backend).await;
    let acme = org("acme");
    let spans: Vec<Span> = SUITES.iter().flat_map(|name| spans_of(name)).collect();
    let first = kept.store.append(&acme, spans.clone()).await.unwrap();
    assert_eq!(first, Appended { stored: 413, duplicates: 0 });
    let mut changed = spans.clone();
    changed.iter_mut().for_each(|span| span.name = "another".to_owned());
    let again = kept.store.append(&acme, changed).await.unwrap();
    assert_eq!(again, Appended { stored: 0, duplicates: 413 });
    let (rows, _) = kept.rows("spans", &["name"], &all(&acme)).await;
    assert_eq!(rows.len(), 413);
    assert!(rows.iter().all(|row| row[0] != "another"));
    // The same span of another organization is another span.
    let other = kept.store.append(&org("other"), spans).await.unwrap();
    assert_eq!(other.stored, 413);
    assert_eq!(kept.count("spans", &all(&acme)).await, 413);
    assert_eq!(kept.count("traces", &all(&acme)).await, 396);
    assert_eq!(kept.count("prompts", &all(&acme)).await, 350);
}

async fn rows_come_back_as_they_went_in(backend: Backend) {
    let kept = Kept::new(backend).await;
    let acme = org("acme");
    let mut odd = span(1, 1, 1_794_607_391_787_767);
    odd.name = "nul \0 inside".to_owned();
    odd.input = Some("line\nline \u{1f980} \0 end".to_owned());
    odd.output = Some(String::new());
    odd.duration_ms = Some(0.000_001);
    odd.cost_usd = Some(123_456_789_123_456_789);
    kept.store.append(&acme, vec![odd.clone()]).await.unwrap();
    let columns = ["name", "input", "output", "status_message", "started_at", "duration_ms", "cost_usd"];
    let (rows, _) = kept.rows("spans", &columns, &all(&acme)).await;
    let expected = [
        "nul \0 inside",
        "line\nline \u{1f980} \0 end",
        "",
        "NULL",
        "1794607391787767",
        "0.000001",
        "123456789123456789",
    ];
    assert_eq!(rows, [expected.map(str::to_owned).to_vec()]);
    let (traces, _) = kept.rows("traces", &["name", "input", "output", "cost_usd"], &all(&acme)).await;
    let expected = ["nul \0 inside", "line\nline \u{1f980} \0 end", "", "123456789123456789"];
    assert_eq!(traces, [expected.map(str::to_owned).to_vec()]);
}

async fn concurrent_appends_are_all_stored_once(backend: Backend) {
    let kept = Kept::new(backend).await;
    let appends = (0..40_u16).map(|task| {
        let store = Arc::clone(&kept.store);
        tokio::spawn(async move {
            // Each span is sent by two tasks.
            let spans = (0..50).map(|at| span(7, (task / 2) * 50 + at, i64::from(at) + 1)).collect();
            store.append(&org("acme"), spans).await.unwrap()
        })
    });
    let mut sums = Appended::default();
    for append in appends.collect::<Vec<_>>() {
        let appended = append.await.unwrap();
        sums = Appended { stored: sums.stored + appended.stored, duplicates: sums.duplicates + appended.duplicates };
    }
    assert_eq!(sums, Appended { stored: 1000, duplicates: 1000 });
    let (rows, _) = kept.rows("traces", &["span_count"], &all(&org("acme"))).await;
    assert_eq!(rows, [["1000".to_owned()]]);
}

async fn a_store_that_is_opened_again_has_its_spans_and_goes_on_counting(backend: Backend) {
    let kept = Kept::new(backend).await;
    let acme = org("acme");
    kept.store.append(&acme, vec![span(1, 1, 5)]).await.unwrap();
    let (_, before) = kept.rows("spans", &["span_id"], &all(&acme)).await;
    let again = kept.again().await;
    again.store.append(&acme, vec![span(1, 1, 5), span(1, 2, 6)]).await.unwrap();
    let (rows, after) = again.rows("spans", &["span_id"], &all(&acme)).await;
    assert_eq!(rows.len(), 2);
    assert!(sequence(after) > sequence(before));
    assert_eq!(again.count("spans", &up_to(&acme, sequence(before))).await, 1);
}

async fn several_processes_may_open_and_fill_the_same_store(backend: Backend) {
    let kept = Kept::new(backend).await;
    // Each opens connections of its own, as a process would.
    let opening = (0..6).map(|_| kept.another());
    let stores: Vec<Arc<SpanStore>> = futures::future::join_all(opening).await;
    let appends: Vec<_> = stores
        .iter()
        .zip(0..)
        .map(|(store, at): (_, u16)| {
            let store = Arc::clone(store);
            tokio::spawn(async move {
                for round in 0..5 {
                    // Some trace ids are shared by all, every span is its own.
                    let spans = (0..20).map(|id| span(id as u8 % 3, at * 100 + round * 20 + id, 5)).collect();
                    store.append(&org("acme"), spans).await.unwrap();
                }
            })
        })
        .collect();
    // Meanwhile somebody looks; what a moment had, it has for ever.
    let mut moments = Vec::new();
    while appends.iter().any(|append| !append.is_finished()) {
        let spans = kept.store.datasets().remove(0);
        moments.push(spans.source.count(&spans.schema, &all(&org("acme"))).await.unwrap());
    }
    for append in appends {
        append.await.unwrap();
    }
    for moment in moments {
        assert_eq!(kept.count("spans", &up_to(&org("acme"), sequence(moment.as_of))).await, moment.rows);
    }
    assert_eq!(kept.count("spans", &all(&org("acme"))).await, 600);
    let (traces, as_of) = kept.rows("traces", &["span_count"], &all(&org("acme"))).await;
    assert_eq!(traces.iter().map(|row| row[0].parse::<u32>().unwrap()).sum::<u32>(), 600);
    assert_eq!(sequence(as_of), 600);
}

#[tokio::test]
async fn nobody_else_may_read_the_files() {
    use std::os::unix::fs::PermissionsExt as _;
    let kept = Kept::new(Backend::Sqlite).await;
    let Place::Folder(folder) = &kept.place else { panic!("SQLite lies in a folder") };
    kept.store.append(&org("acme"), vec![span(1, 1, 1)]).await.unwrap();
    let mut files = 0;
    for file in std::fs::read_dir(folder.path()).unwrap() {
        assert_eq!(file.unwrap().metadata().unwrap().permissions().mode() & 0o777, 0o600);
        files += 1;
    }
    assert!(files >= 2, "the store and its journal");
}

async fn a_prompt_has_its_first_completion_or_itself(backend: Backend) {
    let kept = Kept::new(backend).await;
    let acme = org("acme");
    let prompt =
        |at: u16| Span { output: Some(format!("own {at}")), prompt_tokens: Some(3), ..span(1, at, i64::from(at)) };
    let completion = |at: u16, of: u16, started: i64| Span {
        parent_span_id: Some(span(1, of, 0).span_id),
        span_type: SpanType::Completion,
        output: Some(format!("answer {at}")),
        completion_tokens: Some(5),
        ..span(1, at, started)
    };
    kept.store.append(&acme, vec![prompt(1), prompt(2), completion(11, 1, 200)]).await.unwrap();
    let columns = ["completion_span_id", "completion", "prompt_tokens", "completion_tokens"];
    let (before, then) = kept.rows("prompts", &columns, &all(&acme)).await;
    let row = |cells: [&str; 4]| cells.map(str::to_owned).to_vec();
    let (own, late) = (row(["NULL", "own 2", "3", "NULL"]), row(["000000000000b00b", "answer 11", "3", "5"]));
    assert_eq!(before, [late.clone(), own.clone()]);
    // One that started earlier arrives later: it is the completion from then on, and not before.
    let elsewhere = Span { trace_id: span(2, 0, 0).trace_id, ..completion(13, 1, 50) };
    kept.store.append(&acme, vec![completion(12, 1, 100), elsewhere]).await.unwrap();
    let (after, _) = kept.rows("prompts", &columns, &all(&acme)).await;
    assert_eq!(after, [row(["000000000000b00c", "answer 12", "3", "5"]), own.clone()]);
    let (again, _) = kept.rows("prompts", &columns, &up_to(&acme, sequence(then))).await;
    assert_eq!(again, [late.clone(), own]);
    let identity = vec![Value::Text(span(1, 1, 0).trace_id), Value::Text(span(1, 1, 0).span_id)];
    let chosen = RowQuery { chosen: Chosen::Only(vec![identity].into()), ..up_to(&acme, sequence(then)) };
    assert_eq!(kept.rows("prompts", &columns, &chosen).await.0, [late]);
}

async fn filters_mean_the_columns_of_a_trace(backend: Backend) {
    let kept = Kept::new(backend).await;
    let acme = org("acme");
    let root = Span { span_type: SpanType::Agent, total_tokens: Some(900), ..span(1, 1, 10) };
    let call = |at: u16, model: &str| Span {
        parent_span_id: Some(root.span_id.clone()),
        model: Some(model.to_owned()),
        total_tokens: Some(7),
        cost_usd: Some(2),
        ..span(1, at, 10 + i64::from(at))
    };
    kept.store.append(&acme, vec![call(3, "late"), root.clone(), call(2, "early")]).await.unwrap();
    let by = |column: &str, test: Test| {
        let predicates = vec![Predicate { columns: vec![column.to_owned()], test }];
        RowQuery { predicates, ..all(&acme) }
    };
    let is = |model: &str| by("model", Test::OneOf(vec![Value::Text(model.to_owned())]));
    assert_eq!(kept.count("traces", &is("early")).await, 1);
    assert_eq!(kept.count("traces", &is("late")).await, 0);
    // The agent repeats what its calls used.
    assert_eq!(kept.count("traces", &by("total_tokens", Test::AtLeast(Value::Int(15)))).await, 0);
    assert_eq!(kept.count("traces", &by("total_tokens", Test::AtLeast(Value::Int(14)))).await, 1);
}

async fn every_filter_can_be_asked_for_as_one_value_or_a_list(backend: Backend) {
    let kept = Kept::new(backend).await;
    let acme = org("acme");
    kept.store.append(&acme, SUITES.iter().flat_map(|name| spans_of(name)).collect()).await.unwrap();
    for dataset in kept.store.datasets() {
        for filter in &dataset.schema.filters {
            let digits = dataset.schema.filter_equals(filter).and_then(|column| column.hex_digits);
            let text = |letter: &str| letter.repeat(digits.map_or(1, usize::from));
            let values = match filter.op {
                FilterOp::In | FilterOp::Overlaps => vec![json!(text("a")), json!([text("a"), text("b")])],
                FilterOp::Range => vec![json!({"from": "2026-11-01T00:00:00Z", "to": "2026-11-02T00:00:00Z"})],
                FilterOp::Contains => vec![json!("weather")],
                FilterOp::Min | FilterOp::Max | FilterOp::Eq => vec![json!(1)],
            };
            for value in values {
                let body = json!({ filter.name.as_str(): value });
                let rows =
                    dataset.parse_rows(body.as_object().unwrap()).unwrap_or_else(|error| panic!("{filter:?}: {error}"));
                let query = dataset.query(&acme, &rows).unwrap();
                let all = dataset.source.count(&dataset.schema, &all(&acme)).await.unwrap().rows;
                let some = dataset.source.count(&dataset.schema, &query).await.unwrap().rows;
                assert!(some < all, "{}: {} of {all} pass {filter:?}", dataset.schema.name, some);
            }
        }
    }
}

async fn a_plan_of_traces_is_read_as_it_was_made_though_they_grow_meanwhile(backend: Backend) {
    let kept = Kept::new(backend).await;
    let acme = org("acme");
    let first = (0..200).map(|trace| span(trace, 1, 1_000 + i64::from(trace))).collect();
    kept.store.append(&acme, first).await.unwrap();
    let traces = kept.store.datasets().into_iter().find(|dataset| dataset.schema.name == "traces").unwrap();
    let settings = PlanSettings { limit: None, frame_bytes: 1, max_frame_rows: 64 };
    let plan = traces.source.plan(&traces.schema, &all(&acme), settings, Arc::new(|_| ())).await.unwrap();
    assert_eq!((plan.rows_expected, plan.cuts.len()), (200, 4));
    // Every trace gets an earlier span, which moves it before all the others; and new traces come.
    let later =
        (0..250).map(|trace| Span { model: Some("m".to_owned()), ..span(trace, 2, 500 - i64::from(trace)) }).collect();
    kept.store.append(&acme, later).await.unwrap();
    let columns = ["trace_id", "span_count", "model", "started_at"].map(str::to_owned);
    let plan = Arc::new(plan);
    let reader = traces.source.open(&traces.schema, &all(&acme), &plan, &columns, 2).await.unwrap();
    let mut rows = Vec::new();
    for range in 0..plan.cuts.len() {
        let mut pieces = reader.read(range, &MemoryBudget::new(1 << 24));
        while let Some(piece) = pieces.next().await {
            rows.extend(rows_of(&piece.unwrap().0));
        }
    }
    let expected: Vec<Vec<String>> = (0..200)
        .map(|trace| {
            vec![span(trace, 1, 0).trace_id, "1".to_owned(), "NULL".to_owned(), (1_000 + i64::from(trace)).to_string()]
        })
        .collect();
    assert_eq!(rows, expected);
}

/// What a span of the property test varies in.
fn arbitrary_span() -> impl Strategy<Value = Span> {
    let ids = (0..4_u8, 0..12_u16, proptest::option::weighted(0.7, 0..12_u16));
    let texts = (proptest::option::of("[a-c]"), proptest::option::of("[x-z]{0,2}"), proptest::option::of("[x-z]{0,2}"));
    let numbers = (1..40_i64, proptest::option::of(0..30_i64), proptest::option::of(0..5_i64), 0..3_u8, 0..4_u8);
    (ids, texts, numbers).prop_map(
        |((trace, id, parent), (model, input, output), (start, length, number, status, ty))| Span {
            parent_span_id: parent.map(|parent| span(trace, parent, 0).span_id),
            model,
            input,
            output,
            ended_at: length.map(|length| start + length),
            prompt_tokens: number,
            cost_usd: number.map(|number| number * 700_000_000),
            status_code: [StatusCode::Ok, StatusCode::Error, StatusCode::Unset][usize::from(status)],
            span_type: [SpanType::Prompt, SpanType::Tool, SpanType::Agent, SpanType::Other][usize::from(ty)],
            ..span(trace, id, start)
        },
    )
}

/// The traces of spans, worked out the plain way.
fn traces_of(spans: &[Span]) -> Vec<Vec<String>> {
    let mut traces: BTreeMap<&str, Vec<&Span>> = BTreeMap::new();
    spans.iter().for_each(|span| traces.entry(&span.trace_id).or_default().push(span));
    let mut rows: Vec<(i64, Vec<String>)> = traces.into_values().map(|spans| trace_of(spans)).collect();
    rows.sort_by(|(left, a), (right, b)| (left, &a[0]).cmp(&(right, &b[0])));
    rows.into_iter().map(|(_, row)| row).collect()
}

fn trace_of(mut spans: Vec<&Span>) -> (i64, Vec<String>) {
    fn text<T: ToString>(value: Option<T>) -> String {
        value.map_or("NULL".to_owned(), |value| value.to_string())
    }
    spans.sort_by_key(|span| (span.parent_span_id.is_some(), span.started_at, span.span_id.clone()));
    let mut latest = spans.clone();
    latest.sort_by_key(|span| (span.parent_span_id.is_none(), span.started_at, span.span_id.clone()));
    let counted: Vec<&&Span> =
        spans.iter().filter(|span| !matches!(span.span_type, SpanType::Agent | SpanType::Other)).collect();
    let sum = |number: fn(&Span) -> Option<i64>| {
        let numbers: Vec<i64> = counted.iter().filter_map(|span| number(span)).collect();
        (!numbers.is_empty()).then(|| numbers.iter().sum::<i64>())
    };
    let errors = spans.iter().filter(|span| span.status_code == StatusCode::Error).count();
    let status = match (errors, spans[0].status_code) {
        (0, StatusCode::Ok) => "OK",
        (0, _) => "UNSET",
        _ => "ERROR",
    };
    let started_at = spans.iter().map(|span| span.started_at).min().unwrap();
    let row = vec![
        spans[0].trace_id.clone(),
        spans[0].name.clone(),
        text(spans.iter().find_map(|span| span.model.clone())),
        text(spans.iter().find_map(|span| span.input.clone())),
        text(latest.iter().rev().find_map(|span| span.output.clone())),
        status.to_owned(),
        started_at.to_string(),
        text(spans.iter().filter_map(|span| span.ended_at).max()),
        spans.len().to_string(),
        errors.to_string(),
        text(sum(|span| span.prompt_tokens)),
        text(sum(|span| span.cost_usd)),
    ];
    (started_at, row)
}

/// Whatever batches of spans come in, at whichever cut-off: each case has an organization of its own.
fn a_trace_at_a_cut_off_is_what_its_spans_up_to_there_make_it(backend: Backend, cases: u32) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let kept = runtime.block_on(Kept::new(backend));
    let batches = proptest::collection::vec(proptest::collection::vec(arbitrary_span(), 1..8), 1..8);
    let mut runner = TestRunner::new(ProptestConfig { cases, ..ProptestConfig::default() });
    let number = AtomicU32::new(0);
    let checked = runner.run(&batches, |batches| {
        let acme = org(&format!("acme-{}", number.fetch_add(1, Ordering::Relaxed)));
        runtime.block_on(check_traces(&kept, &acme, batches));
        Ok(())
    });
    checked.unwrap();
    // Its connections are closed within the runtime that they are of.
    runtime.block_on(async { drop(kept) });
}

async fn check_traces(kept: &Kept, acme: &OrgId, batches: Vec<Vec<Span>>) {
    let mut known: Vec<Span> = Vec::new();
    let mut moments = Vec::new();
    for batch in batches {
        kept.store.append(acme, batch.clone()).await.unwrap();
        for new in batch {
            if !known.iter().any(|old| (&old.trace_id, &old.span_id) == (&new.trace_id, &new.span_id)) {
                known.push(new);
            }
        }
        let (rows, as_of) = kept.rows("traces", TRACE_COLUMNS, &all(acme)).await;
        assert_eq!(rows, traces_of(&known));
        moments.push((sequence(as_of), rows));
    }
    for (moment, rows) in moments {
        let query = up_to(acme, moment);
        let (again, _) = kept.rows("traces", TRACE_COLUMNS, &query).await;
        assert_eq!(again, rows.clone());
        assert_eq!(kept.count("traces", &query).await, rows.len() as u64);
        let ids: Vec<Vec<Value>> = rows.iter().map(|row| vec![Value::Text(row[0].clone())]).collect();
        let chosen = RowQuery { chosen: Chosen::Only(ids.into()), ..query };
        assert_eq!(kept.rows("traces", TRACE_COLUMNS, &chosen).await.0, rows);
    }
}

/// Texts with U+0000 and its neighbours, in every way that a text is asked for.
async fn odd_texts_are_found_by_what_they_are(backend: Backend) {
    let kept = Kept::new(backend).await;
    let acme = org("acme");
    let texts = ["\0", "\0\0b", "\u{1}", "\u{1}\u{3}", "\u{2}", "\u{5}", "\u{6}", "a\0B", "a\u{1}\u{3}b"];
    let odd = |(text, at): (&&str, u16)| Span {
        name: (*text).to_owned(),
        input: Some((*text).to_owned()),
        model: Some((*text).to_owned()),
        ..span(1, at, 1_000 - i64::from(at))
    };
    kept.store.append(&acme, texts.iter().zip(0..).map(odd).collect()).await.unwrap();
    let by = |column: &str, test: Test| {
        let predicates = vec![Predicate { columns: vec![column.to_owned()], test }];
        RowQuery { predicates, ..all(&acme) }
    };
    for text in texts {
        let same = by("name", Test::OneOf(vec![Value::Text(text.to_owned())]));
        assert_eq!(kept.rows("spans", &["name"], &same).await.0, [[text.to_owned()]], "{text:?}");
        let containing = texts.iter().filter(|other| other.to_lowercase().contains(&text.to_lowercase())).count();
        let contains = by("input", Test::Contains(text.to_owned()));
        assert_eq!(kept.count("spans", &contains).await, containing as u64, "{text:?}");
        let above = texts.iter().filter(|other| **other >= text).count();
        let at_least = by("model", Test::AtLeast(Value::Text(text.to_owned())));
        assert_eq!(kept.count("spans", &at_least).await, above as u64, "{text:?}");
    }
    let spans = kept.store.datasets().remove(0);
    let sort = Some(Sort { column: "name".to_owned(), descending: false });
    let mut page = PageRequest { columns: vec!["name".to_owned()], sort, limit: 2, cursor: None };
    let mut found = Vec::new();
    loop {
        let read = spans.source.page(&spans.schema, &all(&acme), &page).await.unwrap();
        found.extend(rows_of(&read.rows).into_iter().flatten());
        page.cursor = read.next_cursor;
        if page.cursor.is_none() {
            break;
        }
    }
    let mut sorted = texts.map(str::to_owned);
    sorted.sort();
    assert_eq!(found, sorted);
    // The trace has those of its earliest span.
    let (traces, _) = kept.rows("traces", &["name", "input", "model"], &all(&acme)).await;
    assert_eq!(traces, [["a\u{1}\u{3}b"; 3].map(str::to_owned)]);
}

/// What is new since one moment, at another: of spans each row once; of traces and prompts the latest of each.
async fn windows_between_moments_have_every_row(backend: Backend) {
    let acme = org("acme");
    let spans: Vec<Span> = SUITES.iter().flat_map(|name| spans_of(name)).collect();
    for dataset in ["spans", "traces", "prompts"] {
        let kept = Kept::new(backend).await;
        let columns: &[&str] = match dataset {
            "spans" => &["trace_id", "span_id", "name", "started_at"],
            "traces" => TRACE_COLUMNS,
            _ => &["trace_id", "span_id", "completion", "total_tokens"],
        };
        let (mut seen, mut rows_in_all): (BTreeMap<Vec<String>, Vec<String>>, usize) = Default::default();
        let mut from = None;
        // Every seventh first, so that traces and prompts grow from one window to the next.
        for part in 0..7 {
            let mine = spans.iter().skip(part).step_by(7).cloned().collect();
            kept.store.append(&acme, mine).await.unwrap();
            kept.store.append(&org("other"), vec![span(9, 9, part as i64)]).await.unwrap();
            let window = RowQuery { newer_than: from, ..all(&acme) };
            let (rows, as_of) = kept.rows(dataset, columns, &window).await;
            let then = RowQuery { as_of: Some(as_of), ..window };
            assert_eq!(kept.count(dataset, &then).await, rows.len() as u64, "page and count agree: {dataset}");
            rows_in_all += rows.len();
            let key = if dataset == "traces" { 1 } else { 2 };
            seen.extend(rows.into_iter().map(|row| (row[..key].to_vec(), row)));
            from = Some(as_of);
        }
        let (table, _) = kept.rows(dataset, columns, &all(&acme)).await;
        let mut latest: Vec<_> = seen.into_values().collect();
        let mut table_sorted = table.clone();
        latest.sort();
        table_sorted.sort();
        assert_eq!(latest, table_sorted, "{dataset}");
        // What grows comes again; a span does not. The prompts of the suites have their completions with them.
        assert_eq!(rows_in_all > table.len(), dataset == "traces", "{dataset}: {rows_in_all}");
    }
}

/// Makes a test of each of these for the backend `$backend`.
macro_rules! store_tests {
    ($($module:ident: $backend:expr, $cases:literal;)+) => {
        $(mod $module {
            use super::Backend;

            const BACKEND: Backend = $backend;

            store_tests!(each
                what_is_sent_again_is_not_stored_again
                rows_come_back_as_they_went_in
                concurrent_appends_are_all_stored_once
                a_store_that_is_opened_again_has_its_spans_and_goes_on_counting
                several_processes_may_open_and_fill_the_same_store
                a_prompt_has_its_first_completion_or_itself
                filters_mean_the_columns_of_a_trace
                every_filter_can_be_asked_for_as_one_value_or_a_list
                a_plan_of_traces_is_read_as_it_was_made_though_they_grow_meanwhile
                odd_texts_are_found_by_what_they_are
                windows_between_moments_have_every_row
            );

            #[test]
            fn a_trace_at_a_cut_off_is_what_its_spans_up_to_there_make_it() {
                super::a_trace_at_a_cut_off_is_what_its_spans_up_to_there_make_it(BACKEND, $cases);
            }
        })+
    };
    (each $($name:ident)+) => {
        $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            super::$name(BACKEND).await;
        })+
    };
}

store_tests! {
    sqlite: Backend::Sqlite, 48;
    postgres: Backend::Postgres(offtake_testkit::PgVersion::V15), 24;
}

/// The numbers that are told while a sum runs that has no end, and after it was dropped.
async fn told_beside_an_endless_sum() -> [Option<u64>; 2] {
    let kept = Kept::new(Backend::Sqlite).await;
    let acme = org("acme");
    kept.store.append(&acme, vec![span(1, 1, 1)]).await.unwrap();
    let Place::Folder(folder) = &kept.place else { panic!("it lies in a file") };
    let endless = "ALTER TABLE spans RENAME TO real_spans;
        CREATE VIEW spans AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)
        SELECT 'acme' AS org_id, 1 AS started_at, 1 AS ingest_seq, NULL AS provider, '' AS trace_id, 'prompt' AS type,
            1 AS cost_usd FROM n;
        UPDATE sqlite_sequence SET name = 'spans'";
    Connection::open(folder.path().join("spans.db")).unwrap().execute_batch(endless).unwrap();
    let (tail, events) = (kept.store.tail(), kept.store.events());
    let limit = Duration::from_secs(5);
    let during = {
        let asked = SpentIn { org: &acme, provider: None, from: 0, to: 10, upto: 1 };
        tokio::select! {
            biased;
            spent = tail.spent(&asked) => panic!("it has no end: {spent:?}"),
            last = timeout(limit, tail.last()) => last,
        }
    };
    let after = timeout(limit, events.newest()).await;
    [during, after].map(|told| Some(told.ok()?.unwrap()))
}

#[test]
fn a_sum_that_takes_long_keeps_nobody_waiting_and_ends_when_nobody_waits_for_it() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let told = runtime.block_on(told_beside_an_endless_sum());
    // It ends when none of its threads is in the middle of something.
    let (ended, end) = mpsc::sync_channel(1);
    std::thread::spawn(move || {
        drop(runtime);
        ended.send(()).unwrap();
    });
    assert_eq!(told, [Some(1); 2], "nobody waits");
    end.recv_timeout(Duration::from_secs(10)).expect("it is broken off");
}
