//! Presets: saved, used, changed, and nobody else's.

use offtake_testkit::{Client, SpanSketch, TestApp, run, text};
use reqwest::Method;
use serde_json::{Value as Json, json};

use crate::support::{OFFTAKE, id_of, json_rows, send};

const PRESETS: &str = "/api/v1/presets";

async fn patch(client: &Client, name: &str, headers: &[(&str, &str)], body: &Json) -> offtake_testkit::Answer {
    let mut all = vec![("content-type", "application/json")];
    all.extend(headers);
    client.send(Method::PATCH, &format!("{PRESETS}/{name}"), &all, body.to_string().into_bytes()).await
}

fn finance() -> Json {
    json!({"name": "finance", "dataset": "spans", "format": "jsonl", "compression": "none",
        "fields": ["span_id", {"name": "cost_usd", "as": "Cost (USD)"}], "filters": {"model": "m1"}})
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_preset_says_is_asked_for_unless_the_body_says_otherwise() {
    let app = TestApp::start(OFFTAKE).await;
    let client = app.client("acme").await;
    let sketch =
        |n: u64| SpanSketch::new(n).with("gen_ai.request.model", text(if n.is_multiple_of(2) { "m1" } else { "m2" }));
    send(&client, &(0..6).map(sketch).collect::<Vec<_>>()).await;
    let made = client.post(PRESETS, &finance()).await.expect(201);
    assert_eq!((made.header("location"), made.header("etag")), ("/api/v1/presets/finance", "\"1\""));
    assert_eq!(made.json()["created_by"], "tester");

    let job = client.export("spans", &json!({"preset": "finance"})).await;
    let rows = json_rows(&client, &job).await;
    assert_eq!(rows.len(), 3);
    assert_eq!(rows[0].as_object().expect("a row").keys().collect::<Vec<_>>(), ["span_id", "Cost (USD)"]);
    let spec = client.receipt(id_of(&job)).await["spec"].clone();
    assert_eq!((&spec["model"], &spec["preset"]), (&json!("m1"), &Json::Null), "the spec says itself what was asked");

    let other = json!({"preset": "finance", "model": ["m1", "m2"], "fields": ["model"], "format": "parquet"});
    let job = client.export("spans", &other).await;
    assert_eq!((&job["row_count"], &job["format"]), (&json!(6), &json!("parquet")));
    let preview = client.post("/api/v1/export/spans/preview", &json!({"preset": "finance"})).await.expect(200).json();
    assert_eq!((&preview["count"], &preview["columns"][1]["header"]), (&json!(3), &json!("Cost (USD)")));
    // The body of an export asks for the same page and count, without change.
    client.post("/api/v1/datasets/spans/count", &json!({"preset": "finance"})).await.expect(200);

    for (body, pointer) in
        [(json!({"preset": "nope", "format": "csv"}), "/preset"), (json!({"preset": 7, "format": "csv"}), "/preset")]
    {
        assert_eq!(client.create("spans", &body).await.expect(422).problem().1, [pointer]);
    }
    let foreign = client.create("prompts", &json!({"preset": "finance"})).await.expect(422);
    assert!(foreign.to_string().contains("is for spans, not for prompts"), "{foreign}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preset_is_checked_when_it_is_saved() {
    let app = TestApp::start(OFFTAKE).await;
    let client = app.client("acme").await;
    let wrong = json!({"name": "a/b", "dataset": "spans", "fields": ["span_id", "cost"], "format": "xls", "limit": 5,
        "filters": {"model": 7, "modle": "m"}});
    let mut pointers = client.post(PRESETS, &wrong).await.expect(422).problem().1;
    pointers.sort();
    assert_eq!(pointers, ["/fields/1", "/filters/model", "/filters/modle", "/format", "/limit", "/name"]);
    let absent = json!({"name": "a", "dataset": "nope"});
    assert_eq!(client.post(PRESETS, &absent).await.expect(422).problem().1, ["/dataset"]);
    assert_eq!(client.get(PRESETS).await.expect(200).json()["presets"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn presets_are_changed_and_forgotten() {
    let app = TestApp::start(OFFTAKE).await;
    let client = app.client("acme").await;
    client.post(PRESETS, &finance()).await.expect(201);
    assert_eq!(client.post(PRESETS, &finance()).await.expect(409).problem().0, "conflict");
    let changed =
        patch(&client, "finance", &[("if-match", "\"1\"")], &json!({"name": "Für Ada", "filters": null})).await;
    assert_eq!(changed.expect(200).header("etag"), "\"2\"");
    client.get(&format!("{PRESETS}/finance")).await.expect(404);
    let path = format!("{PRESETS}/F%C3%BCr%20Ada");
    let now = client.get(&path).await.expect(200).json();
    assert_eq!((&now["filters"], &now["fields"]), (&Json::Null, &finance()["fields"]));
    let late = patch(&client, "F%C3%BCr%20Ada", &[("if-match", "\"1\"")], &json!({"format": "csv"})).await;
    assert_eq!(late.expect(412).problem().0, "precondition_failed");
    let wrong = patch(&client, "F%C3%BCr%20Ada", &[], &json!({"fields": ["nope"]})).await;
    assert_eq!(wrong.expect(422).problem().1, ["/fields/0"]);
    client.delete(&path).await.expect(204);
    client.delete(&path).await.expect(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn presets_are_the_organizations_own() {
    let app = TestApp::start(OFFTAKE).await;
    let (mine, theirs) = (app.client("mine").await, app.client("theirs").await);
    mine.post(PRESETS, &finance()).await.expect(201);
    theirs.get(&format!("{PRESETS}/finance")).await.expect(404);
    patch(&theirs, "finance", &[], &json!({"format": "csv"})).await.expect(404);
    theirs.delete(&format!("{PRESETS}/finance")).await.expect(404);
    assert_eq!(theirs.get(PRESETS).await.expect(200).json()["presets"], json!([]));
    theirs.create("spans", &json!({"preset": "finance"})).await.expect(422);
    theirs.post(PRESETS, &finance()).await.expect(201);

    let reader = app.client_of("mine", "reader", "exports:read,traces:read").await;
    reader.get(&format!("{PRESETS}/finance")).await.expect(200);
    reader.post(PRESETS, &finance()).await.expect(403);
    patch(&reader, "finance", &[], &json!({})).await.expect(403);
    reader.delete(&format!("{PRESETS}/finance")).await.expect(403);
    let blind = app.client_of("mine", "blind", "exports:read,exports:create").await;
    blind.get(&format!("{PRESETS}/finance")).await.expect(404);
    assert_eq!(blind.get(PRESETS).await.expect(200).json()["presets"], json!([]));
    app.anonymous().get(PRESETS).await.expect(401);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_uses_presets_names_and_moments() {
    let app = TestApp::start(OFFTAKE).await;
    let client = app.client("acme").await;
    send(&client, &[SpanSketch::new(1).with("gen_ai.request.model", text("m1")), SpanSketch::new(2)]).await;
    client.post(PRESETS, &finance()).await.expect(201);
    let as_of = client.post("/api/v1/datasets/spans/count", &json!({})).await.expect(200).json()["as_of"].clone();
    let as_of = as_of.as_str().expect("a moment").to_owned();
    send(&client, &[SpanSketch::new(3)]).await;

    let folder = app.folder().to_owned();
    let local = ["export", "spans", "--org", "acme", "-o", "-"];
    let ran = app.cli(&[&local[..], &["--preset", "finance"]].concat()).await;
    assert_eq!((ran.code, ran.stdout.lines().count()), (Some(0), 1), "{ran:?}");
    assert!(ran.stdout.contains("Cost (USD)"), "{ran:?}");
    let ran = app.cli(&[&local[..], &["--format", "csv", "--as-of", &as_of, "--name", "For Ada"]].concat()).await;
    assert_eq!((ran.code, ran.stdout.lines().count()), (Some(0), 3), "{ran:?}");
    let jobs = client.get("/api/v1/export/jobs").await.expect(200).json();
    assert_eq!(jobs["jobs"][0]["name"], "For Ada", "{jobs}");
    let ran = app.cli(&[&local[..], &["--preset", "nope"]].concat()).await;
    assert_eq!(ran.code, Some(4), "{ran:?}");

    let (url, token) = (app.url(), app.token("acme", "tester", "all").await);
    let remote = ["export", "spans", "--server", &url, "--token", &token, "-o", "spans.xlsx", "--preset", "finance"];
    let ran = run(OFFTAKE.as_ref(), &remote, &folder).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(run(OFFTAKE.as_ref(), &["verify", "spans.xlsx"], &folder).await.code, Some(0));
}
