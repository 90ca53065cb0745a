//! Presets over HTTP, and their use in the body of an export.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use offtake_datasets::Dataset;
use offtake_model::export::ExportSpec;
use offtake_model::preset::{Preset, PresetContent, is_preset_name};
use offtake_model::sensitive::{Sight, mask};
use offtake_model::{Error, ErrorKind, Result, Violation};
use serde::Serialize;
use serde_json::{Map, Value as Json_};
use utoipa::ToSchema;

use crate::acting::Acting;
use crate::auth::Caller;
use crate::created::created;
use crate::datasets::readable;
use crate::error::Problem;
use crate::exports::blocking;
use crate::extract::{JsonBody, Name};
use crate::state::App;
use crate::versions::{self, expected};

/// What a preset is beside what it says of an export.
const OWN: [&str; 2] = ["name", "dataset"];

/// The organization's presets, as far as the caller may read their datasets.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PresetListResponse {
    presets: Vec<PresetResponse>,
}

/// A preset.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PresetResponse {
    #[schema(example = "finance")]
    name: String,
    #[schema(example = "spans")]
    dataset: String,
    /// `fields`, `format`, `compression`, `dialect`, `delimiter`, `formats` as in an export, and `filters`: those it sets.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    says: Map<String, Json_>,
    created_by: String,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

impl PresetResponse {
    /// The preset as those see it who see the dataset so: what it says of sensitive columns is masked.
    fn of(preset: Preset, seen: &Dataset) -> Self {
        let Preset { name, dataset, mut says, version: _, created_by, created_at, updated_at } = preset;
        if seen.sight == Sight::Veiled
            && let Some(filters) = says.get_mut("filters").and_then(Json_::as_object_mut)
        {
            let sensitive = seen.schema.filters.iter().filter(|filter| seen.schema.filter_is_sensitive(filter));
            mask(filters, sensitive.map(|filter| filter.name.as_str()));
        }
        Self { name, dataset, says, created_by, created_at, updated_at }
    }
}

/// Saves a preset: the fields, the form and the filters of exports that are asked for again and again.
///
/// It is checked against its dataset. `"preset": "name"` in the body of an export or a preview uses it; what the body
/// itself says goes first.
#[utoipa::path(post, path = "/api/v1/presets", tag = "presets", operation_id = "create_preset",
    request_body = inline(PresetRequest),
    responses((status = 201, description = "Saved", body = PresetResponse,
        headers(("Location" = String, description = "The preset"), ("ETag" = String, description = "Its version")))))]
pub(crate) async fn create(
    State(app): State<App>,
    caller: Caller,
    Acting(act): Acting,
    JsonBody(body): JsonBody,
) -> Result<Response, Problem> {
    let (content, dataset) = checked(&app, &caller, body).await?;
    let preset = app.store.presets.create(&act, &caller.0.org, content).await?;
    let segment = percent_encoded(&preset.name);
    Ok(created(&format!("/api/v1/presets/{segment}"), answered(preset, &dataset)))
}

/// The presets there are.
#[utoipa::path(get, path = "/api/v1/presets", tag = "presets", operation_id = "list_presets",
    responses((status = 200, description = "All, by name", body = PresetListResponse)))]
pub(crate) async fn list(State(app): State<App>, caller: Caller) -> Result<Json<PresetListResponse>, Problem> {
    let presets = app.store.presets.list(&caller.0.org).await?.into_iter().filter_map(|preset| {
        let dataset = readable(&app, &caller, &preset.dataset).ok()?;
        Some(PresetResponse::of(preset, &dataset))
    });
    Ok(Json(PresetListResponse { presets: presets.collect() }))
}

/// One preset.
#[utoipa::path(get, path = "/api/v1/presets/{name}", tag = "presets", operation_id = "get_preset",
    params(("name" = String, Path, description = "The preset")),
    responses((status = 200, description = "The preset", body = PresetResponse,
        headers(("ETag" = String, description = "Its version")))))]
pub(crate) async fn detail(State(app): State<App>, caller: Caller, name: Name) -> Result<Response, Problem> {
    let (preset, dataset) = visible(&app, &caller, name.as_str()).await?;
    Ok(answered(preset, &dataset))
}

/// Changes a preset. What the body names is replaced, what is null there is taken away, the rest stays.
#[utoipa::path(patch, path = "/api/v1/presets/{name}", tag = "presets", operation_id = "change_preset",
    params(
        ("name" = String, Path, description = "The preset"),
        ("If-Match" = Option<String>, Header, description = "Only if it still has this ETag; else 412"),
    ),
    request_body = inline(PresetRequest),
    responses((status = 200, description = "Changed", body = PresetResponse,
        headers(("ETag" = String, description = "Its version")))))]
pub(crate) async fn change(
    State(app): State<App>,
    caller: Caller,
    Acting(act): Acting,
    name: Name,
    headers: HeaderMap,
    JsonBody(body): JsonBody,
) -> Result<Response, Problem> {
    let (present, _) = visible(&app, &caller, name.as_str()).await?;
    let version = expected(&headers)?.unwrap_or(present.version);
    let mut whole = present.says;
    whole.insert("name".to_owned(), present.name.into());
    whole.insert("dataset".to_owned(), present.dataset.into());
    for (member, value) in body {
        if value.is_null() {
            whole.shift_remove(&member);
        } else {
            whole.insert(member, value);
        }
    }
    let (content, dataset) = checked(&app, &caller, whole).await?;
    Ok(answered(app.store.presets.replace(&act, &caller.0.org, name.as_str(), version, content).await?, &dataset))
}

/// Forgets a preset. Exports that were asked for with it are what they are.
#[utoipa::path(delete, path = "/api/v1/presets/{name}", tag = "presets", operation_id = "delete_preset",
    params(
        ("name" = String, Path, description = "The preset"),
        ("If-Match" = Option<String>, Header, description = "Only if it still has this ETag; else 412"),
    ),
    responses((status = 204, description = "Forgotten")))]
pub(crate) async fn delete(
    State(app): State<App>,
    caller: Caller,
    Acting(act): Acting,
    name: Name,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    let version = expected(&headers)?;
    visible(&app, &caller, name.as_str()).await?;
    app.store.presets.delete(&act, &caller.0.org, name.as_str(), version).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What a preset is made of.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "bodies are read as JSON, so that everything wrong is found at once")]
struct PresetRequest {
    /// 1 to 100 characters; no slash. Unique in the organization.
    name: String,
    dataset: String,
    /// Columns, in order, as in an export.
    fields: Option<Vec<Json_>>,
    format: Option<String>,
    compression: Option<String>,
    dialect: Option<String>,
    delimiter: Option<String>,
    /// How numbers, dates and times are written, as in an export.
    #[schema(value_type = Option<Object>)]
    formats: Option<Map<String, Json_>>,
    /// The dataset's filters, by name.
    #[schema(value_type = Option<Object>)]
    filters: Option<Map<String, Json_>>,
}

/// The spec of an export whose body may name a preset.
///
/// # Errors
/// `invalid_request` with everything that is wrong.
pub(crate) async fn spec(
    app: &App,
    caller: &Caller,
    dataset: Dataset,
    mut body: Map<String, Json_>,
) -> Result<ExportSpec> {
    let Some(name) = body.shift_remove("preset") else {
        // Ten thousand identities take their time, so not on the executor.
        return blocking(move || dataset.parse_export(&Json_::Object(body))).await;
    };
    let Json_::String(name) = name else {
        return Err(Error::invalid_at("/preset", "is the name of a preset"));
    };
    let preset = visible(app, caller, &name).await.map_err(|error| {
        if error.kind() != ErrorKind::NotFound {
            return error;
        }
        Error::invalid_at("/preset", format!("there is no preset {name:?}; GET /api/v1/presets lists them"))
    })?;
    blocking(move || dataset.parse_export_with(&body, &preset.0)).await
}

/// The preset, if the caller may read its dataset. Otherwise it is as absent as its dataset.
async fn visible(app: &App, caller: &Caller, name: &str) -> Result<(Preset, Dataset)> {
    let preset = app.store.presets.get(&caller.0.org, name).await?;
    match readable(app, caller, &preset.dataset) {
        Ok(dataset) => Ok((preset, dataset)),
        Err(_) => {
            Err(Error::new(ErrorKind::NotFound, "there is no such preset; GET /api/v1/presets lists those there are"))
        }
    }
}

/// Checks a preset against its dataset.
async fn checked(app: &App, caller: &Caller, body: Map<String, Json_>) -> Result<(PresetContent, Dataset)> {
    let text = |name: &str| body.get(name).and_then(Json_::as_str).map(str::to_owned);
    let mut violations = Vec::new();
    let name = text("name").filter(|name| is_preset_name(name));
    if name.is_none() {
        let detail = "is needed: 1 to 100 characters, no slash, no control characters, no blanks around it";
        violations.push(Violation::at("/name", detail));
    }
    let dataset = text("dataset").and_then(|name| readable(app, caller, &name).ok());
    if dataset.is_none() {
        violations.push(Violation::at("/dataset", "is needed: a dataset; GET /api/v1/datasets lists them"));
    }
    let mut says = body;
    says.retain(|name, _| !OWN.contains(&name.as_str()));
    if let Some(dataset) = dataset.clone() {
        let said = says.clone();
        if let Err(error) = blocking(move || dataset.check_preset(&said)).await {
            violations.extend(error.violations().iter().cloned());
        }
    }
    match (name, dataset) {
        (Some(name), Some(dataset)) if violations.is_empty() => {
            Ok((PresetContent { name, dataset: dataset.schema.name.clone(), says }, dataset))
        }
        _ => Err(Error::invalid(violations)),
    }
}

fn answered(preset: Preset, dataset: &Dataset) -> Response {
    let version = preset.version;
    versions::answered(PresetResponse::of(preset, dataset), version)
}

fn percent_encoded(name: &str) -> String {
    let mut encoded = String::new();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}
