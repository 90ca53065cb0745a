//! Connections to one database, kept and lent.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::{Hook, HookError, Manager, ManagerConfig, Object, PoolError, RecyclingMethod, Runtime};
use deadpool_postgres::{TimeoutType, Timeouts};
use offtake_model::{Error, ErrorKind, Result};
use tokio_postgres::CancelToken;
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::farewell::{Connector, Farewells, SHOW_PROCESS, number_in};
use crate::listener::Listener;
use crate::session::Session;
use crate::settings::Settings;
use crate::tls::connector;
use crate::trouble::{Faults, Role, Trouble};

/// How many connections there may be, and how long one may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// At most so many at once.
    pub connections: usize,
    /// How long a caller waits for one to become free.
    pub acquire: Duration,
    /// How long making one may take in all: every host, TLS and log-in.
    pub connect: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { connections: 10, acquire: Duration::from_secs(5), connect: Duration::from_secs(5) }
    }
}

/// A pool of connections, all of them set to the same session settings. Cheap to clone; connects when asked.
///
/// A connection that is given back while a transaction of `Transaction` is open is rolled back. Whoever sends
/// `BEGIN` by hand, changes a session setting, or drops a stream in its middle takes the connection out of the pool
/// ([`Connection::take`](deadpool_postgres::Object)) instead.
#[derive(Clone)]
pub struct Pool {
    pool: deadpool_postgres::Pool,
    tls: MakeRustlsConnect,
    settings: Arc<Settings>,
    session: Session,
    limits: Limits,
    faults: Faults,
    farewells: Farewells,
    #[cfg(feature = "unscoped")]
    pub(crate) changed: Option<fn(&str) -> String>,
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("settings", &self.settings).field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl Pool {
    /// A pool for the database of `settings`; connects to nothing yet. Reads certificate files.
    ///
    /// # Errors
    /// `invalid_request` if a root certificate cannot be read.
    pub fn new(settings: Settings, session: Session, role: Role, limits: Limits) -> Result<Self> {
        let tls = connector(&settings)?;
        let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let farewells = Farewells::default();
        let connector = Connector { tls: tls.clone(), farewells: farewells.clone() };
        let manager = Manager::from_connect(settings.config().clone(), connector, recycling);
        let sql: Arc<str> = session.sql().into();
        let prepare = Hook::async_fn(move |client: &mut deadpool_postgres::ClientWrapper, _| {
            let sql = Arc::clone(&sql);
            Box::pin(async move { client.batch_execute(&sql).await.map_err(HookError::Backend) })
        });
        let timeouts = Timeouts { wait: Some(limits.acquire), create: Some(limits.connect), recycle: None };
        let pool = deadpool_postgres::Pool::builder(manager)
            .max_size(limits.connections.max(1))
            .runtime(Runtime::Tokio1)
            .timeouts(timeouts)
            .post_create(prepare)
            .build()
            .map_err(|cause| Error::new(ErrorKind::Internal, "the pool cannot be made").caused_by(cause))?;
        let faults = Faults::new(role, settings.to_string(), session);
        Ok(Self {
            pool,
            tls,
            settings: Arc::new(settings),
            session,
            limits,
            faults,
            farewells,
            #[cfg(feature = "unscoped")]
            changed: None,
        })
    }

    /// The same, with every statement of [`Work`](crate::Work) changed on its way.
    #[cfg(feature = "unscoped")]
    #[must_use]
    pub fn changing(mut self, change: fn(&str) -> String) -> Self {
        self.changed = Some(change);
        self
    }

    /// A connection, idle or new. It has all the methods of a `tokio_postgres::Client`.
    ///
    /// # Errors
    /// The kinds of [`Faults`], within `acquire` + `connect`.
    pub async fn get(&self) -> Result<Object> {
        match tokio::time::timeout(self.limits.connect + self.limits.acquire, self.pool.get()).await {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(error)) => Err(self.of_pool(error)),
            Err(_) => Err(self.faults.silent(self.limits.connect + self.limits.acquire)),
        }
    }

    /// A connection on which `BEGIN …` has run, with the number of its process on the server. Idle connections of a
    /// server that is gone are found out by that, and another one is made.
    ///
    /// # Errors
    /// The kinds of [`Faults`].
    pub async fn begin(&self, begin: &str) -> Result<(Object, i32)> {
        let sql = format!("{begin}; {SHOW_PROCESS}");
        loop {
            let connection = self.get().await?;
            let is_new = Object::metrics(&connection).recycle_count == 0;
            let begun = tokio::time::timeout(self.limits.connect, connection.simple_query(&sql)).await;
            let error = match begun {
                Ok(Ok(answer)) => return Ok((connection, number_in(&answer))),
                Ok(Err(cause)) if is_new || !Trouble::of(&cause).ends_session() => return Err(self.faults.of(cause)),
                Ok(Err(cause)) => self.faults.of(cause),
                Err(_) if is_new => return Err(self.faults.silent(self.limits.connect)),
                Err(_) => self.faults.silent(self.limits.connect),
            };
            tracing::info!(%error, "a connection was dead; all that are idle are given up");
            drop(Object::take(connection));
            self.pool.retain(|_, _| false);
        }
    }

    /// A connection of its own, outside of the pool's number, that is told what others `NOTIFY`.
    ///
    /// # Errors
    /// The kinds of [`Faults`].
    pub async fn listen(&self, channels: &[&str]) -> Result<Listener> {
        let connect = async {
            let (client, connection) = self.settings.config().connect(self.tls.clone()).await?;
            let mut listener = Listener::new(client, connection);
            listener.begin(&self.session.sql(), channels).await?;
            Ok(listener)
        };
        match tokio::time::timeout(self.limits.connect, connect).await {
            Ok(done) => done.map_err(|cause| self.faults.of(cause)),
            Err(_) => Err(self.faults.silent(self.limits.connect)),
        }
    }

    /// The right to break off what runs on `connection`, also after it was given away.
    pub fn canceller(&self, connection: &Object) -> Canceller {
        Canceller { token: connection.cancel_token(), tls: self.tls.clone(), limit: self.limits.connect }
    }

    /// What an error on one of its connections comes to.
    pub fn error(&self, cause: tokio_postgres::Error) -> Error {
        self.faults.of(cause)
    }

    /// The same, where the process at the other end is known: it may have said why it went.
    pub fn error_of(&self, process: i32, cause: tokio_postgres::Error) -> Error {
        let said = if cause.as_db_error().is_none() { self.farewells.take(process) } else { None };
        self.faults.of(said.unwrap_or(cause))
    }

    pub(crate) fn tls(&self) -> MakeRustlsConnect {
        self.tls.clone()
    }

    /// What turns errors into Offtake's, for whoever works apart from the pool.
    pub const fn faults(&self) -> &Faults {
        &self.faults
    }

    /// Where it leads to.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// How many connections it lends at once.
    pub const fn connections(&self) -> usize {
        self.limits.connections
    }

    /// Forgets every idle connection and lends no more.
    pub fn close(&self) {
        self.pool.close();
    }

    fn of_pool(&self, error: PoolError) -> Error {
        match error {
            PoolError::Timeout(TimeoutType::Wait) => self.faults.crowded(self.limits.acquire),
            PoolError::Timeout(TimeoutType::Create | TimeoutType::Recycle) => self.faults.silent(self.limits.connect),
            PoolError::Backend(cause) | PoolError::PostCreateHook(HookError::Backend(cause)) => self.faults.of(cause),
            PoolError::Closed => Error::new(ErrorKind::Unavailable, "the connections are closed: shutting down"),
            PoolError::NoRuntimeSpecified | PoolError::PostCreateHook(HookError::Message(_)) => {
                Error::new(ErrorKind::Internal, "a connection cannot be made").caused_by(error)
            }
        }
    }
}

/// Breaks off the statement that runs on one connection.
#[derive(Clone)]
pub struct Canceller {
    token: CancelToken,
    tls: MakeRustlsConnect,
    limit: Duration,
}

impl fmt::Debug for Canceller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Canceller")
    }
}

impl Canceller {
    /// Asks the server to break off. Best effort: a statement that is over is not harmed, one that ends anyway
    /// was not stopped, and a server that cannot be reached is not told.
    pub async fn cancel(self) {
        match tokio::time::timeout(self.limit, self.token.cancel_query(self.tls)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "a statement could not be cancelled"),
            Err(_) => tracing::debug!("a statement could not be cancelled in time"),
        }
    }
}
