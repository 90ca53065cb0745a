//! Sensitive columns: what is in a file for those who may not read them.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::DataType;
use futures::StreamExt as _;
use futures::TryStreamExt as _;
use offtake_model::ErrorKind;
use offtake_model::budget::MemoryBudget;
use offtake_model::dataset::DatasetSchema;
use offtake_model::id::OrgId;
use offtake_model::sensitive::{Disclosure, Sight, Treatment};
use offtake_pipeline::{HashKey, Hasher, Part, Recipe, Start, json_rows};
use serde_json::{Value as Json, json};

use crate::rows::{COLUMNS, Row, batch, dataset, numbered};
use crate::run::{How, joined, parts_of, plan, reader, spec};

fn hasher(key: u8) -> Hasher {
    HashKey::new([key; 32]).hasher(&OrgId::new("acme").unwrap())
}

/// The rows' dataset with every column but the key treated like this.
fn treated(treatment: Treatment) -> DatasetSchema {
    let mut schema = dataset();
    for column in schema.columns.iter_mut().filter(|column| column.name != "int") {
        column.sensitive = Some(treatment.clone());
    }
    schema
}

fn recipe_for(schema: &DatasetSchema, mut decisions: Json, sight: Sight, hasher: Option<Hasher>) -> Arc<Recipe> {
    let mut asked = spec(decisions.take());
    asked.disclosure = Disclosure::decide(schema, asked.fields.as_deref(), &asked.rows, sight);
    Arc::new(Recipe::new(&asked, schema, hasher).unwrap())
}

fn shaped(treatment: Treatment, rows: &[Row]) -> (Vec<ArrayRef>, Vec<String>, BTreeMap<String, u64>) {
    let recipe = recipe_for(&treated(treatment), json!({"format": "csv"}), Sight::Veiled, Some(hasher(1)));
    let (shaped, masked) = recipe.shape().apply(&batch(rows)).unwrap();
    let names = shaped.schema().fields().iter().map(|field| field.name().clone()).collect();
    (shaped.columns().to_vec(), names, masked)
}

#[test]
fn masked_cells_are_stars_or_null_whatever_their_type() {
    let rows = [numbered(8), vec![Row::default()]].concat();
    let (columns, names, masked) = shaped(Treatment::Mask, &rows);
    assert_eq!(names, COLUMNS.map(|(name, _)| name.to_owned()));
    for ((name, column), raw) in names.iter().zip(&columns).zip(batch(&rows).columns()) {
        assert_eq!(column.data_type(), raw.data_type(), "{name}: types stay as they are");
        let there = (raw.len() - raw.null_count()) as u64;
        match name.as_str() {
            "int" => assert!(column == raw && !masked.contains_key(name)),
            "text" => {
                let texts: Vec<Option<&str>> = column.as_string::<i32>().iter().collect();
                let expected: Vec<_> = rows.iter().map(|row| row.text.as_ref().map(|_| "***")).collect();
                assert_eq!(texts, expected);
                assert!(texts.contains(&None) && masked[name] == there);
            }
            _ => assert!(column.null_count() == rows.len() && masked[name] == there && there > 0, "{name}"),
        }
    }
}

#[test]
fn hashed_cells_are_texts_that_are_equal_where_the_values_are() {
    let twice = [numbered(8), numbered(8), vec![Row::default()]].concat();
    let (columns, names, masked) = shaped(Treatment::Hash, &twice);
    for ((name, column), raw) in names.iter().zip(&columns).zip(batch(&twice).columns()) {
        if name == "int" {
            continue;
        }
        assert_eq!(*column.data_type(), DataType::Utf8, "{name}");
        assert_eq!((column.null_count(), masked[name]), (raw.null_count(), (raw.len() - raw.null_count()) as u64));
        let texts: Vec<Option<&str>> = column.as_string::<i32>().iter().collect();
        assert_eq!(texts[..8], texts[8..16], "{name}");
        assert!(
            texts.iter().flatten().all(|text| text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()))
        );
        let distinct: std::collections::BTreeSet<_> = texts.iter().flatten().collect();
        assert!(name == "flag" || distinct.len() >= 5, "{name}: {distinct:?}");
    }
}

#[test]
fn a_dropped_column_is_neither_read_nor_there() {
    let recipe = recipe_for(&treated(Treatment::Drop), json!({"format": "csv"}), Sight::Veiled, None);
    assert_eq!(recipe.source_columns(), ["int"]);
    assert_eq!(recipe.receipt_columns().len(), 1);
    // All of the file would be gone.
    let mut asked = spec(json!({"format": "csv", "fields": ["text"]}));
    asked.disclosure =
        Disclosure::decide(&treated(Treatment::Drop), asked.fields.as_deref(), &asked.rows, Sight::Veiled);
    let error = Recipe::new(&asked, &treated(Treatment::Drop), None).unwrap_err();
    assert!(error.violations()[0].detail.contains("pii:read"), "{error}");
}

#[test]
fn without_a_decision_or_a_key_nothing_is_shown() {
    let undecided = Recipe::new(&spec(json!({"format": "csv"})), &treated(Treatment::Mask), None).unwrap();
    let (rows, _) = undecided.shape().apply(&batch(&numbered(3))).unwrap();
    assert_eq!(rows.column(0).as_string::<i32>().value(1), "***");
    let error = Recipe::new(&spec(json!({"format": "csv"})), &treated(Treatment::Hash), None).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Internal);
    let error = json_rows(&batch(&numbered(3)), &treated(Treatment::Hash), Sight::Veiled, None).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Internal);
}

#[test]
fn the_screen_shows_what_the_file_does() {
    let rows = batch(&numbered(3));
    for treatment in [Treatment::Mask, Treatment::Hash] {
        let schema = treated(treatment.clone());
        let shown = json_rows(&rows, &schema, Sight::Veiled, Some(hasher(1))).unwrap();
        let shown: Vec<serde_json::Map<String, Json>> = serde_json::from_slice(&shown).unwrap();
        let recipe = recipe_for(&schema, json!({"format": "json"}), Sight::Veiled, Some(hasher(1)));
        let (file, _) = recipe.shape().apply(&rows).unwrap();
        let texts = file.column(0).as_string::<i32>();
        assert_eq!(shown[1]["text"], texts.value(1));
        assert_eq!(shown[1]["int"], 1);
        assert_eq!(shown[1]["doc"].is_null(), treatment == Treatment::Mask);
    }
    let clear = json_rows(&rows, &treated(Treatment::Drop), Sight::Clear, None).unwrap();
    assert_eq!(clear, json_rows(&rows, &dataset(), Sight::Clear, None).unwrap());
}

/// Screen and file alike; a document without the place is as it was, and is not counted.
#[test]
fn of_a_document_the_places_alone_are_masked() {
    let mut schema = dataset();
    let paths = ["/user/email", "/tags/*"].into_iter().map(|path| path.parse().unwrap()).collect();
    schema.columns[7].sensitive = Some(Treatment::Redact(paths));
    let docs = [
        Some(r#"{"user": {"email": "a@b", "n": 1.10}, "tags": ["x", {"y": 2}]}"#),
        Some(r#"{"user": {"n": 1}}"#),
        None,
        Some("no document"),
    ];
    let mut rows = numbered(4);
    for (row, doc) in rows.iter_mut().zip(docs) {
        row.doc = doc.map(str::to_owned);
    }
    let recipe = recipe_for(&schema, json!({"format": "jsonl"}), Sight::Veiled, None);
    let read = batch(&rows);
    let (file, masked) = recipe.shape().apply(&read).unwrap();
    let shown: Vec<Option<&str>> = file.column(7).as_string::<i32>().iter().collect();
    let redacted = r#"{"user": {"email": "***", "n": 1.10}, "tags": ["***", "***"]}"#;
    assert_eq!(shown, [Some(redacted), docs[1], None, None]);
    assert_eq!(masked, BTreeMap::from([("doc".to_owned(), 2)]));
    assert!(file.column(7).get_array_memory_size() as u64 <= recipe.shape().room(&read) + 200);
    let screen = json_rows(&read.slice(0, 2), &schema, Sight::Veiled, None).unwrap();
    let screen: Json = serde_json::from_slice(&screen).unwrap();
    assert_eq!(screen[0]["doc"], serde_json::from_str::<Json>(redacted).unwrap());
    assert_eq!(screen[1]["doc"], json!({"user": {"n": 1}}));
    let clear = recipe_for(&schema, json!({"format": "jsonl"}), Sight::Clear, None);
    assert_eq!(clear.shape().apply(&read).unwrap().0.column(7), read.column(7));
    assert_ne!(clear.columns_fingerprint().unwrap(), recipe.columns_fingerprint().unwrap());
}

#[test]
fn what_is_shown_and_by_which_key_decides_the_fingerprint() {
    let of = |treatment, sight, key| {
        recipe_for(&treated(treatment), json!({"format": "csv"}), sight, Some(hasher(key)))
            .columns_fingerprint()
            .unwrap()
    };
    let hashed = of(Treatment::Hash, Sight::Veiled, 1);
    assert_ne!(hashed, of(Treatment::Hash, Sight::Veiled, 2), "another key, other hashes");
    assert_ne!(hashed, of(Treatment::Mask, Sight::Veiled, 1));
    assert_eq!(of(Treatment::Mask, Sight::Veiled, 1), of(Treatment::Mask, Sight::Veiled, 2));
    assert_eq!(of(Treatment::Hash, Sight::Clear, 1), of(Treatment::Mask, Sight::Clear, 2));
    assert_ne!(of(Treatment::Mask, Sight::Clear, 1), of(Treatment::Mask, Sight::Veiled, 1));
}

/// Stopped after any part and gone on with: the same bytes, and the same number of masked cells.
#[tokio::test]
async fn a_resumed_file_has_the_same_bytes_and_counts() {
    let rows = numbered(1_000);
    let plan = plan(rows.len(), 32, 64);
    let mut schema = treated(Treatment::Hash);
    schema.columns[0].sensitive = Some(Treatment::Mask);
    let (how, budget) = (How { part_bytes: 20_000, ..How::default() }, MemoryBudget::new(256 << 20));
    for format in ["csv", "jsonl"] {
        let recipe = recipe_for(&schema, json!({"format": format}), Sight::Veiled, Some(hasher(1)));
        let run = |from: Start| {
            let read = reader(&rows, &plan, &budget);
            parts_of(&recipe, &plan, from, read, &budget, how).boxed().try_collect::<Vec<Part>>()
        };
        let whole = run(Start::default()).await.unwrap();
        let last = &whole.last().unwrap().written;
        let texts = rows.iter().filter(|row| row.text.is_some()).count() as u64;
        assert_eq!((last.masked["text"], last.masked["at"]), (texts, 1_000));
        assert!(whole.len() > 3, "{}", whole.len());
        assert!(!String::from_utf8(joined(&whole)).unwrap().contains("second line"));
        let Some(part) = whole.iter().find(|part| part.ranges.is_some()) else { panic!("nothing to go on after") };
        let from = Start { ranges: part.ranges.unwrap(), written: part.written.clone() };
        let before = part.written.bytes as usize;
        let rest = run(from).await.unwrap();
        assert_eq!(rest.last().unwrap().written, *last, "{format}");
        assert_eq!(joined(&rest), joined(&whole)[before..]);
    }
}

/// The two formats that cannot be read as text count as well.
#[tokio::test]
async fn parquet_and_xlsx_count_masked_cells() {
    let rows = numbered(200);
    let plan = plan(rows.len(), 64, 64);
    for format in ["parquet", "xlsx"] {
        let recipe = recipe_for(&treated(Treatment::Mask), json!({"format": format}), Sight::Veiled, None);
        let budget = MemoryBudget::new(256 << 20);
        let read = reader(&rows, &plan, &budget);
        let parts: Vec<Part> = parts_of(&recipe, &plan, Start::default(), read, &budget, How::default())
            .boxed()
            .try_collect()
            .await
            .unwrap();
        let written = &parts.last().unwrap().written;
        assert_eq!((written.masked["float"], written.masked["doc"]), (200, 200), "{format}");
        assert_eq!(written.masked["text"], rows.iter().filter(|row| row.text.is_some()).count() as u64);
        assert!(!written.masked.contains_key("int"));
    }
}
