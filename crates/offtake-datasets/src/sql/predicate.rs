//! One predicate → SQL. NULL passes none of them.

use offtake_model::dataset::ColumnType;
use offtake_model::query::{Predicate, Test};
use offtake_model::selection::Scope;
use offtake_model::value::Value;
use offtake_model::{Error, ErrorKind, Result};
use rusqlite::types::Value as SqlValue;
use serde_json::Value as Json;

use super::{Bound, Bounds, Encoded, Operand, Sql, Statements, array};
use crate::escape;
use crate::relation::Dialect;

/// The predicate in parentheses.
pub(super) fn compile(statements: &Statements<'_>, predicate: &Predicate, bounds: Bounds<'_>) -> Result<Sql> {
    let mut sql = Sql::default();
    sql.push("(");
    for (index, column) in predicate.columns.iter().enumerate() {
        if index > 0 {
            sql.push(" OR ");
        }
        let mut operand = statements.operand(column)?;
        match statements.relation.dialect {
            Dialect::Postgres if is_implied(statements, column, &predicate.test, bounds) => {
                sql.push("TRUE");
                continue;
            }
            Dialect::Sqlite if operand.is_bare() && !may_seek(statements, column, &predicate.test, bounds) => {
                operand.compared.insert(0, '+');
            }
            Dialect::Sqlite | Dialect::Postgres => {}
        }
        sql.append(test(&operand, &predicate.test)?);
    }
    if predicate.columns.is_empty() {
        sql.push("FALSE");
    }
    sql.push(")");
    Ok(sql)
}

/// Whether the planner may use an index for this test. A range is found by its bounds: a filter on the same column
/// must not take their place (each range would be read from the filter's end), nor, among many ranges, any other.
fn may_seek(statements: &Statements<'_>, column: &str, test: &Test, bounds: Bounds<'_>) -> bool {
    if statements.by_lookup() || statements.query.scope == Scope::Trace {
        // An identity or a trace finds few rows; anything else finds more, once for each of them.
        return false;
    }
    if leads(statements, column, test, bounds) {
        return false;
    }
    let first = statements.schema.key.first().is_some_and(|key| key == column);
    match test {
        Test::AtLeast(_) | Test::AtMost(_) | Test::Below(_) if first => true,
        Test::OneOf(_)
        | Test::AtLeast(_)
        | Test::AtMost(_)
        | Test::Below(_)
        | Test::Contains(_)
        | Test::Overlaps(_) => !bounds.by_key,
    }
}

/// Whether the test bounds the first column of the key on a side where the range is bounded too.
fn leads(statements: &Statements<'_>, column: &str, test: &Test, bounds: Bounds<'_>) -> bool {
    let first = statements.schema.key.first().is_some_and(|key| key == column);
    match test {
        Test::AtLeast(_) => first && bounds.above.is_some(),
        Test::AtMost(_) | Test::Below(_) => first && bounds.upto.is_some(),
        Test::OneOf(_) | Test::Contains(_) | Test::Overlaps(_) => false,
    }
}

/// Bounds are keys of rows that pass the test, so what lies between passes too, where the test has the order of the
/// key. Postgres would begin at the filter's end for every range otherwise, and has no sign to tell it not to.
fn is_implied(statements: &Statements<'_>, column: &str, test: &Test, bounds: Bounds<'_>) -> bool {
    let text = statements.schema.column(column).is_none_or(|column| column.ty == ColumnType::Text);
    !text && leads(statements, column, test, bounds)
}

fn test(operand: &Operand, test: &Test) -> Result<Sql> {
    match test {
        Test::OneOf(values) => one_of(operand, values),
        Test::AtLeast(value) => compare(operand, ">=", value, Bound::Up),
        Test::AtMost(value) => compare(operand, "<=", value, Bound::Down),
        Test::Below(value) => compare(operand, "<", value, Bound::Up),
        Test::Contains(text) => Ok(contains(operand, text)),
        Test::Overlaps(values) => overlaps(operand, values),
    }
}

/// Arrays of Postgres are compared as they are, so that an index on them serves; those of SQLite are JSON, and so is
/// the list they are compared with.
fn overlaps(operand: &Operand, values: &[Value]) -> Result<Sql> {
    let mut sql = Sql::default();
    if let Some(arrays) = operand.arrays(values)? {
        sql.push(&format!("{} && ", arrays.compared));
        sql.bind_as(array(&arrays.values).into(), &format!("::{}", arrays.cast));
        return Ok(sql);
    }
    let elements = values.iter().map(|value| match value {
        Value::Text(text) => Ok(Json::from(text.as_str())),
        Value::Int(int) => Ok(Json::from(*int)),
        Value::Null
        | Value::Bool(_)
        | Value::Float(_)
        | Value::Decimal { .. }
        | Value::Timestamp(_)
        | Value::Date(_) => Err(Error::new(ErrorKind::Internal, "only texts and integers are looked for in arrays")),
    });
    let elements = elements.collect::<Result<Json>>()?;
    sql.push(&format!("offtake_overlaps({}, ", operand.raw));
    sql.bind(elements.to_string().into());
    sql.push(")");
    Ok(sql)
}

/// LIKE would read `%` and `_` as patterns; the collation "C" knows ASCII letters alone.
fn contains(operand: &Operand, text: &str) -> Sql {
    let mut sql = Sql::default();
    let text = text.to_ascii_lowercase();
    if !operand.is_postgres() {
        sql.push(&format!("offtake_contains({}, ", operand.raw));
        sql.bind(text.into());
        sql.push(")");
    } else if text.contains('\0') && !operand.is_escaped() {
        sql.push("FALSE");
    } else {
        let text = if operand.is_escaped() { escape::escaped(&text).into_owned() } else { text };
        sql.push(&format!("strpos(lower({} COLLATE \"C\"), ", operand.in_text()));
        sql.bind_as(text.into(), "::text");
        sql.push(") > 0");
    }
    sql
}

fn one_of(operand: &Operand, values: &[Value]) -> Result<Sql> {
    let encoded = values.iter().map(|value| operand.encode(value, Bound::Exact)).collect::<Result<Vec<_>>>()?;
    let stored = encoded.into_iter().filter_map(|encoded| match encoded {
        Encoded::Stored(stored) => Some(stored),
        Encoded::Below | Encoded::Above | Encoded::Nothing => None,
    });
    let mut sql = Sql::default();
    if operand.is_postgres() {
        let texts = stored.filter_map(|value| if let SqlValue::Text(text) = value { Some(text) } else { None });
        sql.push(&format!("{} = ANY (", operand.compared));
        sql.bind_as(array(&texts.collect::<Vec<_>>()).into(), &format!("::{}[]", operand.value_type()));
    } else {
        sql.push(&format!("{} IN (", operand.compared));
        for (index, stored) in stored.enumerate() {
            if index > 0 {
                sql.push(",");
            }
            sql.bind(stored);
        }
    }
    sql.push(")");
    Ok(sql)
}

fn compare(operand: &Operand, operator: &str, value: &Value, bound: Bound) -> Result<Sql> {
    let mut sql = Sql::default();
    let everything = |below: bool| below == (operator == ">=");
    match operand.encode(value, bound)? {
        Encoded::Stored(stored) => {
            sql.push(&format!("{} {operator} ", operand.in_byte_order()));
            let cast = operand.value_type();
            sql.bind_as(stored, &if cast.is_empty() { String::new() } else { format!("::{cast}") });
        }
        Encoded::Below if everything(true) => sql.push(&format!("{} IS NOT NULL", operand.raw)),
        Encoded::Above if everything(false) => sql.push(&format!("{} IS NOT NULL", operand.raw)),
        Encoded::Below | Encoded::Above | Encoded::Nothing => sql.push("FALSE"),
    }
    Ok(sql)
}
