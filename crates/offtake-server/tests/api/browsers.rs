//! What browsers are told: what answers may not be used for, and whose pages may read them.

use http::Method;
use offtake_server::{LimitSettings, ServerSettings};
use serde_json::json;

use crate::house::{Answer, House};

#[track_caller]
fn protected(answer: &Answer, what: &str) {
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
    ] {
        assert_eq!(answer.header(name), value, "{what}: {name}");
    }
    assert!(answer.header("permissions-policy").contains("camera=()"), "{what}");
    let policy = answer.header("content-security-policy");
    for part in ["default-src 'none'", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"] {
        assert!(policy.contains(part), "{what}: {policy}");
    }
    assert!(!policy.contains("unsafe"), "{what}: {policy}");
    for chatter in ["server", "x-powered-by", "via"] {
        assert_eq!(answer.header(chatter), "", "{what}: {chatter}");
    }
}

#[tokio::test]
async fn every_answer_is_protected() {
    let house = House::new();
    let job = house.a_file(b"1\n").await;
    let link = house.link(&job).await;
    for path in ["/", "/docs", "/docs/", "/docs/swagger-ui.css", "/openapi.json", "/livez", "/readyz", "/nowhere"] {
        protected(&house.ask(Method::GET, path).answer().await, path);
    }
    for path in [
        "/api/v1/datasets",
        "/metrics",
        &job,
        &format!("{job}/receipt"),
        &format!("{job}/download"),
        "/api/v1/export/jobs",
    ] {
        let answer = house.get(path).answer().await;
        protected(&answer, path);
        assert!(answer.header("cache-control").contains("no-store"), "{path}: {answer:?}");
    }
    let file = house.ask(Method::GET, &link).answer().await.expect(200);
    protected(&file, "a file");
    assert_eq!(file.header("cache-control"), "private, no-store");
    let unknown = house.ask(Method::GET, "/api/v1/datasets").answer().await.expect(401);
    protected(&unknown, "401");
    protected(&house.ask(Method::PUT, "/livez").answer().await.expect(405), "405");
    protected(&house.post("/api/v1/export/spans", &json!({})).answer().await.expect(422), "422");
    assert_eq!(unknown.header("strict-transport-security"), "");
}

#[tokio::test]
async fn encryption_is_remembered_where_there_is_some() {
    let public_url = Some("https://offtake.example.org".to_owned());
    let house = House::with(ServerSettings { public_url, ..ServerSettings::default() });
    for path in ["/", "/livez", "/nowhere"] {
        let answer = house.ask(Method::GET, path).answer().await;
        assert_eq!(answer.header("strict-transport-security"), "max-age=31536000");
    }
}

#[tokio::test]
async fn the_start_page_has_the_style_that_its_policy_names() {
    use base64::Engine as _;
    use sha2::Digest as _;
    let house = House::new();
    let page = house.ask(Method::GET, "/").answer().await.expect(200);
    let text = String::from_utf8(page.body.to_vec()).expect("UTF-8");
    let policy = page.header("content-security-policy");
    assert!(!policy.contains("unsafe"), "{policy}");
    if text.contains("<offtake-console>") {
        // The console: files of its own alone.
        assert!(policy.contains("script-src 'self'") && policy.contains("style-src 'self'"), "{policy}");
        assert!(!text.contains("<style") && !text.contains("style=") && !text.contains("<script>"), "{text}");
    } else {
        // What there is without it.
        let style = text.split_once("<style>").and_then(|(_, rest)| rest.split_once("</style>")).expect("a style").0;
        let hash = base64::prelude::BASE64_STANDARD.encode(sha2::Sha256::digest(style));
        assert!(policy.contains(&format!("'sha256-{hash}'")));
        // Nothing else in it would need a leave.
        assert!(!text.contains("<script") && !text.contains("style="), "{text}");
    }
    let docs = house.ask(Method::GET, "/docs/").answer().await.expect(200);
    let text = String::from_utf8(docs.body.to_vec()).expect("UTF-8");
    for inline in ["<style", "style=", "<script>", "onload=", "http://", "https://"] {
        assert!(!text.contains(inline), "{inline}: {text}");
    }
}

fn with_origins(origins: &[&str]) -> House {
    let allowed_origins = origins.iter().map(|origin| (*origin).to_owned()).collect();
    House::with(ServerSettings { allowed_origins, limits: LimitSettings::default(), ..ServerSettings::default() })
}

const APP: &str = "https://app.example.org";

#[tokio::test]
async fn pages_of_listed_origins_may_read_and_no_others() {
    let house = with_origins(&[APP, "http://localhost:3000"]);
    for origin in [APP, "http://localhost:3000"] {
        let answer = house.get("/api/v1/datasets").header("origin", origin).answer().await.expect(200);
        assert_eq!(answer.header("access-control-allow-origin"), origin);
        assert_eq!(answer.header("access-control-allow-credentials"), "");
        assert!(
            answer
                .headers
                .get_all("vary")
                .iter()
                .any(|value| { value.to_str().is_ok_and(|value| value.to_lowercase().contains("origin")) })
        );
        let exposed = answer.header("access-control-expose-headers").to_lowercase();
        for name in ["location", "retry-after", "ratelimit", "etag", "content-disposition", "x-request-id"] {
            assert!(exposed.split(',').any(|one| one.trim() == name), "{name}: {exposed}");
        }
        protected(&answer, origin);
    }
    // What only resembles a listed one is another.
    for other in [
        "https://evil.example.org",
        "https://app.example.org.evil.com",
        "https://app.example.org:8443",
        "http://app.example.org",
        "https://APP.example.org",
        "https://app.example.org/",
        "null",
        "*",
    ] {
        let answer = house.get("/api/v1/datasets").header("origin", other).answer().await.expect(200);
        assert_eq!(answer.header("access-control-allow-origin"), "", "{other}");
        assert!(answer.header("vary").to_lowercase().contains("origin"), "a cache must tell them apart");
    }
    // Also what is refused can be read.
    let refused = house.ask(Method::GET, "/api/v1/datasets").header("origin", APP).answer().await.expect(401);
    assert_eq!(refused.header("access-control-allow-origin"), APP);
}

#[tokio::test]
async fn preflights_are_answered_without_a_token() {
    let house = with_origins(&[APP]);
    let preflight = async |origin: &str| {
        let ask = house.ask(Method::OPTIONS, "/api/v1/export/spans").header("origin", origin);
        let ask = ask.header("access-control-request-method", "POST");
        ask.header("access-control-request-headers", "authorization,content-type,idempotency-key").answer().await
    };
    let answer = preflight(APP).await.expect(200);
    assert_eq!(answer.header("access-control-allow-origin"), APP);
    assert_eq!(answer.header("access-control-max-age"), "600");
    assert!(answer.header("access-control-allow-methods").contains("POST"));
    let allowed = answer.header("access-control-allow-headers").to_lowercase();
    for name in ["authorization", "content-type", "idempotency-key"] {
        assert!(allowed.contains(name), "{allowed}");
    }
    protected(&answer, "a preflight");
    assert_eq!(preflight("https://evil.example.org").await.header("access-control-allow-origin"), "");
}

#[tokio::test]
async fn nobody_is_allowed_by_default() {
    let house = House::new();
    let answer = house.get("/api/v1/datasets").header("origin", APP).answer().await.expect(200);
    assert_eq!(answer.header("access-control-allow-origin"), "");
    house.ask(Method::OPTIONS, "/api/v1/datasets").header("origin", APP).answer().await.expect(405);
}
