//! Sensitive columns: what those get of them who may not read them as they are.
//!
//! Responsible for the one decision of what an export, a page or a preview shows of a sensitive column, and for what
//! nobody may be told who gets it veiled: filters look at such a column, and so do windows. Not responsible for the cells:
//! that is `offtake-pipeline`.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use crate::dataset::{Column, ColumnType, DatasetSchema, Filter};
use crate::error::{Error, ErrorKind, Result};
use crate::export::{ExportSpec, Field, RowsSpec};
use crate::json_path::JsonPaths;
use crate::permission::{Permission, Permissions};

/// What stands for a text that is not shown, in files and in answers.
pub const MASKED: &str = "***";

/// What is made of a sensitive column for those who may not read it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Treatment {
    /// Texts become [`MASKED`], everything else NULL.
    Mask,
    /// Values become texts that are equal where they are, and tell nothing else.
    Hash,
    /// The column is not there.
    Drop,
    /// What is at these places of a JSON document becomes [`MASKED`]; the rest stays as it is.
    Redact(JsonPaths),
}

/// What somebody gets of a column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shown {
    /// Its values.
    Clear,
    /// See [`Treatment::Mask`].
    Mask,
    /// See [`Treatment::Hash`].
    Hash,
    /// Nothing.
    Drop,
    /// See [`Treatment::Redact`].
    Redact(JsonPaths),
}

impl From<Treatment> for Shown {
    fn from(treatment: Treatment) -> Self {
        match treatment {
            Treatment::Mask => Self::Mask,
            Treatment::Hash => Self::Hash,
            Treatment::Drop => Self::Drop,
            Treatment::Redact(paths) => Self::Redact(paths),
        }
    }
}

impl Shown {
    /// The type that a column of type `ty` has then.
    pub const fn type_of(&self, ty: ColumnType) -> ColumnType {
        match self {
            Self::Hash => ColumnType::Text,
            Self::Clear | Self::Mask | Self::Drop | Self::Redact(_) => ty,
        }
    }

    /// In one word.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Clear => "clear",
            Self::Mask => "mask",
            Self::Hash => "hash",
            Self::Drop => "drop",
            Self::Redact(_) => "redact",
        }
    }

    /// What was decided of a column, where `now` is what somebody without the permission gets of it: never more than
    /// both.
    fn narrowed_to(&self, now: Self) -> Self {
        match (self, now) {
            (Self::Redact(decided), Self::Redact(now)) => Self::Redact(decided.with(&now)),
            (Self::Clear | Self::Redact(_), now) => now,
            (Self::Mask | Self::Hash | Self::Drop, _) => self.clone(),
        }
    }
}

/// Whether somebody may read sensitive columns as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sight {
    /// They may.
    Clear,
    /// They get what the columns' treatment leaves.
    Veiled,
}

impl Sight {
    /// Of whoever has these permissions.
    pub fn of(permissions: &Permissions) -> Self {
        if permissions.allow(&Permission::PiiRead) { Self::Clear } else { Self::Veiled }
    }

    /// What to say of something that needs more than this. `what` is a sensitive column, or speaks of one.
    pub fn refusal(what: &str) -> String {
        format!("{what}, which is sensitive: the permission {} is needed", Permission::PiiRead)
    }
}

impl Column {
    /// What it is shown as.
    pub fn shown(&self, sight: Sight) -> Shown {
        match (&self.sensitive, sight) {
            (None, _) | (Some(_), Sight::Clear) => Shown::Clear,
            (Some(treatment), Sight::Veiled) => treatment.clone().into(),
        }
    }
}

impl DatasetSchema {
    /// Whether this column is sensitive.
    pub fn is_sensitive(&self, column: &str) -> bool {
        self.column(column).is_some_and(|column| column.sensitive.is_some())
    }

    /// Whether the filter looks at a sensitive column: its answers would tell what is in there, bit by bit.
    pub fn filter_is_sensitive(&self, filter: &Filter) -> bool {
        filter.columns.iter().any(|column| self.is_sensitive(column))
    }

    /// The names of what a request says about sensitive columns: filters, and the window if it is about one.
    pub fn sensitive_members<'a>(&'a self, rows: &'a RowsSpec) -> Vec<&'a str> {
        let is_sensitive = |name: &&String| self.filter(name).is_some_and(|filter| self.filter_is_sensitive(filter));
        let filters = rows.filters.keys().filter(is_sensitive).map(String::as_str);
        let window = [("start_time", &rows.start_time), ("end_time", &rows.end_time)].into_iter();
        let about_time = self.time.as_deref().is_some_and(|time| self.is_sensitive(time));
        let window = window.filter(|(_, said)| about_time && said.is_some()).map(|(name, _)| name);
        filters.chain(window).collect()
    }

    /// The sensitive columns that decide which rows a request gets.
    fn chosen_by(&self, rows: &RowsSpec) -> BTreeSet<&str> {
        let filters = rows.filters.keys().filter_map(|name| self.filter(name));
        let columns = filters.flat_map(|filter| &filter.columns).map(String::as_str);
        let windowed = rows.start_time.is_some() || rows.end_time.is_some();
        columns.chain(self.time.as_deref().filter(|_| windowed)).filter(|column| self.is_sensitive(column)).collect()
    }

    /// The sensitive columns that a file has if nothing is taken from it.
    fn shown_in(&self, fields: Option<&[Field]>) -> Vec<&Column> {
        let names: Vec<&str> = match fields {
            Some(fields) => fields.iter().map(Field::name).collect(),
            None => self.default_columns.iter().map(String::as_str).collect(),
        };
        let columns = names.into_iter().filter_map(|name| self.column(name));
        columns.filter(|column| column.sensitive.is_some()).collect()
    }
}

/// What an export shows of sensitive columns: of those its file is made of, and of those its rows are chosen by.
///
/// Decided when it is asked for, by what its owner may see then, and kept with its spec: whoever runs or retries it
/// later, the file is the same.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Disclosure(BTreeMap<String, Shown>);

impl Disclosure {
    /// The decision for whoever has this sight.
    pub fn decide(schema: &DatasetSchema, fields: Option<&[Field]>, rows: &RowsSpec, sight: Sight) -> Self {
        let chosen_by = schema.chosen_by(rows).into_iter().map(|name| (name.to_owned(), Shown::Clear));
        let shown = schema.shown_in(fields).into_iter().map(|column| (column.name.clone(), column.shown(sight)));
        Self(chosen_by.chain(shown).collect())
    }

    /// The decision for a job that begins now, where its owner has this sight now: never more than was decided, and
    /// nothing of a column that has become sensitive since.
    ///
    /// # Errors
    /// `forbidden` if its rows are chosen by a sensitive column, and the owner may not do that any more.
    pub fn narrowed(spec: &ExportSpec, schema: &DatasetSchema, sight: Sight) -> Result<Self> {
        if sight == Sight::Veiled
            && let Some(column) = schema.chosen_by(&spec.rows).first()
        {
            let detail = Sight::refusal(&format!("the rows are chosen by {column}"));
            return Err(Error::new(ErrorKind::Forbidden, detail));
        }
        let mut narrowed = spec.disclosure.0.clone();
        for name in schema.chosen_by(&spec.rows) {
            narrowed.entry(name.to_owned()).or_insert(Shown::Clear);
        }
        for column in schema.shown_in(spec.fields.as_deref()) {
            let now = match spec.disclosure.0.get(&column.name) {
                Some(Shown::Clear) => column.shown(sight),
                Some(decided) => decided.narrowed_to(column.shown(Sight::Veiled)),
                None => column.shown(Sight::Veiled),
            };
            narrowed.insert(column.name.clone(), now);
        }
        Ok(Self(narrowed))
    }

    /// What is shown of a column. Nothing is shown as it is of a sensitive one that no decision was made about.
    pub fn shown(&self, column: &Column) -> Shown {
        self.0.get(&column.name).cloned().unwrap_or_else(|| column.shown(Sight::Veiled))
    }

    /// Whether it is about no column at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The columns that are left out.
    pub fn dropped(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter(|(_, shown)| **shown == Shown::Drop).map(|(name, _)| name.as_str())
    }
}

impl ExportSpec {
    /// Whether its file tells what is in sensitive columns: only those may have it who may read them. `schema` is the
    /// dataset as it is now, where it is known: a column may have become sensitive since the file was made.
    pub fn tells_sensitive(&self, schema: Option<&DatasetSchema>) -> bool {
        let decided = &self.disclosure.0;
        let undecided = |name: &str| !decided.contains_key(name);
        let tells_more = |column: &Column| match decided.get(&column.name) {
            Some(Shown::Redact(paths)) => {
                !matches!(&column.sensitive, Some(Treatment::Redact(now)) if paths.contain(now))
            }
            Some(Shown::Clear | Shown::Mask | Shown::Hash | Shown::Drop) => false,
            None => true,
        };
        let since = schema.is_some_and(|schema| {
            schema.shown_in(self.fields.as_deref()).into_iter().any(tells_more)
                || schema.chosen_by(&self.rows).into_iter().any(undecided)
        });
        since || decided.values().any(|shown| *shown == Shown::Clear)
    }

    /// The spec without what it says of sensitive columns: what a name may be made of.
    #[must_use]
    pub fn without_sensitive(&self, schema: &DatasetSchema) -> Self {
        let mut told = self.clone();
        for member in schema.sensitive_members(&self.rows) {
            match member {
                "start_time" => told.rows.start_time = None,
                "end_time" => told.rows.end_time = None,
                filter => drop(told.rows.filters.shift_remove(filter)),
            }
        }
        told
    }

    /// The spec as JSON for somebody with this sight: what it says of sensitive columns is masked. Where the dataset is
    /// not known any more, that is everything it says of rows.
    pub fn as_seen(&self, schema: Option<&DatasetSchema>, sight: Sight) -> Json {
        let mut json = serde_json::to_value(self).unwrap_or_default();
        if sight == Sight::Clear {
            return json;
        }
        let filters = || self.rows.filters.keys().map(String::as_str).collect();
        let hidden = schema.map_or_else(filters, |schema| schema.sensitive_members(&self.rows));
        if let Some(members) = json.as_object_mut() {
            mask(members, hidden);
        }
        json
    }
}

/// Masks the members of these names, where they are.
pub fn mask<'a>(members: &mut Map<String, Json>, names: impl IntoIterator<Item = &'a str>) {
    for name in names {
        if let Some(value) = members.get_mut(name) {
            *value = MASKED.into();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::{FilterOp, Limits, RowsMode};

    fn schema() -> DatasetSchema {
        let column = |name: &str, sensitive: Option<Treatment>| Column {
            name: name.to_owned(),
            ty: ColumnType::Text,
            label: name.to_owned(),
            sensitive,
            elements: None,
            hex_digits: None,
        };
        let filter = |name: &str, columns: &[&str]| Filter {
            name: name.to_owned(),
            columns: columns.iter().map(|&column| column.to_owned()).collect(),
            op: FilterOp::Contains,
        };
        DatasetSchema {
            name: "people".to_owned(),
            title: "People".to_owned(),
            permission: Permission::Dataset("people".to_owned()),
            columns: vec![
                column("id", None),
                column("email", Some(Treatment::Hash)),
                column("notes", Some(Treatment::Mask)),
                column("iban", Some(Treatment::Drop)),
                column("seen_at", Some(Treatment::Mask)),
            ],
            key: vec!["id".to_owned()],
            identity: vec!["id".to_owned()],
            time: Some("seen_at".to_owned()),
            rows: RowsMode::AppendOnly,
            filters: vec![filter("id", &["id"]), filter("text", &["id", "notes"])],
            default_columns: ["id", "email", "iban"].map(str::to_owned).to_vec(),
            limits: Limits { rows: None, days: 365, identities: 10 },
        }
    }

    fn spec(more: Json, sight: Sight) -> ExportSpec {
        let mut json = serde_json::json!({"dataset": "people", "format": "csv"});
        json.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let mut spec: ExportSpec = serde_json::from_value(json).unwrap();
        spec.disclosure = Disclosure::decide(&schema(), spec.fields.as_deref(), &spec.rows, sight);
        spec
    }

    fn said(disclosure: &Disclosure) -> Json {
        serde_json::to_value(disclosure).unwrap()
    }

    #[test]
    fn the_decision_is_about_the_columns_of_the_file_and_of_the_filters() {
        let veiled = spec(serde_json::json!({}), Sight::Veiled);
        assert_eq!(said(&veiled.disclosure), serde_json::json!({"email": "hash", "iban": "drop"}));
        assert!(!veiled.tells_sensitive(Some(&schema())));
        let clear = spec(serde_json::json!({"fields": ["id"], "text": "x"}), Sight::Clear);
        assert_eq!(said(&clear.disclosure), serde_json::json!({"notes": "clear"}));
        assert!(clear.tells_sensitive(None), "which rows there are tells what is in the column");
        let plain = spec(serde_json::json!({"fields": ["id"], "id": "x"}), Sight::Clear);
        assert!(plain.disclosure.is_empty() && !plain.tells_sensitive(Some(&schema())));
    }

    #[test]
    fn a_decision_decides_the_fingerprint() {
        let (clear, veiled) = (spec(serde_json::json!({}), Sight::Clear), spec(serde_json::json!({}), Sight::Veiled));
        assert_ne!(clear.sha256(), veiled.sha256());
        let back: ExportSpec = serde_json::from_value(serde_json::to_value(&veiled).unwrap()).unwrap();
        assert_eq!(back, veiled);
        assert!(
            !serde_json::to_string(&spec(serde_json::json!({"fields": ["id"]}), Sight::Clear))
                .unwrap()
                .contains("disclosure")
        );
    }

    #[test]
    fn a_job_that_begins_gets_no_more_than_was_decided() {
        let clear = spec(serde_json::json!({"fields": ["id", "email", "notes"]}), Sight::Clear);
        let narrowed = |spec: &ExportSpec, sight| Disclosure::narrowed(spec, &schema(), sight);
        assert_eq!(narrowed(&clear, Sight::Clear).unwrap(), clear.disclosure);
        let withheld = narrowed(&clear, Sight::Veiled).unwrap();
        assert_eq!(said(&withheld), serde_json::json!({"email": "hash", "notes": "mask"}));
        // Asked for veiled, it stays so, whatever the owner may see by now.
        let veiled = spec(serde_json::json!({"fields": ["email"]}), Sight::Veiled);
        assert_eq!(narrowed(&veiled, Sight::Clear).unwrap(), veiled.disclosure);
        // Nobody decided: the column was not sensitive then.
        let mut undecided = clear.clone();
        undecided.disclosure = Disclosure::default();
        assert_eq!(narrowed(&undecided, Sight::Clear).unwrap(), withheld);
        assert!(undecided.tells_sensitive(Some(&schema())), "its file may be older than that");
        let chosen = spec(serde_json::json!({"fields": ["id"], "text": "x"}), Sight::Clear);
        assert_eq!(narrowed(&chosen, Sight::Veiled).unwrap_err().kind(), ErrorKind::Forbidden);
    }

    #[test]
    fn of_a_document_nothing_is_shown_that_was_or_is_to_be_redacted() {
        let paths = |paths: &[&str]| paths.iter().map(|path| path.parse().unwrap()).collect::<JsonPaths>();
        let redacting = |treatment| {
            let mut schema = schema();
            schema.columns[1] =
                Column { ty: ColumnType::Json, sensitive: Some(treatment), ..schema.columns[1].clone() };
            schema
        };
        let before = redacting(Treatment::Redact(paths(&["/a"])));
        let mut asked = spec(serde_json::json!({"fields": ["email"]}), Sight::Veiled);
        asked.disclosure = Disclosure::decide(&before, asked.fields.as_deref(), &asked.rows, Sight::Veiled);
        assert_eq!(said(&asked.disclosure), serde_json::json!({"email": {"redact": ["/a"]}}));
        let back: ExportSpec = serde_json::from_value(serde_json::to_value(&asked).unwrap()).unwrap();
        assert_eq!(back, asked);
        assert!(!asked.tells_sensitive(Some(&before)) && !asked.tells_sensitive(None));
        let narrowed = |schema: &DatasetSchema| said(&Disclosure::narrowed(&asked, schema, Sight::Clear).unwrap());
        for (now, expected, tells) in [
            (Treatment::Redact(paths(&["/a"])), serde_json::json!({"redact": ["/a"]}), false),
            (Treatment::Redact(paths(&["/b"])), serde_json::json!({"redact": ["/a", "/b"]}), true),
            (Treatment::Mask, serde_json::json!("mask"), true),
            (Treatment::Drop, serde_json::json!("drop"), true),
        ] {
            let schema = redacting(now);
            assert_eq!(narrowed(&schema)["email"], expected);
            assert_eq!(asked.tells_sensitive(Some(&schema)), tells, "an older file: {expected}");
        }
        let masked = spec(serde_json::json!({"fields": ["notes"]}), Sight::Veiled);
        let mut schema = redacting(Treatment::Mask);
        schema.columns[2].sensitive = Some(Treatment::Redact(paths(&["/a"])));
        assert_eq!(said(&Disclosure::narrowed(&masked, &schema, Sight::Clear).unwrap())["notes"], "mask");
    }

    #[test]
    fn what_a_request_says_of_sensitive_columns_is_hidden() {
        let asked = serde_json::json!({"id": "i", "text": "ada@example.org", "start_time": "2026-10-01T00:00:00Z"});
        let spec = spec(asked, Sight::Clear);
        assert_eq!(schema().sensitive_members(&spec.rows), ["text", "start_time"]);
        let seen = spec.as_seen(Some(&schema()), Sight::Veiled);
        assert_eq!((&seen["id"], &seen["text"], &seen["start_time"]), (&"i".into(), &MASKED.into(), &MASKED.into()));
        assert_eq!(spec.as_seen(Some(&schema()), Sight::Clear)["text"], "ada@example.org");
        assert_eq!(spec.as_seen(None, Sight::Veiled)["text"], MASKED);
        let told = spec.without_sensitive(&schema()).rows;
        assert_eq!((told.start_time, told.filters.len()), (None, 1));
    }
}
