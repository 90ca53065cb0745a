//! The calls there are, as the OpenAPI document of the running server lists them.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Map, Value as Json};

use super::places::{self, Kind};

/// What the document says of calls that ask for no permission by name, but for that of whichever dataset they name.
const BY_DATASET: &str = "the dataset's read permission";

/// A call.
#[derive(Debug)]
pub(super) struct Operation {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) access: Access,
    pub(super) places: Vec<Place>,
    pub(super) body: Option<BodyKind>,
}

/// Who may make it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Access {
    /// Anybody, without a token.
    pub(super) public: bool,
    /// A permission named by the route.
    pub(super) permission: Option<String>,
    /// The permission of the dataset in the path; without it the dataset is absent.
    pub(super) dataset: Option<String>,
}

/// What a body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BodyKind {
    Json,
    Otlp,
}

/// Where a value stands in a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum At {
    Path,
    Query,
    Header,
    Body,
}

/// One place of a call that a value can stand in.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) at: At,
    pub(super) name: String,
    pub(super) required: bool,
    pub(super) kind: Kind,
}

impl std::fmt::Display for Operation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}

impl Operation {
    /// Whether it changes nothing. What is not known to be harmless is taken for a change.
    pub(super) fn only_reads(&self) -> bool {
        let asks = ["/rows", "/count", "/facets", "/preview"].iter().any(|end| self.path.ends_with(end));
        self.method == Method::GET || (asks && self.method == Method::POST)
    }

    /// The dataset that the path names.
    pub(super) fn dataset(&self) -> Option<&str> {
        self.access.dataset.as_ref()?;
        self.path.trim_start_matches("/api/v1/export/").trim_start_matches("/api/v1/datasets/").split('/').next()
    }
}

/// Every call of the document.
///
/// # Panics
/// If there is one that nobody has said how to fill, with what is to be added where.
pub(super) fn operations(document: &Json) -> Vec<Operation> {
    let mut unknown = BTreeSet::new();
    let mut all = Vec::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("a path has calls") {
            let method = method.to_uppercase().parse().expect("a method");
            all.push(operation_of(document, method, path, operation, &mut unknown));
        }
    }
    let unknown: Vec<String> = unknown.into_iter().collect();
    assert!(
        unknown.is_empty(),
        "the matrix does not know what stands in these places; say in tests/it/matrix/places.rs which things of an \
         organization can stand there (and how to make one in estate.rs), or that none can:\n{}",
        unknown.join("\n")
    );
    all
}

fn operation_of(
    document: &Json,
    method: Method,
    path: &str,
    operation: &Json,
    unknown: &mut BTreeSet<String>,
) -> Operation {
    let mut places = Vec::new();
    let mut add = |at: At, name: &str, required: bool, schema: &Json| {
        let schema = resolved(document, schema);
        match places::kind(path, at, name, schema) {
            Some(kind) => places.push(Place { at, name: name.to_owned(), required, kind }),
            None => drop(unknown.insert(format!("  {method} {path}: {at:?} {name}: {schema}"))),
        }
    };
    for parameter in operation["parameters"].as_array().into_iter().flatten() {
        let parameter = resolved(document, parameter);
        let at = match parameter["in"].as_str() {
            Some("path") => At::Path,
            Some("query") => At::Query,
            _ => At::Header,
        };
        let name = parameter["name"].as_str().expect("a parameter has a name");
        add(at, name, parameter["required"] == true, &parameter["schema"]);
    }
    let body = body_kind(&operation["requestBody"]);
    if body == Some(BodyKind::Otlp) {
        add(At::Body, "otlp", true, &Json::Null);
    } else {
        let schema = resolved(document, &operation["requestBody"]["content"]["application/json"]["schema"]);
        let required = |name: &str| schema["required"].as_array().is_some_and(|all| all.iter().any(|one| one == name));
        for (name, property) in properties(document, schema) {
            add(At::Body, &name, required(&name), &property);
        }
    }
    Operation { access: access(path, operation), method, path: path.to_owned(), places, body }
}

fn body_kind(body: &Json) -> Option<BodyKind> {
    let content = body["content"].as_object()?;
    let json = !content.contains_key("application/x-protobuf");
    Some(if json { BodyKind::Json } else { BodyKind::Otlp })
}

/// What a body can say, also where it is one of several shapes.
fn properties(document: &Json, schema: &Json) -> Map<String, Json> {
    let mut all = schema["properties"].as_object().cloned().unwrap_or_default();
    for shapes in ["oneOf", "anyOf", "allOf"] {
        for shape in schema[shapes].as_array().into_iter().flatten() {
            all.extend(properties(document, resolved(document, shape)));
        }
    }
    all
}

fn resolved<'a>(document: &'a Json, schema: &'a Json) -> &'a Json {
    match schema["$ref"].as_str() {
        Some(reference) => document.pointer(reference.trim_start_matches('#')).expect("a reference leads somewhere"),
        None => schema,
    }
}

fn access(path: &str, operation: &Json) -> Access {
    let security = operation["security"].as_array().unwrap_or_else(|| panic!("{path} does not say who may"));
    let text = |name: &str| operation[name].as_str().map(str::to_owned);
    Access {
        public: security.is_empty(),
        permission: text("x-permission").filter(|permission| permission != BY_DATASET),
        dataset: text("x-dataset-permission"),
    }
}
