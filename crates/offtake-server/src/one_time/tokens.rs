//! The one-time tokens of an export: which there are, and taking one back.
//!
//! Nobody is told the text of a token again; a token is called by the beginning of its digest.

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use jiff::Timestamp;
use offtake_model::Error;
use offtake_model::id::JobId;
use offtake_store::{Token, TokenState};
use serde::Serialize;
use utoipa::ToSchema;

use crate::acting::Acting;
use crate::auth::Caller;
use crate::error::Problem;
use crate::extract::{Name, Names, no_such_job};
use crate::jobs::absent;
use crate::state::App;

/// The tokens for an export.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TokenListResponse {
    tokens: Vec<TokenView>,
}

/// A one-time token, without its text.
#[derive(Debug, Serialize, ToSchema)]
struct TokenView {
    /// What it is called, in the audit trail as well.
    #[schema(example = "9f86d081884c7d65")]
    id: String,
    /// Whom it was made for: whoever asked for it, or gets the mail.
    made_for: String,
    /// `download`, or `mail` for the link in a mail.
    purpose: &'static str,
    /// `live`, `spent` or `expired`.
    state: &'static str,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime)]
    spent_at: Option<Timestamp>,
}

impl From<Token> for TokenView {
    fn from(token: Token) -> Self {
        let Token { id, created_at, spent_at, claims, expires_at, state } = token;
        let state = match state {
            TokenState::Live => "live",
            TokenState::Spent => "spent",
            TokenState::Expired => "expired",
        };
        Self { id, made_for: claims.subject, purpose: claims.purpose.name(), state, created_at, expires_at, spent_at }
    }
}

/// The one-time tokens for an export, newest first.
#[utoipa::path(get, path = "/api/v1/export/jobs/{id}/tokens", tag = "exports", operation_id = "list_one_time_tokens",
    params(("id" = String, Path, description = "The job")),
    responses((status = 200, description = "Those that are kept", body = TokenListResponse)))]
pub(crate) async fn list(
    State(app): State<App>,
    caller: Caller,
    name: Name,
) -> Result<Json<TokenListResponse>, Problem> {
    let id = visible(&app, &caller, name.job()?).await?;
    let tokens = app.store.tokens.of_job(&caller.0.org, id).await?;
    Ok(Json(TokenListResponse { tokens: tokens.into_iter().map(TokenView::from).collect() }))
}

/// Takes a one-time token back. Whoever shows it is answered 410; a link that it was spent for lives on.
#[utoipa::path(delete, path = "/api/v1/export/jobs/{id}/tokens/{token}", tag = "exports",
    operation_id = "revoke_one_time_token",
    params(
        ("id" = String, Path, description = "The job"),
        ("token" = String, Path, description = "The id of the token"),
    ),
    responses((status = 204, description = "Nobody spends it any more")))]
pub(crate) async fn revoke(
    State(app): State<App>,
    caller: Caller,
    Acting(act): Acting,
    Names(job, token): Names,
) -> Result<StatusCode, Problem> {
    let id = visible(&app, &caller, job.parse().map_err(|_| no_such_job())?).await?;
    app.store.tokens.revoke(&act, &caller.0.org, id, &token).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The job, if the caller may see it.
async fn visible(app: &App, caller: &Caller, id: JobId) -> Result<JobId, Error> {
    app.store.jobs.get(&caller.scope(), id).await.map(|job| job.id).map_err(absent)
}
