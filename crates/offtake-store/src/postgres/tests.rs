//! The contract on Postgres, oldest and newest version, and what only Postgres can get wrong.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::SignedDuration;
use offtake_model::ErrorKind;
use offtake_model::clock::{Clock, ManualClock, SystemClock};
use offtake_model::id::JobId;
use offtake_postgres::Settings;
use offtake_testkit::{Database, PgVersion, Postgres, within};

use super::*;
use crate::contract::given::{self, *};
use crate::contract::{Backend, audit};
use crate::{JobFilter, JobLimits, Jobs, NewJob, Signal, Take, WorkerName};

/// What must outlive a store: its database and the hold on the server, in this order.
type Keep = (Database, Postgres);

async fn empty(version: PgVersion) -> (Keep, Backend) {
    let server = Postgres::shared(version);
    let database = server.database();
    let clock = ManualClock::starting_at(given::noon());
    let store = PostgresStore::open(settings(&database.url()), 6, Some(clock.clone())).await.unwrap();
    listens(&store).await;
    let backend = Backend::of(store, clock);
    ((database, server), backend)
}

fn settings(url: &str) -> Settings {
    Settings::parse(url).unwrap()
}

async fn no_presets(version: PgVersion) -> (Keep, Arc<dyn crate::Presets>) {
    let server = Postgres::shared(version);
    let database = server.database();
    let presets = store(&database.url()).await;
    ((database, server), presets)
}

/// By the database's own clock.
async fn store(url: &str) -> Arc<PostgresStore> {
    PostgresStore::open(settings(url), 4, None).await.unwrap()
}

/// Waits until the store hears of others. When it begins to, it wakes everybody once: what is woken after this was
/// woken for a reason.
async fn listens(store: &PostgresStore) {
    let mut changes = store.changes();
    within("it listens", Duration::from_secs(20), changes.wait_for(|version| *version > 0)).await.unwrap();
}

mod v15 {
    use super::{Backend, Keep, PgVersion, empty};

    async fn open() -> (Keep, Backend) {
        empty(PgVersion::V15).await
    }

    crate::contract::contract_tests!(open);

    mod presets {
        async fn open() -> (super::Keep, std::sync::Arc<dyn crate::Presets>) {
            super::super::no_presets(super::PgVersion::V15).await
        }

        crate::contract::preset_tests!(open);
    }
}

mod v18 {
    use super::{Backend, Keep, PgVersion, empty};

    async fn open() -> (Keep, Backend) {
        empty(PgVersion::V18).await
    }

    crate::contract::contract_tests!(open);

    mod presets {
        async fn open() -> (super::Keep, std::sync::Arc<dyn crate::Presets>) {
            super::super::no_presets(super::PgVersion::V18).await
        }

        crate::contract::preset_tests!(open);
    }
}

/// A request by the machine's clock, which the server shares.
fn request() -> NewJob {
    NewJob {
        id: JobId::new(SystemClock.now()),
        org: org("acme"),
        owner: "ada".to_owned(),
        needs: Vec::new(),
        owner_email: None,
        spec: spec(),
        name: "Spans".to_owned(),
        file_name: "spans.csv".to_owned(),
        request_id: None,
        traceparent: None,
        idempotency: None,
        pinned_to: None,
        limits: JobLimits::NONE,
        now: SystemClock.now(),
        by: act(),
    }
}

#[tokio::test]
async fn five_open_an_empty_database_at_once() {
    for version in PgVersion::ALL {
        let server = Postgres::shared(version);
        let database = server.database();
        let opening: Vec<_> = (0..5)
            .map(|_| {
                let url = database.url();
                tokio::spawn(async move { store(&url).await })
            })
            .collect();
        for opened in opening {
            opened.await.unwrap().ping().await.unwrap();
        }
        let applied = database.rows("SELECT component, step FROM offtake.migrations ORDER BY step");
        let steps: Vec<_> =
            (1..=MIGRATIONS.steps.len()).map(|step| vec![Some("jobs".to_owned()), Some(step.to_string())]).collect();
        assert_eq!(applied, steps);
    }
}

/// `greatest` passes over NULL, and nothing would look like no wait at all.
#[tokio::test]
async fn how_long_a_job_waited_is_unknown_where_its_start_is() {
    let ((database, _server), backend) = empty(PgVersion::V15).await;
    backend.enqueued().await;
    backend.completed(backend.claimed("w1").await).await;
    database.execute("UPDATE offtake.jobs SET started_at = NULL");
    let rows = backend.jobs.recent_performance(&org("acme"), 1).await.unwrap();
    assert_eq!(rows.iter().map(|row| row.queued_ms).collect::<Vec<_>>(), [None]);
}

#[tokio::test]
async fn a_database_of_a_newer_offtake_is_refused() {
    let server = Postgres::shared(PgVersion::V15);
    let database = server.database();
    drop(store(&database.url()).await);
    database.execute("INSERT INTO offtake.migrations (component, step) VALUES ('jobs', 1000)");
    let error = PostgresStore::open(settings(&database.url()), 4, None).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Internal);
    assert!(error.detail().contains("newer"), "{error}");
}

#[tokio::test]
async fn it_needs_no_more_rights_than_a_schema_of_its_own() {
    let server = Postgres::shared(PgVersion::V15);
    let database = server.database();
    let role = format!("{}_role", database.name());
    database.execute(&format!(
        "CREATE ROLE {role} LOGIN; REVOKE ALL ON DATABASE {} FROM PUBLIC; GRANT CONNECT ON DATABASE {0} TO {role}; \
         CREATE SCHEMA offtake AUTHORIZATION {role}",
        database.name()
    ));
    let url = database.url().replace("postgres://postgres@", &format!("postgres://{role}@"));
    let store = store(&url).await;
    store.enqueue(request()).await.unwrap();
    drop(store);
    database.execute(&format!("DROP OWNED BY {role}; DROP ROLE {role}"));
}

#[tokio::test]
async fn deadlines_are_by_the_clock_of_the_database() {
    let server = Postgres::shared(PgVersion::V18);
    let database = server.database();
    let store = store(&database.url()).await;
    // A caller whose clock is an hour ahead.
    let request = request();
    let ahead = NewJob { now: request.now + SignedDuration::from_hours(1), ..request };
    let before = SystemClock.now() - SignedDuration::from_millis(1);
    let job = store.enqueue(ahead.clone()).await.unwrap().job;
    let after = SystemClock.now();
    assert_eq!(job.created_at.as_microsecond(), ahead.now.as_microsecond());
    assert!(before <= job.run_at && job.run_at <= after, "{before} {} {after}", job.run_at);
    let claimed = store.claim(&worker("w"), Take::Any, SignedDuration::from_hours(1)).await.unwrap();
    let job = claimed.expect("due at once").job;
    assert!(job.started_at >= Some(job.created_at), "no job starts before it is asked for");
    assert!(store.rescue(MAX_DEATHS, KEEP).await.unwrap().is_empty());
    assert_eq!(store.reclaim(&worker("w"), MAX_DEATHS, KEEP).await.unwrap().len(), 1);
    store.claim(&worker("w"), Take::Any, SignedDuration::from_secs(-1)).await.unwrap().unwrap();
    assert_eq!(store.rescue(MAX_DEATHS, KEEP).await.unwrap().len(), 1, "that lease was over before it began");
}

#[tokio::test]
async fn others_hear_of_jobs_and_changes() {
    let server = Postgres::shared(PgVersion::V15);
    let database = server.database();
    let (here, there) = (store(&database.url()).await, store(&database.url()).await);
    let (due, mut changes) = (there.due(), there.changes());
    // What it hears from here on, it heard from the other.
    listens(&there).await;
    let waiting = due.notified();
    here.enqueue(request()).await.unwrap();
    within("the other process is woken", Duration::from_secs(10), waiting).await;
    changes.mark_unchanged();
    let claimed = here.claim(&worker("w"), Take::Any, LEASE).await.unwrap().unwrap();
    within("the change is heard of", Duration::from_secs(10), changes.changed()).await.unwrap();
    assert_eq!(there.signal(&claimed.lease).await.unwrap(), Signal::Continue);
}

#[tokio::test]
async fn a_lost_connection_is_made_anew_and_what_was_missed_looked_for() {
    let mut server = Postgres::own(PgVersion::V15);
    let database = server.database();
    let store = store(&database.url()).await;
    let mut changes = store.changes();
    listens(&store).await;
    server.stop_fast();
    let began = Instant::now();
    let error = store.enqueue(request()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StoreUnavailable, "{error}");
    assert!(began.elapsed() < Duration::from_secs(6), "{:?}", began.elapsed());
    changes.mark_unchanged();
    server.start();
    within("it listens again", Duration::from_secs(20), changes.changed()).await.unwrap();
    store.enqueue(request()).await.unwrap();
}

#[tokio::test]
async fn a_server_that_stands_still_keeps_nobody() {
    let server = Postgres::own(PgVersion::V15);
    let database = server.database();
    let store = store(&database.url()).await;
    store.enqueue(request()).await.unwrap();
    server.freeze();
    let began = Instant::now();
    let error = store.ping().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StoreUnavailable, "{error}");
    assert!(began.elapsed() < Duration::from_secs(7), "{:?}", began.elapsed());
    server.thaw();
    store.ping().await.unwrap();
}

#[tokio::test]
async fn a_standby_is_told_apart() {
    let primary = Postgres::own(PgVersion::V15);
    let database = primary.database();
    drop(store(&database.url()).await);
    let standby = primary.standby("");
    let url = |first: u16, second: u16| {
        format!("postgres://postgres@127.0.0.1:{first},127.0.0.1:{second}/{}", database.name())
    };
    // Of two hosts it finds the one that takes writes; of a standby alone it says what it is.
    let both = store(&url(standby.port(), primary.port())).await;
    both.enqueue(request()).await.unwrap();
    let standby_url = standby.url(database.name());
    let alone = offtake_testkit::eventually("the standby has the tables", Duration::from_secs(20), || async {
        PostgresStore::open(settings(&standby_url), 2, None).await.ok()
    })
    .await;
    let error = alone.enqueue(request()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StoreUnavailable, "{error}");
    assert!(error.detail().contains("target_session_attrs"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn claimers_of_many_processes_never_share_a_job() {
    const JOBS: usize = 60;
    let server = Postgres::shared(PgVersion::V18);
    let database = server.database();
    let first = store(&database.url()).await;
    for _ in 0..JOBS {
        first.enqueue(request()).await.unwrap();
    }
    let claimers: Vec<_> = (0..5)
        .map(|number| {
            let url = database.url();
            tokio::spawn(async move {
                let (store, me) = (store(&url).await, WorkerName(format!("w{number}")));
                let mut taken = Vec::new();
                while let Some(claimed) = store.claim(&me, Take::Any, SignedDuration::from_hours(1)).await.unwrap() {
                    store.save_plan(&claimed.lease, &plan(200)).await.unwrap();
                    let clock = ManualClock::starting_at(SystemClock.now());
                    let b = Backend::of(store.clone(), clock);
                    taken.push(b.completed(claimed).await.0.id);
                }
                taken
            })
        })
        .collect();
    let mut taken = Vec::new();
    for claimer in claimers {
        taken.extend(claimer.await.unwrap());
    }
    assert_eq!(taken.len(), JOBS, "every job is done");
    assert_eq!(taken.iter().collect::<BTreeSet<_>>().len(), JOBS, "and none twice");
    let filter = JobFilter { limit: 100, ..JobFilter::default() };
    assert_eq!(first.list(&scope("acme"), &filter).await.unwrap().total, JOBS as u64);
}

#[tokio::test]
async fn a_row_that_cannot_be_read_is_named_and_does_not_hold_up_the_queue() {
    for sql in ["UPDATE offtake.job_specs SET spec = 'x'", "UPDATE offtake.jobs SET attempt = -5"] {
        let ((database, _server), b) = empty(PgVersion::V15).await;
        let broken = b.enqueued().await.id;
        database.execute(sql);
        let error = b.jobs.get(&scope("acme"), broken).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Internal);
        assert!(error.detail().contains(&broken.to_string()), "{error}");
        let sound = b.enqueued().await.id;
        assert_eq!(b.claimed("w").await.job.id, sound);
        let rows = database.rows(&format!("SELECT status FROM offtake.jobs WHERE id = '{broken}'"));
        assert_eq!(rows[0][0].as_deref(), Some("failed"));
    }
}

#[tokio::test]
async fn callers_who_stop_waiting_break_nothing() {
    use futures::FutureExt as _;
    let server = Postgres::shared(PgVersion::V15);
    let database = server.database();
    let store = store(&database.url()).await;
    for wait in 0..40 {
        let asked = store.enqueue(request());
        let _given_up = tokio::time::timeout(Duration::from_micros(wait * 100), asked).await;
        drop(store.depth().now_or_never());
    }
    let last = store.enqueue(request()).await.unwrap().job.id;
    assert_eq!(store.get(&scope("acme"), last).await.unwrap().id, last);
    let stuck = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in %'";
    offtake_testkit::eventually("no transaction stays open", Duration::from_secs(10), || async {
        (database.rows(stuck)[0][0].as_deref() == Some("0")).then_some(())
    })
    .await;
}

#[tokio::test]
async fn statements_find_their_rows_by_an_index() {
    const TURN: [&str; 5] = ["1", "'1'", "false", "1", "false"];
    const COUNT: [&str; 6] = ["'1'", "'1'", "'1'", "1", "1", "true"];
    let ((database, _server), _b) = empty(PgVersion::V15).await;
    let statements: [(&str, &str, &[&str]); 11] = [
        (leases::TURNS, "jobs_waiting", &TURN),
        (leases::TURNS, "jobs_running", &TURN),
        (leases::TURNS, "jobs_served", &TURN),
        (leases::NEXT_DUE, "jobs_waiting", &["1", "'1'"]),
        (leases::NEXT_PINNED, "jobs_pinned", &["1", "'1'"]),
        (requests::COUNTED, "jobs_active", &COUNT),
        (requests::COUNTED, "jobs_of_owner", &COUNT),
        (requests::COUNTED, "jobs_of_org", &COUNT),
        (upkeep::OVERDUE, "jobs_leased", &["1"]),
        (artifacts::EXPIRE_DUE, "jobs_expiring", &["1"]),
        (artifacts::DISPOSABLE.as_str(), "artifacts_to_sweep", &["1", "1"]),
    ];
    for (sql, index, values) in statements {
        let mut sql = sql.to_owned();
        for (number, value) in values.iter().enumerate().rev() {
            sql = sql.replace(&format!("${}", number + 1), value);
        }
        let steps = database.rows(&format!(
            "SET search_path = offtake; SET enable_seqscan = off; SET enable_bitmapscan = off; EXPLAIN {sql}"
        ));
        let steps: Vec<String> = steps.into_iter().flatten().flatten().collect();
        assert!(steps.iter().any(|step| step.contains(index)), "{sql}: {steps:#?}");
    }
}

fn in_schema(sql: &str) -> String {
    sql.replace("{}audit", "offtake.audit")
}

#[tokio::test]
async fn the_audit_trail_is_only_added_to() {
    let ((database, _server), b) = empty(PgVersion::V15).await;
    audit::a_trail(&b).await;
    for sql in audit::REFUSED.iter().chain(&["TRUNCATE {}audit_entries", "TRUNCATE {}audit_heads"]) {
        let sql = in_schema(sql);
        let refused = format!(
            "DO $do$ BEGIN {sql}; RAISE 'done'; EXCEPTION WHEN raise_exception THEN \
                               IF SQLERRM = 'done' THEN RAISE; END IF; END $do$"
        );
        database.execute(&refused);
    }
    assert_eq!(audit::first_broken(&b, &[]).await, (None, None));
}

#[tokio::test]
async fn tampering_with_the_audit_trail_is_found() {
    let trail = async || {
        let (keep, b) = empty(PgVersion::V18).await;
        audit::a_trail(&b).await;
        for table in ["audit_entries", "audit_heads"] {
            keep.0.execute(&format!("ALTER TABLE offtake.{table} DISABLE TRIGGER USER"));
        }
        (keep, b)
    };
    audit::tampering_is_found(trail, |(database, _): &Keep, sql| database.execute(&in_schema(sql))).await;
}

#[tokio::test]
async fn without_the_audit_trail_nothing_happens() {
    let ((database, _server), b) = empty(PgVersion::V18).await;
    let sabotage = "ALTER TABLE offtake.audit_entries ADD CHECK (number < 0) NOT VALID";
    audit::nothing_happens_unaudited(&b, || database.execute(sabotage)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn two_stores_on_one_database_write_one_audit_trail() {
    let server = Postgres::shared(PgVersion::V18);
    let database = server.database();
    let (one, other) = (store(&database.url()).await, store(&database.url()).await);
    audit::at_once(&[one, other]).await;
}
