//! The contract on SQLite, and what only SQLite can get wrong.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use futures::FutureExt;
use jiff::SignedDuration;
use offtake_model::clock::{Clock, ManualClock, SystemClock};
use offtake_model::id::JobId;
use offtake_model::{Error, ErrorKind};
use tempfile::TempDir;

use super::*;
use crate::contract::given::{self, *};
use crate::contract::{Backend, audit};
use crate::{JobFilter, Jobs, NewJob, Take, WorkerName};

async fn open() -> (TempDir, Backend) {
    let folder = tempfile::tempdir().unwrap();
    let clock = ManualClock::starting_at(given::noon());
    let store = SqliteStore::open(&folder.path().join("offtake.db"), Some(clock.clone())).unwrap();
    let backend = Backend::of(store, clock);
    (folder, backend)
}

mod suite {
    use super::open;
    crate::contract::contract_tests!(open);
}

mod presets {
    async fn open() -> (tempfile::TempDir, std::sync::Arc<dyn crate::Presets>) {
        let folder = tempfile::tempdir().unwrap();
        let store = crate::SqliteStore::open(&folder.path().join("offtake.db"), None).unwrap();
        (folder, store)
    }
    crate::contract::preset_tests!(open);
}

/// Another hand on the file, as a backup tool or a second process has it.
fn raw(folder: &TempDir) -> Connection {
    Connection::open(folder.path().join("offtake.db")).unwrap()
}

fn damage(folder: &TempDir, sql: &str) {
    let changed = raw(folder).execute(sql, []).unwrap();
    assert_eq!(changed, 1, "{sql}");
}

fn names(error: &Error, job: JobId) {
    assert_eq!(error.kind(), ErrorKind::Internal, "{error}");
    assert!(error.detail().contains(&job.to_string()), "{error}");
}

#[tokio::test]
async fn a_row_that_cannot_be_read_is_named() {
    for sql in [
        "UPDATE job_specs SET spec = '{\"v\":1,\"spec\":{'",
        "UPDATE job_specs SET spec = '{\"v\":1,\"spec\":{\"dataset\":\"spans\",\"format\":\"abacus\"}}'",
        "UPDATE job_specs SET spec = '{\"v\":2,\"spec\":{\"dataset\":\"spans\",\"format\":\"csv\"}}'",
        "DELETE FROM job_specs",
        "UPDATE jobs SET error_code = 'bad_luck'",
        "UPDATE jobs SET phase = 'waiting'",
        "UPDATE jobs SET attempt = -1",
        "UPDATE jobs SET rows_done = -1",
        "UPDATE jobs SET created_at = 9223372036854775807",
    ] {
        let (folder, b) = open().await;
        let job = b.enqueued().await.id;
        damage(&folder, sql);
        names(&b.jobs.get(&scope("acme"), job).await.unwrap_err(), job);
        let list = b.jobs.list(&scope("acme"), &JobFilter { limit: 10, ..JobFilter::default() }).await;
        names(&list.unwrap_err(), job);
        assert!(b.jobs.signal(&lease_on(&b, job).await).await.is_ok(), "{sql}");
    }
}

/// A lease on nothing in particular: what a look-up may be asked with.
async fn lease_on(b: &Backend, job: JobId) -> crate::Lease {
    crate::Lease {
        job,
        org: org("acme"),
        attempt: 1,
        worker: worker("w"),
        fence: i64::from(b.now().subsec_nanosecond()),
    }
}

#[tokio::test]
async fn a_row_of_a_newer_form_says_so() {
    let (folder, b) = open().await;
    let job = b.enqueued().await.id;
    damage(&folder, "UPDATE job_specs SET spec = '{\"v\":2,\"rows\":\"everything\"}'");
    let error = b.jobs.get(&scope("acme"), job).await.unwrap_err();
    assert!(error.detail().contains("newer"), "{error}");
}

#[tokio::test]
async fn a_row_that_cannot_be_read_does_not_hold_up_the_queue() {
    for sql in ["UPDATE job_specs SET spec = 'x'", "UPDATE jobs SET attempt = -5", "UPDATE jobs SET bytes_done = -5"] {
        let (folder, b) = open().await;
        let broken = b.enqueued().await.id;
        damage(&folder, sql);
        let sound = b.enqueued().await.id;
        assert_eq!(b.claimed("w").await.job.id, sound);
        let (status, message): (String, String) = raw(&folder)
            .query_row("SELECT status, error_message FROM jobs WHERE id = ?1", [broken.to_string()], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .unwrap();
        assert_eq!(status, "failed");
        assert!(message.contains(&broken.to_string()), "{message}");
        b.nothing_due().await;
    }
}

#[tokio::test]
async fn a_plan_or_checkpoint_that_cannot_be_read_fails_its_job() {
    for sql in ["UPDATE job_plans SET plan = '{}'", "UPDATE job_checkpoints SET checkpoint = '[]'"] {
        let (folder, b) = open().await;
        b.enqueued().await;
        let claimed = b.claimed("w").await;
        let artifact = b.staged(&claimed.lease).await.id;
        b.jobs.save_plan(&claimed.lease, &plan(200)).await.unwrap();
        b.jobs.save_checkpoint(&claimed.lease, &checkpoint(artifact, 1), &progress(64)).await.unwrap();
        let job = claimed.job.id;
        b.jobs.release(claimed.lease).await.unwrap();
        damage(&folder, sql);
        b.nothing_due().await;
        let failed = b.job(job).await;
        let error = failed.error.unwrap();
        assert_eq!((failed.status.name(), error.code), ("failed", ErrorKind::Internal));
        assert!(error.message.contains(&job.to_string()), "{}", error.message);
    }
}

#[tokio::test]
async fn a_receipt_that_cannot_be_read_names_its_job() {
    let (folder, b) = open().await;
    b.enqueued().await;
    let (job, artifact) = b.completed(b.claimed("w").await).await;
    damage(&folder, "UPDATE artifacts SET receipt = '{\"rows\": 1}'");
    names(&b.artifacts.ready(&scope("acme"), job.id).await.unwrap_err(), job.id);
    names(&b.artifacts.by_id(artifact.id).await.unwrap_err(), job.id);
    damage(&folder, "UPDATE artifacts SET receipt = NULL, object_key = '../../etc/passwd'");
    names(&b.artifacts.by_id(artifact.id).await.unwrap_err(), job.id);
}

#[tokio::test]
async fn rescue_passes_over_what_cannot_be_read() {
    let (folder, b) = open().await;
    b.enqueued().await;
    b.claimed("w").await;
    damage(&folder, "UPDATE job_specs SET spec = 'x'");
    b.enqueued().await;
    let sound = b.claimed("w").await.job.id;
    b.pass(LEASE * 2);
    let rescued = b.jobs.rescue(MAX_DEATHS, KEEP).await.unwrap();
    assert_eq!(rescued.iter().map(|job| job.id).collect::<Vec<_>>(), [sound]);
    assert_eq!(b.jobs.depth().await.unwrap().processing, 0);
}

#[tokio::test]
async fn the_sweep_passes_over_what_cannot_be_read() {
    let (folder, b) = open().await;
    for _ in 0..2 {
        b.enqueued().await;
        let claimed = b.claimed("w").await;
        b.staged(&claimed.lease).await;
        b.jobs.release(claimed.lease).await.unwrap();
        b.jobs.cancel(&act(), &scope("acme"), claimed.job.id).await.unwrap();
    }
    let both = b.disposable().await;
    damage(&folder, &format!("UPDATE artifacts SET format = 'abacus' WHERE id = '{}'", both[0]));
    assert_eq!(b.disposable().await, both[1..]);
}

#[tokio::test]
async fn its_files_are_private() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data/offtake.db");
    let store = SqliteStore::open(&path, None).unwrap();
    store.enqueue(request()).await.unwrap();
    let mode = |path: PathBuf| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(folder.path().join("data")), 0o700);
    let files: BTreeSet<_> =
        std::fs::read_dir(folder.path().join("data")).unwrap().map(|e| e.unwrap().path()).collect();
    assert!(files.len() >= 4, "database, log, index, lock: {files:?}");
    for file in files {
        assert_eq!(mode(file.clone()), 0o600, "{file:?}");
    }
}

#[test]
fn what_is_no_job_store_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("offtake.db");
    std::fs::write(&path, "not a database, but long enough to look at. ".repeat(100)).unwrap();
    assert_eq!(kind(SqliteStore::open(&path, None)), ErrorKind::Internal);
    std::fs::remove_file(&path).unwrap();
    drop(SqliteStore::open(&path, None).unwrap());
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 1000).unwrap();
    let error = SqliteStore::open(&path, None).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Internal);
    assert!(error.detail().contains("newer"), "{error}");
    assert_eq!(
        kind(SqliteStore::open(std::path::Path::new("/dev/null/offtake.db"), None)),
        ErrorKind::StoreUnavailable
    );
}

#[test]
fn many_open_an_empty_folder_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data/offtake.db");
    let opening: Vec<_> = (0..8)
        .map(|_| {
            let path = path.clone();
            std::thread::spawn(move || SqliteStore::open(&path, None))
        })
        .collect();
    for opened in opening {
        opened.join().unwrap().unwrap();
    }
}

/// A request by the machine's clock.
fn request() -> NewJob {
    let clock = ManualClock::starting_at(SystemClock.now());
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("unused.db"), None).unwrap();
    Backend::of(store, clock).request("acme", "ada")
}

#[tokio::test]
async fn deadlines_are_by_the_clock_of_the_database() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("offtake.db"), None).unwrap();
    // A caller whose clock is an hour ahead.
    let request = request();
    let ahead = NewJob { now: request.now + SignedDuration::from_hours(1), ..request };
    let before = SystemClock.now() - SignedDuration::from_millis(1);
    let job = store.enqueue(ahead.clone()).await.unwrap().job;
    let after = SystemClock.now();
    assert_eq!(job.created_at, ahead.now);
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
async fn a_foreign_lock_is_waited_for_but_not_for_ever() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("offtake.db");
    let store = SqliteStore::open_patiently(&path, None, Duration::from_millis(50)).unwrap();
    let other = raw(&folder);
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert_eq!(kind(store.enqueue(request()).await), ErrorKind::StoreUnavailable);
    store.depth().await.unwrap();
    assert!(store.claim(&worker("w"), Take::Any, LEASE).await.unwrap().is_none(), "looking needs no lock");
    other.execute_batch("COMMIT").unwrap();
    store.enqueue(request()).await.unwrap();

    let patient = SqliteStore::open(&path, None).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let waiting = tokio::spawn(async move { patient.enqueue(request()).await });
    // The other process answers a question in between, and then goes on.
    for _ in 0..100 {
        store.depth().await.unwrap();
        assert!(!waiting.is_finished());
    }
    other.execute_batch("COMMIT").unwrap();
    waiting.await.unwrap().unwrap();
}

#[tokio::test]
async fn work_that_panics_breaks_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("offtake.db"), None).unwrap();
    let panicked = store.write::<(), _>(|tx, _| {
        tx.execute_batch("DELETE FROM jobs; INSERT INTO job_plans (job, plan) VALUES ('x', 'y');")?;
        panic!("a bug")
    });
    assert_eq!(kind(panicked.await), ErrorKind::Internal);
    for _ in 0..2 * READERS {
        assert_eq!(kind(store.read::<(), _>(|_, _| panic!("a bug")).await), ErrorKind::Internal);
    }
    store.enqueue(request()).await.unwrap();
    store.ping().await.unwrap();
}

#[tokio::test]
async fn callers_who_stop_waiting_break_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("offtake.db"), None).unwrap();
    for _ in 0..50 {
        drop(store.enqueue(request()).now_or_never());
        drop(store.depth().now_or_never());
    }
    let last = store.enqueue(request()).await.unwrap().job.id;
    assert_eq!(store.get(&scope("acme"), last).await.unwrap().id, last);
}

#[tokio::test]
async fn statements_find_their_rows_by_an_index() {
    let (folder, _b) = open().await;
    let connection = raw(&folder);
    let plan = |sql: &str, parameters: usize| {
        let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let values = vec![1_i64; parameters];
        let steps = statement.query_map(rusqlite::params_from_iter(values), |row| row.get::<_, String>(3)).unwrap();
        steps.map(|step| step.unwrap()).collect::<Vec<_>>()
    };
    for (sql, parameters, index) in [
        (leases::NEXT_DUE, 4, "jobs_waiting"),
        (leases::NEXT_DUE, 4, "jobs_running"),
        (leases::NEXT_DUE, 4, "jobs_served"),
        (leases::NEXT_PINNED, 2, "jobs_pinned"),
        (requests::ACTIVE, 2, "jobs_active"),
        (requests::HOUR_OF_USER, 4, "jobs_of_owner"),
        (requests::HOUR_OF_ORG, 3, "jobs_of_org"),
        (upkeep::OVERDUE, 1, "jobs_leased"),
        (artifacts::EXPIRE_DUE, 1, "jobs_expiring"),
        (artifacts::DISPOSABLE, 2, "artifacts_in_state"),
    ] {
        let steps = plan(sql, parameters);
        assert!(steps.iter().any(|step| step.contains(index)), "{sql}: {steps:?}");
        // Organizations are stepped through, and what was read of a few jobs; never the jobs themselves.
        let scans = |step: &&String| {
            step.starts_with("SCAN")
                && !["waiting", "heads", "(subquery", "CONSTANT"].iter().any(|own| step.contains(own))
        };
        assert_eq!(steps.iter().find(scans), None, "{sql}: {steps:?}");
    }
}

// --- several processes ---

const JOBS_EACH: usize = 40;

/// What each process does: it asks for jobs and works on whatever is due, as fast as it can.
async fn take_part(path: PathBuf, name: String) -> Vec<JobId> {
    let store = SqliteStore::open(&path, None).unwrap();
    let me = WorkerName(name);
    let mut done = Vec::new();
    for _ in 0..JOBS_EACH {
        store.enqueue(request()).await.unwrap();
        let Some(claimed) = store.claim(&me, Take::Any, SignedDuration::from_hours(1)).await.unwrap() else { continue };
        let b = Backend::of(store.clone(), ManualClock::starting_at(SystemClock.now()));
        store.save_plan(&claimed.lease, &plan(200)).await.unwrap();
        store.heartbeat(&claimed.lease, claimed.job.phase, &progress(1), LEASE).await.unwrap();
        done.push(b.completed(claimed).await.0.id);
    }
    done
}

/// The other processes of the test below; by itself it does nothing.
#[tokio::test]
#[ignore = "started by several_processes_share_one_file"]
async fn a_process_of_several() {
    let mut path = String::new();
    std::io::stdin().read_to_string(&mut path).unwrap();
    if path.is_empty() {
        return;
    }
    let done = take_part(PathBuf::from(path), format!("process {}", std::process::id())).await;
    println!("done {}", done.iter().map(JobId::to_string).collect::<Vec<_>>().join(" "));
}

fn start_process(path: &Path) -> Child {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "--nocapture", "sqlite::tests::a_process_of_several"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(path.to_str().unwrap().as_bytes()).unwrap();
    child
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_processes_share_one_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("offtake.db");
    let children: Vec<_> = (0..3).map(|_| start_process(&path)).collect();
    let mut done = take_part(path.clone(), "parent".to_owned()).await;
    for child in children {
        let output = child.wait_with_output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{text}");
        let (_, line) = text.split_once("done ").expect("it says what it did");
        done.extend(line.lines().next().unwrap().split_whitespace().map(|id| id.parse::<JobId>().unwrap()));
    }
    let different: BTreeSet<_> = done.iter().copied().collect();
    assert_eq!(done.len(), different.len(), "no job was done twice");
    let store = SqliteStore::open(&path, None).unwrap();
    let all = store.list(&scope("acme"), &JobFilter { limit: 1000, ..JobFilter::default() }).await.unwrap();
    assert_eq!(all.total, 4 * JOBS_EACH as u64);
    let completed: BTreeSet<_> =
        all.jobs.iter().filter(|job| job.status.name() == "completed").map(|job| job.id).collect();
    assert_eq!(completed, different);
    assert_eq!(store.recent_performance(&org("acme"), 1000).await.unwrap().len(), different.len());
}

/// The triggers of the audit trail.
const TRIGGERS: [&str; 6] = [
    "audit_entries_are_appended",
    "audit_entries_are_never_changed",
    "audit_entries_are_not_deleted",
    "audit_heads_begin_once",
    "audit_heads_follow_the_entries",
    "audit_heads_are_not_deleted",
];

fn execute(folder: &TempDir, sql: &str) -> rusqlite::Result<usize> {
    raw(folder).execute(&sql.replace("{}audit", "audit"), [])
}

#[tokio::test]
async fn the_audit_trail_is_only_added_to() {
    let (folder, b) = open().await;
    audit::a_trail(&b).await;
    let replace = "INSERT OR REPLACE INTO {}audit_entries SELECT * FROM {}audit_entries WHERE number = 2";
    let head =
        "INSERT OR REPLACE INTO {}audit_heads SELECT org, 0, previous, at, 1 FROM {}audit_entries WHERE number = 1";
    for sql in audit::REFUSED.iter().chain(&[replace, head]) {
        let error = execute(&folder, sql).unwrap_err();
        assert_eq!(error.sqlite_error_code(), Some(rusqlite::ErrorCode::ConstraintViolation), "{sql}: {error}");
    }
    assert_eq!(audit::first_broken(&b, &[]).await, (None, None));
}

#[tokio::test]
async fn tampering_with_the_audit_trail_is_found() {
    let trail = async || {
        let (folder, b) = open().await;
        audit::a_trail(&b).await;
        for trigger in TRIGGERS {
            execute(&folder, &format!("DROP TRIGGER {trigger}")).unwrap();
        }
        (folder, b)
    };
    let damage = |folder: &TempDir, sql: &str| assert!(execute(folder, sql).is_ok_and(|rows| rows > 0), "{sql}");
    audit::tampering_is_found(trail, damage).await;
    // Text that is none.
    let (folder, b) = trail().await;
    damage(&folder, "UPDATE {}audit_entries SET actor = CAST(x'ff' AS TEXT) WHERE org = 'acme' AND number = 3");
    assert_eq!(audit::first_broken(&b, &[]).await, (Some(3), None));
}

#[tokio::test]
async fn without_the_audit_trail_nothing_happens() {
    let (folder, b) = open().await;
    let sabotage = "CREATE TRIGGER full BEFORE INSERT ON audit_entries BEGIN SELECT raise(ABORT, 'full'); END";
    audit::nothing_happens_unaudited(&b, || assert_eq!(execute(&folder, sabotage).unwrap(), 0)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn two_stores_on_one_file_write_one_audit_trail() {
    let folder = tempfile::tempdir().unwrap();
    let open = || SqliteStore::open(&folder.path().join("offtake.db"), None).unwrap();
    audit::at_once(&[open(), open()]).await;
}
