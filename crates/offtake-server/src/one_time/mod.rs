//! One-time tokens over HTTP: asked for by who may download, spent by whoever shows one.
//!
//! Responsible for who gets a token and what it is good for. Its text is `offtake_store::one_time`'s, the page that a
//! mail links to is `page`'s, and that it is spent once is the store's. A `GET` spends nothing, whoever sends it.

mod page;
pub(crate) mod tokens;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, header};
use jiff::{SignedDuration, Timestamp};
use offtake_model::audit::{Act, Via};
use offtake_model::job::Job;
use offtake_model::{Error, ErrorKind, Result, Violation};
use offtake_store::{Artifact, JobScope, Token, TokenClaims, TokenPurpose, token_is_over};
use serde::Serialize;
use serde_json::{Map, Value as Json_};
use utoipa::ToSchema;

use crate::acting::Acting;
use crate::auth::Caller;
use crate::auth::refusals::Attempt;
use crate::error::Problem;
use crate::extract::{JsonBody, Name};
use crate::jobs::fetchable;
use crate::links::Link;
use crate::state::App;
use crate::watch::Watch;

/// Whatever the setting says, no token lives longer.
const MAX_TTL: SignedDuration = SignedDuration::from_hours(7 * 24);

/// A one-time token.
#[derive(Serialize, ToSchema)]
pub(crate) struct OneTimeTokenResponse {
    /// Good for one link to the file. Shown now and never again.
    #[schema(example = "ot1.3q2-…_Zw.9f86d081")]
    token: String,
    /// The page where a person spends it. Looking at the page spends nothing.
    url: String,
    /// When its time is over: never later than the file's.
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
}

/// What may be said of a token that is asked for.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "bodies are read as JSON, so that everything wrong is found at once")]
struct OneTimeTokenRequest {
    /// How long it holds, in seconds: at most what `token.one_time_ttl` says, which it is by default.
    expires_in: Option<u64>,
}

/// Makes a one-time token for the file of a job, in the place of an unspent one that the caller had for it.
#[utoipa::path(post, path = "/api/v1/export/jobs/{id}/token", tag = "exports", operation_id = "create_one_time_token",
    params(("id" = String, Path, description = "The job")),
    request_body = inline(Option<OneTimeTokenRequest>),
    responses((status = 201, description = "A fresh token", body = OneTimeTokenResponse)))]
pub(crate) async fn issue(
    State(app): State<App>,
    caller: Caller,
    Acting(by): Acting,
    name: Name,
    body: Option<JsonBody>,
) -> Result<Response, Problem> {
    let ttl = lifetime(&app, body.map(|JsonBody(body)| body).unwrap_or_default())?;
    let artifact = fetchable(&app, &caller, name.job()?).await?;
    let subject = caller.0.sub.clone();
    let claims = TokenClaims { org: artifact.org, subject, job: artifact.job, purpose: TokenPurpose::Download };
    let issued = app.one_time.issue(app.store.tokens.as_ref(), claims, ttl, by).await?;
    let (token, expires_at) = (issued.text, issued.expires_at);
    let url = format!("{}/d/{token}", app.links.base());
    Ok((StatusCode::CREATED, Json(OneTimeTokenResponse { token, url, expires_at })).into_response())
}

/// How long the token that this body asks for lives.
fn lifetime(app: &App, mut body: Map<String, Json_>) -> Result<SignedDuration> {
    let most = app.settings.one_time_ttl.clamp(SignedDuration::from_secs(1), MAX_TTL);
    let mut violations = Vec::new();
    let asked = body.shift_remove("expires_in").filter(|value| !value.is_null());
    let ttl = asked.and_then(|value| {
        let seconds = value.as_i64().filter(|seconds| (1..=most.as_secs()).contains(seconds));
        if seconds.is_none() {
            let detail = format!("is a whole number of seconds from 1 to {}", most.as_secs());
            violations.push(Violation::at("/expires_in", detail));
        }
        seconds.map(SignedDuration::from_secs)
    });
    refuse_rest(body, violations)?;
    Ok(ttl.unwrap_or(most))
}

fn refuse_rest(left: Map<String, Json_>, mut violations: Vec<Violation>) -> Result<()> {
    let pointer = |name: &str| format!("/{}", name.replace('~', "~0").replace('/', "~1"));
    violations.extend(left.keys().map(|name| Violation::at(pointer(name), "is not known here")));
    if violations.is_empty() { Ok(()) } else { Err(Error::invalid(violations)) }
}

/// A token to be spent.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "bodies are read as JSON, so that everything wrong is found at once")]
struct RedeemRequest {
    token: String,
}

/// What a token was spent for.
#[derive(Serialize, ToSchema)]
pub(crate) struct RedeemResponse {
    /// A fresh link to the file. It needs no token, and a download that broke off goes on under it.
    link: String,
    /// When the link dies: in ten minutes at most.
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
    file_name: String,
    bytes: u64,
    /// Of the file, in lower-case hex.
    sha256: String,
}

/// Spends a one-time token for a fresh link. The token is all the right that is needed.
///
/// Of all who show the same token, one is answered 200. An answer that was lost spent it all the same.
#[utoipa::path(post, path = "/api/v1/export/redeem", tag = "exports", operation_id = "redeem_one_time_token",
    request_body = inline(RedeemRequest),
    responses((status = 200, description = "The link", body = RedeemResponse)))]
pub(crate) async fn redeem(
    State(app): State<App>,
    Acting(act): Acting,
    JsonBody(mut body): JsonBody,
) -> Result<Json<RedeemResponse>, Problem> {
    let token = body.shift_remove("token");
    let violations = match token {
        Some(Json_::String(_)) => Vec::new(),
        Some(_) | None => vec![Violation::at("/token", "is needed: a token, as it was handed out")],
    };
    refuse_rest(body, violations)?;
    let (link, artifact) = spend(&app, act, token.as_ref().and_then(Json_::as_str).unwrap_or_default()).await?;
    let broken = || Error::new(ErrorKind::Internal, format!("the ready artifact {} has no size", artifact.id));
    Ok(Json(RedeemResponse {
        link: link.url,
        expires_at: link.expires_at,
        bytes: artifact.bytes.ok_or_else(broken)?,
        sha256: artifact.sha256.clone().ok_or_else(broken)?,
        file_name: artifact.file_name,
    }))
}

/// The page that a mail links to. Looking at it spends nothing.
#[utoipa::path(get, path = "/d/{token}", tag = "pages",
    params(("token" = String, Path, description = "A one-time token")),
    responses((status = 200, description = "A page")))]
pub(crate) async fn show(State(app): State<App>, name: Result<Name, Problem>) -> Response {
    match shown(&app, &text_of(name)).await {
        Ok((offer, link)) => page::offer(&offer, &link),
        Err(error) => page::refusal(&error),
    }
}

/// Spends the token of the page, for a browser without scripts.
#[utoipa::path(post, path = "/d/{token}", tag = "pages",
    params(("token" = String, Path, description = "A one-time token")),
    responses((status = 303, description = "To the file")))]
pub(crate) async fn spend_by_form(
    State(app): State<App>,
    Acting(act): Acting,
    name: Result<Name, Problem>,
    headers: HeaderMap,
) -> Response {
    if page::is_sent_from_elsewhere(&headers) {
        return page::refusal(&Error::new(ErrorKind::Forbidden, "open the link itself to download the file"));
    }
    match spend(&app, act, &text_of(name)).await {
        Ok((link, _)) => (StatusCode::SEE_OTHER, [(header::LOCATION, link.url)]).into_response(),
        Err(error) => page::refusal(&error),
    }
}

/// What cannot be decoded is no token, like anything else that is none.
fn text_of(name: Result<Name, Problem>) -> String {
    name.map(|Name(text)| text).unwrap_or_default()
}

/// A token that can be spent, and the file it leads to.
pub(crate) struct Offer {
    sha256: [u8; 32],
    pub(crate) token: Token,
    pub(crate) artifact: Artifact,
}

/// The offer, and where its file would be fetched.
async fn shown(app: &App, text: &str) -> Result<(Offer, Link)> {
    let offer = offer(app, text).await?;
    let link = app.links.fresh(&offer.artifact, &offer.token.claims.subject, false, app).await?;
    Ok((offer, link))
}

async fn spend(app: &App, by: Act, text: &str) -> Result<(Link, Artifact)> {
    // The link first: a store that gives none costs nobody a token.
    let shown = shown(app, text).await;
    if let Err(error) = &shown
        && error.kind() == ErrorKind::Revoked
    {
        note_revoked(app, by.clone(), text, error).await;
    }
    let (offer, link) = shown?;
    app.store.tokens.spend(by, offer.sha256).await?;
    tracing::info!(job_id = %offer.artifact.job, org_id = %offer.artifact.org, "a one-time token was spent");
    Ok((link, offer.artifact))
}

/// Notes that a token was shown which is genuine, by whose subject may not have the file any more.
async fn note_revoked(app: &App, by: Act, text: &str, error: &Error) {
    let Some(shown) = app.one_time.read(text, app.clock.now()) else { return };
    if let Ok(Some(Token { claims, .. })) = app.store.tokens.look(shown.sha256()).await {
        let attempt = Attempt::at("POST /api/v1/export/redeem", by).by(&claims.subject, Via::OneTimeToken);
        app.refusals.note(&claims.org, attempt, error);
    }
}

/// What `text` is a right to, now.
///
/// # Errors
/// `not_found` for what we never handed out, whatever is wrong with it; `gone` for what was ours and is over.
async fn offer(app: &App, text: &str) -> Result<Offer> {
    let unknown = || Error::new(ErrorKind::NotFound, "there is no such token; ask for one");
    let shown = app.one_time.read(text, app.clock.now()).ok_or_else(unknown)?;
    let sha256 = shown.sha256();
    // The signature says that it was ours, so there was a row.
    let token = app.store.tokens.look(sha256).await?.ok_or_else(token_is_over)?;
    if !shown.is_bound_to(&token.claims, token.expires_at) {
        tracing::error!(job_id = %token.claims.job, org_id = %token.claims.org, "a token's row is not what was signed");
        return Err(unknown());
    }
    token.require_live()?;
    let scope = JobScope { org: token.claims.org.clone(), owner: None };
    let job = app.store.jobs.get(&scope, token.claims.job).await.map_err(file_is_gone)?;
    let artifact = app.store.artifacts.ready(&scope, job.id).await.map_err(file_is_gone)?;
    require_standing(app, &token.claims.subject, &job, &artifact).await?;
    Ok(Offer { sha256, token, artifact })
}

/// Judges the subject of a token: who could not ask for it any more has nothing of it either.
///
/// # Errors
/// `revoked`; why is nobody's to know who shows a token.
async fn require_standing(app: &App, subject: &str, job: &Job, artifact: &Artifact) -> Result<()> {
    let right = Watch::over(app, artifact, &job.owner, subject.to_owned());
    let withdrawn = || Error::new(ErrorKind::Revoked, "the right that this token gave was withdrawn");
    right.look().await.map_err(|error| if error.kind() == ErrorKind::Forbidden { withdrawn() } else { error })
}

/// Whatever became of the job, to who shows a token it is one thing.
fn file_is_gone(error: Error) -> Error {
    use ErrorKind::{Conflict, Gone, NotFound, NotReady};
    let is_gone = matches!(error.kind(), NotFound | Gone | NotReady | Conflict);
    if is_gone { Error::new(Gone, "the file is no longer there") } else { error }
}
