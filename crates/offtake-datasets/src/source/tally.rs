//! The counting of facets: one pass for all columns asked for.
//!
//! A facet's own filter is not applied to it, or a value that is ticked would hide all others. So a pass reads the rows that
//! pass everything else, and of each row whether it passes the filters that are facets' own. Whatever ends it early, the
//! numbers are those of the rows that were looked at, and the answer says so.

use std::collections::HashMap;
use std::sync::Arc;

/// The most rows that are looked at.
pub(super) const MOST_ROWS: u64 = 5_000_000;
/// What is remembered of the values of one column, at most; rows with further values are counted together.
const MOST_VALUES: usize = 50_000;
/// What the values of all columns of a pass may take. Each column has its share, so that long texts in one hide nothing of another.
const MOST_BYTES: usize = 32 << 20;
/// What a value takes beside its bytes, about: two pointers, numbers, and room that is kept to grow into.
const BYTES_A_VALUE: usize = 160;
/// Of the values that a facet's own filter names, so many are in the answer though others are more frequent.
const MOST_NAMED: usize = 100;

/// The counting of one pass. Values are bytes here: equal ones are the same value.
#[derive(Debug)]
pub(super) struct Tally {
    columns: Vec<OfColumn>,
    rows: u64,
    whole: bool,
}

#[derive(Debug, Default)]
struct OfColumn {
    places: HashMap<Arc<[u8]>, usize>,
    values: Vec<Counted>,
    /// The value of the row before, which is often that of the next.
    last: usize,
    /// Bytes that further values may take.
    room: usize,
    /// Values that the own filter names and that had no place any more.
    extra: usize,
    rows: u64,
    nulls: u64,
    forgot: bool,
}

#[derive(Debug)]
struct Counted {
    value: Arc<[u8]>,
    rows: u64,
    /// Whether the facet's own filter names it.
    named: bool,
}

/// Which facets a row counts for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum For {
    All,
    /// It does not pass the own filter of this one, which does not mind.
    One(usize),
}

/// What a pass found of one column.
#[derive(Debug)]
pub(super) struct Found {
    /// Values and the rows that have them, the most frequent first.
    pub(super) values: Vec<(Arc<[u8]>, u64)>,
    pub(super) nulls: u64,
    pub(super) others: u64,
}

impl Tally {
    pub(super) fn new(columns: usize) -> Self {
        let room = MOST_BYTES / columns.max(1);
        let column = || OfColumn { room, ..OfColumn::default() };
        Self { columns: std::iter::repeat_with(column).take(columns).collect(), rows: 0, whole: true }
    }

    /// Takes a row in. `own` says for each facet with a filter of its own whether the row passes it; `cell` has the row's
    /// value in a column.
    ///
    /// # Errors
    /// Those of `cell`.
    pub(super) fn add<'r, E>(
        &mut self,
        own: &[(usize, bool)],
        mut cell: impl FnMut(usize) -> Result<Option<&'r [u8]>, E>,
    ) -> Result<(), E> {
        self.rows += 1;
        let mut failed = own.iter().filter(|(_, passes)| !passes).map(|(facet, _)| *facet);
        let counts_for = match (failed.next(), failed.next()) {
            (None, _) => For::All,
            (Some(facet), None) => For::One(facet),
            (Some(_), Some(_)) => return Ok(()),
        };
        for (index, column) in self.columns.iter_mut().enumerate() {
            if matches!(counts_for, For::One(one) if one != index) {
                continue;
            }
            let named = counts_for == For::All && own.iter().any(|(facet, _)| *facet == index);
            column.add(cell(index)?, named);
        }
        Ok(())
    }

    /// Not all rows were looked at.
    pub(super) fn was_cut_short(&mut self) {
        self.whole = false;
    }

    pub(super) const fn rows(&self) -> u64 {
        self.rows
    }

    /// Whether nothing was left out.
    pub(super) fn is_exact(&self) -> bool {
        self.whole && self.rows < MOST_ROWS && !self.columns.iter().any(|column| column.forgot)
    }

    /// What was found, with at most `limit` values of each column beside those that its own filter names.
    pub(super) fn found(self, limit: usize) -> Vec<Found> {
        self.columns.into_iter().map(|column| column.found(limit)).collect()
    }
}

impl OfColumn {
    #[inline]
    fn add(&mut self, value: Option<&[u8]>, named: bool) {
        self.rows += 1;
        let Some(value) = value else {
            self.nulls += 1;
            return;
        };
        let place = match self.values.get(self.last) {
            Some(last) if *last.value == *value => Some(self.last),
            _ => self.places.get(value).copied().or_else(|| self.remember(value, named)),
        };
        if let Some(counted) = place.and_then(|place| self.values.get_mut(place)) {
            counted.rows += 1;
            counted.named |= named;
        }
        self.last = place.unwrap_or(self.last);
    }

    fn remember(&mut self, value: &[u8], named: bool) -> Option<usize> {
        let bytes = value.len() + BYTES_A_VALUE;
        if self.values.len() >= MOST_VALUES || bytes > self.room {
            // The filter, which is held anyway, is as long as all that it names.
            if !named || self.extra >= MOST_NAMED {
                self.forgot = true;
                return None;
            }
            self.extra += 1;
        }
        self.room = self.room.saturating_sub(bytes);
        let (value, place): (Arc<[u8]>, _) = (value.into(), self.values.len());
        self.places.insert(Arc::clone(&value), place);
        self.values.push(Counted { value, rows: 0, named: false });
        Some(place)
    }

    fn found(mut self, limit: usize) -> Found {
        // Of equally many, the lesser value: the same question has the same answer.
        self.values.sort_unstable_by(|a, b| b.rows.cmp(&a.rows).then_with(|| a.value.cmp(&b.value)));
        let mut named = 0;
        let kept = self.values.into_iter().enumerate().filter(|(index, counted)| {
            let extra = *index >= limit && counted.named && named < MOST_NAMED;
            named += usize::from(extra);
            *index < limit || extra
        });
        let values: Vec<_> = kept.map(|(_, counted)| (counted.value, counted.rows)).collect();
        let shown: u64 = values.iter().map(|(_, rows)| rows).sum();
        Found { values, nulls: self.nulls, others: self.rows - self.nulls - shown }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    /// The cells of a row, and which facets' own filters it passes.
    type Row<'a> = (&'a [Option<&'a str>], &'a [(usize, bool)]);
    /// Values with their rows, rows without a value, rows with others.
    type Said = (Vec<(String, u64)>, u64, u64);

    fn tallied(rows: &[Row<'_>], limit: usize) -> Vec<Said> {
        let mut tally = Tally::new(rows[0].0.len());
        for (cells, own) in rows {
            let cell = |index: usize| Ok::<_, Infallible>(cells[index].map(str::as_bytes));
            tally.add(own, cell).unwrap();
        }
        let found = tally.found(limit).into_iter().map(|found| {
            let text = |value: Arc<[u8]>| String::from_utf8(value.to_vec()).unwrap();
            let values = found.values.into_iter().map(|(value, rows)| (text(value), rows)).collect();
            (values, found.nulls, found.others)
        });
        found.collect()
    }

    #[test]
    fn every_facet_counts_the_rows_that_pass_the_filters_of_the_others() {
        let rows: &[Row<'_>] = &[
            (&[Some("a"), Some("x")], &[(0, true), (1, true)]),
            (&[Some("a"), Some("y")], &[(0, true), (1, false)]),
            (&[Some("b"), Some("x")], &[(0, false), (1, true)]),
            (&[Some("b"), Some("y")], &[(0, false), (1, false)]),
            (&[None, Some("x")], &[(0, false), (1, true)]),
        ];
        let found = tallied(rows, 9);
        assert_eq!(found[0], (vec![("a".into(), 1), ("b".into(), 1)], 1, 0));
        assert_eq!(found[1], (vec![("x".into(), 1), ("y".into(), 1)], 0, 0));
    }

    #[test]
    fn the_most_frequent_come_first_and_named_ones_always() {
        let row = |value: &'static str, passes: bool| ([Some(value)], [(0, passes)]);
        let rows: Vec<_> =
            ["c", "b", "b", "a", "a", "a", "d"].into_iter().map(|value| row(value, value == "c")).collect();
        let rows: Vec<Row<'_>> = rows.iter().map(|(cells, own)| (&cells[..], &own[..])).collect();
        assert_eq!(tallied(&rows, 1)[0], (vec![("a".into(), 3), ("c".into(), 1)], 0, 3));
    }

    #[test]
    fn what_is_not_remembered_is_counted_with_the_others_and_no_count_is_called_exact() {
        let mut tally = Tally::new(1);
        for number in 0..=MOST_VALUES {
            let value = number.to_be_bytes();
            tally.add(&[], |_| Ok::<_, Infallible>(Some(&value[..]))).unwrap();
        }
        assert!(!tally.is_exact());
        let found = tally.found(2).remove(0);
        assert_eq!((found.values.len(), found.others), (2, MOST_VALUES as u64 - 1));
    }

    #[test]
    fn the_values_of_all_columns_share_one_bound_and_none_hides_what_is_in_another() {
        for columns in [1, 16] {
            let mut tally = Tally::new(columns);
            let held = |tally: &Tally| -> usize {
                let values = tally.columns.iter().flat_map(|column| &column.values);
                values.map(|counted| counted.value.len()).sum()
            };
            let rows = 640 / columns;
            let mut value = vec![b'x'; 1 << 18];
            for number in 1..=rows {
                value[..8].copy_from_slice(&number.to_be_bytes());
                // The last column has one value of few bytes, in the last row.
                let cell = |index: usize| match index {
                    _ if number == rows => Some(&b"late"[..]),
                    _ if index + 1 == columns && columns > 1 => None,
                    _ => Some(&value[..]),
                };
                tally.add(&[], |index| Ok::<_, Infallible>(cell(index))).unwrap();
            }
            assert!(held(&tally) <= 32 << 20, "{columns} columns hold {} bytes", held(&tally));
            assert!(!tally.is_exact());
            let last = tally.found(1).remove(columns - 1);
            assert!(columns == 1 || &*last.values[0].0 == b"late", "{last:?}");
        }
    }

    #[test]
    fn what_the_filter_names_is_remembered_when_nothing_else_is() {
        let mut tally = Tally::new(1);
        for number in 0..MOST_VALUES {
            let value = number.to_be_bytes();
            tally.add(&[(0, false)], |_| Ok::<_, Infallible>(Some(&value[..]))).unwrap();
        }
        for _ in 0..3 {
            tally.add(&[(0, true)], |_| Ok::<_, Infallible>(Some(&b"named"[..]))).unwrap();
            tally.add(&[(0, false)], |_| Ok::<_, Infallible>(Some(&b"other"[..]))).unwrap();
        }
        assert!(!tally.is_exact());
        let found = tally.found(1).remove(0);
        assert_eq!((&*found.values[0].0, found.values[0].1), (&b"named"[..], 3));
        assert_eq!(found.others, MOST_VALUES as u64 + 3);
    }
}
