//! Who may do what: tokens, permissions, organizations.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use http::Method;
use jiff::SignedDuration;
use offtake_model::ErrorKind;
use offtake_server::identity::Secret;
use serde_json::{Value as Json, json};
use sha2::Sha256;

use crate::house::House;

/// A token of our own making, signed with whatever key.
fn forge(key: &[u8], header: &Json, claims: &Json) -> String {
    let part = |json: &Json| BASE64_URL_SAFE_NO_PAD.encode(json.to_string());
    let signed = format!("{}.{}", part(header), part(claims));
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any length");
    mac.update(signed.as_bytes());
    format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
}

fn claims() -> Json {
    let now = crate::house::NOW.parse::<jiff::Timestamp>().expect("a moment").as_second();
    json!({"iss": "offtake", "aud": "offtake", "sub": "alice", "org_id": "acme", "permissions": "exports:read",
        "nbf": now, "exp": now + 60})
}

async fn status_with(house: &House, token: &str) -> u16 {
    let ask = house.ask(Method::GET, "/api/v1/export/jobs").header("authorization", &format!("Bearer {token}"));
    ask.answer().await.status
}

#[tokio::test]
async fn only_tokens_that_hold_in_every_respect_are_taken() {
    let house = House::new();
    let key = house.secret.reveal().as_bytes();
    let hs256 = json!({"alg": "HS256", "typ": "JWT"});
    assert_eq!(status_with(&house, &forge(key, &hs256, &claims())).await, 200);
    let with = |name: &str, value: Json| {
        let mut claims = claims();
        if value.is_null() {
            claims.as_object_mut().expect("claims").remove(name);
        } else {
            claims[name] = value;
        }
        forge(key, &hs256, &claims)
    };
    assert_eq!(status_with(&house, &with("permissions", json!(["exports:read"]))).await, 200, "a list");
    assert_eq!(status_with(&house, &with("permissions", json!("a exports:read"))).await, 200, "words");
    assert_eq!(status_with(&house, &with("permissions", Json::Null)).await, 403, "none");
    assert_eq!(status_with(&house, &with("aud", json!(["x", "offtake"]))).await, 200, "one of its audiences");
    let now = claims()["nbf"].as_i64().expect("a number");
    assert_eq!(status_with(&house, &with("exp", json!(now - 29))).await, 200, "within the skew");
    assert_eq!(status_with(&house, &with("nbf", json!(now + 29))).await, 200, "within the skew");
    for (name, value) in [
        ("iss", json!("other")),
        ("iss", Json::Null),
        ("aud", json!("other")),
        ("aud", Json::Null),
        ("exp", Json::Null),
        ("exp", json!(now - 31)),
        ("nbf", json!(now + 31)),
        ("sub", Json::Null),
        ("sub", json!("")),
        ("sub", json!("a\nb")),
        ("org_id", Json::Null),
        ("org_id", json!("")),
        ("org_id", json!(7)),
        ("exp", json!("soon")),
    ] {
        assert_eq!(status_with(&house, &with(name, value.clone())).await, 401, "{name} = {value}");
    }
    let none = BASE64_URL_SAFE_NO_PAD.encode(json!({"alg": "none"}).to_string());
    let body = BASE64_URL_SAFE_NO_PAD.encode(claims().to_string());
    for token in [
        forge(key, &json!({"alg": "HS512"}), &claims()),
        forge(key, &json!({"alg": "HS256", "crit": ["x"], "x": 1}), &claims()),
        forge(b"another key that is not the server's", &hs256, &claims()),
        forge(b"", &hs256, &claims()),
        format!("{none}.{body}."),
        "nonsense".to_owned(),
        String::new(),
        "x".repeat(20_000),
    ] {
        assert_eq!(status_with(&house, &token).await, 401, "{token:.80}");
    }
}

#[tokio::test]
async fn roles_grant_their_lists() {
    let house = House::new();
    let key = house.secret.reveal().as_bytes();
    let status = |permissions: Json, roles: Json| {
        let mut claims = claims();
        claims["permissions"] = permissions;
        claims["roles"] = roles;
        forge(key, &json!({"alg": "HS256", "typ": "JWT"}), &claims)
    };
    for (permissions, roles, expected) in [
        (json!([]), json!(["viewer"]), 200),
        (json!([]), json!("king viewer"), 200),
        (json!(["role:viewer"]), json!([]), 200),
        (json!([]), json!(["ingest"]), 403),
        (json!([]), json!(["Viewer", "exports:read", "role:viewer", "all"]), 403),
        (json!(["viewer"]), json!([]), 403),
    ] {
        let token = status(permissions.clone(), roles.clone());
        assert_eq!(status_with(&house, &token).await, expected, "{permissions} {roles}");
    }
}

#[tokio::test]
async fn a_refusal_says_how_to_come_in_and_not_why() {
    let house = House::new();
    let answer = house.ask(Method::GET, "/api/v1/export/jobs").answer().await;
    assert_eq!(answer.header("www-authenticate"), "Bearer realm=\"offtake\"");
    assert_eq!(answer.problem(401).0, "unauthenticated");
    let bad = house.ask(Method::GET, "/api/v1/export/jobs").header("authorization", "Bearer x.y.z").answer().await;
    assert!(bad.header("www-authenticate").contains("invalid_token"), "{bad:?}");
    let twice = house.get("/api/v1/export/jobs").by("acme", "bob", "all").answer().await;
    assert_eq!(twice.status, 401, "two tokens are none");
    let token = house.token("acme", "alice", "all");
    let lower = house.ask(Method::GET, "/api/v1/datasets").header("authorization", &format!("bearer {token}"));
    lower.answer().await.expect(200);
    let other = house.ask(Method::GET, "/api/v1/datasets").header("authorization", &format!("Basic {token}"));
    other.answer().await.expect(401);
    let in_query = house.ask(Method::GET, format!("/api/v1/datasets?access_token={token}"));
    in_query.answer().await.expect(401);
    house.clock.advance(SignedDuration::from_hours(2));
    let ask = house.ask(Method::GET, "/api/v1/datasets").header("authorization", &format!("Bearer {token}"));
    assert!(ask.answer().await.expect(401).json()["detail"].as_str().is_some_and(|detail| detail.contains("expired")));
}

#[test]
fn guessable_secrets_are_refused_and_none_is_ever_shown() {
    for weak in [
        "short",
        "",
        "changeme-changeme-changeme-changeme",
        "this-is-my-very-long-PASSWORD-1234567",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "0123456789abcdef0123456789abcdef",
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOP",
        "qwertyuiqwertyuiqwertyuiqwertyui",
        "your-256-bit-secret-goes-in-this-place",
    ] {
        let error = Secret::new(weak).expect_err(weak);
        assert_eq!(error.kind(), ErrorKind::InvalidRequest);
        assert!(error.detail().contains("openssl rand"), "says what to do: {error}");
        assert!(weak.is_empty() || !error.detail().contains(weak), "{error}");
    }
    let good = Secret::generate();
    let again = Secret::new(&format!(" {}\n", good.reveal())).expect("our own secrets are good");
    assert_eq!(again.reveal(), good.reveal());
    assert_ne!(Secret::generate().reveal(), good.reveal());
    assert!(!format!("{good:?}").contains(good.reveal()));
    Secret::new("JkD8v0rPq3WbZt6YxL1mNc5HgSfE2uAa").expect("32 random characters");
}

/// Every route that is not public, with the one permission it needs.
fn guarded(job: &str) -> Vec<(Method, String, &'static str)> {
    vec![
        (Method::POST, "/api/v1/export/spans".to_owned(), "exports:create"),
        (Method::POST, "/api/v1/export/spans/preview".to_owned(), "exports:create"),
        (Method::GET, "/api/v1/export/jobs".to_owned(), "exports:read"),
        (Method::GET, "/api/v1/export/jobs/perf".to_owned(), "exports:read"),
        (Method::GET, "/api/v1/export/statistics".to_owned(), "exports:read"),
        (Method::GET, job.to_owned(), "exports:read"),
        (Method::GET, format!("{job}/receipt"), "exports:read"),
        (Method::GET, format!("{job}/download"), "exports:download"),
        (Method::POST, format!("{job}/token"), "exports:download"),
        (Method::POST, format!("{job}/retry"), "exports:create"),
        (Method::DELETE, format!("{job}/file"), "exports:delete"),
        (Method::DELETE, job.to_owned(), "exports:cancel"),
        (Method::POST, "/v1/traces".to_owned(), "spans:write"),
        (Method::GET, "/metrics".to_owned(), "operator"),
        (Method::GET, "/api/v1/principals".to_owned(), "admin"),
        (Method::GET, "/api/v1/principals/bob".to_owned(), "admin"),
        (Method::PATCH, "/api/v1/principals/bob".to_owned(), "admin"),
        (Method::POST, "/api/v1/webhooks".to_owned(), "admin"),
        (Method::GET, "/api/v1/webhooks".to_owned(), "admin"),
        (Method::GET, "/api/v1/webhooks/whk_x".to_owned(), "admin"),
        (Method::PATCH, "/api/v1/webhooks/whk_x".to_owned(), "admin"),
        (Method::DELETE, "/api/v1/webhooks/whk_x".to_owned(), "admin"),
        (Method::POST, "/api/v1/webhooks/whk_x/rotate".to_owned(), "admin"),
        (Method::POST, "/api/v1/webhooks/whk_x/test".to_owned(), "admin"),
        (Method::GET, "/api/v1/webhooks/whk_x/deliveries".to_owned(), "admin"),
        (Method::GET, "/api/v1/webhooks/whk_x/deliveries/ntf_x".to_owned(), "admin"),
        (Method::POST, "/api/v1/webhooks/whk_x/deliveries/ntf_x/replay".to_owned(), "admin"),
        (Method::POST, "/api/v1/api-keys".to_owned(), "admin"),
        (Method::GET, "/api/v1/api-keys".to_owned(), "admin"),
        (Method::GET, "/api/v1/api-keys/key_x".to_owned(), "admin"),
        (Method::DELETE, "/api/v1/api-keys/key_x".to_owned(), "admin"),
        (Method::GET, "/api/v1/audit".to_owned(), "admin"),
    ]
}

#[tokio::test]
async fn every_route_needs_its_permission_and_no_other() {
    let house = House::new();
    let job = house.a_file(b"a\n").await;
    let words = [
        "exports:create",
        "exports:read",
        "exports:cancel",
        "exports:download",
        "exports:delete",
        "spans:write",
        "metrics:read",
        "operator",
        "admin",
    ];
    for (method, path, needed) in guarded(&job) {
        house.ask(method.clone(), &path).answer().await.expect(401);
        let others =
            words.into_iter().filter(|word| *word != needed).chain(["traces:read"]).collect::<Vec<_>>().join(",");
        let refused = house.ask(method.clone(), &path).by("acme", "alice", &others).json(&json!({})).answer().await;
        let refused = refused.expect(403).json();
        // OTLP has errors of its own form.
        let text = refused["detail"].as_str().or(refused["message"].as_str()).expect("a text").to_owned();
        assert!(text.contains(needed), "{method} {path}: {text}");
        let ask = house.ask(method.clone(), &path).by("acme", "alice", &format!("{needed},traces:read"));
        let passed = ask.json(&json!({})).answer().await;
        assert!(!matches!(passed.status, 401 | 403), "{method} {path}: {passed:?}");
    }
}

#[tokio::test]
async fn all_is_everything_but_operator() {
    let house = House::new();
    house.get("/metrics").answer().await.expect(403);
    house.ask(Method::GET, "/metrics").by("acme", "op", "operator").answer().await.expect(200);
}

/// An answer without what differs between any two.
fn anonymous(mut answer: Json) -> Json {
    answer["request_id"] = Json::Null;
    answer
}

#[tokio::test]
async fn what_is_somebody_elses_is_as_absent_as_what_never_was() {
    let house = House::new();
    let job = house.a_file(b"a\n").await;
    let never = format!("/api/v1/export/jobs/job_{}", "0".repeat(32));
    let routes = guarded(&job).into_iter().zip(guarded(&never));
    for ((method, path, _), (_, absent, _)) in routes.filter(|((_, path, _), _)| path.contains("job_")) {
        for (org, user, permissions) in [
            ("other", "alice", "all"),
            ("acme", "bob", "traces:read,exports:read,exports:create,exports:cancel,exports:download,exports:delete"),
        ] {
            let foreign = house.ask(method.clone(), &path).by(org, user, permissions).answer().await.expect(404);
            let missing = house.ask(method.clone(), &absent).by(org, user, permissions).answer().await.expect(404);
            assert_eq!(anonymous(foreign.json()), anonymous(missing.json()), "{method} {path}");
            let headers = |answer: &crate::house::Answer| {
                let mut headers = answer.headers.clone();
                headers.remove("x-request-id");
                headers
            };
            assert_eq!(headers(&foreign), headers(&missing));
        }
    }
    let odd = house.get("/api/v1/export/jobs/not-an-id").answer().await.expect(404);
    let missing = house.get(&never).answer().await.expect(404);
    assert_eq!(anonymous(odd.json()), anonymous(missing.json()));
    assert_eq!(house.get(&job).answer().await.expect(200).json()["status"], "completed", "nobody touched it");
}

#[tokio::test]
async fn reading_all_is_more_than_reading() {
    let house = House::new();
    let job = house.a_file(b"a\n").await;
    let list = |permissions: &'static str, query: &'static str| {
        let ask = house.ask(Method::GET, format!("/api/v1/export/jobs{query}")).by("acme", "boss", permissions);
        async move { ask.answer().await.expect(200).json()["pagination"]["total"].clone() }
    };
    assert_eq!(list("exports:read", "").await, 0);
    assert_eq!(list("exports:read_all", "").await, 1);
    assert_eq!(list("exports:read_all", "?mine=true").await, 0);
    house.ask(Method::GET, &job).by("acme", "boss", "exports:read_all").answer().await.expect(200);
    let perf =
        |permissions| house.ask(Method::GET, "/api/v1/export/jobs/perf").by("acme", "boss", permissions).answer();
    assert!(perf("exports:read").await.json()["jobs"][0].get("job_id").is_none());
    assert!(perf("exports:read_all").await.json()["jobs"][0]["job_id"].is_string());
}

#[tokio::test]
async fn a_dataset_one_may_not_read_does_not_exist() {
    let house = House::new();
    let few = "exports:create,exports:read,exports:download,traces:read";
    for (method, path) in [
        (Method::POST, "/api/v1/export/NAME"),
        (Method::POST, "/api/v1/export/NAME/preview"),
        (Method::GET, "/api/v1/datasets/NAME"),
        (Method::POST, "/api/v1/datasets/NAME/rows"),
        (Method::POST, "/api/v1/datasets/NAME/count"),
    ] {
        let ask = |name: &str| {
            let ask = house.ask(method.clone(), path.replace("NAME", name)).by("acme", "alice", few);
            ask.json(&json!({"format": "csv"})).answer()
        };
        let (hidden, missing) = (ask("journal").await.expect(404), ask("never").await.expect(404));
        assert_eq!(anonymous(hidden.json()), anonymous(missing.json()), "{method} {path}");
        let open = format!("{few},datasets:journal");
        let ask = house.ask(method.clone(), path.replace("NAME", "journal")).by("acme", "alice", &open);
        let open = ask.json(&json!({"format": "csv"})).answer().await;
        assert!(matches!(open.status, 200 | 202), "{method} {path}: {open:?}");
    }
    let names = |permissions: &'static str| {
        let ask = house.ask(Method::GET, "/api/v1/datasets").by("acme", "alice", permissions);
        async move {
            let body = ask.answer().await.expect(200).json();
            let names = body["datasets"].as_array().expect("a list").iter();
            names.map(|dataset| dataset["name"].as_str().expect("a name").to_owned()).collect::<Vec<_>>()
        }
    };
    assert_eq!(names("traces:read").await, ["prompts", "spans", "traces"]);
    assert_eq!(names("datasets:journal").await, ["journal"]);
    assert_eq!(names("exports:create").await, [""; 0]);
}

/// A permission withdrawn after the export was asked for: the job can be seen, its rows cannot.
#[tokio::test]
async fn who_lost_the_dataset_gets_no_rows_of_it() {
    let house = House::new();
    let job = house.a_file(b"a\n").await;
    let without = "exports:create,exports:read,exports:download";
    let seen = house.ask(Method::GET, &job).by("acme", "alice", without).answer().await.expect(200).json();
    assert_eq!(seen["metadata"]["can_download"], false);
    for (method, path) in [(Method::GET, "download"), (Method::POST, "retry")] {
        let ask = house.ask(method, format!("{job}/{path}")).by("acme", "alice", without);
        assert_eq!(ask.answer().await.problem(403).0, "forbidden");
    }
}
