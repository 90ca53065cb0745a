//! A source as it is now: the columns, keys and indexes it has.

use std::path::{Path, PathBuf};

use offtake_model::Result;
use offtake_model::id::OrgId;
use offtake_model::query::{Chosen, RowQuery};
use rusqlite::Connection;

use super::parquet::{FilesShape, LiveParquet};
use super::postgres::LivePostgres;
use crate::relation::Dialect;
use crate::source::sqlite::{Scope, Session};
use crate::sql::Statements;

/// A column as the source declares it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Declared {
    pub(super) name: String,
    pub(super) ty: String,
    pub(super) never_null: bool,
}

/// What a dataset reads from.
#[derive(Debug, Clone)]
pub(super) struct Shape {
    /// `"trades" t`
    pub(super) from: String,
    pub(super) columns: Vec<Declared>,
    /// The column sets that are unique; `None` where the source cannot tell.
    pub(super) unique: Option<Vec<Vec<String>>>,
    /// Whether it is a table, and no view or query.
    pub(super) is_table: bool,
    /// The files it is loaded from, if it is.
    pub(super) files: Option<FilesShape>,
}

impl Shape {
    /// What a column of it is called in SQL. Loaded columns are numbered: names in files may differ by letter case alone.
    pub(super) fn expression(&self, name: &str) -> String {
        let files = self.files.as_ref().map(|files| &files.columns);
        match files.and_then(|columns| columns.iter().position(|column| column.name == name)) {
            Some(place) => format!("t.c{place}"),
            None => format!("t.{}", quoted(name)),
        }
    }
}

impl Shape {
    /// The table whose indexes were looked at.
    pub(super) fn unique_in(&self) -> Option<String> {
        self.unique.as_ref()?;
        self.from.strip_suffix(" t").map(str::to_owned)
    }
}

/// An open source.
#[derive(Debug)]
pub(super) enum Live {
    Sqlite(LiveSqlite),
    Postgres(LivePostgres),
    Parquet(LiveParquet),
}

impl Live {
    pub(super) const fn dialect(&self) -> Dialect {
        match self {
            Self::Sqlite(_) | Self::Parquet(_) => Dialect::Sqlite,
            Self::Postgres(_) => Dialect::Postgres,
        }
    }

    /// What a table or view is like; `None` if there is none.
    pub(super) fn table(&self, name: &str) -> Result<Option<Shape>, String> {
        match self {
            Self::Sqlite(live) => live.table(name).map_err(|error| error.to_string()),
            Self::Postgres(live) => live.table(name).map_err(|error| error.to_string()),
            Self::Parquet(live) => live.table(name),
        }
    }

    /// What the rows of a SELECT are like.
    pub(super) fn query(&self, query: &str) -> Result<Shape, String> {
        match self {
            Self::Sqlite(live) => live.query(query).map_err(|error| error.to_string()),
            Self::Postgres(live) => live.query(query).map_err(|error| error.to_string()),
            Self::Parquet(_) => Err("queries are for databases; over files a dataset has a table".to_owned()),
        }
    }

    /// Whether a row has NULL in one of these expressions.
    pub(super) fn has_null(&self, from: &str, expression: &str) -> Result<bool> {
        match self {
            Self::Sqlite(live) => live.has_null(from, expression),
            Self::Postgres(live) => live.has_null(from, expression),
            // Only loading tells, which names file and row then.
            Self::Parquet(_) => Ok(false),
        }
    }
}

/// An open SQLite file.
#[derive(Debug)]
pub(super) struct LiveSqlite(Session);

/// The file that a URL names.
pub(super) fn path(url: &str) -> Option<PathBuf> {
    let path = url.strip_prefix("sqlite:")?;
    let path = path.strip_prefix("//").unwrap_or(path);
    (!path.is_empty()).then(|| PathBuf::from(path))
}

/// An identifier, quoted.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

impl LiveSqlite {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let live = Self(Session::open(path)?);
        // Opening is lazy: this reads the first page.
        live.0.number("SELECT count(*) FROM sqlite_schema")?;
        Ok(live)
    }

    /// What a table or view is like; `None` if there is none.
    pub(super) fn table(&self, name: &str) -> rusqlite::Result<Option<Shape>> {
        let conn = self.0.connection();
        let kind = conn.query_row("SELECT type FROM pragma_table_list(?1) WHERE schema = 'main'", [name], |row| {
            row.get::<_, String>(0)
        });
        let kind = match kind {
            Err(rusqlite::Error::QueryReturnedNoRows) => return Ok(None),
            kind => kind?,
        };
        let columns = columns(conn, name)?;
        let unique = if kind == "view" { None } else { Some(unique(conn, name)?) };
        Ok(Some(Shape { from: format!("{} t", quoted(name)), columns, unique, is_table: kind == "table", files: None }))
    }

    /// What the rows of a SELECT are like.
    pub(super) fn query(&self, query: &str) -> rusqlite::Result<Shape> {
        let conn = self.0.connection();
        let query = query.trim().trim_end_matches(';');
        // A view says what its columns were declared as. The line ends keep a comment from swallowing the bracket.
        let view = format!("CREATE TEMP VIEW offtake_checked AS SELECT * FROM (\n{query}\n)");
        conn.prepare(&view)?.raw_execute()?;
        let columns = columns(conn, "offtake_checked");
        conn.execute_batch("DROP VIEW temp.offtake_checked")?;
        Ok(Shape { from: format!("(\n{query}\n) t"), columns: columns?, unique: None, is_table: false, files: None })
    }

    /// Whether a row has NULL in one of these expressions.
    pub(super) fn has_null(&self, from: &str, expression: &str) -> Result<bool> {
        Ok(self.0.number(&format!("SELECT EXISTS (SELECT 1 FROM {from} WHERE {expression} IS NULL)"))? != 0)
    }

    /// How SQLite would walk the keys.
    pub(super) fn explain_keys(&self, statements: &Statements<'_>) -> Result<Vec<String>> {
        self.0.explain(&statements.keys(None)?, &scope())
    }

    /// How SQLite would find the rows of a partial selection.
    pub(super) fn explain_lookup(&mut self, statements: &Statements<'_>) -> Result<Vec<String>> {
        self.0.load(statements)?;
        let lines = self.0.explain(&statements.count()?, &scope());
        self.0.clear()?;
        lines
    }
}

fn scope() -> Scope {
    Scope { org: "nobody".to_owned(), cutoff: Some(0) }
}

/// A query to explain.
pub(super) fn explained(chosen: Chosen) -> Result<RowQuery> {
    Ok(RowQuery {
        org: OrgId::new("nobody")?,
        predicates: Vec::new(),
        chosen,
        scope: offtake_model::selection::Scope::Row,
        as_of: None,
        newer_than: None,
    })
}

fn columns(conn: &Connection, table: &str) -> rusqlite::Result<Vec<Declared>> {
    // Hidden columns of virtual tables are arguments, not columns; generated ones are read like others.
    let mut statement = conn
        .prepare("SELECT name, type, \"notnull\", pk, count(*) FILTER (WHERE pk > 0) OVER () FROM pragma_table_xinfo(?1) WHERE hidden <> 1 ORDER BY cid")?;
    let rows = statement.query_map([table], |row| {
        let (name, ty): (String, String) = (row.get(0)?, row.get(1)?);
        let (not_null, pk, keys): (bool, i64, i64) = (row.get(2)?, row.get(3)?, row.get(4)?);
        // Only the alias of the rowid is never NULL without saying so.
        let rowid = pk == 1 && keys == 1 && ty.eq_ignore_ascii_case("INTEGER");
        Ok(Declared { name, ty, never_null: not_null || rowid })
    })?;
    rows.collect()
}

fn unique(conn: &Connection, table: &str) -> rusqlite::Result<Vec<Vec<String>>> {
    let mut unique = Vec::new();
    let mut key = conn.prepare("SELECT name FROM pragma_table_xinfo(?1) WHERE pk > 0")?;
    let key = key.query_map([table], |row| row.get(0))?.collect::<rusqlite::Result<Vec<String>>>()?;
    if !key.is_empty() {
        unique.push(key);
    }
    let mut indexes = conn.prepare("SELECT name FROM pragma_index_list(?1) WHERE \"unique\" AND NOT partial")?;
    for index in indexes.query_map([table], |row| row.get::<_, String>(0))? {
        let mut columns = conn.prepare("SELECT name FROM pragma_index_xinfo(?1) WHERE \"key\"")?;
        let names = columns.query_map([index?], |row| row.get::<_, Option<String>>(0))?;
        // An expression has no name: what it makes unique is no column.
        if let Some(names) = names.collect::<rusqlite::Result<Option<Vec<String>>>>()? {
            unique.push(names);
        }
    }
    Ok(unique)
}
