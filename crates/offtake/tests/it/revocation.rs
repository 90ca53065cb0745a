//! What an administrator takes away is gone at once: from requests, from running exports, from downloads, from keys.

use std::time::{Duration, Instant};

use offtake_testkit::{AppBuilder, Client, Role, TestApp, eventually, small_spans};
use serde_json::{Value as Json, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;
use tokio::sync::oneshot;

use crate::faults::checkpoint_beyond;
use crate::support::{OFFTAKE, id_of};

/// How long anything may go on after it was taken away.
const SOON: Duration = Duration::from_secs(5);
const OWN: &str = "exports:create,exports:read,exports:cancel,exports:download,traces:read";
const ALICE: &str = "/api/v1/principals/alice";

/// A download that takes its time: how many bytes came, and whether that was all.
async fn slowly(address: String, link: String, began: oneshot::Sender<()>) -> (u64, bool) {
    let socket = TcpSocket::new_v4().expect("a socket");
    // Little is on its way at any moment.
    socket.set_recv_buffer_size(64 << 10).expect("a small buffer");
    let mut stream = socket.connect(address.parse().expect("an address")).await.expect("it listens");
    let request = format!("GET {link} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("the request is sent");
    let (mut came, mut head, mut buffer) = (0, String::new(), vec![0; 64 << 10]);
    let mut began = Some(began);
    let mut body_from = None;
    while let Ok(read) = stream.read(&mut buffer).await {
        if read == 0 {
            break;
        }
        if body_from.is_none() {
            head.push_str(&String::from_utf8_lossy(&buffer[..read]));
            body_from = head.find("\r\n\r\n").map(|at| at as u64 + 4);
        }
        came += read as u64;
        if let Some(began) = began.take() {
            began.send(()).expect("the test waits for it");
        }
        // A reader of some megabytes a second.
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(head.starts_with("HTTP/1.1 200"), "{head:.300}");
    let length = head.to_ascii_lowercase();
    let length = length.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next());
    let length: u64 = length.and_then(|text| text.parse().ok()).expect("a length");
    let came = came - body_from.expect("a head");
    (came, came == length)
}

/// Takes the right to everything from alice while she exports and downloads, and looks how long it all goes on. Returns
/// the export that ended.
async fn alice_is_out(app: &TestApp, alice: &[Client], admin: &Client) -> String {
    // Large enough that a slow reader is in the middle of it.
    let done = alice[0].export("spans", &json!({"format": "jsonl", "limit": 30_000})).await;
    println!("a file of {} bytes", done["file_size_bytes"]);
    let link = alice[0].link(id_of(&done)).await;
    assert!(link.starts_with("/files/"), "the server's own: {link}");
    let address = app.url().trim_start_matches("http://").to_owned();
    let job = alice[0].begin("spans", &json!({"format": "csv"})).await;
    assert!(checkpoint_beyond(app, &alice[0], &job, 0).await, "the job was over too soon");
    let (flows, flowing) = oneshot::channel();
    let download = tokio::spawn(slowly(address, link.clone(), flows));
    flowing.await.expect("the download begins");

    let began = Instant::now();
    admin.patch(ALICE, &json!({"disabled": true})).await.expect(200);
    for client in alice {
        let refused = client.get("/api/v1/export/jobs").await.expect(403);
        assert_eq!(refused.problem().0, "forbidden", "{refused}");
        client.create("spans", &json!({"format": "csv"})).await.expect(403);
        client.without_token().get(&link).await.expect(403);
    }
    let ended = eventually("the export ends", SOON, || async {
        let job = admin.job(&job).await;
        (job["status"] != "processing").then_some(job)
    })
    .await;
    assert_eq!((&ended["status"], &ended["error"]["code"]), (&json!("failed"), &json!("revoked")), "{ended}");
    let (came, whole) = download.await.expect("no panic");
    let took = began.elapsed();
    println!("over after {took:?}, {came} bytes of the download came");
    assert!(!whole && came > 0, "the download was over too soon");
    assert!(took < SOON, "the download went on for {took:?}");
    admin.get(&format!("/api/v1/export/jobs/{job}/download")).await.expect(409);
    app.no_orphans().await;
    job
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_disabled_is_out_at_once() {
    let app = AppBuilder::new(OFFTAKE).set("server.downloads", "\"proxy\"").with_spans(small_spans()).start().await;
    let (alice, admin) = (app.client_of("acme", "alice", OWN).await, app.client("acme").await);
    let job = alice_is_out(&app, std::slice::from_ref(&alice), &admin).await;
    // What was taken away can be given back.
    admin.patch(ALICE, &json!({"disabled": false})).await.expect(200);
    alice.post(&format!("/api/v1/export/jobs/{job}/retry"), &json!({})).await.expect(202);
    let again = alice.rested(&job, Duration::from_secs(300)).await;
    assert_eq!((&again["status"], &again["row_count"]), (&json!("completed"), &json!(small_spans())), "{again}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_disabled_at_one_server_is_out_at_all() {
    let app = AppBuilder::new(OFFTAKE).set("server.downloads", "\"proxy\"").with_spans(small_spans());
    let app = app.spread(&[Role::Server, Role::SecondServer, Role::Worker]).start().await;
    let alice = [app.client_of("acme", "alice", OWN).await, app.second_client_of("acme", "alice", OWN).await];
    let admin = app.second_client("acme").await;
    alice_is_out(&app, &alice, &admin).await;
}

/// A key that `maker` makes, and a client with it.
async fn a_key(app: &TestApp, maker: &Client, more: Json) -> (String, Client) {
    let mut body = json!({"name": "nightly", "permissions": OWN.split(',').collect::<Vec<_>>()});
    body.as_object_mut().expect("an object").extend(more.as_object().cloned().expect("an object"));
    let made = maker.post("/api/v1/api-keys", &body).await.expect(201).json();
    let key = made["key"].as_str().expect("the key").to_owned();
    (made["id"].as_str().expect("its id").to_owned(), app.client_with_token(&key))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_works_until_it_is_ended() {
    let mut app = AppBuilder::new(OFFTAKE).set("log.level", "\"debug\"").with_spans(small_spans()).start().await;
    let (maker, admin) = (app.client_of("acme", "maker", "all").await, app.client("acme").await);
    let (id, machine) = a_key(&app, &maker, json!({})).await;
    let job = machine.begin("spans", &json!({"format": "csv"})).await;
    let seen = machine.job(&job).await;
    assert_eq!(seen["owner"], json!(format!("api_key:{id}")));
    assert!(checkpoint_beyond(&app, &machine, &job, 0).await, "the job was over too soon");
    admin.delete(&format!("/api/v1/api-keys/{id}")).await.expect(204);
    machine.get("/api/v1/export/jobs").await.expect(401);
    let ended = eventually("what it asked for ends", SOON, || async {
        let job = admin.job(&job).await;
        (job["status"] != "processing").then_some(job)
    })
    .await;
    assert_eq!((&ended["status"], &ended["error"]["code"]), (&json!("failed"), &json!("revoked")), "{ended}");
    eventually("nothing of it stays", SOON, || async { app.stored().is_empty().then_some(()) }).await;

    let (_, short) = a_key(&app, &maker, json!({"ttl": 2})).await;
    short.get("/api/v1/export/jobs").await.expect(200);
    eventually("its time is over", SOON, || async {
        (short.get("/api/v1/export/jobs").await.status == 401).then_some(())
    })
    .await;

    let (_, left) = a_key(&app, &maker, json!({})).await;
    left.get("/api/v1/export/jobs").await.expect(200);
    admin.patch("/api/v1/principals/maker", &json!({"disabled": true})).await.expect(200);
    left.get("/api/v1/export/jobs").await.expect(403);
    let log = app.log();
    assert!(log.contains("an API key was made") && !log.contains("otk_"), "a key is in the log");
}
