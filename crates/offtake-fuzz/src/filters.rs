//! Bodies of requests about rows: whatever is accepted is a statement that the database takes, has the same meaning when
//! it is read again, and has no word of the body in its text.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use arbitrary::{Arbitrary as _, Result, Unstructured};
use offtake_datasets::spans::SpanStore;
use offtake_datasets::{Dataset, Dialect, PageRequest, Relation, SqliteSource, counting};
use offtake_model::ErrorKind;
use offtake_model::clock::{SharedClock, SystemClock};
use offtake_model::dataset::{Column, ColumnType, DatasetSchema, Filter, FilterOp, Limits, RowsMode};
use offtake_model::export::ExportSpec;
use offtake_model::id::OrgId;
use offtake_model::permission::Permission;
use offtake_model::query::RowQuery;
use offtake_model::selection::Scope;
use serde_json::{Map, Value as Json, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// Columns of every type that SQLite has, in a table of both databases.
const COLUMNS: [(&str, ColumnType, &str); 9] = [
    ("at", ColumnType::Timestamp, "timestamp with time zone"),
    ("name", ColumnType::Text, "text"),
    ("number", ColumnType::Int64, "integer"),
    ("big", ColumnType::Int64, "bigint"),
    ("score", ColumnType::Float64, "double precision"),
    ("ok", ColumnType::Bool, "boolean"),
    ("cost", ColumnType::Decimal { precision: 18, scale: 3 }, "numeric(18,3)"),
    ("note", ColumnType::Text, "text"),
    ("tags", ColumnType::Json, "text[]"),
];
const OPS: [(FilterOp, &str); 6] = [
    (FilterOp::Eq, ""),
    (FilterOp::In, "_in"),
    (FilterOp::Range, "_range"),
    (FilterOp::Min, "_min"),
    (FilterOp::Max, "_max"),
    (FilterOp::Contains, "_contains"),
];

struct House {
    runtime: Runtime,
    datasets: Vec<Dataset>,
    items_in_postgres: Relation,
    org: OrgId,
    _folder: TempDir,
}

static HOUSE: LazyLock<House> = LazyLock::new(|| match house() {
    Ok(house) => house,
    Err(error) => panic!("the house does not stand: {error}"),
});

fn house() -> std::result::Result<House, Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let clock: SharedClock = Arc::new(SystemClock);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let spans = {
        let _entered = runtime.enter();
        SpanStore::open(&folder.path().join("spans.db"), Arc::clone(&clock))?
    };
    let items = folder.path().join("items.db");
    rusqlite::Connection::open(&items)?.execute_batch(
        "CREATE TABLE items (org TEXT NOT NULL, at INTEGER NOT NULL, name TEXT NOT NULL, number INTEGER, big INTEGER,
                             score REAL, ok INTEGER, cost INTEGER, note TEXT, tags TEXT, UNIQUE (org, at, name));
         INSERT INTO items VALUES ('acme', 1794000000000000, 'a', 1, 2, 0.5, 1, 1500, 'Ä note', '[\"x\", \"y\"]'),
                                  ('acme', 1794000000000001, 'b', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
                                  ('other', 1794000000000000, 'a', 1, 2, 0.5, 1, 1500, 'a note', '[\"x\"]');",
    )?;
    let relations = BTreeMap::from([("items".to_owned(), relation(Dialect::Sqlite))]);
    let source = SqliteSource::new(&items, clock, relations)?;
    let mut datasets = vec![Dataset::new(schema(), source)];
    datasets.extend(spans.datasets());
    let items_in_postgres = relation(Dialect::Postgres);
    Ok(House { runtime, datasets, items_in_postgres, org: OrgId::new("acme")?, _folder: folder })
}

fn relation(dialect: Dialect) -> Relation {
    Relation {
        dialect,
        from: "items s".to_owned(),
        columns: COLUMNS.map(|(name, ..)| (name.to_owned(), format!("s.{name}"))).into(),
        tenant: Some("s.org = :org".to_owned()),
        types: COLUMNS.map(|(name, _, ty)| (name.to_owned(), ty.to_owned())).into(),
        ..Relation::default()
    }
}

fn schema() -> DatasetSchema {
    let column = |(name, ty, _): (&str, ColumnType, &str)| Column {
        name: name.to_owned(),
        ty,
        label: name.to_owned(),
        sensitive: None,
        elements: (ty == ColumnType::Json).then_some(ColumnType::Text),
        hex_digits: None,
    };
    let filter = |name: String, columns: &[&str], op| Filter {
        name,
        columns: columns.iter().map(|&column| column.to_owned()).collect(),
        op,
    };
    let of_scalars = COLUMNS.iter().filter(|(_, ty, _)| *ty != ColumnType::Json).flat_map(|&(name, ty, _)| {
        let fits = move |op: &FilterOp| match op {
            FilterOp::Contains => ty == ColumnType::Text,
            FilterOp::Range | FilterOp::Min | FilterOp::Max => ty != ColumnType::Bool,
            FilterOp::Eq | FilterOp::In | FilterOp::Overlaps => true,
        };
        OPS.iter()
            .filter(move |(op, _)| fits(op))
            .map(move |(op, suffix)| filter(format!("{name}{suffix}"), &[name], *op))
    });
    let others = [
        filter("tags".to_owned(), &["tags"], FilterOp::Overlaps),
        filter("text".to_owned(), &["name", "note"], FilterOp::Contains),
    ];
    DatasetSchema {
        name: "items".to_owned(),
        title: "Items".to_owned(),
        permission: Permission::Dataset("items".to_owned()),
        columns: COLUMNS.map(column).into(),
        key: vec!["at".to_owned(), "name".to_owned()],
        identity: vec!["name".to_owned(), "number".to_owned()],
        time: Some("at".to_owned()),
        rows: RowsMode::Mutable,
        filters: of_scalars.chain(others).collect(),
        default_columns: COLUMNS.map(|(name, ..)| name.to_owned()).into(),
        limits: Limits { rows: Some(1_000), days: 365, identities: 1_000 },
    }
}

/// Sends the bytes as the body of an export: as they are, or as a recipe for a body that is nearly right.
pub fn filters(data: &[u8]) {
    let Some((choice, data)) = data.split_first() else { return };
    let dataset = &HOUSE.datasets[usize::from(choice & 3) % HOUSE.datasets.len()];
    let body = match choice & 4 {
        0 => serde_json::from_slice(data).ok(),
        _ => nearly_right(&dataset.schema, &mut Unstructured::new(data)).ok(),
    };
    let Some(body) = body else { return };
    if let Json::Object(body) = &body {
        pages(dataset, body);
    }
    match dataset.parse_export(&body) {
        Ok(spec) => accepted(dataset, &body, &spec),
        Err(error) => assert_eq!(error.kind(), ErrorKind::InvalidRequest, "{error}"),
    }
}

fn accepted(dataset: &Dataset, body: &Json, spec: &ExportSpec) {
    // What is stored is what was asked for: it is read back as it is, and asked again it is the same.
    let stored = serde_json::to_value(spec).unwrap_or_default();
    match serde_json::from_value::<ExportSpec>(stored.clone()) {
        Ok(back) => assert_eq!(&back, spec),
        Err(error) => panic!("stored and not to be read again: {error}\n{stored}"),
    }
    let mut again = stored;
    if let Some(members) = again.as_object_mut() {
        members.shift_remove("dataset");
        members.shift_remove("disclosure");
        if spec.format.name() != "csv" {
            // They stand in every spec, and may be asked for with CSV alone.
            members.shift_remove("dialect");
            members.shift_remove("delimiter");
        }
    }
    match dataset.parse_export(&again) {
        Ok(same) => assert_eq!(&same, spec, "{body}"),
        Err(error) => panic!("accepted once and not twice: {error:?}\n{body}\n{again}"),
    }
    match dataset.query(&HOUSE.org, &spec.rows) {
        Ok(query) => compiles(dataset, &query),
        Err(error) => panic!("accepted, and no query: {error:?}\n{body}"),
    }
}

/// The same body without what is said of the file.
fn pages(dataset: &Dataset, body: &Map<String, Json>) {
    let mut rows = body.clone();
    for name in ["format", "compression", "dialect", "delimiter", "formats", "fields", "limit", "name", "notify"] {
        rows.shift_remove(name);
    }
    match dataset.parse_rows(&rows) {
        Ok(spec) => drop(dataset.query(&HOUSE.org, &spec).map_err(|error| panic!("accepted, and no query: {error:?}"))),
        Err(error) => assert_eq!(error.kind(), ErrorKind::InvalidRequest, "{error}"),
    }
}

fn compiles(dataset: &Dataset, query: &RowQuery) {
    let schema = &dataset.schema;
    let page = PageRequest { columns: schema.default_columns.clone(), sort: None, limit: 10, cursor: None };
    let counted = HOUSE.runtime.block_on(dataset.source.count(schema, query));
    let read = HOUSE.runtime.block_on(dataset.source.page(schema, query, &page));
    match (counted, read) {
        (Ok(counted), Ok(page)) => {
            assert_eq!(counted.rows, page.rows.num_rows() as u64, "{query:?}");
            assert!(counted.rows <= 2, "another organization's rows: {query:?}");
        }
        (Err(error), _) | (_, Err(error)) => {
            // A moment of the future is somebody's mistake, and nothing that a statement could be made of.
            assert_eq!(error.kind(), ErrorKind::InvalidRequest, "{error:?}\n{query:?}");
        }
    }
    if schema.name == "items" {
        match counting(schema, &HOUSE.items_in_postgres, query) {
            Ok((text, values)) => written_by_us(&text, values, query),
            Err(error) => panic!("Postgres: {error:?}\n{query:?}"),
        }
    }
}

/// A statement is made of our words: its values are elsewhere.
fn written_by_us(text: &str, values: usize, query: &RowQuery) {
    let placeholders = text.split('$').skip(1).filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit())).count();
    assert_eq!(placeholders, values, "{text}");
    assert!(text.is_ascii(), "a letter that no column has: {text}");
    // Twice the same number of values is twice the same statement, whatever they are.
    let is_ours = |c: char| c.is_ascii_alphanumeric() || " _.,()[]:$=<>&+|\"*".contains(c);
    assert!(text.chars().all(is_ours), "{text}\n{query:?}");
}

/// A body of names that are known and of values that may be right.
fn nearly_right(schema: &DatasetSchema, u: &mut Unstructured<'_>) -> Result<Json> {
    let mut body = Map::new();
    body.insert("format".to_owned(), u.choose(&["csv", "json", "jsonl", "parquet", "xlsx"]).copied()?.into());
    for _ in 0..u.int_in_range(0..=5)? {
        let (name, value) = member(schema, u)?;
        body.insert(name, value);
    }
    Ok(Json::Object(body))
}

fn member(schema: &DatasetSchema, u: &mut Unstructured<'_>) -> Result<(String, Json)> {
    let columns = &schema.columns;
    Ok(match u.int_in_range(0..=11)? {
        0 => ("selection".to_owned(), selection(schema, u)?),
        1 => ("start_time".to_owned(), moment(u)?),
        2 => ("end_time".to_owned(), moment(u)?),
        3 => ("scope".to_owned(), u.choose(&[Scope::Row, Scope::Trace])?.name().into()),
        4 => {
            let names = (0..u.int_in_range(0..=4)?).map(|_| u.choose(columns).map(|column| column.name.clone().into()));
            ("fields".to_owned(), Json::Array(names.collect::<Result<_>>()?))
        }
        5 => ("limit".to_owned(), value(ColumnType::Int64, u)?),
        6 => ("name".to_owned(), value(ColumnType::Text, u)?),
        _ => {
            let filter = u.choose(&schema.filters)?;
            let ty = schema.filter_type(filter).unwrap_or(ColumnType::Text);
            (filter.name.clone(), of_filter(filter.op, ty, u)?)
        }
    })
}

fn of_filter(op: FilterOp, ty: ColumnType, u: &mut Unstructured<'_>) -> Result<Json> {
    Ok(match op {
        FilterOp::Range => {
            let mut range = Map::new();
            for name in ["from", "to"] {
                if u.arbitrary()? {
                    range.insert(name.to_owned(), value(ty, u)?);
                }
            }
            Json::Object(range)
        }
        FilterOp::In | FilterOp::Overlaps => {
            let values = (0..u.int_in_range(0..=4)?).map(|_| value(ty, u));
            Json::Array(values.collect::<Result<_>>()?)
        }
        FilterOp::Eq | FilterOp::Min | FilterOp::Max | FilterOp::Contains => value(ty, u)?,
    })
}

fn selection(schema: &DatasetSchema, u: &mut Unstructured<'_>) -> Result<Json> {
    let mut ids = Vec::new();
    for _ in 0..u.int_in_range(0..=3)? {
        let mut id = Map::new();
        for name in &schema.identity {
            let ty = schema.column(name).map_or(ColumnType::Text, |column| column.ty);
            id.insert(name.clone(), value(ty, u)?);
        }
        ids.push(Json::Object(id));
    }
    Ok(json!({"mode": u.choose(&["all", "all_except", "partial"])?, "ids": ids}))
}

fn moment(u: &mut Unstructured<'_>) -> Result<Json> {
    Ok(match u.int_in_range(0..=2)? {
        0 => format!("2026-11-{:02}T{:02}:00:00Z", u.int_in_range(1..=30)?, u.int_in_range(0..=23)?).into(),
        1 => format!("2026-11-06T21:20:00.{}+01:00", u32::arbitrary(u)?).into(),
        _ => text(u)?,
    })
}

fn value(ty: ColumnType, u: &mut Unstructured<'_>) -> Result<Json> {
    if u.ratio(1, 16)? {
        return Ok(u.choose(&[json!(null), json!(true), json!(-0.0), json!([]), json!({}), json!("")])?.clone());
    }
    Ok(match ty {
        ColumnType::Text | ColumnType::Json => text(u)?,
        ColumnType::Bool => bool::arbitrary(u)?.into(),
        ColumnType::Float64 => f64::arbitrary(u)?.into(),
        ColumnType::Timestamp | ColumnType::Date => moment(u)?,
        ColumnType::Int64 => match u.int_in_range(0..=3)? {
            0 => u64::arbitrary(u)?.into(),
            1 => f64::arbitrary(u)?.into(),
            2 => i64::arbitrary(u)?.to_string().into(),
            _ => i64::from(i16::arbitrary(u)?).into(),
        },
        ColumnType::Decimal { .. } => match u.int_in_range(0..=2)? {
            0 => format!("{}.{}", i64::arbitrary(u)?, u16::arbitrary(u)?).into(),
            1 => format!("{}e{}", i32::arbitrary(u)?, i8::arbitrary(u)?).into(),
            _ => f64::arbitrary(u)?.into(),
        },
    })
}

fn text(u: &mut Unstructured<'_>) -> Result<Json> {
    Ok(match u.int_in_range(0..=3)? {
        0 => (*u.choose(&[
            "a",
            "x",
            "Ä",
            "%",
            "_",
            "'; --",
            "\0",
            "\\",
            "{a,\"b\"}",
            "00000000000000000000000000000001",
        ])?)
        .into(),
        _ => <&str>::arbitrary(u)?.into(),
    })
}
