//! What was sent to an endpoint, and sending again.

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use jiff::Timestamp;
use offtake_model::id::{NotificationId, WebhookId};
use offtake_model::webhook::message;
use offtake_model::{Error, ErrorKind, Result};
use offtake_store::{Channel, Notification, NotificationFilter, NotificationState, Tried};
use serde::Serialize;
use serde_json::Value as Json_;
use utoipa::ToSchema;

use super::{id_of, may_be_told};
use crate::acting::Acting;
use crate::auth::Caller;
use crate::error::Problem;
use crate::extract::{Name, Names, Params};
use crate::principals::LIMITS;
use crate::state::App;

/// What was sent to an endpoint, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DeliveryListResponse {
    deliveries: Vec<DeliveryResponse>,
    /// Hand it back as `cursor` for the next page.
    next_cursor: Option<String>,
}

/// A message to an endpoint.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DeliveryResponse {
    /// What the message has as `webhook-id`, the same each time it is sent.
    #[schema(example = "ntf_0199c0ffee0070008000000000000001")]
    id: String,
    #[schema(example = "export_job_status")]
    event_type: String,
    /// The number of the event in the organization.
    seq: u64,
    /// `pending`, `delivered` or `failed`.
    #[schema(example = "delivered")]
    state: String,
    /// How often it was tried since it was owed.
    tries: u32,
    /// When it is tried next.
    #[schema(value_type = Option<String>, format = DateTime)]
    due_at: Option<Timestamp>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// What the last try came to.
    last_answer: Option<String>,
    /// What is sent, where one message was asked for by somebody who may read events of its type.
    #[schema(value_type = Option<Object>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<Json_>,
    /// Every try, where one message was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    log: Option<Vec<TryResponse>>,
}

/// One try.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TryResponse {
    number: u32,
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// The status and how the answer began, or why there was none.
    #[schema(example = "503: try later")]
    answer: String,
    took_ms: i64,
}

impl From<Notification> for DeliveryResponse {
    fn from(notification: Notification) -> Self {
        let Notification { id, event, state, tries, due_at, created_at, last_answer, .. } = notification;
        Self {
            id: id.to_string(),
            event_type: event.kind.name().to_owned(),
            seq: event.seq,
            state: state.name().to_owned(),
            tries,
            due_at: (state == NotificationState::Pending).then_some(due_at),
            created_at,
            last_answer,
            payload: None,
            log: None,
        }
    }
}

impl From<Tried> for TryResponse {
    fn from(tried: Tried) -> Self {
        let Tried { at, number, answer, took } = tried;
        Self { number, at, answer, took_ms: i64::try_from(took.as_millis()).unwrap_or(i64::MAX) }
    }
}

/// Sends a test: a `system_alert` for this endpoint alone, whatever types it asked for, also to one that is disabled.
#[utoipa::path(post, path = "/api/v1/webhooks/{id}/test", tag = "webhooks", operation_id = "test_webhook",
    params(("id" = String, Path, description = "The endpoint's id")),
    responses((status = 202, description = "It is owed; its delivery tells what comes of it", body = DeliveryResponse)))]
pub(crate) async fn test(
    State(app): State<App>,
    caller: Caller,
    Acting(act): Acting,
    name: Name,
) -> Result<(StatusCode, Json<DeliveryResponse>), Problem> {
    let (org, id) = (&caller.0.org, id_of(name.as_str())?);
    let owed = app.store.webhooks.test(&act, org, id).await?;
    let (notification, _) = app.store.outbox.notification(org, owed).await?;
    Ok((StatusCode::ACCEPTED, Json(notification.into())))
}

/// What was sent to an endpoint, or is owed to it.
#[utoipa::path(get, path = "/api/v1/webhooks/{id}/deliveries", tag = "webhooks", operation_id = "list_webhook_deliveries",
    params(
        ("id" = String, Path, description = "The endpoint's id"),
        ("state" = Option<String>, Query, description = "Only those: pending, delivered or failed"),
        ("limit" = Option<u64>, Query, description = "1 to 200; 50"),
        ("cursor" = Option<String>, Query, description = "As handed out with the page before"),
    ),
    responses((status = 200, description = "A page, newest first", body = DeliveryListResponse)))]
pub(crate) async fn list(
    State(app): State<App>,
    caller: Caller,
    name: Name,
    mut params: Params,
) -> Result<Json<DeliveryListResponse>, Problem> {
    let limit = params.number("limit", 1, LIMITS.1).unwrap_or(LIMITS.0);
    let state = params.read("state", |text| {
        NotificationState::parse(text).ok_or_else(|| "is pending, delivered or failed".to_owned())
    });
    let after =
        params.read("cursor", |text| text.parse().map_err(|_| "is not a cursor that was handed out".to_owned()));
    params.finish()?;
    let (org, id) = (&caller.0.org, id_of(name.as_str())?);
    app.store.webhooks.get(org, id).await?;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let filter = NotificationFilter {
        channel: Some(Channel::Webhook),
        address: Some(id.to_string()),
        state,
        limit: u32::try_from(limit + 1).unwrap_or(u32::MAX),
        after,
    };
    let mut found = app.store.outbox.notifications(org, &filter).await?;
    let more = found.len() > limit;
    found.truncate(limit);
    let next_cursor = found.last().filter(|_| more).map(|last| last.id.to_string());
    Ok(Json(DeliveryListResponse { deliveries: found.into_iter().map(DeliveryResponse::from).collect(), next_cursor }))
}

/// One message, with what is sent and every try.
#[utoipa::path(get, path = "/api/v1/webhooks/{id}/deliveries/{delivery}", tag = "webhooks",
    operation_id = "get_webhook_delivery",
    params(
        ("id" = String, Path, description = "The endpoint's id"),
        ("delivery" = String, Path, description = "The message's id"),
    ),
    responses((status = 200, description = "The message with its log", body = DeliveryResponse)))]
pub(crate) async fn detail(
    State(app): State<App>,
    caller: Caller,
    Names(id, delivery): Names,
) -> Result<Json<DeliveryResponse>, Problem> {
    let (notification, tried) = of_endpoint(&app, &caller, id_of(&id)?, &delivery).await?;
    let log = tried.into_iter().map(TryResponse::from).collect();
    let payload = may_be_told(&caller, &[notification.event.kind]).is_ok().then(|| message(&notification.event));
    Ok(Json(DeliveryResponse { log: Some(log), payload, ..notification.into() }))
}

/// Sends a message once more, under the same id, and again by the schedule if that fails.
#[utoipa::path(post, path = "/api/v1/webhooks/{id}/deliveries/{delivery}/replay", tag = "webhooks",
    operation_id = "replay_webhook_delivery",
    params(
        ("id" = String, Path, description = "The endpoint's id"),
        ("delivery" = String, Path, description = "The message's id"),
    ),
    responses((status = 202, description = "It is owed again", body = DeliveryResponse)))]
pub(crate) async fn replay(
    State(app): State<App>,
    caller: Caller,
    Acting(act): Acting,
    Names(id, delivery): Names,
) -> Result<(StatusCode, Json<DeliveryResponse>), Problem> {
    let (notification, _) = of_endpoint(&app, &caller, id_of(&id)?, &delivery).await?;
    let owed = app.store.outbox.owe_again(&act, &caller.0.org, notification.id).await?;
    Ok((StatusCode::ACCEPTED, Json(owed.into())))
}

/// A message to this endpoint; one to another, or by another way, is absent.
async fn of_endpoint(app: &App, caller: &Caller, id: WebhookId, delivery: &str) -> Result<(Notification, Vec<Tried>)> {
    app.store.webhooks.get(&caller.0.org, id).await?;
    let absent =
        || Error::new(ErrorKind::NotFound, "there is no such delivery; GET …/deliveries lists those of the endpoint");
    let delivery: NotificationId = delivery.parse().map_err(|_| absent())?;
    let as_absent = |error: Error| if error.kind() == ErrorKind::NotFound { absent() } else { error };
    let found = app.store.outbox.notification(&caller.0.org, delivery).await.map_err(as_absent)?;
    let is_its_own = found.0.channel == Channel::Webhook && found.0.address == id.to_string();
    if is_its_own { Ok(found) } else { Err(absent()) }
}
