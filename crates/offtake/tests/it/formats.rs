//! Every format and compression, read by other people's software, cell by cell against the store.

use offtake_testkit::{Cells, Client, Reader, TestApp, assert_same_rows, exported_rows, hostile_spans, nulls_as_empty};
use serde_json::{Value as Json, json};

use crate::support::{OFFTAKE, SPAN_COLUMNS, column_names, id_of, saved, send, send_genuine};

/// An organization with the genuine spans and the hostile ones.
async fn everything() -> (TestApp, Client) {
    let app = TestApp::start(OFFTAKE).await;
    let client = app.client("acme").await;
    send_genuine(&client).await;
    for spans in hostile_spans(1_000).chunks(10) {
        send(&client, spans).await;
    }
    (app, client)
}

const fn readers(format: &str) -> &[Reader] {
    match format.as_bytes() {
        b"csv" => &[Reader::PythonCsv, Reader::Arrow, Reader::DuckDb],
        b"parquet" => &[Reader::Arrow, Reader::DuckDb],
        _ => &[Reader::PythonJson, Reader::DuckDb],
    }
}

/// Exports every column and compares with what Python's sqlite3 sees in the database.
async fn check(format: &str, compression: &str) {
    let (app, client) = everything().await;
    let job =
        client.export("spans", &json!({"format": format, "compression": compression, "fields": SPAN_COLUMNS})).await;
    let receipt = client.receipt(id_of(&job)).await;
    let file = saved(&app, &client, &job).await;
    let stored = app.span_rows("acme", &receipt).await;
    assert!(stored.len() > 470, "{} rows in the store", stored.len());
    let columns = column_names(&receipt);
    assert_eq!(columns, SPAN_COLUMNS);
    for &reader in readers(format) {
        let found = exported_rows(reader, &file, &receipt).await;
        let what = format!("{format} {compression}, read by {reader:?}");
        if reader.knows_null() {
            assert_same_rows(&what, &columns, &stored, &found);
        } else {
            assert_same_rows(&what, &columns, &nulls_as_empty(&stored), &nulls_as_empty(&found));
        }
    }
    assert_rich(&columns, &stored);
}

/// The comparison is worth something only if the store holds what is hard.
fn assert_rich(columns: &[String], stored: &Cells) {
    let column = |name: &str| columns.iter().position(|column| column == name).expect("a column");
    let cells = |name: &str| stored.iter().map(|row| row[column(name)].as_deref()).collect::<Vec<_>>();
    let texts = cells("input");
    assert!(texts.contains(&None) && texts.contains(&Some("")), "NULL and the empty string");
    for hard in ["\u{0}", "\r\n", "\"", "👩‍👩‍👧‍👦"] {
        assert!(texts.iter().flatten().any(|text| text.contains(hard)), "{hard:?}");
    }
    assert!(texts.iter().flatten().any(|text| text.len() >= 100_000), "a text of 100 kB");
    assert!(cells("started_at").iter().flatten().any(|at| !at.ends_with("000")), "microseconds");
    assert!(cells("cost_usd").iter().flatten().any(|cost| cost.contains('.')), "decimals");
    assert!(cells("attributes").iter().flatten().any(|json| json.contains("__proto__")), "hostile keys");
}

#[tokio::test(flavor = "multi_thread")]
async fn csv() {
    check("csv", "none").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn csv_gzip() {
    check("csv", "gzip").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn csv_zstd() {
    check("csv", "zstd").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn jsonl() {
    check("jsonl", "none").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn jsonl_gzip() {
    check("jsonl", "gzip").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn jsonl_zstd() {
    check("jsonl", "zstd").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn json_array() {
    check("json", "none").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn json_array_gzip() {
    check("json", "gzip").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn json_array_zstd() {
    check("json", "zstd").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn parquet() {
    check("parquet", "none").await;
}

/// What a cell cannot hold is cut, and the receipt says which: everything else is exact.
#[tokio::test(flavor = "multi_thread")]
async fn xlsx() {
    let (app, client) = everything().await;
    let job = client.export("spans", &json!({"format": "xlsx", "fields": SPAN_COLUMNS})).await;
    let receipt = client.receipt(id_of(&job)).await;
    assert_eq!(
        (receipt["media_type"].as_str(), receipt["compression"].as_str()),
        (Some("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"), Some("none"))
    );
    assert!(receipt["file_name"].as_str().is_some_and(|name| name.ends_with(".xlsx")), "{receipt}");
    let file = saved(&app, &client, &job).await;
    let (columns, mut stored) = (column_names(&receipt), app.span_rows("acme", &receipt).await);
    let mut found = exported_rows(Reader::OpenPyxl, &file, &receipt).await;
    let cut = receipt["truncated_cells"].as_array().expect("a list").clone();
    assert_eq!(receipt["truncated_cells_count"], json!(cut.len()));
    assert!(!cut.is_empty(), "there are texts of 100 kB");
    for cell in cut {
        let row = usize::try_from(cell["row"].as_u64().expect("a row")).expect("a row") - 1;
        let column = columns.iter().position(|name| cell["column"] == json!(name)).expect("a column");
        let (whole, kept) = (stored[row][column].take(), found[row][column].take());
        let (whole, kept) = (whole.expect("a cell"), kept.expect("a cell"));
        let units = |text: &str| text.encode_utf16().count();
        assert!((32_766..=32_767).contains(&units(&kept)), "{cell}: {}", units(&kept));
        if columns[column] == "input" {
            assert!(whole.starts_with(&kept), "{cell}");
            assert_eq!(cell["length"], json!(units(&whole)));
        }
        assert_eq!(cell["sheet"], "Spans");
    }
    assert_same_rows("xlsx", &columns, &nulls_as_empty(&stored), &nulls_as_empty(&found));
    assert_rich(&columns, &app.span_rows("acme", &receipt).await);
    let again = client.export("spans", &json!({"format": "xlsx", "fields": SPAN_COLUMNS})).await;
    assert_eq!(client.receipt(id_of(&again)).await["sha256"], receipt["sha256"], "the same rows, the same bytes");
    let refused = client.create("spans", &json!({"format": "xlsx", "compression": "gzip", "dialect": "excel"})).await;
    assert_eq!(refused.expect(422).problem().1, ["/compression", "/dialect"]);
    let left = std::fs::read_dir(app.data_dir().join("spool")).expect("the spool").count();
    assert_eq!(left, 0, "nothing stays in the spool");
}

/// What was sent is what the store holds is what the file says: `__proto__`, NaN and the ends of numbers.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_sent_comes_out_exactly() {
    let app = TestApp::start(OFFTAKE).await;
    let client = app.client("acme").await;
    let spans = hostile_spans(0);
    for spans in spans.chunks(10) {
        send(&client, spans).await;
    }
    let job = client.export("spans", &json!({"format": "jsonl"})).await;
    let rows = crate::support::json_rows(&client, &job).await;
    assert_eq!(rows.len(), spans.len());
    for (span, row) in spans.iter().zip(&rows) {
        assert_eq!(row["span_id"], span.span_id(), "the order is that of the key");
        assert_eq!(row["name"].as_str(), Some(span.0.name.as_str()));
        for attribute in &span.0.attributes {
            use opentelemetry_proto::tonic::common::v1::any_value::Value;
            let sent = attribute.value.as_ref().and_then(|value| value.value.as_ref());
            if attribute.key == "input.value"
                && let Some(Value::StringValue(text)) = sent
            {
                assert_eq!(row["input"].as_str(), Some(text.as_str()), "{:?}", span.0.name);
            }
            if attribute.key.starts_with("tests.")
                && let Some(Value::StringValue(text)) = sent
            {
                assert_eq!(row["attributes"][&attribute.key].as_str(), Some(text.as_str()), "{:?}", attribute.key);
            }
        }
    }
    let odd =
        rows.iter().find(|row| row["attributes"]["i64 max"].is_number()).expect("the span with one of everything");
    let attributes = &odd["attributes"];
    assert_eq!(attributes["i64 max"], json!(i64::MAX));
    assert_eq!(attributes["i64 min"], json!(i64::MIN));
    assert_eq!(attributes["over 2^53"], json!(9_007_199_254_740_993_i64));
    assert_eq!(attributes["__proto__"], json!({"polluted": true}));
    assert_eq!(attributes[""], "no key");
    assert_eq!(attributes["a.b"], "dotted");
    assert_eq!(attributes["a"], json!({"b": "not dotted"}));
    assert_eq!(attributes["nul\u{0}key"], "v\u{0}");
    for (key, name) in [("nan", "NaN"), ("inf", "Infinity"), ("-inf", "-Infinity")] {
        assert_eq!(attributes[key], json!({"doubleValue": name}), "as OTLP/JSON says what JSON has no number for");
    }
    assert_eq!(attributes["tenth"], json!(0.1));
    assert_eq!(attributes["empty list"], json!([]));
    assert_eq!(attributes["no value"], Json::Null);
    assert_eq!(rows.iter().filter(|row| row["attributes"]["k".repeat(65_536)] == "a key of 64 KiB").count(), 1);
}

/// The dialect for spreadsheets: BOM, CRLF, and no cell that begins a formula; numbers stay numbers.
#[tokio::test(flavor = "multi_thread")]
async fn excel_csv_carries_no_formula() {
    let (app, client) = everything().await;
    let body = json!({"format": "csv", "dialect": "excel", "fields": ["name", "input", "cost_usd", "duration_ms"]});
    let job = client.export("spans", &body).await;
    let receipt = client.receipt(id_of(&job)).await;
    let path = saved(&app, &client, &job).await;
    let bytes = std::fs::read(&path).expect("the file");
    let text = std::str::from_utf8(&bytes).expect("UTF-8");
    let text = text.strip_prefix('\u{feff}').expect("a byte order mark");
    assert!(text.starts_with("name,input,cost_usd,duration_ms\r\n"));
    for (formula, guarded) in [("=1+1", "'=1+1"), ("@SUM(A1)", "'@SUM(A1)"), ("+5", "'+5"), ("-5", "'-5")] {
        assert!(text.contains(guarded), "{formula}");
        assert!(!text.contains(&format!("\n{formula}")) && !text.contains(&format!(",{formula}")), "{formula}");
    }
    assert!(receipt["guarded_cells"].as_u64().is_some_and(|cells| cells >= 8), "{receipt}");
}
