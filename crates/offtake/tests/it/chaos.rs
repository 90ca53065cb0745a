//! Two servers and three workers, each on a data dir of its own, on one Postgres and one bucket, while workers are
//! killed, stopped and restarted at random: every job ends, no file is wrong, nothing is left over.
//!
//! `OFFTAKE_TEST_CHAOS_SECONDS` and `OFFTAKE_TEST_CHAOS_JOBS` say how much; from two minutes on with the leases that
//! users have.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use offtake_testkit::{
    AppBuilder, Client, Database, PgVersion, Postgres, Rng, Role, TestApp, eventually, job_id, sha256, switch,
};
use serde_json::{Value as Json, json};

use crate::support::{OFFTAKE, id_of, saved};

const LONG: Duration = Duration::from_secs(300);
/// What is promised to whoever waits for a job whose worker died.
const RESUMES_WITHIN: Duration = Duration::from_secs(45);
const WORKERS: [Role; 3] = [Role::Worker, Role::SecondWorker, Role::ThirdWorker];
const ROWS: u64 = 60_000;

const FORMATS: [(&str, &str); 4] = [("csv", "none"), ("csv", "gzip"), ("jsonl", "zstd"), ("parquet", "none")];

/// What a job is made from, by its number.
fn body(number: usize) -> Json {
    let (format, compression) = FORMATS[number % FORMATS.len()];
    json!({"format": format, "compression": compression})
}

/// A table whose rows compress about as well as real ones, in a database of its own.
fn plant(server: &Postgres) -> Database {
    let database = server.database();
    database.execute(&format!(
        "CREATE TABLE readings (id bigint PRIMARY KEY, org text NOT NULL, at timestamptz NOT NULL, value numeric(12,4),
                                note text NOT NULL);
         INSERT INTO readings
         SELECT n, 'acme', timestamptz '2026-01-01 00:00Z' + n * interval '1 second', n / 7.0,
                repeat('reading of a sensor; ', 3) || md5(n::text) || md5((n + 1)::text) || md5((n + 2)::text)
           FROM generate_series(1, {ROWS}) n;
         ANALYZE readings"
    ));
    database
}

fn tables(source: &Database) -> String {
    format!(
        "[sources.plant]\nurl = \"{}\"\n\
         [datasets.readings]\ntitle = \"Readings\"\nsource = \"plant\"\ntable = \"readings\"\ntenant = \"org\"\n\
         key = [\"id\"]\nrows = \"append_only\"\n",
        source.url()
    )
}

/// How a worker is at the moment.
#[derive(Debug, Clone, Copy)]
enum State {
    Up,
    /// Until when there is none.
    Down(Instant),
    /// Until when it stands still.
    Frozen(Instant),
}

/// A job that lost its worker: when, and in which attempt.
#[derive(Debug, Clone, Copy)]
struct Lost {
    at: Instant,
    attempt: u64,
}

/// What is done to the workers, and what became of their jobs.
struct Chaos {
    app: TestApp,
    chance: Rng,
    workers: BTreeMap<Role, State>,
    /// Longer than this a worker must not give no sign of life.
    lease: Duration,
    lost: BTreeMap<String, Lost>,
    resumed: Vec<Duration>,
    done: BTreeMap<&'static str, u32>,
}

impl Chaos {
    /// Does something to one of the workers that are up.
    async fn strike(&mut self) {
        let up: Vec<Role> =
            self.workers.iter().filter(|(_, state)| matches!(state, State::Up)).map(|(role, _)| *role).collect();
        // One is always there to go on with what the others leave.
        if up.len() < 2 {
            return;
        }
        let role = up[usize::try_from(self.chance.below(up.len() as u64)).expect("few")];
        // One in four stays away for longer than its lease.
        let long = self.chance.below(4) == 0;
        let away = if long { self.lease + Duration::from_secs(2) } else { self.lease / 4 };
        let until =
            Instant::now() + away.mul_f64(0.5 + self.chance.below(100) as f64 / 200.0).max(away * u32::from(long));
        let (what, state) = match self.chance.below(5) {
            0 | 1 => {
                self.killed(role);
                ("killed", State::Down(until))
            }
            2 | 3 => {
                self.app.process(role).freeze();
                ("stopped", State::Frozen(until))
            }
            _ => {
                self.app.terminate(role, Duration::from_secs(30)).await;
                ("shut down", State::Down(until))
            }
        };
        self.workers.insert(role, state);
        *self.done.entry(what).or_default() += 1;
    }

    fn killed(&mut self, role: Role) {
        let jobs = self.app.jobs_of(role);
        self.app.kill9(role);
        let at = Instant::now();
        self.lost.extend(jobs.into_iter().map(|(job, attempt)| (job, Lost { at, attempt })));
    }

    /// Restarts and wakes those whose time has come, or all.
    async fn recover(&mut self, all: bool) {
        let now = Instant::now();
        for role in WORKERS {
            match self.workers[&role] {
                State::Down(until) if all || until <= now => self.app.start_role(role).await,
                State::Frozen(until) if all || until <= now => self.app.process(role).thaw(),
                State::Up | State::Down(_) | State::Frozen(_) => continue,
            }
            self.workers.insert(role, State::Up);
        }
    }

    /// Looks which of the jobs that lost their worker got on: in a later attempt, rows flowed, or it is over.
    fn look(&mut self) {
        if self.lost.is_empty() {
            return;
        }
        let sql = "SELECT id, attempt, status, CASE WHEN rows_per_second > 0 THEN 1 ELSE 0 END FROM jobs";
        for row in self.app.jobs_query(sql) {
            let [id, attempt, status, flows] = row.try_into().expect("four cells");
            let Some(lost) = self.lost.get(&id) else { continue };
            let attempt: u64 = attempt.parse().expect("a number");
            let over = !matches!(status.as_str(), "pending" | "processing");
            if over || (attempt > lost.attempt && flows == "1") {
                self.resumed.push(lost.at.elapsed());
                self.lost.remove(&id);
            } else {
                assert!(lost.at.elapsed() < RESUMES_WITHIN, "{id} has not got on since its worker died: {lost:?}");
            }
        }
    }
}

/// The digest of an undisturbed run of each kind.
async fn undisturbed(app: &TestApp, client: &Client) -> Vec<Json> {
    let mut digests = Vec::new();
    for number in 0..FORMATS.len() {
        let job = client.export("readings", &body(number)).await;
        assert_eq!(job["row_count"], json!(ROWS), "{job}");
        let receipt = client.receipt(id_of(&job)).await;
        let file = saved(app, client, &job).await;
        assert_eq!(receipt["sha256"], json!(sha256(&file).await), "{receipt}");
        std::fs::remove_file(file).expect("the file can be removed");
        digests.push(receipt["sha256"].clone());
    }
    digests
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_happens_to_workers_every_job_ends_with_the_right_bytes() {
    let (seconds, jobs) = (switch("OFFTAKE_TEST_CHAOS_SECONDS", 20), switch("OFFTAKE_TEST_CHAOS_JOBS", 12_usize));
    let server = Postgres::shared(PgVersion::V15);
    let source = plant(&server);
    let mut builder = AppBuilder::new(OFFTAKE).with_tables(&tables(&source));
    let mut lease = Duration::from_secs(4);
    if seconds >= 120 {
        lease = Duration::from_secs(30);
        for (key, value) in [("lease", "30s"), ("heartbeat", "10s"), ("rescue", "5s"), ("sweep", "30s")] {
            builder = builder.set(&format!("worker.{key}"), &format!("\"{value}\""));
        }
    }
    // Chance may kill the same job before every checkpoint, which is not what poison is.
    let builder = builder.set("worker.max_deaths", "100").set("worker.slots", "4");
    let app = builder.spread(&[Role::Server, Role::SecondServer, WORKERS[0], WORKERS[1], WORKERS[2]]).start().await;
    let clients = [app.client("acme").await, app.second_client("acme").await];
    eventually("every row is below the cut-off", LONG, || async {
        let count = clients[0].post("/api/v1/datasets/readings/count", &json!({})).await.expect(200).json();
        (count["count"] == json!(ROWS)).then_some(())
    })
    .await;
    let digests = undisturbed(&app, &clients[0]).await;

    let workers = WORKERS.into_iter().map(|role| (role, State::Up)).collect();
    let chance = Rng::seeded("chaos");
    let (lost, resumed, done) = (BTreeMap::new(), Vec::new(), BTreeMap::new());
    let mut chaos = Chaos { app, chance, workers, lease, lost, resumed, done };
    let (began, length) = (Instant::now(), Duration::from_secs(seconds));
    let mut begun: Vec<String> = Vec::new();
    let mut next = began;
    while began.elapsed() < length || begun.len() < jobs {
        let due = (began.elapsed().as_secs_f64() / length.as_secs_f64() * 1.2 * jobs as f64) as usize + 3;
        while begun.len() < due.min(jobs) {
            let number = begun.len();
            let answer = clients[number % 2].create("readings", &body(number)).await.expect(202);
            begun.push(job_id(&answer));
        }
        if Instant::now() >= next && began.elapsed() < length {
            chaos.strike().await;
            next = Instant::now() + Duration::from_millis(300 + chaos.chance.below(2_000));
        }
        chaos.recover(false).await;
        chaos.look();
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    chaos.recover(true).await;
    assert_all_right(chaos, &clients, &begun, &digests).await;
}

async fn assert_all_right(mut chaos: Chaos, clients: &[Client; 2], jobs: &[String], digests: &[Json]) {
    let mut attempts = 0;
    let waiting = Instant::now();
    for (number, job) in jobs.iter().enumerate() {
        let client = &clients[(number + 1) % 2];
        let rested = eventually(&format!("{job} comes to rest"), LONG, || {
            chaos.look();
            async move {
                let job = client.job(job).await;
                (!matches!(job["status"].as_str(), Some("pending" | "processing"))).then_some(job)
            }
        })
        .await;
        assert_eq!(rested["status"], "completed", "{rested}");
        attempts += rested["attempt"].as_u64().expect("a number");
        let receipt = client.receipt(job).await;
        let digest = &digests[number % FORMATS.len()];
        assert_eq!(&receipt["sha256"], digest, "not the bytes of an undisturbed run: {rested}");
        assert_eq!(receipt["rows_written"], json!(ROWS));
        let file = saved(&chaos.app, client, &rested).await;
        assert_eq!(&json!(sha256(&file).await), digest, "the file is not what its receipt says: {rested}");
        std::fs::remove_file(file).expect("the file can be removed");
    }
    chaos.look();
    assert!(chaos.lost.is_empty(), "{:?}", chaos.lost);
    chaos.app.no_orphans().await;
    let slowest = chaos.resumed.iter().max().copied().unwrap_or_default();
    println!(
        "{} jobs in {attempts} attempts, workers {:?}; {} jobs lost theirs and got on within {slowest:?} at most; all \
         at rest {:?} after the last stroke",
        jobs.len(),
        chaos.done,
        chaos.resumed.len(),
        waiting.elapsed()
    );
    assert!(chaos.done.values().sum::<u32>() > 3, "nothing was disturbed");
}
