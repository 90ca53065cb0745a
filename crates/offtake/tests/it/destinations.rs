//! Files in a bucket of the organization's own: probed, delivered once, told.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use offtake_testkit::{
    Answer, AppBuilder, Client, Fault, Proxy, Role, S3Server, SpanSketch, TestApp, eventually, sha256, text,
};
use reqwest::Method;
use serde_json::{Value as Json, json};

use crate::support::{OFFTAKE, send};

const DESTINATIONS: &str = "/api/v1/destinations";
const LIMIT: Duration = Duration::from_secs(30);

async fn app() -> TestApp {
    AppBuilder::new(OFFTAKE)
        .set("destinations.allow", "[\"127.0.0.0/8\"]")
        .set("destinations.allow_http", "true")
        .start()
        .await
}

fn destination(server: &S3Server) -> Json {
    let (access_key, secret_key) = server.key();
    json!({"name": "lake", "endpoint": server.endpoint(), "region": "us-east-1", "bucket": server.bucket(),
        "prefix": server.prefix(), "access_key": access_key, "secret_key": secret_key})
}

/// The job, once nothing is owed any more.
async fn delivered(client: &Client, id: &str) -> Json {
    eventually("the delivery is over", LIMIT, async || {
        let job = client.job(id).await;
        (job["delivery"]["state"] != "pending").then_some(job)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_destination_is_probed_before_it_is_kept() {
    let server = S3Server::seaweed().await;
    let app = app().await;
    let client = app.client("acme").await;
    let with = |member: &str, value: Json| {
        let mut body = destination(&server);
        body[member] = value;
        body
    };
    let refused = async |body: &Json| {
        let problem = client.post(DESTINATIONS, body).await.expect(422).json();
        let error = problem["errors"][0].clone();
        (error["pointer"].as_str().expect("a pointer").to_owned(), error["detail"].as_str().expect("text").to_owned())
    };
    let (at, denied) = refused(&with("secret_key", json!("not-the-secret-0123"))).await;
    assert!(at == "/secret_key" && denied.contains("correct it"), "{at}: {denied}");
    let (at, unknown) = refused(&with("access_key", json!("nobody"))).await;
    assert!(at == "/access_key" && unknown.contains("does not know the access key"), "{at}: {unknown}");
    // A key that may only look.
    let (id, secret) = server.reading_key();
    let mut looking = with("access_key", json!(id));
    looking["secret_key"] = json!(secret);
    let (at, looking) = refused(&looking).await;
    assert!(at.is_empty() && looking.contains("not allowed") && looking.contains("grant s3:PutObject"), "{looking}");
    for told in [denied, unknown, looking] {
        assert!(told.contains(server.prefix()), "where it was tried: {told}");
    }
    let down = client.post(DESTINATIONS, &with("endpoint", json!("http://127.0.0.1:1026"))).await.expect(422);
    assert!(down.to_string().contains("cannot be reached"), "{down}");
    for inside in ["http://169.254.169.254/", "http://10.1.2.3:9000", "http://[fd00::1]:9000"] {
        let refused = client.post(DESTINATIONS, &with("endpoint", json!(inside))).await.expect(422);
        assert_eq!(refused.problem().1, ["/endpoint"], "{inside}");
    }
    let wrong = json!({"name": "", "region": "a b", "bucket": "x/y", "colour": 1, "kind": "ftp", "prefix": "../x"});
    let mut pointers = client.post(DESTINATIONS, &wrong).await.expect(422).problem().1;
    pointers.sort();
    let expected = ["/access_key", "/bucket", "/colour", "/kind", "/name", "/prefix", "/region", "/secret_key"];
    assert_eq!(pointers, expected);
    assert_eq!(client.get(DESTINATIONS).await.expect(200).json()["destinations"], json!([]));

    let made = client.post(DESTINATIONS, &destination(&server)).await.expect(201);
    assert_eq!(made.json()["last_delivery"], Json::Null);
    let path = made.header("location").to_owned();
    assert!(server.objects().await.is_empty(), "the probe leaves nothing");
    client.post(&format!("{path}/probe"), &json!({})).await.expect(200);
    client.post(DESTINATIONS, &destination(&server)).await.expect(409);
    let (_, secret) = server.key();
    for answer in [made, client.get(&path).await.expect(200), client.get(DESTINATIONS).await.expect(200)] {
        assert!(!answer.to_string().contains(secret), "{answer}");
    }
    let analyst = app.client_of("acme", "bob", "role:analyst").await;
    analyst.get(DESTINATIONS).await.expect(403);
    app.client("other").await.get(&path).await.expect(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_delivered_with_its_receipt() {
    let server = S3Server::seaweed().await;
    let app = app().await;
    let client = app.client("acme").await;
    send(&client, &(0..50).map(SpanSketch::new).collect::<Vec<_>>()).await;
    let made = client.post(DESTINATIONS, &destination(&server)).await.expect(201).json();
    let id = made["id"].as_str().expect("an id");

    let to = json!({"id": id, "key": "out/{dataset}/{job}.{extension}"});
    let job = client.begin("spans", &json!({"format": "csv", "compression": "gzip", "destination": to})).await;
    client.rested(&job, LIMIT).await;
    let done = delivered(&client, &job).await;
    let key = format!("out/spans/{job}.csv.gz");
    assert_eq!((&done["delivery"]["state"], &done["delivery"]["key"]), (&json!("delivered"), &json!(key)), "{done}");
    let size = client.receipt(&job).await["bytes"].as_u64().expect("a size");
    let objects = server.objects().await;
    let found = |name: &str| objects.iter().find(|(key, _)| key.ends_with(name)).map(|(_, size)| *size);
    assert_eq!(found(&key), Some(size), "{objects:?}");
    assert!(found(&format!("{key}.receipt.json")).is_some(), "{objects:?}");
    assert_eq!(objects.len(), 2);
    let last = client.get(&format!("{DESTINATIONS}/{id}")).await.expect(200).json()["last_delivery"].clone();
    assert_eq!(
        (&last["job_id"], &last["state"], &last["key"]),
        (&json!(job), &json!("delivered"), &json!(key)),
        "{last}"
    );
    let listed = client.get(DESTINATIONS).await.expect(200).json();
    assert_eq!(listed["destinations"][0]["last_delivery"], last);
    assert!(client.get("/api/v1/export/jobs?limit=1").await.expect(200).to_string().contains("\"delivered\""));
    client.post(&format!("/api/v1/export/jobs/{job}/deliver"), &json!({})).await.expect(409);

    let foreign = app.client("other").await;
    let nowhere = foreign.create("spans", &json!({"format": "csv", "destination": {"id": id}})).await.expect(422);
    assert_eq!(nowhere.problem().1, ["/destination/id"]);
    for (to, pointer) in [
        (json!({"id": id, "key": "same-for-all"}), "/destination/key"),
        (json!({"id": "dst_0199c0ffee0070008000000000000001"}), "/destination/id"),
        (json!({"id": "elsewhere"}), "/destination"),
    ] {
        let refused = client.create("spans", &json!({"format": "csv", "destination": to})).await.expect(422);
        assert_eq!(refused.problem().1, [pointer]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_of_a_schedule_are_delivered_and_what_is_owed_to_nobody_fails() {
    let server = S3Server::seaweed().await;
    let app = app().await;
    let client = app.client("acme").await;
    send(&client, &(0..3).map(SpanSketch::new).collect::<Vec<_>>()).await;
    let made = client.post(DESTINATIONS, &destination(&server)).await.expect(201).json();
    let id = made["id"].as_str().expect("an id");
    let schedule = json!({"name": "Lake", "dataset": "spans", "cron": "0 3 1 1 *",
        "request": {"format": "parquet", "destination": {"id": id, "key": "{schedule}/{from}-{to}-{job}.{extension}"}}});
    let path = client.post("/api/v1/schedules", &schedule).await.expect(201).header("location").to_owned();
    let run = client.post(&format!("{path}/run"), &json!({})).await.expect(202).json();
    let job = run["job_id"].as_str().expect("a job");
    client.rested(job, LIMIT).await;
    let done = delivered(&client, job).await;
    assert_eq!(done["delivery"]["state"], "delivered", "{done}");
    let schedule_id = path.rsplit('/').next().expect("an id");
    let key = done["delivery"]["key"].as_str().expect("a key");
    assert!(
        key.starts_with(&format!("{schedule_id}/beginning-20")) && key.ends_with(&format!("{job}.parquet")),
        "{key}"
    );

    send(&client, &(3..4).map(SpanSketch::new).collect::<Vec<_>>()).await;
    client.delete(&format!("{DESTINATIONS}/{id}")).await.expect(204);
    let gone = client.post(&format!("{path}/run"), &json!({})).await.expect(422);
    assert_eq!(gone.problem().1, ["/destination/id"]);
}

/// SeaweedFS makes buckets that are written to, and takes a signature for any region; this server does not.
#[tokio::test(flavor = "multi_thread")]
async fn another_region_or_bucket_is_refused_before_it_is_kept() {
    let server = S3Server::juice().await;
    let app = app().await;
    let client = app.client("acme").await;
    for (member, value, told) in
        [("region", "eu-south-9", "another region"), ("bucket", "no-such-bucket", "there is no such bucket")]
    {
        let mut body = destination(&server);
        body[member] = json!(value);
        let problem = client.post(DESTINATIONS, &body).await.expect(422).json();
        assert_eq!(problem["errors"][0]["pointer"], format!("/{member}"), "{problem}");
        assert!(problem["errors"][0]["detail"].as_str().is_some_and(|detail| detail.contains(told)), "{problem}");
    }
    assert_eq!(client.get(DESTINATIONS).await.expect(200).json()["destinations"], json!([]));
    client.post(DESTINATIONS, &destination(&server)).await.expect(201);
}

async fn change_of(client: &Client, path: &str, version: &str, change: &Json) -> Answer {
    let headers = [("content-type", "application/json"), ("if-match", version)];
    client.send(Method::PATCH, path, &headers, change.to_string().into_bytes()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_destination_is_changed_once_it_took_what_it_must() {
    let server = S3Server::seaweed().await;
    let app = app().await;
    let client = app.client("acme").await;
    let made = client.post(DESTINATIONS, &destination(&server)).await.expect(201);
    let path = made.header("location").to_owned();
    assert_eq!(made.header("etag"), "\"1\"");
    let probed_at = made.json()["probed_at"].clone();

    // A name alone is not probed.
    let renamed = client.patch(&path, &json!({"name": "sea"})).await.expect(200);
    assert_eq!((renamed.header("etag"), &renamed.json()["name"]), ("\"2\"", &json!("sea")));
    assert_eq!(renamed.json()["probed_at"], probed_at);
    change_of(&client, &path, "\"1\"", &json!({"name": "late"})).await.expect(412);

    // The secret that is kept is sent nowhere else, not even to be probed.
    let elsewhere = Proxy::before(server.endpoint()).await;
    for change in [
        json!({"endpoint": elsewhere.endpoint()}),
        json!({"endpoint": null}),
        json!({"bucket": "other"}),
        json!({"region": "eu-west-1"}),
        json!({"path_style": false}),
        json!({"access_key": "another"}),
    ] {
        let refused = client.patch(&path, &change).await.expect(422);
        assert_eq!(refused.problem().1, ["/secret_key"], "{change}");
    }
    assert_eq!(elsewhere.requests(), 0);
    let (_, secret) = server.key();
    let wrong = client.patch(&path, &json!({"secret_key": "not-the-secret-0123"})).await.expect(422);
    assert_eq!(wrong.problem().1, ["/secret_key"]);
    let unknown = client.patch(&path, &json!({"colour": "red", "name": ""})).await.expect(422);
    assert_eq!(unknown.problem().1.len(), 2);
    let still = client.get(&path).await.expect(200);
    assert_eq!((still.header("etag"), still.json()), ("\"2\"", renamed.json()), "what was refused changed nothing");
    client.post(&format!("{path}/probe"), &json!({})).await.expect(200);

    let moved =
        json!({"endpoint": elsewhere.endpoint(), "secret_key": secret, "prefix": format!("{}/b", server.prefix())});
    let moved = change_of(&client, &path, "\"2\"", &moved).await.expect(200);
    assert_eq!((moved.header("etag"), &moved.json()["endpoint"]), ("\"3\"", &json!(elsewhere.endpoint())));
    assert!(elsewhere.requests() > 0 && server.objects().await.is_empty(), "probed, and nothing left");
    assert!(!moved.to_string().contains(secret), "{moved}");
    let trail = client.get("/api/v1/audit?action=destination.change").await.expect(200).json();
    assert_eq!(trail["entries"].as_array().expect("entries").len(), 2, "{trail}");
    assert!(!trail.to_string().contains(secret), "{trail}");
    app.client_of("acme", "bob", "role:analyst").await.patch(&path, &json!({"name": "x"})).await.expect(403);
    app.client("other").await.patch(&path, &json!({"name": "x"})).await.expect(404);
}

/// What S3 says of a key that was taken away.
const REVOKED: Fault = Fault::Answer(
    403,
    "<?xml version=\"1.0\"?><Error><Code>InvalidAccessKeyId</Code><Message>hunter2 at 10.1.2.3</Message></Error>",
);

#[tokio::test(flavor = "multi_thread")]
async fn credentials_that_stop_working_are_told_and_the_file_arrives_with_others() {
    let server = S3Server::seaweed().await;
    let proxy = Proxy::before(server.endpoint()).await;
    let mut app = app().await;
    let client = app.client("acme").await;
    send(&client, &(0..50).map(SpanSketch::new).collect::<Vec<_>>()).await;
    let mut body = destination(&server);
    body["endpoint"] = json!(proxy.endpoint());
    let made = client.post(DESTINATIONS, &body).await.expect(201);
    let (path, id) = (made.header("location").to_owned(), made.json()["id"].clone());
    // Whoever owns the bucket takes the key away.
    proxy.script(|_| REVOKED);
    let job = client.begin("spans", &json!({"format": "csv", "destination": {"id": id}})).await;
    let done = client.rested(&job, LIMIT).await;
    assert_eq!(done["status"], "completed", "the export is, whatever becomes of the delivery");
    let refused = eventually("the first try is over", LIMIT, async || {
        let job = client.job(&job).await;
        job["delivery"]["error"].is_string().then_some(job)
    })
    .await;
    let delivery = &refused["delivery"];
    assert_eq!((&delivery["state"], &delivery["tries"]), (&json!("pending"), &json!(1)), "{delivery}");
    let told = delivery["error"].as_str().expect("a reason");
    assert!(told.contains("access key") && !told.contains("hunter2") && !told.contains("10.1.2.3"), "{told}");
    assert!(!client.download(&job).await.is_empty(), "the file stays");
    let probe = client.post(&format!("{path}/probe"), &json!({})).await.expect(422);
    assert_eq!(probe.problem().1, ["/access_key"], "{probe}");
    assert!(!probe.to_string().contains("hunter2"), "{probe}");
    assert!(app.log().contains("a file was not delivered"), "whoever runs it finds it in the log");

    let (access_key, secret_key) = server.key();
    let mended = json!({"endpoint": server.endpoint(), "access_key": access_key, "secret_key": secret_key});
    client.patch(&path, &mended).await.expect(200);
    let done = delivered(&client, &job).await;
    assert_eq!(done["delivery"]["state"], "delivered", "at once, by what holds now: {done}");
    let key = format!("{}/{}", server.prefix(), done["delivery"]["key"].as_str().expect("a key"));
    assert_eq!(server.object(&key).await, client.download(&job).await);
}

/// Which parts of an upload a request is about.
fn part(target: &str) -> Option<u64> {
    target.split(['?', '&']).find_map(|pair| pair.strip_prefix("partNumber="))?.parse().ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_goes_on_after_kill_9() {
    let server = S3Server::seaweed().await;
    let proxy = Proxy::before(server.endpoint()).await;
    let mut app = app().await;
    let client = app.client("acme").await;
    // Some sixty megabytes: four parts.
    for batch in 0..12 {
        let large = |number: u64| SpanSketch::new(number).with("note", text(&format!("{number} ").repeat(12_000)));
        send(&client, &(batch * 100..batch * 100 + 100).map(large).collect::<Vec<_>>()).await;
    }
    let mut body = destination(&server);
    body["endpoint"] = json!(proxy.endpoint());
    let id = client.post(DESTINATIONS, &body).await.expect(201).json()["id"].clone();
    proxy.script(|asked| if part(&asked.target) == Some(3) { Fault::Hang } else { Fault::None });
    let job = client.begin("spans", &json!({"format": "jsonl", "destination": {"id": id}})).await;
    client.rested(&job, 2 * LIMIT).await;
    eventually("two parts are there, and the third is under way", LIMIT, async || {
        (!proxy.met().is_empty()).then_some(())
    })
    .await;
    app.kill9(Role::Serve);
    assert!(server.objects().await.is_empty(), "nothing half done shows");
    assert_eq!(server.uploads().await.len(), 1);

    let sent = Arc::new(Mutex::new(Vec::new()));
    let parts = Arc::clone(&sent);
    proxy.script(move |asked| {
        parts.lock().expect("no panic while locked").extend(part(&asked.target));
        Fault::None
    });
    app.start_role(Role::Serve).await;
    let client = app.client("acme").await;
    let done = delivered(&client, &job).await;
    assert_eq!((&done["delivery"]["state"], &done["delivery"]["tries"]), (&json!("delivered"), &json!(2)), "{done}");
    let sent = sent.lock().expect("no panic while locked").clone();
    assert!(sent.len() >= 2 && sent[0] == 3 && !sent.contains(&1), "it goes on where it was: {sent:?}");
    assert!(server.uploads().await.is_empty(), "nothing is left open");
    let key = format!("{}/{}", server.prefix(), done["delivery"]["key"].as_str().expect("a key"));
    let arrived = server.object(&key).await;
    let file = app.folder().join("arrived");
    std::fs::write(&file, arrived).expect("the file can be saved");
    assert_eq!(json!(sha256(&file).await), client.receipt(&job).await["sha256"]);
    assert_eq!(server.objects().await.len(), 2, "the file and its receipt");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_destination_outlives_the_token_secret_it_was_made_under() {
    let server = S3Server::seaweed().await;
    // A secret that Offtake made is in the data directory.
    let settings = [("destinations.allow", "[\"127.0.0.0/8\"]"), ("destinations.allow_http", "true")];
    let builder = AppBuilder::new(OFFTAKE).embedded();
    let mut app = settings.into_iter().fold(builder, |builder, (key, value)| builder.set(key, value)).start().await;
    let made = app.client("acme").await.post(DESTINATIONS, &destination(&server)).await.expect(201);
    let probe = format!("{}/probe", made.header("location"));

    let (secret, old) = (app.data_dir().join("token.secret"), app.folder().join("old.secret"));
    let config = std::fs::read_to_string(app.config()).expect("a configuration");
    let previous = format!("token.previous_secret_files = [\"{}\"]", old.display());
    let with_old = format!("{previous}\ntoken.previous_until = \"2100-01-01T00:00:00Z\"\n{config}");
    app.terminate(Role::Serve, LIMIT).await;
    std::fs::rename(&secret, &old).expect("it is there");
    for config in [with_old, config] {
        std::fs::write(app.config(), config).expect("a configuration");
        app.start_role(Role::Serve).await;
        // Not one that was kept.
        let token = app.cli(&["token", "--org", "acme", "--sub", "tester"]).await.stdout;
        app.client_with_token(token.trim()).post(&probe, &json!({})).await.expect(200);
        app.terminate(Role::Serve, LIMIT).await;
    }
}
