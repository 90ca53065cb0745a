//! What attributes mean and what models cost, as configured.
//!
//! The tables of [`super::semconv`] are built in; the configuration adds the names under which a product sends its own
//! ids, and prices. Built once at start by whoever ingests.

use std::collections::{BTreeMap, HashMap};

use offtake_model::{Error, ErrorKind, Result};
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use serde::{Deserialize, Serialize};

use super::semconv::table::{ATTRIBUTES, Slot, TYPES};
use super::semconv::value;
use super::span::SpanType;

pub use super::semconv::cost::{Price, Rate};

/// List prices of common models.
const PRICES: &str = include_str!("prices.toml");

/// The table `conventions` of the configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ConventionsConfig {
    /// The names under which attributes carry a product's own ids.
    pub attributes: AttributeNames,
    /// Whether the built-in list prices count where `prices` has none.
    pub list_prices: bool,
    /// Prices by the beginning of a model's name: the longest that fits counts.
    pub prices: BTreeMap<String, Price>,
}

impl Default for ConventionsConfig {
    fn default() -> Self {
        Self { attributes: AttributeNames::default(), list_prices: true, prices: BTreeMap::new() }
    }
}

/// Names of attributes, on spans or resources, the best first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AttributeNames {
    /// `project_id`.
    pub project_id: Vec<String>,
    /// `document_uuid`.
    pub document_uuid: Vec<String>,
    /// `commit_uuid`.
    pub commit_uuid: Vec<String>,
    /// `experiment_uuid`.
    pub experiment_uuid: Vec<String>,
    /// `test_deployment_id`.
    pub test_deployment_id: Vec<String>,
    /// `type`: an attribute whose value is one of its six words. It goes before every convention.
    pub r#type: Vec<String>,
}

impl Default for AttributeNames {
    fn default() -> Self {
        let name = |name: &str| vec![format!("offtake.{name}")];
        Self {
            project_id: name("project_id"),
            document_uuid: name("document_uuid"),
            commit_uuid: name("commit_uuid"),
            experiment_uuid: name("experiment_uuid"),
            test_deployment_id: name("test_deployment_id"),
            r#type: name("type"),
        }
    }
}

/// What attributes mean and what models cost.
#[derive(Debug, Clone)]
pub struct Conventions {
    /// What an attribute may say, and how well: a smaller rank goes first.
    meanings: HashMap<String, Vec<(Slot, u16)>>,
    prices: BTreeMap<String, Price>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PriceList {
    prices: BTreeMap<String, Price>,
}

impl Conventions {
    /// Builds the tables.
    ///
    /// # Errors
    /// `invalid_request` if a name or a model is empty.
    pub fn new(config: &ConventionsConfig) -> Result<Self> {
        let names = &config.attributes;
        let configured = [
            (Slot::Project, &names.project_id),
            (Slot::Document, &names.document_uuid),
            (Slot::Commit, &names.commit_uuid),
            (Slot::Experiment, &names.experiment_uuid),
            (Slot::Deployment, &names.test_deployment_id),
            (Slot::Type, &names.r#type),
        ];
        let types = TYPES.iter().map(|(key, _)| (Slot::Type, *key));
        let built_in = ATTRIBUTES.iter().flat_map(|(slot, keys)| keys.iter().map(|&key| (*slot, key))).chain(types);
        let own = configured.iter().flat_map(|(slot, keys)| keys.iter().map(|key| (*slot, key.as_str())));
        let mut meanings: HashMap<String, Vec<(Slot, u16)>> = HashMap::new();
        for (rank, (slot, key)) in (0..).zip(own.chain(built_in)) {
            if key.is_empty() {
                return Err(Error::new(
                    ErrorKind::InvalidRequest,
                    "conventions.attributes: an attribute's name is empty",
                ));
            }
            meanings.entry(key.to_owned()).or_default().push((slot, rank));
        }
        if config.prices.keys().any(String::is_empty) {
            return Err(Error::new(ErrorKind::InvalidRequest, "conventions.prices: the name of a model is empty"));
        }
        let mut prices = if config.list_prices { list_prices()? } else { BTreeMap::new() };
        prices.extend(config.prices.iter().map(|(model, price)| (model.to_ascii_lowercase(), *price)));
        Ok(Self { meanings, prices })
    }

    /// What an attribute of this name may say.
    pub(super) fn meanings(&self, key: &str) -> &[(Slot, u16)] {
        self.meanings.get(key).map_or(&[], Vec::as_slice)
    }

    /// The type that an attribute says.
    pub(super) fn span_type(&self, attribute: &KeyValue) -> Option<SpanType> {
        let Value::StringValue(word) = value(attribute)? else { return None };
        match TYPES.iter().find(|(key, _)| *key == attribute.key) {
            Some((_, words)) => words.iter().find(|(known, _)| known.eq_ignore_ascii_case(word)).map(|(_, ty)| *ty),
            None => SpanType::from_word(&word.to_ascii_lowercase()),
        }
    }

    /// The price of a model: of the longest name in the table that its name begins with. Providers put names of their
    /// own in front (`openai/gpt-4o`, `us.anthropic.claude-…`); these are taken off until a price is found.
    pub fn price(&self, model: &str) -> Option<Price> {
        let model = model.to_ascii_lowercase();
        let shorter = model.match_indices(['/', '.']).map(|(at, _)| &model[at + 1..]);
        std::iter::once(model.as_str()).chain(shorter).find_map(|name| self.price_of(name))
    }

    fn price_of(&self, name: &str) -> Option<Price> {
        // A version or date may follow (`gpt-4o-2024-08-06`), another model may not (`gpt-4.5`, `gpt-4o`).
        let ends = name.match_indices(['-', ':', '@']).map(|(at, _)| at).chain([name.len()]);
        ends.collect::<Vec<_>>().into_iter().rev().find_map(|end| self.prices.get(&name[..end])).copied()
    }
}

impl Default for Conventions {
    fn default() -> Self {
        // The tables are constants and tested; without prices there would be no costs, but still rows.
        let without_prices = ConventionsConfig { list_prices: false, ..ConventionsConfig::default() };
        let empty = || Self { meanings: HashMap::new(), prices: BTreeMap::new() };
        Self::new(&ConventionsConfig::default()).or_else(|_| Self::new(&without_prices)).unwrap_or_else(|_| empty())
    }
}

fn list_prices() -> Result<BTreeMap<String, Price>> {
    let list: PriceList = toml::from_str(PRICES)
        .map_err(|error| Error::new(ErrorKind::Internal, "the built-in price list cannot be read").caused_by(error))?;
    Ok(list.prices)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input_rate(conventions: &Conventions, model: &str) -> Option<String> {
        conventions.price(model).map(|price| serde_json::to_value(price.input).unwrap().as_str().unwrap().to_owned())
    }

    #[test]
    fn the_longest_name_that_a_model_begins_with_is_its_price() {
        let conventions = Conventions::new(&ConventionsConfig::default()).unwrap();
        for (model, rate) in [
            ("gpt-4o", Some("2.5")),
            ("GPT-4o-2024-08-06", Some("2.5")),
            ("gpt-4o-2024-05-13", Some("5")),
            ("gpt-4o-mini-2024-07-18", Some("0.15")),
            ("gpt-4-1106-vision-preview", Some("10")),
            ("gpt-4.5-preview", None),
            ("openai/gpt-4.1-nano", Some("0.1")),
            ("anthropic.claude-3-haiku-20240307-v1:0", Some("0.25")),
            ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", Some("3")),
            ("meta-llama/Llama-3.2-1B-Instruct", None),
            ("", None),
            ("-", None),
        ] {
            assert_eq!(input_rate(&conventions, model).as_deref(), rate, "{model}");
        }
    }

    #[test]
    fn configured_prices_and_names_go_before_the_built_in_ones() {
        let config: ConventionsConfig = toml::from_str(
            "attributes.project_id = ['acme.project']\n[prices]\n'GPT-4o' = { input = 1, output = '2.50' }",
        )
        .unwrap();
        let conventions = Conventions::new(&config).unwrap();
        assert_eq!(input_rate(&conventions, "gpt-4o-2024-08-06").as_deref(), Some("1"));
        assert_eq!(input_rate(&conventions, "gpt-4").as_deref(), Some("30"));
        assert!(conventions.meanings("offtake.project_id").is_empty());
        assert_eq!(conventions.meanings("acme.project")[0].0, Slot::Project);
        let none = Conventions::new(&ConventionsConfig { list_prices: false, ..config }).unwrap();
        assert_eq!(input_rate(&none, "gpt-4"), None);
        assert!(toml::from_str::<ConventionsConfig>("price = 1").is_err());
        assert!(toml::from_str::<ConventionsConfig>("[prices]\nm = { input = -1, output = 1 }").is_err());
    }
}
