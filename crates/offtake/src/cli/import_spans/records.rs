//! Requests out of a file: a JSON document a line, or protobuf messages each after its length; gzip around it.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::read::MultiGzDecoder;
use offtake_model::{Error, ErrorKind, Result};

/// No honest request is larger; a length beyond it means that this is no such file.
pub(super) const LARGEST: usize = 64 << 20;

/// One request, not yet decoded.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Record {
    /// A line of OTLP JSON.
    Json(Vec<u8>),
    /// A protobuf message.
    Protobuf(Vec<u8>),
}

/// The requests of one file, in order.
pub(super) struct Records {
    from: Box<dyn BufRead + Send>,
    name: String,
    is_json: bool,
    number: u64,
    read: Arc<AtomicU64>,
}

impl Records {
    /// Opens a file (`-`: stdin) and finds out what it holds.
    ///
    /// # Errors
    /// `not_found`, `storage_unavailable`.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let name = path.display().to_string();
        let failed = |error: io::Error| unreadable(&name, error);
        let raw: Box<dyn Read + Send> =
            if path.as_os_str() == "-" { Box::new(io::stdin()) } else { Box::new(File::open(path).map_err(failed)?) };
        let read = Arc::new(AtomicU64::new(0));
        let counted = Counted { from: raw, read: Arc::clone(&read) };
        Self::detect(Box::new(BufReader::with_capacity(1 << 16, counted)), name, read)
    }

    fn detect(mut from: Box<dyn BufRead + Send>, name: String, read: Arc<AtomicU64>) -> Result<Self> {
        let head = from.fill_buf().map_err(|error| broken(&name, error))?;
        if head.starts_with(&[0x1f, 0x8b]) {
            let inner = BufReader::with_capacity(1 << 16, MultiGzDecoder::new(from));
            from = Box::new(inner);
        }
        let head = from.fill_buf().map_err(|error| broken(&name, error))?;
        // A length in four bytes begins with a byte below any that begins a line of JSON.
        let is_json =
            head.iter().find(|byte| !byte.is_ascii_whitespace()).is_none_or(|byte| matches!(byte, b'{' | b'['));
        Ok(Self { from, name, is_json, number: 0, read })
    }

    /// The next request; `None` at the end.
    ///
    /// # Errors
    /// `malformed` if the file breaks off or is none of ours.
    pub(super) fn next(&mut self) -> Result<Option<Record>> {
        self.number += 1;
        if self.is_json { self.next_line() } else { self.next_message() }
    }

    /// Bytes of the file read so far, before decompression.
    pub(super) fn read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    /// A reason with its place.
    pub(super) fn at(&self, reason: &str) -> String {
        format!("{}: {reason}", self.place())
    }

    fn place(&self) -> String {
        let what = if self.is_json { "line" } else { "record" };
        format!("{}, {what} {}", self.name, self.number)
    }

    fn next_line(&mut self) -> Result<Option<Record>> {
        loop {
            let mut line = Vec::new();
            let limit = LARGEST as u64 + 1;
            let read = (&mut self.from).take(limit).read_until(b'\n', &mut line).map_err(|error| self.broken(error))?;
            if read == 0 {
                return Ok(None);
            }
            if read > LARGEST {
                return Err(self.malformed("is longer than 64 MiB"));
            }
            if !line.trim_ascii().is_empty() {
                return Ok(Some(Record::Json(line)));
            }
            self.number += 1;
        }
    }

    fn next_message(&mut self) -> Result<Option<Record>> {
        let mut length = [0; 4];
        match self.from.read(&mut length).map_err(|error| self.broken(error))? {
            0 => return Ok(None),
            read => self.fill(&mut length, read)?,
        }
        let length = u32::from_be_bytes(length) as usize;
        if length > LARGEST {
            return Err(self.malformed("is neither OTLP JSON nor a protobuf request after its length in four bytes"));
        }
        let mut message = Vec::new();
        let read =
            (&mut self.from).take(length as u64).read_to_end(&mut message).map_err(|error| self.broken(error))?;
        if read < length {
            return Err(self.malformed("breaks off in the middle"));
        }
        Ok(Some(Record::Protobuf(message)))
    }

    fn fill(&mut self, into: &mut [u8], from: usize) -> Result<()> {
        self.from.read_exact(&mut into[from..]).map_err(|error| self.broken(error))
    }

    fn broken(&self, error: io::Error) -> Error {
        broken(&self.place(), error)
    }

    fn malformed(&self, what: &str) -> Error {
        Error::new(ErrorKind::Malformed, self.at(what))
    }
}

/// Counts what passes.
struct Counted<R> {
    from: R,
    read: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.from.read(into)?;
        self.read.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

/// A file that ends too early or cannot be decompressed is not a matter of storage.
fn broken(place: &str, error: io::Error) -> Error {
    use io::ErrorKind::{InvalidData, InvalidInput, UnexpectedEof};
    if matches!(error.kind(), UnexpectedEof | InvalidInput | InvalidData) {
        return Error::new(ErrorKind::Malformed, format!("{place} breaks off in the middle")).caused_by(error);
    }
    unreadable(place, error)
}

fn unreadable(name: &str, error: io::Error) -> Error {
    let kind =
        if error.kind() == io::ErrorKind::NotFound { ErrorKind::NotFound } else { ErrorKind::StorageUnavailable };
    Error::new(kind, format!("{name} cannot be read: {error}")).caused_by(error)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn of(bytes: &[u8]) -> Records {
        let from = Box::new(BufReader::new(io::Cursor::new(bytes.to_vec())));
        Records::detect(from, "f".to_owned(), Arc::default()).unwrap()
    }

    fn all(bytes: &[u8]) -> Result<Vec<Record>> {
        let mut records = of(bytes);
        let mut found = Vec::new();
        while let Some(record) = records.next()? {
            found.push(record);
        }
        Ok(found)
    }

    fn gzipped(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn both_formats_are_found_out_gzipped_or_not() {
        let lines = b"{\"a\":1}\n\n  {\"b\":2}";
        let expected = || vec![Record::Json(b"{\"a\":1}\n".to_vec()), Record::Json(b"  {\"b\":2}".to_vec())];
        assert_eq!(all(lines).unwrap(), expected());
        assert_eq!(all(&gzipped(lines)).unwrap(), expected());
        let messages = b"\0\0\0\x02ab\0\0\0\0\0\0\0\x01c";
        let expected = || Vec::from([&b"ab"[..], b"", b"c"].map(|bytes| Record::Protobuf(bytes.to_vec())));
        assert_eq!(all(messages).unwrap(), expected());
        assert_eq!(all(&gzipped(messages)).unwrap(), expected());
        assert_eq!(all(b"").unwrap(), Vec::new());
    }

    #[test]
    fn what_breaks_off_or_is_something_else_is_refused_with_its_place() {
        for bytes in [&b"\0\0\0\x05ab"[..], b"\0\0", b"PK\x03\x04 not ours", &gzipped(b"\0\0\0\x05abcde")[..20]] {
            let error = all(bytes).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Malformed, "{bytes:?}");
            assert!(error.detail().starts_with("f"), "{error}");
        }
    }
}
