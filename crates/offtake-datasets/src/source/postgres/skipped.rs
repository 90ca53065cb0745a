//! The rows that `all_except` leaves out, by their keys.
//!
//! A statement that names ten thousand identities costs the server more than many a range's rows. So they are looked up
//! once, all rows are read, and those are left out whose keys these are.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use offtake_model::Result;
use offtake_model::query::{Chosen, RowQuery};
use offtake_model::selection::Scope;
use offtake_model::value::Value;

use super::Task;
use super::copy::Tuple;
use super::session::Session;

/// So few are named in each statement, which is cheaper than a question of their own.
const FEW: usize = 8;

/// Keys to leave out, each as the fields of a row are sent: the same row is written the same way, whoever reads it.
/// Nothing is left out by the default.
#[derive(Debug, Default)]
pub(super) struct Skipped(HashSet<Box<[u8]>>);

impl Skipped {
    /// How many rows are left out at most.
    pub(super) fn len(&self) -> u64 {
        self.0.len() as u64
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the row, whose key follows so many fields, is left out.
    #[inline]
    pub(super) fn has(&self, tuple: &Tuple, before: usize) -> bool {
        !self.is_empty() && self.0.contains(tuple.after(before))
    }
}

impl Task {
    /// The same question asked so that excluded rows are cheap to leave out: the task to read by, and what of it is to
    /// be skipped. Asked in the transaction that it is about.
    pub(super) async fn without_exclusions(&self, session: &Session) -> Result<(Self, Skipped)> {
        let Some(ids) = self.exclusions() else { return Ok((self.clone(), Skipped::default())) };
        let only = Self { query: self.query.choosing(Chosen::Only(Arc::clone(ids))).into(), ..self.clone() };
        let sql = only.statements().unordered(&self.schema.key)?;
        let mut rows = only.rows(session, &sql, &self.key_columns()?, None).await?;
        let mut keys = HashSet::with_capacity(ids.len());
        while let Some(tuple) = rows.next().await? {
            // NULL is no key, and many rows may have it: the plan says so.
            if tuple.fields().all(|field| field.is_some()) {
                keys.insert(tuple.after(0).into());
            }
        }
        Ok((self.choosing_all(), Skipped(keys)))
    }

    /// The same question of all rows that pass its filters.
    fn choosing_all(&self) -> Self {
        Self { query: self.query.choosing(Chosen::All).into(), ..self.clone() }
    }

    /// The identities to look up.
    fn exclusions(&self) -> Option<&Arc<[Vec<Value>]>> {
        let Chosen::AllExcept(ids) = &self.query.chosen else { return None };
        // An excluded row comes back with its trace if another one of it is chosen.
        let alone = self.query.scope == Scope::Row;
        (ids.len() > FEW && alone && self.relation.key_tells(&self.schema)).then_some(ids)
    }
}

/// What was looked up for the last plan, until it is opened: mostly that is next.
#[derive(Debug, Default)]
pub(super) struct Last(Mutex<Option<Found>>);

/// A dataset, a question, and what was found for it.
type Found = (String, Arc<RowQuery>, Skipped);

impl Last {
    /// Keeps what was found for this question.
    pub(super) fn keep(&self, task: &Task, skipped: Skipped) {
        if !skipped.is_empty() {
            let found = (task.schema.name.clone(), Arc::clone(&task.query), skipped);
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(found);
        }
    }

    /// The same as [`Task::without_exclusions`], by what was kept if it was for this very question.
    pub(super) async fn or_look_up(&self, session: &Session, task: &Task) -> Result<(Task, Skipped)> {
        let asked = |(dataset, query, _): &mut Found| *dataset == task.schema.name && is_same(query, &task.query);
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner).take_if(asked);
        match kept {
            Some((.., skipped)) => Ok((task.choosing_all(), skipped)),
            None => task.without_exclusions(session).await,
        }
    }
}

/// Whether two questions are one. A moment that was stored has no finer digits than its text.
fn is_same(one: &RowQuery, other: &RowQuery) -> bool {
    let moment = |query: &RowQuery| query.as_of.map(|moment| moment.to_string());
    moment(one) == moment(other) && *one == RowQuery { as_of: one.as_of, ..other.clone() }
}
