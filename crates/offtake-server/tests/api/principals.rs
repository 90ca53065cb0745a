//! Who was seen, who is disabled, and what is withheld.

use std::time::Duration;

use http::Method;
use jiff::SignedDuration;
use serde_json::{Value as Json, json};

use crate::house::{Answer, Ask, House};

const PRINCIPALS: &str = "/api/v1/principals";

impl House {
    /// By root of acme, an administrator.
    pub(crate) fn admin(&self, method: Method, path: &str) -> Ask<'_> {
        self.ask(method, path).by("acme", "root", "admin")
    }

    /// What an administrator of acme changes about a principal.
    pub(crate) async fn change(&self, sub: &str, body: &Json) -> Answer {
        self.admin(Method::PATCH, &format!("{PRINCIPALS}/{sub}")).json(body).answer().await
    }

    /// Until what is written behind the requests is there.
    async fn seen(&self, sub: &str, enough: impl Fn(&Json) -> bool) -> Json {
        for _ in 0..500 {
            let answer = self.admin(Method::GET, &format!("{PRINCIPALS}/{sub}")).answer().await;
            if answer.status == 200 && enough(&answer.json()) {
                return answer.json();
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{sub} was not noted");
    }

    async fn list_jobs(&self, user: &str, permissions: &str) -> Answer {
        self.ask(Method::GET, "/api/v1/export/jobs").by("acme", user, permissions).answer().await
    }
}

#[tokio::test]
async fn who_comes_is_remembered_once_a_minute() {
    let house = House::new();
    house.list_jobs("alice", "exports:read").await.expect(200);
    let first = house.seen("alice", |_| true).await;
    assert_eq!((&first["first_seen_at"], &first["disabled"]), (&json!(crate::house::NOW), &json!(false)));
    assert_eq!(first["withheld"], json!([]));
    house.clock.advance(SignedDuration::from_secs(61));
    house.list_jobs("alice", "exports:read").await.expect(200);
    let later = house.seen("alice", |seen| seen["last_seen_at"] != first["last_seen_at"]).await;
    assert_eq!(later["first_seen_at"], first["first_seen_at"]);
    // What does not hold leaves no trace.
    let forged = house.ask(Method::GET, "/api/v1/export/jobs").header("authorization", "Bearer x.y.z");
    forged.answer().await.expect(401);
    house.seen("root", |_| true).await;
    let page = house.admin(Method::GET, PRINCIPALS).answer().await.expect(200).json();
    let subs: Vec<&str> =
        page["principals"].as_array().expect("a list").iter().filter_map(|p| p["sub"].as_str()).collect();
    assert_eq!((subs, &page["next_cursor"]), (vec!["alice", "root"], &Json::Null));
    let one = house.admin(Method::GET, &format!("{PRINCIPALS}?limit=1")).answer().await.expect(200).json();
    let cursor = one["next_cursor"].as_str().expect("there is more");
    let two = house.admin(Method::GET, &format!("{PRINCIPALS}?limit=1&cursor={cursor}")).answer().await.expect(200);
    assert_eq!(two.json()["principals"][0]["sub"], "root");
    let odd = house.admin(Method::GET, &format!("{PRINCIPALS}?cursor=%25&limit=0")).answer().await;
    assert_eq!(odd.problem(422).1, ["?limit", "?cursor"]);
}

#[tokio::test]
async fn who_is_disabled_is_refused_from_the_next_request_on() {
    let house = House::new();
    house.list_jobs("bob", "exports:read").await.expect(200);
    let changed = house.change("bob", &json!({"disabled": true})).await.expect(200).json();
    assert_eq!((&changed["disabled"], &changed["sub"]), (&json!(true), &json!("bob")));
    let refused = house.list_jobs("bob", "exports:read").await;
    assert!(refused.headers.get("www-authenticate").is_none());
    assert!(refused.json()["detail"].as_str().is_some_and(|detail| detail.contains("disabled")), "{refused:?}");
    assert_eq!(refused.problem(403).0, "forbidden");
    for (method, path) in
        [(Method::POST, "/v1/traces"), (Method::GET, "/api/v1/session"), (Method::GET, "/api/v1/datasets")]
    {
        house.ask(method, path).by("acme", "bob", "all").json(&json!({})).answer().await.expect(403);
    }
    house.ask(Method::GET, "/metrics").by("acme", "bob", "operator").answer().await.expect(403);
    house.ask(Method::GET, "/livez").by("acme", "bob", "all").answer().await.expect(200);
    // The same name elsewhere is somebody else.
    house.ask(Method::GET, "/api/v1/export/jobs").by("other", "bob", "exports:read").answer().await.expect(200);
    house.list_jobs("alice", "exports:read").await.expect(200);
    house.change("bob", &json!({"disabled": false})).await.expect(200);
    house.list_jobs("bob", "exports:read").await.expect(200);
}

#[tokio::test]
async fn somebody_can_be_disabled_before_he_comes() {
    let house = House::new();
    let sub = "auth0|mallory/7";
    let path = "auth0%7Cmallory%2F7";
    house.admin(Method::GET, &format!("{PRINCIPALS}/{path}")).answer().await.expect(404);
    let made = house.change(path, &json!({"disabled": true})).await.expect(200).json();
    assert_eq!((&made["sub"], &made["first_seen_at"]), (&json!(sub), &Json::Null));
    house.list_jobs(sub, "all").await.expect(403);
}

#[tokio::test]
async fn what_is_withheld_is_missing_whatever_the_token_says() {
    let house = House::new();
    let job = house.a_file(b"a\n").await;
    house.change("alice", &json!({"withheld": ["exports:download", "datasets:journal"]})).await.expect(200);
    house.get(&job).answer().await.expect(200);
    let refused = house.get(format!("{job}/download")).answer().await;
    assert!(refused.json()["detail"].as_str().is_some_and(|detail| detail.contains("exports:download")));
    assert_eq!(refused.problem(403).0, "forbidden");
    assert_eq!(house.get(&job).answer().await.json()["metadata"]["can_download"], false);
    house.get("/api/v1/datasets/journal").answer().await.expect(404);
    let who = house.get("/api/v1/session").answer().await.expect(200).json();
    assert_eq!((&who["permissions"], &who["via"]), (&json!(["all"]), &json!("token")));
    assert_eq!(who["withheld"], json!(["exports:download", "datasets:journal"]));
    house.change("alice", &json!({"withheld": []})).await.expect(200);
    house.get(format!("{job}/download")).answer().await.expect(302);
}

#[tokio::test]
async fn a_change_says_what_is_wrong_with_it() {
    let house = House::new();
    let wrong = json!({"disabled": "yes", "withheld": ["admin", "all", 7], "a/b": 1});
    assert_eq!(house.change("bob", &wrong).await.problem(422).1, ["/disabled", "/withheld/1", "/withheld/2", "/a~1b"]);
    assert_eq!(house.change("bob", &json!({"withheld": "admin"})).await.problem(422).1, ["/withheld"]);
    house.change("bob", &json!({})).await.expect(200);
    house.change(&"x".repeat(400), &json!({"disabled": true})).await.expect(404);
}

#[tokio::test]
async fn nobody_locks_himself_out() {
    let house = House::new();
    for body in [json!({"disabled": true}), json!({"withheld": ["admin"]})] {
        assert_eq!(house.change("root", &body).await.problem(409).0, "conflict");
    }
    house.change("root", &json!({"disabled": false, "withheld": ["exports:read"]})).await.expect(200);
    house.admin(Method::GET, PRINCIPALS).answer().await.expect(200);
}

#[tokio::test]
async fn other_organizations_are_not_concerned() {
    let house = House::new();
    house.list_jobs("bob", "exports:read").await.expect(200);
    house.seen("bob", |_| true).await;
    let foreign = |path: &str| house.ask(Method::GET, path.to_owned()).by("other", "eve", "admin").answer();
    let (known, never) = (
        foreign(&format!("{PRINCIPALS}/bob")).await.expect(404),
        foreign(&format!("{PRINCIPALS}/nobody")).await.expect(404),
    );
    assert_eq!(known.json()["detail"], never.json()["detail"]);
    let change = house.ask(Method::PATCH, format!("{PRINCIPALS}/bob")).by("other", "eve", "admin");
    change.json(&json!({"disabled": true})).answer().await.expect(200);
    house.list_jobs("bob", "exports:read").await.expect(200);
}

#[tokio::test]
async fn a_link_ends_with_the_right_to_the_file() {
    let house = House::new();
    let job = house.a_file(b"a\n").await;
    let link = house.link(&job).await;
    let follow = |link: String| house.ask(Method::GET, link).answer();
    follow(link.clone()).await.expect(200);
    for body in [
        json!({"disabled": true}),
        json!({"disabled": false, "withheld": ["exports:download"]}),
        json!({"withheld": ["traces:read"]}),
    ] {
        house.change("alice", &body).await.expect(200);
        assert_eq!(follow(link.clone()).await.problem(403).0, "forbidden", "{body}");
    }
    house.change("alice", &json!({"withheld": ["exports:create"]})).await.expect(200);
    follow(link.clone()).await.expect(200);
    let (before, rest) = link.split_once("for=").expect("it names its subject");
    let (_, rest) = rest.split_once('&').expect("more");
    for forged in [format!("{before}for=Ym9i&{rest}"), format!("{before}{rest}"), format!("{before}for=%25&{rest}")] {
        follow(forged).await.expect(403);
    }
}

#[tokio::test]
async fn who_waits_for_an_answer_is_not_given_it() {
    let house = House::new();
    let id = house.create(&json!({"format": "csv"})).await;
    let waiting = house.get(format!("/api/v1/export/jobs/{id}?wait=2")).answer();
    let disabling = async {
        house.change("alice", &json!({"disabled": true})).await.expect(200);
    };
    let (answer, ()) = tokio::join!(waiting, disabling);
    assert_eq!(answer.problem(403).0, "forbidden");
}

#[tokio::test]
async fn names_of_keys_are_nobody_elses() {
    let house = House::new();
    house.list_jobs("api_key:key_0", "exports:read").await.expect(401);
    house.change("api_key:key_0", &json!({"disabled": true})).await.expect(404);
}
