//! How a dataset lies in a database: from where its columns are read, how they are stored, and which
//! predicates scope its rows.
//!
//! The built-in span store writes these by hand; configured datasets get theirs from [`crate::config`]. Only
//! [`crate::sql`] turns them into statements.

use std::collections::BTreeMap;

use offtake_model::dataset::DatasetSchema;

/// Where the rows of a dataset come from. Every text may use the named parameters `:org` (a text) and `:cutoff` (a
/// 64-bit integer).
///
/// Build it with `..Relation::default()`: fields are added over time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Relation {
    /// The database that all of this is written for.
    pub dialect: Dialect,
    /// The FROM clause: `spans s`, or `(select …) t left join …`.
    pub from: String,
    /// The expression of each column of the dataset: `s.started_at`. Those of key columns must be bare columns,
    /// or the index on them is of no use.
    pub columns: BTreeMap<String, String>,
    /// How columns are stored that are not [`Stored::Native`].
    pub stored: BTreeMap<String, Stored>,
    /// The predicate that scopes rows to the organization: `s.org_id = :org`. `None` where the configuration says
    /// aloud that there is none, or where [`from`](Self::from) scopes already.
    pub tenant: Option<String>,
    /// The predicate of an append-only dataset: `s.ingest_seq <= :cutoff`. `None` where `from` cuts off already.
    pub cutoff: Option<String>,
    /// The predicate of rows that were not there at an earlier cut-off, for which `:after` stands:
    /// `s.ingest_seq > :after`. Together with [`cutoff`](Self::cutoff) it cuts the rows into windows that neither overlap nor
    /// leave any out. `None` where rows do not tell.
    pub newer: Option<String>,
    /// A statement that yields one value, the highest committed sequence:
    /// `select coalesce(max(ingest_seq), 0) from spans`. Needed by append-only datasets.
    pub sequence: Option<String>,
    /// The FROM clause for a partial selection. It begins with `temp.chosen c`, whose columns `c0, c1, …` hold the
    /// identities, CROSS JOINed to the rows by an index, so that only these rows are touched. The aliases must be
    /// those of [`columns`](Self::columns). `None`: the rows are scanned and looked up in the selection. Postgres mostly
    /// finds its own way; where it does not, `:chosen c` stands for `temp.chosen c` there, wherever it is needed.
    pub lookup: Option<String>,
    /// The table that holds the key unique, or the key and the tenant's column together; in Postgres as `to_regclass`
    /// reads it, and asked again before rows are counted. `None` where the source cannot tell.
    pub unique_in: Option<String>,
    /// The tenant's column, where [`tenant`](Self::tenant) compares one.
    pub tenant_column: Option<String>,
    /// For Postgres: the type of each column's expression, as `format_type` writes it: `uuid`, `numeric(12,2)`.
    pub types: BTreeMap<String, String>,
}

impl Relation {
    /// Whether a row can be told from others by its key alone: something keeps keys unique, or the identity is in the key.
    pub(crate) fn key_tells(&self, schema: &DatasetSchema) -> bool {
        self.unique_in.is_some() || schema.identity.iter().all(|name| schema.key.contains(name))
    }
}

/// Whose SQL it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Dialect {
    /// SQLite's.
    #[default]
    Sqlite,
    /// That of Postgres 15 and later.
    Postgres,
}

/// How the values of a column lie in the database, where its type leaves a choice.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Stored {
    /// As the built-in store writes: timestamps as INTEGER microseconds, decimals as INTEGER × 10^-scale, JSON
    /// that is known to be well-formed.
    #[default]
    Native,
    /// As applications write: timestamps as text (RFC 3339, or SQLite's `2026-10-01 12:00:00`, which is UTC),
    /// decimals as numbers or text, JSON that is checked while it is read.
    Plain,
    /// Timestamps as INTEGER seconds since the epoch.
    Seconds,
    /// Timestamps as INTEGER milliseconds since the epoch.
    Milliseconds,
    /// Texts with U+0000 in Postgres, which has no place for it: as [`crate::escape`] writes them.
    Escaped,
    /// As files are loaded: like [`Native`](Self::Native), with all that INTEGER and REAL cannot hold. Decimals are
    /// BLOBs of 16 bytes in the order of the numbers, NaN is the text `NaN`, timestamps may be infinite.
    Loaded,
}
