//! Notifications over HTTP: who was told what, by which way, and what came of it; and once more.

use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use offtake_model::id::NotificationId;
use offtake_model::{Error, ErrorKind, Result};
use offtake_store::{Channel, Notification, NotificationFilter, NotificationState, Tried};
use serde::Serialize;
use utoipa::ToSchema;

use crate::acting::Acting;
use crate::auth::Caller;
use crate::error::Problem;
use crate::extract::{Name, Params};
use crate::state::App;

/// Notifications of a page when nothing is said.
const DEFAULT_LIMIT: u64 = 50;
/// Notifications of a page at most.
const MAX_LIMIT: u64 = 200;

/// A page of notifications, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NotificationListResponse {
    notifications: Vec<NotificationResponse>,
    /// Hand it back as `cursor` for the next page; null on the last one.
    next_cursor: Option<String>,
}

/// Word that somebody is owed, was given or could not be given.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NotificationResponse {
    #[schema(example = "ntf_0199c0ffee0070008000000000000001")]
    id: String,
    /// email or webhook.
    #[schema(example = "email")]
    channel: &'static str,
    /// An e-mail address, or the id of a webhook endpoint.
    #[schema(example = "ada@example.com")]
    address: String,
    /// pending, delivered or failed.
    #[schema(example = "pending")]
    state: &'static str,
    /// How often it was tried since it was owed (again).
    tries: u32,
    /// When it is tried next, while it is pending.
    #[schema(value_type = Option<String>, format = DateTime)]
    due_at: Option<Timestamp>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// What the last try came to.
    last_answer: Option<String>,
    event: NotifiedEvent,
}

/// What a notification is about.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NotifiedEvent {
    /// The same for everybody who is told, by whichever way.
    #[schema(example = "export_job_status:acme:4711")]
    id: String,
    #[schema(example = "export_job_status")]
    event_type: &'static str,
    seq: u64,
    job_id: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    timestamp: Timestamp,
}

/// A notification with its log.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NotificationDetailResponse {
    #[serde(flatten)]
    notification: NotificationResponse,
    log: Vec<TryResponse>,
}

/// One try.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TryResponse {
    /// From 1; it goes on when the notification is replayed.
    number: u32,
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    answer: String,
    took_ms: u64,
}

impl NotificationResponse {
    fn of(notification: Notification) -> Self {
        let Notification { id, org: _, channel, address, event, state, tries, due_at, created_at, last_answer } =
            notification;
        let event = NotifiedEvent {
            id: event.id(),
            event_type: event.kind.name(),
            seq: event.seq,
            job_id: event.job.map(|job| job.to_string()),
            timestamp: event.at,
        };
        let due_at = (state == NotificationState::Pending).then_some(due_at);
        let (id, channel, state) = (id.to_string(), channel.name(), state.name());
        Self { id, channel, address, state, tries, due_at, created_at, last_answer, event }
    }
}

impl TryResponse {
    fn of(tried: Tried) -> Self {
        let took_ms = u64::try_from(tried.took.as_millis()).unwrap_or_default();
        Self { number: tried.number, at: tried.at, answer: tried.answer, took_ms }
    }
}

/// Who in the organization is owed word, or was told.
#[utoipa::path(get, path = "/api/v1/notifications", tag = "notifications", operation_id = "list_notifications",
    params(
        ("channel" = Option<String>, Query, description = "Only email, or only webhook"),
        ("state" = Option<String>, Query, description = "Only pending, delivered or failed"),
        ("address" = Option<String>, Query, description = "Only to this e-mail address, or webhook endpoint"),
        ("limit" = Option<u64>, Query, description = "1 to 200; 50"),
        ("cursor" = Option<String>, Query, description = "As handed out with the page before"),
    ),
    responses((status = 200, description = "A page, newest first", body = NotificationListResponse)))]
pub(crate) async fn list(
    State(app): State<App>,
    caller: Caller,
    mut params: Params,
) -> Result<Json<NotificationListResponse>, Problem> {
    let limit = params.number("limit", 1, MAX_LIMIT).unwrap_or(DEFAULT_LIMIT) as usize;
    let channel = |text: &str| Channel::parse(text).ok_or_else(|| "is email or webhook".to_owned());
    let state = |text: &str| NotificationState::parse(text).ok_or_else(|| "is pending, delivered or failed".to_owned());
    let cursor = |text: &str| text.parse().map_err(|_| "is not a cursor that was handed out".to_owned());
    let filter = NotificationFilter {
        channel: params.read("channel", channel),
        state: params.read("state", state),
        address: params.one("address"),
        after: params.read("cursor", cursor),
        // One more, to know whether there are more.
        limit: u32::try_from(limit + 1).unwrap_or(u32::MAX),
    };
    params.finish()?;
    let mut page = app.store.outbox.notifications(&caller.0.org, &filter).await?;
    let has_more = page.len() > limit;
    page.truncate(limit);
    let next_cursor = page.last().filter(|_| has_more).map(|last| last.id.to_string());
    let notifications = page.into_iter().map(NotificationResponse::of).collect();
    Ok(Json(NotificationListResponse { notifications, next_cursor }))
}

/// A notification and each of its tries.
#[utoipa::path(get, path = "/api/v1/notifications/{id}", tag = "notifications", operation_id = "get_notification",
    params(("id" = String, Path, description = "The notification")),
    responses((status = 200, description = "The notification", body = NotificationDetailResponse)))]
pub(crate) async fn detail(
    State(app): State<App>,
    caller: Caller,
    name: Name,
) -> Result<Json<NotificationDetailResponse>, Problem> {
    let (notification, log) = app.store.outbox.notification(&caller.0.org, id_of(&name)?).await?;
    let log = log.into_iter().map(TryResponse::of).collect();
    Ok(Json(NotificationDetailResponse { notification: NotificationResponse::of(notification), log }))
}

/// Tells it once more, from the first step of its schedule, under the same id.
#[utoipa::path(post, path = "/api/v1/notifications/{id}/replay", tag = "notifications",
    operation_id = "replay_notification",
    params(("id" = String, Path, description = "The notification")),
    responses((status = 200, description = "It is owed again", body = NotificationResponse)))]
pub(crate) async fn replay(
    State(app): State<App>,
    caller: Caller,
    Acting(act): Acting,
    name: Name,
) -> Result<Json<NotificationResponse>, Problem> {
    let notification = app.store.outbox.owe_again(&act, &caller.0.org, id_of(&name)?).await?;
    Ok(Json(NotificationResponse::of(notification)))
}

/// What is no id is no notification, and says so like an absent one.
fn id_of(name: &Name) -> Result<NotificationId> {
    name.as_str().parse().map_err(|_| {
        let detail = "there is no such notification; GET /api/v1/notifications lists those there are";
        Error::new(ErrorKind::NotFound, detail)
    })
}
