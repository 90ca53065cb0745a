//! Schedules by a clock that the tests move, with real rows, real stores and the real pipeline: what all files of a
//! schedule have together is what the table has, no row twice.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::TryStreamExt as _;
use jiff::{SignedDuration, Timestamp};
use offtake_datasets::config::DatasetsConfig;
use offtake_datasets::spans::{Span, SpanStore, SpanType, StatusCode};
use offtake_datasets::{Catalog, Dataset};
use offtake_model::clock::{Clock as _, ManualClock, SharedClock};
use offtake_model::event::EventType;
use offtake_model::id::ScheduleId;
use offtake_model::job::JobStatus;
use offtake_model::permission::Permission;
use offtake_model::principal::PrincipalChange;
use offtake_model::schedule::{
    Position, RunKind, Schedule, ScheduleContent, ScheduleOwner, ScheduleRun, ScheduleState, WindowMode,
};
use offtake_model::sensitive::Sight;
use offtake_postgres::Settings;
use offtake_store::objects::FolderObjects;
use offtake_store::{NewSchedule, PostgresStore, SqliteStore, Store, WorkerName};
use offtake_testkit::{Database, PgVersion, Postgres};
use offtake_worker::{Worker, WorkerMetrics, WorkerSettings};
use prometheus_client::registry::Registry;
use serde_json::{Value as Json, json};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::house::{Running, act, org, scope};

/// Stores on a clock that stands still, with spans beside them.
struct Estate {
    clock: Arc<ManualClock>,
    store: Store,
    spans: Arc<SpanStore>,
    catalog: Arc<Catalog>,
    folder: TempDir,
    // Last: what the rest lies on.
    database: Option<(Database, Postgres)>,
}

/// Something that a store is opened as: every port at once.
macro_rules! store {
    ($jobs:expr, $folder:expr) => {{
        let jobs = $jobs;
        Store {
            artifacts: jobs.clone(),
            presets: jobs.clone(),
            schedules: jobs.clone(),
            webhooks: jobs.clone(),
            alerts: jobs.clone(),
            tickets: jobs.clone(),
            destinations: jobs.clone(),
            principals: jobs.clone(),
            api_keys: jobs.clone(),
            sessions: jobs.clone(),
            tokens: jobs.clone(),
            events: jobs.clone(),
            outbox: jobs.clone(),
            audit: jobs.clone(),
            jobs,
            objects: Arc::new(FolderObjects::open(&$folder.path().join("objects")).unwrap()),
        }
    }};
}

impl Estate {
    async fn on_sqlite(start: &str) -> Self {
        let (folder, clock) = (tempfile::tempdir().unwrap(), ManualClock::starting_at(start.parse().unwrap()));
        let jobs = SqliteStore::open(&folder.path().join("offtake.db"), Some(clock.clone())).unwrap();
        let spans = SpanStore::open(&folder.path().join("spans.db"), clock.clone()).unwrap();
        let store = store!(jobs, folder);
        Self::of(store, spans, Vec::new(), clock, folder, None)
    }

    async fn on_postgres(start: &str) -> Self {
        let (folder, clock) = (tempfile::tempdir().unwrap(), ManualClock::starting_at(start.parse().unwrap()));
        let server = Postgres::shared(PgVersion::V15);
        let database = server.database();
        let settings = || Settings::parse(&database.url()).unwrap();
        let jobs = PostgresStore::open(settings(), 8, Some(clock.clone())).await.unwrap();
        let spans = SpanStore::open_postgres(settings(), 6, clock.clone()).await.unwrap();
        let store = store!(jobs, folder);
        let readings = readings(&database, &clock).await;
        Self::of(store, spans, readings, clock, folder, Some((database, server)))
    }

    fn of(
        store: Store,
        spans: Arc<SpanStore>,
        more: Vec<Dataset>,
        clock: Arc<ManualClock>,
        folder: TempDir,
        database: Option<(Database, Postgres)>,
    ) -> Self {
        let mut catalog = Catalog::default();
        spans
            .datasets()
            .into_iter()
            .chain(visits(&folder, &clock))
            .chain(more)
            .for_each(|dataset| catalog.insert(dataset));
        Self { clock, store, spans, catalog: Arc::new(catalog), folder, database }
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn worker(&self, name: &str) -> Worker {
        let settings = WorkerSettings {
            poll: Duration::from_millis(5),
            schedules_every: Duration::from_millis(5),
            // The manual clock jumps; no worker dies of it here.
            lease: Duration::from_secs(24 * 60 * 60),
            ..WorkerSettings::default()
        };
        let (name, metrics) = (WorkerName(name.to_owned()), WorkerMetrics::register(&mut Registry::default()));
        Worker::new(self.store.clone(), self.catalog.clone(), self.clock.clone(), name, settings, metrics)
    }

    fn start(&self, name: &str) -> Running {
        let shutdown = CancellationToken::new();
        Running { task: tokio::spawn(self.worker(name).run(shutdown.clone())), shutdown }
    }

    async fn schedule(&self, content: ScheduleContent) -> Schedule {
        let owner = ScheduleOwner {
            sub: "ada".to_owned(),
            email: None,
            needs: vec![Permission::ExportsCreate, Permission::TracesRead],
            sight: Sight::Clear,
        };
        let next_run_at = content.timetable().unwrap().next_after(self.now()).unwrap();
        let new = NewSchedule { id: ScheduleId::new(self.now()), owner, content, position: None, next_run_at };
        self.store.schedules.create_schedule(&act(), &org(), new).await.unwrap()
    }

    async fn state(&self, id: ScheduleId) -> Schedule {
        self.store.schedules.schedule(&scope(), id).await.unwrap()
    }

    /// Waits until nobody has anything to do with the schedule at this moment.
    async fn until_looked_at(&self, id: ScheduleId) {
        self.eventually(async || {
            let schedule = self.state(id).await;
            schedule.next_run_at.is_none_or(|next| next > self.now())
        })
        .await;
    }

    async fn eventually(&self, mut so: impl AsyncFnMut() -> bool) {
        let waiting = async {
            while !so().await {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), waiting).await.expect("it never came to be");
    }

    /// The runs of a schedule, the first one first, all of them over.
    async fn runs(&self, id: ScheduleId) -> Vec<ScheduleRun> {
        let runs = async || self.store.schedules.schedule_runs(&org(), id, 1000).await.unwrap();
        self.eventually(async || runs().await.iter().all(|run| !run.status.is_active())).await;
        let mut runs = runs().await;
        runs.reverse();
        runs
    }

    /// What a column of the file of a run has, as JSON lines tell it.
    async fn column(&self, run: &ScheduleRun, column: &str) -> Vec<String> {
        let artifact = self.store.artifacts.ready(&scope(), run.job).await.unwrap();
        let size = self.store.objects.size(&artifact.key).await.unwrap().unwrap();
        let pieces: Vec<_> =
            self.store.objects.read(&artifact.key, 0..size).await.unwrap().try_collect().await.unwrap();
        let text = String::from_utf8(pieces.concat()).unwrap();
        let rows = text.lines().map(|line| serde_json::from_str::<Json>(line).unwrap());
        rows.map(|row| row[column].to_string().trim_matches('"').to_owned()).collect()
    }

    /// How often each value of a column stands in all files of a schedule.
    async fn union(&self, runs: &[ScheduleRun], column: &str) -> BTreeMap<String, u32> {
        let mut union = BTreeMap::new();
        for run in runs {
            assert_eq!(run.status, JobStatus::Completed, "{run:?}");
            for value in self.column(run, column).await {
                *union.entry(value).or_default() += 1;
            }
        }
        union
    }

    /// The codes of all that was told of schedules.
    async fn alerts(&self) -> Vec<String> {
        let events = self.store.events.after(&org(), 0, 10_000).await.unwrap();
        let alerts = events.iter().filter(|event| event.kind == EventType::SystemAlert);
        let codes = alerts.map(|event| event.data["code"].as_str().unwrap().to_owned());
        codes.filter(|code| code.starts_with("schedule")).collect()
    }
}

fn content(dataset: &str, cron: &str) -> ScheduleContent {
    ScheduleContent {
        name: "Everything".to_owned(),
        dataset: dataset.to_owned(),
        request: json!({"format": "jsonl"}).as_object().cloned().unwrap(),
        cron: cron.to_owned(),
        time_zone: "Europe/Berlin".to_owned(),
        window: WindowMode::Incremental,
        horizon_seconds: 900,
    }
}

/// A table of an application's own, whose rows change.
fn visits(folder: &TempDir, clock: &Arc<ManualClock>) -> Vec<Dataset> {
    let path = folder.path().join("visits.db");
    let table = "PRAGMA journal_mode = wal;
                 CREATE TABLE visits (id INTEGER PRIMARY KEY, org TEXT NOT NULL, at TEXT NOT NULL);
                 CREATE INDEX visits_at ON visits (org, at, id)";
    rusqlite::Connection::open(&path).unwrap().execute_batch(table).unwrap();
    let config = json!({
        "sources": {"own": {"url": format!("sqlite:{}", path.display())}},
        "datasets": {"visits": {
            "title": "Visits", "source": "own", "table": "visits", "tenant": "org", "key": ["at", "id"],
            "identity": ["id"], "time": "at", "columns": {"at": {"type": "timestamp"}}}},
    });
    let config: DatasetsConfig = serde_json::from_value(config).unwrap();
    let clock: SharedClock = clock.clone();
    config.compile(&clock).unwrap()
}

/// A table of an application's own in Postgres, to which rows are added and nothing else is done.
async fn readings(database: &Database, clock: &Arc<ManualClock>) -> Vec<Dataset> {
    database.execute("CREATE TABLE readings (id bigint PRIMARY KEY, org text NOT NULL, at timestamptz NOT NULL)");
    let config = json!({
        "sources": {"plant": {"url": database.url()}},
        "datasets": {"readings": {
            "title": "Readings", "source": "plant", "table": "readings", "tenant": "org", "key": ["id"], "time": "at",
            "rows": "append_only"}},
    });
    let config: DatasetsConfig = serde_json::from_value(config).unwrap();
    let clock: SharedClock = clock.clone();
    tokio::task::spawn_blocking(move || config.compile(&clock).unwrap()).await.unwrap()
}

/// Somebody who adds rows and takes time to commit them.
struct Writer {
    client: tokio_postgres::Client,
    /// In which step it commits.
    until: u32,
}

impl Writer {
    async fn begin(database: &Database, until: u32, rows: &[(i64, Timestamp)]) -> Self {
        let (client, connection) = tokio_postgres::connect(&database.url(), tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        let values: Vec<String> = rows.iter().map(|(id, at)| format!("({id}, 'acme', '{at}')")).collect();
        let sql = format!("BEGIN; INSERT INTO readings VALUES {}", values.join(", "));
        client.batch_execute(&sql).await.unwrap();
        Self { client, until }
    }

    async fn commit(self) {
        self.client.batch_execute("COMMIT").await.unwrap();
    }
}

/// The span of this number.
fn span(number: u64, started_at: Timestamp) -> Span {
    Span {
        trace_id: format!("{:032x}", number / 3 + 1),
        span_id: format!("{:016x}", number + 1),
        parent_span_id: None,
        project_id: None,
        document_uuid: None,
        commit_uuid: None,
        experiment_uuid: None,
        test_deployment_id: None,
        span_type: SpanType::Prompt,
        name: number.to_string(),
        service: None,
        provider: None,
        model: None,
        environment: None,
        user_id: None,
        session_id: None,
        status_code: StatusCode::Unset,
        status_message: None,
        started_at: started_at.as_microsecond(),
        started_ns: 0,
        ended_at: None,
        ended_ns: None,
        duration_ms: None,
        prompt_tokens: None,
        completion_tokens: None,
        total_tokens: None,
        cost_usd: None,
        input: None,
        output: None,
        attributes: "{}".to_owned(),
        resource: "{}".into(),
        events: "[]".to_owned(),
    }
}

/// Windows meet: each begins where the one before ended.
fn assert_chained(runs: &[ScheduleRun]) {
    assert_eq!(runs[0].window.from, None);
    for pair in runs.windows(2) {
        assert_eq!(pair[1].window.from, pair[0].window.to, "{pair:?}");
    }
}

/// Spans that are committed late, while the clocks go back, with two hours of outage.
async fn the_union_of_the_files_is_the_table(estate: Estate) {
    let minutes = SignedDuration::from_mins;
    let schedule = estate.schedule(content("spans", "*/30 * * * *")).await;
    let mut workers = vec![estate.start("one"), estate.start("two")];
    let (mut number, mut sent) = (0, BTreeMap::new());
    // From 00:10 to 06:00 in Berlin, where 02:00 to 03:00 comes twice.
    for step in 0..41 {
        estate.clock.advance(minutes(10));
        let late = [0, 0, 40, 180, 1];
        let spans = late.map(|late| {
            number += 1;
            sent.insert(number.to_string(), 1);
            span(number, estate.now() - minutes(late))
        });
        // While schedules are looked at.
        let acme = org();
        let append = estate.spans.append(&acme, spans.to_vec());
        match step {
            12 => {
                append.await.unwrap();
                for worker in workers.drain(..) {
                    worker.stop().await;
                }
            }
            13..=23 => drop(append.await.unwrap()),
            24 => {
                append.await.unwrap();
                workers = vec![estate.start("one"), estate.start("two")];
                estate.until_looked_at(schedule.id).await;
            }
            _ => drop(tokio::join!(append, estate.until_looked_at(schedule.id))),
        }
    }
    // To the next tick, for what came after the last.
    estate.clock.advance(minutes(10));
    estate.until_looked_at(schedule.id).await;
    let runs = estate.runs(schedule.id).await;
    assert_chained(&runs);
    assert_eq!(estate.union(&runs, "name").await, sent);
    let due: Vec<String> = runs.iter().map(|run| run.due_at.to_string()).collect();
    assert!(due.contains(&"2026-10-25T00:00:00Z".to_owned()), "02:00, the first time: {due:?}");
    assert!(!due.contains(&"2026-10-25T01:00:00Z".to_owned()), "there was nobody: {due:?}");
    assert!(runs.iter().all(|run| run.kind == RunKind::Scheduled));
    assert_eq!(estate.alerts().await, ["schedule_missed"]);
    for worker in workers {
        worker.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_union_of_the_files_is_the_table_on_sqlite() {
    the_union_of_the_files_is_the_table(Estate::on_sqlite("2026-10-24T22:00:01Z").await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_union_of_the_files_is_the_table_on_postgres() {
    the_union_of_the_files_is_the_table(Estate::on_postgres("2026-10-24T22:00:01Z").await).await;
}

/// Rows that are committed over an hour after they were written, of which runs in between see nothing, while the clocks go back,
/// with two hours of outage.
#[tokio::test(flavor = "multi_thread")]
async fn rows_that_commit_late_are_in_the_union_once_on_postgres() {
    let minutes = SignedDuration::from_mins;
    let estate = Estate::on_postgres("2026-10-24T22:00:01Z").await;
    let (database, _) = estate.database.as_ref().unwrap();
    let schedule = estate.schedule(content("readings", "*/30 * * * *")).await;
    let mut workers = vec![estate.start("one"), estate.start("two")];
    let (mut id, mut sent, mut open) = (0_i64, BTreeMap::new(), Vec::<Writer>::new());
    // From 00:10 to 06:00 in Berlin, where 02:00 to 03:00 comes twice.
    for step in 0..41_u32 {
        estate.clock.advance(minutes(10));
        let mut rows = || {
            id += 1;
            sent.insert(id.to_string(), estate.now());
            (id, estate.now())
        };
        Writer::begin(database, step, &[rows(), rows()]).await.commit().await;
        if step % 4 == 0 {
            open.push(Writer::begin(database, step + 7, &[rows(), rows(), rows()]).await);
        }
        for writer in open.extract_if(.., |writer| writer.until == step) {
            writer.commit().await;
        }
        match step {
            12 => {
                for worker in workers.drain(..) {
                    worker.stop().await;
                }
            }
            13..=23 => {}
            24 => {
                workers = vec![estate.start("one"), estate.start("two")];
                estate.until_looked_at(schedule.id).await;
            }
            _ => estate.until_looked_at(schedule.id).await,
        }
    }
    for writer in open {
        writer.commit().await;
    }
    // Others write on this server, too, and hold moments back for a little.
    let once: BTreeMap<String, u32> = sent.keys().map(|id| (id.clone(), 1)).collect();
    let mut runs = Vec::new();
    for pause in std::iter::once(10).chain(std::iter::repeat_n(30, 200)) {
        estate.clock.advance(minutes(pause));
        estate.until_looked_at(schedule.id).await;
        runs = estate.runs(schedule.id).await;
        if estate.union(&runs, "id").await.len() == once.len() {
            break;
        }
    }
    assert_chained(&runs);
    assert_eq!(estate.union(&runs, "id").await, once);
    assert_eq!(estate.alerts().await, ["schedule_missed"]);
    let mut late = 0;
    for run in &runs {
        let ids = estate.column(run, "id").await;
        late += ids.iter().filter(|id| run.due_at.duration_since(sent[*id]) > minutes(60)).count();
    }
    assert!(late > 10, "{late} rows came after runs that would have had them, going by their time");
    for worker in workers {
        worker.stop().await;
    }
}

/// Rows that tell when they came by a column of time alone, and are committed within the horizon.
async fn windows_by_a_time_column_wait_for_late_rows(estate: Estate) {
    let minutes = SignedDuration::from_mins;
    let own = rusqlite::Connection::open(estate.folder.path().join("visits.db")).unwrap();
    let schedule = estate.schedule(content("visits", "*/5 * * * *")).await;
    let workers = [estate.start("one"), estate.start("two")];
    let (mut id, mut sent) = (0, BTreeMap::new());
    for _ in 0..18 {
        estate.clock.advance(minutes(3));
        for late in [0, 3, 14] {
            id += 1;
            let at = (estate.now() - minutes(late)).to_string();
            own.execute("INSERT INTO visits VALUES (?1, 'acme', ?2)", rusqlite::params![id, at]).unwrap();
            sent.insert(id.to_string(), 1);
        }
        own.execute(
            "INSERT INTO visits VALUES (?1, 'other', ?2)",
            rusqlite::params![1000 + id, estate.now().to_string()],
        )
        .unwrap();
        estate.until_looked_at(schedule.id).await;
    }
    for _ in 0..2 {
        estate.clock.advance(minutes(15));
        estate.until_looked_at(schedule.id).await;
    }
    let runs = estate.runs(schedule.id).await;
    assert_chained(&runs);
    assert!(
        runs.iter().all(
            |run| matches!(run.window.to, Some(Position::Time(to)) if run.due_at.duration_since(to) == minutes(15))
        )
    );
    assert_eq!(estate.union(&runs, "id").await, sent);
    for worker in workers {
        worker.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn windows_by_a_time_column_wait_for_late_rows_on_sqlite() {
    windows_by_a_time_column_wait_for_late_rows(Estate::on_sqlite("2026-10-24T22:00:01Z").await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn windows_by_a_time_column_wait_for_late_rows_on_postgres() {
    windows_by_a_time_column_wait_for_late_rows(Estate::on_postgres("2026-10-24T22:00:01Z").await).await;
}

#[tokio::test]
async fn a_full_schedule_has_everything_each_time() {
    let estate = Estate::on_sqlite("2027-03-27T12:00:00Z").await;
    let nightly = ScheduleContent { window: WindowMode::Full, ..content("spans", "30 2 * * *") };
    let schedule = estate.schedule(nightly).await;
    let worker = estate.start("one");
    for number in 0..3 {
        estate.spans.append(&org(), vec![span(number, estate.now())]).await.unwrap();
        estate.clock.advance(SignedDuration::from_hours(24));
        estate.until_looked_at(schedule.id).await;
        // A full run has what is there when it is planned.
        estate.runs(schedule.id).await;
    }
    let runs = estate.runs(schedule.id).await;
    // The night in which clocks go forward has no 02:30.
    let due: Vec<String> = runs.iter().map(|run| run.due_at.to_string()).collect();
    assert_eq!(due, ["2027-03-28T01:00:00Z", "2027-03-29T00:30:00Z", "2027-03-30T00:30:00Z"]);
    for (index, run) in runs.iter().enumerate() {
        assert_eq!(estate.column(run, "name").await.len(), index + 1);
    }
    worker.stop().await;
}

#[tokio::test]
async fn what_cannot_run_is_told_and_paused_in_the_end() {
    let estate = Estate::on_sqlite("2026-10-01T00:00:00Z").await;
    let mut gone = content("spans", "0 * * * *");
    gone.request.insert("provider_of_old".to_owned(), json!("x"));
    let schedule = estate.schedule(gone).await;
    let worker = estate.worker("one");
    for error in 1..=5 {
        estate.clock.advance(SignedDuration::from_hours(1));
        worker.evaluate_schedules().await.unwrap();
        assert_eq!(estate.state(schedule.id).await.errors, error);
    }
    let paused = estate.state(schedule.id).await;
    assert!(matches!(&paused.state, ScheduleState::Paused { reason, .. } if reason == "configuration"), "{paused:?}");
    assert!(paused.last_error.unwrap().contains("provider_of_old"));
    let alerts = estate.alerts().await;
    assert_eq!(alerts, ["schedule_failed", "schedule_failed", "schedule_failed", "schedule_failed", "schedule_paused"]);
    estate.clock.advance(SignedDuration::from_hours(1));
    worker.evaluate_schedules().await.unwrap();
    assert!(estate.runs(schedule.id).await.is_empty());
}

#[tokio::test]
async fn a_schedule_stops_with_its_owner() {
    let estate = Estate::on_sqlite("2026-10-01T00:00:00Z").await;
    let schedule = estate.schedule(content("spans", "0 * * * *")).await;
    estate.spans.append(&org(), vec![span(1, estate.now())]).await.unwrap();
    let withheld = Some([Permission::TracesRead].into_iter().collect());
    let change = PrincipalChange { disabled: None, withheld };
    estate.store.principals.change(&act(), &org(), "ada", &change).await.unwrap();
    estate.clock.advance(SignedDuration::from_hours(1));
    estate.worker("one").evaluate_schedules().await.unwrap();
    let paused = estate.state(schedule.id).await;
    assert!(matches!(&paused.state, ScheduleState::Paused { reason, .. } if reason == "owner_withdrawn"), "{paused:?}");
    assert_eq!(estate.alerts().await, ["schedule_paused"]);
    assert!(estate.runs(schedule.id).await.is_empty(), "nothing was read");
}
