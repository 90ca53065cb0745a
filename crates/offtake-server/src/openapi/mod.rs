//! The OpenAPI document: what the handlers declare, with every route's permission, every error, and per
//! dataset of the catalog the typed bodies that it takes.

mod bodies;

use std::sync::{Mutex, PoisonError};

use axum::http::HeaderValue;
use bytes::Bytes;
use http::Method;
use offtake_datasets::Catalog;
use offtake_model::ErrorKind;
use offtake_model::job::{JobStatus, Phase};
use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};

use crate::auth::Access;
use crate::edge::OTLP_PATH;
use crate::router::Declared;

/// A document, as it is served.
#[derive(Debug, Clone)]
pub(crate) struct Document {
    pub(crate) json: Bytes,
    pub(crate) etag: HeaderValue,
}

/// Paths that are pages for people, not calls.
const PAGES: [&str; 8] =
    ["/", "/d/{token}", "/docs", "/docs/", "/docs/{file}", "/openapi.json", "/sign-in", "/sign-in.js"];

/// What the handlers declare, and the document made of it for the datasets there are.
pub(crate) struct Documents {
    handlers: utoipa::openapi::OpenApi,
    routes: Vec<Declared>,
    made: Mutex<Made>,
}

impl std::fmt::Debug for Documents {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Documents")
    }
}

struct Made {
    document: Document,
    /// Datasets it leaves out, because they waited for their source.
    waiting: usize,
}

impl Documents {
    pub(crate) fn new(handlers: utoipa::openapi::OpenApi, routes: Vec<Declared>, catalog: &Catalog) -> Self {
        let made = Mutex::new(Made::of(&handlers, &routes, catalog));
        Self { handlers, routes, made }
    }

    /// The document as of now: a dataset that waited for its source is in it as soon as it can be read.
    pub(crate) fn current(&self, catalog: &Catalog) -> Document {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        // Nothing else about the catalog changes while the server runs, and what was found stays.
        if made.waiting > 0 && catalog.waiting().count() < made.waiting {
            *made = Made::of(&self.handlers, &self.routes, catalog);
        }
        made.document.clone()
    }
}

impl Made {
    fn of(handlers: &utoipa::openapi::OpenApi, routes: &[Declared], catalog: &Catalog) -> Self {
        // Counted first: one that is found in between is at worst found again.
        let waiting = catalog.waiting().count();
        Self { document: finish(handlers, routes, catalog), waiting }
    }
}

/// Completes what the handlers declare.
fn finish(handlers: &utoipa::openapi::OpenApi, declared: &[Declared], catalog: &Catalog) -> Document {
    let mut document = serde_json::to_value(handlers).unwrap_or_default();
    document["info"] = json!({
        "title": "Offtake",
        "version": env!("CARGO_PKG_VERSION"),
        "description": "Gets your data out of your application, whole, and proves it.",
        "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
    });
    for route in declared {
        say_who_may(operation(&mut document, &route.path, &route.method), route);
    }
    let mut paths = document["paths"].as_object_mut().map(std::mem::take).unwrap_or_default();
    paths.retain(|path, _| !PAGES.contains(&path.as_str()));
    add_components(&mut document["components"]);
    document["paths"] = Json::Object(bodies::per_dataset(paths, &mut document["components"]["schemas"], catalog));
    let json = Bytes::from(document.to_string());
    let etag = format!("\"{}\"", hex::encode(&Sha256::digest(&json)[..12]));
    let etag = HeaderValue::from_str(&etag).unwrap_or(HeaderValue::from_static("\"\""));
    Document { json, etag }
}

fn operation<'a>(document: &'a mut Json, path: &str, method: &Method) -> &'a mut Json {
    &mut document["paths"][path][method.as_str().to_ascii_lowercase()]
}

fn say_who_may(operation: &mut Json, route: &Declared) {
    let (security, permission) = match &route.access {
        Access::Public => (json!([]), None),
        Access::Known => (known(), None),
        // Each type of event has its own.
        Access::Live => (json!([{"bearer": []}, {"session": []}, {"ticket": []}]), None),
        Access::Token => (known(), Some("the dataset's read permission".to_owned())),
        Access::Needs(permission) => (known(), Some(permission.to_string())),
    };
    operation["security"] = security;
    if let Some(permission) = permission {
        operation["x-permission"] = json!(permission);
    }
    let errors = if route.path == OTLP_PATH { "OtlpStatus" } else { "Problem" };
    operation["responses"]["default"] = json!({"$ref": format!("#/components/responses/{errors}")});
}

/// What says who asks.
fn known() -> Json {
    json!([{"bearer": []}, {"session": []}])
}

fn add_components(components: &mut Json) {
    components["securitySchemes"] = json!({
        "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT",
            "description": "A JWT (`offtake token` prints one), or an API key (`otk_…`)"},
        "session": {"type": "apiKey", "in": "cookie", "name": "offtake_session",
            "description": "Of a browser that signed in; `__Host-offtake_session` where `server.public_url` is https"},
        "ticket": {"type": "apiKey", "in": "query", "name": "ticket",
            "description": "Good for one live socket; `POST /api/v1/ws/ticket` makes one"},
    });
    let codes: Vec<&str> = ErrorKind::ALL.iter().map(|kind| kind.code()).collect();
    components["schemas"]["Problem"] = json!({
        "type": "object",
        "description": "RFC 9457. Decide on `code`, never on text.",
        "required": ["type", "title", "status", "code", "detail", "errors", "request_id"],
        "properties": {
            "type": {"type": "string", "format": "uri"},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "code": {"type": "string", "enum": codes},
            "detail": {"type": "string"},
            "errors": {"type": "array", "items": {
                "type": "object",
                "required": ["pointer", "detail"],
                "properties": {
                    "pointer": {"type": "string", "description": "JSON pointer into the body, or ?name of a query parameter"},
                    "detail": {"type": "string"},
                },
            }},
            "request_id": {"type": "string"},
        },
    });
    components["responses"]["Problem"] = json!({
        "description": "What went wrong",
        "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
    });
    let status = json!({
        "type": "object",
        "description": "google.rpc.Status",
        "properties": {"code": {"type": "integer"}, "message": {"type": "string"}},
    });
    components["responses"]["OtlpStatus"] = json!({
        "description": "What went wrong, in the request's encoding",
        "content": {"application/json": {"schema": status}, "application/x-protobuf": {"schema": {}},
            // Where the request has no encoding of OTLP.
            "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
    });
    let statuses: Vec<&str> = JobStatus::ALL.iter().map(|status| status.name()).collect();
    let phases: Vec<&str> = Phase::ALL.iter().map(|phase| phase.name()).collect();
    let job = &mut components["schemas"]["JobResponse"]["properties"];
    job["status"]["enum"] = json!(statuses);
    job["phase"]["enum"] = json!(phases);
    components["schemas"]["ExportResponse"]["properties"]["status"]["enum"] = json!(statuses);
}
