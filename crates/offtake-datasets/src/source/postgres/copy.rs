//! The byte stream of `COPY … TO STDOUT (FORMAT binary)` → rows.
//!
//! Nothing is taken for granted of how the stream is cut into messages, and nothing of what is in it: a stream that is
//! no such stream is an error.

use bytes::{Buf, Bytes, BytesMut};
use offtake_model::{Error, ErrorKind, Result};

const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0";
/// Signature, flags, and the length of an extension.
const HEADER: usize = SIGNATURE.len() + 8;

/// A stream that arrives in pieces.
#[derive(Debug)]
pub(super) struct Tuples {
    fields: usize,
    /// What has arrived and is not yet read.
    rest: Bytes,
    began: bool,
    ended: bool,
    /// A row is not longer than this.
    longest: usize,
}

/// A row: its fields, known to be whole.
#[derive(Debug, Clone)]
pub(super) struct Tuple(Bytes);

impl Tuples {
    /// A stream of rows of so many fields, none longer than `longest` bytes.
    pub(super) const fn new(fields: usize, longest: usize) -> Self {
        Self { fields, rest: Bytes::new(), began: false, ended: false, longest }
    }

    /// More of the stream.
    pub(super) fn feed(&mut self, piece: Bytes) {
        if self.rest.is_empty() {
            self.rest = piece;
        } else {
            let mut joined = match std::mem::take(&mut self.rest).try_into_mut() {
                Ok(joined) => joined,
                Err(shared) => {
                    let mut joined = BytesMut::with_capacity(2 * shared.len() + piece.len());
                    joined.extend_from_slice(&shared);
                    joined
                }
            };
            joined.extend_from_slice(&piece);
            self.rest = joined.freeze();
        }
    }

    /// The next row, if the whole of it has arrived.
    ///
    /// # Errors
    /// `memory_limit` for a row that is too long; `source_unavailable` for what is no such stream.
    pub(super) fn next(&mut self) -> Result<Option<Tuple>> {
        if !self.began && !self.begin()? {
            return Ok(None);
        }
        if self.ended {
            return if self.rest.is_empty() { Ok(None) } else { Err(broken("goes on after its end")) };
        }
        let Some(length) = self.whole()? else {
            if self.rest.len() > self.longest {
                let detail = "a row is larger than the job's memory; raise worker.memory_budget";
                return Err(Error::new(ErrorKind::MemoryLimit, detail));
            }
            return Ok(None);
        };
        if self.ended {
            self.rest.advance(2);
            return self.next();
        }
        let mut row = self.rest.split_to(length);
        row.advance(2);
        Ok(Some(Tuple(row)))
    }

    /// That there is nothing more.
    ///
    /// # Errors
    /// `source_unavailable` if the stream was cut off.
    pub(super) fn finish(&self) -> Result<()> {
        if self.ended && self.rest.is_empty() { Ok(()) } else { Err(broken("is cut off")) }
    }

    fn begin(&mut self) -> Result<bool> {
        let Some(header) = self.rest.get(..HEADER) else {
            let so_far = self.rest.len().min(SIGNATURE.len());
            return if self.rest[..so_far] == SIGNATURE[..so_far] {
                Ok(false)
            } else {
                Err(broken("does not begin so"))
            };
        };
        let number = |at: usize| i32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
        let (flags, extension) = (number(SIGNATURE.len()), number(SIGNATURE.len() + 4));
        // The upper half of the flags says what changes the form of rows.
        if !header.starts_with(SIGNATURE) || flags & !0xffff != 0 {
            return Err(broken("does not begin so"));
        }
        let extension = usize::try_from(extension).map_err(|_| broken("has a header of a negative length"))?;
        if extension > self.longest {
            return Err(broken("has a header without end"));
        }
        if self.rest.len() < HEADER + extension {
            return Ok(false);
        }
        self.rest.advance(HEADER + extension);
        self.began = true;
        Ok(true)
    }

    /// The bytes of the next row, or that the stream ends here; `None` if more must arrive to tell.
    fn whole(&mut self) -> Result<Option<usize>> {
        let rest = &self.rest[..];
        let Some(count) = rest.get(..2) else { return Ok(None) };
        match i16::from_be_bytes([count[0], count[1]]) {
            -1 => {
                self.ended = true;
                return Ok(Some(2));
            }
            count if usize::try_from(count).is_ok_and(|count| count == self.fields) => {}
            count => return Err(broken(&format!("has a row of {count} fields where there are {}", self.fields))),
        }
        let mut at = 2_usize;
        for _ in 0..self.fields {
            let Some(length) = rest.get(at..at + 4) else { return Ok(None) };
            at += 4;
            match i32::from_be_bytes([length[0], length[1], length[2], length[3]]) {
                -1 => {}
                length => {
                    let length = usize::try_from(length).map_err(|_| broken("has a field of a negative length"))?;
                    at += length;
                    if at > self.longest {
                        let detail = "a row is larger than the job's memory; raise worker.memory_budget";
                        return Err(Error::new(ErrorKind::MemoryLimit, detail));
                    }
                }
            }
        }
        Ok((at <= rest.len()).then_some(at))
    }
}

impl Tuple {
    /// The fields in order; `None` is NULL.
    #[inline]
    pub(super) fn fields(&self) -> Fields<'_> {
        Fields(&self.0)
    }

    /// The fields after so many, as they were sent.
    #[inline]
    pub(super) fn after(&self, count: usize) -> &[u8] {
        let mut fields = self.fields();
        fields.by_ref().take(count).for_each(drop);
        fields.0
    }
}

/// The fields of a row.
#[derive(Debug)]
pub(super) struct Fields<'t>(&'t [u8]);

impl<'t> Iterator for Fields<'t> {
    type Item = Option<&'t [u8]>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let (length, rest) = self.0.split_first_chunk::<4>()?;
        match usize::try_from(i32::from_be_bytes(*length)) {
            Ok(length) => {
                let (field, rest) = rest.split_at_checked(length)?;
                self.0 = rest;
                Some(Some(field))
            }
            Err(_) => {
                self.0 = rest;
                Some(None)
            }
        }
    }
}

fn broken(how: &str) -> Error {
    Error::new(ErrorKind::SourceUnavailable, format!("the binary stream of the database {how}"))
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::option;
    use proptest::prelude::*;

    use super::*;

    type Row = Vec<Option<Vec<u8>>>;

    fn stream(rows: &[Row]) -> Vec<u8> {
        let mut bytes = SIGNATURE.to_vec();
        bytes.extend_from_slice(&[0; 8]);
        for row in rows {
            bytes.extend_from_slice(&i16::try_from(row.len()).unwrap().to_be_bytes());
            for field in row {
                let length = field.as_ref().map_or(-1, |field| i32::try_from(field.len()).unwrap());
                bytes.extend_from_slice(&length.to_be_bytes());
                bytes.extend_from_slice(field.as_deref().unwrap_or_default());
            }
        }
        bytes.extend_from_slice(&[0xff, 0xff]);
        bytes
    }

    fn read(pieces: impl Iterator<Item = Bytes>, fields: usize) -> Result<Vec<Row>> {
        let mut tuples = Tuples::new(fields, 1 << 20);
        let mut rows = Vec::new();
        for piece in pieces {
            tuples.feed(piece);
            while let Some(tuple) = tuples.next()? {
                rows.push(tuple.fields().map(|field| field.map(<[u8]>::to_vec)).collect());
            }
        }
        tuples.finish()?;
        Ok(rows)
    }

    proptest! {
        #[test]
        fn rows_come_back_however_the_stream_is_cut(
            rows in vec(vec(option::of(vec(any::<u8>(), 0..20)), 3), 0..12),
            cuts in vec(0..400_usize, 0..30),
        ) {
            let bytes = stream(&rows);
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let pieces = cuts.windows(2).map(|cut| Bytes::copy_from_slice(&bytes[cut[0]..cut[1]]));
            prop_assert_eq!(read(pieces, 3).unwrap(), rows);
        }

        #[test]
        fn a_stream_that_is_cut_off_is_an_error(
            rows in vec(vec(option::of(vec(any::<u8>(), 0..20)), 2), 0..5), lost in 1..60_usize,
        ) {
            let bytes = stream(&rows);
            let kept = bytes.len().saturating_sub(lost);
            prop_assert!(read(std::iter::once(Bytes::copy_from_slice(&bytes[..kept])), 2).is_err());
        }

        #[test]
        fn whatever_arrives_nothing_panics(bytes in vec(any::<u8>(), 0..200), headed in any::<bool>(), fields in 0..4_usize) {
            let mut all = if headed { stream(&[])[..HEADER].to_vec() } else { Vec::new() };
            all.extend(bytes);
            drop(read(std::iter::once(Bytes::from(all)), fields));
        }
    }

    #[test]
    fn hostile_lengths_are_refused() {
        let with = |tail: &[u8]| {
            let mut bytes = stream(&[])[..HEADER].to_vec();
            bytes.extend_from_slice(tail);
            read(std::iter::once(Bytes::from(bytes)), 1).unwrap_err().kind()
        };
        assert_eq!(with(&[0, 1, 0x7f, 0xff, 0xff, 0xff]), ErrorKind::MemoryLimit);
        assert_eq!(with(&[0, 1, 0xff, 0xff, 0xff, 0xfe]), ErrorKind::SourceUnavailable);
        assert_eq!(with(&[0, 2, 0xff, 0xff, 0xff, 0xff]), ErrorKind::SourceUnavailable);
        assert_eq!(with(&[0xff, 0xff, 0]), ErrorKind::SourceUnavailable);
    }
}
