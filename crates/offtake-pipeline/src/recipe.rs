//! What decides the bytes of a file: format, compression, dialect and columns, compiled once per export.
//!
//! Responsible for turning a spec and a dataset's description into the shape and the writer of a file. Not
//! responsible for which rows there are: that is the plan's. Called by the worker before it reads a row.

use std::collections::BTreeSet;
use std::sync::Arc;

use offtake_model::dataset::DatasetSchema;
use offtake_model::export::{ExportSpec, Field};
use offtake_model::format::{Compression, Format, is_delimiter};
use offtake_model::human::Human;
use offtake_model::receipt::ReceiptColumn;
use offtake_model::sensitive::{Shown, Sight};
use offtake_model::{Error, ErrorKind, Result, Violation};
use sha2::{Digest, Sha256};

use crate::encode::TextEncoder;
use crate::shape::{FileColumn, Shape};
use crate::veil::Hasher;

/// What Excel can hold.
const MOST_COLUMNS_OF_A_SHEET: usize = 16_384;

/// Everything that decides how rows become bytes.
#[derive(Debug)]
pub struct Recipe {
    format: Format,
    compression: Compression,
    spec_sha256: String,
    title: String,
    shape: Shape,
    human: Option<Human>,
    text: Option<Arc<TextEncoder>>,
}

impl Recipe {
    /// Compiles a spec against the dataset it speaks of. `hasher` is needed where a column is hashed.
    ///
    /// # Errors
    /// `invalid_request` with a pointer for each thing wrong: an unknown column, two columns under one header, no
    /// column at all, a delimiter that cannot delimit, a compression around Parquet or xlsx, too many columns for a sheet,
    /// a form of numbers or times that the format cannot have. `internal` if there is no hasher and one is needed.
    pub fn new(spec: &ExportSpec, dataset: &DatasetSchema, hasher: Option<Hasher>) -> Result<Self> {
        let mut violations = Vec::new();
        let columns = file_columns(spec, dataset, &mut violations);
        if spec.format == Format::Csv && !is_delimiter(spec.delimiter) {
            violations.push(Violation::at(
                "/delimiter",
                "one ASCII character that occurs in no number or time and is no quote: , ; | or a tab, for example",
            ));
        }
        if !spec.format.is_text() && spec.compression != Compression::None {
            let name = spec.format.name();
            violations
                .push(Violation::at("/compression", format!("{name} is compressed inside and takes none around it")));
        }
        if spec.format == Format::Xlsx && columns.len() > MOST_COLUMNS_OF_A_SHEET {
            let detail = format!("a sheet has at most {MOST_COLUMNS_OF_A_SHEET} columns");
            violations.push(Violation::at("/fields", detail));
        }
        let human = match spec.formats.as_ref().map(|formats| formats.compile(spec.format)).transpose() {
            Ok(human) => human,
            Err(wrong) => {
                violations.extend(wrong);
                None
            }
        };
        if !violations.is_empty() {
            return Err(Error::invalid(violations));
        }
        let shape = Shape::new(columns, hasher)?;
        Ok(Self {
            format: spec.format,
            compression: spec.compression,
            spec_sha256: spec.sha256(),
            title: dataset.title.clone(),
            text: TextEncoder::new(spec, human.as_ref(), shape.columns()).map(Arc::new),
            human,
            shape,
        })
    }

    /// The columns to read, each once, in the order they are first shown.
    pub fn source_columns(&self) -> Vec<String> {
        let mut seen = BTreeSet::new();
        let columns = self.shape.columns().iter();
        columns.filter(|column| seen.insert(&column.source)).map(|column| column.source.clone()).collect()
    }

    /// The columns of the file, as the receipt lists them.
    pub fn receipt_columns(&self) -> Vec<ReceiptColumn> {
        let columns = self.shape.columns().iter();
        columns.map(|column| ReceiptColumn { name: column.header.clone(), ty: column.ty.name() }).collect()
    }

    /// What decides the bytes of the rows: columns, what is shown of them, and what that depends on.
    ///
    /// # Errors
    /// `internal`.
    pub fn columns_fingerprint(&self) -> Result<String> {
        let shown: Vec<_> = self.shape.columns().iter().map(|column| &column.shown).collect();
        let veiled = shown.iter().any(|shown| **shown != Shown::Clear);
        let veil = veiled.then(|| (shown, self.shape.hashed_by()));
        let columns = (self.source_columns(), self.receipt_columns());
        // Without anything sensitive it is what it always was: checkpoints of earlier versions can be gone on from.
        let json = match veil {
            None => serde_json::to_vec(&columns),
            Some(veil) => serde_json::to_vec(&(columns, veil)),
        };
        let json =
            json.map_err(|error| Error::new(ErrorKind::Internal, "columns cannot be written").caused_by(error))?;
        Ok(hex::encode(Sha256::digest(json)))
    }

    /// Whether an export can continue in the middle of its file.
    pub const fn resumes(&self) -> bool {
        self.format.is_text()
    }

    /// The file's format.
    pub const fn format(&self) -> Format {
        self.format
    }

    /// What the file is wrapped in.
    pub const fn compression(&self) -> Compression {
        self.compression
    }

    /// The fingerprint of the spec.
    pub fn spec_sha256(&self) -> &str {
        &self.spec_sha256
    }

    /// What the dataset is called: the name of a sheet.
    pub(crate) fn title(&self) -> &str {
        &self.title
    }

    /// How rows as read become rows as shown.
    pub const fn shape(&self) -> &Shape {
        &self.shape
    }

    /// How values are written for people; `None`: exactly.
    pub(crate) const fn human(&self) -> Option<&Human> {
        self.human.as_ref()
    }

    pub(crate) fn text(&self) -> Option<Arc<TextEncoder>> {
        self.text.clone()
    }
}

fn file_columns(spec: &ExportSpec, dataset: &DatasetSchema, violations: &mut Vec<Violation>) -> Vec<FileColumn> {
    let defaults: Vec<Field>;
    let fields = match &spec.fields {
        Some(fields) => fields,
        None => {
            defaults = dataset.default_columns.iter().cloned().map(Field::Name).collect();
            &defaults
        }
    };
    if fields.is_empty() {
        violations.push(Violation::at("/fields", "a file needs at least one column"));
    }
    let mut headers = BTreeSet::new();
    let mut columns = Vec::with_capacity(fields.len());
    for (index, field) in fields.iter().enumerate() {
        let Some(column) = dataset.column(field.name()) else {
            let known: Vec<&str> = dataset.columns.iter().map(|column| column.name.as_str()).collect();
            violations.push(Violation::at(
                format!("/fields/{index}"),
                format!("there is no column of this name; there are: {}", known.join(", ")),
            ));
            continue;
        };
        if !headers.insert(field.header()) {
            violations.push(Violation::at(
                format!("/fields/{index}"),
                "another column has this header already; give one of them another with \"as\"",
            ));
        }
        let shown = spec.disclosure.shown(column);
        if shown != Shown::Drop {
            columns.push(FileColumn::new(column, field.header(), shown));
        }
    }
    if columns.is_empty() && violations.is_empty() {
        violations.push(Violation::at("/fields", Sight::refusal("every column of the file is one")));
    }
    columns
}
