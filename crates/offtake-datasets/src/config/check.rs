//! One configured dataset, compiled to its schema and its relation.

use offtake_model::dataset::{Column, ColumnType, DatasetSchema, Limits, RowsMode};
use offtake_model::permission::Permission;
use offtake_model::query::Chosen;

use super::columns::{self, names};
use super::parquet;
use super::postgres::{self, Cutoff};
use super::source::{Live, LiveSqlite, Shape, explained};
use super::{DatasetConfig, NAMES, Wrong, filters, is_name, sensitive};
use crate::relation::{Dialect, Relation, Stored};
use crate::source::parquet::{Recipe, Table};
use crate::sql::{Statements, is_native};

/// Names that the paths of the API use for something else, and those of the built-in datasets.
const TAKEN: [&str; 6] = ["jobs", "redeem", "statistics", "spans", "traces", "prompts"];
/// What `tenant` says aloud where there is none.
const NO_TENANT: &str = "none";
const MOST_IDENTITIES: usize = 10_000;
const MOST_DAYS: u32 = 36_525;

/// A dataset, and how it is read.
#[derive(Debug)]
pub(super) struct Compiled {
    pub(super) schema: DatasetSchema,
    pub(super) relation: Relation,
    /// How its rows are loaded, if they lie in files.
    pub(super) load: Option<(Table, Recipe)>,
}

/// `None` if something is wrong with it, which is told.
pub(super) fn compile(name: &str, config: &DatasetConfig, live: &mut Live, wrong: &mut Wrong) -> Option<Compiled> {
    let before = wrong.len();
    let at = format!("datasets.{name}");
    if TAKEN.contains(&name) {
        wrong.at(&at, "this name is taken");
    } else if !is_name(name) {
        wrong.at(&at, NAMES);
    }
    let shape = shape(&at, config, live, wrong)?;
    let (columns, stored, loads) = match &shape.files {
        Some(files) => parquet::columns(&at, &files.columns, &config.columns, wrong),
        None => {
            let (columns, stored) = columns::compile(&at, live.dialect(), &shape.columns, &config.columns, wrong);
            (columns, stored, Vec::new())
        }
    };
    let schema = DatasetSchema {
        name: name.to_owned(),
        title: config.title.clone().unwrap_or_else(|| name.to_owned()),
        permission: Permission::Dataset(name.to_owned()),
        filters: filters::compile(&at, &columns, &byteless(&shape, live.dialect()), &config.filters, wrong),
        default_columns: config
            .default_columns
            .clone()
            .unwrap_or_else(|| columns.iter().map(|column| column.name.clone()).collect()),
        columns,
        key: config.key.clone(),
        identity: config.identity.clone().unwrap_or_else(|| config.key.clone()),
        time: config.time.clone(),
        rows: rows(&at, config, shape.files.is_some(), wrong),
        limits: limits(&at, config, wrong),
    };
    let dialect = live.dialect();
    let mut checked = Checked { at: &at, config, schema: &schema, shape: &shape, dialect, wrong };
    checked.named_columns();
    sensitive::check(&at, &schema, checked.wrong);
    let (tenant, cutoff) = (checked.tenant(), checked.cutoff());
    if wrong.len() > before {
        return None;
    }
    let types = shape.columns.iter().map(|column| (column.name.clone(), column.ty.clone()));
    let relation = Relation {
        dialect,
        types: if dialect == Dialect::Postgres { types.collect() } else { Default::default() },
        columns: schema.columns.iter().map(|column| (column.name.clone(), shape.expression(&column.name))).collect(),
        stored,
        tenant,
        cutoff: cutoff.as_ref().map(|cutoff| cutoff.cutoff.clone()),
        newer: cutoff.as_ref().map(|cutoff| cutoff.newer.clone()),
        sequence: cutoff.map(|cutoff| cutoff.sequence),
        unique_in: shape.unique_in(),
        tenant_column: (config.tenant != NO_TENANT).then(|| config.tenant.clone()),
        lookup: None,
        from: shape.from.clone(),
    };
    let (relation, load) = match shape.files {
        Some(files) => {
            let (key, identity) = (schema.key.clone(), schema.identity.clone());
            let tenant = Some(config.tenant.clone()).filter(|name| name != NO_TENANT);
            let recipe = Recipe { columns: loads, key, identity, tenant };
            files.check(&at, &recipe, wrong);
            (parquet::indexed(&schema, relation), Some((files.table, recipe)))
        }
        None => (against_rows(&at, &schema, relation, &shape, live, wrong), None),
    };
    (wrong.len() == before).then_some(Compiled { schema, relation, load })
}

/// What the rows are, which files decide themselves.
fn rows(at: &str, config: &DatasetConfig, files: bool, wrong: &mut Wrong) -> RowsMode {
    let path = format!("{at}.rows");
    match (config.rows, files) {
        (RowsMode::Mutable | RowsMode::Versioned, true) => RowsMode::Versioned,
        (RowsMode::AppendOnly, true) => {
            wrong.at(&path, "files come and go: leave it out, and a moment is the files as they were then");
            RowsMode::Versioned
        }
        (RowsMode::Versioned, false) => {
            wrong.at(&path, "is append_only or mutable; versions are for files");
            RowsMode::Mutable
        }
        (rows @ (RowsMode::AppendOnly | RowsMode::Mutable), false) => rows,
    }
}

fn shape(at: &str, config: &DatasetConfig, live: &Live, wrong: &mut Wrong) -> Option<Shape> {
    match (&config.table, &config.query) {
        (Some(table), None) => match live.table(table) {
            Ok(Some(shape)) => return Some(shape),
            Ok(None) => wrong.at(&format!("{at}.table"), format!("the source has no table {table:?}")),
            Err(error) => wrong.at(&format!("{at}.table"), format!("cannot be read: {error}")),
        },
        (None, Some(query)) => match live.query(query) {
            Ok(shape) => return Some(shape),
            Err(error) => wrong.at(&format!("{at}.query"), format!("cannot be read: {error}")),
        },
        (None, None) => wrong.at(at, "a dataset has a table or a query"),
        (Some(_), Some(_)) => wrong.at(at, "a dataset has a table or a query, not both"),
    }
    None
}

/// Columns that are read as text and compared as it: they are equal or not, and have no order.
fn byteless(shape: &Shape, dialect: Dialect) -> Vec<&str> {
    let ordered = |ty: &str| is_native(ColumnType::Text, ty) && !matches!(ty, "uuid" | "numeric");
    if let Some(files) = &shape.files {
        return files.unordered();
    }
    let columns = shape.columns.iter().filter(|column| dialect == Dialect::Postgres && !ordered(&column.ty));
    columns.map(|column| column.name.as_str()).collect()
}

fn limits(at: &str, config: &DatasetConfig, wrong: &mut Wrong) -> Limits {
    let limits = config.limits;
    if limits.rows == Some(0) {
        wrong.at(&format!("{at}.limits.rows"), "is at least 1; leave it out for no limit");
    }
    if !(1..=MOST_DAYS).contains(&limits.days) {
        wrong.at(&format!("{at}.limits.days"), format!("is from 1 to {MOST_DAYS}"));
    }
    if !(1..=MOST_IDENTITIES).contains(&limits.identities) {
        wrong.at(&format!("{at}.limits.identities"), format!("is from 1 to {MOST_IDENTITIES}"));
    }
    Limits { rows: limits.rows, days: limits.days, identities: limits.identities }
}

struct Checked<'a> {
    at: &'a str,
    config: &'a DatasetConfig,
    schema: &'a DatasetSchema,
    shape: &'a Shape,
    dialect: Dialect,
    wrong: &'a mut Wrong,
}

impl Checked<'_> {
    /// A column that the configuration names at `path`.
    fn column(&mut self, path: &str, name: &str) -> Option<&Column> {
        let column = self.schema.column(name);
        // One whose type is not known has been complained about already.
        if column.is_none() && !self.shape.columns.iter().any(|declared| declared.name == name) {
            let detail = format!("there is no column {name:?}; there are: {}", names(&self.shape.columns));
            self.wrong.at(&format!("{}.{path}", self.at), detail);
        }
        column
    }

    fn named_columns(&mut self) {
        let schema = self.schema;
        for (path, list) in
            [("key", &schema.key), ("identity", &schema.identity), ("default_columns", &schema.default_columns)]
        {
            if list.is_empty() {
                self.wrong.at(&format!("{}.{path}", self.at), "names at least one column");
            }
            for (index, name) in list.iter().enumerate() {
                if list[..index].contains(name) {
                    self.wrong.at(&format!("{}.{path}", self.at), format!("names {name} twice"));
                }
                let ty = self.column(path, name).map(|column| column.ty);
                if path != "default_columns" {
                    self.ordered(path, name, ty);
                }
            }
        }
        if let Some(time) = &schema.time
            && let Some(ty) = self.column("time", time).map(|column| column.ty)
            && ty != ColumnType::Timestamp
        {
            let detail =
                format!("{time} is of type {}; say columns.{time}.type = \"timestamp\" if it is one", ty.name());
            self.wrong.at(&format!("{}.time", self.at), detail);
        }
        self.unique();
    }

    /// Keys are compared as they are stored, so their stored form must have one order and one spelling.
    fn ordered(&mut self, path: &str, name: &str, ty: Option<ColumnType>) {
        if let Some(ty) = ty
            && !self.is_ordered(name, ty)
        {
            let detail = format!("{name} is of type {}; texts, integers and timestamps can name a row", ty.name());
            self.wrong.at(&format!("{}.{path}", self.at), detail);
        }
    }

    fn is_ordered(&self, name: &str, ty: ColumnType) -> bool {
        if self.shape.files.is_some() {
            return parquet::is_ordered(ty);
        }
        match (self.dialect, ty) {
            (_, ColumnType::Text | ColumnType::Int64 | ColumnType::Bool | ColumnType::Timestamp) => {
                // What is read as text but is none may have no order, or another than its text's.
                self.dialect == Dialect::Sqlite
                    || is_native(ty, self.declared(name)) && self.declared(name) != "numeric"
            }
            (Dialect::Postgres, ColumnType::Date | ColumnType::Decimal { .. }) => true,
            (_, ColumnType::Date | ColumnType::Decimal { .. } | ColumnType::Float64 | ColumnType::Json) => false,
        }
    }

    fn declared(&self, name: &str) -> &str {
        self.shape.columns.iter().find(|column| column.name == name).map_or("", |column| &column.ty)
    }

    fn unique(&mut self) {
        let Some(unique) = &self.shape.unique else { return };
        let fixed = |column: &String| self.schema.key.contains(column) || *column == self.config.tenant;
        if !unique.iter().any(|columns| columns.iter().all(fixed)) {
            let detail =
                "the table has no primary key or unique index of these columns: rows with equal keys would be lost";
            self.wrong.at(&format!("{}.key", self.at), detail);
        }
    }

    fn tenant(&mut self) -> Option<String> {
        let name = self.config.tenant.as_str();
        if name == NO_TENANT {
            return None;
        }
        let ty = self.column("tenant", name)?.ty;
        let column = self.shape.expression(name);
        if self.dialect == Dialect::Postgres {
            let tenant = postgres::tenant(&column, self.declared(name));
            if tenant.is_none() {
                let detail =
                    format!("{name} is a {}; an organization is a text, a uuid or an integer", self.declared(name));
                self.wrong.at(&format!("{}.tenant", self.at), detail);
            }
            return tenant;
        }
        match ty {
            // Whatever the column's own collation: "Acme" is not "acme".
            ColumnType::Text => Some(format!("{column} = :org COLLATE BINARY")),
            // SQLite would find 42 equal to "42.0"; an organization has one spelling.
            ColumnType::Int64 => Some(format!("{column} = CAST(:org AS INTEGER) AND CAST({column} AS TEXT) = :org")),
            ColumnType::Float64
            | ColumnType::Bool
            | ColumnType::Decimal { .. }
            | ColumnType::Timestamp
            | ColumnType::Date
            | ColumnType::Json => {
                let detail = format!("{name} is of type {}; an organization is a text or an integer", ty.name());
                self.wrong.at(&format!("{}.tenant", self.at), detail);
                None
            }
        }
    }

    fn cutoff(&mut self) -> Option<Cutoff> {
        if self.dialect == Dialect::Postgres && self.config.rows == RowsMode::AppendOnly {
            return self.cutoff_of_postgres();
        }
        let column = self.shape.expression(&self.sequence()?);
        let sequence = format!("SELECT coalesce(max({column}), 0) FROM {}", self.shape.from);
        let newer = format!("{column} > :after");
        Some(Cutoff { cutoff: format!("{column} <= :cutoff"), newer, sequence })
    }

    /// A number that is drawn is not yet committed: only the transaction that wrote a row tells when it came to be
    /// seen.
    fn cutoff_of_postgres(&mut self) -> Option<Cutoff> {
        let path = format!("{}.sequence", self.at);
        match &self.config.sequence {
            None if self.shape.is_table => Some(postgres::by_row()),
            None => {
                self.wrong.at(&path, "is needed where rows are append_only and come from no table: an xid8 column");
                None
            }
            Some(name) => {
                self.column("sequence", name)?;
                let declared = self.declared(name).to_owned();
                if declared != "xid8" {
                    let detail = format!(
                        "{name} is a {declared}, whose numbers may be committed in another order than they were drawn in; \
                         name a column \"xid8 NOT NULL DEFAULT pg_current_xact_id()\", or leave it out for a table"
                    );
                    self.wrong.at(&path, detail);
                    return None;
                }
                Some(postgres::by_transaction(&self.shape.expression(name)))
            }
        }
    }

    fn sequence(&mut self) -> Option<String> {
        let path = format!("{}.sequence", self.at);
        match (self.schema.rows, &self.config.sequence) {
            (RowsMode::Mutable | RowsMode::Versioned, None) => None,
            (RowsMode::Mutable | RowsMode::Versioned, Some(_)) => {
                self.wrong.at(&path, "belongs to rows = \"append_only\"");
                None
            }
            (RowsMode::AppendOnly, None) => {
                self.wrong
                    .at(&path, "is needed where rows are append_only: an integer column that grows with every commit");
                None
            }
            (RowsMode::AppendOnly, Some(name)) => {
                let ty = self.column("sequence", name)?.ty;
                if ty != ColumnType::Int64 {
                    self.wrong.at(&path, format!("{name} is of type {}, not int64", ty.name()));
                }
                Some(name.clone())
            }
        }
    }
}

/// What only the rows and SQLite's planner can tell.
fn against_rows(
    at: &str,
    schema: &DatasetSchema,
    mut relation: Relation,
    shape: &Shape,
    live: &mut Live,
    wrong: &mut Wrong,
) -> Relation {
    for name in &schema.key {
        if shape.columns.iter().any(|column| &column.name == name && column.never_null) {
            continue;
        }
        match live.has_null(&relation.from, &relation.columns[name]) {
            Ok(true) => wrong.at(&format!("{at}.key"), format!("{name} is NULL in some rows, which would be lost")),
            Ok(false) => {}
            Err(error) => wrong.at(&format!("{at}.key"), error.detail()),
        }
    }
    let Live::Sqlite(live) = live else { return relation };
    relation.lookup = lookup(schema, &relation, live);
    let walked = explained(Chosen::All)
        .and_then(|query| live.explain_keys(&Statements { schema, relation: &relation, query: &query }));
    match walked {
        Ok(lines) if lines.iter().any(|line| line.contains("TEMP B-TREE")) => {
            let key = schema.key.join(", ");
            tracing::warn!(
                dataset = schema.name,
                "no index yields the rows in the order of the key; one on (tenant, {key}) would make exports faster"
            );
        }
        Ok(_) => {}
        Err(error) => wrong.at(at, error.detail()),
    }
    relation
}

/// The way from identities to rows, if an index leads there.
fn lookup(schema: &DatasetSchema, relation: &Relation, live: &mut LiveSqlite) -> Option<String> {
    let same = schema.identity.iter().enumerate().map(|(index, name)| {
        let ty = schema.column(name)?.ty;
        let stored = relation.stored.get(name).copied().unwrap_or_default();
        // The identities in the temporary table are in stored form where there is only one.
        (ty != ColumnType::Timestamp || stored != Stored::Plain)
            .then(|| format!("{} = c.c{index}", relation.columns[name]))
    });
    let same = same.collect::<Option<Vec<_>>>()?.join(" AND ");
    let lookup = format!("temp.chosen c CROSS JOIN {} ON {same}", relation.from);
    let tried = Relation { lookup: Some(lookup.clone()), ..relation.clone() };
    let query = explained(Chosen::Only(Vec::new().into())).ok()?;
    let lines = live.explain_lookup(&Statements { schema, relation: &tried, query: &query }).ok()?;
    let scans = |line: &String| (line.starts_with("SCAN") && line != "SCAN c") || line.contains("AUTOMATIC");
    (!lines.iter().any(scans)).then_some(lookup)
}
