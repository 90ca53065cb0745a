//! Webhook endpoints: made, changed, tested, forgotten. What is sent is the worker's.

use http::Method;
use serde_json::{Value as Json, json};

use crate::house::{Answer, House};

const WEBHOOKS: &str = "/api/v1/webhooks";
const URL: &str = "https://hooks.example.org/in";

impl House {
    async fn webhook_by(&self, permissions: &str, body: &Json) -> Answer {
        self.ask(Method::POST, WEBHOOKS).by("acme", "root", permissions).json(body).answer().await
    }

    async fn on_webhook(&self, method: Method, path: &str, body: &Json) -> Answer {
        self.ask(method, path).by("acme", "root", "all").json(body).answer().await
    }
}

#[tokio::test]
async fn a_secret_is_shown_when_it_is_made_and_never_again() {
    let house = House::new();
    let made = house.webhook_by("all", &json!({"url": URL, "events": ["system_alert", "export_job_status"]})).await;
    let made = made.expect(201);
    let body = made.json();
    let path = format!("{WEBHOOKS}/{}", body["id"].as_str().expect("an id"));
    assert_eq!(made.header("location"), path);
    assert_eq!(body["events"], json!(["export_job_status", "system_alert"]), "in the order of the documentation");
    assert_eq!(
        (&body["enabled"], &body["signing"], &body["created_by"]),
        (&json!(true), &json!("hmac"), &json!("root"))
    );
    let secret = body["secret"].as_str().expect("a secret");
    assert!(secret.starts_with("whsec_"));
    let rotated = house.on_webhook(Method::POST, &format!("{path}/rotate"), &json!({"signing": "ed25519"})).await;
    let rotated = rotated.expect(200).json();
    assert!(rotated.get("secret").is_none(), "a pair of keys needs no secret: {rotated}");
    assert!(rotated["public_key"].as_str().is_some_and(|key| key.starts_with("whpk_")), "{rotated}");
    assert!(rotated["previous_key_until"].is_string());
    let changed = house.on_webhook(Method::PATCH, &path, &json!({"description": "x", "enabled": false})).await;
    assert_eq!(changed.expect(200).json()["enabled"], false);
    for path in [WEBHOOKS.to_owned(), path.clone(), "/api/v1/audit".to_owned()] {
        let seen = house.ask(Method::GET, &path).by("acme", "root", "all").answer().await.expect(200);
        assert!(!String::from_utf8_lossy(&seen.body).contains(&secret[6..]), "{path}");
    }
    house.ask(Method::DELETE, &path).by("acme", "root", "all").answer().await.expect(204);
    house.ask(Method::GET, &path).by("acme", "root", "all").answer().await.expect(404);
}

#[tokio::test]
async fn everything_wrong_is_told_at_once() {
    let house = House::new();
    let body = json!({"url": "http://127.0.0.1/", "events": ["trace_created", "nothing", 7], "description": "a\nb",
        "enabled": "yes", "signing": "rsa", "secret": "mine"});
    let (code, pointers) = house.webhook_by("all", &body).await.problem(422);
    assert_eq!(code, "invalid_request");
    let wanted = ["/secret", "/url", "/events/0", "/events/1", "/events/2", "/description", "/enabled", "/signing"];
    assert_eq!(pointers, wanted);
    assert_eq!(house.webhook_by("all", &json!({})).await.problem(422).1, ["/url", "/events"]);
    for url in
        ["https://10.0.0.1/", "https://0x7f.1/", "https://[::1]/", "https://me@example.org/", "https://example.org:25/"]
    {
        let (_, pointers) =
            house.webhook_by("all", &json!({"url": url, "events": ["system_alert"]})).await.problem(422);
        assert_eq!(pointers, ["/url"], "{url}");
    }
    let made = house.webhook_by("all", &json!({"url": URL, "events": ["system_alert"]})).await.expect(201).json();
    let rotate = format!("{WEBHOOKS}/{}/rotate", made["id"].as_str().expect("an id"));
    let (_, pointers) =
        house.on_webhook(Method::POST, &rotate, &json!({"overlap": 604_801, "x": 1})).await.problem(422);
    assert_eq!(pointers, ["/x", "/overlap"]);
}

#[tokio::test]
async fn nobody_has_sent_away_what_they_may_not_read() {
    let house = House::new();
    let make = async |permissions: &'static str, events: Json| {
        house.webhook_by(permissions, &json!({"url": URL, "events": events})).await
    };
    make("admin", json!(["system_alert"])).await.expect(403);
    make("admin,alerts:read", json!(["system_alert"])).await.expect(201);
    make("admin,alerts:read", json!(["system_alert", "cost_threshold"])).await.expect(403);
    make("admin,exports:read", json!(["export_job_status"])).await.expect(403);
    let made = make("admin,exports:read,exports:read_all", json!(["export_job_status"])).await.expect(201).json();
    let path = format!("{WEBHOOKS}/{}", made["id"].as_str().expect("an id"));
    // Nor does anybody move what others have sent to an address of their own.
    let moved = json!({"url": "https://elsewhere.example.org/"});
    house.ask(Method::PATCH, &path).by("acme", "boss", "admin").json(&moved).answer().await.expect(403);
    let seen = house.ask(Method::GET, &path).by("acme", "boss", "admin").answer().await.expect(200).json();
    assert_eq!(seen["url"], URL);
}

#[tokio::test]
async fn a_delivery_belongs_to_its_endpoint() {
    let house = House::new();
    let made = async || {
        let made = house.webhook_by("all", &json!({"url": URL, "events": ["system_alert"]})).await.expect(201).json();
        format!("{WEBHOOKS}/{}", made["id"].as_str().expect("an id"))
    };
    let (one, other) = (made().await, made().await);
    let mut ids = Vec::new();
    for _ in 0..3 {
        let owed = house.on_webhook(Method::POST, &format!("{one}/test"), &json!({})).await.expect(202).json();
        assert_eq!((&owed["state"], &owed["event_type"]), (&json!("pending"), &json!("system_alert")), "{owed}");
        ids.push(owed["id"].as_str().expect("an id").to_owned());
    }
    let get = async |path: String| house.ask(Method::GET, path).by("acme", "root", "all").answer().await;
    let page = get(format!("{one}/deliveries?limit=2")).await.expect(200).json();
    let cursor = page["next_cursor"].as_str().expect("there is more");
    let rest = get(format!("{one}/deliveries?limit=2&cursor={cursor}")).await.expect(200).json();
    assert_eq!(
        (page["deliveries"].as_array().map(Vec::len), rest["deliveries"].as_array().map(Vec::len)),
        (Some(2), Some(1))
    );
    assert!(rest["next_cursor"].is_null());
    assert_eq!(get(format!("{one}/deliveries?state=failed")).await.expect(200).json()["deliveries"], json!([]));
    assert_eq!(get(format!("{other}/deliveries")).await.expect(200).json()["deliveries"], json!([]));
    let id = &ids[0];
    assert_eq!(get(format!("{one}/deliveries/{id}")).await.expect(200).json()["log"], json!([]));
    get(format!("{other}/deliveries/{id}")).await.expect(404);
    house.on_webhook(Method::POST, &format!("{other}/deliveries/{id}/replay"), &json!({})).await.expect(404);
    house.on_webhook(Method::POST, &format!("{one}/deliveries/{id}/replay"), &json!({})).await.expect(409);
}
