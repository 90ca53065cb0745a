//! A database of one test, and statements sent to one.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio_postgres::{Client, Config, Error, NoTls, SimpleQueryMessage};

static COUNT: AtomicU32 = AtomicU32::new(0);

/// A database that is dropped with the value.
#[derive(Debug)]
pub struct Database {
    port: u16,
    name: String,
}

impl Database {
    pub(super) fn create(port: u16) -> Self {
        Self::made_from(port, "template0")
    }

    /// Copied file by file: there is much in it.
    pub(super) fn copy_of(port: u16, template: &str) -> Self {
        Self::made_from(port, &format!("{template} STRATEGY file_copy"))
    }

    fn made_from(port: u16, template: &str) -> Self {
        let name = format!("test_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        execute(&url(port, "postgres"), &format!("CREATE DATABASE {name} TEMPLATE {template}"));
        Self { port, name }
    }

    /// Its URL, as the superuser `postgres`, without password.
    pub fn url(&self) -> String {
        url(self.port, &self.name)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Runs statements.
    ///
    /// # Panics
    /// If one fails.
    pub fn execute(&self, sql: &str) {
        execute(&self.url(), sql);
    }

    /// The rows of the last statement, as text.
    ///
    /// # Panics
    /// If one fails.
    pub fn rows(&self, sql: &str) -> Vec<Vec<Option<String>>> {
        rows_at(&self.url(), sql)
    }

    /// The same, asked by way of a pooler that listens at `port`.
    ///
    /// # Panics
    /// If one fails.
    pub fn rows_by(&self, port: u16, sql: &str) -> Vec<Vec<Option<String>>> {
        rows_at(&url(port, &self.name), sql)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        // A server that the test stopped keeps it until its folder goes.
        let _unreachable = simple(&url(self.port, "postgres"), &format!("DROP DATABASE {} WITH (FORCE)", self.name));
    }
}

fn url(port: u16, name: &str) -> String {
    format!("postgres://postgres@127.0.0.1:{port}/{name}")
}

/// The rows of the last statement, as text.
pub(crate) fn rows_at(url: &str, sql: &str) -> Vec<Vec<Option<String>>> {
    simple(url, sql)
        .unwrap_or_else(|error| panic!("{sql}: {error:?}"))
        .into_iter()
        .filter_map(|message| {
            let SimpleQueryMessage::Row(row) = message else { return None };
            Some((0..row.len()).map(|column| row.get(column).map(ToOwned::to_owned)).collect())
        })
        .collect()
}

/// Runs statements.
pub(super) fn execute(url: &str, sql: &str) {
    simple(url, sql).unwrap_or_else(|error| panic!("{sql}: {error:?}"));
}

/// Whether a server takes statements at `port`.
pub(super) fn answers(port: u16) -> bool {
    simple(&url(port, "postgres"), "SELECT 1").is_ok()
}

/// On a thread and runtime of its own, so that it can be used from any test, also while a value is dropped.
fn simple(url: &str, sql: &str) -> Result<Vec<SimpleQueryMessage>, Error> {
    let work = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let mut config: Config = url.parse()?;
            let (client, connection) = config.connect_timeout(Duration::from_secs(5)).connect(NoTls).await?;
            tokio::select! {
                ended = connection => { ended?; unreachable!("the client is alive") }
                done = in_turn(&client, sql) => done,
            }
        })
    };
    std::thread::scope(|scope| scope.spawn(work).join().expect("the thread does not panic"))
}

async fn in_turn(client: &Client, sql: &str) -> Result<Vec<SimpleQueryMessage>, Error> {
    client.simple_query(sql).await
}
