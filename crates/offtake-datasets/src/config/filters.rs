//! The filters of a configured dataset.

use std::collections::BTreeMap;

use offtake_model::dataset::{Column, ColumnType, Filter, FilterOp};

use super::{FilterConfig, NAMES, Wrong, is_name};
use crate::request::is_reserved;

/// The filters, by name.
pub(super) fn compile(
    at: &str,
    columns: &[Column],
    unordered: &[&str],
    configured: &BTreeMap<String, FilterConfig>,
    wrong: &mut Wrong,
) -> Vec<Filter> {
    let mut filters = Vec::with_capacity(configured.len());
    for (name, config) in configured {
        let path = format!("{at}.filters.{name}");
        if is_reserved(name) {
            wrong.at(&path, "requests use this name for something else; give the filter another and say its column");
        } else if !is_name(name) {
            wrong.at(&path, NAMES);
        }
        let op = match operator(&config.op) {
            Ok(op) => op,
            Err(detail) => {
                let inner = if config.columns.is_empty() { path } else { format!("{path}.op") };
                wrong.at(&inner, detail);
                continue;
            }
        };
        let own = [name.clone()];
        let looked_at: &[String] = if config.columns.is_empty() { &own } else { &config.columns };
        if looked_at.len() > 1 && op != FilterOp::Contains {
            wrong.at(&format!("{path}.columns"), "only contains looks at several columns");
        }
        for column in looked_at {
            check(&path, columns, column, op, wrong);
            let text = columns.iter().any(|other| &other.name == column && other.ty == ColumnType::Text);
            if text
                && unordered.contains(&column.as_str())
                && matches!(op, FilterOp::Range | FilterOp::Min | FilterOp::Max)
            {
                let detail = format!(
                    "{column} is compared as text, which has another order; say columns.{column}.type, or take in, eq or contains"
                );
                wrong.at(&path, detail);
            }
        }
        filters.push(Filter { name: name.clone(), columns: looked_at.to_vec(), op });
    }
    filters
}

fn operator(text: &str) -> Result<FilterOp, String> {
    match text {
        "eq" => Ok(FilterOp::Eq),
        "in" => Ok(FilterOp::In),
        "range" => Ok(FilterOp::Range),
        "min" => Ok(FilterOp::Min),
        "max" => Ok(FilterOp::Max),
        "contains" => Ok(FilterOp::Contains),
        "overlaps" => Ok(FilterOp::Overlaps),
        other => Err(format!("{other:?} is no operator; there are: in, eq, range, min, max, contains, overlaps")),
    }
}

fn check(path: &str, columns: &[Column], name: &str, op: FilterOp, wrong: &mut Wrong) {
    let Some(column) = columns.iter().find(|column| column.name == name) else {
        let known: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
        let detail = format!("there is no column {name:?}; there are: {}", known.join(", "));
        return wrong.at(&format!("{path}.column"), detail);
    };
    if op == FilterOp::Overlaps {
        if column.elements.is_none() {
            let detail = format!(
                "{name} is no array whose elements can be named; say columns.{name}.elements if it is JSON in SQLite"
            );
            wrong.at(path, detail);
        }
        return;
    }
    let fits = match (op, column.ty) {
        (FilterOp::Contains | FilterOp::Overlaps, ty) => matches!(ty, ColumnType::Text | ColumnType::Json),
        (FilterOp::Eq | FilterOp::In, ty) => ty != ColumnType::Json,
        (FilterOp::Range | FilterOp::Min | FilterOp::Max, ty) => !matches!(ty, ColumnType::Json | ColumnType::Bool),
    };
    if !fits {
        wrong.at(path, format!("{name} is of type {}, which this operator does not compare", column.ty.name()));
    }
}
