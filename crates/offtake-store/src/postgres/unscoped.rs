//! A store whose own conditions on the organization are taken out of every statement, for tests: what it still does not
//! give away, row-level security keeps.

use std::sync::Arc;

use offtake_model::Result;
use offtake_postgres::Settings;

use super::PostgresStore;

impl PostgresStore {
    /// As [`PostgresStore::open`], by the database's clock, with statements that ask for rows of every organization.
    ///
    /// # Errors
    /// Those of [`PostgresStore::open`].
    pub async fn open_unscoped(settings: Settings, connections: usize) -> Result<Arc<Self>> {
        Self::over(super::pool(settings, connections).await?.changing(unscoped), None).await
    }
}

/// `x.org = $2` and `org = ($2)` become a condition that always holds and still takes its parameter.
fn unscoped(sql: &str) -> String {
    const TEST: &str = "org = ";
    let (mut kept, mut rest) = (String::with_capacity(sql.len() + 32), sql);
    while let Some(at) = rest.find(TEST) {
        let (before, after) = (&rest[..at], &rest[at + TEST.len()..]);
        let bare = after.trim_start_matches('(');
        let opened = after.len() - bare.len();
        let digits = bare.strip_prefix('$').map_or(0, |digits| digits.bytes().take_while(u8::is_ascii_digit).count());
        let is_whole = !before.ends_with(|c: char| c.is_alphanumeric() || c == '_');
        if digits == 0 || !is_whole {
            kept.push_str(&rest[..at + TEST.len()]);
            rest = after;
            continue;
        }
        // The name of the table in front goes as well.
        let table = before
            .strip_suffix('.')
            .map_or(before, |named| named.trim_end_matches(|c: char| c.is_alphanumeric() || c == '_'));
        kept.push_str(table);
        kept.push_str(&format!("({}::text IS NOT NULL)", &bare[..=digits]));
        rest = &bare[1 + digits + opened..];
        rest = rest.strip_prefix("::text").unwrap_or(rest);
    }
    kept + rest
}

#[cfg(test)]
mod tests {
    use super::unscoped;

    #[test]
    fn conditions_on_the_organization_hold_for_all() {
        assert_eq!(unscoped("WHERE id = $1 AND org = $2 AND a"), "WHERE id = $1 AND ($2::text IS NOT NULL) AND a");
        assert_eq!(
            unscoped("true AND org = ($12) AND jobs.org = $1"),
            "true AND ($12::text IS NOT NULL) AND ($1::text IS NOT NULL)"
        );
        assert_eq!(unscoped("ON p.org = $1::text AND p.sub = $2"), "ON ($1::text IS NOT NULL) AND p.sub = $2");
        assert_eq!(unscoped("NEW.org = OLD.org AND the_org = $1"), "NEW.org = OLD.org AND the_org = $1");
    }
}
