//! No secret is said anywhere: a whole story at the most talkative level, and everything it produced is searched.

use std::fmt::Write as _;
use std::fs;

use offtake_testkit::{AppBuilder, Role, TestApp};
use reqwest::Method;
use serde_json::json;

use crate::support::{OFFTAKE, id_of, send_genuine};

const TOKEN_SECRET: &str = "what-signs-Zt4kV9qLw2-and-must-not-be-said";
const SOURCE_PASSWORD: &str = "pw-of-the-source-Xy7Qm";

/// Everything that was said, by whom.
#[derive(Default)]
struct Said(Vec<(String, String)>);

impl Said {
    fn add(&mut self, who: impl Into<String>, what: impl Into<String>) {
        self.0.push((who.into(), what.into()));
    }

    /// Fails if one of `secrets` was said, and says by whom without repeating it.
    fn assert_without(&self, secrets: &[(String, String)]) {
        let mut found = String::new();
        for (secret, value) in secrets {
            assert!(value.len() >= 6, "{secret} is too short to be searched for");
            for (who, what) in &self.0 {
                for line in what.lines().filter(|line| line.contains(value.as_str())).take(3) {
                    let line = line.replace(value.as_str(), "(THE SECRET)");
                    writeln!(found, "{secret} in {who}: {line:.600}").expect("text takes everything");
                }
            }
        }
        assert!(found.is_empty(), "{found}");
    }
}

/// What the configuration of the test keeps to itself: passwords in URLs, and keys.
fn configured(config: &str) -> Vec<(String, String)> {
    let mut secrets = Vec::new();
    for line in config.lines() {
        let Some((key, value)) = line.split_once('=') else { continue };
        let value = value.trim().trim_matches('"');
        let password = value.split_once("://").and_then(|(_, rest)| rest.split_once('@')).map(|(user, _)| user);
        if let Some((_, password)) = password.and_then(|user| user.split_once(':')) {
            secrets.push((format!("the password of {key}"), password.to_owned()));
        }
        if key.contains("secret") {
            secrets.push((key.trim().to_owned(), value.to_owned()));
        }
    }
    secrets.retain(|(_, value)| value.len() >= 6);
    secrets
}

/// Requests that are refused, each in its own way, with what must not be repeated in them.
async fn refusals(app: &TestApp, said: &mut Said, job: &str, link: &str, token: &str) {
    let client = app.client("acme").await;
    let anonymous = app.anonymous();
    let forged = app.client_with_token(&format!("{token}x"));
    let bearer = format!("Bearer {token}");
    let twice = [("authorization", bearer.as_str()), ("authorization", bearer.as_str())];
    let json = [("content-type", "application/json")];
    let spoiled = link.replace("signature=", "signature=0").replace("X-Amz-Signature=", "X-Amz-Signature=0");
    let answers = [
        anonymous.get("/api/v1/export/jobs").await,
        forged.get("/api/v1/export/jobs").await,
        anonymous.send(Method::GET, "/api/v1/export/jobs", &twice, Vec::new()).await,
        anonymous.get(&format!("/api/v1/export/jobs?access_token={token}")).await,
        anonymous.get(&format!("/nowhere/{token}")).await,
        anonymous.get(&spoiled).await,
        client.get(&format!("/api/v1/export/jobs/{job}?token={token}")).await,
        client.get(&format!("/api/v1/export/jobs/{token}")).await,
        client.create("spans", &json!({"format": "abacus"})).await,
        client.create("vault", &json!({"format": "csv"})).await,
        client.get("/api/v1/datasets/vault").await,
        client.send(Method::POST, "/api/v1/export/spans", &json, b"{\"format\":".to_vec()).await,
        client.otlp(b"no protobuf".to_vec()).await,
        client.delete(&format!("/api/v1/export/jobs/{job}")).await,
        anonymous.get("/readyz").await,
    ];
    for answer in answers {
        // What the caller sent itself in the path may come back in nothing but the caller's own line here.
        said.add(answer.asked.split('?').next().unwrap_or_default().replace(token, "…"), {
            let mut text = String::from_utf8_lossy(&answer.body).into_owned();
            for (name, value) in &answer.headers {
                write!(text, "\n{name}: {}", value.to_str().unwrap_or_default()).expect("text takes everything");
            }
            text
        });
    }
}

/// Hands out whatever is a right by itself, spends it, and shows it again when it is worth nothing any more.
async fn rights(app: &TestApp, said: &mut Said, job: &str) -> Vec<(String, String)> {
    let (client, anonymous) = (app.client("acme").await, app.anonymous());
    let text = |answer: &offtake_testkit::Answer, name: &str| {
        answer.json()[name].as_str().unwrap_or_else(|| panic!("no {name}: {answer}")).to_owned()
    };
    let mut refused = Vec::new();

    let token = text(&client.post(&format!("/api/v1/export/jobs/{job}/token"), &json!({})).await.expect(201), "token");
    anonymous.get(&format!("/d/{token}")).await.expect(200);
    anonymous.post("/api/v1/export/redeem", &json!({"token": token})).await.expect(200);
    refused.push(anonymous.post("/api/v1/export/redeem", &json!({"token": token})).await.expect(410));
    refused.push(anonymous.post("/api/v1/export/redeem", &json!({"token": format!("{token}x")})).await.expect(404));

    let made = json!({"name": "nightly", "permissions": ["exports:read", "traces:read"]});
    let made = client.post("/api/v1/api-keys", &made).await.expect(201);
    let (key, id) = (text(&made, "key"), text(&made, "id"));
    let machine = app.client_with_token(&key);
    machine.get("/api/v1/export/jobs").await.expect(200);
    refused.push(client.get("/api/v1/api-keys").await.expect(200));
    client.delete(&format!("/api/v1/api-keys/{id}")).await.expect(204);
    refused.push(machine.get("/api/v1/export/jobs").await.expect(401));

    let link = app.cli(&["sign-in", "--org", "acme", "--sub", "ada", "--server", &app.url()]).await;
    let ticket = link.stdout.trim().split_once('#').expect("a link").1.to_owned();
    let opened = anonymous.post("/api/v1/session", &json!({"ticket": ticket})).await.expect(201);
    let cookie = opened.header("set-cookie").split(';').next().expect("a cookie").to_owned();
    let session = [("cookie", cookie.as_str())];
    refused.push(anonymous.send(Method::GET, "/api/v1/session", &session, Vec::new()).await.expect(200));
    refused.push(anonymous.send(Method::POST, "/api/v1/export/spans", &session, Vec::new()).await.expect(403));
    refused.push(anonymous.post("/api/v1/session", &json!({"ticket": ticket})).await.expect(410));
    for answer in refused {
        said.add(answer.asked.clone(), format!("{:?}\n{}", answer.headers, String::from_utf8_lossy(&answer.body)));
    }
    let cookie = cookie.split_once('=').expect("a value").1.to_owned();
    [("a one-time token", token), ("an API key", key), ("a ticket", ticket), ("a session's cookie", cookie)]
        .map(|(name, value)| (name.to_owned(), value))
        .to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_is_said_has_a_secret_in_it() {
    let mut app = AppBuilder::new(OFFTAKE)
        .set("token.secret", &format!("\"{TOKEN_SECRET}\""))
        .set("log.level", "\"trace\"")
        .set("sources.vault.url", &format!("\"postgres://reader:{SOURCE_PASSWORD}@127.0.0.1:9/vault\""))
        .set("datasets.vault.source", "\"vault\"")
        .set("datasets.vault.title", "\"Vault\"")
        .set("datasets.vault.table", "\"vault\"")
        .set("datasets.vault.tenant", "\"account\"")
        .set("datasets.vault.key", "[\"id\"]")
        .apart()
        .start()
        .await;
    let client = app.client("acme").await;
    let token = app.token("acme", "tester", "all").await;
    let operator_token = app.token("acme", "op", "operator").await;
    let operator = app.client_of("acme", "op", "operator").await;
    let mut said = Said::default();

    send_genuine(&client).await;
    let job = client.export("spans", &json!({"format": "csv"})).await;
    let id = id_of(&job).to_owned();
    let link = client.link(&id).await;
    client.download(&id).await;
    said.add("the job", job.to_string());
    for path in [
        "/openapi.json",
        "/api/v1/datasets",
        "/api/v1/export/jobs",
        "/api/v1/export/jobs/perf",
        "/api/v1/export/statistics",
        "/",
    ] {
        said.add(path, String::from_utf8_lossy(&client.get(path).await.body));
    }
    said.add("the receipt", client.receipt(&id).await.to_string());
    said.add("metrics", String::from_utf8_lossy(&operator.get("/metrics").await.expect(200).body));
    refusals(&app, &mut said, &id, &link, &token).await;
    let rights = rights(&app, &mut said, &id).await;
    client.delete(&format!("/api/v1/export/jobs/{id}/file")).await.expect(204);

    let out = app.folder().join("out.csv").to_string_lossy().into_owned();
    let url = app.url();
    for arguments in [
        vec!["config", "show"],
        vec!["config", "check"],
        vec!["doctor"],
        vec!["doctor", "--json"],
        vec!["jobs", "list", "--org", "acme", "--json"],
        vec!["audit", "list", "--org", "acme"],
        vec!["jobs", "show", &id, "--org", "acme"],
        vec!["export", "spans", "--org", "acme", "-o", &out],
        vec!["export", "vault", "--org", "acme", "-o", &out],
        // It cannot listen where somebody does.
        vec!["server", "--listen", url.trim_start_matches("http://")],
    ] {
        let ran = app.cli(&arguments).await;
        said.add(format!("offtake {}", arguments.join(" ")), format!("{}\n{}", ran.stdout, ran.stderr));
    }
    // A crash and what follows it.
    app.kill9(Role::Worker);
    app.start_role(Role::Worker).await;
    client.export("spans", &json!({"format": "jsonl"})).await;
    for log in fs::read_dir(app.folder()).expect("the folder").flatten() {
        let path = log.path();
        if path.extension().is_some_and(|extension| extension == "log") {
            let text = fs::read(&path).expect("a log");
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            assert!(!text.is_empty(), "{name}");
            said.add(name, String::from_utf8_lossy(&text));
        }
    }

    let signature = link.split(['?', '&']).find_map(|part| {
        part.strip_prefix("signature=").or_else(|| part.strip_prefix("X-Amz-Signature=")).map(str::to_owned)
    });
    let mut secrets = configured(&fs::read_to_string(app.config()).expect("the configuration"));
    secrets.extend(rights);
    secrets.push(("the signature of a link".to_owned(), signature.expect("a link is signed")));
    for (name, token) in [("a bearer token", &token), ("the operator's token", &operator_token)] {
        secrets.push((name.to_owned(), token.clone()));
        let signature = token.rsplit('.').next().expect("a signature");
        secrets.push((format!("the signature of {name}"), signature.to_owned()));
    }
    assert!(secrets.iter().any(|(_, value)| value == TOKEN_SECRET));
    assert!(secrets.iter().any(|(_, value)| value == SOURCE_PASSWORD));
    let trace = said.0.iter().filter(|(who, _)| who.ends_with(".log")).map(|(_, what)| what.len()).sum::<usize>();
    assert!(trace > 100_000, "it was talkative: {trace} bytes");
    said.assert_without(&secrets);
}
