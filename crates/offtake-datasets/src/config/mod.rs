//! Datasets as configuration: the tables `[sources.X]` and `[datasets.X]`, compiled once and checked against the
//! live source.
//!
//! Called at start and by `offtake config check`. Everything that is wrong is told at once, each thing with its path
//! in the file.

mod check;
mod columns;
mod filters;
mod parquet;
mod postgres;
mod sensitive;
mod source;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use offtake_model::clock::SharedClock;
use offtake_model::dataset::RowsMode;
use offtake_model::sensitive::Treatment;
use offtake_model::{Error, ErrorKind, Result, Violation};
use offtake_postgres::Pool;
use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::catalog::Dataset;
use crate::relation::Relation;
use crate::source::Source;
use crate::source::parquet::{LoadedDataset, ParquetSource};
use crate::source::postgres::PostgresSettings;
use crate::source::sqlite::SqliteSource;
pub use sensitive::SpansConfig;
use sensitive::sensitive;

/// The tables `sources` and `datasets` of `offtake.toml`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DatasetsConfig {
    /// Databases to read from, by name.
    pub sources: BTreeMap<String, SourceConfig>,
    /// What can be read, by name.
    pub datasets: BTreeMap<String, DatasetConfig>,
    /// Where rows are kept that were loaded from files; it is made when it is needed.
    #[serde(skip)]
    pub folder: PathBuf,
    /// What of the built-in datasets is sensitive.
    #[serde(skip)]
    pub spans: SpansConfig,
}

/// `[sources.X]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceConfig {
    /// `sqlite:PATH` or `parquet:FOLDER`, where a relative path begins in the working directory; or `postgres://…`.
    pub url: String,
    /// Postgres: how long a statement may run.
    #[serde(default)]
    pub statement_timeout: Option<String>,
    /// Postgres: how long a session may sit in a transaction.
    #[serde(default)]
    pub idle_in_transaction_session_timeout: Option<String>,
    /// Postgres: how long a snapshot of mutable rows is held at most.
    #[serde(default)]
    pub max_snapshot_age: Option<String>,
    /// Postgres: how many connections there may be.
    #[serde(default)]
    pub connections: Option<usize>,
}

/// `[datasets.X]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatasetConfig {
    /// For people; the dataset's name unless given.
    #[serde(default)]
    pub title: Option<String>,
    /// The name of a source.
    pub source: String,
    /// A table or view, or the files below a folder. Either this or `query`.
    #[serde(default)]
    pub table: Option<String>,
    /// A SELECT whose columns are the dataset's. Either this or `table`.
    #[serde(default)]
    pub query: Option<String>,
    /// The column compared with the principal's organization; `"none"` if every organization may read every row.
    pub tenant: String,
    /// The unique columns by which rows are ordered.
    pub key: Vec<String>,
    /// The columns by which a user names a row; the key unless given.
    #[serde(default)]
    pub identity: Option<Vec<String>>,
    /// The column that `start_time` and `end_time` speak of.
    #[serde(default)]
    pub time: Option<String>,
    /// `mutable` unless given.
    #[serde(default = "mutable")]
    pub rows: RowsMode,
    /// For `append_only`: an integer column that every newly committed row has a higher value in than all before.
    #[serde(default)]
    pub sequence: Option<String>,
    /// What the source does not say about columns.
    #[serde(default)]
    pub columns: BTreeMap<String, ColumnConfig>,
    /// What requests may narrow by.
    #[serde(default)]
    pub filters: BTreeMap<String, FilterConfig>,
    /// The columns of a file when none are asked for; all unless given.
    #[serde(default)]
    pub default_columns: Option<Vec<String>>,
    /// What requests may ask for at most.
    #[serde(default)]
    pub limits: LimitsConfig,
}

const fn mutable() -> RowsMode {
    RowsMode::Mutable
}

/// `columns.X`
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ColumnConfig {
    /// `text`, `int64`, `float64`, `bool`, `decimal(P,S)`, `timestamp` or `json`; as declared unless given.
    pub r#type: Option<String>,
    /// Arrays (JSON): the type of their elements, `text` or `int64`; filters with `overlaps` need it.
    pub elements: Option<String>,
    /// Timestamps: `text`, `seconds`, `milliseconds`, `microseconds`. Decimals: `number`, `scaled`.
    pub stored: Option<String>,
    /// For people; the name unless given.
    pub label: Option<String>,
    /// Whether it holds what not everybody may see, and what becomes of it then: `true` (as `"mask"`), `"mask"`,
    /// `"hash"`, `"drop"`, `{ redact = ["/path/to/a/member", …] }`.
    #[serde(deserialize_with = "sensitive")]
    pub sensitive: Option<Treatment>,
}

/// `filters.X`: an operator, or `{ column = …, op = … }`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilterConfig {
    /// The columns; the filter's own name if there are none.
    pub columns: Vec<String>,
    /// `in`, `eq`, `range`, `min`, `max`, `contains` or `overlaps`.
    pub op: String,
}

/// `limits`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LimitsConfig {
    /// The most rows of an export; no limit unless given.
    pub rows: Option<u64>,
    /// The longest window, in days.
    pub days: u32,
    /// The most identities in a selection.
    pub identities: usize,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self { rows: None, days: 365, identities: 10_000 }
    }
}

impl<'de> Deserialize<'de> for FilterConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FilterVisitor)
    }
}

struct FilterVisitor;

impl<'de> Visitor<'de> for FilterVisitor {
    type Value = FilterConfig;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an operator, or a table with column and op")
    }

    fn visit_str<E: serde::de::Error>(self, op: &str) -> Result<FilterConfig, E> {
        Ok(FilterConfig { columns: Vec::new(), op: op.to_owned() })
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<FilterConfig, A::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Table {
            column: Option<String>,
            #[serde(default)]
            columns: Vec<String>,
            op: String,
        }
        let Table { column, mut columns, op } = Table::deserialize(MapAccessDeserializer::new(map))?;
        columns.extend(column);
        Ok(FilterConfig { columns, op })
    }
}

impl DatasetsConfig {
    /// Whether any column is hashed, so that there must be something to hash by.
    pub fn hashes(&self) -> bool {
        let mut columns = self.datasets.values().flat_map(|dataset| dataset.columns.values());
        columns.any(|column| column.sensitive == Some(Treatment::Hash)) || self.spans.hashes()
    }

    /// The sources that can be reached now, or are wrong in themselves, with their datasets; and the rest.
    pub(crate) fn by_reach(&self) -> (Self, Self) {
        let unreachable = |name: &String, config: &SourceConfig| {
            let opened = Place::of(name, config, &mut Wrong::default()).map(|place| place.open());
            matches!(opened, Some(Err(error)) if matches!(error.kind(), ErrorKind::SourceUnavailable | ErrorKind::Timeout))
                && !config.url.starts_with("sqlite:")
        };
        let (mut here, mut there) =
            (self.clone(), Self { folder: self.folder.clone(), spans: self.spans.clone(), ..Self::default() });
        there.sources = self.sources.iter().filter(|(name, config)| unreachable(name, config)).map(pair).collect();
        there.datasets =
            self.datasets.iter().filter(|(_, dataset)| there.sources.contains_key(&dataset.source)).map(pair).collect();
        here.sources.retain(|name, _| !there.sources.contains_key(name));
        here.datasets.retain(|name, _| !there.datasets.contains_key(name));
        (here, there)
    }

    /// Compiles the configured datasets and checks them against their sources.
    ///
    /// # Errors
    /// `invalid_request` with everything that is wrong, each with its path.
    pub fn compile(&self, clock: &SharedClock) -> Result<Vec<Dataset>> {
        let mut wrong = Wrong::default();
        for name in self.sources.keys().filter(|name| !is_name(name)) {
            wrong.at(&format!("sources.{name}"), NAMES);
        }
        for (name, dataset) in &self.datasets {
            if !self.sources.contains_key(&dataset.source) {
                let known = self.sources.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
                let detail = format!("there is no source {:?}; there are: {known}", dataset.source);
                wrong.at(&format!("datasets.{name}.source"), detail);
            }
        }
        let mut datasets = Vec::new();
        for (source, config) in &self.sources {
            let theirs = self.datasets.iter().filter(|(_, dataset)| &dataset.source == source);
            let folder = self.folder.join(source);
            datasets.extend(compile_source(source, config, theirs, &folder, clock, &mut wrong));
        }
        wrong.or(datasets)
    }
}

fn pair<K: Clone, V: Clone>((key, value): (&K, &V)) -> (K, V) {
    (key.clone(), value.clone())
}

fn compile_source<'a>(
    name: &str,
    config: &SourceConfig,
    datasets: impl Iterator<Item = (&'a String, &'a DatasetConfig)>,
    folder: &Path,
    clock: &SharedClock,
    wrong: &mut Wrong,
) -> Vec<Dataset> {
    let at = format!("sources.{name}.url");
    let Some(place) = Place::of(name, config, wrong) else { return Vec::new() };
    let mut live = match place.open() {
        Ok(live) => live,
        Err(error) => {
            wrong.at(&at, error.detail());
            return Vec::new();
        }
    };
    let compiled: Vec<_> =
        datasets.filter_map(|(name, config)| check::compile(name, config, &mut live, wrong)).collect();
    drop(live);
    let schemas: Vec<_> = compiled.iter().map(|compiled| compiled.schema.clone()).collect();
    match place.source(clock, folder, compiled) {
        Ok(source) => schemas.into_iter().map(|schema| Dataset::new(schema, Arc::clone(&source))).collect(),
        Err(error) => {
            wrong.at(&at, error.detail());
            Vec::new()
        }
    }
}

/// Where a source is.
enum Place {
    File(PathBuf),
    Server(Pool, PostgresSettings),
    Folder(PathBuf),
}

impl Place {
    fn of(name: &str, config: &SourceConfig, wrong: &mut Wrong) -> Option<Self> {
        let file = source::path(&config.url).map(Self::File);
        if let Some(place) = file.or_else(|| parquet::path(&config.url).map(Self::Folder)) {
            let foreign = [
                ("statement_timeout", config.statement_timeout.is_some()),
                ("idle_in_transaction_session_timeout", config.idle_in_transaction_session_timeout.is_some()),
                ("max_snapshot_age", config.max_snapshot_age.is_some()),
                ("connections", config.connections.is_some()),
            ];
            for (member, _) in foreign.iter().filter(|(_, given)| *given) {
                wrong.at(&format!("sources.{name}.{member}"), "is for Postgres");
            }
            return Some(place);
        }
        if ["postgres://", "postgresql://"].iter().any(|scheme| config.url.starts_with(scheme)) {
            return postgres::pool(name, config, wrong).map(|(pool, settings)| Self::Server(pool, settings));
        }
        wrong.at(
            &format!("sources.{name}.url"),
            "is sqlite:PATH, parquet:FOLDER or postgres://…; other databases cannot be read yet",
        );
        None
    }

    fn open(&self) -> Result<source::Live> {
        match self {
            Self::File(path) => source::LiveSqlite::open(path).map(source::Live::Sqlite),
            Self::Server(pool, _) => postgres::LivePostgres::open(pool.clone()).map(source::Live::Postgres),
            Self::Folder(root) => parquet::LiveParquet::open(root).map(source::Live::Parquet),
        }
    }

    fn source(self, clock: &SharedClock, folder: &Path, datasets: Vec<check::Compiled>) -> Result<Arc<dyn Source>> {
        match self {
            Self::File(path) => Ok(SqliteSource::new(&path, Arc::clone(clock), relations(datasets))?),
            Self::Server(pool, settings) => Ok(postgres::source(pool, settings, clock, relations(datasets))),
            Self::Folder(_) => {
                let loaded = datasets.into_iter().filter_map(|check::Compiled { schema, relation, load }| {
                    let (table, recipe) = load?;
                    Some((schema.name, LoadedDataset { table, recipe, relation }))
                });
                Ok(ParquetSource::new(folder, clock, loaded.collect()))
            }
        }
    }
}

fn relations(datasets: Vec<check::Compiled>) -> BTreeMap<String, Relation> {
    datasets.into_iter().map(|compiled| (compiled.schema.name, compiled.relation)).collect()
}

const NAMES: &str = "names begin with a lower-case letter and have lower-case letters, digits and underscores";

fn is_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.len() <= 63
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

/// What was found wrong so far, by path in the file.
#[derive(Debug, Default)]
struct Wrong(Vec<Violation>);

impl Wrong {
    fn at(&mut self, path: &str, detail: impl Into<String>) {
        self.0.push(Violation::at(path, format!("{path}: {}", detail.into())));
    }

    fn len(&self) -> usize {
        self.0.len()
    }

    fn or<T>(self, good: T) -> Result<T> {
        if self.0.is_empty() { Ok(good) } else { Err(Error::invalid(self.0)) }
    }
}
