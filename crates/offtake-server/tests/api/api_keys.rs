//! API keys: made, used, ended.

use http::Method;
use jiff::SignedDuration;
use serde_json::{Value as Json, json};

use crate::house::{Answer, Ask, House};

const KEYS: &str = "/api/v1/api-keys";

impl House {
    /// A key of root of acme, who is everything; with its id.
    async fn new_key(&self, body: &Json) -> (String, String) {
        let made =
            self.ask(Method::POST, KEYS).by("acme", "root", "all,operator").json(body).answer().await.expect(201);
        let made = made.json();
        (made["key"].as_str().expect("the key").to_owned(), made["id"].as_str().expect("its id").to_owned())
    }

    fn by_key(&self, key: &str, method: Method, path: &str) -> Ask<'_> {
        self.ask(method, path).header("authorization", &format!("Bearer {key}"))
    }

    async fn may(&self, key: &str) -> Answer {
        self.by_key(key, Method::GET, "/api/v1/export/jobs").answer().await
    }
}

fn reading() -> Json {
    json!({"name": "nightly", "permissions": ["exports:read", "exports:create", "traces:read"]})
}

#[tokio::test]
async fn a_key_is_shown_once_and_works() {
    let house = House::new();
    let ask = house.ask(Method::POST, KEYS).by("acme", "root", "admin,exports:read,exports:create,traces:read");
    let made = ask.json(&reading()).answer().await.expect(201);
    let body = made.json();
    let (key, id) = (body["key"].as_str().expect("the key"), body["id"].as_str().expect("an id"));
    assert_eq!(made.header("location"), format!("{KEYS}/{id}"));
    assert_eq!(made.header("cache-control"), "no-store");
    assert!(key.starts_with("otk_") && key.len() == 85, "{key}");
    assert_eq!((&body["created_by"], &body["sub"]), (&json!("root"), &json!(format!("api_key:{id}"))));
    for path in [KEYS.to_owned(), format!("{KEYS}/{id}")] {
        let seen = house.admin(Method::GET, &path).answer().await.expect(200);
        let text = String::from_utf8(seen.body.to_vec()).expect("UTF-8");
        assert!(text.contains(id) && !text.contains(&key[36..]), "{text}");
    }
    let who = house.by_key(key, Method::GET, "/api/v1/session").answer().await.expect(200).json();
    assert_eq!((&who["org_id"], &who["via"], &who["sub"]), (&json!("acme"), &json!("api_key"), &body["sub"]));
    house.may(key).await.expect(200);
    let job = house
        .by_key(key, Method::POST, "/api/v1/export/spans")
        .json(&json!({"format": "csv"}))
        .answer()
        .await
        .expect(202);
    let job =
        house.get(format!("/api/v1/export/jobs/{}", job.json()["job_id"].as_str().expect("an id"))).answer().await;
    assert_eq!(job.expect(200).json()["owner"], body["sub"]);
    house.by_key(key, Method::GET, KEYS).answer().await.expect(403);
    house.by_key(key, Method::GET, "/metrics").answer().await.expect(403);
}

#[tokio::test]
async fn a_key_may_do_no_more_than_its_maker() {
    let house = House::new();
    let make = |permissions: &'static str, wanted: Json| {
        let body = json!({"name": "k", "permissions": wanted});
        house.ask(Method::POST, KEYS).by("acme", "boss", permissions).json(&body).answer()
    };
    make("admin", json!(["admin"])).await.expect(201);
    assert_eq!(make("admin", json!(["exports:read"])).await.problem(403).0, "forbidden");
    make("admin,exports:read", json!(["all"])).await.expect(403);
    make("all", json!(["operator"])).await.expect(403);
    make("all", json!(["all"])).await.expect(201);
    house.change("boss", &json!({"withheld": ["exports:create"]})).await.expect(200);
    make("all", json!(["all"])).await.expect(403);
    make("all", json!(["exports:create"])).await.expect(403);
    let less = make("all", json!(["exports:read", "admin"])).await.expect(201).json();
    let by_key = house.by_key(less["key"].as_str().expect("a key"), Method::POST, KEYS);
    by_key.json(&json!({"name": "k", "permissions": ["admin"]})).answer().await.expect(403);
}

#[tokio::test]
async fn what_is_wrong_with_a_key_is_said_at_once() {
    let house = House::new();
    let wrong = json!({"name": "", "permissions": ["exports:fly", 1], "ttl": 0, "scope": 1});
    let answer = house.admin(Method::POST, KEYS).json(&wrong).answer().await;
    assert_eq!(answer.problem(422).1, ["/scope", "/name", "/permissions/0", "/permissions/1", "/ttl"]);
    for (name, value) in [("expires_at", json!("soon")), ("expires_at", json!(crate::house::NOW)), ("ttl", json!(1.5))]
    {
        let mut body = json!({"name": "k", "permissions": ["admin"]});
        body[name] = value;
        assert_eq!(house.admin(Method::POST, KEYS).json(&body).answer().await.problem(422).1, [format!("/{name}")]);
    }
    let both = json!({"name": "k", "permissions": ["admin"], "ttl": 5, "expires_at": "2030-01-01T00:00:00Z"});
    assert_eq!(house.admin(Method::POST, KEYS).json(&both).answer().await.problem(422).1, ["/ttl"]);
}

#[tokio::test]
async fn a_key_ends_when_it_is_revoked_and_when_its_time_is_over() {
    let house = House::new();
    let (key, id) = house.new_key(&reading()).await;
    house.admin(Method::DELETE, &format!("{KEYS}/{id}")).answer().await.expect(204);
    let refused = house.may(&key).await;
    assert!(refused.header("www-authenticate").contains("invalid_token"));
    assert_eq!(refused.problem(401).0, "unauthenticated");
    house.admin(Method::DELETE, &format!("{KEYS}/{id}")).answer().await.expect(204);
    assert!(house.admin(Method::GET, &format!("{KEYS}/{id}")).answer().await.json()["revoked_at"].is_string());

    let mut short = reading();
    short["ttl"] = json!(60);
    let (key, id) = house.new_key(&short).await;
    house.may(&key).await.expect(200);
    assert_eq!(
        house.admin(Method::GET, &format!("{KEYS}/{id}")).answer().await.json()["expires_at"],
        "2026-11-20T12:01:00Z"
    );
    house.clock.advance(SignedDuration::from_secs(60));
    house.may(&key).await.expect(401);
}

#[tokio::test]
async fn a_key_stops_with_its_maker_and_stands_for_itself() {
    let house = House::new();
    let (key, id) = house.new_key(&reading()).await;
    let other = |body: Json| {
        let ask = house.ask(Method::PATCH, "/api/v1/principals/root").by("acme", "chief", "admin");
        ask.json(&body).answer()
    };
    other(json!({"disabled": true})).await.expect(200);
    assert_eq!(house.may(&key).await.problem(403).0, "forbidden");
    other(json!({"disabled": false, "withheld": ["exports:read"]})).await.expect(200);
    house.may(&key).await.expect(403);
    other(json!({"withheld": []})).await.expect(200);
    house.may(&key).await.expect(200);
    house.change(&format!("api_key:{id}"), &json!({"disabled": true})).await.expect(200);
    house.may(&key).await.expect(403);
}

#[tokio::test]
async fn what_only_looks_like_a_key_is_none() {
    let house = House::new();
    let (key, _) = house.new_key(&reading()).await;
    let last = if key.ends_with('a') { 'b' } else { 'a' };
    for other in ["otk_", "otk_x", &format!("{}{last}", &key[..84]), &key.to_uppercase(), &key[4..]] {
        house.may(other).await.expect(401);
    }
    house.by_key(&key, Method::GET, "/api/v1/export/jobs").by("acme", "alice", "all").answer().await.expect(401);
}

#[tokio::test]
async fn keys_of_others_are_as_absent_as_none() {
    let house = House::new();
    let (key, id) = house.new_key(&reading()).await;
    let foreign = |method: Method, path: String| house.ask(method, path).by("other", "eve", "admin").answer();
    for method in [Method::GET, Method::DELETE] {
        let theirs = foreign(method.clone(), format!("{KEYS}/{id}")).await.expect(404).json();
        let never = foreign(method, format!("{KEYS}/key_{}", "0".repeat(32))).await.expect(404).json();
        assert_eq!((&theirs["detail"], &theirs["code"]), (&never["detail"], &never["code"]));
    }
    assert_eq!(foreign(Method::GET, KEYS.to_owned()).await.expect(200).json()["api_keys"], json!([]));
    house.may(&key).await.expect(200);
}
