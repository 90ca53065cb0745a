//! Wiring: opens what the configuration names and hands it to server and worker. No decisions about rows,
//! files or requests are made here. Called by the commands.

mod data_dir;
mod issuers;
mod logs;
mod mail;
mod secret;
mod shutdown;
mod user;

use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::Arc;

use offtake_datasets::Catalog;
use offtake_datasets::spans::SpanStore;
use offtake_model::clock::{SharedClock, SystemClock};
use offtake_model::{Error, ErrorKind, Result};
use offtake_store::bus::Bus;
use offtake_store::objects::{FolderObjects, S3Objects};
use offtake_store::{Objects, PostgresStore, SqliteStore, Store};

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::config::{Config, StoreConfig};
use crate::exit::Outcome;

pub(crate) use data_dir::{DataDir, NameLock, random_hex};
pub(crate) use issuers::{check_issuers, issuers, problem as issuer_problem};
pub(crate) use logs::{start as log, start_quiet as log_quietly};
pub(crate) use mail::{check_mail, mail_settings, mailer, one_time_keys};
pub(crate) use secret::{hash_key, previous, seal_anew, sealer, secret, secrets, unshared_secret};
pub(crate) use shutdown::on_signal;
pub(crate) use user::act;

/// Everything of one data directory and what it is configured to use, open.
#[derive(Debug)]
pub(crate) struct House {
    /// The configuration it was opened by.
    pub(crate) config: Config,
    /// The directory.
    pub(crate) data: DataDir,
    /// The time.
    pub(crate) clock: SharedClock,
    /// Jobs, artifacts, files.
    pub(crate) store: Store,
    /// Carries hints to other nodes, as long as this is open.
    _bus: Option<Arc<Bus>>,
    /// The built-in span store.
    pub(crate) spans: Arc<SpanStore>,
    /// What can be read.
    pub(crate) catalog: Arc<Catalog>,
}

impl House {
    /// Opens the data directory, making and migrating what is not there.
    ///
    /// # Errors
    /// `storage_unavailable`, `store_unavailable`; `invalid_request` for a dataset that does not compile.
    pub(crate) async fn open(config: Config) -> Result<Self> {
        let clock: SharedClock = Arc::new(SystemClock);
        let dir = config.data_dir.clone();
        let data = blocking(move || DataDir::open(&dir)).await?;
        let files = {
            let (config, data) = (config.clone(), data.clone());
            blocking(move || {
                make_spool(&config.worker.spool_dir)?;
                objects(&config, &data)
            })
        };
        let store = store(&config, &data, files.await?).await?;
        let bus = config.bus.as_ref().map(|settings| Arc::new(Bus::start(settings, store.events.hints())));
        let spans = spans(&config, &data, &clock).await?;
        let rest = move || {
            let catalog = Arc::new(Catalog::open(&config.datasets, Some(&spans), &clock)?);
            Ok(Self { config, data, clock, store, _bus: bus, spans, catalog })
        };
        blocking(rest).await
    }
}

/// Jobs and what belongs to them: in the Postgres that is configured, or in a SQLite file in the data directory.
///
/// # Errors
/// `store_unavailable`.
pub(crate) async fn store(config: &Config, data: &DataDir, objects: Arc<dyn Objects>) -> Result<Store> {
    let database = &config.database;
    if let Some(settings) = database.postgres.clone() {
        let postgres = PostgresStore::open(settings, database.connections, None).await?;
        return Ok(Store {
            jobs: postgres.clone(),
            artifacts: postgres.clone(),
            alerts: postgres.clone(),
            presets: postgres.clone(),
            webhooks: postgres.clone(),
            schedules: postgres.clone(),
            destinations: postgres.clone(),
            principals: postgres.clone(),
            api_keys: postgres.clone(),
            sessions: postgres.clone(),
            tickets: postgres.clone(),
            tokens: postgres.clone(),
            events: postgres.clone(),
            outbox: postgres.clone(),
            audit: postgres,
            objects,
        });
    }
    let path = data.join("offtake.db");
    let sqlite = blocking(move || SqliteStore::open(&path, None)).await?;
    Ok(Store {
        jobs: sqlite.clone(),
        artifacts: sqlite.clone(),
        alerts: sqlite.clone(),
        presets: sqlite.clone(),
        webhooks: sqlite.clone(),
        schedules: sqlite.clone(),
        destinations: sqlite.clone(),
        audit: sqlite.clone(),
        principals: sqlite.clone(),
        api_keys: sqlite.clone(),
        sessions: sqlite.clone(),
        tickets: sqlite.clone(),
        tokens: sqlite.clone(),
        events: sqlite.clone(),
        outbox: sqlite.clone(),
        objects,
    })
}

/// Spans: in the Postgres that is configured, or in a SQLite file in the data directory.
///
/// # Errors
/// `store_unavailable`.
async fn spans(config: &Config, data: &DataDir, clock: &SharedClock) -> Result<Arc<SpanStore>> {
    let (database, clock) = (&config.database, Arc::clone(clock));
    if let Some(settings) = database.postgres.clone() {
        return SpanStore::open_postgres(settings, database.connections, clock).await;
    }
    let path = data.join("spans.db");
    blocking(move || SpanStore::open(&path, clock)).await
}

/// Where files lie.
///
/// # Errors
/// `storage_unavailable`; `invalid_request` for a store that cannot be set up as configured.
pub(crate) fn objects(config: &Config, data: &DataDir) -> Result<Arc<dyn Objects>> {
    Ok(match &config.store {
        StoreConfig::Folder => Arc::new(FolderObjects::open(&data.join("objects"))?),
        StoreConfig::S3(settings) => Arc::new(S3Objects::new((**settings).clone())?),
    })
}

/// Makes the folder in which files are put together, for this user alone.
fn make_spool(path: &Path) -> Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|error| {
        let detail = format!("the spool {} cannot be made: {error}; see worker.spool", path.display());
        Error::new(ErrorKind::StorageUnavailable, detail).caused_by(error)
    })
}

/// Compiles every dataset against its source; the names of all.
///
/// # Errors
/// `invalid_request` for a dataset that does not compile; `source_unavailable`.
pub(crate) fn check_datasets(config: &Config) -> Result<Vec<String>> {
    let clock: SharedClock = Arc::new(SystemClock);
    let catalog = Catalog::build(&config.datasets, None, &clock)?;
    Ok(catalog.iter().map(|dataset| dataset.schema.name.clone()).collect())
}

/// Runs a command's future to its end.
pub(crate) fn block_on(command: impl Future<Output = Outcome>) -> Outcome {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::new(ErrorKind::Internal, "no threads can be started").caused_by(error))?;
    let outcome = runtime.block_on(command);
    // What still blocks (a read of stdin, say) must not keep the process alive.
    runtime.shutdown_timeout(std::time::Duration::from_millis(500));
    outcome
}

/// Runs blocking work off the executor.
///
/// # Errors
/// What the work says; `internal` if it panicked.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let joined = tokio::task::spawn_blocking(work).await;
    joined.map_err(|error| Error::new(ErrorKind::Internal, "a background task ended unexpectedly").caused_by(error))?
}

/// How often sources are looked for that could not be reached.
const BETWEEN_LOOKS: std::time::Duration = std::time::Duration::from_secs(5);

/// Looks for the sources that datasets wait for, until all are there or `stop`. `None` if none is waited for.
pub(crate) fn wait_for_sources(house: &House, stop: CancellationToken) -> Option<JoinHandle<()>> {
    house.catalog.waiting().next()?;
    let (catalog, clock) = (Arc::clone(&house.catalog), Arc::clone(&house.clock));
    Some(tokio::spawn(async move {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(BETWEEN_LOOKS) => {}
            }
            let (catalog, clock) = (Arc::clone(&catalog), Arc::clone(&clock));
            match blocking(move || catalog.recover(&clock)).await {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => tracing::error!(%error, "a source is there now, and is not what its datasets need"),
            }
        }
    }))
}
