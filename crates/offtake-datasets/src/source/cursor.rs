//! Where a page ended, as clients carry it.
//!
//! Base64 of a JSON document with a fingerprint of the question and of the position, so that a cursor that was made
//! for another organization, dataset, query or order, or was changed on the way, is refused. It holds nothing its
//! owner has not seen, so it needs no secret.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use offtake_model::as_of::AsOf;
use offtake_model::dataset::DatasetSchema;
use offtake_model::query::RowQuery;
use offtake_model::{Error, Result};
use rusqlite::types::Value as SqlValue;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::PageRequest;
use crate::sql::Position;

#[derive(Debug)]
pub(super) struct Cursor {
    pub(super) position: Position,
    pub(super) as_of: AsOf,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(rename = "s")]
    sorted: Option<Cell>,
    #[serde(rename = "k")]
    key: Vec<Cell>,
    #[serde(rename = "a")]
    as_of: AsOf,
    #[serde(rename = "f")]
    fingerprint: String,
}

/// A stored value that survives JSON exactly.
#[derive(Debug, Serialize, Deserialize)]
enum Cell {
    #[serde(rename = "n")]
    Null,
    #[serde(rename = "i")]
    Integer(i64),
    /// The bits of a double.
    #[serde(rename = "r")]
    Real(u64),
    #[serde(rename = "t")]
    Text(String),
    #[serde(rename = "b")]
    Blob(Vec<u8>),
}

impl Cursor {
    /// What is handed out.
    pub(super) fn text(self, schema: &DatasetSchema, query: &RowQuery, page: &PageRequest) -> String {
        let mut written = Written {
            sorted: self.position.sorted.map(Cell::from),
            key: self.position.key.into_iter().map(Cell::from).collect(),
            as_of: self.as_of,
            fingerprint: String::new(),
        };
        written.fingerprint = fingerprint(&written, schema, query, page);
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(&written).unwrap_or_default())
    }

    /// # Errors
    /// `invalid_request` for a cursor that was not handed out for this question.
    pub(super) fn parse(text: &str, schema: &DatasetSchema, query: &RowQuery, page: &PageRequest) -> Result<Self> {
        let written = URL_SAFE_NO_PAD.decode(text).ok().and_then(|json| serde_json::from_slice::<Written>(&json).ok());
        let mut written = written.ok_or_else(foreign)?;
        let claimed = std::mem::take(&mut written.fingerprint);
        let is_of_that_moment = query.as_of.is_none_or(|asked| asked == written.as_of);
        let is_ours = claimed == fingerprint(&written, schema, query, page) && written.key.len() == schema.key.len();
        if !(is_ours && is_of_that_moment) {
            return Err(foreign());
        }
        let key = written.key.into_iter().map(SqlValue::from).collect();
        Ok(Self { position: Position { sorted: written.sorted.map(SqlValue::from), key }, as_of: written.as_of })
    }
}

fn foreign() -> Error {
    Error::invalid_at("/cursor", "this cursor was not handed out for this query and order; begin without one")
}

/// Of everything that decides which row comes next, and of the position itself. The moment is the position's: who asks for
/// the next page may say it again, or not.
fn fingerprint(written: &Written, schema: &DatasetSchema, query: &RowQuery, page: &PageRequest) -> String {
    let query = RowQuery { as_of: None, ..query.clone() };
    let position = serde_json::to_string(written).unwrap_or_default();
    let asked = format!("{} {:?} {:?} {position}", schema.name, query, page.sort);
    let digest = Sha256::digest(asked);
    hex::encode(&digest[..16])
}

impl From<SqlValue> for Cell {
    fn from(value: SqlValue) -> Self {
        match value {
            SqlValue::Null => Self::Null,
            SqlValue::Integer(int) => Self::Integer(int),
            SqlValue::Real(real) => Self::Real(real.to_bits()),
            SqlValue::Text(text) => Self::Text(text),
            SqlValue::Blob(bytes) => Self::Blob(bytes),
        }
    }
}

impl From<Cell> for SqlValue {
    fn from(cell: Cell) -> Self {
        match cell {
            Cell::Null => Self::Null,
            Cell::Integer(int) => Self::Integer(int),
            Cell::Real(bits) => Self::Real(f64::from_bits(bits)),
            Cell::Text(text) => Self::Text(text),
            Cell::Blob(bytes) => Self::Blob(bytes),
        }
    }
}
