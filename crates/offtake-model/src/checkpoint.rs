//! What of a job's file is durable so far.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::id::ArtifactId;
use crate::receipt::TruncatedCell;

/// Written only after the parts it counts are durable. A later attempt continues from here.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// The staged artifact that holds the bytes.
    pub artifact: ArtifactId,
    /// A fingerprint of the file's columns: it cannot be continued with others.
    #[serde(default)]
    pub columns: String,
    /// Ranges that are completely in the file: reading continues with this one.
    pub ranges: usize,
    /// What is in the file so far.
    pub written: Written,
    /// The parts in storage.
    pub uploaded: Uploaded,
}

/// What has gone into a file so far, and the state to go on counting from.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Written {
    /// Rows.
    pub rows: u64,
    /// Bytes, as they lie in storage.
    pub bytes: u64,
    /// Frames.
    pub frames: u64,
    /// Text cells that were guarded against being read as formulas.
    pub guarded_cells: u64,
    /// Cells masked, by column.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub masked: BTreeMap<String, u64>,
    /// Cells cut, the first of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub truncated: Vec<TruncatedCell>,
    /// Cells cut in all.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub truncated_cells: u64,
    /// The state of the SHA-256 over [`bytes`](Self::bytes), in hex; opaque outside of the pipeline.
    pub sha256_state: String,
}

const fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// The parts of an upload that are durable.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Uploaded {
    /// The store's own name for the upload, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upload_id: Option<String>,
    /// Bytes in all parts.
    pub bytes: u64,
    /// The store's tag for each part, in order, where it has them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub etags: Vec<String>,
}
