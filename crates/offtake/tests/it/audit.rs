//! The audit trail of a running product: whole after a whole story, and after the process was killed in the middle.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use offtake_testkit::{AppBuilder, Client, Role, SpanSketch, TestApp, eventually};
use reqwest::Method;
use serde_json::{Value as Json, json};

use crate::support::{OFFTAKE, id_of, send};

/// What `offtake audit verify --json` says of each organization.
async fn verified(app: &TestApp, more: &[&str]) -> (Option<i32>, Vec<Json>) {
    let ran = app.cli(&[&["audit", "verify", "--json"], more].concat()).await;
    let told =
        ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{ran:?}"))).collect();
    (ran.code, told)
}

async fn entries(app: &TestApp, query: &str) -> Vec<Json> {
    let admin = app.client_of("acme", "boss", "admin").await;
    let mut all = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = admin.get(&format!("/api/v1/audit?limit=500&{query}{cursor}")).await.expect(200).json();
        all.extend(page["entries"].as_array().expect("entries").iter().cloned());
        let Some(next) = page["next_cursor"].as_str() else { return all };
        cursor = format!("&cursor={next}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_story_can_be_read_and_checked() {
    let app = TestApp::start(OFFTAKE).await;
    let client = app.client_of("acme", "ada", "all").await;
    send(&client, &(0..4).map(SpanSketch::new).collect::<Vec<_>>()).await;
    let done = client.export("spans", &json!({"format": "csv"})).await;
    let id = id_of(&done);
    client.download(id).await;
    let other = app.client("other").await;
    other.export("spans", &json!({"format": "csv"})).await;
    // By commands, beside the server.
    let file = app.folder().join("here.csv");
    let file = file.to_string_lossy();
    let ran = app.cli(&["jobs", "download", id, "--org", "acme", "-o", &file]).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let ran = app.cli(&["export", "spans", "--org", "acme", "-o", &file, "--force"]).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    client.delete(&format!("/api/v1/export/jobs/{id}/file")).await.expect(204);
    let ran = app.cli(&["token", "--org", "acme", "--sub", "robot", "--role", "viewer", "--ttl", "90s"]).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let minted = entries(&app, "action=token.mint&object=robot").await;
    assert_eq!(minted.len(), 1, "{minted:?}");
    assert_eq!((&minted[0]["object"]["id"], &minted[0]["via"]), (&json!("robot"), &json!("command_line")));
    assert_eq!(minted[0]["detail"]["permissions"], json!(["role:viewer"]));
    assert_eq!(minted[0]["detail"]["ttl_seconds"], 90);
    assert!(minted[0]["detail"]["expires_at"].is_string());
    assert!(!serde_json::to_string(&minted).unwrap().contains(ran.stdout.trim()));

    let told = entries(&app, "").await;
    let story: Vec<_> = told
        .iter()
        .rev()
        // The kit makes its tokens by the same command.
        .filter(|entry| entry["action"] != "token.mint")
        .map(|entry| (entry["action"].as_str().unwrap_or_default(), entry["via"].as_str().unwrap_or_default()))
        .collect();
    let mut expected = vec![("export.create", "token"), ("export.download", "token")];
    // A link into a bucket is followed past us.
    if story.contains(&("export.fetch", "link")) {
        expected.push(("export.fetch", "link"));
    }
    expected.extend([
        ("export.download", "command_line"),
        ("export.create", "command_line"),
        ("export.delete", "token"),
    ]);
    assert_eq!(story, expected);
    let by_command = told
        .iter()
        .find(|entry| entry["action"] == "export.create" && entry["via"] == "command_line")
        .expect("an entry");
    assert!(by_command["actor"].as_str().is_some_and(|name| !name.is_empty()), "{by_command}");
    let by_api = told.iter().find(|entry| entry["via"] == "token").expect("an entry");
    assert_eq!((&by_api["actor"], &by_api["address"]), (&json!("ada"), &json!("127.0.0.1")));

    let (code, all) = verified(&app, &[]).await;
    assert_eq!(code, Some(0), "{all:?}");
    let of = |org: &str| all.iter().find(|one| one["organization"] == org).expect("its chain").clone();
    assert_eq!((&of("acme")["ok"], &of("acme")["entries"]), (&json!(true), &json!(told.len())));
    // A token was made, and an export was asked for.
    assert_eq!(of("other")["entries"], 2);
    let ran = app.cli(&["audit", "list", "--org", "acme", "--json"]).await;
    let listed: Json = serde_json::from_str(&ran.stdout).expect("JSON");
    assert_eq!(listed["entries"], json!(told), "the command shows what the API shows");
    let ran = app.cli(&["audit", "list", "--org", "acme", "--action", "export.delete"]).await;
    assert!(ran.stdout.lines().count() == 1 && ran.stdout.contains(id) && ran.stdout.contains("ada"), "{ran:?}");

    // Heads are kept elsewhere, and asked for later.
    let kept = app.cli(&["audit", "head"]).await.stdout;
    // The sign-in link of a first run is an act, too.
    assert_eq!(kept.lines().filter(|line| !line.ends_with(" demo")).count(), 2);
    std::fs::write(app.folder().join("heads"), &kept).expect("they are kept");
    client.begin("spans", &json!({"format": "csv"})).await;
    let heads = app.folder().join("heads");
    assert_eq!(verified(&app, &["--heads", &heads.to_string_lossy()]).await.0, Some(0));
    let head = kept.lines().find_map(|line| line.strip_suffix(" acme")).expect("a head");
    assert_eq!(verified(&app, &["--org", "acme", "--head", head]).await.0, Some(0));
    let (number, hash) = head.split_once(':').expect("NUMBER:HASH");
    let another = format!("{number}:{}", hash.chars().rev().collect::<String>());
    let (code, told) = verified(&app, &["--org", "acme", "--head", &another]).await;
    assert_eq!((code, told[0]["broken"]["number"].to_string().as_str()), (Some(1), number), "{told:?}");
    assert_eq!(app.cli(&["audit", "verify", "--head", head]).await.code, Some(2), "whose head is it?");
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_who_edits_the_database_is_found_out() {
    // The file is edited with the product away.
    let mut app = AppBuilder::new(OFFTAKE).embedded().start().await;
    let client = app.client("acme").await;
    for _ in 0..5 {
        client.begin("spans", &json!({"format": "csv"})).await;
    }
    app.terminate(Role::Serve, Duration::from_secs(30)).await;
    let database = rusqlite::Connection::open(app.data_dir().join("offtake.db")).expect("the job store");
    let edit = "UPDATE audit_entries SET actor = 'nobody' WHERE number = 3";
    let refused = database.execute(edit, []).expect_err("the database itself refuses");
    assert!(refused.to_string().contains("never changed"), "{refused}");
    database.execute_batch(&format!("DROP TRIGGER audit_entries_are_never_changed; {edit}")).expect("it is edited");
    let ran = app.cli(&["audit", "verify", "--org", "acme"]).await;
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), "acme: BROKEN at entry 3: it is not what was written\n"));
}

/// Asks for exports and cancels them until nobody answers; what was answered.
async fn act_until_the_end(client: Client, count: Arc<AtomicUsize>) -> Vec<(String, String)> {
    let mut answered = Vec::new();
    let body = json!({"format": "csv"}).to_string().into_bytes();
    let headers = [("content-type", "application/json")];
    while let Some(answer) = client.try_send(Method::POST, "/api/v1/export/spans", &headers, body.clone()).await {
        let Some(job) = answer.json()["job_id"].as_str().map(str::to_owned) else { break };
        answered.push(("export.create".to_owned(), job.clone()));
        count.fetch_add(1, Ordering::Relaxed);
        let path = format!("/api/v1/export/jobs/{job}");
        match client.try_send(Method::DELETE, &path, &[], Vec::new()).await {
            Some(answer) if answer.status == 204 => answered.push(("export.cancel".to_owned(), job)),
            Some(_) => {}
            None => break,
        }
    }
    answered
}

/// What is answered is written down, also if the process is killed the moment after.
#[tokio::test(flavor = "multi_thread")]
async fn kill_9_loses_no_entry_of_what_was_answered() {
    let mut app = TestApp::start(OFFTAKE).await;
    let client = app.client("acme").await;
    let mut answered = BTreeSet::new();
    for _ in 0..3 {
        let count = Arc::new(AtomicUsize::new(0));
        let acting: Vec<_> =
            (0..6).map(|_| tokio::spawn(act_until_the_end(client.clone(), Arc::clone(&count)))).collect();
        let enough = || async { (count.load(Ordering::Relaxed) >= 30).then_some(()) };
        eventually("thirty exports are asked for", Duration::from_secs(60), enough).await;
        app.kill9(Role::Serve);
        for acting in acting {
            answered.extend(acting.await.expect("no panic"));
        }
        app.start_role(Role::Serve).await;
    }
    assert!(answered.len() >= 90, "{} acts were answered", answered.len());
    let told: BTreeSet<(String, String)> = entries(&app, "")
        .await
        .iter()
        .map(|entry| (entry["action"].as_str().unwrap_or_default(), entry["object"]["id"].as_str().unwrap_or_default()))
        .map(|(action, id)| (action.to_owned(), id.to_owned()))
        .collect();
    let missing: Vec<_> = answered.difference(&told).collect();
    assert!(missing.is_empty(), "answered and not written down: {missing:?}");
    let (code, all) = verified(&app, &["--org", "acme"]).await;
    assert_eq!(code, Some(0), "{all:?}");
    assert_eq!(all[0]["entries"], told.len(), "each once");
    // And the other way round: what is written down happened.
    let jobs = client.jobs().await;
    assert_eq!(told.iter().filter(|(action, _)| action == "export.create").count() as u64, jobs);
}
