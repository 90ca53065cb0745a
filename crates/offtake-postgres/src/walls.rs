//! Whose rows a transaction sees: row-level security, as far as transactions have to do with it (ADR 17).
//!
//! Policies look at two settings that hold for one transaction: `offtake.org`, the organization whose rows may be seen and
//! changed, and `offtake.scope`, which is `all` for what serves all organizations at once. A transaction that sets
//! neither sees nothing. A superuser is not held by policies, nor is the owner of a table that does not force them: for
//! them transactions go on as the role [`ROWS_ROLE`], which may do nothing but read and write rows. Knows no table.

use offtake_model::Result;

use crate::migrate::lock;
use crate::pool::Pool;

/// Reads and writes rows, and is held by every policy. Nobody logs in as it.
pub const ROWS_ROLE: &str = "offtake_rows";

/// Whose rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach<'a> {
    /// Those of this organization.
    Org(&'a str),
    /// Everybody's: workers and upkeep.
    All,
}

/// How transactions come to be held by policies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Walls {
    role: bool,
}

impl Walls {
    /// Finds out whether the role is there for this user and may do what is needed in `schema`, and makes it where the
    /// user may. Any number of processes may do so at once.
    ///
    /// # Errors
    /// The kinds of [`Faults`](crate::Faults) if the server cannot be asked. That the role cannot be made is none.
    pub async fn raise(pool: &Pool, schema: &str) -> Result<Self> {
        if usable(pool, schema).await? {
            return Ok(Self { role: true });
        }
        if let Err(error) = make(pool, schema).await {
            tracing::debug!(%error, "the role {ROWS_ROLE} cannot be made");
        }
        Ok(Self { role: usable(pool, schema).await? })
    }

    /// The statements that begin a transaction's work on these rows.
    pub fn enter(self, reach: Reach<'_>) -> String {
        let role = if self.role { "SET LOCAL ROLE offtake_rows; " } else { "" };
        match reach {
            Reach::Org(org) => format!("{role}SET LOCAL offtake.org = {}", quoted(org)),
            Reach::All => format!("{role}SET LOCAL offtake.scope = 'all'"),
        }
    }
}

/// A text as a literal, whatever `standard_conforming_strings` says.
fn quoted(text: &str) -> String {
    format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

/// Whether this user may go on as the role, and the role may read and write every table of the schema.
async fn usable(pool: &Pool, schema: &str) -> Result<bool> {
    let connection = pool.get().await?;
    let row = connection.query_one(&usable_sql(schema), &[]).await.map_err(|cause| pool.error(cause))?;
    row.try_get(0).map_err(|cause| pool.error(cause))
}

/// The question whether the role is usable, which yields one row with one boolean.
pub(crate) fn usable_sql(schema: &str) -> String {
    format!(
        "SELECT EXISTS (
             SELECT 1 FROM pg_roles role WHERE role.rolname = '{ROWS_ROLE}' AND pg_has_role(role.oid, 'MEMBER')
             AND NOT role.rolsuper AND NOT role.rolbypassrls
             AND has_schema_privilege(role.oid, (SELECT oid FROM pg_namespace WHERE nspname = '{schema}'), 'USAGE')
             AND NOT EXISTS (
                 SELECT 1 FROM pg_class held JOIN pg_namespace place ON place.oid = held.relnamespace
                 WHERE place.nspname = '{schema}' AND held.relkind = 'r' AND held.relname <> 'migrations'
                 AND (NOT has_table_privilege(role.oid, held.oid, 'SELECT')
                      OR NOT has_table_privilege(role.oid, held.oid, 'INSERT')
                      OR NOT has_table_privilege(role.oid, held.oid, 'UPDATE')
                      OR NOT has_table_privilege(role.oid, held.oid, 'DELETE'))))"
    )
}

/// Makes what is missing: the role, this user's right to go on as it, its rights to the tables.
async fn make(pool: &Pool, schema: &str) -> Result<(), tokio_postgres::Error> {
    let Ok(mut connection) = pool.get().await else { return Ok(()) };
    // Roles belong to the server: another database's Offtake may make it at the same moment.
    let role = format!(
        "DO $$ BEGIN
             IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = '{ROWS_ROLE}') THEN
                 BEGIN
                     CREATE ROLE {ROWS_ROLE} NOLOGIN;
                 EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
                 END;
             END IF;
             IF NOT pg_has_role('{ROWS_ROLE}', 'MEMBER') THEN
                 GRANT {ROWS_ROLE} TO CURRENT_USER;
             END IF;
         END $$"
    );
    connection.batch_execute(&role).await?;
    let transaction = connection.transaction().await?;
    lock(&transaction).await?;
    let grants = format!(
        "GRANT USAGE ON SCHEMA {schema} TO {ROWS_ROLE};
         DO $$ DECLARE held regclass; BEGIN
             FOR held IN SELECT pg_class.oid FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
                         WHERE nspname = '{schema}' AND relkind = 'r' AND relname <> 'migrations' LOOP
                 EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO {ROWS_ROLE}', held);
             END LOOP;
             FOR held IN SELECT pg_class.oid FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
                         WHERE nspname = '{schema}' AND relkind = 'S' LOOP
                 EXECUTE format('GRANT USAGE, SELECT, UPDATE ON SEQUENCE %s TO {ROWS_ROLE}', held);
             END LOOP;
         END $$"
    );
    transaction.batch_execute(&grants).await?;
    transaction.commit().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_organization_cannot_leave_its_quotes() {
        let walls = Walls { role: true };
        assert_eq!(
            walls.enter(Reach::Org(r"o'neil\'; RESET ROLE --")),
            r"SET LOCAL ROLE offtake_rows; SET LOCAL offtake.org = E'o''neil\\''; RESET ROLE --'"
        );
        assert_eq!(Walls { role: false }.enter(Reach::All), "SET LOCAL offtake.scope = 'all'");
    }
}
