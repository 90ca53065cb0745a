//! A Postgres source as it is now, and what of the configuration is about Postgres alone.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use offtake_model::dataset::ColumnType;
use offtake_model::{Error, ErrorKind, Result};
use offtake_postgres::{Connection, Limits, Pool, Role, Session, Settings};
use tokio::runtime::{Handle, Runtime};
use tokio_postgres::Client;

use super::source::{Declared, Shape, quoted};
use super::{SourceConfig, Wrong, columns};
use crate::source::postgres::PostgresSettings;
use crate::sql::base_type;

/// Connections unless said otherwise.
const CONNECTIONS: usize = 8;
/// How long a snapshot is held unless said otherwise.
const MAX_SNAPSHOT_AGE: Duration = Duration::from_secs(3600);
/// How long a session may sit in a transaction unless said otherwise: it does so between two pieces of rows at most.
const IDLE: Duration = Duration::from_secs(120);
/// How long one look at the catalog may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// The pool and the settings of a source; `None` if something is wrong with them, which is told.
pub(super) fn pool(name: &str, config: &SourceConfig, wrong: &mut Wrong) -> Option<(Pool, PostgresSettings)> {
    let at = format!("sources.{name}");
    let before = wrong.len();
    let mut duration = |member: &str, text: &Option<String>| match text.as_deref().map(parse_duration) {
        None => None,
        Some(Some(duration)) => Some(duration),
        Some(None) => {
            wrong.at(&format!("{at}.{member}"), "is a length of time: 30s, 10m, 1h");
            None
        }
    };
    let session = Session {
        statement_timeout: duration("statement_timeout", &config.statement_timeout),
        idle_in_transaction_timeout: duration(
            "idle_in_transaction_session_timeout",
            &config.idle_in_transaction_session_timeout,
        )
        .or(Some(IDLE)),
        read_only: true,
        ..Session::default()
    };
    let max_snapshot_age = duration("max_snapshot_age", &config.max_snapshot_age).unwrap_or(MAX_SNAPSHOT_AGE);
    let connections = config.connections.unwrap_or(CONNECTIONS);
    if connections < 2 {
        wrong.at(&format!("{at}.connections"), "is at least 2: one holds a snapshot while another reads");
    }
    let limits = Limits { connections, ..Limits::default() };
    let settings = Settings::parse(&config.url).map(|settings| settings.application_name("offtake"));
    let made = settings.and_then(|settings| Pool::new(settings, session, Role::Source(name.to_owned()), limits));
    match made {
        Ok(pool) if wrong.len() == before => Some((pool, PostgresSettings { name: name.to_owned(), max_snapshot_age })),
        Ok(_) => None,
        Err(error) => {
            wrong.at(&format!("{at}.url"), error.detail());
            None
        }
    }
}

fn parse_duration(text: &str) -> Option<Duration> {
    let duration: SignedDuration = text.parse().ok()?;
    Duration::try_from(duration).ok().filter(|duration| !duration.is_zero())
}

/// An open source. Its methods block: they are called at start and by commands, off the executor.
#[derive(Debug)]
pub(super) struct LivePostgres {
    pool: Pool,
    runtime: Where,
}

#[derive(Debug)]
enum Where {
    Theirs(Handle),
    Ours(Runtime),
}

impl LivePostgres {
    /// # Errors
    /// `source_unavailable`, `source_denied`.
    pub(super) fn open(pool: Pool) -> Result<Self> {
        let runtime =
            match Handle::try_current() {
                Ok(handle) => Where::Theirs(handle),
                Err(_) => {
                    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
                    Where::Ours(runtime.map_err(|cause| {
                        Error::new(ErrorKind::Internal, "no threads can be started").caused_by(cause)
                    })?)
                }
            };
        let live = Self { pool, runtime };
        live.run(async |_| Ok(()))?;
        Ok(live)
    }

    fn block<T>(&self, work: impl Future<Output = T>) -> T {
        match &self.runtime {
            Where::Theirs(handle) => handle.block_on(work),
            Where::Ours(runtime) => runtime.block_on(work),
        }
    }

    fn run<T>(&self, work: impl AsyncFnOnce(&Client) -> Result<T, tokio_postgres::Error>) -> Result<T> {
        self.block(async {
            let connection = self.pool.get().await?;
            match tokio::time::timeout(PATIENCE, work(&connection)).await {
                Ok(done) => done.map_err(|cause| self.pool.error(cause)),
                Err(_) => {
                    let canceller = self.pool.canceller(&connection);
                    drop(Connection::take(connection));
                    canceller.cancel().await;
                    Err(self.pool.faults().silent(PATIENCE))
                }
            }
        })
    }

    /// What a table or view is like; `None` if there is none.
    pub(super) fn table(&self, name: &str) -> Result<Option<Shape>> {
        let named = self.run(async |client| {
            let sql = "SELECT c.oid, n.nspname, c.relname, c.relkind::text FROM pg_class c \
                       JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = to_regclass($1)";
            let Some(row) = client.query_opt(sql, &[&name]).await? else { return Ok(None) };
            let (schema, table): (String, String) = (row.try_get(1)?, row.try_get(2)?);
            Ok(Some((row.try_get::<_, u32>(0)?, schema, table, row.try_get::<_, String>(3)?)))
        })?;
        let Some((oid, schema, table, kind)) = named else { return Ok(None) };
        let from = format!("{}.{} t", quoted(&schema), quoted(&table));
        let mut columns = self.columns(&from)?;
        let never_null = self.run(async |client| {
            let sql = "SELECT attname::text FROM pg_attribute \
                       WHERE attrelid = $1 AND attnum > 0 AND NOT attisdropped AND attnotnull";
            client.query(sql, &[&oid]).await?.iter().map(|row| row.try_get(0)).collect::<Result<Vec<String>, _>>()
        })?;
        for column in &mut columns {
            column.never_null = never_null.contains(&column.name);
        }
        let is_table = matches!(&*kind, "r" | "p");
        let unique = if is_table { Some(self.unique(oid)?) } else { None };
        Ok(Some(Shape { from, columns, unique, is_table, files: None }))
    }

    /// What the rows of a SELECT are like.
    pub(super) fn query(&self, query: &str) -> Result<Shape> {
        let query = query.trim().trim_end_matches(';');
        // The line ends keep a comment from swallowing the bracket.
        let from = format!("(\n{query}\n) t");
        Ok(Shape { columns: self.columns(&from)?, from, unique: None, is_table: false, files: None })
    }

    /// The columns as the server describes them, without asking for rows.
    fn columns(&self, from: &str) -> Result<Vec<Declared>> {
        let mut bound = crate::sql::Sql::default();
        crate::sql::bind_names(&mut bound, from, "nobody", Some(0))?;
        let text = bound.written(|text, index, _| text.push_str(&format!("${}", index + 1)));
        self.run(async |client| {
            let described = client.prepare(&format!("SELECT * FROM {text}")).await?;
            let (oids, modifiers): (Vec<u32>, Vec<i32>) =
                described.columns().iter().map(|column| (column.type_().oid(), column.type_modifier())).unzip();
            let sql = "SELECT format_type(d.ty, d.modifier) FROM unnest($1::oid[], $2::int[]) WITH ORDINALITY \
                       AS d(ty, modifier, place) ORDER BY d.place";
            let types = client.query(sql, &[&oids, &modifiers]).await?;
            let columns = described.columns().iter().zip(types).map(|(column, ty)| {
                Ok(Declared { name: column.name().to_owned(), ty: ty.try_get(0)?, never_null: false })
            });
            columns.collect()
        })
    }

    fn unique(&self, table: u32) -> Result<Vec<Vec<String>>> {
        self.run(async |client| {
            let sql = "SELECT array(SELECT a.attname::text FROM unnest(i.indkey[0:i.indnkeyatts - 1]) k(attnum) \
                       LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum) \
                       FROM pg_index i WHERE i.indrelid = $1 AND i.indisunique AND i.indisvalid AND i.indpred IS NULL \
                       AND i.indexprs IS NULL";
            client.query(sql, &[&table]).await?.iter().map(|row| row.try_get(0)).collect()
        })
    }

    /// Whether a row has NULL in one of these expressions.
    pub(super) fn has_null(&self, from: &str, expression: &str) -> Result<bool> {
        let mut bound = crate::sql::Sql::default();
        crate::sql::bind_names(&mut bound, from, "nobody", Some(0))?;
        if !bound.params.is_empty() {
            // Rows depend on who asks: reading one with NULL is an error then.
            return Ok(false);
        }
        let sql = format!("SELECT EXISTS (SELECT 1 FROM {from} WHERE {expression} IS NULL)");
        match self.run(async |client| client.query_one(&sql, &[]).await?.try_get(0)) {
            // Of a table so large that this takes long. Counting rows finds such a one, too.
            Err(error) if matches!(error.kind(), ErrorKind::SourceUnavailable | ErrorKind::Timeout) => {
                tracing::warn!(%error, from, "not all rows could be looked at for NULL in the key");
                Ok(false)
            }
            looked => looked,
        }
    }
}

/// What a column of a type is, unless the configuration says otherwise.
pub(super) fn inferred(declared: &str) -> ColumnType {
    match &*base_type(declared) {
        "smallint" | "integer" | "bigint" | "oid" => ColumnType::Int64,
        "real" | "double precision" => ColumnType::Float64,
        "boolean" => ColumnType::Bool,
        "timestamp with time zone" | "timestamp without time zone" => ColumnType::Timestamp,
        "date" => ColumnType::Date,
        "json" | "jsonb" => ColumnType::Json,
        "numeric" => declared.strip_prefix("numeric").and_then(columns::decimal).unwrap_or(ColumnType::Text),
        array if array.ends_with("[]") => ColumnType::Json,
        _ => ColumnType::Text,
    }
}

/// The type of the elements, if it is an array whose elements requests can name.
pub(super) fn elements(declared: &str) -> Option<ColumnType> {
    let element = declared.strip_suffix("[]")?;
    match inferred(element) {
        // Doubles that are equal need not be written alike; a numeric of any number of digits has no type of ours.
        ColumnType::Float64 | ColumnType::Json => None,
        ColumnType::Text if base_type(element) == "numeric" => None,
        ty @ (ColumnType::Text
        | ColumnType::Int64
        | ColumnType::Bool
        | ColumnType::Decimal { .. }
        | ColumnType::Timestamp
        | ColumnType::Date) => Some(ty),
    }
}

/// The predicate that scopes rows to an organization, letter by letter; `None` for a type that names none.
pub(super) fn tenant(column: &str, declared: &str) -> Option<String> {
    const UUID: &str = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$";
    // An organization that cannot be a value of the type owns no row; CASE keeps it from being cast.
    let cast = |ty: &str, shape: &str| format!("{column} = CASE WHEN :org ~ '{shape}' THEN (:org)::{ty} END");
    match &*base_type(declared) {
        "text" | "character varying" => Some(format!("{column} = :org AND {column}::text COLLATE \"C\" = :org")),
        "uuid" => Some(cast("uuid", UUID)),
        "smallint" | "integer" | "bigint" => Some(cast("bigint", "^(0|-?[1-9][0-9]{0,17})$")),
        other if inferred(other) == ColumnType::Text && other != "numeric" => {
            Some(format!("({column})::text COLLATE \"C\" = :org"))
        }
        _ => None,
    }
}

/// How a moment cuts rows off, and the statement that yields the present one.
pub(super) struct Cutoff {
    pub(super) cutoff: String,
    pub(super) newer: String,
    pub(super) sequence: String,
}

/// By a column that holds the transaction which wrote the row.
pub(super) fn by_transaction(column: &str) -> Cutoff {
    Cutoff {
        cutoff: format!("{column} < (:cutoff)::text::xid8"),
        newer: format!("{column} >= (:after)::text::xid8"),
        sequence: "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint".to_owned(),
    }
}

/// By the number of the transaction that every row of a table has, as long as no two have the same.
pub(super) fn by_row() -> Cutoff {
    Cutoff {
        cutoff: "t.xmin::text::bigint < :cutoff".to_owned(),
        newer: "t.xmin::text::bigint >= :after".to_owned(),
        sequence: "SELECT CASE WHEN pg_snapshot_xmax(pg_current_snapshot())::text::bigint < 4294967296 \
                   THEN pg_snapshot_xmin(pg_current_snapshot())::text::bigint END"
            .to_owned(),
    }
}

/// For a source whose connections are kept.
pub(super) fn source(
    pool: Pool,
    settings: PostgresSettings,
    clock: &offtake_model::clock::SharedClock,
    relations: std::collections::BTreeMap<String, crate::relation::Relation>,
) -> Arc<dyn crate::source::Source> {
    crate::source::postgres::PostgresSource::new(pool, settings, Arc::clone(clock), relations)
}
