//! The datasets there are, also those whose source cannot be reached yet.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use offtake_model::alert::Dimension;
use offtake_model::clock::SharedClock;
use offtake_model::dataset::DatasetSchema;
use offtake_model::permission::Permission;
use offtake_model::sensitive::Sight;
use offtake_model::{Error, ErrorKind, Result};

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
    /// Whether requests may speak of its sensitive columns.
    pub sight: Sight,
}

impl Dataset {
    /// The dataset as those see it who may see all of it.
    pub fn new(schema: DatasetSchema, source: Arc<dyn Source>) -> Self {
        Self { schema: Arc::new(schema), source, sight: Sight::Clear }
    }

    /// The dataset as somebody with this sight sees it: requests are read accordingly.
    #[must_use]
    pub fn seen_with(&self, sight: Sight) -> Self {
        Self { sight, ..self.clone() }
    }
}

/// All datasets, by name.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    datasets: BTreeMap<String, Arc<OnceLock<Dataset>>>,
    /// What those are made of that wait for their source.
    waiting: DatasetsConfig,
}

impl Catalog {
    /// The built-in datasets, as far as there is a span store, and the configured ones, checked against their
    /// sources. Blocks; called off the executor.
    ///
    /// # Errors
    /// `invalid_request` with everything that is wrong with the configured ones, each thing with its path.
    pub fn build(config: &DatasetsConfig, spans: Option<&Arc<SpanStore>>, clock: &SharedClock) -> Result<Self> {
        let mut catalog = Self::default();
        let described = config.spans.schemas()?;
        let built_in = spans.map(|spans| spans.datasets_of(described)).unwrap_or_default();
        for dataset in built_in.into_iter().chain(config.compile(clock)?) {
            catalog.insert(dataset);
        }
        Ok(catalog)
    }

    /// The same, but a server that cannot be reached at the moment is no error: its datasets wait for
    /// [`recover`](Self::recover). Blocks.
    ///
    /// # Errors
    /// As [`build`](Self::build).
    pub fn open(config: &DatasetsConfig, spans: Option<&Arc<SpanStore>>, clock: &SharedClock) -> Result<Self> {
        let (reachable, waiting) = config.by_reach();
        let mut catalog = Self::build(&reachable, spans, clock)?;
        for name in waiting.datasets.keys() {
            tracing::warn!(dataset = name, "its source cannot be reached; the dataset waits for it");
            catalog.datasets.insert(name.clone(), Arc::default());
        }
        catalog.waiting = waiting;
        Ok(catalog)
    }

    /// What alert rules are narrowed by whose values are sensitive: those who may not read them do not learn them from a rule.
    pub fn sensitive_dimensions(&self) -> Vec<Dimension> {
        let built_in: Vec<&Dataset> = ["spans", "traces"].iter().filter_map(|name| self.get(name).ok()).collect();
        let is_hidden = |one: &&Dimension| built_in.iter().any(|dataset| dataset.schema.is_sensitive(one.word()));
        Dimension::ALL.iter().filter(is_hidden).copied().collect()
    }

    /// Looks once more for the sources that are waited for; whether any dataset still waits. Blocks.
    ///
    /// # Errors
    /// `invalid_request` if a source is there now and does not have what its datasets need; they wait on.
    pub fn recover(&self, clock: &SharedClock) -> Result<bool> {
        let still = |catalog: &Self| catalog.datasets.values().any(|dataset| dataset.get().is_none());
        if !still(self) {
            return Ok(false);
        }
        let (reachable, _) = self.waiting.by_reach();
        for dataset in reachable.compile(clock)? {
            if let Some(slot) = self.datasets.get(&dataset.schema.name)
                && slot.get().is_none()
            {
                tracing::info!(dataset = dataset.schema.name, "its source is there");
                slot.get_or_init(|| dataset);
            }
        }
        Ok(still(self))
    }

    /// Adds a dataset.
    pub fn insert(&mut self, dataset: Dataset) {
        self.datasets.insert(dataset.schema.name.clone(), Arc::new(OnceLock::from(dataset)));
    }

    /// # Errors
    /// `not_found`, with the names there are; `source_unavailable` if it waits for its source.
    pub fn get(&self, name: &str) -> Result<&Dataset> {
        let Some(slot) = self.datasets.get(name) else {
            let known: Vec<&str> = self.datasets.keys().map(String::as_str).collect();
            return Err(Error::new(
                ErrorKind::NotFound,
                format!("there is no dataset of this name; there are: {}", known.join(", ")),
            ));
        };
        slot.get().ok_or_else(|| {
            Error::new(
                ErrorKind::SourceUnavailable,
                format!("the source of {name} has not been reached since the start"),
            )
        })
    }

    /// What is needed to read the dataset of this name, whether or not it waits for its source.
    pub fn permission(&self, name: &str) -> Option<Permission> {
        let slot = self.datasets.get(name)?;
        Some(
            slot.get()
                .map_or_else(|| Permission::Dataset(name.to_owned()), |dataset| dataset.schema.permission.clone()),
        )
    }

    /// All that do not wait, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Dataset> {
        self.datasets.values().filter_map(|slot| slot.get())
    }

    /// The names of those that wait.
    pub fn waiting(&self) -> impl Iterator<Item = &str> {
        self.datasets.iter().filter(|(_, slot)| slot.get().is_none()).map(|(name, _)| name.as_str())
    }
}
