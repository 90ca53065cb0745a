//! What a file can be: format, compression, dialect, and their honest names.

use serde::{Deserialize, Serialize};

/// A file format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// RFC 4180, UTF-8.
    Csv,
    /// One JSON object per line.
    Jsonl,
    /// One JSON array.
    Json,
    /// Apache Parquet, zstd inside.
    Parquet,
    /// Office Open XML, for Excel and its kin.
    Xlsx,
}

/// What a text format is wrapped in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// Nothing.
    #[default]
    None,
    /// RFC 1952, one member per frame, mtime 0.
    Gzip,
    /// RFC 8878, one frame per frame.
    Zstd,
}

/// How CSV is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dialect {
    /// As RFC 4180 says, but with LF line ends.
    #[default]
    Rfc4180,
    /// For spreadsheets: BOM, CRLF, and a guard before text cells that would be read as formulas.
    Excel,
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 5] = [Self::Csv, Self::Jsonl, Self::Json, Self::Parquet, Self::Xlsx];

    /// Its name in the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Jsonl => "jsonl",
            Self::Json => "json",
            Self::Parquet => "parquet",
            Self::Xlsx => "xlsx",
        }
    }

    /// Whether frames of it concatenate, so that it can be compressed from outside and resumed in the middle.
    pub const fn is_text(self) -> bool {
        match self {
            Self::Csv | Self::Jsonl | Self::Json => true,
            Self::Parquet | Self::Xlsx => false,
        }
    }

    const fn media_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8",
            Self::Jsonl => "application/jsonl",
            Self::Json => "application/json",
            Self::Parquet => "application/vnd.apache.parquet",
            Self::Xlsx => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        }
    }
}

impl Compression {
    /// Every compression.
    pub const ALL: [Self; 3] = [Self::None, Self::Gzip, Self::Zstd];

    /// Its name in the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }
}

impl Dialect {
    /// Every dialect.
    pub const ALL: [Self; 2] = [Self::Rfc4180, Self::Excel];

    /// Its name in the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rfc4180 => "rfc4180",
            Self::Excel => "excel",
        }
    }
}

/// Whether this character can stand between the cells of CSV: one ASCII character that occurs in no number, time
/// or word, and neither quotes nor ends lines.
pub const fn is_delimiter(character: char) -> bool {
    matches!(character, '\t' | ' '..='~')
        && !character.is_ascii_alphanumeric()
        && !matches!(character, '"' | '\'' | '+' | '-' | '.' | ':')
}

/// The extension of a file, without the leading dot: `csv`, `csv.gz`, `jsonl.zst`, `parquet`.
pub fn extension(format: Format, compression: Compression) -> String {
    match compression {
        Compression::None => format.name().to_owned(),
        Compression::Gzip => format!("{}.gz", format.name()),
        Compression::Zstd => format!("{}.zst", format.name()),
    }
}

/// The media type of a file, as it lies there.
pub const fn media_type(format: Format, compression: Compression) -> &'static str {
    match compression {
        Compression::None => format.media_type(),
        Compression::Gzip => "application/gzip",
        Compression::Zstd => "application/zstd",
    }
}
