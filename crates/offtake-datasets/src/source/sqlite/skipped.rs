//! The rows that `all_except` leaves out, by their keys.
//!
//! A probe in SQL for every row costs as much as reading it. So the excluded rows are looked up once, by their
//! identities, and rows are compared with their keys while they are stepped over: most differ in the first column.

use std::collections::HashSet;
use std::sync::Arc;

use offtake_model::Result;
use offtake_model::query::{Chosen, RowQuery};
use offtake_model::selection::Scope::Trace as WholeTrace;
use rusqlite::Row;
use rusqlite::types::ValueRef;

use super::Task;
use super::session::{Scope, Session, failure};

/// Bits of the filter: 32 for each of 10,000 keys, so that one row in thirty is looked up in vain. 40 KiB.
const BITS: u64 = 1 << 18;

/// Keys to leave out. Nothing is left out by the default.
#[derive(Debug, Default)]
pub(super) struct Skipped {
    /// One bit for each first column: a row whose bit is not set is not left out.
    firsts: Vec<u64>,
    keys: HashSet<Vec<Cell>>,
}

/// A cell of a key, as it is stored.
#[derive(Debug, PartialEq, Eq, Hash)]
enum Cell {
    Int(i64),
    Text(Vec<u8>),
}

impl Task {
    /// The same question asked so that excluded rows are cheap to leave out: the task to read by, and what of it is
    /// to be skipped. Called inside of the transaction that it is about.
    pub(super) fn without_exclusions(&self, session: &mut Session, scope: &Scope) -> Result<(Self, Skipped)> {
        let Some(only) = self.excluded() else {
            session.load(&self.statements())?;
            return Ok((self.clone(), Skipped::default()));
        };
        // Whatever the filters: a row that does not pass them is not met.
        let only = Self { query: Arc::new(RowQuery { predicates: Vec::new(), ..(*only.query).clone() }), ..only };
        session.load(&only.statements())?;
        let width = self.schema.key.len();
        let mut skipped = Skipped::default();
        session.query(&only.statements().unordered(&self.schema.key)?, scope, |rows| {
            while let Some(row) = rows.next()? {
                skipped.insert(row, width)?;
            }
            Ok(())
        })?;
        let query = Arc::new(self.query.choosing(Chosen::All));
        Ok((Self { query, ..self.clone() }, skipped))
    }

    /// The excluded rows as a partial selection, if these can be found by an index.
    pub(super) fn excluded(&self) -> Option<Self> {
        // An excluded row comes back with its trace if another one of it is chosen.
        if self.query.scope == WholeTrace || !self.relation.key_tells(&self.schema) {
            return None;
        }
        match &self.query.chosen {
            Chosen::AllExcept(ids) if self.relation.lookup.is_some() => {
                let query = self.query.choosing(Chosen::Only(ids.clone()));
                Some(Self { query: Arc::new(query), ..self.clone() })
            }
            Chosen::All | Chosen::AllExcept(_) | Chosen::Only(_) => None,
        }
    }
}

impl Skipped {
    /// How many rows are left out at most.
    pub(super) fn len(&self) -> u64 {
        self.keys.len() as u64
    }

    /// Whether the row, whose key columns begin at `at`, is left out.
    pub(super) fn has(&self, row: &Row<'_>, at: usize, width: usize) -> Result<bool> {
        if self.keys.is_empty() {
            return Ok(false);
        }
        let first = row.get_ref(at).map_err(failure)?;
        let Some((word, bit)) = place(first) else {
            return Ok(false);
        };
        if self.firsts[word] & bit == 0 {
            return Ok(false);
        }
        Ok(key(row, at, width)?.is_some_and(|key| self.keys.contains(&key)))
    }

    fn insert(&mut self, row: &Row<'_>, width: usize) -> Result<()> {
        let first = place(row.get_ref(0).map_err(failure)?);
        if let (Some((word, bit)), Some(key)) = (first, key(row, 0, width)?) {
            self.firsts.resize((BITS / 64) as usize, 0);
            self.firsts[word] |= bit;
            self.keys.insert(key);
        }
        Ok(())
    }
}

/// The word and the bit of a first column. Collisions cost time and nothing else.
fn place(cell: ValueRef<'_>) -> Option<(usize, u64)> {
    const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
    let mixed = match cell {
        ValueRef::Integer(int) => int.cast_unsigned().wrapping_mul(ODD),
        ValueRef::Text(text) => text.chunks(8).fold(0_u64, |mixed, chunk| {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            (mixed.rotate_left(5) ^ u64::from_le_bytes(word)).wrapping_mul(ODD)
        }),
        ValueRef::Null | ValueRef::Real(_) | ValueRef::Blob(_) => return None,
    };
    let place = (mixed >> 32) % BITS;
    Some(((place / 64) as usize, 1 << (place % 64)))
}

/// `None` for what no key holds: reading such a row is an error of its own.
fn key(row: &Row<'_>, at: usize, width: usize) -> Result<Option<Vec<Cell>>> {
    let mut cells = Vec::with_capacity(width);
    for index in at..at + width {
        match row.get_ref(index).map_err(failure)? {
            ValueRef::Integer(int) => cells.push(Cell::Int(int)),
            ValueRef::Text(text) => cells.push(Cell::Text(text.to_vec())),
            ValueRef::Null | ValueRef::Real(_) | ValueRef::Blob(_) => return Ok(None),
        }
    }
    Ok(Some(cells))
}
