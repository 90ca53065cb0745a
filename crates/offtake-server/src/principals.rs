//! Principals over HTTP: who was seen here, and what an administrator takes from them.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::State;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jiff::Timestamp;
use offtake_model::api_key::{SUB_PREFIX, is_reserved};
use offtake_model::permission::Permission;
use offtake_model::principal::{KnownPrincipal, PrincipalChange, is_sub};
use offtake_model::{Error, ErrorKind, Result, Violation};
use serde::Serialize;
use serde_json::{Map, Value as Json_};
use utoipa::ToSchema;

use crate::auth::{Caller, Via};
use crate::error::Problem;
use crate::extract::{JsonBody, Name, Params};
use crate::state::App;

/// Entries of a page when nothing is said, and at most.
pub(crate) const LIMITS: (u64, u64) = (50, 200);

/// Those who were seen, or spoken of.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PrincipalListResponse {
    principals: Vec<PrincipalResponse>,
    /// Hand it back as `cursor` for the next page.
    next_cursor: Option<String>,
}

/// A user or a machine.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PrincipalResponse {
    /// As in its token; `api_key:…` for an API key.
    #[schema(example = "alice")]
    sub: String,
    email: Option<String>,
    /// Null if it was never seen.
    #[schema(value_type = Option<String>, format = DateTime)]
    first_seen_at: Option<Timestamp>,
    /// Give or take a minute.
    #[schema(value_type = Option<String>, format = DateTime)]
    last_seen_at: Option<Timestamp>,
    disabled: bool,
    #[schema(value_type = Option<String>, format = DateTime)]
    disabled_at: Option<Timestamp>,
    /// Permissions it does not have, whatever its token says.
    withheld: Vec<String>,
}

impl From<KnownPrincipal> for PrincipalResponse {
    fn from(known: KnownPrincipal) -> Self {
        let KnownPrincipal { sub, email, first_seen_at, last_seen_at, disabled_at, withheld } = known;
        let withheld = withheld.iter().map(ToString::to_string).collect();
        Self { sub, email, first_seen_at, last_seen_at, disabled: disabled_at.is_some(), disabled_at, withheld }
    }
}

/// Who was seen here.
#[utoipa::path(get, path = "/api/v1/principals", tag = "principals", operation_id = "list_principals",
    params(
        ("limit" = Option<u64>, Query, description = "1 to 200; 50"),
        ("cursor" = Option<String>, Query, description = "As handed out with the page before"),
    ),
    responses((status = 200, description = "A page, by sub", body = PrincipalListResponse)))]
pub(crate) async fn list(
    State(app): State<App>,
    caller: Caller,
    mut params: Params,
) -> Result<Json<PrincipalListResponse>, Problem> {
    let limit = params.number("limit", 1, LIMITS.1).unwrap_or(LIMITS.0);
    let after = params.read("cursor", |text| {
        let sub = BASE64_URL_SAFE_NO_PAD.decode(text).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        sub.filter(|sub| is_sub(sub)).ok_or_else(|| "is not a cursor that was handed out".to_owned())
    });
    params.finish()?;
    let limit = u32::try_from(limit).unwrap_or(u32::MAX);
    let (found, more) = app.store.principals.list(&caller.0.org, after.as_deref(), limit).await?;
    let next_cursor = found.last().filter(|_| more).map(|last| BASE64_URL_SAFE_NO_PAD.encode(&last.sub));
    let principals = found.into_iter().map(PrincipalResponse::from).collect();
    Ok(Json(PrincipalListResponse { principals, next_cursor }))
}

/// One of them.
#[utoipa::path(get, path = "/api/v1/principals/{sub}", tag = "principals", operation_id = "get_principal",
    params(("sub" = String, Path, description = "As in its token")),
    responses((status = 200, description = "The principal", body = PrincipalResponse)))]
pub(crate) async fn detail(
    State(app): State<App>,
    caller: Caller,
    name: Name,
) -> Result<Json<PrincipalResponse>, Problem> {
    Ok(Json(app.store.principals.get(&caller.0.org, name.as_str()).await?.into()))
}

/// What is decided anew. What the body does not name stays as it is.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "bodies are read as JSON, so that everything wrong is found at once")]
pub(crate) struct PrincipalRequest {
    /// Whether it may do nothing at all. Its running exports end, and so do its downloads.
    disabled: Option<bool>,
    /// Permissions it shall not have, whatever its token says: the whole list.
    withheld: Option<Vec<String>>,
}

/// Disables a principal, lets it in again, or withholds permissions from it. It holds from the next request on. One
/// that was never seen is remembered, so that it finds the door closed when it comes.
#[utoipa::path(patch, path = "/api/v1/principals/{sub}", tag = "principals", operation_id = "change_principal",
    params(("sub" = String, Path, description = "As in its token")),
    request_body = inline(PrincipalRequest),
    responses((status = 200, description = "Changed", body = PrincipalResponse)))]
pub(crate) async fn change(
    State(app): State<App>,
    caller: Caller,
    via: Via,
    name: Name,
    JsonBody(body): JsonBody,
) -> Result<Json<PrincipalResponse>, Problem> {
    let (org, sub) = (&caller.0.org, name.as_str());
    let change = asked_for(&body)?;
    if !is_sub(sub) {
        return Err(Problem::new(ErrorKind::NotFound, "nobody can be called so"));
    }
    if let Some(key) = sub.strip_prefix(SUB_PREFIX).filter(|_| is_reserved(sub)) {
        // A key's principal is there as long as the key is known.
        app.store.api_keys.get(org, key.parse()?).await?;
    }
    let own = caller.0.sub == sub || matches!(&via, Via::ApiKey { maker } if maker == sub);
    let locked_out = change.disabled == Some(true)
        || change.withheld.as_ref().is_some_and(|withheld| withheld.contains(&Permission::Admin));
    if own && locked_out {
        let detail = "you would lock yourself out; let another administrator do this";
        return Err(Problem::new(ErrorKind::Conflict, detail));
    }
    let changed = app.store.principals.change(org, sub, &change).await?;
    tracing::info!(sub, by = caller.0.sub, disabled = changed.disabled_at.is_some(), "a principal was changed");
    Ok(Json(changed.into()))
}

fn asked_for(body: &Map<String, Json_>) -> Result<PrincipalChange> {
    let mut violations = Vec::new();
    let mut change = PrincipalChange::default();
    for (member, value) in body {
        match (member.as_str(), value) {
            ("disabled", Json_::Bool(disabled)) => change.disabled = Some(*disabled),
            ("disabled", _) => violations.push(Violation::at("/disabled", "is true or false")),
            ("withheld", Json_::Array(words)) => change.withheld = Some(permissions(words, &mut violations)),
            ("withheld", _) => violations.push(Violation::at("/withheld", "is a list of permissions")),
            (other, _) => {
                let detail = "is nothing that can be changed here; there are disabled and withheld";
                violations.push(Violation::at(format!("/{}", pointer(other)), detail));
            }
        }
    }
    if violations.is_empty() { Ok(change) } else { Err(Error::invalid(violations)) }
}

fn permissions(words: &[Json_], violations: &mut Vec<Violation>) -> BTreeSet<Permission> {
    let mut known = BTreeSet::new();
    for (at, word) in words.iter().enumerate() {
        match word.as_str().and_then(Permission::parse) {
            Some(permission) => drop(known.insert(permission)),
            None => violations.push(Violation::at(format!("/withheld/{at}"), unknown())),
        }
    }
    known
}

/// What is said of a word that is no permission.
pub(crate) fn unknown() -> String {
    let known: Vec<String> = Permission::FIXED.iter().map(ToString::to_string).collect();
    format!("is no permission; there are {}, datasets:NAME", known.join(", "))
}

/// A member's name in a JSON pointer.
pub(crate) fn pointer(member: &str) -> String {
    member.replace('~', "~0").replace('/', "~1")
}
