//! Checked queries → SQL, in one place: count, page, plan and range reads all go through [`Statements`], so they
//! cannot mean different rows.
//!
//! The statements of SQLite and of Postgres have one shape and are made by one code; what differs is in [`operand`]
//! (how a column is compared) and where [`Dialect`] is looked at. Values are always bound, never written into the
//! text. [`crate::source::sqlite`] and [`crate::source::postgres`] run what is made here.

mod names;
mod operand;
mod order;
mod pg;
mod predicate;

use offtake_model::as_of::AsOf;
use offtake_model::dataset::DatasetSchema;
use offtake_model::plan::Key;
use offtake_model::query::{Chosen, RowQuery};
use offtake_model::selection::Scope;
use offtake_model::{Error, ErrorKind, Result};
use rusqlite::types::Value as SqlValue;

use crate::relation::{Dialect, Relation, Stored};

pub(crate) use names::bind as bind_names;
pub(crate) use operand::{Bound, Encoded, Operand, key_value, ordered_bytes, ordered_number};
pub(crate) use order::{Order, Position};
pub(crate) use pg::{array, base_type, is_native};

/// A statement and its parameters, in the order they appear in. SQLite's are of its own types; those of Postgres are
/// texts, each followed by a cast to its type.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Sql {
    text: String,
    /// Where in the text each parameter stands.
    places: Vec<usize>,
    pub(crate) params: Vec<SqlValue>,
}

impl Sql {
    pub(crate) fn push(&mut self, text: &str) {
        self.text.push_str(text);
    }

    pub(crate) fn bind(&mut self, value: SqlValue) {
        self.places.push(self.text.len());
        self.params.push(value);
    }

    /// Binds a value and says its type.
    pub(crate) fn bind_as(&mut self, value: SqlValue, cast: &str) {
        self.bind(value);
        self.push(cast);
    }

    fn append(&mut self, other: Self) {
        let before = self.text.len();
        self.places.extend(other.places.into_iter().map(|place| place + before));
        self.text.push_str(&other.text);
        self.params.extend(other.params);
    }

    /// The same with something before it.
    pub(crate) fn preceded_by(self, words: &str) -> Self {
        let mut sql = Self::default();
        sql.push(words);
        sql.append(self);
        sql
    }

    /// The text as SQLite takes it.
    pub(crate) fn anonymous(&self) -> String {
        self.written(|text, _, _| text.push('?'))
    }

    /// The text, with each parameter as `written` writes it; parameters are numbered from 0.
    pub(crate) fn written(&self, mut written: impl FnMut(&mut String, usize, &SqlValue)) -> String {
        let mut text = String::with_capacity(self.text.len() + 8 * self.params.len());
        let mut done = 0;
        for (index, (place, value)) in self.places.iter().zip(&self.params).enumerate() {
            text.push_str(&self.text[done..*place]);
            written(&mut text, index, value);
            done = *place;
        }
        text.push_str(&self.text[done..]);
        text
    }
}

/// Everything asked of one dataset with one query. For Postgres the query's moment is the one that `:cutoff` stands
/// for; SQLite binds both names when the statement is run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Statements<'a> {
    pub(crate) schema: &'a DatasetSchema,
    pub(crate) relation: &'a Relation,
    pub(crate) query: &'a RowQuery,
}

/// The statement that counts the rows of a query, as the database is asked it: values stand as `?`, in Postgres as `$1`.
/// With it, how many values it takes. For those who want to read what they run.
///
/// # Errors
/// `internal` if the relation does not have what the dataset speaks of.
pub fn counting(schema: &DatasetSchema, relation: &Relation, query: &RowQuery) -> Result<(String, usize)> {
    let sql = Statements { schema, relation, query }.count()?;
    let text = match relation.dialect {
        Dialect::Sqlite => sql.anonymous(),
        Dialect::Postgres => sql.written(|text, index, _| text.push_str(&format!("${}", index + 1))),
    };
    Ok((text, sql.params.len()))
}

/// The part of the key order that is read: above the first key, up to and including the second.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Bounds<'a> {
    pub(crate) above: Option<&'a Key>,
    pub(crate) upto: Option<&'a Key>,
    /// Whether the key's index must be used, whatever other index a filter might offer. Right when many ranges are
    /// read one after the other: each of them would walk the other index from its beginning. Postgres knows what
    /// its indexes are worth and is not told.
    pub(crate) by_key: bool,
}

impl<'a> Statements<'a> {
    /// How many rows match.
    pub(crate) fn count(&self) -> Result<Sql> {
        self.select("count(*)", Bounds::default())
    }

    /// These columns of the matching rows, in any order.
    pub(crate) fn unordered(&self, columns: &[String]) -> Result<Sql> {
        self.select(&self.read_expressions(columns)?.join(", "), Bounds::default())
    }

    /// The keys of the matching rows above `above`, in order.
    pub(crate) fn keys(&self, above: Option<&Key>) -> Result<Sql> {
        let keys = self.read_expressions(&self.schema.key)?;
        let mut sql = self.select(&keys.join(", "), Bounds { above, ..Bounds::default() })?;
        sql.push(" ORDER BY ");
        sql.push(&self.key_expressions()?.join(", "));
        Ok(sql)
    }

    /// The identities of the matching rows of a partial selection, as they lie in `chosen`, in key order. `None` where
    /// the rows are not found by their identities.
    pub(crate) fn chosen_in_order(&self) -> Result<Option<Sql>> {
        if !self.by_lookup() {
            return Ok(None);
        }
        // A relation that joins them further inside, on columns that hold the same, does not show them here.
        let shown = self.relation.lookup.as_ref().is_some_and(|lookup| lookup.starts_with("temp.chosen c"));
        let identity: Vec<String> = if shown {
            (0..self.schema.identity.len()).map(|index| format!("c.c{index}")).collect()
        } else {
            self.read_expressions(&self.schema.identity)?
        };
        let mut sql = self.select(&identity.join(", "), Bounds::default())?;
        sql.push(" ORDER BY ");
        sql.push(&self.key_expressions()?.join(", "));
        Ok(Some(sql))
    }

    /// The number and the total size in bytes of the rows with these keys. SQLite has them in the temporary table
    /// `sampled`.
    pub(crate) fn sizes(&self, sampled: &[Key]) -> Result<Sql> {
        let mut size = format!("{}", 8 * self.schema.columns.len());
        for column in &self.schema.columns {
            let operand = self.operand(&column.name)?;
            if operand.is_text() {
                size.push_str(&format!(" + coalesce(octet_length({}), 0)", operand.in_text()));
            }
        }
        let mut sql = self.select(&format!("count(*), sum({size})"), Bounds::default())?;
        let keys = self.keys_operands()?;
        let expressions: Vec<&str> = keys.iter().map(|key| key.raw.as_str()).collect();
        sql.push(&format!(" AND ({}) IN (SELECT ", expressions.join(", ")));
        match self.relation.dialect {
            Dialect::Sqlite => {
                let columns: Vec<String> = (0..keys.len()).map(|index| format!("k{index}")).collect();
                sql.push(&format!("{} FROM temp.sampled)", columns.join(", ")));
            }
            Dialect::Postgres => {
                let columns: Result<Vec<Vec<String>>> = (0..keys.len())
                    .map(|index| {
                        sampled
                            .iter()
                            .map(|key| key.get(index).map_or(Ok(String::new()), |value| keys[index].literal(value)))
                            .collect()
                    })
                    .collect();
                let casts: Vec<&str> = keys.iter().map(Operand::key_type).collect();
                unnest(&mut sql, &columns?, &casts);
                sql.push(")");
            }
        }
        Ok(sql)
    }

    /// The rows within `bounds`, in key order, at most `limit`; the columns asked for, then the key (which Postgres
    /// leaves out: it finds no row by it afterwards).
    pub(crate) fn range(&self, columns: &[String], bounds: Bounds<'_>, limit: u64) -> Result<Sql> {
        let keys = self.key_expressions()?;
        let mut selected = self.read_expressions(columns)?;
        if self.relation.dialect == Dialect::Sqlite {
            selected.extend(keys.iter().cloned());
        }
        let mut sql = self.select(&selected.join(", "), bounds)?;
        sql.push(" ORDER BY ");
        sql.push(&keys.join(", "));
        sql.push(&format!(" LIMIT {limit}"));
        Ok(sql)
    }

    /// At most `limit` rows in `order` after `after`; the columns asked for, the key, and what the order is by. The
    /// latter two are in the form that a [`Position`] keeps.
    pub(crate) fn page(&self, columns: &[String], order: &Order, after: Option<&Position>, limit: u64) -> Result<Sql> {
        let mut selected = self.read_expressions(columns)?;
        selected.extend(order.positions());
        let mut sql = self.select(&selected.join(", "), Bounds::default())?;
        if let Some(position) = after {
            sql.push(" AND ");
            sql.append(order.after(position)?);
        }
        sql.push(" ORDER BY ");
        sql.push(&order.terms());
        sql.push(&format!(" LIMIT {limit}"));
        Ok(sql)
    }

    /// What the order of a page is by.
    pub(crate) fn order(&self, sort: Option<&offtake_model::query::Sort>) -> Result<Order> {
        Order::new(self, sort)
    }

    fn select(&self, selected: &str, bounds: Bounds<'_>) -> Result<Sql> {
        let by_lookup = self.by_lookup();
        let mut sql = Sql::default();
        sql.push(&format!("SELECT {selected} FROM "));
        match self.relation.lookup.as_ref() {
            Some(lookup) if by_lookup => self.looked_up(&mut sql, lookup)?,
            Some(_) | None => self.named(&mut sql, &self.relation.from)?,
        }
        sql.push(" WHERE TRUE");
        match self.query.scope {
            Scope::Row => self.conditions(&mut sql, bounds, by_lookup)?,
            Scope::Trace => {
                self.scoped(&mut sql)?;
                sql.push(" AND ");
                self.of_chosen_traces(&mut sql)?;
            }
        }
        let keys = self.keys_operands()?;
        for (bound, operator) in [(bounds.above, ">"), (bounds.upto, "<=")] {
            if let Some(key) = bound {
                sql.push(" AND ");
                let seek = !by_lookup || self.relation.dialect == Dialect::Postgres;
                sql.append(order::compare_key(&keys, operator, key, seek)?);
                if self.relation.dialect == Dialect::Postgres && keys.len() > 1 {
                    // It follows from the bound. Postgres guesses how many rows lie between two bounds from comparisons
                    // of single columns alone, and reads the whole table where it guesses too many.
                    sql.push(" AND ");
                    let operator = if operator == ">" { ">=" } else { operator };
                    sql.append(order::compare_key(&keys[..1], operator, key, true)?);
                }
            }
        }
        Ok(sql)
    }

    /// Appends the relation's way from the identities of a partial selection to the rows.
    fn looked_up(&self, sql: &mut Sql, lookup: &str) -> Result<()> {
        for (index, piece) in lookup.split(":chosen").enumerate() {
            if index > 0
                && let Chosen::Only(ids) = &self.query.chosen
            {
                sql.push("(SELECT DISTINCT ");
                bound_identities(sql, &self.identity_operands()?, ids)?;
                sql.push(")");
            }
            self.named(sql, piece)?;
        }
        Ok(())
    }

    fn identity_operands(&self) -> Result<Vec<Operand>> {
        self.schema.identity.iter().map(|column| self.operand(column)).collect()
    }

    /// The organization's rows up to the cut-off, and above an earlier one.
    fn scoped(&self, sql: &mut Sql) -> Result<()> {
        for scope in [&self.relation.tenant, &self.relation.cutoff].into_iter().flatten() {
            sql.push(" AND (");
            self.named(sql, scope)?;
            sql.push(")");
        }
        match self.query.newer_than {
            Some(moment) => self.newer(sql, moment),
            None => Ok(()),
        }
    }

    /// Only rows that were not there at that earlier moment.
    fn newer(&self, sql: &mut Sql, moment: AsOf) -> Result<()> {
        let (AsOf::Cutoff { sequence, .. }, Some(newer)) = (moment, &self.relation.newer) else {
            return Err(crate::request::newer_than_of_mutable());
        };
        sql.push(" AND (");
        for (index, piece) in newer.split(":after").enumerate() {
            match self.relation.dialect {
                _ if index == 0 => {}
                Dialect::Sqlite => sql.bind(sequence.into()),
                Dialect::Postgres => sql.bind_as(sequence.to_string().into(), "::bigint"),
            }
            self.named(sql, piece)?;
        }
        sql.push(")");
        Ok(())
    }

    /// Which rows are chosen: scope, filters and selection.
    fn conditions(&self, sql: &mut Sql, bounds: Bounds<'_>, by_lookup: bool) -> Result<()> {
        self.scoped(sql)?;
        for predicate in &self.query.predicates {
            sql.push(" AND ");
            sql.append(predicate::compile(self, predicate, bounds)?);
        }
        if by_lookup { Ok(()) } else { self.choose(sql) }
    }

    /// Whether a chosen row is of the same trace. A few that are named are looked up once; else each row's trace is
    /// probed by the index of the identity, so that a range costs what its own traces cost. The probe is wrapped, so
    /// that the names of the relation stand for the chosen row inside and for the row in question outside.
    fn of_chosen_traces(&self, sql: &mut Sql) -> Result<()> {
        let column = self.schema.trace().ok_or_else(|| {
            Error::new(ErrorKind::Internal, format!("rows of {} are no parts of a trace", self.schema.name))
        })?;
        let trace = self.operand(column)?.raw;
        let named = if matches!(self.query.chosen, Chosen::Only(_)) { self.relation.lookup.as_ref() } else { None };
        match named {
            Some(lookup) => {
                sql.push(&format!("{trace} IN (SELECT {trace} FROM "));
                self.looked_up(sql, lookup)?;
                sql.push(" WHERE TRUE");
                self.conditions(sql, Bounds::default(), true)?;
                sql.push(")");
            }
            None => {
                sql.push(&format!("EXISTS (SELECT 1 FROM (SELECT {trace} AS trace FROM "));
                self.named(sql, &self.relation.from)?;
                sql.push(" WHERE TRUE");
                self.conditions(sql, Bounds::default(), false)?;
                sql.push(&format!(") chosen_row WHERE chosen_row.trace = {trace})"));
            }
        }
        Ok(())
    }

    /// Appends a text of the relation, with what its names stand for.
    pub(crate) fn named(&self, sql: &mut Sql, text: &str) -> Result<()> {
        match self.relation.dialect {
            // SQLite knows names itself.
            Dialect::Sqlite => sql.push(text),
            Dialect::Postgres => {
                let cutoff = match self.query.as_of {
                    Some(AsOf::Cutoff { sequence, .. }) => Some(sequence),
                    Some(AsOf::Snapshot { .. }) | None => None,
                };
                names::bind(sql, text, self.query.org.as_str(), cutoff)?;
            }
        }
        Ok(())
    }

    /// Whether rows are found by the identities of a partial selection.
    fn by_lookup(&self) -> bool {
        let alone = self.query.scope == Scope::Row;
        alone && matches!(self.query.chosen, Chosen::Only(_)) && self.relation.lookup.is_some()
    }

    fn choose(&self, sql: &mut Sql) -> Result<()> {
        let (ids, without) = match &self.query.chosen {
            Chosen::AllExcept(ids) if !ids.is_empty() => (ids, true),
            Chosen::All | Chosen::AllExcept(_) => return Ok(()),
            Chosen::Only(ids) => (ids, false),
        };
        let operands = self.identity_operands()?;
        match self.relation.dialect {
            Dialect::Sqlite => sql.push(&among_loaded(&operands, without)),
            Dialect::Postgres => among_bound(sql, &operands, ids, without)?,
        }
        Ok(())
    }

    pub(crate) fn key_expressions(&self) -> Result<Vec<String>> {
        Ok(self.keys_operands()?.into_iter().map(|operand| operand.raw).collect())
    }

    fn keys_operands(&self) -> Result<Vec<Operand>> {
        self.schema.key.iter().map(|column| self.operand(column)).collect()
    }

    fn read_expressions(&self, columns: &[String]) -> Result<Vec<String>> {
        columns.iter().map(|column| Ok(self.operand(column)?.read)).collect()
    }

    /// How this column is read and compared.
    pub(crate) fn operand(&self, column: &str) -> Result<Operand> {
        let described = self.schema.column(column);
        let expression = self.relation.columns.get(column);
        let (Some(described), Some(expression)) = (described, expression) else {
            return Err(Error::new(
                ErrorKind::Internal,
                format!("the dataset {} has no column {column}", self.schema.name),
            ));
        };
        match self.relation.dialect {
            Dialect::Sqlite => {
                let stored = self.relation.stored.get(column).copied().unwrap_or(Stored::Native);
                Ok(Operand::sqlite(expression, described.ty, stored))
            }
            Dialect::Postgres => match self.relation.types.get(column) {
                Some(ty) => {
                    let escaped = self.relation.stored.get(column) == Some(&Stored::Escaped);
                    Ok(Operand::postgres(expression, described.ty, ty, escaped))
                }
                None => {
                    let detail = format!("the type of {column} in {} is not known", self.schema.name);
                    Err(Error::new(ErrorKind::Internal, detail))
                }
            },
        }
    }
}

/// The identities are in a temporary table whose primary key they are, so each row costs one look-up. The unary
/// plus keeps the affinity and collation of the row's column from deciding how that table is searched.
fn among_loaded(identity: &[Operand], without: bool) -> String {
    let same: Vec<String> =
        identity.iter().enumerate().map(|(index, operand)| format!("x.c{index} = +{}", operand.compared)).collect();
    let (not, table) = if without { ("NOT ", "excluded") } else { ("", "chosen") };
    format!(" AND {not}EXISTS (SELECT 1 FROM temp.{table} x WHERE {})", same.join(" AND "))
}

/// The identities are arrays. Postgres hashes them once to leave rows out, so each row costs one look-up and the rows
/// stay in their order; and it joins them, by whatever index there is, to find rows.
fn among_bound(
    sql: &mut Sql,
    identity: &[Operand],
    ids: &[Vec<offtake_model::value::Value>],
    without: bool,
) -> Result<()> {
    let compared: Vec<&str> = identity.iter().map(|operand| operand.compared.as_str()).collect();
    let compared = compared.join(", ");
    // IS NOT TRUE: a row whose identity has a NULL is not among those left out.
    sql.push(&if without {
        format!(" AND (({compared}) IN (SELECT ")
    } else {
        format!(" AND ({compared}) IN (SELECT ")
    });
    bound_identities(sql, identity, ids)?;
    sql.push(if without { ")) IS NOT TRUE" } else { ")" });
    Ok(())
}

/// The identities as rows, without the `SELECT` before them.
fn bound_identities(sql: &mut Sql, identity: &[Operand], ids: &[Vec<offtake_model::value::Value>]) -> Result<()> {
    let mut columns: Vec<Vec<String>> = vec![Vec::with_capacity(ids.len()); identity.len()];
    for id in ids {
        let cells = identity.iter().zip(id).map(|(operand, value)| operand.encode(value, Bound::Exact));
        let cells = cells.collect::<Result<Vec<_>>>()?.into_iter().map(|cell| match cell {
            Encoded::Stored(SqlValue::Text(text)) => Some(text),
            // A value the column cannot hold names no row.
            Encoded::Stored(_) | Encoded::Below | Encoded::Above | Encoded::Nothing => None,
        });
        if let Some(cells) = cells.collect::<Option<Vec<_>>>() {
            columns.iter_mut().zip(cells).for_each(|(column, cell)| column.push(cell));
        }
    }
    let casts: Vec<&str> = identity.iter().map(Operand::value_type).collect();
    unnest(sql, &columns, &casts);
    Ok(())
}

/// `x.c0, x.c1 FROM unnest($1::uuid[], $2::text[]) x(c0, c1)`
fn unnest(sql: &mut Sql, columns: &[Vec<String>], types: &[&str]) {
    let names: Vec<String> = (0..columns.len()).map(|index| format!("c{index}")).collect();
    let selected: Vec<String> = names.iter().map(|name| format!("x.{name}")).collect();
    sql.push(&format!("{} FROM unnest(", selected.join(", ")));
    for (index, (values, ty)) in columns.iter().zip(types).enumerate() {
        if index > 0 {
            sql.push(", ");
        }
        sql.bind_as(array(values).into(), &format!("::{ty}[]"));
    }
    sql.push(&format!(") x({})", names.join(", ")));
}
