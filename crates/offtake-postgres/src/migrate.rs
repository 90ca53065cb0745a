//! Migrations: numbered SQL files, each applied once, in a transaction of its own, by one process at a time.

use deadpool_postgres::GenericClient;
use offtake_model::{Error, ErrorKind, Result};

use crate::pool::Pool;

/// Whoever migrates any part of Offtake's schema in a database holds this advisory lock ("offtake" in ASCII).
const LOCK: i64 = 0x006f_6666_7461_6b65;

/// Waits until nobody else changes Offtake's schemas, and keeps others waiting until the transaction ends.
pub(crate) async fn lock(transaction: &impl GenericClient) -> Result<(), tokio_postgres::Error> {
    // Waiting for another process, or filling an index, is no reason to give up.
    let sql = format!(
        "SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0; \
         SET LOCAL idle_in_transaction_session_timeout = 0; SELECT pg_advisory_xact_lock({LOCK})"
    );
    transaction.batch_execute(&sql).await
}

/// The migrations of one component, in order. Once released they are never changed, only added to.
#[derive(Debug, Clone, Copy)]
pub struct Migrations {
    /// Whose they are: `jobs`, `spans`.
    pub component: &'static str,
    /// The schema its tables are in, made if it is not there; the pool's sessions have it as their `search_path`.
    pub schema: &'static str,
    /// The statements of each step.
    pub steps: &'static [&'static str],
}

impl Migrations {
    /// Applies what is missing. Any number of processes may do so at once.
    ///
    /// # Errors
    /// `internal` if a newer Offtake has been here; else the kinds of [`Faults`](crate::Faults).
    pub async fn apply(&self, pool: &Pool) -> Result<()> {
        let mut connection = pool.get().await?;
        if self.applied(pool, &connection).await? == Some(self.steps.len()) {
            return Ok(());
        }
        loop {
            let transaction = connection.transaction().await.map_err(|cause| pool.error(cause))?;
            lock(&transaction).await.map_err(|cause| pool.error(cause))?;
            let applied = match self.applied(pool, &transaction).await? {
                Some(applied) => applied,
                None => {
                    self.lay_ground(pool, &transaction).await?;
                    0
                }
            };
            let Some(sql) = self.steps.get(applied) else {
                return transaction.commit().await.map_err(|cause| pool.error(cause));
            };
            self.step(&transaction, applied + 1, sql).await.map_err(|cause| self.failed(pool, applied + 1, cause))?;
            transaction.commit().await.map_err(|cause| self.failed(pool, applied + 1, cause))?;
        }
    }

    /// How many steps are applied; `None` if there is not even the table that says so.
    async fn applied(&self, pool: &Pool, client: &impl GenericClient) -> Result<Option<usize>> {
        let read = async {
            // Read as a table: to_regclass would answer from a cache that does not know what another process made
            // while this one waited for the lock.
            let sql = "SELECT EXISTS (SELECT 1 FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
                                      WHERE nspname = $1 AND relname = 'migrations')";
            let there: bool = client.query_one(sql, &[&self.schema]).await?.try_get(0)?;
            if !there {
                return Ok(None);
            }
            let sql = format!("SELECT coalesce(max(step), 0) FROM {}.migrations WHERE component = $1", self.schema);
            client.query_one(&sql, &[&self.component]).await?.try_get::<_, i32>(0).map(Some)
        };
        let applied = read.await.map_err(|cause| pool.error(cause))?;
        let applied = applied.map(|step| usize::try_from(step).unwrap_or_default());
        if applied.is_some_and(|applied| applied > self.steps.len()) {
            let detail = format!(
                "the tables of {} at {} were made by a newer Offtake; use that version or a later one",
                self.component,
                pool.settings()
            );
            return Err(Error::new(ErrorKind::Internal, detail));
        }
        Ok(applied)
    }

    async fn lay_ground(&self, pool: &Pool, client: &impl GenericClient) -> Result<()> {
        let make = async {
            // `IF NOT EXISTS` would ask for the right to create schemas even where there is nothing to create.
            let sql = "SELECT EXISTS (SELECT 1 FROM pg_namespace WHERE nspname = $1)";
            let there: bool = client.query_one(sql, &[&self.schema]).await?.try_get(0)?;
            if !there {
                client.batch_execute(&format!("CREATE SCHEMA {}", self.schema)).await?;
            }
            let table = format!(
                "CREATE TABLE {}.migrations (component text NOT NULL, step integer NOT NULL,
                     applied_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (component, step))",
                self.schema
            );
            client.batch_execute(&table).await
        };
        make.await.map_err(|cause| pool.error(cause))
    }

    async fn step(&self, client: &impl GenericClient, number: usize, sql: &str) -> Result<(), tokio_postgres::Error> {
        client.batch_execute(sql).await?;
        let note = format!("INSERT INTO {}.migrations (component, step) VALUES ($1, $2)", self.schema);
        let number = i32::try_from(number).unwrap_or(i32::MAX);
        client.execute(&note, &[&self.component, &number]).await.map(drop)
    }

    fn failed(&self, pool: &Pool, number: usize, cause: tokio_postgres::Error) -> Error {
        let error = pool.error(cause);
        let detail = format!("migration {number} of {} failed: {}", self.component, error.detail());
        Error::new(error.kind(), detail).caused_by(error)
    }
}
