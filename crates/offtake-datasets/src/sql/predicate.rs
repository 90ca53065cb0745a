//! One predicate → SQL. NULL passes none of them.

use offtake_model::Result;
use offtake_model::query::{Predicate, Test};
use offtake_model::selection::Scope;
use offtake_model::value::Value;

use super::{Bound, Bounds, Encoded, Operand, Sql, Statements};

/// The predicate in parentheses.
pub(super) fn compile(statements: &Statements<'_>, predicate: &Predicate, bounds: Bounds<'_>) -> Result<Sql> {
    let mut sql = Sql::default();
    sql.push("(");
    for (index, column) in predicate.columns.iter().enumerate() {
        if index > 0 {
            sql.push(" OR ");
        }
        let mut operand = statements.operand(column)?;
        if operand.is_bare() && !may_seek(statements, column, &predicate.test, bounds) {
            operand.compared.insert(0, '+');
        }
        sql.append(test(&operand, &predicate.test)?);
    }
    if predicate.columns.is_empty() {
        sql.push("0");
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
    let first = statements.schema.key.first().is_some_and(|key| key == column);
    match test {
        Test::AtLeast(_) if first => bounds.above.is_none(),
        Test::AtMost(_) | Test::Below(_) if first => bounds.upto.is_none(),
        Test::OneOf(_) | Test::AtLeast(_) | Test::AtMost(_) | Test::Below(_) | Test::Contains(_) => !bounds.by_key,
    }
}

fn test(operand: &Operand, test: &Test) -> Result<Sql> {
    match test {
        Test::OneOf(values) => one_of(operand, values),
        Test::AtLeast(value) => compare(operand, ">=", value, Bound::Up),
        Test::AtMost(value) => compare(operand, "<=", value, Bound::Down),
        Test::Below(value) => compare(operand, "<", value, Bound::Up),
        Test::Contains(text) => {
            let mut sql = Sql::default();
            sql.push(&format!("offtake_contains({}, ", operand.raw));
            sql.bind(text.to_ascii_lowercase().into());
            sql.push(")");
            Ok(sql)
        }
    }
}

fn one_of(operand: &Operand, values: &[Value]) -> Result<Sql> {
    let mut sql = Sql::default();
    sql.push(&format!("{} IN (", operand.compared));
    let mut first = true;
    for value in values {
        if let Encoded::Stored(stored) = operand.encode(value, Bound::Exact)? {
            if !first {
                sql.push(",");
            }
            first = false;
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
            sql.push(&format!("{} {operator} ", operand.compared));
            sql.bind(stored);
        }
        Encoded::Below if everything(true) => sql.push(&format!("{} IS NOT NULL", operand.raw)),
        Encoded::Above if everything(false) => sql.push(&format!("{} IS NOT NULL", operand.raw)),
        Encoded::Below | Encoded::Above | Encoded::Nothing => sql.push("0"),
    }
    Ok(sql)
}
