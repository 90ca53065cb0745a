//! Arbitrary rows, written by us and read back by others, cell by cell.

use std::io::Read;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Decimal128Type, Float64Type, Int64Type, TimeUnit, TimestampMicrosecondType};
use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use proptest::option;
use proptest::prelude::*;
use serde_json::{Value as Json, json};

use crate::rows::{Row, numbered};
use crate::run::{How, joined, parts, plan, recipe};

/// Text that has hurt somebody before, and any other.
fn texts() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[a-z,;|\" \\\\\n\r\t]{0,40}",
        2 => any::<String>(),
        1 => "\\PC{0,20}",
        1 => prop::sample::select(vec![
            "", "\u{0}", "\u{feff}", "\u{2028}\u{2029}", "null", "NaN", "=cmd|' /C calc'!A0", "👩‍👩‍👧‍👦", "\r\n", "\"", "\"\"", "\\", "'", " a ",
        ]).prop_map(str::to_owned),
        1 => "[a\"\n]{200,2000}",
    ]
}

fn documents() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        texts().prop_map(Json::from),
    ];
    let tree = leaf.prop_recursive(3, 20, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Json::from),
            prop::collection::vec((texts(), inner), 0..5).prop_map(|pairs| Json::Object(pairs.into_iter().collect())),
        ]
    });
    (tree, any::<bool>()).prop_map(
        |(tree, pretty)| {
            if pretty { serde_json::to_string_pretty(&tree).unwrap() } else { tree.to_string() }
        },
    )
}

fn floats() -> impl Strategy<Value = f64> {
    prop_oneof![
        any::<f64>(),
        any::<u64>().prop_map(f64::from_bits),
        prop::sample::select(vec![
            0.0,
            -0.0,
            1e300,
            5e-324,
            f64::NAN,
            f64::INFINITY,
            f64::NEG_INFINITY,
            9_007_199_254_740_993.0
        ]),
    ]
}

fn digits(count: u32) -> impl Strategy<Value = i128> {
    let most = 10_i128.pow(count) - 1;
    prop_oneof![
        -most..=most,
        Just(most),
        Just(-most),
        -1000..1000_i128,
        (-1000..1000_i128).prop_map(|n| n * 1_000_000_000)
    ]
}

fn a_row() -> impl Strategy<Value = Row> {
    let ints = prop_oneof![any::<i64>(), Just(i64::MIN), Just(i64::MAX)];
    (
        option::of(texts()),
        option::of(ints),
        option::of(floats()),
        option::of(any::<bool>()),
        option::of(digits(18)),
        option::of(digits(38)),
        option::of(any::<i64>()),
        option::of(documents()),
    )
        .prop_map(|(text, int, float, flag, small, large, at, doc)| Row {
            text,
            int,
            float,
            flag,
            small,
            large,
            at,
            doc,
        })
}

fn some_rows() -> impl Strategy<Value = Vec<Row>> {
    prop::collection::vec(a_row(), 0..40)
}

fn write(decisions: Json, rows: &[Row]) -> Vec<u8> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(async {
        let how = How { part_bytes: 3000, ..How::default() };
        joined(&parts(&recipe(decisions), &plan(rows.len(), 8, 16), rows, how).await)
    })
}

/// `unscaled` × 10^-`scale`, written by the rules of the documentation.
fn decimal(unscaled: i128, scale: usize) -> String {
    let digits = format!("{:0>width$}", unscaled.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    let fraction = fraction.trim_end_matches('0');
    let sign = if unscaled < 0 { "-" } else { "" };
    if fraction.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
}

fn micros(text: &str) -> i64 {
    // jiff ends at the year 9999; what is beyond it is moved by whole eras of 400 years.
    const ERA: i64 = 146_097 * 86_400 * 1_000_000;
    let (year, rest) = if text.starts_with(['+', '-']) { text.split_at(7) } else { text.split_at(4) };
    let year: i64 = year.parse().unwrap();
    let within = format!("{:04}{rest}", year.rem_euclid(400) + 2000);
    let moment: jiff::Timestamp = within.parse().unwrap();
    let eras = i128::from(year.div_euclid(400) - 5);
    i64::try_from(i128::from(moment.as_microsecond()) + eras * i128::from(ERA)).unwrap()
}

fn same_float(a: f64, b: f64) -> bool {
    a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan())
}

fn check_csv(file: &[u8], rows: &[Row], delimiter: u8) {
    let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).from_reader(file);
    assert_eq!(reader.headers().unwrap().len(), 8);
    let mut count = 0;
    for (record, row) in reader.records().map(Result::unwrap).zip(rows) {
        let number = |text: &str| text.replace("Infinity", "inf").parse::<f64>().unwrap();
        let cell = |index: usize| Some(&record[index]).filter(|text| !text.is_empty());
        assert_eq!(&record[0], row.text.as_deref().unwrap_or(""));
        assert_eq!(cell(1).map(|text| text.parse::<i64>().unwrap()), row.int);
        match (cell(2).map(number), row.float) {
            (Some(read), Some(float)) => assert!(same_float(read, float), "{read} {float}"),
            (read, float) => assert_eq!(read, float),
        }
        assert_eq!(cell(3).map(|text| text.parse::<bool>().unwrap()), row.flag);
        assert_eq!(cell(4), row.small.map(|unscaled| decimal(unscaled, 9)).as_deref());
        assert_eq!(cell(5), row.large.map(|unscaled| decimal(unscaled, 10)).as_deref());
        assert_eq!(cell(6).map(micros), row.at);
        assert_eq!(&record[7], row.doc.as_deref().unwrap_or(""));
        count += 1;
    }
    assert_eq!(count, rows.len());
}

fn check_object(object: &Json, row: &Row) {
    let keys: Vec<_> = object.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["text", "int", "float", "flag", "small", "large", "at", "doc"]);
    assert_eq!(object["text"], json!(row.text));
    assert_eq!(object["int"], json!(row.int));
    match row.float {
        Some(float) if float.is_finite() => assert!(same_float(object["float"].as_f64().unwrap(), float)),
        Some(float) if float.is_nan() => assert_eq!(object["float"], "NaN"),
        Some(float) => assert_eq!(object["float"], if float > 0.0 { "Infinity" } else { "-Infinity" }),
        None => assert_eq!(object["float"], Json::Null),
    }
    assert_eq!(object["flag"], json!(row.flag));
    check_decimal(&object["small"], row.small.map(|unscaled| decimal(unscaled, 9)));
    check_decimal(&object["large"], row.large.map(|unscaled| decimal(unscaled, 10)));
    assert_eq!(object["at"].as_str().map(micros), row.at);
    let doc: Option<Json> = row.doc.as_ref().map(|doc| serde_json::from_str(doc).unwrap());
    assert_eq!(object["doc"], json!(doc));
}

fn check_decimal(found: &Json, expected: Option<String>) {
    let Some(expected) = expected else { return assert_eq!(found, &Json::Null) };
    let bare = expected.replace(['-', '.'], "");
    let significant = bare.trim_matches('0').len().max(1);
    if let Some(text) = found.as_str() {
        assert_eq!(text, &expected);
        assert!(significant > 15);
    } else {
        assert!(significant <= 15);
        assert!(same_float(found.as_f64().unwrap() + 0.0, expected.parse::<f64>().unwrap() + 0.0));
    }
}

fn check_jsonl(file: &[u8], rows: &[Row]) {
    let text = std::str::from_utf8(file).unwrap();
    assert_eq!(text.matches('\n').count(), rows.len());
    assert_eq!(text.split_terminator('\n').count(), rows.len());
    for (line, row) in text.split_terminator('\n').zip(rows) {
        check_object(&serde_json::from_str(line).unwrap(), row);
    }
}

fn read_parquet(file: Vec<u8>) -> (Vec<RecordBatch>, ParquetRecordBatchReaderBuilder<Bytes>) {
    let bytes = Bytes::from(file);
    let builder = ParquetRecordBatchReaderBuilder::try_new(bytes.clone()).unwrap();
    let batches =
        ParquetRecordBatchReaderBuilder::try_new(bytes).unwrap().build().unwrap().map(Result::unwrap).collect();
    (batches, builder)
}

fn check_parquet(file: Vec<u8>, rows: &[Row]) {
    let (batches, _) = read_parquet(file);
    let mut rows = rows.iter();
    for batch in &batches {
        let (texts, docs) = (batch.column(0).as_string::<i32>(), batch.column(7).as_string::<i32>());
        for index in 0..batch.num_rows() {
            let row = rows.next().unwrap();
            let there = |column: usize| batch.column(column).is_valid(index).then_some(index);
            assert_eq!(there(0).map(|at| texts.value(at)), row.text.as_deref());
            assert_eq!(there(1).map(|at| batch.column(1).as_primitive::<Int64Type>().value(at)), row.int);
            match (there(2).map(|at| batch.column(2).as_primitive::<Float64Type>().value(at)), row.float) {
                (Some(read), Some(float)) => assert!(same_float(read, float)),
                (read, float) => assert_eq!(read, float),
            }
            assert_eq!(there(3).map(|at| batch.column(3).as_boolean().value(at)), row.flag);
            assert_eq!(there(4).map(|at| batch.column(4).as_primitive::<Decimal128Type>().value(at)), row.small);
            assert_eq!(there(5).map(|at| batch.column(5).as_primitive::<Decimal128Type>().value(at)), row.large);
            assert_eq!(there(6).map(|at| batch.column(6).as_primitive::<TimestampMicrosecondType>().value(at)), row.at);
            assert_eq!(there(7).map(|at| docs.value(at)), row.doc.as_deref());
        }
    }
    assert!(rows.next().is_none());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn csv_is_read_back_by_the_csv_crate(rows in some_rows(), delimiter in prop::sample::select(vec![',', ';', '\t', '|'])) {
        check_csv(&write(json!({"format": "csv", "delimiter": delimiter}), &rows), &rows, delimiter as u8);
    }

    #[test]
    fn gzipped_csv_is_read_back_by_flate2(rows in some_rows()) {
        let mut file = Vec::new();
        let gzip = write(json!({"format": "csv", "compression": "gzip"}), &rows);
        MultiGzDecoder::new(gzip.as_slice()).read_to_end(&mut file).unwrap();
        check_csv(&file, &rows, b',');
    }

    #[test]
    fn null_and_the_empty_string_differ_in_csv(rows in some_rows()) {
        let file = write(json!({"format": "csv", "fields": ["text", "int"]}), &rows);
        let file = String::from_utf8(file).unwrap();
        let nulls = rows.iter().filter(|row| row.text.is_none()).count();
        // A row ends outside of quotes; what begins with the delimiter has NULL in its first cell.
        let (mut quoted, mut begin, mut found) = (false, true, 0);
        for byte in file.bytes().skip_while(|byte| *byte != b'\n').skip(1) {
            found += usize::from(begin && byte == b',');
            quoted ^= byte == b'"';
            begin = byte == b'\n' && !quoted;
        }
        prop_assert_eq!(found, nulls);
    }

    #[test]
    fn jsonl_is_read_back_by_serde_json(rows in some_rows()) {
        check_jsonl(&write(json!({"format": "jsonl"}), &rows), &rows);
        let zstd = write(json!({"format": "jsonl", "compression": "zstd"}), &rows);
        check_jsonl(&zstd::decode_all(zstd.as_slice()).unwrap(), &rows);
    }

    #[test]
    fn json_is_read_back_by_serde_json(rows in some_rows()) {
        let file: Json = serde_json::from_slice(&write(json!({"format": "json"}), &rows)).unwrap();
        let objects = file.as_array().unwrap();
        prop_assert_eq!(objects.len(), rows.len());
        for (object, row) in objects.iter().zip(&rows) {
            check_object(object, row);
        }
    }

    #[test]
    fn what_is_no_json_is_a_string_and_never_breaks_a_line(doc in texts()) {
        let rows = [Row { doc: Some(doc.clone()), ..Row::default() }];
        let file = String::from_utf8(write(json!({"format": "jsonl", "fields": ["doc"]}), &rows)).unwrap();
        prop_assert_eq!(file.matches('\n').count(), 1);
        let object: Json = serde_json::from_str(&file).unwrap();
        let expected = serde_json::from_str(&doc).unwrap_or_else(|_| Json::from(doc));
        prop_assert_eq!(&object["doc"], &expected);
    }

    #[test]
    fn parquet_is_read_back(rows in some_rows()) {
        check_parquet(write(json!({"format": "parquet"}), &rows), &rows);
    }
}

#[test]
fn parquet_types_metadata_and_row_groups() {
    let rows = numbered(140_000);
    let recipe = recipe(json!({"format": "parquet", "fields": ["int", "at", "small"]}));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let how = How { part_bytes: 1, ..How::default() };
    let parts = runtime.block_on(parts(&recipe, &plan(rows.len(), 4096, 4096), &rows, how));
    // The magic bytes are there at once; then a row group as soon as it is full; then the rest.
    assert_eq!(parts.len(), 3);
    assert!(parts.iter().all(|part| part.ranges.is_none()));
    assert_eq!(parts[2].written.frames, 2);
    let (batches, builder) = read_parquet(joined(&parts));
    assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), 140_000);
    let utc = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let types: Vec<_> = builder.schema().fields().iter().map(|field| field.data_type().clone()).collect();
    assert_eq!(types, [DataType::Int64, utc, DataType::Decimal128(18, 9)]);
    let metadata = builder.metadata();
    let groups: Vec<_> = metadata.row_groups().iter().map(|group| group.num_rows()).collect();
    assert_eq!(groups, [131_072, 8_928]);
    let pairs = metadata.file_metadata().key_value_metadata().unwrap();
    let spec = pairs.iter().find(|pair| pair.key == "spec_sha256").unwrap();
    assert_eq!(spec.value.as_deref(), Some(recipe.spec_sha256()));
    assert!(metadata.file_metadata().created_by().unwrap().starts_with("offtake"));
}
