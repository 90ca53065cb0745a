//! Webhooks: what arrives, that it verifies with other people's software, and where nothing ever arrives.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use offtake_testkit::{AppBuilder, Client, Role, TestApp, eventually, name_server, node, python};
use reqwest::Method;
use serde_json::{Value as Json, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::support::{OFFTAKE, send_genuine};

const PATIENCE: Duration = Duration::from_secs(30);
const WEBHOOKS: &str = "/api/v1/webhooks";

/// A message as it arrived.
#[derive(Debug, Clone)]
struct Message {
    headers: BTreeMap<String, String>,
    body: String,
}

impl Message {
    fn id(&self) -> &str {
        &self.headers["webhook-id"]
    }

    fn json(&self) -> Json {
        serde_json::from_str(&self.body).expect("JSON")
    }
}

/// Somebody who takes messages, and answers as the test says.
struct Receiver {
    at: SocketAddr,
    state: Arc<Mutex<State>>,
}

struct State {
    messages: Vec<Message>,
    /// What is answered: a status line and more headers.
    answer: String,
}

impl Receiver {
    async fn start() -> Self {
        Self::on([127, 0, 0, 1]).await
    }

    async fn on(address: [u8; 4]) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::from(address), 0)).await.expect("a port");
        let at = listener.local_addr().expect("an address");
        let state = Arc::new(Mutex::new(State { messages: Vec::new(), answer: "204 No Content".to_owned() }));
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(take(stream, Arc::clone(&shared)));
            }
        });
        Self { at, state }
    }

    fn url(&self) -> String {
        format!("http://{}/hook?key=q9zsecret", self.at)
    }

    fn answers(&self, answer: &str) {
        self.state.lock().expect("no panic while locked").answer = answer.to_owned();
    }

    fn messages(&self) -> Vec<Message> {
        self.state.lock().expect("no panic while locked").messages.clone()
    }

    async fn until(&self, what: &str, wanted: impl Fn(&[Message]) -> bool) -> Vec<Message> {
        eventually(what, PATIENCE, || async { Some(self.messages()).filter(|found| wanted(found)) }).await
    }
}

async fn take(mut stream: TcpStream, state: Arc<Mutex<State>>) {
    let mut bytes = Vec::new();
    let head = loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end;
        }
        if stream.read_buf(&mut bytes).await.unwrap_or_default() == 0 {
            return;
        }
    };
    let text = String::from_utf8_lossy(&bytes[..head]).into_owned();
    let headers: BTreeMap<String, String> = text
        .lines()
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let length = headers.get("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
    while bytes.len() < head + 4 + length {
        if stream.read_buf(&mut bytes).await.unwrap_or_default() == 0 {
            return;
        }
    }
    let body = String::from_utf8(bytes.split_off(head + 4)).expect("UTF-8");
    let answer = {
        let mut state = state.lock().expect("no panic while locked");
        state.messages.push(Message { headers, body });
        state.answer.clone()
    };
    let answer = format!("HTTP/1.1 {answer}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    // A sender that was killed takes no answer.
    let _gone = stream.write_all(answer.as_bytes()).await;
}

fn builder() -> AppBuilder {
    AppBuilder::new(OFFTAKE).set("webhooks.allow_http", "true").set("webhooks.allow", "[\"127.0.0.0/8\"]")
}

async fn made(client: &Client, url: &str, events: &[&str], signing: &str) -> Json {
    let body = json!({"url": url, "events": events, "signing": signing});
    client.post(WEBHOOKS, &body).await.expect(201).json()
}

fn path(webhook: &Json) -> String {
    format!("{WEBHOOKS}/{}", webhook["id"].as_str().expect("an id"))
}

async fn export(client: &Client) -> String {
    let job = client.begin("spans", &json!({"format": "csv"})).await;
    client.rested(&job, PATIENCE).await;
    job
}

/// A delivery of this endpoint that is over.
async fn settled(client: &Client, webhook: &Json, id: &str) -> Json {
    eventually("the delivery is over", PATIENCE, || async {
        let delivery = client.get(&format!("{}/deliveries/{id}", path(webhook))).await.expect(200).json();
        (delivery["state"] != "pending").then_some(delivery)
    })
    .await
}

/// Asks for a test and waits for what comes of it.
async fn tested(client: &Client, webhook: &Json) -> Json {
    let owed = client.post(&format!("{}/test", path(webhook)), &json!({})).await.expect(202).json();
    settled(client, webhook, owed["id"].as_str().expect("an id")).await
}

/// What the published libraries say of these messages, each with a secret.
async fn verdicts(app: &TestApp, messages: &[(Message, &str)]) -> Vec<Json> {
    let list: Vec<Json> = messages
        .iter()
        .map(|(message, secret)| json!({"secret": secret, "headers": message.headers, "body": message.body}))
        .collect();
    let file = app.folder().join("messages.json");
    std::fs::write(&file, Json::from(list).to_string()).expect("a file");
    let file = file.to_string_lossy();
    let mut told = Vec::new();
    for ran in [python("verify_webhooks.py", &[&*file]).await, node("verify_webhooks.mjs", &[&*file]).await] {
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        told.push(serde_json::from_str(&ran.stdout).expect("JSON"));
    }
    told
}

#[tokio::test]
async fn messages_verify_with_the_published_libraries() {
    let app = builder().start().await;
    let client = app.client("acme").await;
    send_genuine(&client).await;
    let (hmac, pair) = (Receiver::start().await, Receiver::start().await);
    let webhook = made(&client, &hmac.url(), &["export_job_status"], "hmac").await;
    let by_pair = made(&client, &pair.url(), &["export_job_status"], "ed25519").await;
    let secret = webhook["secret"].as_str().expect("a secret").to_owned();
    assert!(secret.starts_with("whsec_") && by_pair["secret"].is_null(), "{webhook} {by_pair}");

    let job = export(&client).await;
    let is_done = |messages: &[Message]| messages.iter().any(|message| message.json()["data"]["status"] == "completed");
    let messages = hmac.until("word of the export", is_done).await;
    for message in &messages {
        let told = message.json();
        assert_eq!((&told["type"], &told["data"]["job_id"]), (&json!("export_job_status"), &json!(job)), "{told}");
        assert_eq!(told["data"]["org_id"], "acme");
        assert_eq!(message.headers["content-type"], "application/json");
    }
    let first = &messages[0];
    let mut changed = first.clone();
    changed.body = changed.body.replace("acme", "akme");
    let mut late = first.clone();
    late.headers.insert("webhook-timestamp".to_owned(), "1700000000".to_owned());
    let wrong = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let mut all: Vec<(Message, &str)> = messages.iter().map(|message| (message.clone(), secret.as_str())).collect();
    let sound = all.len();
    all.extend([(changed, secret.as_str()), (late, secret.as_str()), (first.clone(), wrong)]);
    for told in verdicts(&app, &all).await {
        let told = told.as_array().expect("a list");
        assert!(told[..sound].iter().all(|verdict| verdict == "ok"), "{told:?}");
        assert!(told[sound..].iter().all(|verdict| verdict != "ok"), "{told:?}");
    }

    let public = by_pair["public_key"].as_str().and_then(|key| key.strip_prefix("whpk_")).expect("a public key");
    let public = UnparsedPublicKey::new(&ED25519, STANDARD.decode(public).expect("base64"));
    for message in pair.until("word of the export", is_done).await {
        let signature = message.headers["webhook-signature"].strip_prefix("v1a,").expect("a signature");
        let signed = format!("{}.{}.{}", message.id(), message.headers["webhook-timestamp"], message.body);
        public.verify(signed.as_bytes(), &STANDARD.decode(signature).expect("base64")).expect("it verifies");
    }
}

#[tokio::test]
async fn a_secret_is_replaced_with_no_message_lost() {
    let mut app = builder().start().await;
    let client = app.client("acme").await;
    let receiver = Receiver::start().await;
    let webhook = made(&client, &receiver.url(), &["system_alert"], "hmac").await;
    let rotated =
        client.post(&format!("{}/rotate", path(&webhook)), &json!({"overlap": 3600})).await.expect(200).json();
    assert!(rotated["previous_key_until"].is_string() && rotated["secret"] != webhook["secret"], "{rotated}");
    assert_eq!(tested(&client, &webhook).await["state"], "delivered");
    client.post(&format!("{}/rotate", path(&webhook)), &json!({"overlap": 0})).await.expect(200);
    assert_eq!(tested(&client, &webhook).await["state"], "delivered");
    let messages = receiver.messages();
    let (old, new) = (webhook["secret"].as_str().expect("a secret"), rotated["secret"].as_str().expect("a secret"));
    assert_eq!(messages[0].headers["webhook-signature"].split(' ').count(), 2);
    let both = [(messages[0].clone(), old), (messages[0].clone(), new)];
    let neither = [(messages[1].clone(), old), (messages[1].clone(), new)];
    for told in verdicts(&app, &[both, neither].concat()).await {
        let told: Vec<bool> = told.as_array().expect("a list").iter().map(|verdict| verdict == "ok").collect();
        assert_eq!(told, [true, true, false, false]);
    }
    // Nobody is shown a secret again, and it is nowhere in the clear.
    let (seen, log) = (client.get(WEBHOOKS).await.expect(200), app.log());
    let key = old.strip_prefix("whsec_").expect("a prefix");
    assert!(!String::from_utf8_lossy(&seen.body).contains(key) && !log.contains(key));
    let kept = app.jobs_query("SELECT secret FROM webhooks");
    assert!(kept[0][0].starts_with("s1.") && !kept[0][0].contains(key), "{kept:?}");
}

#[tokio::test]
async fn who_is_gone_is_told_nothing_more() {
    let app = builder().start().await;
    let client = app.client("acme").await;
    let (gone, other) = (Receiver::start().await, Receiver::start().await);
    let webhook = made(&client, &gone.url(), &["export_job_status", "system_alert"], "hmac").await;
    made(&client, &other.url(), &["system_alert"], "hmac").await;
    gone.answers("410 Gone");
    let job = client.begin("spans", &json!({"format": "csv"})).await;
    client.rested(&job, PATIENCE).await;
    let alerts = other.until("the alert", |messages| !messages.is_empty()).await;
    let alert = alerts[0].json();
    assert_eq!(
        (&alert["type"], &alert["data"]["code"]),
        (&json!("system_alert"), &json!("webhook_disabled")),
        "{alert}"
    );
    assert_eq!(alert["data"]["webhook_id"], webhook["id"]);
    assert!(!alerts[0].body.contains("q9zsecret"), "what may open the endpoint is told to nobody else: {alert}");
    let disabled = client.get(&path(&webhook)).await.expect(200).json();
    assert_eq!(disabled["enabled"], false);
    assert!(disabled["disabled_reason"].as_str().is_some_and(|why| why.contains("410")), "{disabled}");

    // What was not delivered can be, once it is enabled again.
    gone.answers("200 OK");
    let page = client.get(&format!("{}/deliveries?state=failed", path(&webhook))).await.expect(200).json();
    let deliveries = page["deliveries"].as_array().expect("a list");
    let refused = |one: &&Json| one["last_answer"].as_str().is_some_and(|answer| answer.starts_with("410"));
    let failed = deliveries.iter().find(refused).unwrap_or_else(|| panic!("one was refused: {page}"));
    let failed = failed["id"].as_str().expect("an id").to_owned();
    let replay = format!("{}/deliveries/{failed}/replay", path(&webhook));
    client.post(&replay, &json!({})).await.expect(202);
    assert_eq!(settled(&client, &webhook, &failed).await["state"], "failed", "it is still disabled");
    client.patch(&path(&webhook), &json!({"enabled": true})).await.expect(200);
    client.post(&replay, &json!({})).await.expect(202);
    let delivered = settled(&client, &webhook, &failed).await;
    assert_eq!(delivered["state"], "delivered", "{delivered}");
    let log = delivered["log"].as_array().expect("a log");
    assert!(log.len() >= 3 && log[0]["answer"].as_str().is_some_and(|answer| answer.starts_with("410")), "{delivered}");
    let arrived = gone.messages();
    let same = arrived.iter().find(|message| message.id() == failed).expect("the id is the same each time");
    assert_eq!(delivered["payload"], same.json(), "what is told of a message is what was sent");
    let admin = app.client_of("acme", "root", "admin").await;
    let seen = admin.get(&format!("{}/deliveries/{failed}", path(&webhook))).await.expect(200).json();
    assert!(seen["log"].is_array() && seen.get("payload").is_none(), "who may not read such events: {seen}");
}

#[tokio::test]
async fn another_url_has_another_secret() {
    let app = builder().start().await;
    let client = app.client("acme").await;
    let (first, second) = (Receiver::start().await, Receiver::start().await);
    let webhook = made(&client, &first.url(), &["system_alert"], "hmac").await;
    let same = client.patch(&path(&webhook), &json!({"url": first.url(), "description": "x"})).await.expect(200).json();
    assert!(same.get("secret").is_none(), "the same URL keeps its secret: {same}");
    let moved = client.patch(&path(&webhook), &json!({"url": second.url()})).await.expect(200).json();
    let (old, new) = (webhook["secret"].as_str().expect("a secret"), moved["secret"].as_str().expect("a new one"));
    assert_eq!(tested(&client, &webhook).await["state"], "delivered");
    let message = second.messages()[0].clone();
    for told in verdicts(&app, &[(message.clone(), old), (message, new)]).await {
        let told: Vec<bool> = told.as_array().expect("a list").iter().map(|verdict| verdict == "ok").collect();
        assert_eq!(told, [false, true]);
    }
    assert!(first.messages().is_empty());
}

#[tokio::test]
async fn nothing_inner_is_ever_called() {
    let folder = offtake_testkit::scratch("names");
    let (mut names, port) = name_server(folder.path()).await;
    let (canary, allowed) = (Receiver::start().await, Receiver::on([127, 0, 0, 2]).await);
    let app = AppBuilder::new(OFFTAKE)
        .set("webhooks.allow_http", "true")
        .set("webhooks.allow", "[\"127.0.0.2/32\"]")
        .set("webhooks.resolver", &format!("\"127.0.0.1:{port}\""))
        .start()
        .await;
    let client = app.client("acme").await;
    for host in [
        "127.0.0.1",
        "2130706433",
        "0x7f.1",
        "0177.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "a@127.0.0.1",
    ] {
        let body = json!({"url": format!("http://{host}:{}/", canary.at.port()), "events": ["system_alert"]});
        let (code, pointers) = client.post(WEBHOOKS, &body).await.expect(422).problem();
        assert_eq!((code.as_str(), pointers), ("invalid_request", vec!["/url".to_owned()]), "{host}");
    }
    let at = |name: &str, port: u16| format!("http://{name}:{port}/hook");
    // Names can say what they like when they are saved: what counts is what they lead to when something is sent.
    let inner = made(&client, &at("a-127-0-0-1.rebind.example", canary.at.port()), &["system_alert"], "hmac").await;
    let metadata = made(&client, &at("a-169-254-169-254.rebind.example", 80), &["system_alert"], "hmac").await;
    for webhook in [&inner, &metadata] {
        let refused = tested(&client, webhook).await;
        assert_eq!(refused["state"], "failed", "{refused}");
        assert!(refused["last_answer"].as_str().is_some_and(|why| why.contains("not gone to")), "{refused}");
        assert!(!refused.to_string().contains("169.254"), "what a name means inside is not told: {refused}");
    }
    let rebound = at("a-127-0-0-2.a-127-0-0-1.rebind.example", allowed.at.port());
    let rebound = made(&client, &rebound, &["system_alert"], "hmac").await;
    assert_eq!(tested(&client, &rebound).await["state"], "delivered");
    assert_eq!(tested(&client, &rebound).await["state"], "failed", "it leads elsewhere by now");
    allowed.answers(&format!("307 Temporary Redirect\r\nlocation: http://{}/", canary.at));
    let redirecting = made(&client, &at("a-127-0-0-2.x.example", allowed.at.port()), &["system_alert"], "hmac").await;
    assert_eq!(tested(&client, &redirecting).await["state"], "failed");
    assert!(canary.messages().is_empty(), "the canary was called: {:?}", canary.messages());
    assert_eq!(allowed.messages().len(), 2);
    names.kill9();
}

#[tokio::test]
async fn kill_9_loses_no_message() {
    // What a killed worker had taken is free again after twice the deadline.
    let quick = builder().set("notifications.deadline", "\"2s\"").set("webhooks.timeout", "\"1s\"");
    let mut app = quick.apart().start().await;
    let client = app.client("acme").await;
    let receiver = Receiver::start().await;
    let webhook = made(&client, &receiver.url(), &["export_job_status"], "hmac").await;
    let mut jobs = Vec::new();
    for round in 0..6 {
        jobs.push(client.begin("spans", &json!({"format": "csv"})).await);
        if round % 2 == 1 {
            app.kill9(Role::Worker);
            app.start_role(Role::Worker).await;
        }
    }
    for job in &jobs {
        let job = client.rested_through(job, Duration::from_secs(60)).await;
        assert_eq!(job["status"], "completed");
    }
    let all = eventually("every message is over", Duration::from_secs(60), || async {
        let page = client.get(&format!("{}/deliveries?limit=200", path(&webhook))).await.expect(200).json();
        let all = page["deliveries"].as_array().expect("a list").clone();
        all.iter().all(|delivery| delivery["state"] == "delivered").then_some(all)
    })
    .await;
    let arrived = receiver.messages();
    for delivery in &all {
        let id = delivery["id"].as_str().expect("an id");
        let tries = delivery["tries"].as_u64().expect("a number");
        let times = arrived.iter().filter(|message| message.id() == id).count();
        assert!(times >= 1 && times as u64 <= tries, "{delivery}: arrived {times} times");
    }
    for job in &jobs {
        let told = arrived.iter().map(Message::json).filter(|told| told["data"]["job_id"] == json!(job));
        let completed = told.filter(|told| told["data"]["status"] == "completed").map(|told| told["seq"].clone());
        let numbers: std::collections::BTreeSet<String> = completed.map(|number| number.to_string()).collect();
        assert_eq!(numbers.len(), 1, "{job} completed once, and everybody was told");
    }
}

#[tokio::test]
async fn two_workers_tell_everybody_once() {
    let app = builder().spread(&[Role::Server, Role::Worker, Role::SecondWorker]).start().await;
    let client = app.client("acme").await;
    let receiver = Receiver::start().await;
    let webhook = made(&client, &receiver.url(), &["export_job_status"], "hmac").await;
    for _ in 0..5 {
        export(&client).await;
    }
    let all = eventually("every message is over", PATIENCE, || async {
        let page = client.get(&format!("{}/deliveries?limit=200", path(&webhook))).await.expect(200).json();
        let all = page["deliveries"].as_array().expect("a list").clone();
        all.iter().all(|delivery| delivery["state"] == "delivered").then_some(all)
    })
    .await;
    let mut ids: Vec<String> = receiver.messages().iter().map(|message| message.id().to_owned()).collect();
    ids.sort();
    let mut owed: Vec<String> = all.iter().filter_map(|one| one["id"].as_str().map(str::to_owned)).collect();
    owed.sort();
    assert_eq!(ids, owed, "each arrived once");
    let deleted = client.send(Method::DELETE, &path(&webhook), &[], Vec::new()).await;
    deleted.expect(204);
}
