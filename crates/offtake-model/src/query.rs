//! A request for rows after it has been checked against its dataset: typed, scoped, ready to compile to SQL.
//!
//! Page, count, preview, plan and export all start from this one type, so they cannot mean different rows.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::as_of::AsOf;
use crate::id::OrgId;
use crate::selection::Scope;
use crate::value::Value;

/// Which rows of a dataset.
#[derive(Debug, Clone, PartialEq)]
pub struct RowQuery {
    /// Only this organization's rows; there is no query without one.
    pub org: OrgId,
    /// All must hold.
    pub predicates: Vec<Predicate>,
    /// Which of the rows that pass.
    pub chosen: Chosen,
    /// What a chosen row brings along.
    pub scope: Scope,
    /// The moment asked for, if one was.
    pub as_of: Option<AsOf>,
    /// Only rows that are not in this earlier moment of append-only rows.
    pub newer_than: Option<AsOf>,
}

impl RowQuery {
    /// The same question of other rows.
    #[must_use]
    pub fn choosing(&self, chosen: Chosen) -> Self {
        let Self { org, predicates, chosen: _, scope, as_of, newer_than } = self;
        let (org, predicates) = (org.clone(), predicates.clone());
        Self { org, predicates, chosen, scope: *scope, as_of: *as_of, newer_than: *newer_than }
    }
}

/// One condition on a row.
#[derive(Debug, Clone, PartialEq)]
pub struct Predicate {
    /// The columns it looks at; it holds if it holds for any of them.
    pub columns: Vec<String>,
    /// What must be so.
    pub test: Test,
}

/// What must be so of a column. NULL passes none of these.
#[derive(Debug, Clone, PartialEq)]
pub enum Test {
    /// Equal to one of these. An empty list passes nothing.
    OneOf(Vec<Value>),
    /// At least this.
    AtLeast(Value),
    /// At most this.
    AtMost(Value),
    /// Less than this.
    Below(Value),
    /// Contains this text, ASCII letter case aside.
    Contains(String),
    /// An array with one of these among its elements. An empty list passes nothing.
    Overlaps(Vec<Value>),
}

/// A selection with its identities checked: each has one value per identity column, in their order.
#[derive(Debug, Clone, PartialEq)]
pub enum Chosen {
    /// Every row.
    All,
    /// Every row but these.
    AllExcept(Arc<[Vec<Value>]>),
    /// Just these.
    Only(Arc<[Vec<Value>]>),
}

/// The order of a page on the screen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sort {
    /// By this column; ties are broken by the key.
    pub column: String,
    /// Largest first.
    pub descending: bool,
}
