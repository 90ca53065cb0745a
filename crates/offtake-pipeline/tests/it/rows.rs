//! Rows to export.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Decimal128Array, Float64Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use arrow::datatypes::{Field, Schema};
use offtake_model::dataset::{Column, ColumnType, DatasetSchema, Limits, RowsMode};
use offtake_model::permission::Permission;
use offtake_pipeline::shape::arrow_type;

/// One cell of each type, any of them NULL.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Row {
    pub(crate) text: Option<String>,
    pub(crate) int: Option<i64>,
    pub(crate) float: Option<f64>,
    pub(crate) flag: Option<bool>,
    pub(crate) small: Option<i128>,
    pub(crate) large: Option<i128>,
    pub(crate) at: Option<i64>,
    pub(crate) doc: Option<String>,
}

pub(crate) const SMALL: ColumnType = ColumnType::Decimal { precision: 18, scale: 9 };
pub(crate) const LARGE: ColumnType = ColumnType::Decimal { precision: 38, scale: 10 };

pub(crate) const COLUMNS: [(&str, ColumnType); 8] = [
    ("text", ColumnType::Text),
    ("int", ColumnType::Int64),
    ("float", ColumnType::Float64),
    ("flag", ColumnType::Bool),
    ("small", SMALL),
    ("large", LARGE),
    ("at", ColumnType::Timestamp),
    ("doc", ColumnType::Json),
];

/// The dataset these rows are of.
pub(crate) fn dataset() -> DatasetSchema {
    let columns = COLUMNS.map(|(name, ty)| Column {
        name: name.to_owned(),
        ty,
        label: name.to_owned(),
        sensitive: None,
        elements: None,
        hex_digits: None,
    });
    DatasetSchema {
        name: "things".to_owned(),
        title: "Things".to_owned(),
        permission: Permission::Dataset("things".to_owned()),
        columns: columns.to_vec(),
        key: vec!["int".to_owned()],
        identity: vec!["int".to_owned()],
        time: None,
        rows: RowsMode::AppendOnly,
        filters: Vec::new(),
        default_columns: COLUMNS.map(|(name, _)| name.to_owned()).to_vec(),
        limits: Limits { rows: None, days: 365, identities: 10_000 },
    }
}

/// These rows as a source reads them.
pub(crate) fn batch(rows: &[Row]) -> RecordBatch {
    let decimals = |ty: ColumnType, pick: fn(&Row) -> Option<i128>| -> ArrayRef {
        let ColumnType::Decimal { precision, scale } = ty else { unreachable!("a decimal") };
        let array: Decimal128Array = rows.iter().map(pick).collect();
        Arc::new(array.with_precision_and_scale(precision, scale).unwrap())
    };
    let arrays: Vec<ArrayRef> = vec![
        Arc::new(rows.iter().map(|row| row.text.as_deref()).collect::<StringArray>()),
        Arc::new(rows.iter().map(|row| row.int).collect::<Int64Array>()),
        Arc::new(rows.iter().map(|row| row.float).collect::<Float64Array>()),
        Arc::new(rows.iter().map(|row| row.flag).collect::<BooleanArray>()),
        decimals(SMALL, |row| row.small),
        decimals(LARGE, |row| row.large),
        Arc::new(rows.iter().map(|row| row.at).collect::<TimestampMicrosecondArray>().with_timezone("+00:00")),
        Arc::new(rows.iter().map(|row| row.doc.as_deref()).collect::<StringArray>()),
    ];
    let fields: Vec<Field> = COLUMNS.iter().map(|(name, ty)| Field::new(*name, arrow_type(*ty), true)).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap()
}

/// `count` rows, each different, in key order.
pub(crate) fn numbered(count: usize) -> Vec<Row> {
    (0..count as i64)
        .map(|n| Row {
            text: (n % 7 != 0).then(|| format!("text {n}, \"quoted\"\nsecond line é 🦀")),
            int: Some(n),
            float: Some(n as f64 / 3.0),
            flag: Some(n % 2 == 0),
            small: Some(i128::from(n) * 1_000_000),
            large: (n % 3 != 0).then_some(i128::from(n) << 64),
            at: Some(1_793_491_200_000_000 + n * 997_001),
            doc: Some(format!(r#"{{"n": {n}, "list": [1, 2, {{"deep": "=\"{n}\""}}]}}"#)),
        })
        .collect()
}
