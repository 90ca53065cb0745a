//! What a server is like, for whoever is to keep tables on it.

use std::time::Duration;

use deadpool_postgres::Object;
use offtake_model::{Error, ErrorKind, Result};
use tokio_postgres::SimpleQueryMessage;

use crate::pool::Pool;
use crate::walls::usable_sql;

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Examined {
    /// Its version as it says it: `15.14 (Debian …)`.
    pub version: String,
    /// Its version as a number: 150014.
    pub number: u32,
    /// Its time, since the epoch.
    pub time: Duration,
    /// The user who asks, and the database.
    pub user: String,
    /// The database.
    pub database: String,
    /// Whether the schema is there.
    pub has_schema: bool,
    /// Whether the user may make tables in the schema, or the schema itself where it is not there.
    pub may_create: bool,
    /// Whether the user may read and write every table of the schema.
    pub may_write: bool,
    /// Whether policies do not hold for the user: a superuser, or one with BYPASSRLS.
    pub bypasses_policies: bool,
    /// Whether transactions can go on as the role that policies hold for, or will be once Offtake has started.
    pub has_rows_role: bool,
    /// Whether something on the way gives one session of the server to several clients by turns.
    pub shares_sessions: bool,
}

impl Pool {
    /// Looks at the server, and at what its user may do to tables in `schema`. Takes two connections.
    ///
    /// # Errors
    /// The kinds of [`Faults`](crate::Faults).
    pub async fn examine(&self, schema: &str) -> Result<Examined> {
        let first = self.get().await?;
        let cells = self.cells(&first, &question(schema)).await?;
        // The first client is still there: nobody else should have its session.
        let second = self.get().await?;
        let other = self.cells(&second, "SELECT pg_backend_pid()").await?;
        let cell = |at: usize| cells.get(at).cloned().unwrap_or_default();
        let whole = |at: usize| cell(at).parse::<u64>().map_err(|_| odd(&cells));
        Ok(Examined {
            version: cell(0),
            number: u32::try_from(whole(1)?).map_err(|_| odd(&cells))?,
            time: Duration::from_millis(whole(2)?),
            user: cell(3),
            database: cell(4),
            has_schema: cell(5) == "t",
            may_create: cell(6) == "t",
            may_write: cell(7) == "t",
            bypasses_policies: cell(9) == "t",
            has_rows_role: cell(10) == "t" || cell(11) == "t",
            shares_sessions: other.first() == cells.get(8),
        })
    }

    /// The cells of the one row of a statement, which is not prepared: a pooler might lose it.
    async fn cells(&self, connection: &Object, sql: &str) -> Result<Vec<String>> {
        let messages = connection.simple_query(sql).await.map_err(|cause| self.error(cause))?;
        let row = messages.iter().find_map(|message| {
            let SimpleQueryMessage::Row(row) = message else { return None };
            Some(row)
        });
        let row = row.ok_or_else(|| odd(&[]))?;
        Ok((0..row.len()).map(|column| row.get(column).unwrap_or_default().to_owned()).collect())
    }
}

fn question(schema: &str) -> String {
    format!(
        "WITH own AS (SELECT oid FROM pg_namespace WHERE nspname = '{schema}')
         SELECT current_setting('server_version'), current_setting('server_version_num'),
                (extract(epoch FROM clock_timestamp()) * 1000)::bigint, current_user, current_database(),
                EXISTS (SELECT 1 FROM own),
                coalesce((SELECT has_schema_privilege(oid, 'USAGE') AND has_schema_privilege(oid, 'CREATE') FROM own),
                         has_database_privilege(current_database(), 'CREATE')),
                NOT EXISTS (SELECT 1 FROM pg_class, own WHERE relnamespace = own.oid AND relkind = 'r'
                            AND NOT (has_table_privilege(pg_class.oid, 'SELECT')
                                     AND has_table_privilege(pg_class.oid, 'INSERT')
                                     AND has_table_privilege(pg_class.oid, 'UPDATE')
                                     AND has_table_privilege(pg_class.oid, 'DELETE'))),
                pg_backend_pid(),
                (SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user),
                ({usable}),
                (SELECT rolsuper OR rolcreaterole FROM pg_roles WHERE rolname = current_user)",
        usable = usable_sql(schema),
    )
}

fn odd(cells: &[String]) -> Error {
    Error::new(ErrorKind::Internal, format!("the server does not say what it is: {cells:?}"))
}
