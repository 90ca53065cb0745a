//! What is wrong with the Postgres that jobs are kept in.

use jiff::Timestamp;
use offtake_model::clock::{Clock, SystemClock};
use offtake_postgres::{Examined, ROWS_ROLE, Settings};
use offtake_store::PostgresStore;

use super::{CLOCK_WARNS, Findings, in_time};

/// The versions that Offtake is tested with: from this one, and below that one.
const OLDEST: u32 = 150_000;
const UNTESTED: u32 = 190_000;

/// Looks at the server. `false` if jobs cannot be kept there.
pub(super) async fn examine(settings: &Settings, found: &mut Findings) -> bool {
    match in_time(PostgresStore::examine(settings.clone())).await {
        Ok(server) => {
            let before = found.0.len();
            judge(&server, SystemClock.now(), found);
            !found.0[before..].iter().any(|finding| finding.verdict == "failed")
        }
        Err(error) => {
            found.error("job database", &error);
            false
        }
    }
}

fn judge(server: &Examined, now: Timestamp, found: &mut Findings) {
    version(server, found);
    rights(server, found);
    walls(server, found);
    if server.shares_sessions {
        found.fail(
            "job database: pooler",
            "a pooler gives one session of Postgres to several clients, which lose settings and wake-ups by it; use \
             its session mode, or lead database.url to Postgres itself",
        );
    }
    let theirs = Timestamp::UNIX_EPOCH.saturating_add(server.time).unwrap_or(now);
    let apart = now.duration_since(theirs).unsigned_abs();
    let told = format!("{} s apart from the database", apart.as_secs());
    if apart > CLOCK_WARNS {
        found.warn(
            "job database: clock",
            format!("{told}; its clock decides about leases, ours about tokens and links: let NTP set both"),
        );
    } else {
        found.ok("job database: clock", told);
    }
}

fn version(server: &Examined, found: &mut Findings) {
    let (about, told) = ("job database: version", format!("PostgreSQL {}", server.version));
    match server.number {
        ..OLDEST => found.fail(about, format!("{told} is too old; Offtake needs 15 to 18")),
        UNTESTED.. => found.warn(about, format!("{told} is newer than what this Offtake was tested with, 15 to 18")),
        _ => found.ok(about, told),
    }
}

fn rights(server: &Examined, found: &mut Findings) {
    let about = "job database: rights";
    let Examined { user, database, .. } = server;
    if !server.may_write {
        let advice = format!("ALTER TABLE … OWNER TO {user}, for each of them, or connect as their owner");
        found.fail(about, format!("user {user} may not read and write every table of schema offtake; {advice}"));
    } else if !server.may_create && server.has_schema {
        let advice = format!("GRANT USAGE, CREATE ON SCHEMA offtake TO {user}");
        found.fail(about, format!("user {user} may not make tables in schema offtake, as updates must; {advice}"));
    } else if !server.may_create {
        let advice = format!("GRANT CREATE ON DATABASE {database} TO {user}");
        found.fail(about, format!("user {user} may not make the schema offtake in database {database}; {advice}"));
    } else {
        found.ok(about, format!("user {user} may do all that is needed in database {database}"));
    }
}

/// Whether row-level security holds for what Offtake does.
fn walls(server: &Examined, found: &mut Findings) {
    let about = "job database: row-level security";
    let user = &server.user;
    let advice = format!("CREATE ROLE {ROWS_ROLE} NOLOGIN; GRANT {ROWS_ROLE} TO {user}; and start Offtake again");
    match (server.bypasses_policies, server.has_rows_role) {
        (_, true) => found.ok(about, format!("transactions run as {ROWS_ROLE}, which sees one organization at a time")),
        (false, false) => found.ok(
            about,
            format!(
                "it holds for user {user}, but for spans, whose owner it does not hold for; for those too: {advice}"
            ),
        ),
        (true, false) => found.warn(
            about,
            format!(
                "it does not hold for user {user}, who bypasses it, so that only Offtake's own conditions keep \
                     organizations apart; connect as another user, or: {advice}"
            ),
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn sound() -> Examined {
        Examined {
            version: "16.2".to_owned(),
            number: 160_002,
            time: Duration::from_secs(1_800_000_000),
            user: "offtake".to_owned(),
            database: "jobs".to_owned(),
            has_schema: true,
            may_create: true,
            may_write: true,
            bypasses_policies: false,
            has_rows_role: true,
            shares_sessions: false,
        }
    }

    /// What is not in order, after so many seconds of ours.
    fn wrong(server: &Examined, seconds: i64) -> Vec<(String, &'static str)> {
        let mut found = Findings::default();
        judge(server, Timestamp::from_second(seconds).expect("a moment"), &mut found);
        let bad = found.0.into_iter().filter(|finding| finding.verdict != "ok");
        bad.map(|finding| (finding.about, finding.verdict)).collect()
    }

    #[test]
    fn what_is_in_order_is_not_complained_about() {
        assert_eq!(wrong(&sound(), 1_800_000_003), []);
    }

    #[test]
    fn a_user_whom_policies_do_not_hold_is_told() {
        let finding = ("job database: row-level security".to_owned(), "warning");
        let bypassing = Examined { bypasses_policies: true, has_rows_role: false, ..sound() };
        assert_eq!(wrong(&bypassing, 1_800_000_003), [finding]);
        assert_eq!(wrong(&Examined { bypasses_policies: false, ..bypassing }, 1_800_000_003), []);
    }

    #[test]
    fn old_and_unknown_versions_and_clocks_are_told() {
        let version = |number| wrong(&Examined { number, ..sound() }, 1_800_000_000);
        assert_eq!(version(140_011), [("job database: version".to_owned(), "failed")]);
        assert_eq!(version(190_000), [("job database: version".to_owned(), "warning")]);
        for ours in [1_800_000_030, 1_799_999_000] {
            assert_eq!(wrong(&sound(), ours), [("job database: clock".to_owned(), "warning")]);
        }
    }
}
