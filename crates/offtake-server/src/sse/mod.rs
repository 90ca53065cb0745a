//! What happens to one export, as server-sent events: each transition with its number, progress without one, and the end.
//!
//! A stream tells what the tables say; hints only make it look sooner. So it goes on where its client left off, whichever
//! server that comes back to.

mod follow;
mod places;
mod standing;

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::stream::unfold;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use offtake_model::Result;
use utoipa::ToSchema;

use crate::auth::Caller;
use crate::edge::Draining;
use crate::error::Problem;
use crate::extract::Name;
use crate::jobs::absent;
use crate::state::App;
use follow::Follow;
pub(crate) use places::Places;
use standing::Standing;

/// How long a connection is silent, at most.
const HEARTBEAT: Duration = Duration::from_secs(15);

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// Proxies that gather what they pass on are asked not to.
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// A message of the stream, as its fields are called on the wire.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "messages are written by axum")]
pub(crate) struct JobEventMessage {
    /// The number of the event; progress has none.
    id: Option<String>,
    /// `export_job_status`.
    event: Option<String>,
    /// JSON: `event_type`, `data`, `timestamp`, `seq`.
    data: Option<String>,
    /// Milliseconds to wait before coming back.
    retry: Option<u64>,
}

/// What happens to an export, until it is over.
///
/// The first message is its present state; with `Last-Event-ID`, what happened since. Transitions carry an `id`; progress,
/// twice a second at most, carries none. Comments keep the connection alive.
#[utoipa::path(get, path = "/api/v1/export/jobs/{id}/events", tag = "exports", operation_id = "job_events",
    params(
        ("id" = String, Path, description = "The job"),
        ("Last-Event-ID" = Option<String>, Header, description = "The id of the last message that arrived"),
    ),
    responses(
        (status = 200, description = "Messages `export_job_status`", content_type = "text/event-stream", body = JobEventMessage),
        (status = 204, description = "All of it was told: there is no need to come back"),
    ))]
pub(crate) async fn job_events(
    State(app): State<App>,
    caller: Caller,
    name: Name,
    method: Method,
    headers: HeaderMap,
    draining: Draining,
) -> Result<Response, Problem> {
    let id = name.job()?;
    // What is not there takes no place.
    app.store.jobs.get(&caller.scope(), id).await.map_err(absent)?;
    let place = app.streams.take(&caller.0)?;
    let known = headers.get(LAST_EVENT_ID).and_then(|value| value.to_str().ok()?.trim().parse().ok());
    let standing = Standing::new(method, headers, caller);
    let Some(follow) = Follow::begin(app, id, standing, known, draining, place).await? else {
        return Ok(StatusCode::NO_CONTENT.into_response());
    };
    let messages = unfold(follow, async |mut follow| {
        let message = follow.next().await?;
        Some((Ok::<_, Infallible>(message), follow))
    });
    let stream = Sse::new(messages).keep_alive(KeepAlive::new().interval(HEARTBEAT));
    let headers = [
        (header::CACHE_CONTROL, HeaderValue::from_static("private, no-store")),
        (X_ACCEL_BUFFERING, HeaderValue::from_static("no")),
    ];
    Ok((headers, stream).into_response())
}
