//! What a user asks for: the immutable spec of an export.

use std::collections::BTreeSet;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value as Json};
use sha2::{Digest, Sha256};

use crate::as_of::AsOf;
use crate::destination::DeliverTo;
use crate::format::{Compression, Dialect, Format};
use crate::human::HumanFormats;
use crate::selection::{Scope, Selection};
use crate::sensitive::Disclosure;

/// A column asked for: its name alone, or with the header it shall have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Field {
    /// `"trace_id"`
    Name(String),
    /// `{"name": "cost_usd", "as": "Cost (USD)"}`
    Aliased {
        /// The column.
        name: String,
        /// The header it gets.
        #[serde(rename = "as")]
        alias: String,
    },
}

impl Field {
    /// The column.
    pub fn name(&self) -> &str {
        match self {
            Self::Name(name) | Self::Aliased { name, .. } => name,
        }
    }

    /// The header.
    pub fn header(&self) -> &str {
        match self {
            Self::Name(name) => name,
            Self::Aliased { alias, .. } => alias,
        }
    }
}

/// Which rows: the part that export, preview, count and page have in common. Serialises as the body that
/// was sent, so that "as asked" is what was asked.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct RowsSpec {
    /// From this moment on (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_time: Option<String>,
    /// Up to, not including, this moment (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_time: Option<String>,
    /// Which of the matching rows.
    #[serde(default)]
    pub selection: Selection,
    /// What a chosen row brings along.
    #[serde(default, skip_serializing_if = "Scope::is_default")]
    pub scope: Scope,
    /// The moment the answer shall be true for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_of: Option<AsOf>,
    /// Only rows that came after this earlier moment of append-only rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newer_than: Option<AsOf>,
    /// The dataset's own filters, by name, as sent.
    #[serde(flatten)]
    pub filters: Map<String, Json>,
}

/// Who is told when it is done.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Notify {
    /// By e-mail.
    #[serde(default)]
    pub email: Recipients,
}

/// Who gets an e-mail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Recipients {
    /// Whoever asked for the export; `false`: nobody.
    Requester(bool),
    /// These addresses, of people of the same organization.
    These(Vec<String>),
}

impl Default for Recipients {
    fn default() -> Self {
        Self::Requester(false)
    }
}

impl Recipients {
    /// The most addresses.
    pub const MOST: usize = 10;

    /// The addresses that mail goes to, each once, if the requester has this one.
    pub fn addresses(&self, requester: Option<&str>) -> Vec<String> {
        let named = match self {
            Self::Requester(false) => Vec::new(),
            Self::Requester(true) => requester.map(str::to_owned).into_iter().collect(),
            Self::These(addresses) => addresses.clone(),
        };
        let mut seen = BTreeSet::new();
        named.into_iter().filter(|address| seen.insert(address.to_lowercase())).collect()
    }
}

/// The spec of an export: everything that decides the file, and a little that does not.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct ExportSpec {
    /// The dataset's name.
    pub dataset: String,
    /// The file's format.
    pub format: Format,
    /// What it is wrapped in.
    #[serde(default)]
    pub compression: Compression,
    /// How CSV is written.
    #[serde(default)]
    pub dialect: Dialect,
    /// Between the cells of CSV.
    #[serde(default = "comma")]
    pub delimiter: char,
    /// How numbers, dates and times are written for people; `None`: exactly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub formats: Option<HumanFormats>,
    /// The columns, in order; `None`: the dataset's default columns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fields: Option<Vec<Field>>,
    /// At most so many rows, the first in key order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// The human name asked for; `None`: one is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Who is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notify: Option<Notify>,
    /// Which bucket of the organization's own the file is delivered to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination: Option<DeliverTo>,
    /// What it shows of sensitive columns: not asked for, but decided by what the owner may see.
    #[serde(default, skip_serializing_if = "Disclosure::is_empty")]
    pub disclosure: Disclosure,
    /// Which rows.
    #[serde(flatten)]
    pub rows: RowsSpec,
}

impl Serialize for ExportSpec {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Self::serialize(self, serializer)
    }
}

impl<'de> Deserialize<'de> for ExportSpec {
    /// The selection by itself, because what is flattened is copied, and identities may be many.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut json = Map::<String, Json>::deserialize(deserializer)?;
        let selection = json.shift_remove("selection");
        let mut spec = Self::deserialize(Json::Object(json)).map_err(D::Error::custom)?;
        if let Some(selection) = selection {
            spec.rows.selection = serde_json::from_value(selection).map_err(D::Error::custom)?;
        }
        Ok(spec)
    }
}

const fn comma() -> char {
    ','
}

impl ExportSpec {
    /// The fingerprint of what decides the bytes: not the name, not who is told, not where it is delivered to.
    ///
    /// Lower-case hex of the SHA-256 of the spec's JSON with its keys sorted.
    pub fn sha256(&self) -> String {
        let decisive = Self { name: None, notify: None, destination: None, ..self.clone() };
        let mut json = serde_json::to_value(&decisive).unwrap_or(Json::Null);
        json.sort_all_objects();
        hex::encode(Sha256::digest(json.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(json: Json) -> ExportSpec {
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn the_fingerprint_is_of_what_decides_the_bytes() {
        let plain = spec(serde_json::json!({"dataset": "spans", "format": "csv", "model": "m", "provider": "p"}));
        let same = spec(serde_json::json!({
            "provider": "p", "model": "m", "format": "csv", "dataset": "spans", "compression": "none",
            "name": "for Ada", "notify": {"email": true}}));
        let other = spec(serde_json::json!({"dataset": "spans", "format": "csv", "model": "m"}));
        assert_eq!(plain.sha256(), same.sha256());
        assert_ne!(plain.sha256(), other.sha256());
    }

    #[test]
    fn each_address_gets_one_mail() {
        let asked = |json| serde_json::from_value::<Notify>(json).unwrap().email.addresses(Some("ada@acme.test"));
        assert_eq!(asked(serde_json::json!({"email": true})), ["ada@acme.test"]);
        assert!(asked(serde_json::json!({"email": false})).is_empty() && asked(serde_json::json!({})).is_empty());
        let twice = serde_json::json!({"email": ["Bob@acme.test", "bob@ACME.test", "eve@acme.test"]});
        assert_eq!(asked(twice), ["Bob@acme.test", "eve@acme.test"]);
        assert!(Recipients::Requester(true).addresses(None).is_empty());
    }

    #[test]
    fn a_spec_comes_back_as_it_was() {
        let asked = spec(serde_json::json!({
            "dataset": "spans", "format": "csv", "fields": ["a", {"name": "b", "as": "B"}], "min_cost": "0.1",
            "selection": {"mode": "partial", "ids": [{"trace_id": "t", "span_id": "s"}]}}));
        let back: ExportSpec = serde_json::from_value(serde_json::to_value(&asked).unwrap()).unwrap();
        assert_eq!(back, asked);
        assert_eq!(back.rows.filters["min_cost"], "0.1");
    }
}
