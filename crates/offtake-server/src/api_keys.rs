//! API keys over HTTP: how machines of an organization ask.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use offtake_model::api_key::{ApiKey, Lifetime, sub_of};
use offtake_model::id::ApiKeyId;
use offtake_model::permission::Permissions;
use offtake_model::{Error, ErrorKind, Result, Violation};
use offtake_store::NewApiKey;
use serde::Serialize;
use serde_json::{Map, Value as Json_};
use utoipa::ToSchema;

use crate::acting::Acting;
use crate::auth::{Caller, Via, fingerprint, key_text};
use crate::created::created;
use crate::error::Problem;
use crate::extract::{JsonBody, Name, Params};
use crate::principals::{LIMITS, pointer, unknown};
use crate::state::App;

/// The longest name, in characters.
const LONGEST_NAME: usize = 100;
/// The longest time a key may be given, in seconds: ten years.
const LONGEST_TTL: i64 = 10 * 365 * 24 * 60 * 60;

/// The keys of the organization, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ApiKeyListResponse {
    api_keys: Vec<ApiKeyResponse>,
    /// Hand it back as `cursor` for the next page.
    next_cursor: Option<String>,
}

/// A key, without the key.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ApiKeyResponse {
    #[schema(example = "key_0199c0ffee0070008000000000000001")]
    id: String,
    #[schema(example = "nightly export")]
    name: String,
    permissions: Vec<String>,
    /// The principal it asks as.
    #[schema(example = "api_key:key_0199c0ffee0070008000000000000001")]
    sub: String,
    created_by: String,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime)]
    revoked_at: Option<Timestamp>,
    /// Give or take a minute.
    #[schema(value_type = Option<String>, format = DateTime)]
    last_used_at: Option<Timestamp>,
    /// The key itself, in the answer that makes it and never again.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
}

impl From<ApiKey> for ApiKeyResponse {
    fn from(key: ApiKey) -> Self {
        let ApiKey { id, name, permissions, created_by, created_at, expires_at, revoked_at, last_used_at } = key;
        let (sub, permissions, id) = (sub_of(id), permissions.to_words(), id.to_string());
        Self { id, name, permissions, sub, created_by, created_at, expires_at, revoked_at, last_used_at, key: None }
    }
}

/// A key to be made.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "bodies are read as JSON, so that everything wrong is found at once")]
pub(crate) struct ApiKeyRequest {
    /// 1 to 100 characters.
    name: String,
    /// Permissions, none of which the caller lacks.
    permissions: Vec<String>,
    /// When it ends; not together with `ttl`. Without either it holds until it is revoked.
    expires_at: Option<String>,
    /// For how many seconds it holds.
    ttl: Option<u64>,
}

/// Makes a key, which is shown in this answer and never again.
///
/// It is sent as a bearer token, and may do what was asked for here and its maker may do himself. It stops with its
/// maker: when that account is disabled, and for what is withheld from it.
#[utoipa::path(post, path = "/api/v1/api-keys", tag = "api keys", operation_id = "create_api_key",
    request_body = inline(ApiKeyRequest),
    responses((status = 201, description = "Made", body = ApiKeyResponse,
        headers(("Location" = String, description = "The key, without the key")))))]
pub(crate) async fn create(
    State(app): State<App>,
    caller: Caller,
    Acting(act): Acting,
    via: Via,
    JsonBody(body): JsonBody,
) -> Result<Response, Problem> {
    let Asked { name, permissions, lifetime } = asked_for(&body)?;
    if matches!(via, Via::ApiKey { .. }) {
        // A key stops with its maker; one made by a key would stop with nobody.
        return Err(Problem::new(ErrorKind::Forbidden, "an API key makes no API keys; a person does"));
    }
    if !caller.0.permissions.cover(&permissions) {
        return Err(Problem::new(ErrorKind::Forbidden, "a key may do nothing that whoever makes it may not do"));
    }
    let id = ApiKeyId::new(app.clock.now());
    let key = key_text::new(id);
    let hash = fingerprint(&key.0);
    let new = NewApiKey { id, name, hash, permissions, lifetime, created_by: caller.0.sub.clone() };
    let made = app.store.api_keys.create(&act, &caller.0.org, new).await?;
    tracing::info!(api_key = %id, by = caller.0.sub, "an API key was made");
    let body = ApiKeyResponse { key: Some(key.0), ..made.into() };
    Ok(created(&format!("/api/v1/api-keys/{id}"), Json(body)))
}

/// The keys there are, also those that are over.
#[utoipa::path(get, path = "/api/v1/api-keys", tag = "api keys", operation_id = "list_api_keys",
    params(
        ("limit" = Option<u64>, Query, description = "1 to 200; 50"),
        ("cursor" = Option<String>, Query, description = "As handed out with the page before"),
    ),
    responses((status = 200, description = "A page, newest first", body = ApiKeyListResponse)))]
pub(crate) async fn list(
    State(app): State<App>,
    caller: Caller,
    mut params: Params,
) -> Result<Json<ApiKeyListResponse>, Problem> {
    let limit = params.number("limit", 1, LIMITS.1).unwrap_or(LIMITS.0);
    let after =
        params.read("cursor", |text| text.parse().map_err(|_| "is not a cursor that was handed out".to_owned()));
    params.finish()?;
    let limit = u32::try_from(limit).unwrap_or(u32::MAX);
    let (found, more) = app.store.api_keys.list(&caller.0.org, after, limit).await?;
    let next_cursor = found.last().filter(|_| more).map(|last| last.id.to_string());
    Ok(Json(ApiKeyListResponse { api_keys: found.into_iter().map(ApiKeyResponse::from).collect(), next_cursor }))
}

/// One key.
#[utoipa::path(get, path = "/api/v1/api-keys/{id}", tag = "api keys", operation_id = "get_api_key",
    params(("id" = String, Path, description = "The key's id")),
    responses((status = 200, description = "The key, without the key", body = ApiKeyResponse)))]
pub(crate) async fn detail(
    State(app): State<App>,
    caller: Caller,
    name: Name,
) -> Result<Json<ApiKeyResponse>, Problem> {
    Ok(Json(app.store.api_keys.get(&caller.0.org, id_of(&name)?).await?.into()))
}

/// Ends a key at once. Exports that it asked for and that still run fail as `revoked`.
#[utoipa::path(delete, path = "/api/v1/api-keys/{id}", tag = "api keys", operation_id = "revoke_api_key",
    params(("id" = String, Path, description = "The key's id")),
    responses((status = 204, description = "It is revoked, and stays so")))]
pub(crate) async fn revoke(
    State(app): State<App>,
    caller: Caller,
    Acting(act): Acting,
    name: Name,
) -> Result<StatusCode, Problem> {
    let id = id_of(&name)?;
    app.store.api_keys.revoke(&act, &caller.0.org, id).await?;
    tracing::info!(api_key = %id, by = caller.0.sub, "an API key was revoked");
    Ok(StatusCode::NO_CONTENT)
}

/// What is no id is no key, and says so like an absent one.
fn id_of(name: &Name) -> Result<ApiKeyId> {
    let absent = "there is no such API key; GET /api/v1/api-keys lists those there are";
    name.as_str().parse().map_err(|_| Error::new(ErrorKind::NotFound, absent))
}

struct Asked {
    name: String,
    permissions: Permissions,
    lifetime: Lifetime,
}

fn asked_for(body: &Map<String, Json_>) -> Result<Asked> {
    let mut violations = Vec::new();
    for member in body.keys().filter(|name| !["name", "permissions", "expires_at", "ttl"].contains(&name.as_str())) {
        violations.push(Violation::at(format!("/{}", pointer(member)), "is nothing that a key has"));
    }
    let name = body.get("name").and_then(Json_::as_str).unwrap_or_default();
    if !(1..=LONGEST_NAME).contains(&name.chars().count()) || name.chars().any(char::is_control) {
        violations.push(Violation::at("/name", "is needed: 1 to 100 characters, none of them a control character"));
    }
    let words = body.get("permissions").and_then(Json_::as_array).map(Vec::as_slice).unwrap_or_default();
    if words.is_empty() {
        violations.push(Violation::at("/permissions", "is needed: a list of permissions"));
    }
    let mut known = Vec::new();
    for (at, word) in words.iter().enumerate() {
        match word.as_str().filter(|word| Permissions::knows(word)) {
            Some(word) => known.push(word),
            None => violations.push(Violation::at(format!("/permissions/{at}"), format!("{}, role:NAME", unknown()))),
        }
    }
    let lifetime = lifetime(body, &mut violations);
    if !violations.is_empty() {
        return Err(Error::invalid(violations));
    }
    Ok(Asked { name: name.to_owned(), permissions: Permissions::from_words(known), lifetime })
}

fn lifetime(body: &Map<String, Json_>, violations: &mut Vec<Violation>) -> Lifetime {
    let given = |name: &str| body.get(name).filter(|value| !value.is_null());
    let mut refuse = |pointer: &str, detail: &str| violations.push(Violation::at(pointer, detail));
    match (given("expires_at"), given("ttl")) {
        (None, None) => {}
        (Some(_), Some(_)) => refuse("/ttl", "does not go with expires_at"),
        (Some(moment), None) => match moment.as_str().and_then(|text| text.parse().ok()) {
            Some(moment) => return Lifetime::Until(moment),
            None => refuse("/expires_at", "is a moment, as in 2027-01-01T00:00:00Z"),
        },
        (None, Some(ttl)) => match ttl.as_i64().filter(|seconds| (1..=LONGEST_TTL).contains(seconds)) {
            Some(seconds) => return Lifetime::For(SignedDuration::from_secs(seconds)),
            None => refuse("/ttl", "is a whole number of seconds, from 1 to ten years"),
        },
    }
    Lifetime::Unlimited
}
