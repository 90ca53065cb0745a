//! Signing in on one machine, without an identity provider: a link with a ticket, a page with a button, and the session
//! that the button opens.
//!
//! The ticket stands behind the `#` of the link, so that no server, log or referrer sees it; looking at the page spends
//! nothing, whoever looks. The button does.

use axum::Json;
use axum::extract::State;
use axum::response::{Html, IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use jiff::{SignedDuration, Timestamp};
use offtake_model::audit::{self, Act};
use offtake_model::principal::Principal;
use offtake_model::{Error, ErrorKind, Result};
use offtake_store::Sessions;
use serde::Serialize;
use utoipa::ToSchema;

use crate::acting::Acting;
use crate::auth::{Caller, Via, cookie_name, fingerprint, key_text, origin, session_of};
use crate::error::Problem;
use crate::extract::JsonBody;
use crate::state::{App, ServerSettings};

/// How long a sign-in link can be used.
pub const TICKET_TTL: SignedDuration = SignedDuration::from_mins(15);
/// A session ends after so long, however much it is used.
const LIFETIME: SignedDuration = SignedDuration::from_hours(12);

const PAGE: &str = include_str!("page.html");
const SCRIPT: &str = include_str!("sign-in.js");
const POLICY: &str = "default-src 'none'; script-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; \
     frame-ancestors 'none'";

/// Makes a link below `server` by which `principal` can sign in once, within [`TICKET_TTL`].
///
/// # Errors
/// `store_unavailable`.
pub async fn link(sessions: &dyn Sessions, by: &Act, principal: &Principal, server: &str) -> Result<String> {
    let ticket = key_text::random();
    sessions.offer(by, &fingerprint(&ticket), principal, TICKET_TTL).await?;
    Ok(format!("{}/sign-in#{ticket}", server.trim_end_matches('/')))
}

/// The page that a sign-in link leads to.
#[utoipa::path(get, path = "/sign-in", tag = "pages", responses((status = 200, description = "A page")))]
pub(crate) async fn page() -> impl IntoResponse {
    ([(header::CONTENT_SECURITY_POLICY, POLICY)], Html(PAGE))
}

/// What its button does.
#[utoipa::path(get, path = "/sign-in.js", tag = "pages", responses((status = 200, description = "A script")))]
pub(crate) async fn script() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/javascript; charset=utf-8"), (header::CACHE_CONTROL, "no-cache")], SCRIPT)
}

/// Who one is here.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SessionResponse {
    org_id: String,
    sub: String,
    email: Option<String>,
    mail: MailView,
    /// As granted.
    permissions: Vec<String>,
    /// What of it an administrator withholds.
    withheld: Vec<String>,
    /// `token`, `api_key` or `session`.
    via: &'static str,
    /// When the session ends; null for the others.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
}

/// Whether `"notify": {"email": true}` can be asked for.
#[derive(Debug, Serialize, ToSchema)]
struct MailView {
    /// Whether this installation sends mail.
    is_sent: bool,
    /// Where it would go: the address one comes with, or else last came with.
    address: Option<String>,
}

impl SessionResponse {
    fn of(
        app: &App,
        principal: &Principal,
        known: Option<String>,
        via: &'static str,
        expires_at: Option<Timestamp>,
    ) -> Self {
        let address = principal.email.clone().or(known);
        Self {
            mail: MailView { is_sent: app.settings.sends_mail, address },
            org_id: principal.org.as_str().to_owned(),
            sub: principal.sub.clone(),
            email: principal.email.clone(),
            permissions: principal.permissions.to_words(),
            withheld: principal.permissions.withheld().iter().map(ToString::to_string).collect(),
            via,
            expires_at,
        }
    }
}

/// What a session is opened with.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "bodies are read as JSON")]
pub(crate) struct SessionRequest {
    /// What stands behind the `#` of a sign-in link.
    ticket: String,
}

/// Spends the ticket of a sign-in link and sets the cookie of a session.
#[utoipa::path(post, path = "/api/v1/session", tag = "session", operation_id = "create_session",
    request_body = inline(SessionRequest),
    responses((status = 201, description = "Signed in", body = SessionResponse,
        headers(("Set-Cookie" = String, description = "The session")))))]
pub(crate) async fn open(
    State(app): State<App>,
    Acting(act): Acting,
    headers: HeaderMap,
    JsonBody(body): JsonBody,
) -> Result<Response, Problem> {
    // Or another site's page could sign a visitor in as somebody else.
    origin::refuse_foreign(&app.settings, &headers)?;
    let ticket = match body.get("ticket").and_then(serde_json::Value::as_str) {
        Some(ticket) if body.len() == 1 => ticket,
        _ => return Err(Error::invalid_at("/ticket", "is needed, and nothing else").into()),
    };
    let secret = key_text::random();
    let own = fingerprint(&secret);
    let act = act.named("", audit::Via::OneTimeToken);
    let session = app.store.sessions.open(&act, &fingerprint(ticket), &own, LIFETIME).await?;
    let Principal { org, sub, .. } = &session.principal;
    let act = act.named(sub, audit::Via::Session);
    let stand = app.store.principals.standing(org, sub).await?;
    if let Err(error) = stand.standing.require([]) {
        app.store.sessions.close(&act, &own).await?;
        return Err(error.into());
    }
    if let Some(former) = session_of(&app.settings, &headers) {
        app.store.sessions.close(&act, &fingerprint(former)).await?;
    }
    tracing::info!(org_id = org.as_str(), sub, "signed in");
    let body = SessionResponse::of(&app, &session.principal, stand.email, "session", Some(session.expires_at));
    let cookie = cookie(&app.settings, &secret, LIFETIME)?;
    Ok((StatusCode::CREATED, [(header::SET_COOKIE, cookie)], Json(body)).into_response())
}

/// Who one is, by whatever one shows.
#[utoipa::path(get, path = "/api/v1/session", tag = "session", operation_id = "get_session",
    responses((status = 200, description = "Who one is", body = SessionResponse)))]
pub(crate) async fn detail(State(app): State<App>, caller: Caller, via: Via) -> Result<Json<SessionResponse>, Problem> {
    let (word, expires_at) = match via {
        Via::Token { .. } | Via::Ticket { .. } => ("token", None),
        Via::ApiKey { .. } => ("api_key", None),
        Via::Session { expires_at, .. } => ("session", Some(expires_at)),
    };
    let principal = &caller.0;
    let known = match principal.email {
        Some(_) => None,
        None => app.store.principals.standing(&principal.org, &principal.sub).await?.email,
    };
    Ok(Json(SessionResponse::of(&app, principal, known, word, expires_at)))
}

/// Signs out.
#[utoipa::path(delete, path = "/api/v1/session", tag = "session", operation_id = "delete_session",
    responses((status = 204, description = "The session is over")))]
pub(crate) async fn close(State(app): State<App>, Acting(act): Acting, via: Via) -> Result<Response, Problem> {
    let Via::Session { fingerprint, .. } = via else {
        let detail = "this request shows a token or a key, and no session; those end by themselves, or are revoked";
        return Err(Problem::new(ErrorKind::Conflict, detail));
    };
    app.store.sessions.close(&act, &fingerprint).await?;
    let gone = cookie(&app.settings, "", SignedDuration::ZERO)?;
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, gone)]).into_response())
}

fn cookie(settings: &ServerSettings, value: &str, lives: SignedDuration) -> Result<HeaderValue> {
    let (name, secure) = (cookie_name(settings), if settings.by_tls() { "; Secure" } else { "" });
    let text = format!("{name}={value}; Path=/; Max-Age={}; HttpOnly; SameSite=Strict{secure}", lives.as_secs());
    HeaderValue::from_str(&text).map_err(|_| Error::new(ErrorKind::Internal, "a cookie cannot be written"))
}
