//! Checked queries → SQL, in one place: count, page, plan and range reads all go through [`Statements`], so they
//! cannot mean different rows.
//!
//! Values are always bound, never written into the text. [`crate::source::sqlite`] runs what is made here.

mod operand;
mod order;
mod predicate;

use offtake_model::dataset::DatasetSchema;
use offtake_model::plan::Key;
use offtake_model::query::{Chosen, RowQuery};
use offtake_model::selection::Scope;
use offtake_model::{Error, ErrorKind, Result};
use rusqlite::types::Value as SqlValue;

use crate::relation::{Relation, Stored};

pub(crate) use operand::{Bound, Encoded, Operand, key_value, ordered_bytes};
pub(crate) use order::{Order, Position};

/// A statement and its anonymous parameters, in the order they appear in.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Sql {
    pub(crate) text: String,
    pub(crate) params: Vec<SqlValue>,
}

impl Sql {
    pub(crate) fn push(&mut self, text: &str) {
        self.text.push_str(text);
    }

    pub(crate) fn bind(&mut self, value: SqlValue) {
        self.text.push('?');
        self.params.push(value);
    }

    fn append(&mut self, other: Self) {
        self.text.push_str(&other.text);
        self.params.extend(other.params);
    }
}

/// Everything asked of one dataset with one query.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Statements<'a> {
    pub(crate) schema: &'a DatasetSchema,
    pub(crate) relation: &'a Relation,
    pub(crate) query: &'a RowQuery,
}

/// The part of the key order that is read: above the first key, up to and including the second.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Bounds<'a> {
    pub(crate) above: Option<&'a Key>,
    pub(crate) upto: Option<&'a Key>,
    /// Whether the key's index must be used, whatever other index a filter might offer. Right when many ranges are
    /// read one after the other: each of them would walk the other index from its beginning.
    pub(crate) by_key: bool,
}

impl<'a> Statements<'a> {
    /// How many rows match.
    pub(crate) fn count(&self) -> Result<Sql> {
        self.select("count(*)", Bounds::default())
    }

    /// The keys of the matching rows, in any order.
    pub(crate) fn unordered_keys(&self) -> Result<Sql> {
        self.select(&self.key_expressions()?.join(", "), Bounds::default())
    }

    /// The keys of the matching rows above `above`, in order.
    pub(crate) fn keys(&self, above: Option<&Key>) -> Result<Sql> {
        let keys = self.key_expressions()?;
        let mut sql = self.select(&keys.join(", "), Bounds { above, ..Bounds::default() })?;
        sql.push(" ORDER BY ");
        sql.push(&keys.join(", "));
        Ok(sql)
    }

    /// The identities of the matching rows of a partial selection, as they lie in `chosen`, in key order. `None` where
    /// the rows are not found by their identities.
    pub(crate) fn chosen_in_order(&self) -> Result<Option<Sql>> {
        if !self.by_lookup() {
            return Ok(None);
        }
        let identity: Vec<String> = (0..self.schema.identity.len()).map(|index| format!("c.c{index}")).collect();
        let mut sql = self.select(&identity.join(", "), Bounds::default())?;
        sql.push(" ORDER BY ");
        sql.push(&self.key_expressions()?.join(", "));
        Ok(Some(sql))
    }

    /// The number and the total size in bytes of the rows whose keys are in the temporary table `sampled`.
    pub(crate) fn sizes(&self) -> Result<Sql> {
        let mut size = format!("{}", 8 * self.schema.columns.len());
        for column in &self.schema.columns {
            let operand = self.operand(&column.name)?;
            if operand.is_text() {
                size.push_str(&format!(" + coalesce(octet_length({}), 0)", operand.raw));
            }
        }
        let keys = self.key_expressions()?;
        let sampled: Vec<String> = (0..keys.len()).map(|index| format!("k{index}")).collect();
        let mut sql = self.select(&format!("count(*), sum({size})"), Bounds::default())?;
        sql.push(&format!(" AND ({}) IN (SELECT {} FROM temp.sampled)", keys.join(", "), sampled.join(", ")));
        Ok(sql)
    }

    /// The rows within `bounds`, in key order, at most `limit`; the columns asked for, then the key.
    pub(crate) fn range(&self, columns: &[String], bounds: Bounds<'_>, limit: u64) -> Result<Sql> {
        let keys = self.key_expressions()?;
        let mut selected = self.raw_expressions(columns)?;
        selected.extend(keys.iter().cloned());
        let mut sql = self.select(&selected.join(", "), bounds)?;
        sql.push(" ORDER BY ");
        sql.push(&keys.join(", "));
        sql.push(&format!(" LIMIT {limit}"));
        Ok(sql)
    }

    /// At most `limit` rows in `order` after `after`; the columns asked for, the key, and what the order is by.
    pub(crate) fn page(&self, columns: &[String], order: &Order, after: Option<&Position>, limit: u64) -> Result<Sql> {
        let mut selected = self.raw_expressions(columns)?;
        selected.extend(self.key_expressions()?);
        selected.extend(order.expression.clone());
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
        let from = if by_lookup { self.relation.lookup.as_ref() } else { None }.unwrap_or(&self.relation.from);
        let mut sql = Sql { text: format!("SELECT {selected} FROM {from} WHERE 1"), params: Vec::new() };
        match self.query.scope {
            Scope::Row => sql.append(self.conditions(bounds, by_lookup)?),
            Scope::Trace => {
                sql.push(&self.scoped());
                sql.push(" AND ");
                sql.append(self.of_chosen_traces()?);
            }
        }
        let keys = self.key_expressions()?;
        for (bound, operator) in [(bounds.above, ">"), (bounds.upto, "<=")] {
            if let Some(key) = bound {
                sql.push(" AND ");
                sql.append(order::compare_key(&keys, operator, key, !by_lookup)?);
            }
        }
        Ok(sql)
    }

    /// The organization's rows up to the cut-off.
    fn scoped(&self) -> String {
        let scopes = [&self.relation.tenant, &self.relation.cutoff].into_iter().flatten();
        scopes.map(|scope| format!(" AND ({scope})")).collect()
    }

    /// Which rows are chosen: scope, filters and selection.
    fn conditions(&self, bounds: Bounds<'_>, by_lookup: bool) -> Result<Sql> {
        let mut sql = Sql { text: self.scoped(), params: Vec::new() };
        for predicate in &self.query.predicates {
            sql.push(" AND ");
            sql.append(predicate::compile(self, predicate, bounds)?);
        }
        if !by_lookup {
            sql.push(&self.choice()?);
        }
        Ok(sql)
    }

    /// Whether a chosen row is of the same trace. A few that are named are looked up once; else each row's trace is
    /// probed by the index of the identity, so that a range costs what its own traces cost. The probe is wrapped, so
    /// that the names of the relation stand for the chosen row inside and for the row in question outside.
    fn of_chosen_traces(&self) -> Result<Sql> {
        let column = self.schema.trace().ok_or_else(|| {
            Error::new(ErrorKind::Internal, format!("rows of {} are no parts of a trace", self.schema.name))
        })?;
        let trace = self.operand(column)?.raw;
        let named = if matches!(self.query.chosen, Chosen::Only(_)) { self.relation.lookup.as_ref() } else { None };
        let conditions = self.conditions(Bounds::default(), named.is_some())?;
        let mut sql = Sql::default();
        match named {
            Some(lookup) => {
                sql.push(&format!("{trace} IN (SELECT {trace} FROM {lookup} WHERE 1"));
                sql.append(conditions);
                sql.push(")");
            }
            None => {
                let from = &self.relation.from;
                sql.push(&format!("EXISTS (SELECT 1 FROM (SELECT {trace} AS trace FROM {from} WHERE 1"));
                sql.append(conditions);
                sql.push(&format!(") chosen_row WHERE chosen_row.trace = {trace})"));
            }
        }
        Ok(sql)
    }

    /// Whether rows are found by the identities of a partial selection.
    fn by_lookup(&self) -> bool {
        let alone = self.query.scope == Scope::Row;
        alone && matches!(self.query.chosen, Chosen::Only(_)) && self.relation.lookup.is_some()
    }

    /// The identities are in a temporary table whose primary key they are, so each row costs one look-up. The unary
    /// plus keeps the affinity and collation of the row's column from deciding how that table is searched.
    fn choice(&self) -> Result<String> {
        let (not, table) = match &self.query.chosen {
            Chosen::AllExcept(ids) if !ids.is_empty() => ("NOT ", "excluded"),
            Chosen::All | Chosen::AllExcept(_) => return Ok(String::new()),
            Chosen::Only(_) => ("", "chosen"),
        };
        let mut same = Vec::with_capacity(self.schema.identity.len());
        for (index, column) in self.schema.identity.iter().enumerate() {
            same.push(format!("x.c{index} = +{}", self.operand(column)?.compared));
        }
        Ok(format!(" AND {not}EXISTS (SELECT 1 FROM temp.{table} x WHERE {})", same.join(" AND ")))
    }

    pub(crate) fn key_expressions(&self) -> Result<Vec<String>> {
        self.raw_expressions(&self.schema.key)
    }

    fn raw_expressions(&self, columns: &[String]) -> Result<Vec<String>> {
        columns.iter().map(|column| Ok(self.operand(column)?.raw)).collect()
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
        let stored = self.relation.stored.get(column).copied().unwrap_or(Stored::Native);
        Ok(Operand::new(expression, described.ty, stored))
    }
}
