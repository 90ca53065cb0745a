//! xlsx: typed cells, as many sheets as it takes, one file.
//!
//! A workbook knows all of its sheets, and a sheet is compressed as one piece: its rows wait on disk ([`Spool`]) and
//! become the file when the last is there. Memory is one row and the part under way; the file is handed out while it
//! is compressed and never lies on disk itself. It cannot be continued in the middle.
//!
//! Responsible for which cell a value becomes. How the package is put together is `rust_xlsxwriter`'s business.
//!
//! [`Spool`]: crate::export::Spool

mod moment;
mod outlet;
mod text;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use offtake_model::budget::{Held, MemoryBudget};
use offtake_model::dataset::ColumnType;
use offtake_model::human::{Human, Pattern};
use offtake_model::receipt::TruncatedCell;
use offtake_model::{Error, ErrorKind, Result};
use rust_xlsxwriter::{DocProperties, ExcelDateTime, Format, Workbook, Worksheet, XlsxError};

use super::cells::{self, Cells, Values, bytes_of};
use super::moment::Moments;
use super::number;
use super::parquet::Shaped;
use super::people::Clock;
use crate::export::ExportSettings;
use crate::parts::{Ledger, Part};
use crate::recipe::Recipe;
use outlet::Outlet;

/// Rows of a sheet, its header included.
const SHEET_ROWS: u32 = 1_048_576;
/// Significant digits that spreadsheets keep.
const EXACT_DIGITS: usize = 15;
/// The first integer of more digits.
const TOO_LONG: u64 = 1_000_000_000_000_000;
/// What the spreadsheets' doubles can be: they know no subnormal numbers and end a little earlier.
const LARGEST: f64 = 9.999_999_999_999_99e307;
/// Bytes that a cell takes on disk around what is in it.
const AROUND: u64 = 72;
/// Room that is left on the disk of the spool, for whoever writes beside.
const MARGIN: u64 = 1 << 20;
/// A sheet that is larger needs the long form of ZIP, which not every reader knows.
const LONG_FORM: u64 = 3 << 30;
/// What the library holds beside the row it writes.
const WRITER_BYTES: u64 = 256 << 10;
/// Wide enough for date and time.
const MOMENT_WIDTH: f64 = 23.0;
const MICROS_A_DAY: i64 = 86_400_000_000;

/// Writes one workbook, range after range.
pub(crate) struct XlsxParts {
    book: Option<Workbook>,
    columns: Vec<Column>,
    types: Vec<ColumnType>,
    formats: Formats,
    human: Option<Human>,
    clock: Clock,
    names: text::SheetNames,
    sheet: usize,
    /// The next row of the sheet; there is none yet while it is [`SHEET_ROWS`].
    row: u32,
    /// Whether there is anything in it.
    row_is_there: bool,
    spool: Room,
    part_bytes: usize,
    outlet: Option<Outlet>,
    ledger: Ledger,
    took: Duration,
    held: Held,
}

/// A column of every sheet.
struct Column {
    header: String,
    is_moment: bool,
}

struct Formats {
    header: Format,
    integer: Format,
    /// Numbers in groups, by the digits of their fractions; none where numbers are not grouped.
    grouped: Vec<Format>,
    days: Format,
    seconds: Format,
    milliseconds: Format,
}

/// How much of the disk is taken and may be.
struct Room {
    folder: PathBuf,
    limit: u64,
    taken: u64,
}

impl XlsxParts {
    pub(crate) fn new(
        recipe: &Recipe,
        ledger: Ledger,
        budget: &MemoryBudget,
        settings: &ExportSettings,
    ) -> Result<Self> {
        let spool = settings.spool.clone();
        let mut book = Workbook::new();
        book.set_tempdir(&spool.folder).map_err(broken)?;
        book.set_properties(&properties(recipe)?);
        let columns = recipe.shape().columns();
        let mut parts = Self {
            book: Some(book),
            types: columns.iter().map(|column| column.ty).collect(),
            columns: columns
                .iter()
                .map(|column| Column { header: column.header.clone(), is_moment: column.ty == ColumnType::Timestamp })
                .collect(),
            formats: Formats::new(recipe.human()),
            human: recipe.human().cloned(),
            clock: Clock::default(),
            names: text::SheetNames::new(recipe.title()),
            sheet: 0,
            row: SHEET_ROWS,
            row_is_there: false,
            spool: Room { folder: spool.folder, limit: spool.limit, taken: 0 },
            part_bytes: settings.part_bytes,
            outlet: None,
            ledger,
            took: Duration::ZERO,
            held: budget.take(WRITER_BYTES)?,
        };
        parts.begin_sheet()?;
        Ok(parts)
    }

    /// Writes a range to the spool.
    pub(crate) fn add(&mut self, range: Shaped) -> Result<()> {
        let began = Instant::now();
        let Shaped { batch, masked, held, took } = range;
        let cells = cells::open(&batch, &self.types)?;
        self.spool.take(bytes_on_disk(&cells, batch.num_rows()))?;
        let mut moments = Moments::new();
        for row in 0..batch.num_rows() {
            if self.row == SHEET_ROWS {
                self.sheet += 1;
                self.begin_sheet()?;
            }
            self.row_is_there = false;
            for (index, column) in cells.iter().enumerate() {
                if !column.is_null(row) {
                    self.cell(column, row, index, &mut moments)?;
                }
            }
            if !self.row_is_there {
                // A row without cells is no row, and at the end of a sheet it would be missing.
                self.put(0, |sheet, row, col, formats| sheet.write_blank(row, col, &formats.integer).map(drop))?;
            }
            self.row += 1;
            self.ledger.count(1, 0, 0);
        }
        drop(cells);
        drop((batch, held));
        self.ledger.count(0, 1, 0);
        self.ledger.masked(masked);
        self.ledger.report(0);
        self.took += took + began.elapsed();
        Ok(())
    }

    /// Gives the next part of the file; `None` after the last.
    pub(crate) fn finish(&mut self) -> Result<Option<Part>> {
        let began = Instant::now();
        let outlet = match &mut self.outlet {
            Some(outlet) => outlet,
            None => {
                let Some(mut book) = self.book.take() else { return Ok(None) };
                book.use_zip_large_file(self.spool.taken > LONG_FORM);
                self.held.grow_to(WRITER_BYTES + 2 * self.part_bytes as u64)?;
                self.outlet.insert(Outlet::open(book, self.part_bytes))
            }
        };
        let Some(bytes) = outlet.next().transpose()? else { return Ok(None) };
        self.took += began.elapsed();
        self.ledger.frame(std::mem::take(&mut self.took), bytes.len());
        Ok(Some(self.ledger.seal(bytes.into(), None)))
    }

    fn begin_sheet(&mut self) -> Result<()> {
        let name = self.names.of(self.sheet);
        self.spool.take(AROUND * self.columns.len() as u64)?;
        let book = self.book.as_mut().ok_or_else(gone)?;
        let sheet = book.add_worksheet_with_constant_memory().map_err(broken)?;
        sheet.set_name(name).map_err(broken)?;
        sheet.set_freeze_panes(1, 0).map_err(broken)?;
        for (index, column) in (0_u16..).zip(&self.columns) {
            if column.is_moment {
                sheet.set_column_width(index, MOMENT_WIDTH).map_err(broken)?;
            }
        }
        for (index, column) in (0_u16..).zip(&self.columns) {
            sheet.write_string_with_format(0, index, &column.header, &self.formats.header).map_err(broken)?;
        }
        self.row = 1;
        Ok(())
    }

    fn cell(&mut self, column: &Cells<'_>, row: usize, index: usize, moments: &mut Moments) -> Result<()> {
        let text = match column.values {
            Values::Text(texts) | Values::Json(texts) => return self.text(texts.value(row), index),
            Values::Bool(values) => {
                let truth = values.value(row);
                return self.put(index, |sheet, row, col, _| sheet.write_boolean(row, col, truth).map(drop));
            }
            Values::Int(values) => match values.value(row) {
                value if value.unsigned_abs() < TOO_LONG => return self.integer(value, index),
                value => written(|out| number::int(value, out)),
            },
            Values::Float(values) => match values.value(row) {
                value if is_spreadsheets(value) && self.formats.grouped.is_empty() => {
                    return self.number(value, "", index);
                }
                value => match written(|out| number::plain_float(value, out)) {
                    exact if is_spreadsheets(value) => return self.number(value, &exact, index),
                    exact => exact,
                },
            },
            Values::Decimal(values, scale) => {
                let mut digits = 0;
                let text = written(|out| digits = number::decimal(values.value(row), scale, out));
                match text.parse::<f64>() {
                    Ok(value) if digits <= EXACT_DIGITS && is_spreadsheets(value) => {
                        return self.number(value, &text, index);
                    }
                    Ok(_) | Err(_) => text,
                }
            }
            Values::Timestamp(values) => match self.local(values.value(row)).and_then(moment::serial) {
                Some((serial, has_fraction)) => return self.moment(serial, has_fraction, index),
                None => written(|out| moments.write(values.value(row), out)),
            },
            Values::Date(values) => match i64::from(values.value(row)).checked_mul(MICROS_A_DAY).map(moment::serial) {
                Some(Some((serial, _))) => return self.day(serial, index),
                Some(None) | None => written(|out| moments.write_day(values.value(row), out)),
            },
        };
        self.text(&text, index)
    }

    /// What the clocks show that are asked for, as if it were UTC.
    fn local(&mut self, micros: i64) -> Option<i64> {
        match &self.human {
            None => Some(micros),
            Some(human) => self.clock.local(&human.zone, micros).map(|(local, _)| local),
        }
    }

    /// `exact` is how the number is written in full; it decides what is shown of its fraction where digits are grouped.
    fn number(&mut self, value: f64, exact: &str, index: usize) -> Result<()> {
        let fraction = exact.split_once('.').map_or("", |(_, fraction)| fraction);
        let fraction = if exact.contains('e') { usize::MAX } else { fraction.len() };
        self.put(index, |sheet, row, col, formats| match formats.grouped.get(fraction) {
            Some(format) => sheet.write_number_with_format(row, col, value, format).map(drop),
            None => sheet.write_number(row, col, value).map(drop),
        })
    }

    fn integer(&mut self, value: i64, index: usize) -> Result<()> {
        // Without a format of their own, integers of more than eleven digits are shown as 1.23E+12.
        self.put(index, |sheet, row, col, formats| {
            sheet.write_number_with_format(row, col, value as f64, &formats.integer).map(drop)
        })
    }

    fn day(&mut self, serial: f64, index: usize) -> Result<()> {
        self.put(index, |sheet, row, col, formats| {
            sheet.write_number_with_format(row, col, serial, &formats.days).map(drop)
        })
    }

    fn moment(&mut self, serial: f64, has_fraction: bool, index: usize) -> Result<()> {
        self.put(index, |sheet, row, col, formats| {
            let format = if has_fraction { &formats.milliseconds } else { &formats.seconds };
            sheet.write_number_with_format(row, col, serial, format).map(drop)
        })
    }

    /// Text, never a formula or a link, as long as a cell can be.
    fn text(&mut self, text: &str, index: usize) -> Result<()> {
        if text.is_empty() {
            return Ok(());
        }
        let (kept, length) = text::fitting(text);
        if let Some(length) = length {
            let (row, sheet) = (self.ledger.rows() + 1, self.names.of(self.sheet));
            let cell = text::cell_name(index, self.row);
            let column = self.columns.get(index).map(|column| column.header.clone()).unwrap_or_default();
            self.ledger.truncated(|| TruncatedCell { row, column, sheet, cell, length });
        }
        self.put(index, |sheet, row, col, _| sheet.write_string(row, col, kept).map(drop))
    }

    fn put(
        &mut self,
        index: usize,
        write: impl FnOnce(&mut Worksheet, u32, u16, &Formats) -> Result<(), XlsxError>,
    ) -> Result<()> {
        self.row_is_there = true;
        let book = self.book.as_mut().ok_or_else(gone)?;
        let sheet = book.worksheet_from_index(self.sheet).map_err(broken)?;
        let col = u16::try_from(index).map_err(|_| gone())?;
        write(sheet, self.row, col, &self.formats).map_err(broken)
    }
}

impl Formats {
    fn new(human: Option<&Human>) -> Self {
        let code = |pattern: Option<&Pattern>, with_fraction, exact: &str| {
            // What spreadsheets cannot show was refused with the request.
            let code = pattern.and_then(|pattern| pattern.for_spreadsheets(with_fraction).ok());
            Format::new().set_num_format(code.as_deref().unwrap_or(exact))
        };
        let date = human.and_then(|human| human.date.as_ref());
        let timestamp = human.and_then(|human| human.timestamp.as_ref());
        let is_grouped = human.and_then(|human| human.numbers).is_some_and(|numbers| numbers.group.is_some());
        let grouped = |digits: usize| {
            let point = if digits > 0 { "." } else { "" };
            Format::new().set_num_format(format!("#,##0{point}{}", "0".repeat(digits)))
        };
        Self {
            header: Format::new().set_bold(),
            integer: Format::new().set_num_format(if is_grouped { "#,##0" } else { "0" }),
            grouped: if is_grouped { (0..=EXACT_DIGITS).map(grouped).collect() } else { Vec::new() },
            days: code(date, false, "yyyy-mm-dd"),
            seconds: code(timestamp, false, "yyyy-mm-dd hh:mm:ss"),
            milliseconds: code(timestamp, true, "yyyy-mm-dd hh:mm:ss.000"),
        }
    }
}

impl Room {
    /// Takes `bytes` more of the disk, if they may be taken and are there: the library cannot tell a full disk.
    fn take(&mut self, bytes: u64) -> Result<()> {
        let (taken, limit) = (self.taken.saturating_add(bytes), self.limit);
        if taken > limit {
            let detail = format!(
                "the rows take more than {limit} bytes of disk until the file is made; export fewer or smaller \
                 columns, take csv or parquet, or raise worker.spool_limit"
            );
            return Err(Error::new(ErrorKind::SpoolLimit, detail));
        }
        let disk = rustix::fs::statvfs(&self.folder).map_err(|error| {
            let detail = format!("the spool {} cannot be looked at", self.folder.display());
            Error::new(ErrorKind::StorageUnavailable, detail).caused_by(error)
        })?;
        if disk.f_bavail.saturating_mul(disk.f_frsize) < bytes.saturating_add(MARGIN) {
            let detail = format!("no space is left in the spool {} for the rows of the file", self.folder.display());
            return Err(Error::new(ErrorKind::StorageFull, detail));
        }
        self.taken = taken;
        Ok(())
    }
}

/// What the rows take on disk at most.
fn bytes_on_disk(columns: &[Cells<'_>], rows: usize) -> u64 {
    let mut bytes = 64 * rows as u64;
    for column in columns {
        bytes += AROUND * rows as u64 + column.width(rows) as u64;
        if let Values::Text(texts) | Values::Json(texts) = column.values {
            let text = bytes_of(texts);
            let escaped = cells::count(text, |byte| matches!(byte, b'&' | b'<' | b'>' | 0xef));
            let controls = cells::count(text, |byte| byte < b' ' || byte == b'_');
            bytes += 4 * escaped as u64 + 6 * controls as u64;
        }
    }
    bytes
}

/// Whether a spreadsheet has this number.
fn is_spreadsheets(value: f64) -> bool {
    value == 0.0 || (value.is_normal() && value.abs() <= LARGEST)
}

fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut out = Vec::new();
    write(&mut out);
    String::from_utf8(out).unwrap_or_default()
}

/// Nothing that differs from one making of the file to the next.
fn properties(recipe: &Recipe) -> Result<DocProperties> {
    let created = ExcelDateTime::from_ymd(2000, 1, 1).map_err(broken)?;
    Ok(DocProperties::new().set_creation_datetime(&created).set_custom_property("spec_sha256", recipe.spec_sha256()))
}

fn broken(error: XlsxError) -> Error {
    let kind = if let XlsxError::TempFileError(_, cause) | XlsxError::IoError(cause) = &error {
        let full = cause.kind() == std::io::ErrorKind::StorageFull;
        if full { ErrorKind::StorageFull } else { ErrorKind::StorageUnavailable }
    } else {
        ErrorKind::Internal
    };
    Error::new(kind, "the workbook could not be written to the spool (worker.spool)").caused_by(error)
}

fn gone() -> Error {
    Error::new(ErrorKind::Internal, "a workbook was written to after it was finished")
}
