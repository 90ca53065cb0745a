//! Small files, byte for byte.

use std::io::Read;

use flate2::read::MultiGzDecoder;
use offtake_model::sensitive::Sight;
use offtake_pipeline::json_rows;
use serde_json::json;

use crate::rows::{Row, batch, dataset};
use crate::run::{How, file, joined, parts, plan, recipe};

fn some_rows() -> Vec<Row> {
    vec![
        Row {
            text: Some("plain".to_owned()),
            int: Some(i64::MIN),
            float: Some(2517.0),
            flag: Some(true),
            small: Some(1_200_000),
            large: Some(-12_345_678_901_234_567_890),
            at: Some(1_793_491_200_123_456),
            doc: Some("{\n  \"a\": \"x y\",\r\n  \"b\": [1, 2]\n}".to_owned()),
        },
        Row::default(),
        Row {
            text: Some(String::new()),
            int: Some(-5),
            float: Some(f64::NEG_INFINITY),
            flag: Some(false),
            small: Some(0),
            large: Some(10_000_000_000),
            at: Some(-1),
            doc: Some("not json".to_owned()),
        },
        Row {
            text: Some("=1+1, \"q\"\n\u{1}\u{2028}é🦀\\".to_owned()),
            int: Some(0),
            float: Some(1e300),
            doc: Some("-1".to_owned()),
            ..Row::default()
        },
    ]
}

async fn text(decisions: serde_json::Value, rows: &[Row]) -> String {
    String::from_utf8(file(decisions, rows).await).unwrap()
}

#[tokio::test]
async fn csv() {
    let expected = concat!(
        "text,int,float,flag,small,large,at,doc\n",
        "plain,-9223372036854775808,2517,true,0.0012,-1234567890.123456789,2026-11-01T00:00:00.123456Z,",
        "\"{\n  \"\"a\"\": \"\"x y\"\",\r\n  \"\"b\"\": [1, 2]\n}\"\n",
        ",,,,,,,\n",
        "\"\",-5,-Infinity,false,0,1,1969-12-31T23:59:59.999999Z,not json\n",
        "\"=1+1, \"\"q\"\"\n\u{1}\u{2028}é🦀\\\",0,1e300,,,,,-1\n",
    );
    assert_eq!(text(json!({"format": "csv"}), &some_rows()).await, expected);
}

#[tokio::test]
async fn csv_for_spreadsheets_guards_text_and_never_numbers() {
    let recipe = recipe(json!({
        "format": "csv", "dialect": "excel", "delimiter": ";",
        "fields": [{"name": "text", "as": "=text"}, "int", {"name": "doc", "as": "a;b"}],
    }));
    let rows = some_rows();
    let parts = parts(&recipe, &plan(rows.len(), 64, 64), &rows, How::default()).await;
    let expected = concat!(
        "\u{feff}'=text;int;\"a;b\"\r\n",
        "plain;-9223372036854775808;\"{\n  \"\"a\"\": \"\"x y\"\",\r\n  \"\"b\"\": [1, 2]\n}\"\r\n",
        ";;\r\n",
        "\"\";-5;not json\r\n",
        "\"'=1+1, \"\"q\"\"\n\u{1}\u{2028}é🦀\\\";0;'-1\r\n",
    );
    assert_eq!(String::from_utf8(joined(&parts)).unwrap(), expected);
    assert_eq!(parts.last().unwrap().written.guarded_cells, 3);
}

#[tokio::test]
async fn every_begin_of_a_formula_is_guarded() {
    let begins = ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"];
    let harmless = [" =", "a=", "'", "é", "，", "\u{0}"];
    let rows: Vec<Row> =
        begins.iter().chain(&harmless).map(|text| Row { text: Some(format!("{text}1")), ..Row::default() }).collect();
    let decisions = json!({"format": "csv", "dialect": "excel", "fields": ["text"]});
    let parts = parts(&recipe(decisions), &plan(rows.len(), 64, 64), &rows, How::default()).await;
    assert_eq!(parts.last().unwrap().written.guarded_cells, begins.len() as u64);
    let file = joined(&parts);
    let mut reader = csv::Reader::from_reader(&file[3..]);
    for (record, row) in reader.records().zip(&rows) {
        let (record, text) = (record.unwrap(), row.text.as_ref().unwrap());
        let guarded = begins.iter().any(|begin| text.starts_with(begin));
        assert_eq!(record[0], if guarded { format!("'{text}") } else { text.clone() });
    }
}

#[tokio::test]
async fn a_null_alone_in_its_row_is_no_empty_line() {
    let file = text(json!({"format": "csv", "fields": ["int"]}), &[Row::default(), Row::default()]).await;
    assert_eq!(file, "int\n\"\"\n\"\"\n");
}

const FIRST: &str = concat!(
    r#"{"text":"plain","int":-9223372036854775808,"float":2517.0,"flag":true,"small":0.0012,"#,
    r#""large":"-1234567890.123456789","at":"2026-11-01T00:00:00.123456Z","doc":{"a":"x y","b":[1,2]}}"#
);
const NULLS: &str =
    r#"{"text":null,"int":null,"float":null,"flag":null,"small":null,"large":null,"at":null,"doc":null}"#;
const THIRD: &str = concat!(
    r#"{"text":"","int":-5,"float":"-Infinity","flag":false,"small":0,"large":1,"#,
    r#""at":"1969-12-31T23:59:59.999999Z","doc":"not json"}"#
);
const FOURTH: &str = concat!(
    r#"{"text":"=1+1, \"q\"\n\u0001"#,
    "\u{2028}é🦀",
    r#"\\","int":0,"float":1e300,"flag":null,"small":null,"large":null,"at":null,"doc":-1}"#
);

#[tokio::test]
async fn jsonl() {
    let expected = format!("{FIRST}\n{NULLS}\n{THIRD}\n{FOURTH}\n");
    assert_eq!(text(json!({"format": "jsonl"}), &some_rows()).await, expected);
}

#[tokio::test]
async fn json_of_a_file_and_of_a_page() {
    let expected = format!("[\n{FIRST},\n{NULLS},\n{THIRD},\n{FOURTH}\n]\n");
    assert_eq!(text(json!({"format": "json"}), &some_rows()).await, expected);
    assert_eq!(
        String::from_utf8(json_rows(&batch(&some_rows()), &dataset(), Sight::Clear, None).unwrap()).unwrap(),
        expected
    );
}

#[tokio::test]
async fn files_without_rows_are_valid() {
    let header = "text,int,float,flag,small,large,at,doc\n";
    for (format, expected) in [("csv", header), ("jsonl", ""), ("json", "[]\n")] {
        assert_eq!(text(json!({"format": format}), &[]).await, expected);
        let mut unzipped = String::new();
        let gzip = file(json!({"format": format, "compression": "gzip"}), &[]).await;
        MultiGzDecoder::new(gzip.as_slice()).read_to_string(&mut unzipped).unwrap();
        assert_eq!(unzipped, expected);
        assert!(!gzip.is_empty());
        let zstd = file(json!({"format": format, "compression": "zstd"}), &[]).await;
        assert!(!zstd.is_empty());
        assert_eq!(zstd::decode_all(zstd.as_slice()).unwrap(), expected.as_bytes());
    }
}

#[tokio::test]
async fn gzip_members_carry_no_time_and_no_name() {
    let file = file(json!({"format": "csv", "compression": "gzip"}), &some_rows()).await;
    assert_eq!(file[..4], [0x1f, 0x8b, 8, 0]);
    assert_eq!(file[4..8], [0; 4]);
}
