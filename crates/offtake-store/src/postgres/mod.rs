//! The job store in a Postgres database, shared by any number of servers and workers on any number of machines.
//!
//! Responsible for making each verb of the ports one transaction (READ COMMITTED, the row of the job locked first;
//! ADR 6 says why) with a deadline, and for naming the organization whose rows it is about: row-level security shows it
//! no other (ADR 17). Not responsible for deciding which state follows which (`offtake_model::job`),
//! for bytes at rest (`objects`), or for reaching the server (`offtake_postgres`).

mod alerts;
mod api_keys;
mod artifacts;
mod audit;
mod destinations;
mod events;
mod leases;
mod outbox;
mod ports;
mod presets;
mod principals;
mod requests;
mod rows;
mod schedules;
mod sessions;
mod tickets;
mod tokens;
mod upkeep;
mod wake;
mod webhooks;

#[cfg(test)]
mod tests;
#[cfg(feature = "unscoped")]
mod unscoped;

use std::sync::Arc;
use std::time::Duration;

use offtake_model::Result;
use offtake_model::clock::SharedClock;
use offtake_model::id::OrgId;
use offtake_postgres::{Examined, Limits, Migrations, Pool, Reach, Role, Session, Settings, Walls, Work};

use crate::refusals::internal;
use rows::get;
use wake::{Listening, Wake};

/// How long a verb may take in all. The API has answered by then, one way or the other.
const LIMIT: Duration = Duration::from_secs(5);
/// The schema of Offtake's own tables.
pub(crate) const SCHEMA: &str = "offtake";

/// The settings of Offtake's own sessions.
const SESSION: Session = Session {
    // A statement nobody waits for any more ends by itself,
    statement_timeout: Some(LIMIT),
    // and so does a transaction whose process stands still while it holds the row of a job.
    idle_in_transaction_timeout: Some(Duration::from_secs(15)),
    lock_timeout: Some(LIMIT),
    search_path: Some(SCHEMA),
    read_only: false,
    more: &[],
};

const MIGRATIONS: Migrations = Migrations {
    component: "jobs",
    schema: SCHEMA,
    steps: &[
        include_str!("../../migrations/postgres/0001_jobs.sql"),
        include_str!("../../migrations/postgres/0002_presets.sql"),
        include_str!("../../migrations/postgres/0003_pruned_jobs.sql"),
        include_str!("../../migrations/postgres/0004_principals.sql"),
        include_str!("../../migrations/postgres/0005_tokens.sql"),
        include_str!("../../migrations/postgres/0006_audit.sql"),
        include_str!("../../migrations/postgres/0007_limits.sql"),
        include_str!("../../migrations/postgres/0008_walls.sql"),
        include_str!("../../migrations/postgres/0009_events.sql"),
        include_str!("../../migrations/postgres/0010_tickets.sql"),
        include_str!("../../migrations/postgres/0011_webhooks.sql"),
        include_str!("../../migrations/postgres/0012_alerts.sql"),
        include_str!("../../migrations/postgres/0013_schedules.sql"),
        include_str!("../../migrations/postgres/0014_deliveries_go_on.sql"),
    ],
};

/// The database's clock in microseconds since the epoch, where `$1` replaces it.
const NOW: &str = "SELECT coalesce($1::bigint, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint)";

/// Jobs and artifacts in a Postgres database.
#[derive(Debug)]
pub struct PostgresStore {
    pool: Pool,
    walls: Walls,
    clock: Option<SharedClock>,
    wake: Arc<Wake>,
    _listening: Listening,
}

impl PostgresStore {
    /// Connects to the database of `settings` with at most `connections` connections and one that listens, and
    /// migrates what is not there. `clock` replaces the database's clock, in tests.
    ///
    /// # Errors
    /// `store_unavailable` if it cannot be reached or refuses; `invalid_request` if a root certificate cannot be
    /// read; `internal` if a newer Offtake has been here.
    pub async fn open(settings: Settings, connections: usize, clock: Option<SharedClock>) -> Result<Arc<Self>> {
        Self::over(pool(settings, connections).await?, clock).await
    }

    async fn over(pool: Pool, clock: Option<SharedClock>) -> Result<Arc<Self>> {
        MIGRATIONS.apply(&pool).await?;
        let walls = Walls::raise(&pool, SCHEMA).await?;
        let wake = Arc::new(Wake::new());
        let listening = Listening::start(pool.clone(), Arc::clone(&wake));
        Ok(Arc::new(Self { pool, walls, clock, wake, _listening: listening }))
    }

    /// What the server of `settings` is like, and what its user may do there. Changes nothing.
    ///
    /// # Errors
    /// `store_unavailable` if it cannot be reached or refuses; `invalid_request` if a root certificate cannot be
    /// read.
    pub async fn examine(settings: Settings) -> Result<Examined> {
        pool(settings, 2).await?.examine(SCHEMA).await
    }

    /// The connections, for what else lives in the same database.
    pub const fn pool(&self) -> &Pool {
        &self.pool
    }

    /// A transaction that writes rows of every organization: what workers and upkeep do.
    async fn write_all(&self) -> Result<Work> {
        self.pool.transaction_within(LIMIT, &self.walls.enter(Reach::All)).await
    }

    /// Single statements that read rows of every organization: what workers and upkeep do.
    async fn read_all(&self) -> Result<Work> {
        self.pool.work_within(LIMIT, &self.walls.enter(Reach::All)).await
    }

    /// A transaction that writes rows of one organization, and sees no other's.
    async fn write_of(&self, org: &OrgId) -> Result<Work> {
        self.pool.transaction_within(LIMIT, &self.walls.enter(Reach::Org(org.as_str()))).await
    }

    /// Single statements that read rows of one organization, and see no other's.
    async fn read_of(&self, org: &OrgId) -> Result<Work> {
        self.pool.work_within(LIMIT, &self.walls.enter(Reach::Org(org.as_str()))).await
    }

    /// What replaces the database's clock, in microseconds.
    fn injected(&self) -> Option<i64> {
        self.clock.as_ref().map(|clock| clock.now().as_microsecond())
    }

    /// The moment by the database's clock.
    async fn now(&self, work: &Work) -> Result<i64> {
        if let Some(injected) = self.injected() {
            return Ok(injected);
        }
        let row = work.first(NOW, &[&None::<i64>]).await?.ok_or_else(|| internal("the database has no clock"))?;
        get(&row, 0)
    }
}

/// Makes the pool where certificate files may be read.
async fn pool(settings: Settings, connections: usize) -> Result<Pool> {
    let limits = Limits { connections, acquire: LIMIT, connect: LIMIT };
    let settings = settings.for_writing();
    let make = move || Pool::new(settings, SESSION, Role::Store, limits);
    tokio::task::spawn_blocking(make).await.map_err(|cause| internal("a thread ended").caused_by(cause))?
}
