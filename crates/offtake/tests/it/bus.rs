//! Two servers on one database, with a bus between them and without: what happens at one is told at the other.

use std::time::Duration;

use offtake_testkit::{AppBuilder, BusServer, Client, PgVersion, Postgres, Role, SpanSketch, eventually, text, within};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{OFFTAKE, send};

const LONG: Duration = Duration::from_secs(60);

/// What a server says of its bus, once it says this. It is ready either way.
pub(crate) async fn bus_is(client: &Client, wanted: &str) {
    eventually(&format!("the bus is {wanted}"), Duration::from_secs(40), || async {
        let ready = client.get("/readyz").await.expect(200).json();
        (ready["checks"]["bus"]["status"] == wanted).then_some(())
    })
    .await;
}

/// Asks for an export at one server and follows it at the other.
async fn followed(here: &Client, there: &Client) {
    let job = here.begin("spans", &json!({"format": "csv"})).await;
    let messages = there.messages(&format!("/api/v1/export/jobs/{job}/events"), Some("0")).await.rest(LONG).await;
    let numbered = messages.iter().filter(|message| message.id.is_some());
    let told: Vec<_> = numbered.map(|message| message.data["data"]["status"].clone()).collect();
    assert_eq!(told, ["pending", "processing", "completed"], "{messages:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_servers_hear_of_each_other_whatever_becomes_of_the_bus() {
    for mut bus in [None, Some(BusServer::nats()), Some(BusServer::redis())] {
        let postgres = Postgres::shared(PgVersion::V15);
        let database = postgres.database();
        let secret = "\"q7Vv3N0sYw2Zb8Lr5Tk1Hd6Xc9Mf4Pj0\"";
        let builder = AppBuilder::new(OFFTAKE).on_postgres(&database.url()).set("token.secret", secret).apart();
        let builder = match &bus {
            Some(bus) => builder.set("bus.url", &format!("\"{}\"", bus.url())),
            None => builder,
        };
        let mut app = builder.start().await;
        app.start_role(Role::SecondServer).await;
        let (one, two) = (app.client("acme").await, app.second_client("acme").await);
        send(&one, &[SpanSketch::new(1)]).await;
        followed(&one, &two).await;
        let Some(bus) = &mut bus else { continue };
        for client in [&one, &two] {
            bus_is(client, "ok").await;
        }
        let ran = app.cli(&["doctor"]).await;
        assert!(ran.stdout.lines().any(|line| line.starts_with("ok ") && line.contains(" bus ")), "{ran:?}");
        let shown = app.cli(&["config", "show"]).await;
        assert!(shown.stdout.contains("[bus]") && !shown.stdout.contains(bus.secret()), "{}", shown.stdout);
        followed(&two, &one).await;
        bus.kill();
        for client in [&one, &two] {
            bus_is(client, "degraded").await;
        }
        followed(&one, &two).await;
        bus.restart();
        for client in [&one, &two] {
            bus_is(client, "ok").await;
        }
        followed(&two, &one).await;
        let log = app.log();
        assert!(log.contains("the bus is lost") && log.contains("the bus is there"), "{log}");
        assert!(!log.contains(bus.secret()), "{log}");
    }
}

/// Somebody on a NATS server who knows its password, hears everything and says anything.
struct Stranger {
    stream: TcpStream,
    heard: Vec<u8>,
}

impl Stranger {
    async fn at(bus: &BusServer) -> Self {
        let address = bus.url().rsplit('@').next().expect("an address").to_owned();
        let stream = TcpStream::connect(address).await.expect("a server");
        let mut stranger = Self { stream, heard: Vec::new() };
        let login = json!({"verbose": false, "user": "offtake", "pass": bus.secret()});
        stranger.say(format!("CONNECT {login}\r\nSUB > 1\r\n").as_bytes()).await;
        stranger
    }

    /// Says this, and hears whatever was said up to then.
    async fn say(&mut self, words: &[u8]) {
        self.stream.write_all(words).await.expect("it listens");
        self.stream.write_all(b"PING\r\n").await.expect("it listens");
        let from = self.heard.len();
        let pong = async {
            while !self.heard[from..].windows(6).any(|six| six == b"PONG\r\n") {
                let read = self.stream.read_buf(&mut self.heard).await.expect("it is open");
                assert!(read > 0, "it hung up: {}", String::from_utf8_lossy(&self.heard));
            }
        };
        within("an answer", LONG, pong).await;
    }

    async fn publish(&mut self, words: &[u8]) {
        let head = format!("PUB offtake {}\r\n", words.len());
        self.say(&[head.as_bytes(), words, b"\r\n"].concat()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bus_carries_hints_and_who_writes_there_wastes_time_alone() {
    let postgres = Postgres::shared(PgVersion::V15);
    let database = postgres.database();
    let bus = BusServer::nats();
    let builder = AppBuilder::new(OFFTAKE).on_postgres(&database.url()).set("bus.url", &format!("\"{}\"", bus.url()));
    let app = builder.start().await;
    let clients = [app.client("acme").await, app.client("globex").await];
    bus_is(&clients[0], "ok").await;
    let mut stranger = Stranger::at(&bus).await;
    let mut sockets = [clients[0].socket().await, clients[1].socket().await];
    for socket in &mut sockets {
        socket.subscribe(&["trace_created", "export_job_status"], json!({})).await;
    }
    let large = vec![b'x'; 500_000];
    for words in [
        &b"stranger event 18446744073709551615 - owed acme"[..],
        b"stranger event 1 job_of_nobody owed globex",
        b"stranger event 7 - - nobody",
        b"stranger owed",
        b"stranger spans",
        b"stranger missed",
        b"stranger",
        b"",
        b"\xff\xfe\x00 \x01",
        &large,
    ] {
        for _ in 0..20 {
            stranger.publish(words).await;
        }
    }
    let mut jobs = Vec::new();
    for (number, client) in (1..).zip(&clients) {
        let span =
            SpanSketch::new(number).with("user.id", text("q9z-whose")).with("gen_ai.request.model", text("q9z-m"));
        send(client, &[span]).await;
        let job = client.begin("spans", &json!({"format": "csv", "name": "q9z-name"})).await;
        client.rested(&job, LONG).await;
        jobs.push(job);
    }
    for ((number, socket), job) in (1..).zip(&mut sockets).zip(&jobs) {
        let mut told = Vec::new();
        while told.last() != Some(&json!("completed")) {
            let event = socket.event().await;
            let data = &event["data"];
            match event["event_type"].as_str() {
                Some("trace_created") => assert_eq!(data["trace_id"], SpanSketch::new(number).trace_id(), "{event}"),
                _ => assert_eq!(data["job_id"], **job, "{event}"),
            }
            told.push(data["status"].clone());
        }
        assert_eq!(told.iter().filter(|status| status.is_null()).count(), 1, "one trace: {told:?}");
        assert!(socket.so_far().await.is_empty());
    }
    stranger.say(b"").await;
    let heard = String::from_utf8_lossy(&stranger.heard);
    assert!(
        heard.contains(&format!(" {} ", jobs[0])) && heard.contains(" spans"),
        "nodes told each other: {heard:.2000}"
    );
    assert!(!heard.contains("q9z"), "what is in spans and requests does not travel");
}
