//! Sensitive columns: what those learn who may not read them, by any road. Nothing.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use http::Method;
use jiff::SignedDuration;
use offtake_model::ErrorKind;
use offtake_model::id::JobId;
use offtake_model::job::JobError;
use offtake_store::WorkerName;
use serde_json::{Value as Json, json};

use crate::house::{Answer, House, PRIVATE};

const PEOPLE: &str = "/api/v1/datasets/people";
const EXPORT: &str = "/api/v1/export/people";
/// Everything that somebody needs who works with this dataset, but for its sensitive columns.
const VEILED: &str = "role:analyst,exports:read_all";
const CLEAR: &str = "role:analyst,exports:read_all,pii:read";

/// Asked by bob, who sees everybody's exports and no sensitive column.
async fn ask(house: &House, method: Method, path: &str, body: Option<&Json>) -> Answer {
    let ask = house.ask(method, path).by("acme", "bob", VEILED);
    match body {
        Some(body) => ask.json(body).answer().await,
        None => ask.answer().await,
    }
}

async fn get(house: &House, path: &str) -> Answer {
    ask(house, Method::GET, path, None).await
}

async fn post(house: &House, path: &str, body: &Json) -> Answer {
    ask(house, Method::POST, path, Some(body)).await
}

#[track_caller]
fn assert_silent(answer: &Answer) {
    let text = String::from_utf8_lossy(&answer.body);
    for private in PRIVATE {
        assert!(!text.contains(private), "{private} is told: {answer:?}");
    }
}

/// Refused, in the right place, naming the permission.
#[track_caller]
fn assert_refused(answer: Answer, pointer: &str, asked: &Json) {
    assert_silent(&answer);
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    let (code, pointers) = answer.problem(422);
    assert_eq!((code.as_str(), pointers.as_slice()), ("invalid_request", &[pointer.to_owned()][..]), "{asked}: {text}");
    assert!(text.contains("pii:read"), "{asked}: {text}");
}

fn named<'a>(list: &'a Json, name: &str) -> &'a Json {
    list.as_array()
        .expect("a list")
        .iter()
        .find(|one| one["name"] == name)
        .unwrap_or_else(|| panic!("no {name}: {list}"))
}

#[tokio::test]
async fn a_dataset_says_what_its_caller_gets() {
    let house = House::with_people();
    let seen = get(&house, PEOPLE).await.expect(200).json();
    for (name, shown, ty) in [
        ("id", "clear", "int64"),
        ("email", "hash", "text"),
        ("notes", "mask", "text"),
        ("score", "mask", "decimal(8,2)"),
        ("born", "mask", "timestamp"),
        ("iban", "drop", "text"),
    ] {
        let column = named(&seen["columns"], name);
        assert_eq!((&column["shown"], &column["type"]), (&json!(shown), &json!(ty)), "{name}");
        assert_eq!(column["needs"] == "pii:read", shown != "clear", "{name}");
        assert_eq!(column["sensitive"] == true, shown != "clear", "{name}");
    }
    for filter in ["email", "iban", "min_score", "birthday", "text"] {
        assert_eq!(named(&seen["filters"], filter)["needs"], "pii:read", "{filter}");
    }
    assert!(named(&seen["filters"], "country")["needs"].is_null());
    let clear = house.ask(Method::GET, PEOPLE).by("acme", "carol", CLEAR).answer().await.expect(200).json();
    let columns = clear["columns"].as_array().expect("columns");
    assert!(columns.iter().all(|column| column["shown"] == "clear" && column["needs"].is_null()), "{clear}");
    assert_eq!(named(&clear["columns"], "email")["sensitive"], true);
}

#[tokio::test]
async fn pages_and_previews_show_what_a_file_would() {
    let house = House::with_people();
    let page = post(&house, &format!("{PEOPLE}/rows"), &json!({})).await.expect(200);
    assert_silent(&page);
    let rows = page.json()["rows"].clone();
    let preview = post(&house, &format!("{EXPORT}/preview"), &json!({"format": "csv"})).await.expect(200);
    assert_silent(&preview);
    let preview = preview.json();
    assert_eq!(preview["rows"], rows);
    assert_eq!(named(&preview["columns"], "email")["type"], "text");
    assert!(preview["columns"].as_array().expect("columns").iter().all(|column| column["name"] != "iban"));
    assert_eq!((&rows[0]["notes"], &rows[2]["notes"]), (&json!("***"), &json!(null)));
    assert!(rows[0]["score"].is_null() && rows[0]["born"].is_null() && rows[0]["id"] == 1);
    assert!(rows[0].as_object().expect("a row").keys().all(|column| column != "iban"));
    let hash = rows[0]["email"].as_str().expect("a hash");
    assert!(hash.len() == 64 && rows[2]["email"] == hash && rows[1]["email"] != hash, "{rows}");
    let clear = house.post(format!("{PEOPLE}/rows"), &json!({})).answer().await.expect(200).json();
    assert_eq!((&clear["rows"][0]["email"], &clear["rows"][0]["iban"]), (&json!("ada@example.org"), &json!("DE02")));
    let partial = json!({"format": "csv", "selection": {"mode": "partial", "ids": [1]}});
    assert_silent(&post(&house, &format!("{EXPORT}/preview"), &partial).await.expect(200));
}

#[tokio::test]
async fn what_cannot_be_read_cannot_be_asked_about() {
    let house = House::with_people();
    let questions = [
        ("email", json!("ada@example.org")),
        ("email", json!(["ada@example.org", "x"])),
        ("iban", json!("DE02")),
        ("min_score", json!("12.00")),
        ("max_score", json!("13.00")),
        ("birthday", json!({"from": "1985-06-02T00:00:00Z"})),
        ("text", json!("tea")),
        ("start_time", json!("1985-06-02T00:00:00Z")),
        ("end_time", json!("1985-06-02T00:00:00Z")),
    ];
    for (member, value) in questions {
        let asked = json!({"format": "csv", member: value});
        let pointer = format!("/{member}");
        for path in
            [format!("{PEOPLE}/rows"), format!("{PEOPLE}/count"), EXPORT.to_owned(), format!("{EXPORT}/preview")]
        {
            assert_refused(post(&house, &path, &asked).await, &pointer, &asked);
            // Whatever else is said beside it.
            let mut beside = asked.clone();
            beside["country"] = json!("DE");
            beside["selection"] = json!({"mode": "partial", "ids": [1]});
            assert_refused(post(&house, &path, &beside).await, &pointer, &beside);
            let status = house.post(path, &asked).answer().await.status;
            assert!(matches!(status, 200 | 202), "{asked}: {status}");
        }
    }
    for column in ["email", "notes", "score", "born", "iban"] {
        for sort in [json!(column), json!(format!("-{column}")), json!({"column": column, "descending": true})] {
            let asked = json!({ "sort": sort });
            assert_refused(post(&house, &format!("{PEOPLE}/rows"), &asked).await, "/sort", &asked);
        }
    }
    for column in ["email", "iban"] {
        let asked = json!({"facets": ["country", column]});
        assert_refused(post(&house, &format!("{PEOPLE}/facets"), &asked).await, "/facets/1", &asked);
        let clear = house.post(format!("{PEOPLE}/facets"), &asked).answer().await.expect(200).json();
        assert!(clear["facets"][1]["values"][0]["value"].is_string(), "{clear}");
    }
    let asked = json!({"facets": ["country"], "email": "ada@example.org"});
    assert_refused(post(&house, &format!("{PEOPLE}/facets"), &asked).await, "/email", &asked);
    let asked = json!({"format": "csv", "fields": ["id", {"name": "iban", "as": "id2"}]});
    for path in [format!("{PEOPLE}/rows"), EXPORT.to_owned(), format!("{EXPORT}/preview")] {
        assert_refused(post(&house, &path, &asked).await, "/fields/1", &asked);
    }
    // A body cannot decide about itself.
    let asked = json!({"format": "csv", "disclosure": {"email": "clear"}});
    assert_eq!(post(&house, EXPORT, &asked).await.problem(422).1, ["/disclosure"]);
    post(&house, &format!("{PEOPLE}/count"), &json!({"country": "FR"})).await.expect(200);
}

#[tokio::test]
async fn cursors_carry_no_sensitive_value() {
    let house = House::with_people();
    let (mut cursor, mut pages) = (Json::Null, 0);
    loop {
        let body = json!({"limit": 1, "sort": "country", "cursor": cursor});
        let page = post(&house, &format!("{PEOPLE}/rows"), &body).await.expect(200);
        assert_silent(&page);
        cursor = page.json()["next_cursor"].clone();
        pages += 1;
        let Some(text) = cursor.as_str() else { break };
        let inside = BASE64_URL_SAFE_NO_PAD.decode(text).expect("base64");
        let inside = String::from_utf8(inside).expect("text");
        assert!(PRIVATE.iter().all(|private| !inside.contains(private)), "{inside}");
    }
    assert_eq!(pages, 3);
    // One of somebody who may sort by a sensitive column is of no use to others.
    let by_email = json!({"limit": 1, "sort": "email"});
    let theirs = house.post(format!("{PEOPLE}/rows"), &by_email).answer().await.expect(200).json();
    let taken = json!({"limit": 1, "cursor": theirs["next_cursor"]});
    assert_eq!(post(&house, &format!("{PEOPLE}/rows"), &taken).await.problem(422).1, ["/cursor"]);
}

async fn begun(house: &House, user: &str, permissions: &str, body: &Json) -> JobId {
    let answer = house.ask(Method::POST, EXPORT).by("acme", user, permissions).json(body).answer().await.expect(202);
    answer.json()["job_id"].as_str().expect("an id").parse().expect("an id")
}

#[tokio::test]
async fn a_file_with_sensitive_columns_is_for_those_alone_who_may_read_them() {
    let house = House::with_people();
    let asked = json!({"format": "csv", "email": "ada@example.org", "start_time": "1985-06-01T00:00:00Z"});
    let job = begun(&house, "alice", CLEAR, &asked).await;
    house.complete_next(b"id,email\n1,ada@example.org\n").await;
    let path = format!("/api/v1/export/jobs/{job}");

    let seen = get(&house, &path).await.expect(200);
    assert_silent(&seen);
    let seen = seen.json();
    assert_eq!((&seen["spec"]["email"], &seen["spec"]["start_time"]), (&json!("***"), &json!("***")));
    assert_eq!(seen["metadata"]["can_download"], false);
    let refused = get(&house, &format!("{path}/download")).await;
    assert!(String::from_utf8_lossy(&refused.body).contains("pii:read"));
    assert_eq!(refused.problem(403).0, "forbidden");
    let receipt = get(&house, &format!("{path}/receipt")).await.expect(200);
    assert_silent(&receipt);
    assert_eq!(receipt.json()["spec"]["disclosure"]["email"], "clear");
    assert_silent(&get(&house, "/api/v1/export/jobs").await.expect(200));

    let theirs = house.ask(Method::GET, &path).by("acme", "carol", CLEAR).answer().await.expect(200).json();
    assert_eq!(
        (&theirs["spec"]["email"], &theirs["metadata"]["can_download"]),
        (&json!("ada@example.org"), &json!(true))
    );
    house.ask(Method::GET, format!("{path}/download")).by("acme", "carol", CLEAR).answer().await.expect(302);
    // The owner as well, once the permission is gone.
    house.ask(Method::GET, format!("{path}/download")).by("acme", "alice", VEILED).answer().await.expect(403);

    // Rows chosen by a sensitive column tell it, whatever is in the file.
    let chosen = begun(&house, "alice", CLEAR, &json!({"format": "csv", "fields": ["id"], "text": "tea"})).await;
    house.complete_next(b"id\n1\n").await;
    get(&house, &format!("/api/v1/export/jobs/{chosen}/download")).await.expect(403);

    // And one without any is for everybody who may read the dataset.
    let plain = begun(&house, "alice", CLEAR, &json!({"format": "csv", "fields": ["id", "country"]})).await;
    house.complete_next(b"id,country\n1,DE\n").await;
    get(&house, &format!("/api/v1/export/jobs/{plain}/download")).await.expect(302);
    let veiled = begun(&house, "bob", VEILED, &json!({"format": "csv"})).await;
    house.complete_next(b"id,email\n1,fcbad\n").await;
    get(&house, &format!("/api/v1/export/jobs/{veiled}/download")).await.expect(302);
}

#[tokio::test]
async fn what_was_decided_stays_whoever_tries_again() {
    let house = House::with_people();
    let clear = begun(&house, "alice", CLEAR, &json!({"format": "csv", "fields": ["id", "email"]})).await;
    failed(&house).await;
    let veiled = begun(&house, "bob", VEILED, &json!({"format": "csv"})).await;
    failed(&house).await;
    let path = |job: JobId| format!("/api/v1/export/jobs/{job}/retry");
    let again = post(&house, &path(clear), &json!({})).await.expect(202).json();
    assert_eq!(again["spec"]["disclosure"], json!({"email": "clear"}), "{again}");
    house.complete_next(b"id,email\n1,ada@example.org\n").await;
    get(&house, &format!("/api/v1/export/jobs/{clear}/download")).await.expect(403);
    let again = house.post(path(veiled), &json!({})).answer().await.expect(202).json();
    let decided = json!({"born": "mask", "email": "hash", "iban": "drop", "notes": "mask", "score": "mask"});
    assert_eq!(again["spec"]["disclosure"], decided, "{again}");
}

/// The oldest job fails.
async fn failed(house: &House) {
    let jobs = &house.store.jobs;
    let claimed =
        jobs.claim(&WorkerName("tests".to_owned()), offtake_store::Take::Any, SignedDuration::from_secs(30)).await;
    let lease = claimed.expect("a claim").expect("a job is due").lease;
    let error = JobError { code: ErrorKind::Timeout, message: "too slow".to_owned() };
    jobs.fail(lease, &error, SignedDuration::from_hours(1)).await.expect("it failed");
}

#[tokio::test]
async fn presets_tell_nothing_either() {
    let house = House::with_people();
    let preset = json!({"name": "ada", "dataset": "people", "format": "csv", "fields": ["id"],
        "filters": {"email": "ada@example.org", "country": "DE"}});
    assert_refused(post(&house, "/api/v1/presets", &preset).await, "/filters/email", &preset);
    let own = json!({"name": "own", "dataset": "people", "format": "csv", "fields": ["iban"]});
    assert_refused(post(&house, "/api/v1/presets", &own).await, "/fields/0", &own);
    house.post("/api/v1/presets", &preset).answer().await.expect(201);

    let seen = get(&house, "/api/v1/presets/ada").await.expect(200);
    assert_silent(&seen);
    assert_eq!(seen.json()["filters"], json!({"email": "***", "country": "DE"}));
    assert_silent(&get(&house, "/api/v1/presets").await.expect(200));
    let asked = json!({"preset": "ada"});
    assert_refused(post(&house, EXPORT, &asked).await, "/preset", &asked);
    assert_refused(post(&house, &format!("{EXPORT}/preview"), &asked).await, "/preset", &asked);
    house.post(EXPORT, &asked).answer().await.expect(202);

    // A preset of a dataset that the caller may not read is not there, and its dataset is not named.
    let narrow = "exports:create,exports:read,datasets:journal";
    let asked = json!({"preset": "ada", "format": "csv"});
    let ask = house.ask(Method::POST, "/api/v1/export/journal").by("acme", "dan", narrow).json(&asked);
    let hidden = ask.answer().await;
    let absent = json!({"preset": "eve", "format": "csv"});
    let ask = house.ask(Method::POST, "/api/v1/export/journal").by("acme", "dan", narrow).json(&absent);
    let absent = ask.answer().await;
    let details = [hidden, absent].map(|answer| {
        let detail = answer.expect(422).json()["detail"].as_str().expect("a detail").to_owned();
        assert!(!detail.contains("people"), "{detail}");
        detail.replace("ada", "eve")
    });
    assert_eq!(details[0], details[1]);
}

#[tokio::test]
async fn names_of_exports_are_not_made_of_sensitive_filters() {
    let house = House::with_people();
    let asked =
        json!({"format": "csv", "email": "ada@example.org", "country": "DE", "start_time": "1985-06-01T00:00:00Z"});
    let job = begun(&house, "alice", CLEAR, &asked).await;
    let seen = house.get(format!("/api/v1/export/jobs/{job}")).answer().await.expect(200).json();
    assert_eq!(
        (&seen["name"], &seen["file_name"]),
        (&json!("People – DE – 2026-11-20"), &json!("People-DE-2026-11-20.csv"))
    );
}

#[tokio::test]
async fn a_link_ends_with_the_right_to_what_the_file_tells() {
    let house = House::with_people();
    let job = begun(&house, "alice", CLEAR, &json!({"format": "csv", "fields": ["id", "email"]})).await;
    house.complete_next(b"id,email\n1,ada@example.org\n").await;
    let path = format!("/api/v1/export/jobs/{job}/download");
    let link = house.ask(Method::GET, path).by("acme", "alice", CLEAR).answer().await.expect(302);
    let link = link.header("location").to_owned();
    house.ask(Method::GET, &link).answer().await.expect(200);
    let withheld = json!({"withheld": ["pii:read"]});
    let change = house.ask(Method::PATCH, "/api/v1/principals/alice").by("acme", "root", "admin").json(&withheld);
    change.answer().await.expect(200);
    assert_silent(&house.ask(Method::GET, &link).answer().await.expect(403));
}

/// Asked for in the clear, and made veiled because the right was withheld meanwhile: everybody who may have files may
/// have this one, and is told so.
#[tokio::test]
async fn what_is_said_of_a_file_goes_by_the_file() {
    let house = House::with_people();
    let asked = json!({"format": "csv", "fields": ["id", "email"]});
    let narrowed = begun(&house, "alice", CLEAR, &asked).await;
    house
        .complete_next_as(b"id,email\n1,4f5a\n", |spec| {
            spec.disclosure = serde_json::from_value(json!({"email": "hash"})).expect("a disclosure");
        })
        .await;
    let clear = begun(&house, "alice", CLEAR, &asked).await;
    house.complete_next(b"id,email\n1,ada@example.org\n").await;
    let list = get(&house, "/api/v1/export/jobs").await.expect(200).json();
    for (job, may) in [(narrowed, true), (clear, false)] {
        let path = format!("/api/v1/export/jobs/{job}");
        let answer = get(&house, &path).await.expect(200);
        let etag = answer.header("etag").to_owned();
        assert_eq!(answer.json()["metadata"]["can_download"], may);
        let listed = list["jobs"].as_array().expect("jobs").iter().find(|one| one["job_id"] == job.to_string());
        assert_eq!(listed.expect("it is listed")["metadata"]["can_download"], may);
        get(&house, &format!("{path}/download")).await.expect(if may { 302 } else { 403 });
        let again = house.ask(Method::GET, format!("{path}?wait=0")).by("acme", "bob", VEILED);
        again.header("if-none-match", &etag).answer().await.expect(304);
    }
}

#[tokio::test]
async fn a_key_has_at_most_the_role_of_its_maker() {
    let house = House::with_people();
    let make = async |permissions: &str, words: Json| {
        let body = json!({"name": "robot", "permissions": words});
        house.ask(Method::POST, "/api/v1/api-keys").by("acme", "root", permissions).json(&body).answer().await
    };
    make("admin,role:analyst", json!(["role:viewer", "exports:create"])).await.expect(201);
    make("role:admin", json!(["role:analyst", "pii:read"])).await.expect(201);
    for (permissions, words) in [("admin,role:viewer", json!(["role:analyst"])), ("admin", json!(["role:admin"]))] {
        let refused = make(permissions, words.clone()).await;
        assert!(matches!(refused.status, 403 | 422), "{permissions} {words}: {refused:?}");
    }
    assert_eq!(make("role:admin", json!(["role:king"])).await.problem(422).1, ["/permissions/0"]);
}
