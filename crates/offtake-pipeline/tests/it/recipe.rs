//! What a spec may ask for.

use offtake_model::sensitive::Sight;
use offtake_model::{ErrorKind, Violation};
use offtake_pipeline::{Recipe, json_rows};
use serde_json::{Value as Json, json};

use crate::rows::{batch, dataset};
use crate::run::{recipe, spec};

fn violations(decisions: Json) -> Vec<Violation> {
    let error = Recipe::new(&spec(decisions), &dataset(), None).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidRequest);
    error.violations().to_vec()
}

fn pointers(decisions: Json) -> Vec<String> {
    violations(decisions).into_iter().map(|violation| violation.pointer).collect()
}

#[test]
fn all_that_is_wrong_is_said_at_once() {
    let fields = json!(["nothing", "int", {"name": "text", "as": "int"}, {"name": "none", "as": "x"}]);
    let decisions = json!({"format": "csv", "delimiter": "\"", "fields": fields});
    assert_eq!(pointers(decisions), ["/fields/0", "/fields/2", "/fields/3", "/delimiter"]);
    assert_eq!(pointers(json!({"format": "jsonl", "fields": []})), ["/fields"]);
    assert_eq!(pointers(json!({"format": "parquet", "compression": "gzip"})), ["/compression"]);
}

#[test]
fn a_delimiter_occurs_in_no_number_and_ends_no_line() {
    for good in [",", ";", "|", "\t", " ", "~", "^"] {
        assert!(Recipe::new(&spec(json!({"format": "csv", "delimiter": good})), &dataset(), None).is_ok(), "{good:?}");
    }
    for bad in ["\"", "'", "\n", "\r", "\u{0}", "-", "+", ".", ":", "0", "T", "z", "é", "，"] {
        assert_eq!(pointers(json!({"format": "csv", "delimiter": bad})), ["/delimiter"], "{bad:?}");
    }
}

#[test]
fn a_column_shown_twice_is_read_once() {
    let fields = json!([{"name": "small", "as": "b"}, "int", {"name": "small", "as": "a"}]);
    let recipe = recipe(json!({"format": "csv", "fields": fields}));
    assert_eq!(recipe.source_columns(), ["small", "int"]);
    let columns: Vec<_> = recipe.receipt_columns().into_iter().map(|column| (column.name, column.ty)).collect();
    let expected = [("b", "decimal(18,9)"), ("int", "int64"), ("a", "decimal(18,9)")];
    assert_eq!(columns, expected.map(|(name, ty)| (name.to_owned(), ty.to_owned())));
    assert!(recipe.resumes());
}

#[test]
fn a_batch_of_other_columns_is_drift() {
    let rows = batch(&[]);
    let narrow = rows.project(&[0, 1]).unwrap();
    let recipe = recipe(json!({"format": "csv"}));
    assert_eq!(recipe.shape().apply(&narrow).unwrap_err().kind(), ErrorKind::SchemaDrift);
    let mut other = dataset();
    other.columns[1].ty = offtake_model::dataset::ColumnType::Float64;
    let drifted = Recipe::new(&spec(json!({"format": "csv"})), &other, None).unwrap();
    assert_eq!(drifted.shape().apply(&rows).unwrap_err().kind(), ErrorKind::SchemaDrift);
    assert_eq!(json_rows(&rows, &other, Sight::Clear, None).unwrap_err().kind(), ErrorKind::SchemaDrift);
    other.columns.remove(1);
    assert_eq!(json_rows(&rows, &other, Sight::Clear, None).unwrap_err().kind(), ErrorKind::SchemaDrift);
    assert_eq!(json_rows(&rows, &dataset(), Sight::Clear, None).unwrap(), b"[]\n");
}
