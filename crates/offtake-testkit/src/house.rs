//! Where the product keeps jobs, spans and files in a test: in its data dir, or in Postgres and a bucket.

use crate::data::prepared_database;
use crate::postgres::{Database, PgVersion, Postgres, rows_at};
use crate::s3::S3Server;
use crate::settings::switch;
use crate::truth::SPAN_COLUMNS;

/// Signs nothing but the tokens of tests.
pub(crate) const SECRET: &str = "kV3r9ZtQ2mXw7LpB5nHc8DfJ1sYg4AuEoTi6RbNz0KxMvWqC";

/// Rows of every organization, also for a user whom policies hold.
const EVERYBODYS: &str = "SET offtake.scope = 'all'";

/// Spans to begin with: the binary that imports them, and how many.
pub(crate) type Spans<'a> = Option<(&'a str, u64)>;

/// A place for jobs, spans and files. Dropping it drops the database.
#[derive(Debug, Default)]
pub struct House {
    /// Where jobs are; `None`: a file in the data dir.
    database: Option<String>,
    /// Where files are; `None`: a folder in the data dir.
    bucket: Option<S3Server>,
    /// What `database` names, unless somebody else does. The server outlives its database.
    _own: Option<(Database, Postgres)>,
}

impl House {
    /// What this run tests: `OFFTAKE_TEST_HOUSE`, the data dir unless it says `postgres-s3`.
    ///
    /// # Panics
    /// If it says something else, or a server cannot be started.
    pub async fn of_this_run() -> Self {
        if is_apart() { Self::apart(None).await } else { Self::default() }
    }

    /// A Postgres database and a space in a bucket.
    pub(crate) async fn apart(spans: Spans<'_>) -> Self {
        let mut house = Self::default();
        house.take_database(spans).await;
        house.take_bucket().await;
        house
    }

    /// The house of an app that has chosen its `database` or the place of its files itself.
    pub(crate) async fn of_app(database: Option<String>, other_files: bool, spans: Spans<'_>) -> Self {
        let mut house = Self { database, ..Self::default() };
        if is_apart() && house.database.is_none() {
            house.take_database(spans).await;
        }
        if is_apart() && !other_files {
            house.take_bucket().await;
        }
        house
    }

    /// The settings of the product for it, as keys and TOML values.
    pub fn settings(&self) -> Vec<(&'static str, String)> {
        let mut all = self.bucket.as_ref().map(|bucket| bucket.settings(bucket.endpoint())).unwrap_or_default();
        if let Some(url) = &self.database {
            all.push(("database.url", format!("\"{url}\"")));
            all.push(("token.secret", format!("\"{SECRET}\"")));
        }
        all
    }

    /// The bucket, if files are in one.
    pub(crate) const fn bucket(&self) -> Option<&S3Server> {
        self.bucket.as_ref()
    }

    /// Whether jobs are somewhere else than in the data dir.
    pub(crate) const fn is_elsewhere(&self) -> bool {
        self.database.is_some()
    }

    /// The cells of the rows of a query on the job store, if that is Postgres.
    pub(crate) fn jobs(&self, sql: &str) -> Option<Vec<Vec<String>>> {
        let rows = rows_at(self.database.as_ref()?, &format!("SET search_path = offtake; {EVERYBODYS}; {sql}"));
        Some(rows.into_iter().map(|row| row.into_iter().flatten().collect()).collect())
    }

    /// The cells of the built-in spans, if they lie in Postgres.
    pub(crate) fn spans(&self) -> Option<Vec<Vec<Option<String>>>> {
        let columns = SPAN_COLUMNS.map(|(_, column, _)| column).join(", ");
        let sql = format!("SET search_path = offtake; SET extra_float_digits = 1; SELECT {columns} FROM spans");
        Some(rows_at(self.database.as_ref()?, &sql))
    }

    async fn take_database(&mut self, spans: Spans<'_>) {
        let server = Postgres::shared(PgVersion::V15);
        let database = match spans {
            Some((binary, spans)) => prepared_database(&server, binary, spans).await,
            None => server.database(),
        };
        self.database = Some(database.url());
        self._own = Some((database, server));
    }

    async fn take_bucket(&mut self) {
        self.bucket = Some(S3Server::seaweed().await);
    }
}

/// Whether this run is about Postgres and a bucket.
fn is_apart() -> bool {
    match switch("OFFTAKE_TEST_HOUSE", "embedded".to_owned()).as_str() {
        "embedded" => false,
        "postgres-s3" => true,
        other => panic!("OFFTAKE_TEST_HOUSE={other}: embedded or postgres-s3"),
    }
}
