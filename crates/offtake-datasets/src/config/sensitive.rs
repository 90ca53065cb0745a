//! Which columns are sensitive, as the configuration says it: of configured datasets by column, of the built-in ones by
//! `[spans]`.

use std::collections::BTreeMap;
use std::fmt;

use offtake_model::Result;
use offtake_model::dataset::{ColumnType, DatasetSchema};
use offtake_model::json_path::{JsonPath, JsonPaths};
use offtake_model::sensitive::Treatment;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::Wrong;
use crate::spans::datasets;

/// `[spans]`: of the built-in datasets.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SpansConfig {
    /// Sensitive columns of `spans`, `traces` and `prompts`, by name: one list, because all three show the same content.
    pub sensitive: BTreeMap<String, Said>,
}

/// What is said of a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said(Option<Treatment>);

impl<'de> Deserialize<'de> for Said {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SaidVisitor)
    }
}

struct SaidVisitor;

impl<'de> Visitor<'de> for SaidVisitor {
    type Value = Said;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("true, false, \"mask\", \"hash\", \"drop\" or { redact = [\"/path\", …] }")
    }

    fn visit_bool<E: serde::de::Error>(self, sensitive: bool) -> Result<Said, E> {
        Ok(Said(sensitive.then_some(Treatment::Mask)))
    }

    fn visit_str<E: serde::de::Error>(self, word: &str) -> Result<Said, E> {
        match word {
            "mask" => Ok(Said(Some(Treatment::Mask))),
            "hash" => Ok(Said(Some(Treatment::Hash))),
            "drop" => Ok(Said(Some(Treatment::Drop))),
            other => Err(E::invalid_value(serde::de::Unexpected::Str(other), &self)),
        }
    }

    fn visit_map<M: MapAccess<'de>>(self, mut members: M) -> Result<Said, M::Error> {
        use serde::de::Error as _;
        let mut paths: Option<Vec<String>> = None;
        while let Some(name) = members.next_key::<String>()? {
            match name.as_str() {
                "redact" => paths = Some(members.next_value()?),
                other => return Err(M::Error::unknown_field(other, &["redact"])),
            }
        }
        let paths = paths.filter(|paths| !paths.is_empty()).ok_or_else(|| {
            M::Error::custom("redact is a list of at least one path, as in { redact = [\"/user/email\"] }")
        })?;
        let path = |text: String| text.parse::<JsonPath>().map_err(|why| M::Error::custom(format!("{text:?} {why}")));
        Ok(Said(Some(Treatment::Redact(paths.into_iter().map(path).collect::<Result<JsonPaths, _>>()?))))
    }
}

/// The member `sensitive` of a column.
pub(super) fn sensitive<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Treatment>, D::Error> {
    Said::deserialize(deserializer).map(|said| said.0)
}

/// Only documents have places in them.
pub(super) fn check_type(path: &str, ty: ColumnType, treatment: Option<&Treatment>, wrong: &mut Wrong) {
    if matches!(treatment, Some(Treatment::Redact(_))) && ty != ColumnType::Json {
        wrong.at(path, format!("is of type {}: only columns of type json are redacted by path", ty.name()));
    }
}

/// Order, cursors and the names of rows tell what is in the columns they are made of.
pub(super) fn check(at: &str, schema: &DatasetSchema, wrong: &mut Wrong) {
    for (path, columns) in [("key", &schema.key), ("identity", &schema.identity)] {
        for name in columns.iter().filter(|name| schema.is_sensitive(name)) {
            let detail = format!(
                "{name} is sensitive, and everybody is told the {path} of a row; take columns that say nothing about anybody"
            );
            wrong.at(&format!("{at}.{path}"), detail);
        }
    }
}

/// What one column of a span says, and the columns that say it again.
const REPEATED: [(&[&str], &[&str]); 3] = [
    (&["input", "user_id", "session_id"], &["attributes", "events", "completion_attributes"]),
    (&["output", "completion"], &["output", "completion", "attributes", "events", "completion_attributes"]),
    (&["attributes"], &["completion_attributes"]),
];

impl SpansConfig {
    pub(super) fn hashes(&self) -> bool {
        self.sensitive.values().any(|said| said.0 == Some(Treatment::Hash))
    }

    /// The schemas of the built-in datasets, with what is said here of their columns.
    ///
    /// # Errors
    /// `invalid_request` with everything that is wrong.
    pub(crate) fn schemas(&self) -> Result<Vec<DatasetSchema>> {
        let (mut schemas, mut wrong) = (datasets::schemas(), Wrong::default());
        for (name, said) in &self.sensitive {
            let columns = schemas.iter_mut().flat_map(|schema| &mut schema.columns);
            let mut columns = columns.filter(|column| &column.name == name).peekable();
            let at = format!("spans.sensitive.{name}");
            match columns.peek() {
                // It has one type in all three.
                Some(column) => check_type(&at, column.ty, said.0.as_ref(), &mut wrong),
                None => wrong.at(&at, "neither spans nor traces nor prompts have this column"),
            }
            columns.for_each(|column| column.sensitive = said.0.clone());
        }
        for schema in &schemas {
            check(&format!("spans.sensitive ({})", schema.name), schema, &mut wrong);
        }
        self.repeated(&mut wrong);
        wrong.or(schemas)
    }

    /// Hiding a column is of no use while another one shows the same: that has to be said aloud.
    fn repeated(&self, wrong: &mut Wrong) {
        let is_sensitive = |name: &&&str| self.sensitive.get(**name).is_some_and(|said| said.0.is_some());
        for (columns, again) in REPEATED {
            let Some(column) = columns.iter().find(is_sensitive) else { continue };
            let unsaid: Vec<&str> = again.iter().copied().filter(|name| !self.sensitive.contains_key(*name)).collect();
            if !unsaid.is_empty() {
                let detail =
                    format!("{} can hold the same; say of each whether it is sensitive, or false", unsaid.join(", "));
                wrong.at(&format!("spans.sensitive.{column}"), detail);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(toml: serde_json::Value) -> Result<Vec<DatasetSchema>> {
        serde_json::from_value::<SpansConfig>(serde_json::json!({ "sensitive": toml })).unwrap().schemas()
    }

    fn wrong(toml: serde_json::Value) -> Vec<String> {
        said(toml).unwrap_err().violations().iter().map(|violation| violation.pointer.clone()).collect()
    }

    #[test]
    fn one_list_is_for_all_three() {
        let schemas = said(serde_json::json!({
            "input": true, "user_id": "hash", "attributes": "drop", "completion_attributes": "drop", "events": false,
        }));
        for schema in schemas.unwrap() {
            assert_eq!(schema.column("input").unwrap().sensitive, Some(Treatment::Mask), "{}", schema.name);
            assert_eq!(schema.column("user_id").unwrap().sensitive, Some(Treatment::Hash));
            assert_eq!(schema.column("output").unwrap().sensitive, None);
        }
        assert!(said(serde_json::json!({})).is_ok());
    }

    #[test]
    fn places_in_documents_are_named_by_pointers() {
        let said = said(
            serde_json::json!({"attributes": {"redact": ["/gen_ai.prompt", "/a/*/b"]}, "completion_attributes": false}),
        );
        let attributes = said.unwrap()[0].column("attributes").unwrap().sensitive.clone();
        let paths = ["/a/*/b", "/gen_ai.prompt"].map(|path| path.parse().unwrap()).into_iter().collect();
        assert_eq!(attributes, Some(Treatment::Redact(paths)));
        assert_eq!(
            wrong(serde_json::json!({"service": {"redact": ["/a"]}})),
            ["spans.sensitive.service"],
            "no document"
        );
        for bad in [
            serde_json::json!({"redact": []}),
            serde_json::json!({"redact": ["a.b"]}),
            serde_json::json!({"redact": "/a"}),
            serde_json::json!({}),
            serde_json::json!({"json": ["/a"]}),
        ] {
            let config = serde_json::json!({"sensitive": {"attributes": bad}});
            assert!(serde_json::from_value::<SpansConfig>(config.clone()).is_err(), "{config}");
        }
    }

    #[test]
    fn what_would_be_told_all_the_same_is_wrong() {
        assert_eq!(wrong(serde_json::json!({"colour": true})), ["spans.sensitive.colour"]);
        let key = wrong(serde_json::json!({"trace_id": "hash"}));
        assert!(key.contains(&"spans.sensitive (traces).key".to_owned()), "{key:?}");
        assert_eq!(wrong(serde_json::json!({"input": true})), ["spans.sensitive.input"]);
        let all =
            serde_json::json!({"output": true, "attributes": true, "events": true, "completion_attributes": true});
        assert_eq!(wrong(all), ["spans.sensitive.output"], "completion says it again");
        assert!(serde_json::from_value::<SpansConfig>(serde_json::json!({"sensitive": {"input": "burn"}})).is_err());
    }
}
