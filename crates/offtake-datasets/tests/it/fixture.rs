//! A table with everything in it, a model of it in plain Rust, and short ways to ask.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Decimal128Array, Float64Array, Int64Array, StringArray,
    TimestampMicrosecondArray,
};
use arrow::record_batch::RecordBatch;
use futures::StreamExt as _;
use jiff::Timestamp;
use offtake_datasets::config::DatasetsConfig;
use offtake_datasets::{
    Dataset, Dialect, PageRequest, PlanSettings, PostgresSettings, PostgresSource, RangeReader, RangeRows, Relation,
    Source, SqliteSource,
};
use offtake_model::Result;
use offtake_model::budget::{Held, MemoryBudget};
use offtake_model::clock::{ManualClock, SharedClock};
use offtake_model::dataset::{Column, ColumnType, DatasetSchema, Filter, FilterOp, Limits, RowsMode};
use offtake_model::id::OrgId;
use offtake_model::permission::Permission;
use offtake_model::plan::Plan;
use offtake_model::query::{Chosen, RowQuery, Sort};
use offtake_model::selection::Scope;
use offtake_postgres::{Limits as PoolLimits, Pool, Session, Settings};
use offtake_testkit::{Database, PgVersion, Postgres};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;
use rusqlite::Connection;

/// A row of the table.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Item {
    pub(crate) seq: i64,
    pub(crate) org: String,
    pub(crate) at: i64,
    pub(crate) trace: String,
    pub(crate) span: String,
    pub(crate) tokens: Option<i64>,
    pub(crate) score: Option<f64>,
    pub(crate) ok: Option<bool>,
    pub(crate) cost: Option<i64>,
    pub(crate) note: Option<String>,
}

pub(crate) const COLUMNS: [(&str, ColumnType); 9] = [
    ("seq", ColumnType::Int64),
    ("at", ColumnType::Timestamp),
    ("trace_id", ColumnType::Text),
    ("span", ColumnType::Text),
    ("tokens", ColumnType::Int64),
    ("score", ColumnType::Float64),
    ("ok", ColumnType::Bool),
    ("cost", ColumnType::Decimal { precision: 18, scale: 3 }),
    ("note", ColumnType::Text),
];

pub(crate) fn schema(rows: RowsMode) -> Arc<DatasetSchema> {
    let columns = COLUMNS.iter().map(|(name, ty)| Column {
        name: (*name).to_owned(),
        ty: *ty,
        label: (*name).to_owned(),
        sensitive: None,
        elements: None,
        hex_digits: None,
    });
    let filter = |name: &str, column: &str, op| Filter { name: name.into(), columns: vec![column.into()], op };
    Arc::new(DatasetSchema {
        name: "items".to_owned(),
        title: "Items".to_owned(),
        permission: Permission::Dataset("items".to_owned()),
        columns: columns.collect(),
        key: vec!["at".to_owned(), "trace_id".to_owned(), "span".to_owned()],
        identity: vec!["trace_id".to_owned(), "span".to_owned()],
        time: Some("at".to_owned()),
        rows,
        filters: vec![
            filter("trace_ids", "trace_id", FilterOp::In),
            filter("seen", "at", FilterOp::Range),
            filter("min_tokens", "tokens", FilterOp::Min),
            filter("max_score", "score", FilterOp::Max),
            filter("ok", "ok", FilterOp::Eq),
            filter("cost", "cost", FilterOp::In),
            filter("min_cost", "cost", FilterOp::Min),
            filter("text", "note", FilterOp::Contains),
        ],
        default_columns: COLUMNS.iter().map(|(name, _)| (*name).to_owned()).collect(),
        limits: Limits { rows: None, days: 365, identities: 10_000 },
    })
}

pub(crate) fn relation(rows: RowsMode, lookup: bool) -> Relation {
    let append_only = rows == RowsMode::AppendOnly;
    Relation {
        from: "items s".to_owned(),
        columns: COLUMNS.iter().map(|(name, _)| ((*name).to_owned(), format!("s.{name}"))).collect(),
        tenant: Some("s.org = :org".to_owned()),
        cutoff: append_only.then(|| "s.seq <= :cutoff".to_owned()),
        sequence: append_only.then(|| "SELECT coalesce(max(seq), 0) FROM items".to_owned()),
        lookup: lookup.then(|| {
            "temp.chosen c CROSS JOIN items s ON s.org = :org AND s.trace_id = c.c0 AND s.span = c.c1".to_owned()
        }),
        ..Relation::default()
    }
}

#[derive(Debug)]
pub(crate) struct Bench {
    place: Place,
    pub(crate) source: Arc<dyn Source>,
    pub(crate) schema: Arc<DatasetSchema>,
    pub(crate) clock: Arc<ManualClock>,
}

/// A range that is one piece.
pub(crate) async fn one(mut rows: RangeRows) -> Result<(RecordBatch, Held)> {
    let piece = rows.next().await.expect("a piece or an error")?;
    assert!(rows.next().await.transpose()?.is_none(), "more than one piece");
    Ok(piece)
}

/// Where the rows lie.
#[derive(Debug)]
enum Place {
    Folder(tempfile::TempDir),
    /// In this order: the database goes before its server does.
    Server(Database, #[expect(dead_code, reason = "held: the server runs as long")] Postgres),
}

impl Bench {
    /// The same rows in a Postgres.
    pub(crate) fn postgres(items: &[Item], rows: RowsMode) -> Self {
        let server = Postgres::shared(PgVersion::V15);
        let database = server.database();
        database.execute(
            "CREATE TABLE items (seq BIGINT PRIMARY KEY, org TEXT NOT NULL, at TIMESTAMPTZ NOT NULL, trace_id TEXT NOT NULL,
                                 span TEXT NOT NULL, tokens INT, score DOUBLE PRECISION, ok BOOLEAN, cost NUMERIC(18,3),
                                 note TEXT);
             CREATE UNIQUE INDEX items_key ON items (org, at, trace_id, span);
             CREATE UNIQUE INDEX items_identity ON items (org, trace_id, span);",
        );
        insert_into(&database, items);
        let clock = ManualClock::starting_at(Timestamp::UNIX_EPOCH);
        let relations = BTreeMap::from([("items".to_owned(), relation_in_postgres(rows))]);
        let settings =
            PostgresSettings { name: "bench".to_owned(), max_snapshot_age: std::time::Duration::from_secs(600) };
        let source = PostgresSource::new(pool(&database.url()), settings, clock.clone(), relations);
        Self { place: Place::Server(database, server), source, schema: schema(rows), clock }
    }

    /// The same rows in Parquet files, several row groups each, dealt to three files.
    pub(crate) fn parquet(items: &[Item]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("lake/items");
        std::fs::create_dir_all(&folder).unwrap();
        for part in 0..3 {
            let items: Vec<&Item> = items.iter().filter(|item| item.seq % 3 == part).collect();
            write_items(&folder.join(format!("{part}.parquet")), &items);
        }
        let clock = ManualClock::starting_at(Timestamp::UNIX_EPOCH);
        let dataset = lake(dir.path(), ITEMS_IN_FILES, &clock).unwrap().remove(0);
        Self { place: Place::Folder(dir), source: dataset.source, schema: dataset.schema, clock }
    }

    /// The same, when nobody reads any more.
    pub(crate) fn into_folder(self) -> tempfile::TempDir {
        match self.place {
            Place::Folder(dir) => dir,
            Place::Server(..) => panic!("these rows lie in Postgres"),
        }
    }

    /// The folder that everything lies in.
    pub(crate) fn folder(&self) -> &Path {
        match &self.place {
            Place::Folder(dir) => dir.path(),
            Place::Server(..) => panic!("these rows lie in Postgres"),
        }
    }

    /// The database, if it is one of Postgres.
    pub(crate) fn database(&self) -> &Database {
        match &self.place {
            Place::Server(database, _) => database,
            Place::Folder(_) => panic!("these rows lie in SQLite"),
        }
    }

    pub(crate) fn new(items: &[Item], rows: RowsMode, lookup: bool) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let conn = Connection::open(dir.path().join("items.db")).unwrap();
        conn.pragma_update(None, "journal_mode", "WAL").unwrap();
        conn.pragma_update(None, "synchronous", "OFF").unwrap();
        conn.execute_batch(
            "CREATE TABLE items (seq INTEGER PRIMARY KEY, org TEXT NOT NULL, at INTEGER NOT NULL, trace_id TEXT NOT NULL,
                                 span TEXT NOT NULL, tokens INTEGER, score REAL, ok INTEGER, cost INTEGER, note TEXT);
             CREATE UNIQUE INDEX items_key ON items (org, at, trace_id, span);
             CREATE UNIQUE INDEX items_identity ON items (org, trace_id, span);",
        )
        .unwrap();
        insert(&conn, items);
        let clock = ManualClock::starting_at(Timestamp::UNIX_EPOCH);
        let shared: SharedClock = clock.clone();
        let relations = BTreeMap::from([("items".to_owned(), relation(rows, lookup))]);
        let source = SqliteSource::new(&dir.path().join("items.db"), shared, relations).unwrap();
        Self { place: Place::Folder(dir), source, schema: schema(rows), clock }
    }

    pub(crate) fn writer(&self) -> Connection {
        match &self.place {
            Place::Folder(dir) => Connection::open(dir.path().join("items.db")).unwrap(),
            Place::Server(..) => panic!("these rows lie in Postgres"),
        }
    }

    pub(crate) async fn plan(&self, query: &RowQuery, settings: PlanSettings) -> Arc<Plan> {
        Arc::new(self.source.plan(&self.schema, query, settings, Arc::new(|_| ())).await.unwrap())
    }

    pub(crate) async fn open(&self, query: &RowQuery, plan: &Arc<Plan>) -> Arc<dyn RangeReader> {
        self.source.open(&self.schema, query, plan, &self.schema.default_columns, 2).await.unwrap()
    }

    /// The sequence numbers of all rows, as an export would read them.
    pub(crate) async fn export(&self, query: &RowQuery, settings: PlanSettings) -> Result<(Arc<Plan>, Vec<i64>)> {
        let plan = self.plan(query, settings).await;
        let read = self.read(query, &plan).await?;
        Ok((plan, read))
    }

    /// The sequence numbers of the rows of a plan.
    pub(crate) async fn read(&self, query: &RowQuery, plan: &Arc<Plan>) -> Result<Vec<i64>> {
        let reader = self.open(query, plan).await;
        let budget = MemoryBudget::new(64 << 20);
        let mut read = Vec::new();
        for index in 0..plan.cuts.len() {
            let before = read.len();
            let mut pieces = reader.read(index, &budget);
            while let Some(piece) = pieces.next().await {
                let (batch, _held) = piece?;
                assert!(batch.num_rows() <= plan.frame_rows as usize);
                read.extend(numbers(&batch, "seq"));
            }
            assert_eq!((read.len() - before) as u64, plan.rows_in(index));
        }
        Ok(read)
    }

    /// The sequence numbers of all rows, as somebody would who leafs through the pages.
    pub(crate) async fn leaf(&self, query: &RowQuery, sort: Option<Sort>, limit: u32) -> Vec<i64> {
        let mut read = Vec::new();
        let mut cursor = None;
        let mut query = query.clone();
        loop {
            let page = PageRequest { columns: vec!["seq".to_owned()], sort: sort.clone(), limit, cursor };
            let page = self.source.page(&self.schema, &query, &page).await.unwrap();
            // Every other page says again what moment it is of, where that can be said.
            let can_be_said = self.schema.rows != RowsMode::Mutable;
            query.as_of = (can_be_said && query.as_of.is_none()).then_some(page.as_of);
            assert!(page.rows.num_rows() <= limit as usize);
            read.extend(numbers(&page.rows, "seq"));
            match page.next_cursor {
                Some(next) => cursor = Some(next),
                None => return read,
            }
        }
    }
}

/// The items of [`Bench::parquet`], as they are configured.
pub(crate) const ITEMS_IN_FILES: &str = r#"
[datasets.items]
source   = "lake"
table    = "items"
tenant   = "org"
key      = ["at", "trace_id", "span"]
identity = ["trace_id", "span"]
time     = "at"
"#;

/// Datasets over `dir/lake`, loaded into `dir/loaded`.
pub(crate) fn lake(dir: &Path, datasets: &str, clock: &Arc<ManualClock>) -> Result<Vec<Dataset>> {
    let toml = format!("[sources.lake]\nurl = \"parquet:{}/lake\"\n{datasets}", dir.display());
    let config = DatasetsConfig { folder: dir.join("loaded"), ..toml::from_str(&toml).unwrap() };
    let clock: SharedClock = clock.clone();
    config.compile(&clock)
}

/// Writes a file of items, 50 in a row group.
pub(crate) fn write_items(path: &Path, items: &[&Item]) {
    fn column<T: Array + 'static>(array: T) -> ArrayRef {
        Arc::new(array)
    }
    let text = |cell: fn(&Item) -> Option<&str>| column(items.iter().map(|item| cell(item)).collect::<StringArray>());
    let int = |cell: fn(&Item) -> Option<i64>| items.iter().map(|item| cell(item)).collect::<Int64Array>();
    let at: TimestampMicrosecondArray = items.iter().map(|item| Some(item.at)).collect();
    let cost: Decimal128Array = items.iter().map(|item| item.cost.map(i128::from)).collect();
    let batch = RecordBatch::try_from_iter_with_nullable([
        ("note", text(|item| item.note.as_deref()), true),
        ("seq", column(int(|item| Some(item.seq))), true),
        ("org", text(|item| Some(&item.org)), true),
        ("at", column(at.with_timezone("+00:00")), true),
        ("trace_id", text(|item| Some(&item.trace)), true),
        ("span", text(|item| Some(&item.span)), true),
        ("tokens", column(int(|item| item.tokens)), true),
        ("score", column(items.iter().map(|item| item.score).collect::<Float64Array>()), true),
        ("ok", column(items.iter().map(|item| item.ok).collect::<BooleanArray>()), true),
        ("cost", column(cost.with_precision_and_scale(38, 3).unwrap()), true),
    ])
    .unwrap();
    write_batch(path, &batch);
}

/// Writes a file of one batch, 50 rows in a row group.
pub(crate) fn write_batch(path: &Path, batch: &RecordBatch) {
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(50)).build();
    let file = std::fs::File::create(path).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties)).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
}

/// Read-only connections, as a configured source has them.
pub(crate) fn pool(url: &str) -> Pool {
    let session = Session { read_only: true, ..Session::default() };
    let limits = PoolLimits { connections: 6, ..PoolLimits::default() };
    Pool::new(Settings::parse(url).unwrap(), session, offtake_postgres::Role::Source("bench".to_owned()), limits)
        .unwrap()
}

fn relation_in_postgres(rows: RowsMode) -> Relation {
    let append_only = rows == RowsMode::AppendOnly;
    let ty = |ty: ColumnType| match ty {
        ColumnType::Text => "text",
        ColumnType::Int64 => "bigint",
        ColumnType::Float64 => "double precision",
        ColumnType::Bool => "boolean",
        ColumnType::Timestamp => "timestamp with time zone",
        ColumnType::Decimal { .. } => "numeric(18,3)",
        ColumnType::Date | ColumnType::Json => unreachable!(),
    };
    Relation {
        dialect: Dialect::Postgres,
        types: COLUMNS
            .iter()
            .map(|(name, column)| ((*name).to_owned(), ty(*column).to_owned()))
            .chain([("tokens".to_owned(), "integer".to_owned())])
            .collect(),
        cutoff: append_only.then(|| "s.xmin::text::bigint < :cutoff".to_owned()),
        sequence: append_only.then(|| "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint".to_owned()),
        lookup: None,
        ..relation(rows, false)
    }
}

/// Inserts rows in one statement. Postgres has no NUL in texts.
pub(crate) fn insert_into(database: &Database, items: &[Item]) {
    let quoted = |text: &str| format!("'{}'", text.replace('\'', "''"));
    let or_null = |value: Option<String>| value.unwrap_or_else(|| "NULL".to_owned());
    for chunk in items.chunks(1_000) {
        let rows = chunk.iter().map(|item| {
            let Item { seq, org, at, trace, span, tokens, score, ok, cost, note } = item;
            format!(
                "({seq}, {}, timestamptz 'epoch' + interval '{at} microseconds', {}, {}, {}, {}, {}, {}, {})",
                quoted(org),
                quoted(trace),
                quoted(span),
                or_null(tokens.map(|tokens| tokens.to_string())),
                or_null(score.map(|score| format!("'{score:e}'::float8"))),
                or_null(ok.map(|ok| ok.to_string())),
                or_null(cost.map(|cost| format!("{cost}e-3"))),
                or_null(note.as_deref().map(quoted)),
            )
        });
        database.execute(&format!("INSERT INTO items VALUES {}", rows.collect::<Vec<_>>().join(",")));
    }
    settle(database);
}

/// Waits until what is committed is older than every transaction of the server, which others use too.
pub(crate) fn settle(database: &Database) {
    let number = |sql: &str| database.rows(sql)[0][0].clone().unwrap().parse::<u64>().unwrap();
    let ours = number("SELECT pg_current_xact_id()");
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while number("SELECT pg_snapshot_xmin(pg_current_snapshot())") <= ours {
        assert!(std::time::Instant::now() < deadline, "a transaction on the shared server does not end");
    }
}

pub(crate) fn insert(conn: &Connection, items: &[Item]) {
    conn.execute_batch("BEGIN").unwrap();
    let mut statement = conn.prepare("INSERT INTO items VALUES (?,?,?,?,?,?,?,?,?,?)").unwrap();
    for item in items {
        let Item { seq, org, at, trace, span, tokens, score, ok, cost, note } = item;
        statement.execute((seq, org, at, trace, span, tokens, score, ok, cost, note)).unwrap();
    }
    drop(statement);
    conn.execute_batch("COMMIT").unwrap();
}

pub(crate) fn numbers(batch: &RecordBatch, column: &str) -> Vec<i64> {
    let array: &Int64Array = batch.column_by_name(column).unwrap().as_primitive();
    assert_eq!(array.null_count(), 0);
    array.values().to_vec()
}

pub(crate) fn org(name: &str) -> OrgId {
    OrgId::new(name).unwrap()
}

pub(crate) fn everything(chosen: Chosen) -> RowQuery {
    RowQuery { org: org("acme"), predicates: Vec::new(), chosen, scope: Scope::Row, as_of: None, newer_than: None }
}

pub(crate) fn settings() -> PlanSettings {
    PlanSettings { limit: None, frame_bytes: 4 << 20, max_frame_rows: 64 }
}

/// Rows with many ties in time and span ids that several traces share.
pub(crate) fn many(count: i64) -> Vec<Item> {
    (1..=count)
        .map(|seq| Item {
            seq,
            org: "acme".to_owned(),
            at: seq / 7,
            trace: format!("t{:06}", seq * 7919 % 1_000_003),
            span: format!("s{}", seq % 3),
            tokens: (seq % 5 != 0).then_some(seq % 11),
            score: Some(seq as f64 / 8.0),
            ok: Some(seq % 2 == 0),
            cost: Some(seq * 10),
            note: Some(format!("note {seq}")),
        })
        .collect()
}
