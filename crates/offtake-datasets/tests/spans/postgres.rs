//! What only Postgres can get wrong.

use std::sync::Arc;
use std::time::Duration;

use crate::common::{Backend, Kept, Place, all, org, span};
use offtake_datasets::spans::tail::SpentIn;
use offtake_datasets::spans::{Appended, SpanStore};
use offtake_model::ErrorKind;
use offtake_model::clock::SystemClock;
use offtake_postgres::{Limits, Pool, Role, Session, Settings};
use offtake_testkit::{Database, PgVersion, Postgres, eventually, within};

#[tokio::test]
async fn a_database_that_cannot_hold_every_text_is_refused() {
    let server = Postgres::shared(PgVersion::V15);
    let name = format!("latin_{}", std::process::id());
    server.execute(&format!("CREATE DATABASE {name} ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0"));
    let settings = Settings::parse(&server.url(&name)).unwrap();
    let error = SpanStore::open_postgres(settings, 2, Arc::new(SystemClock)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidRequest);
    assert!(error.detail().contains("LATIN1") && error.detail().contains("ENCODING 'UTF8'"), "{error}");
    server.execute(&format!("DROP DATABASE {name} WITH (FORCE)"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_append_whose_connection_is_ended_stores_nothing_and_the_next_one_does() {
    let kept = Kept::new(Backend::Postgres(PgVersion::V15)).await;
    let Place::Database(database, _) = &kept.place else { panic!("it lies in Postgres") };
    let acme = org("acme");
    kept.store.append(&acme, vec![span(1, 1, 1)]).await.unwrap();
    // Somebody else adds spans, and takes a while.
    let settings = Settings::parse(&database.url()).unwrap();
    let pool = Pool::new(settings, Session::default(), Role::Store, Limits::default()).unwrap();
    let other = pool.transaction(Duration::from_secs(60)).await.unwrap();
    other.rows("SELECT pg_advisory_xact_lock(x'7370616e73'::bigint)", &[]).await.unwrap();
    let store = Arc::clone(&kept.store);
    let waiting = tokio::spawn(async move { store.append(&org("acme"), vec![span(1, 2, 1)]).await });
    eventually("the append waits for the other", Duration::from_secs(30), || async {
        let waits = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
                     WHERE datname = current_database() AND wait_event = 'advisory'";
        (database.rows(waits)[0][0].as_deref() == Some("1")).then_some(())
    })
    .await;
    assert_eq!(waiting.await.unwrap().unwrap_err().kind(), ErrorKind::StoreUnavailable);
    other.end(Ok(())).await.unwrap();
    let again = kept.store.append(&acme, vec![span(1, 1, 1), span(1, 2, 1)]).await.unwrap();
    assert_eq!(again, Appended { stored: 1, duplicates: 1 });
    assert_eq!(kept.count("spans", &all(&acme)).await, 2);
    let (traces, _) = kept.rows("traces", &["span_count"], &all(&acme)).await;
    assert_eq!(traces, [["2".to_owned()]]);
}

/// Waits until such a statement runs.
async fn running(database: &Database, like: &str) {
    let count = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state = 'active' \
         AND pid <> pg_backend_pid() AND query LIKE '{like}'"
    );
    eventually("it runs", Duration::from_secs(30), || async {
        (database.rows(&count)[0][0].as_deref() == Some("1")).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_on_which_something_runs_that_nobody_waits_for_is_lent_no_more() {
    let database = Postgres::shared(PgVersion::V15).database();
    let limits = Limits { connections: 1, ..Limits::default() };
    let settings = Settings::parse(&database.url()).unwrap();
    let pool = Pool::new(settings, Session::default(), Role::Store, limits).unwrap();
    let work = pool.work(Duration::from_secs(60)).await.unwrap();
    let left = tokio::spawn(async move { work.rows("SELECT pg_sleep(50)", &[]).await });
    running(&database, "%pg_sleep(50)%").await;
    left.abort();
    assert!(left.await.unwrap_err().is_cancelled());
    let process = async || -> i32 {
        let work = pool.work(Duration::from_secs(10)).await.unwrap();
        work.first("SELECT pg_backend_pid()", &[]).await.unwrap().unwrap().get(0)
    };
    let next = process().await;
    assert_eq!(process().await, next, "what was answered, also with an error, leaves the connection as it was");
    let work = pool.work(Duration::from_secs(10)).await.unwrap();
    assert!(work.rows("SELECT nonsense", &[]).await.is_err());
    drop(work);
    assert_eq!(process().await, next);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_waits_for_a_sum_that_takes_long() {
    let kept = Kept::new(Backend::Postgres(PgVersion::V15)).await;
    let Place::Database(database, _) = &kept.place else { panic!("it lies in Postgres") };
    kept.store.append(&org("acme"), vec![span(1, 1, 1)]).await.unwrap();
    let settings = Settings::parse(&database.url()).unwrap();
    let pool = Pool::new(settings, Session::default(), Role::Store, Limits::default()).unwrap();
    let other = pool.transaction(Duration::from_secs(60)).await.unwrap();
    other.rows("LOCK TABLE offtake.traces IN ACCESS EXCLUSIVE MODE", &[]).await.unwrap();
    let tail = kept.store.tail();
    let sum = tokio::spawn(async move {
        tail.spent(&SpentIn { org: &org("acme"), provider: None, from: 0, to: 10, upto: 1 }).await
    });
    running(database, "%sum(s.cost_usd)%").await;
    let (tail, events) = (kept.store.tail(), kept.store.events());
    assert_eq!(within("the number", Duration::from_secs(4), tail.last()).await.unwrap(), 1);
    sum.abort();
    assert!(sum.await.unwrap_err().is_cancelled());
    assert_eq!(within("the number", Duration::from_secs(4), events.newest()).await.unwrap(), 1);
    other.end(Ok(())).await.unwrap();
}
