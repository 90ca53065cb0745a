//! The audit trail: every act leaves an entry, which those see who may, and nobody else.

use std::time::Duration;

use http::Method;
use jiff::SignedDuration;
use offtake_model::ErrorKind;
use offtake_model::id::OrgId;
use offtake_server::{ForwardedHeader, ServerSettings, TrustedProxies};
use offtake_store::audit::verify;
use offtake_testkit::eventually;
use serde_json::{Value as Json, json};

use crate::house::House;
use crate::jobs::fail_next;

/// The entries of acme that pass `query`, oldest first.
async fn trail(house: &House, query: &str) -> Vec<Json> {
    let ask = house.ask(Method::GET, format!("/api/v1/audit?{query}")).by("acme", "boss", "admin");
    let mut entries = ask.answer().await.expect(200).json()["entries"].as_array().expect("entries").clone();
    entries.reverse();
    entries
}

fn actions(entries: &[Json]) -> Vec<&str> {
    entries.iter().map(|entry| entry["action"].as_str().expect("an action")).collect()
}

#[tokio::test]
async fn every_act_leaves_an_entry() {
    let house = House::new();
    let by_alice = |method: Method, path: &str| {
        let ask = house.ask(method, path).by("acme", "alice", "all").from("192.0.2.7");
        ask.header("user-agent", "curl/8.5").header("x-request-id", "req-7")
    };
    let ask = by_alice(Method::POST, "/api/v1/export/spans").header("idempotency-key", "k");
    let created = ask.json(&json!({"format": "csv"})).answer().await.expect(202).json();
    let ask = by_alice(Method::POST, "/api/v1/export/spans").header("idempotency-key", "k");
    ask.json(&json!({"format": "csv"})).answer().await.expect(202);
    let job = created["job_id"].as_str().expect("an id");
    let path = format!("/api/v1/export/jobs/{job}");
    fail_next(&house, ErrorKind::MemoryLimit, "too much").await;
    by_alice(Method::POST, &format!("{path}/retry")).answer().await.expect(202);
    let (_, artifact) = house.complete_next(b"0123456789").await;
    let link =
        by_alice(Method::GET, &format!("{path}/download")).answer().await.expect(302).header("location").to_owned();
    house.ask(Method::HEAD, &link).from("198.51.100.1").answer().await.expect(200);
    for range in ["bytes=0-3", "bytes=4-", "bytes=2-3"] {
        house.ask(Method::GET, &link).from("198.51.100.1").header("range", range).answer().await.expect(206);
    }
    house.ask(Method::GET, &link).from("198.51.100.2").answer().await.expect(200);
    by_alice(Method::DELETE, &format!("{path}/file")).answer().await.expect(204);
    let other = house.create(&json!({"format": "csv"})).await;
    by_alice(Method::DELETE, &format!("/api/v1/export/jobs/{other}")).answer().await.expect(204);
    by_alice(Method::DELETE, &format!("/api/v1/export/jobs/{other}")).answer().await.expect(409);
    let preset = json!({"name": "p", "dataset": "spans", "format": "csv"});
    by_alice(Method::POST, "/api/v1/presets").json(&preset).answer().await.expect(201);
    by_alice(Method::PATCH, "/api/v1/presets/p").json(&json!({"name": "q"})).answer().await.expect(200);
    by_alice(Method::DELETE, "/api/v1/presets/q").answer().await.expect(204);

    let entries = trail(&house, "").await;
    assert_eq!(
        actions(&entries),
        [
            "export.create",
            "export.retry",
            "export.download",
            "export.fetch",
            "export.fetch",
            "export.delete",
            "export.create",
            "export.cancel",
            "preset.create",
            "preset.change",
            "preset.delete"
        ]
    );
    let first = &entries[0];
    for (name, value) in [
        ("number", json!(1)),
        ("at", json!(crate::house::NOW)),
        ("actor", json!("alice")),
        ("via", json!("token")),
        ("object", json!({"kind": "job", "id": job})),
        ("outcome", json!("done")),
        ("address", json!("192.0.2.7")),
        ("user_agent", json!("curl/8.5")),
        ("request_id", json!("req-7")),
        ("previous", json!("0".repeat(64))),
    ] {
        assert_eq!(first[name], value, "{name}");
    }
    assert_eq!((&first["detail"]["dataset"], &first["detail"]["format"]), (&json!("spans"), &json!("csv")));
    let fetched = &entries[3];
    assert_eq!((&fetched["actor"], &fetched["via"]), (&json!("alice"), &json!("link")), "whom the link was made for");
    assert_eq!((&fetched["address"], &entries[4]["address"]), (&json!("198.51.100.1"), &json!("198.51.100.2")));
    assert_eq!(fetched["detail"]["artifact"], artifact.to_string());
    assert_eq!((&entries[9]["object"]["id"], &entries[9]["detail"]["was"]), (&json!("q"), &json!("p")));
    for pair in entries.windows(2) {
        assert_eq!(pair[1]["previous"], pair[0]["hash"]);
    }
    let checked = verify(house.store.audit.as_ref(), &OrgId::new("acme").expect("a name"), &[]).await.expect("checked");
    assert_eq!(checked.outcome, Ok(11));
}

/// The refused attempts in acme's trail, once there are so many.
async fn refused(house: &House, entries: usize) -> Vec<Json> {
    eventually("refused attempts are in the trail", Duration::from_secs(10), || async {
        let refused: Vec<Json> =
            trail(house, "").await.into_iter().filter(|entry| entry["outcome"] == "refused").collect();
        (refused.len() >= entries).then_some(refused)
    })
    .await
}

fn minute(house: &House) {
    house.clock.advance(SignedDuration::from_secs(61));
}

#[tokio::test]
async fn refused_attempts_are_told_once_a_minute_with_their_number() {
    let house = House::new();
    let attempt = |user: &'static str, id: String| {
        let ask = house.ask(Method::POST, "/api/v1/export/spans").by("acme", user, "exports:read").from("192.0.2.7");
        ask.header("x-request-id", &id).json(&json!({"format": "csv"})).answer()
    };
    for number in 0..30 {
        attempt("mallory", format!("req-{number}")).await.expect(403);
    }
    // Looking is not written down, nor what fails for another reason.
    house.ask(Method::GET, "/api/v1/audit").by("acme", "mallory", "exports:read").answer().await.expect(403);
    house.post("/api/v1/export/spans", &json!({"format": "pdf"})).answer().await.expect(422);
    attempt("eve", "req-eve".to_owned()).await.expect(403);
    let first = refused(&house, 2).await;
    assert_eq!(first.len(), 2, "{first:?}");
    for (name, value) in [
        ("actor", json!("mallory")),
        ("via", json!("token")),
        ("action", json!("request")),
        ("object", json!({"kind": "route", "id": "POST /api/v1/export/{dataset}"})),
        ("address", json!("192.0.2.7")),
        ("request_id", json!("req-0")),
    ] {
        assert_eq!(first[0][name], value, "{name}");
    }
    assert_eq!(first[0]["detail"]["times"], 1);
    assert_eq!(first[0]["detail"]["code"], "forbidden");
    assert!(first[0]["detail"]["detail"].as_str().expect("why").contains("exports:create"));
    minute(&house);
    let later = refused(&house, 3).await;
    assert_eq!((later.len(), &later[2]["detail"]["times"]), (3, &json!(29)), "{later:?}");
    assert_eq!(later[2]["request_id"], "req-29");
    let checked = verify(house.store.audit.as_ref(), &OrgId::new("acme").expect("a name"), &[]).await.expect("checked");
    assert_eq!(checked.outcome, Ok(3));
}

/// Genuine ones alone: what nobody signed can name any organization.
#[tokio::test]
async fn refused_credentials_are_told_where_they_are_genuine() {
    let house = House::new();
    let made = json!({"name": "nightly", "permissions": ["exports:create", "traces:read"]});
    let made = house.post("/api/v1/api-keys", &made).answer().await.expect(201).json();
    let (id, key) = (made["id"].as_str().expect("an id"), made["key"].as_str().expect("a key"));
    house.delete(format!("/api/v1/api-keys/{id}")).answer().await.expect(204);
    let disable = house.ask(Method::PATCH, "/api/v1/principals/bob").by("acme", "root", "admin");
    disable.json(&json!({"disabled": true})).answer().await.expect(200);
    let job = house.a_file(b"1\n2\n").await;
    let link = house.link(&job).await;
    let token = house.token("acme", "late", "all");
    let forged = format!("{}A", house.token("acme", "forger", "all"));
    minute(&house);
    let post = |credential: &str| {
        let ask =
            house.ask(Method::POST, "/api/v1/export/spans").header("authorization", &format!("Bearer {credential}"));
        ask.json(&json!({"format": "csv"})).answer()
    };
    post(key).await.expect(401);
    post(&house.token("acme", "bob", "all")).await.expect(403);
    post(&forged).await.expect(401);
    post("nonsense").await.expect(401);
    // Of a link whose subject may not have the file any more.
    let withhold = house.ask(Method::PATCH, "/api/v1/principals/alice").by("acme", "root", "admin");
    withhold.json(&json!({"withheld": ["exports:download"]})).answer().await.expect(200);
    house.ask(Method::GET, &link).answer().await.expect(403);
    house.get(format!("{job}/download")).answer().await.expect(403);
    house.clock.advance(SignedDuration::from_hours(2));
    post(&token).await.expect(401);
    let told = refused(&house, 5).await;
    let said = |entry: &Json| {
        let text = |name: &str| entry[name].as_str().unwrap_or_default().to_owned();
        (text("actor"), text("via"), entry["object"]["id"].as_str().unwrap_or_default().to_owned())
    };
    let route = "POST /api/v1/export/{dataset}";
    let expected = [
        (&*format!("api_key:{id}"), "api_key", route),
        ("bob", "token", route),
        ("alice", "link", "GET /files/{artifact}"),
        ("alice", "token", "GET /api/v1/export/jobs/{id}/download"),
        ("late", "token", route),
    ];
    let expected = expected.map(|(actor, via, route)| (actor.to_owned(), via.to_owned(), route.to_owned()));
    assert_eq!(told.iter().map(said).collect::<Vec<_>>(), expected);
    let text = serde_json::to_string(&told).expect("JSON");
    assert!(!text.contains(key) && !text.contains(&token) && !text.contains("signature="), "{text}");
}

#[tokio::test]
async fn who_decides_about_people_keys_and_sessions_is_told() {
    let house = House::new();
    let made = json!({"name": "nightly", "permissions": ["exports:create", "traces:read"]});
    let made = house.post("/api/v1/api-keys", &made).answer().await.expect(201).json();
    let (id, key) = (made["id"].as_str().expect("an id"), made["key"].as_str().expect("a key"));
    let by_key = house.ask(Method::POST, "/api/v1/export/spans").header("authorization", &format!("Bearer {key}"));
    by_key.json(&json!({"format": "csv"})).answer().await.expect(202);
    house.delete(format!("/api/v1/api-keys/{id}")).answer().await.expect(204);
    house
        .ask(Method::PATCH, "/api/v1/principals/eve")
        .by("acme", "alice", "admin")
        .json(&json!({"disabled": true}))
        .answer()
        .await
        .expect(200);
    let cookie = house.signed_in().await;
    let by_browser = |method: Method, path: &str| {
        house.ask(method, path).header("cookie", &cookie).header("sec-fetch-site", "same-origin")
    };
    by_browser(Method::POST, "/api/v1/export/spans").json(&json!({"format": "csv"})).answer().await.expect(202);
    by_browser(Method::DELETE, "/api/v1/session").answer().await.expect(204);

    let entries = trail(&house, "").await;
    let found: Vec<_> = entries
        .iter()
        .map(|entry| ["action", "actor", "via"].map(|name| entry[name].as_str().expect("a text")))
        .collect();
    let key_sub = format!("api_key:{id}");
    assert_eq!(
        found,
        [
            ["api_key.create", "alice", "token"],
            ["export.create", &key_sub, "api_key"],
            ["api_key.revoke", "alice", "token"],
            ["principal.change", "alice", "token"],
            ["session.offer", "root", "command_line"],
            ["session.begin", "visitor", "one_time_token"],
            ["export.create", "visitor", "session"],
            ["session.end", "visitor", "session"],
        ]
    );
    assert_eq!(entries[0]["object"], json!({"kind": "api_key", "id": id}));
    assert_eq!(entries[3]["object"], json!({"kind": "principal", "id": "eve"}));
    let told = Json::from(entries).to_string();
    let of_cookie = cookie.split_once('=').expect("name and value").1;
    assert!(!told.contains(key) && !told.contains(of_cookie), "{told}");
}

#[tokio::test]
async fn a_link_that_comes_with_the_answer_is_a_download() {
    let house =
        House::with(ServerSettings { sync_wait: std::time::Duration::from_secs(30), ..ServerSettings::default() });
    let one = json!({"format": "csv", "selection": {"mode": "partial",
        "ids": [{"trace_id": "0".repeat(31) + "1", "span_id": "0".repeat(15) + "1"}]}});
    let ask = house.post("/api/v1/export/spans", &one);
    let work = async {
        loop {
            if !trail(&house, "").await.is_empty() {
                return house.complete_next(b"a\n").await;
            }
            tokio::task::yield_now().await;
        }
    };
    let (answer, _) = tokio::join!(ask.answer(), work);
    assert!(answer.expect(200).json()["link"].is_string());
    assert_eq!(actions(&trail(&house, "").await), ["export.create", "export.download"]);
}

#[tokio::test]
async fn entries_are_found_and_paged() {
    let house = House::new();
    let mut jobs = Vec::new();
    for who in ["ada", "bob", "ada", "bob", "ada"] {
        let ask =
            house.ask(Method::POST, "/api/v1/export/spans").by("acme", who, "all").json(&json!({"format": "csv"}));
        jobs.push(ask.answer().await.expect(202).json()["job_id"].as_str().expect("an id").to_owned());
        house.clock.advance(SignedDuration::from_secs(60));
    }
    house.delete(format!("/api/v1/export/jobs/{}", jobs[1])).answer().await.expect(204);
    let numbers = async |query: &str| -> Vec<u64> {
        trail(&house, query).await.iter().map(|entry| entry["number"].as_u64().expect("a number")).collect()
    };
    assert_eq!(numbers("actor=ada").await, [1, 3, 5]);
    assert_eq!(numbers("action=export.cancel").await, [6]);
    assert_eq!(numbers("action=export.cancel,export.create&actor=bob").await, [2, 4]);
    assert_eq!(numbers(&format!("object={}", jobs[1])).await, [2, 6]);
    assert_eq!(numbers("from=2026-11-20T12:01:00Z&to=2026-11-20T12:03:00Z").await, [2, 3]);
    assert_eq!(numbers("actor=nobody").await, [0; 0]);

    let (mut seen, mut query) = (Vec::new(), "limit=4".to_owned());
    loop {
        let page = house.get(format!("/api/v1/audit?{query}")).answer().await.expect(200).json();
        seen.extend(page["entries"].as_array().expect("entries").iter().map(|entry| entry["number"].as_u64()));
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        query = format!("limit=4&cursor={cursor}");
    }
    assert_eq!(seen, [6, 5, 4, 3, 2, 1].map(Some));

    let wrong =
        house.get("/api/v1/audit?action=export.fly&from=soon&limit=501&cursor=x&of=y").answer().await.problem(422);
    assert_eq!(wrong.1, ["?limit", "?action", "?from", "?cursor", "?of"]);
}

#[tokio::test]
async fn nobody_else_sees_the_trail() {
    let house = House::new();
    house.create(&json!({"format": "csv"})).await;
    let other = house.ask(Method::GET, "/api/v1/audit").by("other", "boss", "admin").answer().await.expect(200).json();
    assert_eq!(other, json!({"entries": [], "next_cursor": null}));
    let everything = "exports:create,exports:read,exports:read_all,exports:cancel,exports:download,exports:delete,\
                      traces:read,spans:write,metrics:read,costs:read,alerts:read,pii:read,operator";
    let ask = house.ask(Method::GET, "/api/v1/audit").by("acme", "alice", everything);
    assert_eq!(ask.answer().await.problem(403).0, "forbidden");
    house.ask(Method::GET, "/api/v1/audit").answer().await.expect(401);
}

#[tokio::test]
async fn what_cannot_be_written_down_does_not_happen() {
    let house = House::new();
    let job = house.a_file(b"a\n").await;
    let link = house.link(&job).await;
    house.clock.advance(SignedDuration::from_secs(1));
    let waiting = house.create(&json!({"format": "csv"})).await;
    house.damage("CREATE TRIGGER full BEFORE INSERT ON audit_entries BEGIN SELECT raise(ABORT, 'full'); END");
    let refused = house.get(format!("{job}/download")).answer().await;
    assert_eq!(refused.header("location"), "");
    assert_eq!(refused.problem(503).0, "store_unavailable");
    let refused = house.ask(Method::GET, &link).answer().await;
    assert_eq!(refused.problem(503).0, "store_unavailable");
    house.ask(Method::HEAD, &link).answer().await.expect(200);
    house.delete(format!("{job}/file")).answer().await.expect(500);
    house.delete(format!("/api/v1/export/jobs/{waiting}")).answer().await.expect(500);
    house.post("/api/v1/export/spans", &json!({"format": "csv"})).answer().await.expect(500);
    house.damage("DROP TRIGGER full");
    let seen = house.get("/api/v1/export/jobs").answer().await.expect(200).json();
    assert_eq!(seen["pagination"]["total"], 2);
    assert_eq!((&seen["jobs"][0]["status"], &seen["jobs"][1]["status"]), (&json!("pending"), &json!("completed")));
    assert_eq!(actions(&trail(&house, "").await), ["export.create", "export.download", "export.create"]);
    house.ask(Method::GET, &link).answer().await.expect(200);
    assert_eq!(trail(&house, "action=export.fetch").await.len(), 1);
}

#[tokio::test]
async fn no_entry_has_a_secret_in_it() {
    let house = House::new();
    let token = house.token("acme", "alice", "all");
    let job = house.a_file(b"a\n").await;
    let link = house.link(&job).await;
    house.ask(Method::GET, &link).answer().await.expect(200);
    let signature = link.split_once("signature=").expect("a signed link").1;
    let told = Json::from(trail(&house, "").await).to_string();
    let of_token = token.split('.').next_back().expect("its signature");
    for secret in [&token, &link, signature, of_token, house.secret.reveal(), "Bearer"] {
        assert!(!told.contains(secret), "{secret} is in {told}");
    }
}

#[tokio::test]
async fn a_proxy_is_believed_if_the_configuration_says_so() {
    let networks = vec!["10.0.0.0/8".parse().expect("a network")];
    let trusted_proxies = TrustedProxies { networks, header: ForwardedHeader::XForwardedFor };
    let house = House::with(ServerSettings { trusted_proxies, ..ServerSettings::default() });
    for (peer, forwarded, expected) in [
        ("10.1.2.3", "192.0.2.1, 203.0.113.5", "203.0.113.5"),
        ("203.0.113.9", "192.0.2.1", "203.0.113.9"),
        ("10.1.2.3", "10.9.9.9", "10.9.9.9"),
    ] {
        let ask = house.post("/api/v1/export/spans", &json!({"format": "csv"})).from(peer);
        ask.header("x-forwarded-for", forwarded).header("forwarded", "for=192.0.2.66").answer().await.expect(202);
        let entries = trail(&house, "limit=1").await;
        assert_eq!(entries[0]["address"], expected, "{peer} {forwarded}");
    }
}
