//! Pages, count, export and a naive filter in Rust agree, for whatever is asked.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{Array, BooleanArray, Int64Array, StringArray};
use offtake_datasets::{FacetRequest, PlanSettings};
use offtake_model::dataset::RowsMode;
use offtake_model::query::{Chosen, Predicate, RowQuery, Sort, Test};
use offtake_model::selection::Scope;
use offtake_model::value::Value;
use proptest::collection::{hash_set, vec};
use proptest::option;
use proptest::prelude::*;

use crate::fixture::{Bench, Item, everything, org};

const NOTES: [&str; 9] = ["", "alpha", "ALPHA beta", "100%", "100_", "a\0b", "Straße 🦀", "a%", "back\\slash"];

fn items() -> impl Strategy<Value = Vec<Item>> {
    let identity = (0..2_i64, 0..200_u8, 0..3_u8);
    let cells = (
        0..6_i64,
        option::of(0..5_i64),
        option::of(prop_oneof![Just(-1.5), Just(0.0), Just(0.1), Just(1e300)]),
        option::of(any::<bool>()),
        option::of(-3_000..3_000_i64),
        option::of(0..NOTES.len()),
    );
    (prop_oneof![hash_set(identity.clone(), 0..40), hash_set(identity, 300..400)], vec(cells, 400)).prop_map(
        |(identities, cells)| {
            let mut identities: Vec<_> = identities.into_iter().collect();
            identities.sort_unstable();
            // A sequence that has nothing to do with the key.
            identities
                .into_iter()
                .zip(cells)
                .enumerate()
                .map(|(index, ((org, trace, span), (at, tokens, score, ok, cost, note)))| Item {
                    seq: index as i64 + 1,
                    org: if org == 0 { "other" } else { "acme" }.to_owned(),
                    at: at * 1_000_000,
                    trace: format!("t{trace}"),
                    span: format!("s{span}"),
                    tokens,
                    score,
                    ok,
                    cost,
                    note: note.map(|note| NOTES[note].to_owned()),
                })
                .collect()
        },
    )
}

fn decimal() -> impl Strategy<Value = Value> {
    (-4_000_000..4_000_000_i128, 0..7_i8).prop_map(|(unscaled, scale)| Value::Decimal { unscaled, scale })
}

fn predicate() -> impl Strategy<Value = Predicate> {
    let moment = (0..6_000_000_i64).prop_map(|at| Value::Timestamp(at / 500_000 * 500_000));
    let tests = prop_oneof![
        vec(0..12_u8, 0..4).prop_map(|ids| {
            ("trace_id", Test::OneOf(ids.into_iter().map(|id| Value::Text(format!("t{id}"))).collect()))
        }),
        moment.clone().prop_map(|at| ("at", Test::AtLeast(at))),
        moment.clone().prop_map(|at| ("at", Test::Below(at))),
        moment.prop_map(|at| ("at", Test::AtMost(at))),
        (0..5_i64).prop_map(|n| ("tokens", Test::AtLeast(Value::Int(n)))),
        prop_oneof![Just(0.1), Just(0.0), Just(-7.0)].prop_map(|f| ("score", Test::AtMost(Value::Float(f)))),
        any::<bool>().prop_map(|b| ("ok", Test::OneOf(vec![Value::Bool(b)]))),
        vec(decimal(), 0..3).prop_map(|costs| ("cost", Test::OneOf(costs))),
        (-3_000..3_000_i128)
            .prop_map(|unscaled| ("cost", Test::OneOf(vec![Value::Decimal { unscaled: unscaled * 10, scale: 4 }]))),
        decimal().prop_map(|cost| ("cost", Test::AtLeast(cost))),
        decimal().prop_map(|cost| ("cost", Test::AtMost(cost))),
        decimal().prop_map(|cost| ("cost", Test::Below(cost))),
        prop_oneof![Just("alpha"), Just("%"), Just("_"), Just("\0"), Just("STRASSE"), Just("ße 🦀"), Just("\\")]
            .prop_map(|text| ("note", Test::Contains(text.to_owned()))),
    ];
    tests.prop_map(|(column, test)| Predicate { columns: vec![column.to_owned()], test })
}

fn chosen() -> impl Strategy<Value = Chosen> {
    let ids = vec((0..14_u8, 0..3_u8), 0..20).prop_map(|ids| {
        ids.into_iter()
            .map(|(trace, span)| vec![Value::Text(format!("t{trace}")), Value::Text(format!("s{span}"))])
            .collect::<Arc<[_]>>()
    });
    prop_oneof![Just(Chosen::All), ids.clone().prop_map(Chosen::AllExcept), ids.prop_map(Chosen::Only)]
}

/// What a column holds, in a form that compares as numbers and texts do.
#[derive(PartialEq, PartialOrd)]
enum Cell {
    Number(i128),
    Double(f64),
    Text(String),
}

/// Decimals are compared with seven digits after the point: more than either side has.
fn cell(item: &Item, column: &str) -> Option<Cell> {
    match column {
        "trace_id" => Some(Cell::Text(item.trace.clone())),
        "at" => Some(Cell::Number(item.at.into())),
        "tokens" => item.tokens.map(|n| Cell::Number(n.into())),
        "score" => item.score.map(Cell::Double),
        "ok" => item.ok.map(|b| Cell::Number(b.into())),
        "cost" => item.cost.map(|cost| Cell::Number(i128::from(cost) * 10_000)),
        "note" => item.note.clone().map(Cell::Text),
        other => unreachable!("{other}"),
    }
}

fn wanted(value: &Value) -> Cell {
    match value {
        Value::Text(text) => Cell::Text(text.clone()),
        Value::Int(int) | Value::Timestamp(int) => Cell::Number((*int).into()),
        Value::Bool(truth) => Cell::Number((*truth).into()),
        Value::Float(float) => Cell::Double(*float),
        Value::Decimal { unscaled, scale } => Cell::Number(unscaled * 10_i128.pow(u32::try_from(7 - scale).unwrap())),
        Value::Null | Value::Date(_) => unreachable!(),
    }
}

fn passes(item: &Item, predicate: &Predicate) -> bool {
    predicate.columns.iter().any(|column| {
        let Some(cell) = cell(item, column) else { return false };
        match &predicate.test {
            Test::OneOf(values) => values.iter().any(|value| wanted(value) == cell),
            Test::AtLeast(value) => cell >= wanted(value),
            Test::AtMost(value) => cell <= wanted(value),
            Test::Below(value) => cell < wanted(value),
            Test::Contains(text) => match cell {
                Cell::Text(cell) => cell.to_ascii_lowercase().contains(&text.to_ascii_lowercase()),
                Cell::Number(_) | Cell::Double(_) => unreachable!(),
            },
            Test::Overlaps(_) => unreachable!("no column is an array"),
        }
    })
}

fn naive(items: &[Item], query: &RowQuery) -> Vec<i64> {
    let ids: HashSet<(String, String)> = match &query.chosen {
        Chosen::All => HashSet::new(),
        Chosen::AllExcept(ids) | Chosen::Only(ids) => ids
            .iter()
            .map(|id| match id.as_slice() {
                [Value::Text(trace), Value::Text(span)] => (trace.clone(), span.clone()),
                _ => unreachable!(),
            })
            .collect(),
    };
    let mut matching: Vec<&Item> = items
        .iter()
        .filter(|item| item.org == query.org.as_str() && query.predicates.iter().all(|test| passes(item, test)))
        .filter(|item| {
            let named = ids.contains(&(item.trace.clone(), item.span.clone()));
            match query.chosen {
                Chosen::All => true,
                Chosen::AllExcept(_) => !named,
                Chosen::Only(_) => named,
            }
        })
        .collect();
    if query.scope == Scope::Trace {
        let traces: HashSet<&str> = matching.iter().map(|item| item.trace.as_str()).collect();
        matching = items.iter().filter(|item| item.org == query.org.as_str()).collect();
        matching.retain(|item| traces.contains(item.trace.as_str()));
    }
    matching.sort_by(|a, b| (a.at, &a.trace, &a.span).cmp(&(b.at, &b.trace, &b.span)));
    matching.into_iter().map(|item| item.seq).collect()
}

const FACETS: [&str; 4] = ["trace_id", "tokens", "ok", "note"];

/// Values and how many rows have them; `None` is a row without one.
type Counted = BTreeMap<Option<String>, u64>;

/// The facet of a column by hand: the rows that pass everything but filters that name values of it.
fn naive_facet(items: &[Item], query: &RowQuery, column: &str) -> Counted {
    let mut others = query.clone();
    others.predicates.retain(|one| !matches!(one.test, Test::OneOf(_)) || one.columns != [column]);
    let rows: HashSet<i64> = naive(items, &others).into_iter().collect();
    let mut counted = Counted::new();
    for item in items.iter().filter(|item| rows.contains(&item.seq)) {
        let value = match cell(item, column) {
            None => None,
            Some(Cell::Text(text)) => Some(text),
            Some(Cell::Number(truth)) if column == "ok" => Some((truth == 1).to_string()),
            Some(Cell::Number(number)) => Some(number.to_string()),
            Some(Cell::Double(_)) => unreachable!("no facet of doubles"),
        };
        *counted.entry(value).or_default() += 1;
    }
    counted
}

fn said(values: &dyn Array, row: usize) -> Option<String> {
    let any = values.as_any();
    let text = any.downcast_ref::<StringArray>().map(|texts| texts.value(row).to_owned());
    let number = || any.downcast_ref::<Int64Array>().map(|numbers| numbers.value(row).to_string());
    let truth = || any.downcast_ref::<BooleanArray>().map(|truths| truths.value(row).to_string());
    text.or_else(number).or_else(truth)
}

async fn facets_agree(bench: &Bench, items: &[Item], query: &RowQuery) {
    let columns = FACETS.map(str::to_owned).to_vec();
    let asked = FacetRequest { columns, limit: 400, wait: Duration::from_secs(60), patience: Duration::from_secs(60) };
    let found = bench.source.facets(&bench.schema, query, &asked).await.unwrap();
    assert!(found.exact);
    for (facet, column) in found.facets.iter().zip(FACETS) {
        let values = facet.values.column(0);
        assert_eq!((values.len(), facet.others), (facet.counts.len(), 0));
        let shown = facet.counts.iter().enumerate().map(|(row, count)| (said(values, row), *count));
        let shown: Counted = shown.chain((facet.nulls > 0).then_some((None, facet.nulls))).collect();
        assert_eq!(shown, naive_facet(items, query, column), "{column}");
    }
}

async fn all_agree(bench: &Bench, items: &[Item], query: &RowQuery, sort: Sort, limit: u64) {
    let expected = naive(items, query);
    let count = bench.source.count(&bench.schema, query).await.unwrap();
    assert_eq!(count.rows, expected.len() as u64, "count");
    if query.scope == Scope::Row {
        facets_agree(bench, items, query).await;
    }
    for page in [1, 2, 7, 500] {
        assert_eq!(bench.leaf(query, None, page).await, expected, "pages of {page}");
    }
    // Two rows a frame is less than a plan would choose: it makes many ranges of few rows.
    for settings in [
        PlanSettings { limit: None, frame_bytes: 1, max_frame_rows: 64 },
        PlanSettings { limit: Some(limit), frame_bytes: 1 << 20, max_frame_rows: 64 },
    ] {
        let (plan, read) = bench.export(query, settings).await.unwrap();
        assert_eq!(plan.rows_matching, expected.len() as u64, "plan");
        let kept = expected.len().min(usize::try_from(settings.limit.unwrap_or(u64::MAX)).unwrap());
        assert_eq!(read, expected[..kept], "export");
    }
    let mut sorted = bench.leaf(query, Some(sort.clone()), 3).await;
    assert_eq!(sorted, bench.leaf(query, Some(sort), 500).await, "sorted pages");
    sorted.sort_unstable();
    let mut expected = expected;
    expected.sort_unstable();
    assert_eq!(sorted, expected, "sorted pages have the same rows");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 120, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn pages_count_and_export_mean_the_same_rows(
        items in items(),
        predicates in vec(predicate(), 0..3),
        chosen in chosen(),
        whole in any::<bool>(),
        mutable in any::<bool>(),
        lookup in any::<bool>(),
        column in prop_oneof![Just("tokens"), Just("score"), Just("ok"), Just("cost"), Just("note"), Just("at")],
        descending in any::<bool>(),
        limit in 1..40_u64,
    ) {
        let scope = if whole { Scope::Trace } else { Scope::Row };
        let query = RowQuery { org: org("acme"), predicates, chosen, scope, as_of: None, newer_than: None };
        let rows = if mutable { RowsMode::Mutable } else { RowsMode::AppendOnly };
        let sort = Sort { column: column.to_owned(), descending };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(all_agree(&Bench::new(&items, rows, lookup), &items, &query, sort, limit));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn they_do_in_postgres(
        mut items in items(),
        predicates in vec(predicate(), 0..3),
        chosen in chosen(),
        whole in any::<bool>(),
        mutable in any::<bool>(),
        column in prop_oneof![Just("tokens"), Just("score"), Just("ok"), Just("cost"), Just("note"), Just("at")],
        descending in any::<bool>(),
        limit in 1..40_u64,
    ) {
        // Postgres has no NUL in texts.
        for note in items.iter_mut().filter_map(|item| item.note.as_mut()) {
            *note = note.replace('\0', "0");
        }
        let scope = if whole { Scope::Trace } else { Scope::Row };
        let query = RowQuery { org: org("acme"), predicates, chosen, scope, as_of: None, newer_than: None };
        let rows = if mutable { RowsMode::Mutable } else { RowsMode::AppendOnly };
        let sort = Sort { column: column.to_owned(), descending };
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.block_on(async {
            let bench = Bench::postgres(&items, rows);
            all_agree(&bench, &items, &query, sort, limit).await;
        });
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn they_do_over_parquet(
        items in items(),
        predicates in vec(predicate(), 0..3),
        chosen in chosen(),
        whole in any::<bool>(),
        column in prop_oneof![Just("tokens"), Just("score"), Just("ok"), Just("cost"), Just("note"), Just("at")],
        descending in any::<bool>(),
        limit in 1..40_u64,
    ) {
        let scope = if whole { Scope::Trace } else { Scope::Row };
        let query = RowQuery { org: org("acme"), predicates, chosen, scope, as_of: None, newer_than: None };
        let sort = Sort { column: column.to_owned(), descending };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(all_agree(&Bench::parquet(&items), &items, &query, sort, limit));
    }
}

/// An answer in time that says what it is, not an error: nobody waits for ever for numbers beside a table.
#[tokio::test]
async fn facets_without_time_say_that_they_are_no_exact_numbers() {
    let items = crate::fixture::many(20_000);
    let bench = Bench::new(&items, RowsMode::AppendOnly, false);
    let asked = FacetRequest {
        columns: vec!["note".to_owned()],
        limit: 3,
        wait: Duration::from_secs(60),
        patience: Duration::ZERO,
    };
    let query = everything(Chosen::All);
    let found = bench.source.facets(&bench.schema, &query, &asked).await.unwrap();
    assert!(!found.exact && found.rows < 20_000, "{found:?}");
    let asked = FacetRequest { patience: Duration::from_secs(60), ..asked };
    let found = bench.source.facets(&bench.schema, &query, &asked).await.unwrap();
    assert_eq!((found.exact, found.rows), (true, 20_000));
}

#[tokio::test]
async fn an_excluded_span_id_is_kept_in_other_traces() {
    let item = |seq: i64, trace: &str| Item {
        seq,
        trace: trace.to_owned(),
        span: "1".to_owned(),
        ..crate::fixture::many(1).remove(0)
    };
    let bench = Bench::new(&[item(1, "A"), item(2, "B")], RowsMode::AppendOnly, true);
    let id: Arc<[_]> = [vec![Value::Text("A".to_owned()), Value::Text("1".to_owned())]].into();
    assert_eq!(bench.leaf(&everything(Chosen::AllExcept(id.clone())), None, 10).await, [2]);
    assert_eq!(bench.leaf(&everything(Chosen::Only(id)), None, 10).await, [1]);
}

#[tokio::test]
async fn a_whole_trace_comes_with_any_chosen_row_of_it() {
    let item = |seq: i64, trace: &str, span: &str, tokens| Item {
        seq,
        at: seq,
        trace: trace.to_owned(),
        span: span.to_owned(),
        tokens: Some(tokens),
        ..crate::fixture::many(1).remove(0)
    };
    let items =
        [item(1, "A", "1", 1), item(2, "A", "2", 2), item(3, "B", "1", 1), item(4, "C", "1", 2), item(5, "A", "3", 1)];
    let id = |trace: &str, span: &str| vec![Value::Text(trace.to_owned()), Value::Text(span.to_owned())];
    let two = || vec![Predicate { columns: vec!["tokens".to_owned()], test: Test::OneOf(vec![Value::Int(2)]) }];
    for lookup in [true, false] {
        let bench = Bench::new(&items, RowsMode::AppendOnly, lookup);
        let cases = [
            (two(), Chosen::All, vec![1, 2, 4, 5]),
            // Another span of the trace is still chosen, so the excluded one comes back with it.
            (Vec::new(), Chosen::AllExcept(vec![id("A", "2"), id("B", "1")].into()), vec![1, 2, 4, 5]),
            (two(), Chosen::AllExcept(vec![id("A", "2")].into()), vec![4]),
            (Vec::new(), Chosen::Only(vec![id("A", "3"), id("B", "2")].into()), vec![1, 2, 5]),
            (two(), Chosen::Only(vec![id("A", "3"), id("C", "1")].into()), vec![4]),
        ];
        for (predicates, chosen, expected) in cases {
            let query = RowQuery { predicates, chosen, scope: Scope::Trace, ..everything(Chosen::All) };
            assert_eq!(bench.leaf(&query, None, 2).await, expected, "{query:?}");
            let settings = PlanSettings { limit: Some(2), frame_bytes: 1, max_frame_rows: 64 };
            let (plan, read) = bench.export(&query, settings).await.unwrap();
            let kept = expected.len().min(2);
            assert_eq!((plan.rows_matching, read.as_slice()), (expected.len() as u64, &expected[..kept]));
        }
    }
}

#[tokio::test]
async fn rows_sort_by_value_and_ties_by_key() {
    let mut items = crate::fixture::many(40);
    items[3].tokens = None;
    let bench = Bench::new(&items, RowsMode::AppendOnly, false);
    let key = |item: &Item| (item.at, item.trace.clone(), item.span.clone());
    let mut ascending = items.clone();
    ascending.sort_by_key(|item| (item.tokens, key(item)));
    let ascending: Vec<i64> = ascending.iter().map(|item| item.seq).collect();
    let sort = |descending| Some(Sort { column: "tokens".to_owned(), descending });
    let query = everything(Chosen::All);
    assert_eq!(bench.leaf(&query, sort(false), 7).await, ascending);
    let descending: Vec<i64> = ascending.into_iter().rev().collect();
    assert_eq!(bench.leaf(&query, sort(true), 7).await, descending);
}
