//! The columns of a configured dataset: what the source declares and what the configuration says otherwise.

use std::collections::BTreeMap;

use offtake_model::dataset::{Column, ColumnType};

use super::postgres;
use super::source::Declared;
use super::{ColumnConfig, Wrong};
use crate::relation::{Dialect, Stored};
use crate::sql::is_native;

pub(super) const TYPES: &str = "text, int64, float64, bool, decimal(P,S), timestamp, date or json";

/// The columns in the source's order, and how those are stored that have a choice.
pub(super) fn compile(
    at: &str,
    dialect: Dialect,
    declared: &[Declared],
    configured: &BTreeMap<String, ColumnConfig>,
    wrong: &mut Wrong,
) -> (Vec<Column>, BTreeMap<String, Stored>) {
    for name in configured.keys().filter(|name| !declared.iter().any(|column| &column.name == *name)) {
        wrong
            .at(&format!("{at}.columns.{name}"), format!("the source has no such column; it has: {}", names(declared)));
    }
    let (mut columns, mut stored) = (Vec::with_capacity(declared.len()), BTreeMap::new());
    let nothing = ColumnConfig::default();
    for column in declared {
        let config = configured.get(&column.name).unwrap_or(&nothing);
        let path = format!("{at}.columns.{}", column.name);
        if columns.iter().any(|other: &Column| other.name == column.name) {
            wrong.at(&path, "the query yields two columns of this name");
        }
        let ty = match (&config.r#type, dialect) {
            (Some(text), _) => {
                parse(text).ok_or_else(|| format!("is {TYPES}")).and_then(|ty| readable(ty, column, dialect))
            }
            (None, Dialect::Postgres) => Ok(postgres::inferred(&column.ty)),
            (None, Dialect::Sqlite) => {
                inferred(&column.ty).ok_or_else(|| format!("is declared {:?}: say {TYPES}", column.ty))
            }
        };
        let ty = match ty {
            Ok(ty) => ty,
            Err(detail) => {
                wrong.at(&format!("{path}.type"), detail);
                continue;
            }
        };
        let how = match (dialect, config.stored.as_deref()) {
            (Dialect::Postgres, None) => Ok(Stored::Native),
            (Dialect::Postgres, Some(_)) => Err("is for SQLite: Postgres types its columns itself"),
            (Dialect::Sqlite, stored) => how_stored(ty, stored),
        };
        match how {
            Ok(how) => {
                stored.insert(column.name.clone(), how);
            }
            Err(detail) => wrong.at(&format!("{path}.stored"), detail),
        }
        let elements = match (dialect, config.elements.as_deref()) {
            (Dialect::Postgres, None) if ty == ColumnType::Json => Ok(postgres::elements(&column.ty)),
            (Dialect::Postgres, None) => Ok(None),
            (Dialect::Postgres, Some(_)) => Err("is for SQLite: Postgres types its arrays itself"),
            (Dialect::Sqlite, elements) => self::elements(ty, elements),
        };
        let elements = match elements {
            Ok(elements) => elements,
            Err(detail) => {
                wrong.at(&format!("{path}.elements"), detail);
                None
            }
        };
        let label = config.label.clone().unwrap_or_else(|| column.name.clone());
        super::sensitive::check_type(&format!("{path}.sensitive"), ty, config.sensitive.as_ref(), wrong);
        columns.push(Column {
            name: column.name.clone(),
            ty,
            label,
            sensitive: config.sensitive.clone(),
            elements,
            hex_digits: None,
        });
    }
    (columns, stored)
}

pub(super) fn names(declared: &[Declared]) -> String {
    declared.iter().map(|column| column.name.as_str()).collect::<Vec<_>>().join(", ")
}

/// A type as the configuration spells it.
pub(super) fn parse(text: &str) -> Option<ColumnType> {
    match text {
        "text" => Some(ColumnType::Text),
        "int64" => Some(ColumnType::Int64),
        "float64" => Some(ColumnType::Float64),
        "bool" => Some(ColumnType::Bool),
        "timestamp" => Some(ColumnType::Timestamp),
        "date" => Some(ColumnType::Date),
        "json" => Some(ColumnType::Json),
        _ => decimal(text.strip_prefix("decimal")?),
    }
}

/// Whether values of the declared type are exact in `ty`.
fn readable(ty: ColumnType, column: &Declared, dialect: Dialect) -> Result<ColumnType, String> {
    let declared = &column.ty;
    match dialect {
        Dialect::Sqlite if ty == ColumnType::Date => Err("is text in SQLite, which has no dates".to_owned()),
        Dialect::Sqlite => Ok(ty),
        Dialect::Postgres if matches!(ty, ColumnType::Text | ColumnType::Json) || is_native(ty, declared) => Ok(ty),
        Dialect::Postgres => {
            Err(format!("the column is a {declared}, which cannot be read as {}; text always can", ty.name()))
        }
    }
}

/// `(18,9)`
pub(super) fn decimal(digits: &str) -> Option<ColumnType> {
    let (precision, scale) = digits.trim().strip_prefix('(')?.strip_suffix(')')?.split_once(',')?;
    let (precision, scale): (u8, i8) = (precision.trim().parse().ok()?, scale.trim().parse().ok()?);
    let fits = (1..=38).contains(&precision) && scale >= 0 && u8::try_from(scale).ok()? <= precision;
    fits.then_some(ColumnType::Decimal { precision, scale })
}

/// What people mean by a declared type. SQLite itself knows only affinities.
fn inferred(declared: &str) -> Option<ColumnType> {
    let upper = declared.to_ascii_uppercase();
    let has = |part: &str| upper.contains(part);
    match () {
        () if has("INT") => Some(ColumnType::Int64),
        () if has("BOOL") => Some(ColumnType::Bool),
        () if has("JSON") => Some(ColumnType::Json),
        () if has("TIMESTAMP") || has("DATETIME") => Some(ColumnType::Timestamp),
        () if has("CHAR") || has("CLOB") || has("TEXT") || has("UUID") || upper == "DATE" => Some(ColumnType::Text),
        () if has("REAL") || has("FLOA") || has("DOUB") => Some(ColumnType::Float64),
        () => decimal(upper.strip_prefix("DECIMAL").or_else(|| upper.strip_prefix("NUMERIC"))?),
    }
}

/// The type of the elements that the configuration says an array has.
pub(super) fn elements(ty: ColumnType, configured: Option<&str>) -> Result<Option<ColumnType>, &'static str> {
    match (ty, configured) {
        (_, None) => Ok(None),
        (ColumnType::Json, Some("text")) => Ok(Some(ColumnType::Text)),
        (ColumnType::Json, Some("int64")) => Ok(Some(ColumnType::Int64)),
        (ColumnType::Json, Some(_)) => Err("is text or int64"),
        (_, Some(_)) => Err("only arrays, which are of type json, have elements"),
    }
}

fn how_stored(ty: ColumnType, configured: Option<&str>) -> Result<Stored, &'static str> {
    match (ty, configured) {
        (ColumnType::Timestamp, None | Some("text")) => Ok(Stored::Plain),
        (ColumnType::Timestamp, Some("seconds")) => Ok(Stored::Seconds),
        (ColumnType::Timestamp, Some("milliseconds")) => Ok(Stored::Milliseconds),
        (ColumnType::Timestamp, Some("microseconds")) => Ok(Stored::Native),
        (ColumnType::Timestamp, Some(_)) => Err("is text, seconds, milliseconds or microseconds"),
        (ColumnType::Decimal { .. }, None | Some("number")) => Ok(Stored::Plain),
        (ColumnType::Decimal { precision, .. }, Some("scaled")) if precision <= 18 => Ok(Stored::Native),
        (ColumnType::Decimal { .. }, Some("scaled")) => Err("a scaled INTEGER holds at most 18 digits"),
        (ColumnType::Decimal { .. }, Some(_)) => Err("is number or scaled"),
        (ColumnType::Json, None) => Ok(Stored::Plain),
        (ColumnType::Text | ColumnType::Int64 | ColumnType::Float64 | ColumnType::Bool | ColumnType::Date, None) => {
            Ok(Stored::Native)
        }
        (_, Some(_)) => Err("only timestamps and decimals have a choice"),
    }
}
