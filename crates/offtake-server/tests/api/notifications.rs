//! Who was told what.

use http::Method;
use jiff::SignedDuration;
use offtake_server::{LimitSettings, ServerSettings};
use offtake_store::{Try, Verdict, WorkerName};
use serde_json::{Value as Json, json};

use crate::house::House;

const LIST: &str = "/api/v1/notifications";

/// Where mail is sent.
fn house() -> House {
    House::with(ServerSettings { sends_mail: true, limits: LimitSettings::NONE, ..ServerSettings::default() })
}

/// A file that alice asked for and wants to be told of.
async fn a_watched_file(house: &House) {
    let principal = offtake_model::principal::Principal {
        org: offtake_model::id::OrgId::new("acme").expect("an organization"),
        sub: "alice".to_owned(),
        email: Some("alice@acme.example".to_owned()),
        permissions: offtake_model::permission::Permissions::from_words(["all"]),
    };
    let now = offtake_model::clock::Clock::now(&*house.clock);
    let token = offtake_server::identity::mint(&house.secret, &principal, SignedDuration::from_hours(1), now);
    let ask =
        house.ask(Method::POST, "/api/v1/export/spans").json(&json!({"format": "csv", "notify": {"email": true}}));
    ask.header("authorization", &format!("Bearer {}", token.expect("a token"))).answer().await.expect(202);
    house.complete_next(b"a\n").await;
    house.clock.advance(SignedDuration::from_secs(1));
}

async fn tried(house: &House, verdict: Verdict) {
    let worker = WorkerName("tests".to_owned());
    let owed = house.store.outbox.take_owed(&worker, 1, SignedDuration::from_mins(1)).await.expect("taken");
    let outcome = Try { answer: "550 nobody here".to_owned(), took: SignedDuration::from_millis(12), verdict };
    house.store.outbox.tried(&owed[0], &outcome).await.expect("written down");
}

#[tokio::test]
async fn notifications_are_listed_looked_at_and_replayed() {
    let house = house();
    for _ in 0..3 {
        a_watched_file(&house).await;
    }
    tried(&house, Verdict::GiveUp).await;
    let list = async |query: &str| house.get(format!("{LIST}{query}")).answer().await.expect(200).json();
    let all = list("").await;
    let listed = all["notifications"].as_array().expect("notifications");
    assert_eq!((listed.len(), &all["next_cursor"]), (3, &Json::Null));
    assert_eq!((&listed[0]["state"], &listed[2]["state"]), (&json!("pending"), &json!("failed")), "newest first");
    assert_eq!(listed[0]["address"], "alice@acme.example");
    assert_eq!(listed[0]["event"]["event_type"], "export_job_status");
    let page = list("?limit=2").await;
    let cursor = page["next_cursor"].as_str().expect("a cursor");
    assert_eq!(list(&format!("?limit=2&cursor={cursor}")).await["notifications"], json!([listed[2]]));
    for (query, count) in [
        ("?state=failed", 1),
        ("?state=pending&channel=email", 2),
        ("?channel=webhook", 0),
        ("?address=alice@acme.example", 3),
        ("?address=nobody@acme.example", 0),
    ] {
        assert_eq!(list(query).await["notifications"].as_array().map(Vec::len), Some(count), "{query}");
    }
    for (query, pointer) in
        [("?state=x", "?state"), ("?channel=fax", "?channel"), ("?cursor=1", "?cursor"), ("?limit=0", "?limit")]
    {
        assert_eq!(house.get(format!("{LIST}{query}")).answer().await.problem(422).1, [pointer], "{query}");
    }

    let one = format!("{LIST}/{}", listed[2]["id"].as_str().expect("an id"));
    let detail = house.get(&one).answer().await.expect(200).json();
    assert_eq!(
        detail["log"],
        json!([{"number": 1, "at": detail["log"][0]["at"], "answer": "550 nobody here", "took_ms": 12}])
    );
    let again = house.post(format!("{one}/replay"), &json!({})).answer().await.expect(200).json();
    assert_eq!((&again["state"], &again["tries"], &again["id"]), (&json!("pending"), &json!(0), &listed[2]["id"]));
    assert_eq!(house.post(format!("{one}/replay"), &json!({})).answer().await.problem(409).0, "conflict");
    let trail = house.get("/api/v1/audit?action=notification.replay").answer().await.expect(200).json();
    assert_eq!(trail["entries"][0]["object"], json!({"kind": "notification", "id": listed[2]["id"]}));
}

#[tokio::test]
async fn they_are_the_administrators_of_the_organization() {
    let house = house();
    a_watched_file(&house).await;
    let listed = house.get(LIST).answer().await.expect(200).json();
    let one = format!("{LIST}/{}", listed["notifications"][0]["id"].as_str().expect("an id"));
    let never = format!("{LIST}/ntf_00000000000000000000000000000000");
    let replay = |path: &str| format!("{path}/replay");
    for (method, path, twin) in [
        (Method::GET, one.clone(), never.clone()),
        (Method::POST, replay(&one), replay(&never)),
        (Method::GET, format!("{LIST}/x"), never.clone()),
    ] {
        let ask = async |path: &str| {
            let ask = house.ask(method.clone(), path).by("other", "eve", "all").header("x-request-id", "r");
            ask.answer().await.expect(404).body
        };
        assert_eq!(ask(&path).await, ask(&twin).await, "{path}");
        house.ask(method.clone(), &path).by("acme", "bob", "exports:read,exports:create").answer().await.expect(403);
    }
    let theirs = house.ask(Method::GET, LIST).by("other", "eve", "all").answer().await.expect(200).json();
    assert_eq!(theirs["notifications"], json!([]));
}

#[tokio::test]
async fn a_session_says_whether_mail_can_be_asked_for() {
    let of = async |house: &House| house.get("/api/v1/session").answer().await.expect(200).json()["mail"].clone();
    let silent = House::new();
    assert_eq!(of(&silent).await, json!({"is_sent": false, "address": null}));
    let house = house();
    a_watched_file(&house).await;
    // The token has no address; the account last came with one.
    assert_eq!(of(&house).await, json!({"is_sent": true, "address": "alice@acme.example"}));
}
