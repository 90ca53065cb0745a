//! Workbooks: what a cell becomes, where sheets end, what is cut, and what stays on the disk.

use std::io::{Cursor, Read};

use futures::{StreamExt, TryStreamExt};
use offtake_model::budget::MemoryBudget;
use offtake_model::receipt::TruncatedCell;
use offtake_model::{ErrorKind, Result};
use offtake_pipeline::{Part, Start};
use serde_json::json;

use crate::rows::{Row, numbered};
use crate::run::{How, file, joined, parts, parts_of, plan, reader, recipe};

/// A file of the package.
fn entry(book: &[u8], name: &str) -> String {
    let mut archive = zip::ZipArchive::new(Cursor::new(book)).unwrap();
    let mut text = String::new();
    archive.by_name(name).unwrap().read_to_string(&mut text).unwrap();
    text
}

/// The first row's cells of the first sheet, as they stand there, headers aside.
fn cells(book: &[u8]) -> String {
    let sheet = entry(book, "xl/worksheets/sheet1.xml");
    let row = sheet.split("<row r=\"2\"").nth(1).expect("a second row");
    row.split("</row>").next().unwrap().split_once('>').unwrap().1.to_owned()
}

async fn cell(column: &str, row: Row) -> String {
    cells(&file(json!({"format": "xlsx", "fields": [column]}), &[row]).await)
}

fn text(text: &str) -> Row {
    Row { text: Some(text.to_owned()), ..Row::default() }
}

fn inline(text: &str) -> String {
    format!(r#"<c r="A2" t="inlineStr"><is><t>{text}</t></is></c>"#)
}

#[tokio::test]
async fn numbers_are_numbers_as_far_as_spreadsheets_keep_their_digits() {
    let ints = [
        (42, r#"<c r="A2" s="2"><v>42.0</v></c>"#.to_owned()),
        (-999_999_999_999_999, r#"<c r="A2" s="2"><v>-999999999999999.0</v></c>"#.to_owned()),
        (1_000_000_000_000_000, inline("1000000000000000")),
        (i64::MIN, inline("-9223372036854775808")),
    ];
    for (int, expected) in ints {
        assert_eq!(cell("int", Row { int: Some(int), ..Row::default() }).await, expected);
    }
    let floats = [
        (0.1, r#"<c r="A2"><v>0.1</v></c>"#.to_owned()),
        (1e300, r#"<c r="A2"><v>1e300</v></c>"#.to_owned()),
        (f64::NAN, inline("NaN")),
        (f64::NEG_INFINITY, inline("-Infinity")),
        (f64::MAX, inline("1.7976931348623157e308")),
        (5e-324, inline("5e-324")),
    ];
    for (float, expected) in floats {
        assert_eq!(cell("float", Row { float: Some(float), ..Row::default() }).await, expected);
    }
    let decimals = [
        (1_200_000, r#"<c r="A2"><v>0.0012</v></c>"#.to_owned()),
        (123_456_789_012_345, r#"<c r="A2"><v>123456.789012345</v></c>"#.to_owned()),
        (1_234_567_890_123_456, inline("1234567.890123456")),
    ];
    for (small, expected) in decimals {
        assert_eq!(cell("small", Row { small: Some(small), ..Row::default() }).await, expected);
    }
    let flag = Row { flag: Some(true), ..Row::default() };
    assert_eq!(cell("flag", flag).await, r#"<c r="A2" t="b"><v>1</v></c>"#);
}

#[tokio::test]
async fn moments_are_dates_where_spreadsheets_have_them() {
    let micros = |text: &str| Some(text.parse::<jiff::Timestamp>().unwrap().as_microsecond());
    let cases = [
        ("2026-11-01T12:00:00Z", r#"<c r="A2" s="2"><v>46327.5</v></c>"#.to_owned()),
        ("2026-11-01T12:00:00.5Z", r#"<c r="A2" s="2"><v>46327.500005787035</v></c>"#.to_owned()),
        ("1899-12-31T00:00:00Z", inline("1899-12-31T00:00:00.000000Z")),
        ("1900-02-28T00:00:00Z", inline("1900-02-28T00:00:00.000000Z")),
    ];
    for (at, expected) in cases {
        assert_eq!(cell("at", Row { at: micros(at), ..Row::default() }).await, expected);
    }
    let book = file(
        json!({"format": "xlsx", "fields": ["at"]}),
        &[Row { at: micros("2026-11-01T12:00:00.5Z"), ..Row::default() }],
    )
    .await;
    assert!(entry(&book, "xl/styles.xml").contains("yyyy-mm-dd hh:mm:ss.000"));
}

#[tokio::test]
async fn text_is_text_whatever_it_looks_like() {
    let cases = [
        ("=1+1", inline("=1+1")),
        ("https://example.org", inline("https://example.org")),
        ("a<b>&\"c\"", inline("a&lt;b&gt;&amp;\"c\"")),
        ("nul \0 bell \u{7} \u{ffff}", inline("nul _x0000_ bell _x0007_ _xFFFF_")),
        ("one\r\ntwo", inline("one_x000D_\ntwo")),
        ("_x0041_ _xyz", inline("_x005F_x0041_ _xyz")),
        (" edge ", r#"<c r="A2" t="inlineStr"><is><t xml:space="preserve"> edge </t></is></c>"#.to_owned()),
        ("", r#"<c r="A2" s="2"/>"#.to_owned()),
    ];
    for (given, expected) in cases {
        assert_eq!(cell("text", text(given)).await, expected, "{given:?}");
    }
    let doc = Row { doc: Some("{\"a\": [1]}".to_owned()), ..Row::default() };
    assert_eq!(cell("doc", doc).await, inline("{\"a\": [1]}"));
}

#[tokio::test]
async fn the_header_is_bold_and_stays_in_sight() {
    let fields = json!([{"name": "int", "as": "=Number"}, "text"]);
    let book = file(json!({"format": "xlsx", "fields": fields}), &[]).await;
    let sheet = entry(&book, "xl/worksheets/sheet1.xml");
    assert!(sheet.contains(r#"<c r="A1" s="1" t="inlineStr"><is><t>=Number</t></is></c>"#), "{sheet}");
    assert!(sheet.contains(r#"ySplit="1""#) && sheet.contains(r#"state="frozen""#), "{sheet}");
    assert!(entry(&book, "xl/workbook.xml").contains(r#"name="Things""#));
    assert!(
        entry(&book, "docProps/custom.xml").contains(recipe(json!({"format": "xlsx", "fields": fields})).spec_sha256())
    );
}

#[tokio::test]
async fn cells_that_are_too_long_are_cut_and_listed() {
    let long = "é".repeat(40_000);
    let mut rows = numbered(130);
    rows[70].text = Some(long.clone());
    let spec = recipe(json!({"format": "xlsx", "fields": ["int", {"name": "text", "as": "Words"}]}));
    let made = parts(&spec, &plan(rows.len(), 64, 64), &rows, How::default()).await;
    let written = &made.last().unwrap().written;
    let cell = TruncatedCell {
        row: 71,
        column: "Words".to_owned(),
        sheet: "Things".to_owned(),
        cell: "B72".to_owned(),
        length: 40_000,
    };
    assert_eq!((written.truncated_cells, written.truncated.as_slice()), (1, &[cell][..]));
    let sheet = entry(&joined(&made), "xl/worksheets/sheet1.xml");
    assert!(sheet.contains(&format!("<t>{}</t>", "é".repeat(32_767))));

    let many: Vec<Row> = (0..1_010).map(|_| text(&"x".repeat(32_768))).collect();
    let spec = recipe(json!({"format": "xlsx", "fields": ["text"]}));
    let made = parts(&spec, &plan(many.len(), 64, 64), &many, How::default()).await;
    let written = &made.last().unwrap().written;
    assert_eq!((written.truncated_cells, written.truncated.len()), (1_010, 1_000), "listed up to a point, counted all");
}

#[tokio::test]
async fn a_full_sheet_is_followed_by_another() {
    let rows = vec![Row { flag: Some(true), ..Row::default() }; 1_048_577];
    let spec = recipe(json!({"format": "xlsx", "fields": ["flag"]}));
    let made = parts(&spec, &plan(rows.len(), 8192, 65_536), &rows, How::default()).await;
    assert_eq!(made.last().unwrap().written.rows, 1_048_577);
    let book = joined(&made);
    for (sheet, expected) in [("1", 1_048_576), ("2", 3)] {
        let sheet = entry(&book, &format!("xl/worksheets/sheet{sheet}.xml"));
        assert_eq!(sheet.matches("<row ").count(), expected);
        assert!(sheet.contains("<t>flag</t>"));
    }
    let names = entry(&book, "xl/workbook.xml");
    assert!(names.contains(r#"name="Things""#) && names.contains(r#"name="Things 2""#), "{names}");
}

#[tokio::test]
async fn the_same_rows_give_the_same_bytes() {
    let rows = numbered(5_000);
    let spec = recipe(json!({"format": "xlsx"}));
    let plan = plan(rows.len(), 64, 64);
    let one = parts(&spec, &plan, &rows, How::default()).await;
    let other = How { part_bytes: 2_000, in_flight: 5, ..How::default() };
    let many = parts(&spec, &plan, &rows, other).await;
    assert!(one.len() == 1 && many.len() > 2, "{} and {}", one.len(), many.len());
    assert!(many.iter().all(|part| part.ranges.is_none() && !part.bytes.is_empty()));
    assert_eq!(joined(&one), joined(&many));
    assert_eq!(one.last().unwrap().written, many.last().unwrap().written);
}

#[tokio::test]
async fn memory_does_not_grow_with_the_rows() {
    let rows = numbered(100_000);
    let spec = recipe(json!({"format": "xlsx"}));
    let plan = plan(rows.len(), 256, 256);
    let budget = MemoryBudget::new(64 << 20);
    let how = How { part_bytes: 64 << 10, ..How::default() };
    let read = reader(&rows, &plan, &budget);
    let stream = parts_of(&spec, &plan, Start::default(), read, &budget, how).boxed();
    let made: Vec<Part> = stream.try_collect().await.unwrap();
    assert!(made.len() > 5);
    assert!(budget.peak() < 1 << 20, "{} bytes", budget.peak());
}

async fn fails_with(how: How, folder: &std::path::Path) -> ErrorKind {
    let rows = numbered(2_000);
    let (spec, plan) = (recipe(json!({"format": "xlsx"})), plan(rows.len(), 64, 64));
    let budget = MemoryBudget::new(how.budget);
    let mut settings = how.settings();
    settings.spool.folder = folder.to_owned();
    let read = reader(&rows, &plan, &budget);
    let meter = std::sync::Arc::new(offtake_pipeline::Meter::new());
    let stream = offtake_pipeline::export(spec, plan, Start::default(), read, budget, settings, meter).boxed();
    let all: Result<Vec<Part>> = stream.try_collect().await;
    all.unwrap_err().kind()
}

#[tokio::test]
async fn the_spool_is_bounded_and_nothing_stays_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let small = How { spool: 100_000, ..How::default() };
    assert_eq!(fails_with(small, folder.path()).await, ErrorKind::SpoolLimit);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    assert_eq!(fails_with(How::default(), &folder.path().join("absent")).await, ErrorKind::StorageUnavailable);
}

#[tokio::test]
async fn an_export_that_nobody_wants_any_more_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let rows = numbered(5_000);
    let (spec, plan) = (recipe(json!({"format": "xlsx"})), plan(rows.len(), 64, 64));
    let budget = MemoryBudget::new(64 << 20);
    let mut settings = How { part_bytes: 2_000, ..How::default() }.settings();
    settings.spool.folder = folder.path().to_owned();
    let read = reader(&rows, &plan, &budget);
    let meter = std::sync::Arc::new(offtake_pipeline::Meter::new());
    let mut stream = offtake_pipeline::export(spec, plan, Start::default(), read, budget, settings, meter).boxed();
    stream.next().await.unwrap().unwrap();
    drop(stream);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}
