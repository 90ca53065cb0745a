//! Memory is flat in rows, and small.
//!
//! The default sizes suit a check on every change. For the full measurement:
//! `OFFTAKE_TEST_SPANS=1000000 OFFTAKE_TEST_SPANS_BIG=3000000 cargo nextest run -p offtake memory`, or `make bench`.

use offtake_testkit::{AppBuilder, SpanSketch, big_spans, small_spans, text};
use serde_json::{Value as Json, json};

use crate::support::{OFFTAKE, id_of, send};

/// What the code of a release takes of the resident memory, in MiB.
const CODE_OF_A_RELEASE: f64 = 21.0;

/// The worker's peak resident memory in MiB over one export of `spans` spans, with the settings users have; its code
/// counts as that of a release does.
async fn peak(spans: u64, format: &str, compression: &str) -> f64 {
    let mut app = AppBuilder::new(OFFTAKE)
        .with_spans(spans)
        .set("worker.frame", "\"4MiB\"")
        .set("worker.part", "\"8MiB\"")
        .apart()
        .start()
        .await;
    let client = app.client("acme").await;
    let job = client.export("spans", &json!({"format": format, "compression": compression})).await;
    assert_eq!(job["row_count"], json!(spans));
    let worker = app.worker();
    (worker.peak_rss_kib() - worker.code_rss_kib()) as f64 / 1024.0 + CODE_OF_A_RELEASE
}

/// How often a peak is measured. A short export may or may not come to have in flight all that may be, a long one
/// does; so the highest peak of the short ones is compared with the lowest of the long ones, to which rows that are kept
/// would add every time.
const MEASURED: usize = 3;

async fn flat_and_below(limit: f64, format: &str, compression: &str) {
    let (mut small, mut big) = (f64::MIN, f64::MAX);
    let millions = (big_spans() - small_spans()) as f64 / 1e6;
    // One frame more or less in flight at the peak; `make bench` measures the slope, over millions of rows.
    let slack = 12.0 + millions;
    for _ in 0..MEASURED {
        let peaks = (peak(small_spans(), format, compression).await, peak(big_spans(), format, compression).await);
        println!(
            "{format} {compression}: {:.1} MiB at {} spans, {:.1} at {}",
            peaks.0,
            small_spans(),
            peaks.1,
            big_spans()
        );
        assert!(peaks.0 <= limit && peaks.1 <= limit, "peak RSS {:.1} and {:.1} MiB, limit {limit}", peaks.0, peaks.1);
        (small, big) = (small.max(peaks.0), big.min(peaks.1));
        if big - small <= slack {
            return;
        }
    }
    panic!("peak RSS grew from {small:.1} to {big:.1} MiB with the rows");
}

#[tokio::test(flavor = "multi_thread")]
async fn csv_and_jsonl_stay_below_96_mib() {
    flat_and_below(96.0, "csv", "none").await;
    flat_and_below(96.0, "jsonl", "zstd").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn csv_gz_and_json_stay_below_96_mib() {
    flat_and_below(96.0, "csv", "gzip").await;
    flat_and_below(96.0, "json", "none").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn parquet_stays_below_192_mib() {
    flat_and_below(192.0, "parquet", "none").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn xlsx_stays_below_96_mib() {
    let (few, many) = (peak(small_spans() / 3, "xlsx", "none").await, peak(small_spans(), "xlsx", "none").await);
    println!("xlsx: {few:.1} MiB at {} spans, {many:.1} MiB at {}", small_spans() / 3, small_spans());
    assert!(few <= 96.0 && many <= 96.0 && many - few <= 12.0, "peak RSS {few:.1} and {many:.1} MiB");
}

/// A hundred long conversations in a row, each two hundred times the mean.
#[tokio::test(flavor = "multi_thread")]
async fn a_stretch_of_large_rows_costs_frames_and_not_the_job() {
    let app = AppBuilder::new(OFFTAKE).set("worker.frame", "\"4MiB\"").start().await;
    let client = app.client("acme").await;
    let long = "a long conversation. ".repeat(30_000);
    for batch in 0..60_u64 {
        let sketch = |number: u64| {
            let span = SpanSketch::new(number);
            if (2_000..2_100).contains(&number) { span.with("gen_ai.prompt", text(&long)) } else { span }
        };
        let spans: Vec<SpanSketch> = (batch * 100..batch * 100 + 100).map(sketch).collect();
        for part in spans.chunks(10) {
            send(&client, part).await;
        }
    }
    for (format, compression) in [("csv", "gzip"), ("jsonl", "none")] {
        let body = json!({"format": format, "compression": compression});
        let (once, again) = (client.export("spans", &body).await, client.export("spans", &body).await);
        assert_eq!(once["status"], "completed", "{once}");
        assert_eq!(once["row_count"], 6_000);
        let digest = async |job: &Json| client.receipt(id_of(job)).await["sha256"].clone();
        assert_eq!(digest(&once).await, digest(&again).await);
    }
}
