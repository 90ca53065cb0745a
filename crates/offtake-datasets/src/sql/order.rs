//! Orders and positions in them: rows are resumed by values, never by counting.

use offtake_model::dataset::ColumnType;
use offtake_model::plan::Key;
use offtake_model::query::Sort;
use offtake_model::{Error, Result};
use rusqlite::types::Value as SqlValue;

use super::{Sql, Statements, key_value};

/// `(k1, k2) > (?, ?)`; with `seek` false, in a form that no index can serve.
pub(super) fn compare_key(keys: &[String], operator: &str, key: &Key, seek: bool) -> Result<Sql> {
    let values = key.iter().map(key_value).collect::<Result<Vec<_>>>()?;
    Ok(compare(keys, operator, values, seek))
}

fn compare(keys: &[String], operator: &str, values: Vec<SqlValue>, seek: bool) -> Sql {
    let plus = if seek { "" } else { "+" };
    let names: Vec<String> = keys.iter().map(|key| format!("{plus}{key}")).collect();
    let mut sql = Sql::default();
    sql.push(&format!("({}) {operator} (", names.join(", ")));
    for (index, value) in values.into_iter().enumerate() {
        if index > 0 {
            sql.push(", ");
        }
        sql.bind(value);
    }
    sql.push(")");
    sql
}

/// The order of a page: by a column or by the key, ties broken by the key.
#[derive(Debug, Clone)]
pub(crate) struct Order {
    /// What is sorted by first, if it is not the key.
    pub(crate) expression: Option<String>,
    keys: Vec<String>,
    descending: bool,
}

/// A row's place in an [`Order`], in stored values.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Position {
    /// The value of [`Order::expression`].
    pub(crate) sorted: Option<SqlValue>,
    /// The key.
    pub(crate) key: Vec<SqlValue>,
}

impl Order {
    pub(super) fn new(statements: &Statements<'_>, sort: Option<&Sort>) -> Result<Self> {
        let keys = statements.key_expressions()?;
        let Some(sort) = sort else {
            return Ok(Self { expression: None, keys, descending: false });
        };
        match statements.schema.column(&sort.column).map(|column| column.ty) {
            None => Err(Error::invalid_at("/sort", format!("there is no column {:?} to sort by", sort.column))),
            Some(ColumnType::Json) => {
                Err(Error::invalid_at("/sort", format!("{} holds JSON, which has no order", sort.column)))
            }
            Some(_) => {
                let operand = statements.operand(&sort.column)?;
                let by_key = operand.is_bare() && keys.first() == Some(&operand.raw);
                let expression = (!by_key).then_some(operand.compared);
                Ok(Self { expression, keys, descending: sort.descending })
            }
        }
    }

    /// The terms of ORDER BY. NULLs come first ascending, last descending.
    pub(super) fn terms(&self) -> String {
        let direction = if self.descending { " DESC" } else { "" };
        let terms: Vec<String> =
            self.expression.iter().chain(&self.keys).map(|term| format!("{term}{direction}")).collect();
        terms.join(", ")
    }

    /// Whether a row comes after `position`.
    pub(super) fn after(&self, position: &Position) -> Result<Sql> {
        let operator = if self.descending { "<" } else { ">" };
        let key = compare(&self.keys, operator, position.key.clone(), true);
        let Some(expression) = &self.expression else {
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
                sql.bind(value.clone());
                sql.push(" AND ");
                sql.append(key);
                sql.push(&format!(") OR {expression} {operator} "));
                sql.bind(value.clone());
                if descending {
                    sql.push(&format!(" OR {expression} IS NULL"));
                }
            }
        }
        sql.push(")");
        Ok(sql)
    }
}
