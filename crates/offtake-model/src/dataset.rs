//! What a dataset is: a named, typed, tenant-scoped set of rows that can be read.
//!
//! This is the description everybody shares. How it is configured, checked and read is `offtake-datasets`.

use serde::{Deserialize, Serialize};

use crate::permission::Permission;
use crate::sensitive::Treatment;

/// The type of a column, as exact as a file can carry it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ColumnType {
    /// UTF-8 text.
    Text,
    /// 64-bit integer.
    Int64,
    /// IEEE double.
    Float64,
    /// True or false.
    Bool,
    /// Fixed-point number of at most 38 digits.
    Decimal {
        /// All digits.
        precision: u8,
        /// Digits after the point.
        scale: i8,
    },
    /// A moment, microseconds, UTC. `i64::MAX` and `-i64::MAX` stand for the two infinities.
    Timestamp,
    /// A day of the Gregorian calendar, counted from 1970. `i32::MAX` and `-i32::MAX` stand for the two infinities.
    Date,
    /// A JSON document, carried as its text.
    Json,
}

impl ColumnType {
    /// The name in receipts and dataset descriptions: `text`, `int64`, `decimal(18,9)`, …
    pub fn name(self) -> String {
        match self {
            Self::Text => "text".to_owned(),
            Self::Int64 => "int64".to_owned(),
            Self::Float64 => "float64".to_owned(),
            Self::Bool => "bool".to_owned(),
            Self::Decimal { precision, scale } => format!("decimal({precision},{scale})"),
            Self::Timestamp => "timestamp".to_owned(),
            Self::Date => "date".to_owned(),
            Self::Json => "json".to_owned(),
        }
    }
}

/// A column of a dataset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name: the header of a file unless an alias is asked for.
    pub name: String,
    /// Its type.
    pub ty: ColumnType,
    /// For people.
    pub label: String,
    /// What is made of it for those who may not see what it holds; `None`: everybody may who may read the dataset.
    pub sensitive: Option<Treatment>,
    /// The type of its elements, if it is an array. Its own type is `json` then.
    pub elements: Option<ColumnType>,
    /// How many hex digits, in lower case, each of its texts has, if it is known to hold nothing else.
    pub hex_digits: Option<u8>,
}

impl Column {
    /// The regular expression of what requests may compare it with, if not every text will do. Hex knows no case.
    pub fn pattern(&self) -> Option<String> {
        self.hex_digits.map(|digits| format!("^[0-9a-fA-F]{{{digits}}}$"))
    }
}

/// What a filter does with its column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FilterOp {
    /// Equal to one value.
    Eq,
    /// Equal to one of the values; a single value is a list of one.
    In,
    /// `{"from", "to"}`, half-open, either end may be absent.
    Range,
    /// At least.
    Min,
    /// At most.
    Max,
    /// Contains the text, letter case aside (ASCII).
    Contains,
    /// An array with at least one of the values among its elements; a single value is a list of one.
    Overlaps,
}

/// A filter by which a request may narrow a dataset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    /// Its name in requests.
    pub name: String,
    /// The columns it looks at; a row passes if any of them does. More than one only for `contains`.
    pub columns: Vec<String>,
    /// What it does with them.
    pub op: FilterOp,
}

/// Whether rows, once there, stay as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RowsMode {
    /// Rows are only added: a cut-off names a moment for ever.
    AppendOnly,
    /// Rows change: one database snapshot per export.
    Mutable,
    /// Rows change from one version to the next, and a version that is kept stays as it is: a cut-off names it.
    Versioned,
}

impl RowsMode {
    /// Whether a moment can be asked for again: its rows are the same then.
    pub const fn keeps_moments(self) -> bool {
        match self {
            Self::AppendOnly | Self::Versioned => true,
            Self::Mutable => false,
        }
    }
}

/// What a request to a dataset may ask for at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The largest `limit`, and the limit of a request that names none. `None`: no limit.
    pub rows: Option<u64>,
    /// The longest time window, in days.
    pub days: u32,
    /// The most identities in a selection.
    pub identities: usize,
}

/// A dataset's description, compiled and checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatasetSchema {
    /// Its name in paths.
    pub name: String,
    /// For people.
    pub title: String,
    /// What is needed to read it.
    pub permission: Permission,
    /// Its columns, in the order of a file.
    pub columns: Vec<Column>,
    /// The unique, totally ordered columns by which rows are ordered.
    pub key: Vec<String>,
    /// The columns by which a user names a row.
    pub identity: Vec<String>,
    /// The column that `start_time` and `end_time` speak of.
    pub time: Option<String>,
    /// Whether rows stay as they are.
    pub rows: RowsMode,
    /// What requests may narrow it by.
    pub filters: Vec<Filter>,
    /// The columns of a file when none are asked for.
    pub default_columns: Vec<String>,
    /// What requests may ask for at most.
    pub limits: Limits,
}

impl DatasetSchema {
    /// The column of this name.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// The column that says which trace a row is a part of: rows that are named by a trace and something more have
    /// one, and can be asked for by whole traces.
    pub fn trace(&self) -> Option<&str> {
        const TRACE: &str = "trace_id";
        (self.identity.len() > 1 && self.identity.iter().any(|column| column == TRACE)).then_some(TRACE)
    }

    /// The filter of this name.
    pub fn filter(&self, name: &str) -> Option<&Filter> {
        self.filters.iter().find(|filter| filter.name == name)
    }

    /// The column that values of a filter are equal to, if that is what it asks for.
    pub fn filter_equals(&self, filter: &Filter) -> Option<&Column> {
        matches!(filter.op, FilterOp::Eq | FilterOp::In).then(|| self.column(filter.columns.first()?))?
    }

    /// The filter by which rows are narrowed down to some values of this column, if there is one. Amounts and moments have
    /// about as many values as there are rows; they are narrowed down by ranges.
    pub fn facet(&self, column: &str) -> Option<&Filter> {
        let ty = self.column(column)?.ty;
        let is_facet = matches!(ty, ColumnType::Text | ColumnType::Int64 | ColumnType::Bool | ColumnType::Date);
        let names_values =
            |filter: &&Filter| matches!(filter.op, FilterOp::Eq | FilterOp::In) && filter.columns == [column];
        self.filters.iter().find(names_values).filter(|_| is_facet)
    }

    /// The type of the values that requests give for a filter: its column's, or that of its column's elements.
    pub fn filter_type(&self, filter: &Filter) -> Option<ColumnType> {
        let column = self.column(filter.columns.first()?)?;
        if filter.op == FilterOp::Overlaps { column.elements } else { Some(column.ty) }
    }
}
