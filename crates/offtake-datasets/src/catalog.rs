//! The datasets there are.

use std::collections::BTreeMap;
use std::sync::Arc;

use offtake_model::Result;
use offtake_model::clock::SharedClock;
use offtake_model::dataset::DatasetSchema;

use crate::config::DatasetsConfig;
use crate::source::Source;
use crate::spans::SpanStore;

/// A dataset with the source it is read from.
#[derive(Debug, Clone)]
pub struct Dataset {
    /// What it is.
    pub schema: Arc<DatasetSchema>,
    /// Where its rows come from.
    pub source: Arc<dyn Source>,
}

/// All datasets, by name.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    datasets: BTreeMap<String, Dataset>,
}

impl Catalog {
    /// The built-in datasets, as far as there is a span store, and the configured ones, checked against their
    /// sources.
    ///
    /// # Errors
    /// `invalid_request` with everything that is wrong with the configured ones, each thing with its path.
    pub fn build(config: &DatasetsConfig, spans: Option<&Arc<SpanStore>>, clock: &SharedClock) -> Result<Self> {
        let mut catalog = Self::default();
        let built_in = spans.map(SpanStore::datasets).unwrap_or_default();
        for dataset in built_in.into_iter().chain(config.compile(clock)?) {
            catalog.insert(dataset);
        }
        Ok(catalog)
    }

    /// Adds a dataset.
    pub fn insert(&mut self, dataset: Dataset) {
        self.datasets.insert(dataset.schema.name.clone(), dataset);
    }

    /// # Errors
    /// `not_found`, with the names there are.
    pub fn get(&self, name: &str) -> Result<&Dataset> {
        self.datasets.get(name).ok_or_else(|| {
            let known: Vec<&str> = self.datasets.keys().map(String::as_str).collect();
            offtake_model::Error::new(
                offtake_model::ErrorKind::NotFound,
                format!("there is no dataset of this name; there are: {}", known.join(", ")),
            )
        })
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Dataset> {
        self.datasets.values()
    }
}
