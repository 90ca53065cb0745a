//! Orders and positions in them: rows are resumed by values, never by counting.

use offtake_model::dataset::ColumnType;
use offtake_model::plan::Key;
use offtake_model::query::Sort;
use offtake_model::{Error, Result};
use rusqlite::types::Value as SqlValue;

use super::{Operand, Sql, Statements, key_value};

/// `(k1, k2) > (?, ?)`; with `seek` false, in a form that no index of SQLite can serve.
pub(super) fn compare_key(keys: &[Operand], operator: &str, key: &Key, seek: bool) -> Result<Sql> {
    let values = keys.iter().zip(key).map(|(operand, value)| {
        if operand.is_postgres() { operand.literal(value).map(SqlValue::Text) } else { key_value(value) }
    });
    let values = values.collect::<Result<Vec<_>>>()?;
    let terms: Vec<Term> = keys.iter().map(Term::key).collect();
    Ok(compare(&terms, operator, values, seek))
}

fn compare(keys: &[Term], operator: &str, values: Vec<SqlValue>, seek: bool) -> Sql {
    let plus = if seek { "" } else { "+" };
    let names: Vec<String> = keys.iter().map(|key| format!("{plus}{}", key.expression)).collect();
    let mut sql = Sql::default();
    sql.push(&format!("({}) {operator} (", names.join(", ")));
    for (index, (key, value)) in keys.iter().zip(values).enumerate() {
        if index > 0 {
            sql.push(", ");
        }
        sql.bind_as(value, &key.cast);
    }
    sql.push(")");
    sql
}

/// Something that rows are ordered by.
#[derive(Debug, Clone)]
struct Term {
    expression: String,
    /// What follows a value that is compared with it: `::uuid` in Postgres.
    cast: String,
    /// The value as a position keeps it: exact and whole.
    position: String,
}

impl Term {
    fn key(operand: &Operand) -> Self {
        Self::new(operand, operand.raw.clone(), operand.key_type())
    }

    fn new(operand: &Operand, expression: String, ty: &str) -> Self {
        if operand.is_postgres() {
            let position = format!("({expression})::text");
            return Self { expression, cast: format!("::{ty}"), position };
        }
        Self { position: expression.clone(), expression, cast: String::new() }
    }
}

/// The order of a page: by a column or by the key, ties broken by the key.
#[derive(Debug, Clone)]
pub(crate) struct Order {
    /// What is sorted by first, if it is not the key.
    sorted: Option<Term>,
    keys: Vec<Term>,
    descending: bool,
    /// What makes NULLs come first ascending and last descending, where they would not.
    nulls: &'static str,
}

/// A row's place in an [`Order`], in stored values; in Postgres, in texts.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Position {
    /// The value of what is sorted by first.
    pub(crate) sorted: Option<SqlValue>,
    /// The key.
    pub(crate) key: Vec<SqlValue>,
}

impl Order {
    pub(super) fn new(statements: &Statements<'_>, sort: Option<&Sort>) -> Result<Self> {
        let keys: Vec<Term> = statements.keys_operands()?.iter().map(Term::key).collect();
        let Some(sort) = sort else {
            return Ok(Self { sorted: None, keys, descending: false, nulls: "" });
        };
        match statements.schema.column(&sort.column).map(|column| column.ty) {
            None => Err(Error::invalid_at("/sort", format!("there is no column {:?} to sort by", sort.column))),
            Some(ColumnType::Json) => {
                Err(Error::invalid_at("/sort", format!("{} holds JSON, which has no order", sort.column)))
            }
            Some(_) => {
                let operand = statements.operand(&sort.column)?;
                let by_key = operand.is_bare() && keys.first().is_some_and(|key| key.expression == operand.raw);
                let sorted = (!by_key).then(|| Term::new(&operand, operand.in_byte_order(), operand.value_type()));
                let nulls = match (operand.is_postgres(), sort.descending) {
                    (false, _) => "",
                    (true, false) => " NULLS FIRST",
                    (true, true) => " NULLS LAST",
                };
                Ok(Self { sorted, keys, descending: sort.descending, nulls })
            }
        }
    }

    /// Whether something comes before the key.
    pub(crate) const fn is_sorted(&self) -> bool {
        self.sorted.is_some()
    }

    /// What a position is read from: the key, then what is sorted by first.
    pub(super) fn positions(&self) -> impl Iterator<Item = String> {
        self.keys.iter().chain(&self.sorted).map(|term| term.position.clone())
    }

    /// The terms of ORDER BY. NULLs come first ascending, last descending; keys have none.
    pub(super) fn terms(&self) -> String {
        let direction = if self.descending { " DESC" } else { "" };
        let sorted = self.sorted.iter().map(|term| format!("{}{direction}{}", term.expression, self.nulls));
        let keys = self.keys.iter().map(|term| format!("{}{direction}", term.expression));
        sorted.chain(keys).collect::<Vec<_>>().join(", ")
    }

    /// Whether a row comes after `position`.
    pub(super) fn after(&self, position: &Position) -> Result<Sql> {
        let operator = if self.descending { "<" } else { ">" };
        let key = compare(&self.keys, operator, position.key.clone(), true);
        let Some(Term { expression, cast, .. }) = &self.sorted else {
            return Ok(key);
        };
        let mut sql = Sql::default();
        match (&position.sorted, self.descending) {
            (None | Some(SqlValue::Null), descending) => {
                sql.push(&format!("(({expression} IS NULL AND "));
                sql.append(key);
                sql.push(")");
                if !descending {
                    sql.push(&format!(" OR {expression} IS NOT NULL"));
                }
            }
            (Some(value), descending) => {
                sql.push(&format!("(({expression} = "));
                sql.bind_as(value.clone(), cast);
                sql.push(" AND ");
                sql.append(key);
                sql.push(&format!(") OR {expression} {operator} "));
                sql.bind_as(value.clone(), cast);
                if descending {
                    sql.push(&format!(" OR {expression} IS NULL"));
                }
            }
        }
        sql.push(")");
        Ok(sql)
    }
}
