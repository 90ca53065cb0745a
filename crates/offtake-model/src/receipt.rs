//! The proof that a file is complete.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::export::ExportSpec;
use crate::format::{Compression, Format};
use crate::id::{JobId, OrgId};

/// Written last and stored beside the file. If `rows_expected` and `rows_written` differed, there would be
/// no receipt: the job would have failed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Receipt {
    /// The job that made the file.
    pub job_id: JobId,
    /// The dataset the rows come from.
    pub dataset: String,
    /// Whose rows they are.
    pub organization: OrgId,
    /// What was asked for.
    pub spec: ExportSpec,
    /// The fingerprint of what decides the bytes.
    pub spec_sha256: String,
    /// `cutoff` or `snapshot`.
    pub mode: String,
    /// The moment the file is true for, RFC 3339.
    pub as_of: Timestamp,
    /// Rows that matched when they were counted.
    pub rows_matching: u64,
    /// Rows the file had to have.
    pub rows_expected: u64,
    /// Rows the file has.
    pub rows_written: u64,
    /// Whether a limit cut rows off.
    pub limited: bool,
    /// Cells that were cut, because the format cannot hold them: the first of them, in order.
    pub truncated_cells: Vec<TruncatedCell>,
    /// How many were cut in all.
    #[serde(default)]
    pub truncated_cells_count: u64,
    /// Text cells that were guarded against being read as formulas.
    pub guarded_cells: u64,
    /// Cells masked, by column.
    pub masked: BTreeMap<String, u64>,
    /// Size of the file.
    pub bytes: u64,
    /// SHA-256 of the file, lower-case hex.
    pub sha256: String,
    /// The file's format.
    pub format: Format,
    /// What it is wrapped in.
    pub compression: Compression,
    /// Its media type.
    pub media_type: String,
    /// Its name.
    pub file_name: String,
    /// Its columns, in order.
    pub columns: Vec<ReceiptColumn>,
    /// Frames it consists of.
    pub frames: u64,
    /// Attempts it took.
    pub attempts: u32,
    /// When the first attempt began.
    pub started_at: Timestamp,
    /// When the last byte was stored.
    pub finished_at: Timestamp,
    /// Which Offtake made it.
    pub offtake_version: String,
}

/// A column of the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiptColumn {
    /// The header.
    pub name: String,
    /// The type's name.
    #[serde(rename = "type")]
    pub ty: String,
}

/// A cell that holds less than its row does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TruncatedCell {
    /// Which row of the export, counted from 1.
    pub row: u64,
    /// The column's header.
    pub column: String,
    /// The sheet it is on.
    pub sheet: String,
    /// Where on the sheet: `C17`.
    pub cell: String,
    /// Its length as it should be, in UTF-16 code units, as spreadsheets count.
    pub length: u64,
}
