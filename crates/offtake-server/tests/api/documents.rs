//! What the server says about itself: health, metrics, the API's description, pages.

use http::Method;
use offtake_model::ErrorKind;
use offtake_server::ServerSettings;
use serde_json::{Value as Json, json};

use crate::house::House;

#[tokio::test]
async fn health_is_for_everybody() {
    let house = House::new();
    assert_eq!(house.ask(Method::GET, "/livez").answer().await.expect(200).json(), json!({"status": "ok"}));
    let ready = house.ask(Method::GET, "/readyz").answer().await.expect(200).json();
    assert_eq!(ready["status"], "ok");
    for part in ["store", "objects", "dataset spans"] {
        assert_eq!(ready["checks"][part]["status"], "ok", "{ready}");
    }
}

#[tokio::test]
async fn metrics_count_requests_by_route_and_name_no_organization() {
    let house = House::with(ServerSettings { open_metrics: true, ..ServerSettings::default() });
    house.get("/api/v1/export/jobs/job_x").answer().await.expect(404);
    house.get("/no/such/path/1").answer().await.expect(404);
    house.get("/no/such/path/2").answer().await.expect(404);
    let odd = Method::from_bytes(b"BREW").expect("a method");
    house.ask(odd, "/livez").answer().await.expect(405);
    let answer = house.ask(Method::GET, "/metrics").answer().await.expect(200);
    assert!(answer.header("content-type").starts_with("application/openmetrics-text"));
    let text = String::from_utf8(answer.body.to_vec()).expect("UTF-8");
    for line in [
        "offtake_http_requests_total{route=\"/api/v1/export/jobs/{id}\",method=\"GET\",status=\"404\"} 1",
        "offtake_http_requests_total{route=\"unmatched\",method=\"GET\",status=\"404\"} 2",
        "offtake_http_requests_total{route=\"/livez\",method=\"OTHER\",status=\"405\"} 1",
        "offtake_http_request_duration_seconds_count{route=\"unmatched\",method=\"GET\"} 2",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    assert!(!text.contains("acme"));
    assert!(text.ends_with("# EOF\n"));
}

#[tokio::test]
async fn everything_unknown_is_a_problem() {
    let house = House::new();
    assert_eq!(house.get("/nope").answer().await.problem(404).0, "not_found");
    assert_eq!(house.get("/api/v1/nope").answer().await.problem(404).0, "not_found");
    let answer = house.ask(Method::PUT, "/api/v1/export/jobs").answer().await;
    assert!(answer.header("allow").contains("GET"), "{answer:?}");
    assert_eq!(answer.problem(405).0, "method_not_allowed");
    house.get("/api/v1/datasets/%ff").answer().await.problem(404);
    let answer = house.get("/api/v1/export/jobs").answer().await;
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cache-control", "no-store"),
        ("content-security-policy", "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"),
    ] {
        assert_eq!(answer.header(name), value);
    }
}

#[tokio::test]
async fn the_document_lists_every_call() {
    let house = House::new();
    let answer = house.ask(Method::GET, "/openapi.json").answer().await.expect(200);
    house.ask(Method::GET, "/openapi.json").header("if-none-match", answer.header("etag")).answer().await.expect(304);
    let document = answer.json();
    assert!(document["openapi"].as_str().is_some_and(|version| version.starts_with("3.1")));
    let mut calls: Vec<String> = Vec::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("an item") {
            let who = operation["x-permission"].as_str().unwrap_or("anybody");
            calls.push(format!("{} {path}: {who}", method.to_uppercase()));
            assert!(operation["security"].is_array(), "{method} {path}");
            assert!(operation["responses"]["default"].is_object(), "{method} {path}");
            assert!(operation["operationId"].is_string(), "{method} {path}");
        }
    }
    calls.sort();
    insta::assert_snapshot!(calls.join("\n"));
    let codes = &document["components"]["schemas"]["Problem"]["properties"]["code"]["enum"];
    assert_eq!(codes.as_array().map(Vec::len), Some(ErrorKind::ALL.len()));
}

#[tokio::test]
async fn bodies_are_typed_per_dataset_and_no_reference_dangles() {
    let house = House::new();
    let document = house.ask(Method::GET, "/openapi.json").answer().await.expect(200).json();
    let schemas = &document["components"]["schemas"];
    let export = &schemas["ExportRequest.spans"];
    assert_eq!(export["properties"]["min_cost"]["type"], json!(["string", "number"]));
    assert_eq!(export["properties"]["format"]["enum"], json!(["csv", "jsonl", "json", "parquet", "xlsx"]));
    assert_eq!(export["anyOf"], json!([{"required": ["format"]}, {"required": ["preset"]}]));
    let ids = &export["properties"]["selection"]["oneOf"][1]["properties"]["ids"];
    assert_eq!(ids["items"]["required"], json!(["trace_id", "span_id"]));
    assert_eq!(ids["maxItems"], 10_000);
    assert!(schemas["RowsRequest.traces"]["properties"]["sort"].is_object());
    assert!(schemas["CountRequest.prompts"]["properties"]["format"].is_null());
    let mut references = Vec::new();
    collect(&document, &mut references);
    assert!(references.len() > 20);
    for reference in references {
        let pointer = reference.strip_prefix('#').expect("a local reference");
        assert!(document.pointer(pointer).is_some(), "{reference} dangles");
    }
}

fn collect(json: &Json, into: &mut Vec<String>) {
    match json {
        Json::Object(object) => {
            into.extend(object.get("$ref").and_then(Json::as_str).map(str::to_owned));
            object.values().for_each(|value| collect(value, into));
        }
        Json::Array(items) => items.iter().for_each(|item| collect(item, into)),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {}
    }
}

/// What the examples show is what is taken.
#[tokio::test]
async fn the_examples_work() {
    let house = House::new();
    let document = house.ask(Method::GET, "/openapi.json").answer().await.expect(200).json();
    for (path, item) in document["paths"].as_object().expect("paths") {
        let body = &item["post"]["requestBody"]["content"]["application/json"]["examples"];
        for (name, example) in body.as_object().into_iter().flatten() {
            let answer = house.post(path, &example["value"]).answer().await;
            assert!(matches!(answer.status, 200 | 202), "{path} {name}: {answer:?}");
        }
    }
}

#[tokio::test]
async fn the_documentation_needs_nothing_from_elsewhere() {
    let house = House::new();
    let redirect = house.ask(Method::GET, "/docs").answer().await.expect(308);
    assert_eq!(redirect.header("location"), "/docs/");
    let page = house.ask(Method::GET, "/docs/").answer().await.expect(200);
    assert!(page.header("content-type").starts_with("text/html"));
    assert!(
        page.header("content-security-policy").starts_with("default-src 'none'; script-src 'self'; style-src 'self'")
    );
    let html = String::from_utf8(page.body.to_vec()).expect("UTF-8");
    assert!(!html.contains("http://") && !html.contains("https://"), "{html}");
    let mut files = 0;
    for part in html.split("src=\"").chain(html.split("href=\"")).skip(1) {
        let Some(file) = part.split('"').next().and_then(|file| file.strip_prefix("./")) else { continue };
        let answer = house.ask(Method::GET, format!("/docs/{file}")).answer().await.expect(200);
        assert!(!answer.body.is_empty(), "{file}");
        files += 1;
    }
    assert!(files >= 4, "{html}");
    let initializer = house.ask(Method::GET, "/docs/swagger-initializer.js").answer().await.expect(200);
    assert!(String::from_utf8_lossy(&initializer.body).contains("/openapi.json"));
    house.ask(Method::GET, "/docs/nope.js").answer().await.problem(404);
    let root = house.ask(Method::GET, "/").answer().await.expect(200);
    let html = String::from_utf8(root.body.to_vec()).expect("UTF-8");
    // The console, or, where it was not built, a page that leads on.
    let leads_on =
        html.contains("href=\"/docs\"") && html.contains("href=\"/openapi.json\"") && !html.contains("<script");
    assert!(html.contains("<offtake-console>") || leads_on, "{html}");
    assert!(!html.contains("http://") && !html.contains("https://"), "{html}");
}

/// The page lists every code there is, with its status, in the order of the table.
#[test]
fn the_documented_errors_are_the_errors() {
    let mut table = String::from("| code | status | title |\n|---|---|---|\n");
    for kind in ErrorKind::ALL {
        table.push_str(&format!("| `{}` | {} | {} |\n", kind.code(), kind.status(), kind.title()));
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/api.md");
    let page = std::fs::read_to_string(path).expect("docs/api.md is there");
    assert!(page.contains(&table), "docs/api.md must contain this table:\n{table}");
}

/// The page lists every action an entry of the audit trail can have.
#[test]
fn the_documented_actions_are_the_actions() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/api.md");
    let page = std::fs::read_to_string(path).expect("docs/api.md is there");
    for action in offtake_model::audit::Action::ALL {
        assert!(page.contains(&format!("\n| `{}` | ", action.name())), "docs/api.md lacks {}", action.name());
    }
}
