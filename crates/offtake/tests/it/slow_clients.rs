//! Clients that are slow, greedy or odd: others are answered meanwhile, and each is cut off in bounded time.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use offtake_testkit::{AppBuilder, Client, TestApp};
use reqwest::Method;
use serde_json::json;

use crate::support::OFFTAKE;

/// Longer than anything here may take, on a machine that is busy.
const BOUND: Duration = Duration::from_secs(20);

async fn short_tempered() -> (TestApp, Client) {
    let app = AppBuilder::new(OFFTAKE)
        .set("server.head_timeout", "\"1s\"")
        .set("server.idle_timeout", "\"1s\"")
        .set("server.write_timeout", "\"1s\"")
        .set("server.request_timeout", "\"3s\"")
        .set("server.max_connections", "16")
        .start()
        .await;
    let client = app.client("acme").await;
    (app, client)
}

fn connect(app: &TestApp) -> TcpStream {
    let stream = TcpStream::connect(app.url().trim_start_matches("http://")).expect("connected");
    stream.set_read_timeout(Some(BOUND)).expect("a timeout");
    stream.set_write_timeout(Some(BOUND)).expect("a timeout");
    stream
}

fn say(stream: &mut TcpStream, text: &str) {
    stream.write_all(text.as_bytes()).expect("written");
}

/// Everything that still comes, and that it ends.
fn rest(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    match stream.read_to_end(&mut bytes) {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
        Err(error) => panic!("not cut off within {BOUND:?}: {error}; so far {:?}", String::from_utf8_lossy(&bytes)),
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

async fn cut_off(mut stream: TcpStream) -> String {
    tokio::task::spawn_blocking(move || rest(&mut stream)).await.expect("no panic")
}

/// The server answers others, at once: on a connection of their own, because one that waited may be closed at any moment.
async fn others_are_answered(client: &Client) {
    let began = Instant::now();
    client.send(Method::GET, "/api/v1/datasets", &[("connection", "close")], Vec::new()).await.expect(200);
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn heads_that_never_end_are_cut_off() {
    let (app, client) = short_tempered().await;
    let mut stream = connect(&app);
    say(&mut stream, "GET /livez HTTP/1.1\r\nHost: x\r\n");
    // A field every now and then keeps it no longer: here the slowness is what is tested.
    let writer = stream.try_clone().expect("a clone");
    let dripping = tokio::task::spawn_blocking(move || {
        let mut writer = writer;
        let began = Instant::now();
        for number in 0.. {
            if began.elapsed() > BOUND || writer.write_all(format!("X-{number}: y\r\n").as_bytes()).is_err() {
                break;
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        began.elapsed()
    });
    others_are_answered(&client).await;
    cut_off(stream).await;
    assert!(dripping.await.expect("no panic") < BOUND);
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_never_come_are_answered_in_time() {
    let (app, client) = short_tempered().await;
    let token = app.token("acme", "tester", "all").await;
    let mut stream = connect(&app);
    let head = format!(
        "POST /api/v1/export/spans HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nContent-Length: 100000\r\n\r\n{{"
    );
    say(&mut stream, &head);
    others_are_answered(&client).await;
    let answer = cut_off(stream).await;
    assert!(answer.starts_with("HTTP/1.1 504"), "{answer}");
    // Without a token nobody waits for it.
    let mut stream = connect(&app);
    say(&mut stream, "POST /api/v1/export/spans HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n{");
    let answer = cut_off(stream).await;
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn those_who_say_nothing_make_room_for_others() {
    let (app, client) = short_tempered().await;
    // Three times as many as there may be, some of them with half a head.
    let mut silent: Vec<TcpStream> = (0..48).map(|_| connect(&app)).collect();
    for stream in silent.iter_mut().step_by(2) {
        // It may have been closed already.
        let _said = stream.write_all(b"GET /livez HTT");
    }
    others_are_answered(&client).await;
    for stream in silent {
        cut_off(stream).await;
    }
    others_are_answered(&client).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_connections_are_closed() {
    let (app, _client) = short_tempered().await;
    let mut stream = connect(&app);
    say(&mut stream, "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n");
    let answer = cut_off(stream).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let silent = connect(&app);
    assert_eq!(cut_off(silent).await, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn huge_heads_are_refused() {
    let (app, client) = short_tempered().await;
    let many: String = (0..3000).map(|number| format!("X-{number}: y\r\n")).collect();
    let long = format!("X-Long: {}\r\n", "y".repeat(1 << 20));
    for (fields, statuses) in [(many, ["431", "400"]), (long, ["431", "400"])] {
        let mut stream = connect(&app);
        let _cut = stream.write_all(format!("GET /livez HTTP/1.1\r\nHost: x\r\n{fields}\r\n").as_bytes());
        let answer = cut_off(stream).await;
        let status = answer.split(' ').nth(1).unwrap_or_default();
        // A client that sends on after the refusal may meet a closed connection before it reads it.
        assert!(answer.is_empty() || statuses.contains(&status), "{answer:.200}");
    }
    let mut stream = connect(&app);
    let _cut = stream.write_all(format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "a".repeat(70_000)).as_bytes());
    let answer = cut_off(stream).await;
    let status = answer.split(' ').nth(1).unwrap_or_default();
    assert!(answer.is_empty() || ["414", "431", "400"].contains(&status), "{answer:.200}");
    others_are_answered(&client).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_sent_ahead_are_all_answered_in_order() {
    let (app, client) = short_tempered().await;
    let mut stream = connect(&app);
    let mut requests = String::new();
    for number in 0..50 {
        let close = if number == 49 { "Connection: close\r\n" } else { "" };
        requests.push_str(&format!("GET /livez HTTP/1.1\r\nHost: x\r\nX-Request-Id: ahead-{number}\r\n{close}\r\n"));
    }
    say(&mut stream, &requests);
    let answers = cut_off(stream).await;
    let ids: Vec<&str> = answers.lines().filter_map(|line| line.strip_prefix("x-request-id: ")).collect();
    assert_eq!(ids, (0..50).map(|number| format!("ahead-{number}")).collect::<Vec<_>>());
    others_are_answered(&client).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn half_closed_and_garbled_connections_end() {
    let (app, client) = short_tempered().await;
    let mut stream = connect(&app);
    say(&mut stream, "GET /livez HTTP/1.1\r\nHost: x\r\n");
    stream.shutdown(Shutdown::Write).expect("half closed");
    cut_off(stream).await;
    for garble in ["\0\0\0\0\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "\x16\x03\x01\x02"]
    {
        let mut stream = connect(&app);
        say(&mut stream, garble);
        cut_off(stream).await;
    }
    others_are_answered(&client).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_nobody_takes_is_given_up() {
    let mut app = AppBuilder::new(OFFTAKE)
        .embedded() // A bucket would serve the file itself.
        .with_spans(20_000)
        .set("server.write_timeout", "\"1s\"")
        .set("log.level", "\"info,offtake_server=debug\"")
        .start()
        .await;
    let client = app.client("acme").await;
    // More than what sockets hold on both sides.
    let job = client.export("spans", &json!({"format": "jsonl", "compression": "none"})).await;
    assert!(job["file_size_bytes"].as_u64() > Some(16 << 20), "{job}");
    let link = client.link(job["job_id"].as_str().expect("an id")).await;
    let path = link.trim_start_matches(&app.url()).to_owned();
    let mut stream = connect(&app);
    say(&mut stream, &format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n"));
    let mut first = [0; 1024];
    stream.read_exact(&mut first).expect("it begins");
    others_are_answered(&client).await;
    offtake_testkit::eventually("the server gives it up", BOUND, || {
        let ended = app.log().contains("a connection ended early");
        async move { ended.then_some(()) }
    })
    .await;
    let taken = cut_off(stream).await.len() as u64;
    assert!(Some(taken) < job["file_size_bytes"].as_u64(), "{taken} bytes of {job}");
}
