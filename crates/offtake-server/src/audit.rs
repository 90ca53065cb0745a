//! The audit trail over HTTP, and what handlers write into it that change nothing in the store.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use axum::Json;
use axum::extract::State;
use http::Uri;
use jiff::Timestamp;
use offtake_model::audit::{Act, Action, AuditEntry};
use offtake_model::{Error, ErrorKind, Result};
use offtake_store::audit::to_file;
use offtake_store::{Artifact, AuditFilter};
use serde::Serialize;
use serde_json::{Map, Value as Json_};
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use crate::auth::Caller;
use crate::error::Problem;
use crate::extract::Params;
use crate::state::App;

/// Entries of a page when nothing is said.
const DEFAULT_LIMIT: u64 = 50;
/// Entries of a page at most.
const MAX_LIMIT: u64 = 500;

/// A page of the organization's audit trail, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AuditResponse {
    entries: Vec<AuditEntryResponse>,
    /// Hand it back as `cursor` for the next page; null on the last one.
    next_cursor: Option<String>,
}

/// Who did what, when, from where.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AuditEntryResponse {
    /// Its place in the organization's chain, from 1.
    #[schema(example = 4711)]
    number: u64,
    /// By the database's clock.
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// A `sub`, or the name of a user of the machine; of a link or a one-time token whom it was made for.
    #[schema(example = "ada")]
    actor: String,
    /// How the actor came: token, api_key, session, one_time_token, link, command_line, system.
    #[schema(example = "token")]
    via: String,
    #[schema(example = "export.create")]
    action: String,
    object: AuditObject,
    /// done or refused.
    #[schema(example = "done")]
    outcome: String,
    /// From which address.
    #[schema(example = "192.0.2.7")]
    address: Option<String>,
    user_agent: Option<String>,
    request_id: Option<String>,
    #[schema(value_type = Object)]
    detail: Map<String, Json_>,
    /// The hash of the entry before.
    previous: String,
    /// SHA-256 over all of the entry and the hash of the one before.
    hash: String,
}

/// What something was done to.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AuditObject {
    /// job, preset, principal, api_key, session, route, entry.
    #[schema(example = "job")]
    kind: String,
    #[schema(example = "job_0199c0ffee0070008000000000000001")]
    id: String,
}

impl AuditEntryResponse {
    fn of(entry: AuditEntry) -> Result<Self> {
        let damaged = || Error::new(ErrorKind::Internal, format!("audit entry {} cannot be read", entry.number));
        Ok(Self {
            number: entry.number,
            at: entry.moment().ok_or_else(damaged)?,
            detail: serde_json::from_str(&entry.detail).map_err(|cause| damaged().caused_by(cause))?,
            actor: entry.actor,
            via: entry.via,
            action: entry.action,
            object: AuditObject { kind: entry.object_kind, id: entry.object_id },
            outcome: entry.outcome,
            address: entry.address,
            user_agent: entry.user_agent,
            request_id: entry.request_id,
            previous: entry.previous,
            hash: entry.hash,
        })
    }
}

/// Who did what in the organization.
#[utoipa::path(get, path = "/api/v1/audit", tag = "audit", operation_id = "list_audit",
    params(
        ("actor" = Option<String>, Query, description = "Only of this actor"),
        ("action" = Option<String>, Query, description = "Only these actions; repeated or separated by commas"),
        ("object" = Option<String>, Query, description = "Only on the object of this id: a job, the name of a preset, …"),
        ("from" = Option<String>, Query, description = "Only from this moment on (RFC 3339)"),
        ("to" = Option<String>, Query, description = "Only before this moment (RFC 3339)"),
        ("limit" = Option<u64>, Query, description = "1 to 500; 50"),
        ("cursor" = Option<String>, Query, description = "As handed out with the page before"),
    ),
    responses((status = 200, description = "A page, newest first", body = AuditResponse)))]
pub(crate) async fn list(
    State(app): State<App>,
    caller: Caller,
    mut params: Params,
) -> Result<Json<AuditResponse>, Problem> {
    let moment = |text: &str| text.parse::<Timestamp>().map_err(|_| "is a moment: 2026-11-01T00:00:00Z".to_owned());
    let limit = params.number("limit", 1, MAX_LIMIT).unwrap_or(DEFAULT_LIMIT);
    let cursor = |text: &str| text.parse().map_err(|_| "is not a cursor that was handed out".to_owned());
    let filter = AuditFilter {
        actor: params.one("actor"),
        actions: actions(&mut params),
        object: params.one("object"),
        from: params.read("from", moment),
        to: params.read("to", moment),
        before: params.read("cursor", cursor),
        limit: u32::try_from(limit).unwrap_or(u32::MAX),
    };
    params.finish()?;
    let page = app.store.audit.list(&caller.0.org, &filter).await?;
    let next_cursor = page.entries.last().filter(|_| page.has_more).map(|entry| entry.number.to_string());
    let entries = page.entries.into_iter().map(AuditEntryResponse::of).collect::<Result<_>>()?;
    Ok(Json(AuditResponse { entries, next_cursor }))
}

fn actions(params: &mut Params) -> Vec<String> {
    let mut actions = Vec::new();
    for word in params.many("action").iter().flat_map(|text| text.split(',')) {
        match Action::parse(word.trim()) {
            Some(action) => actions.push(action.name().to_owned()),
            None => {
                let names: Vec<&str> = Action::ALL.iter().map(|action| action.name()).collect();
                params.refuse("action", format!("is one of {}", names.join(", ")));
            }
        }
    }
    actions
}

/// Writes down that the way to a file is given. Without that it is not given.
///
/// # Errors
/// `store_unavailable`, whatever it was that failed.
pub(crate) async fn gave(app: &App, act: &Act, action: Action, artifact: &Artifact) -> Result<()> {
    let written = app.store.audit.append(&artifact.org, act, &to_file(action, artifact)).await;
    written.map(drop).map_err(|error| {
        if error.kind() == ErrorKind::StoreUnavailable {
            return error;
        }
        Error::new(ErrorKind::StoreUnavailable, "the audit trail cannot be written to").caused_by(error)
    })
}

/// Uses of links that are remembered.
const MOST_USES: usize = 10_000;

/// Which links were used from where, as far as that is in the trail already: a file that is fetched in a thousand ranges
/// is one use of its link.
#[derive(Debug, Default)]
pub(crate) struct Uses(Mutex<HashSet<[u8; 32]>>);

impl Uses {
    /// Writes down that the bytes behind a link begin to be sent, unless it was for the same link and address.
    ///
    /// # Errors
    /// Those of [`gave`].
    pub(crate) async fn note(&self, app: &App, act: &Act, link: &Uri, artifact: &Artifact) -> Result<()> {
        // Not the link itself: whoever sees this memory must not be able to use it.
        let used: [u8; 32] = Sha256::digest(format!("{:?} {link}", act.address())).into();
        if self.lock().contains(&used) {
            return Ok(());
        }
        gave(app, act, Action::ExportFetch, artifact).await?;
        let mut uses = self.lock();
        // What is forgotten is written down once more.
        if uses.len() >= MOST_USES {
            uses.clear();
        }
        uses.insert(used);
        Ok(())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashSet<[u8; 32]>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
