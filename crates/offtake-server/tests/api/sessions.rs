//! Signing in by a link: pages, cookies, and what a browser may do with one.

use http::Method;
use jiff::SignedDuration;
use offtake_model::id::OrgId;
use offtake_model::permission::Permissions;
use offtake_model::principal::Principal;
use offtake_server::{ServerSettings, sign_in};
use serde_json::{Value as Json, json};

use crate::house::{Answer, Ask, House};

const SESSION: &str = "/api/v1/session";

impl House {
    /// A ticket for visitor of acme.
    async fn ticket(&self) -> String {
        let principal = Principal {
            org: OrgId::new("acme").expect("an organization"),
            sub: "visitor".to_owned(),
            email: None,
            permissions: Permissions::from_words(["all"]),
        };
        let link =
            sign_in::link(self.store.sessions.as_ref(), &principal, "http://127.0.0.1:8080/").await.expect("a link");
        link.strip_prefix("http://127.0.0.1:8080/sign-in#").expect("a link to the page").to_owned()
    }

    async fn spend(&self, ticket: &str) -> Answer {
        self.ask(Method::POST, SESSION).json(&json!({"ticket": ticket})).answer().await
    }

    /// The cookie of a new session, as a browser sends it.
    async fn signed_in(&self) -> String {
        let ticket = self.ticket().await;
        let answer = self.spend(&ticket).await.expect(201);
        answer.header("set-cookie").split(';').next().expect("a cookie").to_owned()
    }

    fn browser(&self, cookie: &str, method: Method, path: &str) -> Ask<'_> {
        self.ask(method, path).header("cookie", &format!("theme=dark; {cookie}"))
    }
}

#[tokio::test]
async fn the_page_spends_nothing_and_runs_no_script_but_its_own() {
    let house = House::new();
    let ticket = house.ticket().await;
    for _ in 0..3 {
        let page = house.ask(Method::GET, "/sign-in").answer().await.expect(200);
        let policy = page.header("content-security-policy").to_owned();
        assert!(policy.contains("default-src 'none'") && policy.contains("script-src 'self'"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
        let text = String::from_utf8(page.body.to_vec()).expect("UTF-8");
        assert!(text.contains("<script src=\"sign-in.js\" defer></script>") && !text.contains("onclick"), "{text}");
    }
    let script = house.ask(Method::GET, "/sign-in.js").answer().await.expect(200);
    assert!(script.header("content-type").starts_with("text/javascript"));
    house.spend(&ticket).await.expect(201);
}

#[tokio::test]
async fn a_ticket_opens_one_session() {
    let house = House::new();
    let ticket = house.ticket().await;
    let opened = house.spend(&ticket).await.expect(201);
    let cookie = opened.header("set-cookie").to_owned();
    for part in ["offtake_session=", "; Path=/", "; Max-Age=43200", "; HttpOnly", "; SameSite=Strict"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    assert!(!cookie.contains("Secure") && !cookie.contains("Domain"), "{cookie}");
    let body = opened.json();
    assert_eq!((&body["sub"], &body["org_id"], &body["via"]), (&json!("visitor"), &json!("acme"), &json!("session")));
    assert_eq!((&body["permissions"], &body["expires_at"]), (&json!(["all"]), &json!("2026-11-21T00:00:00Z")));
    assert_eq!(house.spend(&ticket).await.problem(410).0, "gone");
    assert_eq!(house.spend("nonsense").await.problem(410).0, "gone");
    for odd in [json!({}), json!({"ticket": 7}), json!({"ticket": ticket, "more": 1})] {
        assert_eq!(house.ask(Method::POST, SESSION).json(&odd).answer().await.problem(422).1, ["/ticket"]);
    }
    let late = house.ticket().await;
    house.clock.advance(sign_in::TICKET_TTL);
    assert_eq!(house.spend(&late).await.problem(410).0, "gone");
}

#[tokio::test]
async fn a_session_is_good_for_what_its_ticket_said() {
    let house = House::new();
    let cookie = house.signed_in().await;
    house.browser(&cookie, Method::GET, "/api/v1/export/jobs").answer().await.expect(200);
    house.browser(&cookie, Method::GET, "/metrics").answer().await.expect(403);
    let who = house.browser(&cookie, Method::GET, SESSION).answer().await.expect(200).json();
    assert_eq!((&who["sub"], &who["via"]), (&json!("visitor"), &json!("session")));
    let body = json!({"format": "csv"});
    let own = house.browser(&cookie, Method::POST, "/api/v1/export/spans").header("sec-fetch-site", "same-origin");
    own.json(&body).answer().await.expect(202);
    let own = house.browser(&cookie, Method::POST, "/api/v1/export/spans").header("origin", "http://127.0.0.1:8080");
    own.header("host", "127.0.0.1:8080").json(&body).answer().await.expect(202);
    // A token goes before the cookie.
    let both = house.browser(&cookie, Method::GET, SESSION).by("other", "eve", "all").answer().await.expect(200);
    assert_eq!(both.json()["sub"], "eve");
    house.change("visitor", &json!({"disabled": true})).await.expect(200);
    house.browser(&cookie, Method::GET, SESSION).answer().await.expect(403);
    let ticket = house.ticket().await;
    assert!(house.spend(&ticket).await.expect(403).headers.get("set-cookie").is_none());
}

#[tokio::test]
async fn another_pages_request_changes_nothing() {
    let house = House::new();
    let cookie = house.signed_in().await;
    let foreign: [&[(&'static str, &str)]; 5] = [
        &[],
        &[("sec-fetch-site", "cross-site"), ("origin", "https://evil.example")],
        &[("sec-fetch-site", "same-site"), ("origin", "http://127.0.0.1:9999"), ("host", "127.0.0.1:8080")],
        &[("origin", "https://evil.example"), ("host", "127.0.0.1:8080")],
        &[("origin", "null"), ("host", "127.0.0.1:8080")],
    ];
    for headers in foreign {
        for (method, path) in [
            (Method::POST, "/api/v1/export/spans"),
            (Method::DELETE, SESSION),
            (Method::PATCH, "/api/v1/principals/bob"),
            (Method::POST, "/api/v1/api-keys"),
        ] {
            let ask =
                headers.iter().fold(house.browser(&cookie, method, path), |ask, (name, value)| ask.header(name, value));
            assert_eq!(ask.json(&json!({"format": "csv"})).answer().await.problem(403).0, "forbidden", "{headers:?}");
        }
        let look = headers
            .iter()
            .fold(house.browser(&cookie, Method::GET, SESSION), |ask, (name, value)| ask.header(name, value));
        look.answer().await.expect(200);
    }
    let jobs = house.browser(&cookie, Method::GET, "/api/v1/export/jobs").answer().await.json();
    assert_eq!(jobs["pagination"]["total"], 0);
    let ticket = house.ticket().await;
    let evil =
        house.ask(Method::POST, SESSION).header("origin", "https://evil.example").header("host", "127.0.0.1:8080");
    evil.json(&json!({"ticket": ticket})).answer().await.expect(403);
    house.spend(&ticket).await.expect(201);
}

#[tokio::test]
async fn a_session_ends_by_hand_by_rest_and_by_age() {
    let house = House::new();
    let cookie = house.signed_in().await;
    let out = house
        .browser(&cookie, Method::DELETE, SESSION)
        .header("sec-fetch-site", "same-origin")
        .answer()
        .await
        .expect(204);
    assert!(out.header("set-cookie").contains("Max-Age=0"), "{out:?}");
    assert_eq!(house.browser(&cookie, Method::GET, SESSION).answer().await.problem(401).0, "unauthenticated");
    assert_eq!(house.delete(SESSION).answer().await.problem(409).0, "conflict", "a token is no session");

    let idle = house.signed_in().await;
    house.clock.advance(SignedDuration::from_mins(119));
    house.browser(&idle, Method::GET, SESSION).answer().await.expect(200);
    house.clock.advance(SignedDuration::from_hours(2));
    house.browser(&idle, Method::GET, SESSION).answer().await.expect(401);
    for forged in ["offtake_session=", "offtake_session=x", "__Host-offtake_session=x"] {
        house.browser(forged, Method::GET, SESSION).answer().await.expect(401);
    }
}

#[tokio::test]
async fn where_there_is_tls_the_cookie_is_for_this_host_alone() {
    let public_url = Some("https://offtake.example.org".to_owned());
    let house = House::with(ServerSettings { public_url, ..ServerSettings::default() });
    let ticket = house.ticket().await;
    let opened = house.spend(&ticket).await.expect(201);
    let cookie = opened.header("set-cookie");
    assert!(cookie.starts_with("__Host-offtake_session=") && cookie.ends_with("; Secure"), "{cookie}");
    let pair = cookie.split(';').next().expect("a cookie");
    house.browser(pair, Method::GET, SESSION).answer().await.expect(200);
    let plain = pair.trim_start_matches("__Host-");
    house.browser(plain, Method::GET, SESSION).answer().await.expect(401);
    let own = house.browser(pair, Method::DELETE, SESSION).header("origin", "https://offtake.example.org");
    own.answer().await.expect(204);
}

#[tokio::test]
async fn signing_in_again_ends_the_former_session() {
    let house = House::new();
    let former = house.signed_in().await;
    let ticket = house.ticket().await;
    let again =
        house.browser(&former, Method::POST, SESSION).json(&json!({"ticket": ticket})).answer().await.expect(201);
    let cookie = again.header("set-cookie").split(';').next().expect("a cookie").to_owned();
    house.browser(&former, Method::GET, SESSION).answer().await.expect(401);
    let who: Json = house.browser(&cookie, Method::GET, SESSION).answer().await.expect(200).json();
    assert_eq!(who["sub"], "visitor");
}
