//! A filter of a request → predicates.

use offtake_model::dataset::{Column, ColumnType, DatasetSchema, Filter, FilterOp};
use offtake_model::query::{Predicate, Test};
use offtake_model::value::Value;
use serde_json::{Map, Value as Json};

use super::values::{self, Finer};
use super::{Found, pointer};

/// The most values in one filter: SQLite binds at most 32,766 in a statement.
const MOST_VALUES: usize = 10_000;
/// The most values in all filters together.
const MOST_VALUES_IN_ALL: usize = 30_000;

/// The predicates of all filters.
pub(super) fn compile(schema: &DatasetSchema, filters: &Map<String, Json>, found: &mut Found) -> Vec<Predicate> {
    let mut predicates = Vec::new();
    for (name, value) in filters {
        // Unknown ones are somebody else's violation.
        let Some(filter) = schema.filter(name) else { continue };
        let Some(ty) = schema.filter_type(filter) else { continue };
        let of = Of { ty, column: schema.filter_equals(filter) };
        for test in tests(filter, of, value, found) {
            predicates.push(Predicate { columns: filter.columns.clone(), test });
        }
    }
    let values: usize = predicates.iter().map(|predicate| number_of_values(&predicate.test)).sum();
    if values > MOST_VALUES_IN_ALL {
        found.at("", format!("{values} values in all filters are too many; at most {MOST_VALUES_IN_ALL} are possible"));
    }
    predicates
}

/// What a filter's values are compared with: a type, and the column whose texts they have to look like.
#[derive(Clone, Copy)]
struct Of<'a> {
    ty: ColumnType,
    column: Option<&'a Column>,
}

fn number_of_values(test: &Test) -> usize {
    match test {
        Test::OneOf(values) | Test::Overlaps(values) => values.len(),
        Test::AtLeast(_) | Test::AtMost(_) | Test::Below(_) | Test::Contains(_) => 1,
    }
}

fn tests(filter: &Filter, of: Of<'_>, value: &Json, found: &mut Found) -> Vec<Test> {
    let at = pointer(&[&filter.name]);
    let one = |test: Option<Test>| test.into_iter().collect();
    match filter.op {
        FilterOp::Eq | FilterOp::In => one(one_of(of, value, &at, found).map(Test::OneOf)),
        FilterOp::Min => one(bound(of.ty, value, &at, found).map(Test::AtLeast)),
        FilterOp::Max => one(bound(of.ty, value, &at, found).map(Test::AtMost)),
        FilterOp::Contains => one(contains(value, &at, found)),
        FilterOp::Range => range(of.ty, value, &at, found),
        FilterOp::Overlaps => one(one_of(of, value, &at, found).map(Test::Overlaps)),
    }
}

fn one_of(of: Of<'_>, value: &Json, at: &str, found: &mut Found) -> Option<Vec<Value>> {
    let Json::Array(items) = value else {
        return exact(of, value, at, found).map(|value| vec![value]);
    };
    if items.len() > MOST_VALUES {
        found.at(at, format!("{} values are too many; at most {MOST_VALUES} are possible", items.len()));
        return None;
    }
    let values = items.iter().enumerate().map(|(index, item)| exact(of, item, &format!("{at}/{index}"), found));
    values.collect::<Vec<_>>().into_iter().collect()
}

fn exact(of: Of<'_>, value: &Json, at: &str, found: &mut Found) -> Option<Value> {
    let value = match of.column {
        Some(column) => values::equal_to(value, column, Finer::Refused),
        None => values::typed(value, of.ty, Finer::Refused),
    };
    checked(value, at, found)
}

fn bound(ty: ColumnType, value: &Json, at: &str, found: &mut Found) -> Option<Value> {
    checked(values::typed(value, ty, Finer::Floored), at, found)
}

fn checked<T>(value: Result<T, String>, at: &str, found: &mut Found) -> Option<T> {
    value.map_err(|detail| found.at(at, detail)).ok()
}

fn contains(value: &Json, at: &str, found: &mut Found) -> Option<Test> {
    match value {
        Json::String(text) if text.is_empty() => {
            found.at(at, "is a text of at least one character");
            None
        }
        Json::String(text) => checked(values::short(text), at, found).map(|text| Test::Contains(text.to_owned())),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::Array(_) | Json::Object(_) => {
            found.at(at, "is a string");
            None
        }
    }
}

fn range(ty: ColumnType, value: &Json, at: &str, found: &mut Found) -> Vec<Test> {
    const FORM: &str = "is an object with from, to or both: {\"from\": …, \"to\": …}, to not included";
    let Json::Object(ends) = value else {
        found.at(at, FORM);
        return Vec::new();
    };
    for name in ends.keys().filter(|name| !matches!(name.as_str(), "from" | "to")) {
        found.at(&format!("{at}{}", pointer(&[name])), "a range has from and to");
    }
    let mut end = |name: &str| ends.get(name).map(|end| bound(ty, end, &format!("{at}/{name}"), found));
    let (from, to) = (end("from"), end("to"));
    match (&from, &to) {
        (None, None) => found.at(at, FORM),
        (Some(Some(from)), Some(Some(to))) if !below(from, to) => found.at(at, "from is before to"),
        _ => {}
    }
    let from = from.flatten().map(Test::AtLeast);
    from.into_iter().chain(to.flatten().map(Test::Below)).collect()
}

/// Whether one value of a type is less than another of the same.
fn below(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Int(one), Value::Int(other)) | (Value::Timestamp(one), Value::Timestamp(other)) => one < other,
        (Value::Date(one), Value::Date(other)) => one < other,
        (Value::Float(one), Value::Float(other)) => one < other,
        (Value::Text(one), Value::Text(other)) => one < other,
        (Value::Decimal { unscaled: a, scale: s }, Value::Decimal { unscaled: b, scale: t }) => less(*a, *s, *b, *t),
        _ => false,
    }
}

/// `a × 10^-s < b × 10^-t`, without leaving 128 bits: whole parts first, then fractions.
fn less(a: i128, s: i8, b: i128, t: i8) -> bool {
    let split = |unscaled: i128, scale: i8| {
        let power = 10_i128.pow(u32::from(scale.unsigned_abs()));
        (unscaled.div_euclid(power), unscaled.rem_euclid(power) * 10_i128.pow(u32::from((38 - scale).unsigned_abs())))
    };
    split(a, s) < split(b, t)
}
