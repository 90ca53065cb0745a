//! How a live socket comes to be: by an upgrade, or first a ticket and then an upgrade.

use std::sync::Arc;

use axum::Extension;
use axum::Json;
use axum::extract::State;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use offtake_model::{Error, ErrorKind};
use offtake_store::Pass;
use serde::Serialize;
use utoipa::ToSchema;

use super::protocol::configured;
use super::right::Right;
use super::socket::{Circumstances, serve};
use crate::auth::{Caller, Via, fingerprint, key_text};
use crate::edge::Draining;
use crate::error::Problem;
use crate::serve::Staying;
use crate::state::App;

/// How long a ticket can be used.
const TICKET_TTL: SignedDuration = SignedDuration::from_secs(30);

/// Opens a live socket: events as they happen.
///
/// A WebSocket (RFC 6455), not HTTP/2. The caller shows a token, an API key, the cookie of a session (from a page of this
/// server) or, in the query, a ticket.
#[utoipa::path(get, path = "/api/v1/ws", tag = "live", operation_id = "open_live_socket",
    params(("ticket" = Option<String>, Query, description = "A ticket of POST /api/v1/ws/ticket, in place of a header")),
    responses((status = 101, description = "The connection is a WebSocket now")))]
pub(crate) async fn open(
    State(app): State<App>,
    caller: Caller,
    via: Via,
    draining: Draining,
    staying: Option<Extension<Staying>>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    let upgrade = upgrade.map_err(|rejection| {
        let detail = format!("this is where a WebSocket is opened: {rejection}");
        Error::new(ErrorKind::InvalidRequest, detail)
    })?;
    let right = Right::of(caller.0, via);
    // Tokens are taken for a moment after their end, for clocks that differ; a socket is not kept by such a one.
    if right.until().is_some_and(|until| until <= app.clock.now()) {
        return Err(Problem::new(ErrorKind::Unauthenticated, "the bearer token has expired; get a new one"));
    }
    let seat = app.live.seats.take(right.principal())?;
    let with = Circumstances {
        app: Arc::clone(&app),
        right,
        shutdown: draining.0,
        _seat: seat,
        _staying: staying.map(|Extension(staying)| staying),
    };
    Ok(configured(upgrade).on_upgrade(move |socket| serve(socket, with)))
}

/// A ticket.
#[derive(Serialize, ToSchema)]
pub(crate) struct TicketResponse {
    /// Good for one live socket: `/api/v1/ws?ticket=…`. Shown now and never again.
    ticket: String,
    /// When its time is over.
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
}

/// Makes a ticket by which a browser, which cannot send a header along, opens a live socket: once, within 30 seconds.
///
/// The socket may do what whoever asks for the ticket may do, and ends when that does.
#[utoipa::path(post, path = "/api/v1/ws/ticket", tag = "live", operation_id = "create_live_ticket",
    responses((status = 201, description = "A fresh ticket", body = TicketResponse)))]
pub(crate) async fn ticket(State(app): State<App>, caller: Caller, via: Via) -> Result<Response, Problem> {
    let right = Right::of(caller.0, via);
    let ticket = key_text::random();
    let pass = Pass {
        principal: right.principal().clone(),
        until: right.until(),
        session: right.session().map(str::to_owned),
    };
    let expires_at = app.store.tickets.issue(&fingerprint(&ticket), &pass, TICKET_TTL).await?;
    Ok((StatusCode::CREATED, Json(TicketResponse { ticket, expires_at })).into_response())
}
