//! Webhook endpoints over HTTP: where an organization is told of events, and what was sent there.
//!
//! Responsible for who may say what, and for showing secrets once. Not responsible for sending (`offtake-worker`).

mod asked;
pub(crate) mod deliveries;

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use jiff::Timestamp;
use offtake_model::event::EventType;
use offtake_model::id::WebhookId;
use offtake_model::permission::Permission;
use offtake_model::webhook::{SigningScheme, Webhook};
use offtake_model::{Error, ErrorKind, Result};
use offtake_store::sealed::Holder;
use offtake_store::webhooks::{NewWebhook, SealedKey, SigningKey, WebhookChange};
use serde::Serialize;
use utoipa::ToSchema;

use crate::acting::Acting;
use crate::auth::Caller;
use crate::created::created;
use crate::error::Problem;
use crate::extract::{JsonBody, Name};
use crate::state::App;

/// The organization's endpoints, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WebhookListResponse {
    webhooks: Vec<WebhookResponse>,
}

/// An endpoint.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WebhookResponse {
    #[schema(example = "whk_0199c0ffee0070008000000000000001")]
    id: String,
    #[schema(example = "https://hooks.example.org/offtake")]
    url: String,
    /// Types of events it is told of.
    events: Vec<String>,
    description: String,
    /// Whether it is told at all.
    enabled: bool,
    /// Why Offtake itself disabled it.
    disabled_reason: Option<String>,
    /// How messages are signed: `hmac` or `ed25519`.
    #[schema(example = "hmac")]
    signing: String,
    /// What to verify with where that needs no secret: `whpk_…`.
    public_key: Option<String>,
    /// Until when messages are signed with the key before as well.
    #[schema(value_type = Option<String>, format = DateTime)]
    previous_key_until: Option<Timestamp>,
    /// Messages in a row that were given up.
    given_up: u32,
    created_by: String,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    changed_at: Timestamp,
    /// The secret to verify with, `whsec_…`: in the answer that makes it and never again.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
}

impl From<Webhook> for WebhookResponse {
    fn from(webhook: Webhook) -> Self {
        let Webhook { id, url, events, description, enabled, disabled_reason, scheme, .. } = webhook;
        Self {
            id: id.to_string(),
            url,
            events: events.into_iter().map(|kind| kind.name().to_owned()).collect(),
            description,
            enabled,
            disabled_reason,
            signing: scheme.name().to_owned(),
            public_key: webhook.public_key,
            previous_key_until: webhook.previous_until,
            given_up: webhook.given_up,
            created_by: webhook.created_by,
            created_at: webhook.created_at,
            changed_at: webhook.changed_at,
            secret: None,
        }
    }
}

/// An endpoint to be made.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "bodies are read as JSON, so that everything wrong is found at once")]
pub(crate) struct WebhookRequest {
    /// An https URL, without user, password and fragment, with port 443, 80 or one from 1024 on.
    url: String,
    /// Types of events; the caller must be allowed to be told of each in the whole organization.
    events: Vec<String>,
    /// At most 500 characters.
    description: Option<String>,
    /// Whether it is told at all; true.
    enabled: Option<bool>,
    /// How messages are signed: `hmac` (unless said otherwise) or `ed25519`.
    signing: Option<String>,
}

/// What is to be different. What the body does not name stays as it is.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "bodies are read as JSON, so that everything wrong is found at once")]
pub(crate) struct WebhookChangeRequest {
    /// Another URL gets another key, which the answer shows.
    url: Option<String>,
    /// Types of events: the whole list.
    events: Option<Vec<String>>,
    /// At most 500 characters.
    description: Option<String>,
    /// True begins anew with an endpoint that was disabled.
    enabled: Option<bool>,
}

/// How the next key is to be.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "bodies are read as JSON, so that everything wrong is found at once")]
pub(crate) struct WebhookRotateRequest {
    /// `hmac` or `ed25519`; as before unless said.
    signing: Option<String>,
    /// For how many seconds the key of before signs along: 0 to 604800; 86400.
    overlap: Option<u64>,
}

/// Makes an endpoint. Its secret is in this answer and never shown again; one with `ed25519` needs none.
#[utoipa::path(post, path = "/api/v1/webhooks", tag = "webhooks", operation_id = "create_webhook",
    request_body = inline(WebhookRequest),
    responses((status = 201, description = "Made, with the secret", body = WebhookResponse,
        headers(("Location" = String, description = "The endpoint")))))]
pub(crate) async fn create(
    State(app): State<App>,
    caller: Caller,
    Acting(act): Acting,
    JsonBody(body): JsonBody,
) -> Result<Response, Problem> {
    let asked = asked::for_new(&app.outbound, &body)?;
    may_be_told(&caller, &asked.events)?;
    let id = WebhookId::new(app.clock.now());
    let (key, secret) = new_key(&app, &caller, id, asked.scheme)?;
    let asked::New { url, events, description, enabled, scheme: _ } = asked;
    let new = NewWebhook { id, url, events, description, enabled, key };
    let made = app.store.webhooks.create(&act, &caller.0.org, new).await?;
    tracing::info!(webhook_id = %id, by = caller.0.sub, "a webhook endpoint was made");
    Ok(created(&format!("/api/v1/webhooks/{id}"), Json(WebhookResponse { secret, ..made.into() })))
}

/// The endpoints there are.
#[utoipa::path(get, path = "/api/v1/webhooks", tag = "webhooks", operation_id = "list_webhooks",
    responses((status = 200, description = "All, newest first", body = WebhookListResponse)))]
pub(crate) async fn list(State(app): State<App>, caller: Caller) -> Result<Json<WebhookListResponse>, Problem> {
    let found = app.store.webhooks.list(&caller.0.org).await?;
    Ok(Json(WebhookListResponse { webhooks: found.into_iter().map(WebhookResponse::from).collect() }))
}

/// One endpoint.
#[utoipa::path(get, path = "/api/v1/webhooks/{id}", tag = "webhooks", operation_id = "get_webhook",
    params(("id" = String, Path, description = "The endpoint's id")),
    responses((status = 200, description = "The endpoint, without its secret", body = WebhookResponse)))]
pub(crate) async fn detail(
    State(app): State<App>,
    caller: Caller,
    name: Name,
) -> Result<Json<WebhookResponse>, Problem> {
    Ok(Json(app.store.webhooks.get(&caller.0.org, id_of(name.as_str())?).await?.into()))
}

/// Changes an endpoint. One that is given another URL is given another secret, which is in this answer and never shown
/// again: whoever is there has no business with the one of before.
#[utoipa::path(patch, path = "/api/v1/webhooks/{id}", tag = "webhooks", operation_id = "change_webhook",
    params(("id" = String, Path, description = "The endpoint's id")),
    request_body = inline(WebhookChangeRequest),
    responses((status = 200, description = "Changed, with the secret if it is another one", body = WebhookResponse)))]
pub(crate) async fn change(
    State(app): State<App>,
    caller: Caller,
    Acting(act): Acting,
    name: Name,
    JsonBody(body): JsonBody,
) -> Result<Json<WebhookResponse>, Problem> {
    let id = id_of(name.as_str())?;
    let present = app.store.webhooks.get(&caller.0.org, id).await?;
    let asked = asked::for_change(&app.outbound, &body)?;
    may_be_told(&caller, asked.events.as_deref().unwrap_or(&present.events))?;
    let mut secret = None;
    let url = match asked.url.filter(|url| *url != present.url) {
        Some(url) => {
            let (key, shown) = new_key(&app, &caller, id, present.scheme)?;
            secret = shown;
            Some((url, key))
        }
        None => None,
    };
    let change = WebhookChange { url, events: asked.events, description: asked.description, enabled: asked.enabled };
    let changed = app.store.webhooks.change(&act, &caller.0.org, id, change).await?;
    tracing::info!(webhook_id = %id, by = caller.0.sub, "a webhook endpoint was changed");
    Ok(Json(WebhookResponse { secret, ..changed.into() }))
}

/// Gives an endpoint another key. For a while messages are signed with both; the secret is in this answer and never shown
/// again.
#[utoipa::path(post, path = "/api/v1/webhooks/{id}/rotate", tag = "webhooks", operation_id = "rotate_webhook",
    params(("id" = String, Path, description = "The endpoint's id")),
    request_body = inline(Option<WebhookRotateRequest>),
    responses((status = 200, description = "Rotated, with the new secret", body = WebhookResponse)))]
pub(crate) async fn rotate(
    State(app): State<App>,
    caller: Caller,
    Acting(act): Acting,
    name: Name,
    body: Option<JsonBody>,
) -> Result<Json<WebhookResponse>, Problem> {
    let id = id_of(name.as_str())?;
    let present = app.store.webhooks.get(&caller.0.org, id).await?;
    let asked = asked::for_rotation(&body.map(|JsonBody(body)| body).unwrap_or_default())?;
    let (key, secret) = new_key(&app, &caller, id, asked.scheme.unwrap_or(present.scheme))?;
    let rotated = app.store.webhooks.rotate(&act, &caller.0.org, id, key, asked.overlap).await?;
    tracing::info!(webhook_id = %id, by = caller.0.sub, "a webhook endpoint was given another key");
    Ok(Json(WebhookResponse { secret, ..rotated.into() }))
}

/// Forgets an endpoint. What is still owed to it is given up.
#[utoipa::path(delete, path = "/api/v1/webhooks/{id}", tag = "webhooks", operation_id = "delete_webhook",
    params(("id" = String, Path, description = "The endpoint's id")),
    responses((status = 204, description = "It is gone")))]
pub(crate) async fn delete(
    State(app): State<App>,
    caller: Caller,
    Acting(act): Acting,
    name: Name,
) -> Result<StatusCode, Problem> {
    let id = id_of(name.as_str())?;
    app.store.webhooks.delete(&act, &caller.0.org, id).await?;
    tracing::info!(webhook_id = %id, by = caller.0.sub, "a webhook endpoint was deleted");
    Ok(StatusCode::NO_CONTENT)
}

/// A new key for an endpoint of the caller's organization, and the secret to show, if there is one.
fn new_key(app: &App, caller: &Caller, id: WebhookId, scheme: SigningScheme) -> Result<(SealedKey, Option<String>)> {
    let key = SigningKey::generate(scheme)?;
    let row = id.to_string();
    Ok((key.seal(&app.sealer, Holder { org: &caller.0.org, row: &row })?, key.secret()))
}

/// An endpoint is told what its maker could see: nobody has events sent to an address that they may not read.
fn may_be_told(caller: &Caller, events: &[EventType]) -> Result<()> {
    for kind in events {
        let of_others = (*kind == EventType::ExportJobStatus).then_some(Permission::ExportsReadAll);
        for needed in std::iter::once(kind.permission()).chain(of_others) {
            if !caller.0.permissions.allow(&needed) {
                let detail = format!("an endpoint that is told of {} is for those who have {needed}", kind.name());
                return Err(Error::new(ErrorKind::Forbidden, detail));
            }
        }
    }
    Ok(())
}

/// What is no id is no endpoint, and says so like an absent one.
fn id_of(name: &str) -> Result<WebhookId> {
    let absent = "there is no such webhook endpoint; GET /api/v1/webhooks lists those there are";
    name.parse().map_err(|_| Error::new(ErrorKind::NotFound, absent))
}
