//! Two nodes, and what carries word between them is lost: everybody is told everything, once and in the order of its numbers,
//! or is told what they missed and gets it.
//!
//! Values are dropped last to first: the server outlives its database, and both the app.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use offtake_testkit::{
    AppBuilder, BusServer, Client, Database, GrpcClient, LiveSocket, PgVersion, Postgres, Role, SpanSketch, TestApp,
    eventually, request_of, text, value,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use prost::Message as _;
use serde_json::{Value as Json, json};
use tokio::sync::watch;

use super::follower::Follower;
use super::told::{passes, traces};
use crate::bus::bus_is;
use crate::support::OFFTAKE;

const LONG: Duration = Duration::from_secs(60);
const ORGS: [&str; 2] = ["acme", "globex"];
/// Traces of each organization that are sent while one thing happens, and those of one request.
const WAVE: u64 = 64;
const AT_ONCE: u64 = 4;
/// A wave is longer than what sockets and queues hold, if nobody reads for some of them.
const LONG_NAME: usize = 24_000;

fn sketch(number: u64) -> SpanSketch {
    let user = if number.is_multiple_of(4) { "ada".to_owned() } else { "u".repeat(LONG_NAME) };
    let mut sketch = SpanSketch::new(number)
        .with("gen_ai.request.model", text(["gpt-4o", "claude-3"][(number % 2) as usize]))
        .with("gen_ai.usage.cost", value(Value::DoubleValue(0.001 * (number % 10) as f64)))
        .with("user.id", text(&user));
    sketch.0.end_time_unix_nano -= 100_000_000 * (number % 8);
    sketch
}

fn filters() -> [Json; 5] {
    [
        json!({}),
        json!({"model": "gpt-4o"}),
        json!({"user_id": ["ada", "eve"], "min_cost": 0.004}),
        json!({"min_duration_ms": 650, "environment": "staging", "provider": "openai"}),
        json!({"environment": "production"}),
    ]
}

/// Two servers and a worker on one database, with spans for both.
struct Nodes {
    one: [Client; 2],
    two: [Client; 2],
    grpc: GrpcClient,
    sent: u64,
    app: TestApp,
    database: Database,
    _postgres: Postgres,
}

impl Nodes {
    async fn start(bus: Option<&BusServer>) -> Self {
        let postgres = Postgres::shared(PgVersion::V15);
        let database = postgres.database();
        let secret = "\"q7Vv3N0sYw2Zb8Lr5Tk1Hd6Xc9Mf4Pj0\"";
        let mut builder = AppBuilder::new(OFFTAKE).on_postgres(&database.url()).set("token.secret", secret).apart();
        if let Some(bus) = bus {
            builder = builder.set("bus.url", &format!("\"{}\"", bus.url()));
        }
        // Those that do not read are not thrown out before they do.
        let builder = builder.set("live.heartbeat", "\"5m\"").set("live.reader_timeout", "\"5m\"");
        let mut app = builder.start().await;
        app.start_role(Role::SecondServer).await;
        let one = [app.client(ORGS[0]).await, app.client(ORGS[1]).await];
        let two = [app.second_client(ORGS[0]).await, app.second_client(ORGS[1]).await];
        let token = app.token(ORGS[0], "sender", "spans:write").await;
        let grpc = GrpcClient::connect(&app.grpc_address(Role::Server), &token).await;
        Self { one, two, grpc, sent: 0, app, database, _postgres: postgres }
    }

    /// Those who follow: on each node and of each organization one by each filter.
    async fn followers(&self) -> Vec<Follower> {
        let (_up, up) = watch::channel(true);
        let mut followers = Vec::new();
        for (node, clients) in [("one", &self.one), ("two", &self.two)] {
            for (org, client) in ORGS.into_iter().zip(clients) {
                for filter in filters() {
                    let name = format!("{org} at {node} by {filter}");
                    followers.push(Follower::begin(name, org, &filter, client.socket().await, up.clone()).await);
                }
            }
        }
        followers
    }

    /// One on each node that reads nothing before it is woken.
    async fn sleepers(&self, awake: &watch::Receiver<bool>) -> Vec<Follower> {
        let mut sleepers = Vec::new();
        for (node, client) in [("one", &self.one[0]), ("two", &self.two[0])] {
            let socket = client.narrow_socket("/api/v1/ws", &[], Some(4 << 10)).await.expect("a socket");
            let name = format!("who sleeps at {node}");
            sleepers.push(Follower::begin(name, ORGS[0], &json!({}), socket, awake.clone()).await);
        }
        sleepers
    }

    /// Sends a wave of traces: of one organization by gRPC to the one node, of the other by HTTP to the other. In its middle
    /// something happens.
    async fn wave(&mut self, what: &str, happens: impl AsyncFnOnce(&Database)) {
        let (from, grpc, http) = (self.sent, self.grpc.clone(), self.two[1].clone());
        self.sent += WAVE;
        let (progress, mut passed) = watch::channel(from);
        let began = Instant::now();
        let flowing = tokio::spawn(async move {
            for number in (from..from + WAVE).step_by(AT_ONCE as usize) {
                let spans: Vec<SpanSketch> = (number..number + AT_ONCE).map(sketch).collect();
                let request = request_of(&spans).encode_to_vec();
                grpc.export(&request).await.expect(0);
                http.otlp(request).await.expect(200);
                progress.send_replace(number);
            }
        });
        passed.wait_for(|number| *number >= from + WAVE / 2).await.expect("spans flow");
        happens(&self.database).await;
        flowing.await.expect("all were taken");
        println!("{what}: {:?}", began.elapsed());
    }

    /// The worker stands still, and somebody asks for an export.
    async fn job_that_waits(&mut self, node: usize) -> String {
        self.app.freeze(Role::Worker).await;
        [&self.one, &self.two][node][0].begin("spans", &json!({"format": "csv"})).await
    }

    /// The worker goes on, until the job is done.
    async fn job_done(&mut self, job: &str) {
        self.app.process(Role::Worker).thaw();
        let job = self.one[0].rested_through(job, LONG).await;
        assert_eq!(job["status"], "completed", "{job}");
    }

    async fn bus_is_there(&self) {
        for client in [&self.one[0], &self.two[0]] {
            bus_is(client, "ok").await;
        }
    }

    /// Every follower heard of each trace that passes its filter, once and in order; whoever sleeps was told of a gap.
    async fn everybody_knows(&self, followers: Vec<Follower>) {
        let rows = [traces(&self.one[0]).await, traces(&self.two[1]).await];
        assert!(rows.iter().all(|rows| rows.len() as u64 == self.sent), "{} {}", rows[0].len(), rows[1].len());
        let wanted = |follower: &Follower| -> BTreeSet<String> {
            let rows = &rows[usize::from(follower.org == ORGS[1])];
            rows.iter()
                .filter(|row| passes(row, &follower.filter))
                .map(|row| crate::support::text(row, "trace_id"))
                .collect()
        };
        let mut numbers: BTreeMap<(&str, String), u64> = BTreeMap::new();
        for follower in followers {
            let (wanted, name, org) = (wanted(&follower), follower.name.clone(), follower.org);
            let all = format!("{name} heard of {} traces", wanted.len());
            eventually(&all, LONG, async || (follower.count() >= wanted.len()).then_some(())).await;
            let (heard, lagged) = follower.end().await;
            assert!(heard.is_sorted_by(|one, next| one.0 < next.0), "{name}: once, in order: {heard:?}");
            let ids: BTreeSet<String> = heard.iter().map(|(_, id)| id.clone()).collect();
            assert!(ids == wanted && heard.len() == wanted.len(), "{name}: {} of {}", ids.len(), wanted.len());
            for (seq, id) in heard {
                assert_eq!(*numbers.entry((org, id)).or_insert(seq), seq, "{name}: the same number everywhere");
            }
            println!("{name}: {} traces, lagged {lagged} times", wanted.len());
            assert!(lagged > 0 || !name.starts_with("who sleeps"), "{name} was told what it missed");
        }
        assert_eq!(numbers.len() as u64, self.sent * 2);
    }
}

/// Every transition of these jobs, as a socket was told them by now.
async fn transitions(mut socket: LiveSocket, jobs: &[String]) {
    let mut told: BTreeMap<String, Vec<(u64, String)>> = BTreeMap::new();
    let is_over = |told: &BTreeMap<String, Vec<(u64, String)>>, job| {
        told.get(job).and_then(|told| told.last()).is_some_and(|(_, status)| status == "completed")
    };
    while !jobs.iter().all(|job| is_over(&told, job)) {
        let event = socket.event().await;
        let seq = event["seq"].as_u64().expect("a number");
        let (job, status) = (event["data"]["job_id"].as_str(), event["data"]["status"].as_str());
        told.entry(job.expect("a job").to_owned()).or_default().push((seq, status.expect("a status").to_owned()));
    }
    assert!(socket.so_far().await.is_empty(), "nothing comes after the end");
    for job in jobs {
        let mut told = told.remove(job).expect("it was told of");
        assert!(told.is_sorted_by_key(|(seq, _)| *seq), "{told:?}");
        assert_eq!(told.iter().filter(|(_, status)| status == "pending").count(), 1, "{told:?}");
        // How it gets on has the number of the transition before.
        told.dedup();
        let statuses: Vec<&str> = told.iter().map(|(_, status)| status.as_str()).collect();
        assert_eq!(statuses, ["pending", "processing", "completed"], "{told:?}");
    }
}

/// Ends the connections by which nodes listen to the database, once both do.
async fn cut_listeners(database: &Database) {
    const WHO_LISTENS: &str = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND query LIKE '%LISTEN %'";
    let listen = || database.rows(&format!("SELECT pid {WHO_LISTENS}")).len();
    eventually("both nodes listen", LONG, async || (listen() >= 2).then_some(())).await;
    let cut = database.rows(&format!("SELECT pg_terminate_backend(pid) {WHO_LISTENS}"));
    assert!(cut.len() >= 2, "both nodes listened: {cut:?}");
}

async fn watchers(nodes: &Nodes) -> [LiveSocket; 2] {
    let mut watchers = [nodes.one[0].socket().await, nodes.two[0].socket().await];
    for watcher in &mut watchers {
        watcher.subscribe(&["export_job_status"], json!({})).await;
    }
    watchers
}

async fn nobody_misses_anything(mut bus: BusServer) {
    let mut nodes = Nodes::start(Some(&bus)).await;
    nodes.bus_is_there().await;
    let (wake, awake) = watch::channel(false);
    let mut followers = nodes.followers().await;
    followers.extend(nodes.sleepers(&awake).await);
    let watchers = watchers(&nodes).await;
    nodes.wave("all is well", async |_| {}).await;
    let first = nodes.job_that_waits(0).await;
    nodes.wave("the bus is killed", async |_| bus.kill()).await;
    nodes.job_done(&first).await;
    nodes.wave("the database hangs up", async |database| cut_listeners(database).await).await;
    let second = nodes.job_that_waits(1).await;
    nodes.wave("the bus is back", async |_| bus.restart()).await;
    nodes.bus_is_there().await;
    nodes.job_done(&second).await;
    nodes.wave("the bus is killed again", async |_| bus.kill()).await;
    wake.send_replace(true);
    nodes.wave("the bus is back again", async |_| bus.restart()).await;
    nodes.bus_is_there().await;
    bus.kill();
    // Nothing comes after it by which anybody would be reminded.
    nodes.wave("the bus is away", async |_| {}).await;
    bus.restart();
    nodes.everybody_knows(followers).await;
    for watcher in watchers {
        transitions(watcher, &[first.clone(), second.clone()]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_misses_anything_when_nats_is_killed_and_comes_back() {
    nobody_misses_anything(BusServer::nats()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_misses_anything_when_redis_is_killed_and_comes_back() {
    nobody_misses_anything(BusServer::redis()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_misses_anything_when_the_database_hangs_up_on_those_who_listen() {
    let mut nodes = Nodes::start(None).await;
    let (followers, watchers) = (nodes.followers().await, watchers(&nodes).await);
    let job = nodes.job_that_waits(0).await;
    for _ in 0..3 {
        nodes.wave("the database hangs up", async |database| cut_listeners(database).await).await;
    }
    cut_listeners(&nodes.database).await;
    nodes.job_done(&job).await;
    nodes.everybody_knows(followers).await;
    for watcher in watchers {
        transitions(watcher, std::slice::from_ref(&job)).await;
    }
}
