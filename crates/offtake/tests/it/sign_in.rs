//! Signing in on one machine, without an identity provider.

use std::time::Duration;

use offtake_testkit::{AppBuilder, Client, TestApp, eventually, python};
use reqwest::Method;
use serde_json::json;

use crate::support::OFFTAKE;

const SESSION: &str = "/api/v1/session";

/// The ticket in a link to the page of this app.
fn ticket_in(app: &TestApp, link: &str) -> String {
    let page = format!("{}/sign-in#", app.url());
    link.trim().strip_prefix(&page).unwrap_or_else(|| panic!("no link to {page}: {link}")).to_owned()
}

async fn spend(client: &Client, ticket: &str) -> offtake_testkit::Answer {
    client.post(SESSION, &json!({"ticket": ticket})).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_run_prints_a_link_that_signs_in_once() {
    // With a configured secret no run is the first.
    let mut app = AppBuilder::new(OFFTAKE).embedded().start().await;
    let link = eventually("a link is printed", Duration::from_secs(10), || {
        let told = app.log();
        let link = told.lines().find_map(|line| line.trim().strip_prefix("sign in"));
        std::future::ready(link.map(|link| link.trim().to_owned()))
    })
    .await;
    let link = link.as_str();
    let ticket = ticket_in(&app, link);
    let browser = app.anonymous();
    // A scanner's look spends nothing.
    browser.get(link.split('#').next().expect("a page")).await.expect(200);
    let opened = spend(&browser, &ticket).await.expect(201);
    assert_eq!((&opened.json()["org_id"], &opened.json()["sub"]), (&json!("demo"), &json!("first-run")));
    spend(&browser, &ticket).await.expect(410);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pages_button_signs_a_browser_in() {
    let app = TestApp::start(OFFTAKE).await;
    let ran = app.cli(&["sign-in", "--org", "acme", "--sub", "ada", "--server", &app.url()]).await;
    let ran = python("sign_in.py", &[ran.stdout.trim()]).await;
    assert_eq!(ran.code, Some(0), "chromium-headless-shell is needed: run scripts/test-setup.sh\n{ran:?}");
    let seen: serde_json::Value = serde_json::from_str(&ran.stdout).expect("JSON");
    assert_eq!(seen["complaints"], json!([]), "its policy lets its own script through: {seen}");
    assert_eq!(seen["after"], "Signed in as ada of acme.", "{seen}");
    assert_eq!((&seen["session"]["sub"], &seen["session"]["via"]), (&json!("ada"), &json!("session")), "{seen}");
    assert!(seen["at"].as_str().is_some_and(|at| at.ends_with("/sign-in")), "the ticket is out of sight: {seen}");
    assert_eq!(seen["cookie"], "", "no script reads the cookie");
    assert_eq!((&seen["out"], &seen["later"]), (&json!(204), &json!(401)), "{seen}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_does_what_its_link_was_made_for() {
    let mut app = AppBuilder::new(OFFTAKE).set("log.level", "\"debug\"").start().await;
    let url = app.url();
    let ran = app
        .cli(&[
            "sign-in",
            "--org",
            "acme",
            "--sub",
            "ada",
            "--permissions",
            "exports:read,exports:create,traces:read",
            "--server",
            &url,
        ])
        .await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let ticket = ticket_in(&app, &ran.stdout);
    let browser = app.anonymous();
    let opened = spend(&browser, &ticket).await.expect(201);
    let cookie = opened.header("set-cookie").split(';').next().expect("a cookie").to_owned();
    let send = async |method: Method, path: &str, headers: &[(&str, &str)]| {
        let mut all = vec![("cookie", cookie.as_str()), ("content-type", "application/json")];
        all.extend(headers);
        browser.send(method, path, &all, json!({"format": "csv"}).to_string().into_bytes()).await
    };
    let who = send(Method::GET, SESSION, &[]).await.expect(200).json();
    assert_eq!((&who["sub"], &who["via"]), (&json!("ada"), &json!("session")));
    let export = "/api/v1/export/spans";
    for foreign in [vec![], vec![("origin", "https://evil.example")], vec![("sec-fetch-site", "cross-site")]] {
        assert_eq!(send(Method::POST, export, &foreign).await.expect(403).problem().0, "forbidden");
    }
    send(Method::POST, export, &[("sec-fetch-site", "same-origin")]).await.expect(202);
    send(Method::POST, export, &[("origin", &url)]).await.expect(202);
    send(Method::GET, "/api/v1/principals", &[]).await.expect(403);

    let admin = app.client("acme").await;
    admin.patch("/api/v1/principals/ada", &json!({"disabled": true})).await.expect(200);
    send(Method::GET, SESSION, &[]).await.expect(403);
    admin.patch("/api/v1/principals/ada", &json!({"disabled": false})).await.expect(200);
    send(Method::DELETE, SESSION, &[("sec-fetch-site", "same-origin")]).await.expect(204);
    send(Method::GET, SESSION, &[]).await.expect(401);
    let log = app.log();
    let secret = cookie.split('=').nth(1).expect("a value");
    assert!(log.contains("signed in"), "{log:.2000}");
    assert!(!log.contains(secret) && !log.contains(&ticket), "a secret is in the log");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_is_for_a_name_that_is_not_reserved() {
    let app = TestApp::start(OFFTAKE).await;
    for command in ["sign-in", "token"] {
        let ran = app.cli(&[command, "--org", "acme", "--sub", "api_key:key_1"]).await;
        assert_eq!(ran.code, Some(2), "{ran:?}");
    }
    let ran = app.cli(&["sign-in", "--org", "acme", "--sub", "ada", "--json", "--server", "https://x.example/"]).await;
    let told: serde_json::Value = serde_json::from_str(&ran.stdout).expect("JSON");
    assert!(told["link"].as_str().is_some_and(|link| link.starts_with("https://x.example/sign-in#")), "{told}");
}
