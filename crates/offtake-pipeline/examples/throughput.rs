//! Prints how fast each format is written on one core, for rows like LLM spans.
//!
//! `cargo run --release -p offtake-pipeline --example throughput [ROWS] [FORMAT]`. One range at a time, reading
//! costs nothing: what is measured is shape, encode, compress and hash, in time of a core.

use std::sync::Arc;
use std::time::Instant;

use arrow::array::{
    ArrayRef, Decimal128Array, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{Field, Schema};
use futures::stream::{self, StreamExt};
use offtake_model::as_of::AsOf;
use offtake_model::budget::MemoryBudget;
use offtake_model::dataset::{Column, ColumnType, DatasetSchema, Limits, RowsMode};
use offtake_model::permission::Permission;
use offtake_model::plan::Plan;
use offtake_model::value::Value;
use offtake_pipeline::shape::arrow_type;
use offtake_pipeline::{ExportSettings, Meter, ReadRange, Recipe, Spool, Start, export};
use serde_json::json;

const FRAME_ROWS: usize = 2048;
const RUNS: u32 = 5;

const WORDS: [&str; 24] = [
    "the",
    "model",
    "answers",
    "a",
    "question",
    "about",
    "exports,",
    "rows",
    "and",
    "files;",
    "it",
    "says:",
    "\"whole",
    "or",
    "failed\",",
    "never",
    "fewer",
    "naïve",
    "tokens",
    "cost",
    "money.",
    "Streams",
    "resume",
    "🦀",
];

/// The same numbers in every run (xorshift).
struct Chance(u64);

impl Chance {
    fn next(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % below
    }

    fn words(&mut self, count: u64) -> String {
        let mut text = String::new();
        for word in 0..count {
            text.push_str(WORDS[self.next(WORDS.len() as u64) as usize]);
            text.push(if word % 14 == 13 { '\n' } else { ' ' });
        }
        text
    }

    fn id(&mut self) -> String {
        format!("{:016x}{:016x}", self.next(u64::MAX), self.next(u64::MAX))
    }
}

type Make = fn(&mut Chance, i64) -> Option<String>;

fn text_columns() -> Vec<(&'static str, ColumnType, Make)> {
    let name = ColumnType::Text;
    vec![
        ("trace_id", name, |chance, _| Some(chance.id())),
        ("span_id", name, |chance, _| Some(chance.id()[..16].to_owned())),
        ("parent_span_id", name, |chance, n| (n % 3 != 0).then(|| chance.id()[..16].to_owned())),
        ("org_id", name, |_, _| Some("acme".to_owned())),
        ("project_id", name, |chance, _| Some(format!("project-{}", chance.next(8)))),
        ("document_uuid", name, |_, _| None),
        ("commit_uuid", name, |_, _| None),
        ("type", name, |chance, _| Some(["prompt", "completion", "tool"][chance.next(3) as usize].to_owned())),
        ("name", name, |chance, _| Some(["chat gpt-4o", "retrieve", "rerank"][chance.next(3) as usize].to_owned())),
        ("service", name, |_, _| Some("assistant".to_owned())),
        ("provider", name, |chance, _| Some(["openai", "anthropic"][chance.next(2) as usize].to_owned())),
        ("model", name, |chance, _| Some(["gpt-4o", "claude-sonnet"][chance.next(2) as usize].to_owned())),
        ("environment", name, |_, _| Some("production".to_owned())),
        ("user_id", name, |chance, _| Some(format!("user-{}", chance.next(5000)))),
        ("status_code", name, |_, _| Some("OK".to_owned())),
        ("status_message", name, |_, n| (n % 50 == 0).then(String::new)),
        ("input", name, |chance, _| Some(chance.words(40))),
        ("output", name, |chance, _| Some(chance.words(60))),
        ("attributes", ColumnType::Json, |chance, n| {
            let (temperature, tokens, reply) = (chance.next(100), chance.next(4000), chance.id());
            Some(format!(
                r#"{{"gen_ai.system":"openai","gen_ai.request.temperature":0.{temperature},"gen_ai.request.max_tokens":{tokens},"gen_ai.response.id":"{reply}","gen_ai.response.finish_reasons":["stop"],"n":{n}}}"#
            ))
        }),
    ]
}

const NUMBERS: [(&str, ColumnType); 7] = [
    ("started_at", ColumnType::Timestamp),
    ("ended_at", ColumnType::Timestamp),
    ("duration_ms", ColumnType::Float64),
    ("prompt_tokens", ColumnType::Int64),
    ("completion_tokens", ColumnType::Int64),
    ("total_tokens", ColumnType::Int64),
    ("cost_usd", ColumnType::Decimal { precision: 18, scale: 9 }),
];

fn spans(rows: usize) -> RecordBatch {
    let mut chance = Chance(0x9e37_79b9_7f4a_7c15);
    let (mut fields, mut arrays) = (Vec::new(), Vec::<ArrayRef>::new());
    for (name, ty, make) in text_columns() {
        fields.push(Field::new(name, arrow_type(ty), true));
        arrays.push(Arc::new((0..rows as i64).map(|n| make(&mut chance, n)).collect::<StringArray>()));
    }
    let mut at = 1_793_491_200_000_000_i64;
    let moments: Vec<i64> = (0..rows)
        .map(|_| {
            at += chance.next(400_000) as i64;
            at
        })
        .collect();
    let later: Vec<i64> = moments.iter().map(|at| at + chance.next(9_000_000) as i64).collect();
    let ints = |chance: &mut Chance| -> ArrayRef {
        Arc::new((0..rows).map(|_| chance.next(5000) as i64).collect::<Int64Array>())
    };
    let costs: Decimal128Array = (0..rows).map(|_| Some(i128::from(chance.next(90_000)) * 10_000)).collect();
    arrays.push(Arc::new(TimestampMicrosecondArray::from(moments).with_timezone("+00:00")));
    arrays.push(Arc::new(TimestampMicrosecondArray::from(later).with_timezone("+00:00")));
    arrays.push(Arc::new((0..rows).map(|_| chance.next(9_000_000) as f64 / 1000.0).collect::<Float64Array>()));
    arrays.extend([ints(&mut chance), ints(&mut chance), ints(&mut chance)]);
    arrays.push(Arc::new(costs.with_precision_and_scale(18, 9).expect("it fits")));
    fields.extend(NUMBERS.iter().map(|(name, ty)| Field::new(*name, arrow_type(*ty), true)));
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).expect("columns of one length")
}

fn dataset() -> DatasetSchema {
    let texts = text_columns();
    let columns = texts.iter().map(|(name, ty, _)| (*name, *ty)).chain(NUMBERS);
    let columns: Vec<Column> = columns
        .map(|(name, ty)| Column {
            name: name.to_owned(),
            ty,
            label: name.to_owned(),
            sensitive: None,
            elements: None,
            hex_digits: None,
        })
        .collect();
    DatasetSchema {
        name: "spans".to_owned(),
        title: "Spans".to_owned(),
        permission: Permission::TracesRead,
        key: vec!["span_id".to_owned()],
        identity: vec!["span_id".to_owned()],
        time: None,
        rows: RowsMode::AppendOnly,
        filters: Vec::new(),
        default_columns: columns.iter().map(|column| column.name.clone()).collect(),
        columns,
        limits: Limits { rows: None, days: 365, identities: 10_000 },
    }
}

fn plan(rows: usize) -> Arc<Plan> {
    Arc::new(Plan {
        as_of: AsOf::Cutoff { sequence: 1, at: jiff::Timestamp::UNIX_EPOCH },
        rows_matching: rows as u64,
        rows_expected: rows as u64,
        frame_rows: FRAME_ROWS as u32,
        range_rows: FRAME_ROWS as u32,
        cuts: (0..rows.div_ceil(FRAME_ROWS)).map(|range| vec![Value::Int(range as i64)]).collect(),
        frame_bytes: u64::MAX,
        row_bytes: 1,
    })
}

async fn measure(batch: &RecordBatch, plan: &Arc<Plan>, format: &str, compression: &str) -> (u64, u64) {
    let spec = serde_json::from_value(json!({"dataset": "spans", "format": format, "compression": compression}));
    let recipe = Arc::new(Recipe::new(&spec.expect("a spec"), &dataset(), None).expect("a recipe"));
    let budget = MemoryBudget::new(1 << 30);
    let (rows, held) = (batch.clone(), budget.clone());
    let read: ReadRange = Arc::new(move |range| {
        let start = range * FRAME_ROWS;
        let frame = rows.slice(start, FRAME_ROWS.min(rows.num_rows() - start));
        let held = held.take(1);
        stream::once(async move { Ok((frame, held?)) }).boxed()
    });
    let settings = ExportSettings {
        part_bytes: 8 << 20,
        in_flight: 1,
        spool: Spool { folder: std::env::temp_dir(), limit: u64::MAX },
    };
    let meter = Arc::new(Meter::new());
    let mut parts =
        export(recipe, Arc::clone(plan), Start::default(), read, budget.clone(), settings, Arc::clone(&meter)).boxed();
    while let Some(part) = parts.next().await {
        part.expect("no error");
    }
    (meter.bytes(), budget.peak())
}

/// What this process has used of its cores so far, where the system tells it (Linux); seconds since `began` elsewhere.
fn core_seconds(began: Instant) -> f64 {
    let ticks = std::fs::read_to_string("/proc/self/stat").ok().and_then(|stat| {
        let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
        Some(fields.next()?.parse::<f64>().ok()? + fields.next()?.parse::<f64>().ok()?)
    });
    ticks.map_or_else(|| began.elapsed().as_secs_f64(), |ticks| ticks / 100.0)
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let rows = arguments.next().and_then(|rows| rows.parse().ok()).unwrap_or(200_000);
    let only = arguments.next().unwrap_or_default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let (batch, plan, began) = (spans(rows), plan(rows), Instant::now());
    println!("{rows} rows; mean of {RUNS}; seconds of one core");
    println!("{:10} {:>8} {:>14} {:>12} {:>9}", "format", "seconds", "MB/s of text", "MB", "peak MiB");
    let text = [("csv", "none"), ("jsonl", "none"), ("json", "none"), ("csv", "zstd"), ("jsonl", "zstd")];
    let rest = [("csv", "gzip"), ("jsonl", "gzip"), ("parquet", "none")];
    let mut plain = std::collections::BTreeMap::new();
    for (format, compression) in text.into_iter().chain(rest) {
        if !format!("{format}.{compression}").starts_with(&only) {
            continue;
        }
        let before = core_seconds(began);
        let (mut bytes, mut peak) = (0, 0);
        for _ in 0..RUNS {
            (bytes, peak) = runtime.block_on(measure(&batch, &plan, format, compression));
        }
        let seconds = (core_seconds(began) - before) / f64::from(RUNS);
        // Compressed and columnar files are rated by the text they stand for.
        let text = *plain.entry(format).or_insert(bytes);
        let text = plain.get("csv").copied().filter(|_| format == "parquet").unwrap_or(text);
        let peak = peak as f64 / 1_048_576.0;
        let name = format!("{format}.{compression}");
        println!("{name:10} {seconds:8.3} {:14.0} {:12.1} {peak:9.1}", text as f64 / 1e6 / seconds, bytes as f64 / 1e6);
    }
}
