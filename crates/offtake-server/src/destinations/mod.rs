//! Destinations over HTTP: buckets of the organization's own. One is kept, or changed, only once it took what a delivery
//! needs.

mod request;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use offtake_model::destination::{Delivery, Destination, DestinationContent};
use offtake_model::id::{DestinationId, OrgId};
use offtake_model::{Error, ErrorKind, Result};
use offtake_store::objects::OutsideBucket;
use offtake_store::outbound::Outbound;
use offtake_store::sealed::{Holder, Sealed, Sealer};
use offtake_store::{DestinationChange, NewDestination};
use serde::Serialize;
use utoipa::ToSchema;

use crate::acting::Acting;
use crate::auth::Caller;
use crate::created::created;
use crate::error::Problem;
use crate::extract::{JsonBody, Name};
use crate::jobs::view::DeliveryView;
use crate::state::App;
use crate::versions::{self, expected};

/// How long each request of a probe is tried.
const PROBED_FOR: Duration = Duration::from_secs(5);

/// What destinations need.
#[derive(Debug, Clone)]
pub struct Destinations {
    /// Keeps their secrets.
    pub sealer: Arc<Sealer>,
    /// Reaches them.
    pub outbound: Outbound,
}

/// The destinations there are.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DestinationListResponse {
    destinations: Vec<DestinationResponse>,
}

/// A bucket of the organization's own. The secret is never shown.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DestinationResponse {
    #[schema(example = "dst_0199c0ffee0070008000000000000001")]
    id: String,
    name: String,
    /// `s3`
    kind: &'static str,
    /// Null: Amazon's own for the region.
    endpoint: Option<String>,
    region: String,
    bucket: String,
    prefix: String,
    access_key: String,
    path_style: bool,
    created_by: String,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When it last took what we tried.
    #[schema(value_type = String, format = DateTime)]
    probed_at: Timestamp,
    /// The newest file that is to go there, and how that stands.
    last_delivery: Option<LastDeliveryView>,
}

/// A file that is to go to a destination, and how that stands.
#[derive(Debug, Serialize, ToSchema)]
struct LastDeliveryView {
    job_id: String,
    #[serde(flatten)]
    delivery: DeliveryView,
}

impl From<Delivery> for LastDeliveryView {
    fn from(delivery: Delivery) -> Self {
        Self { job_id: delivery.job.to_string(), delivery: delivery.into() }
    }
}

impl From<Destination> for DestinationResponse {
    fn from(destination: Destination) -> Self {
        let Destination { id, org: _, content, created_by, created_at, probed_at, version: _ } = destination;
        let DestinationContent { name, endpoint, region, bucket, prefix, access_key, path_style } = content;
        let id = id.to_string();
        Self {
            id,
            name,
            kind: "s3",
            endpoint,
            region,
            bucket,
            prefix,
            access_key,
            path_style,
            created_by,
            created_at,
            probed_at,
            last_delivery: None,
        }
    }
}

/// The destinations with the newest delivery to each.
async fn with_deliveries(app: &App, org: &OrgId, found: Vec<Destination>) -> Result<Vec<DestinationResponse>> {
    let latest = app.store.destinations.latest_deliveries(org).await?;
    let mut latest: HashMap<_, _> = latest.into_iter().map(|delivery| (delivery.destination, delivery)).collect();
    let with = |destination: Destination| {
        let last_delivery = latest.remove(&destination.id).map(LastDeliveryView::from);
        DestinationResponse { last_delivery, ..destination.into() }
    };
    Ok(found.into_iter().map(with).collect())
}

async fn with_delivery(app: &App, org: &OrgId, found: Destination) -> Result<DestinationResponse> {
    let mut all = with_deliveries(app, org, vec![found]).await?;
    all.pop().ok_or_else(|| Error::new(ErrorKind::Internal, "a destination was lost on the way to its answer"))
}

/// A bucket to deliver files to.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "bodies are read as JSON, so that everything wrong is found at once")]
pub(crate) struct DestinationRequest {
    /// 1 to 100 characters, unique in the organization.
    name: String,
    /// `s3`, and nothing else yet.
    kind: Option<String>,
    /// An https URL; left out: Amazon's own for the region.
    endpoint: Option<String>,
    region: String,
    bucket: String,
    /// What every key begins with.
    prefix: Option<String>,
    access_key: String,
    secret_key: String,
    /// Whether the bucket is named in the path rather than in the host's name. True where there is an endpoint, unless
    /// said.
    path_style: Option<bool>,
}

/// What of a destination is to be different. What the body does not name stays as it is.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "bodies are read as JSON, so that everything wrong is found at once")]
pub(crate) struct DestinationChangeRequest {
    /// 1 to 100 characters, unique in the organization.
    name: Option<String>,
    /// An https URL; null: Amazon's own for the region.
    endpoint: Option<String>,
    region: Option<String>,
    bucket: Option<String>,
    /// What every key begins with.
    prefix: Option<String>,
    access_key: Option<String>,
    /// Needed wherever the bucket or the access key is another one.
    secret_key: Option<String>,
    path_style: Option<bool>,
}

/// Keeps a destination, once it took what a delivery needs: a small object is put, read back and deleted, and an upload in
/// parts is begun and thrown away. What fails is said, with what to grant.
#[utoipa::path(post, path = "/api/v1/destinations", tag = "destinations", operation_id = "create_destination",
    request_body = inline(DestinationRequest),
    responses((status = 201, description = "Probed and kept", body = DestinationResponse,
        headers(("Location" = String, description = "The destination"), ("ETag" = String, description = "Its version")))))]
pub(crate) async fn create(
    State(app): State<App>,
    caller: Caller,
    Acting(act): Acting,
    JsonBody(body): JsonBody,
) -> Result<Response, Problem> {
    let (content, secret) = request::for_new(&body)?;
    let id = DestinationId::new(app.clock.now());
    probe(&app, id, &content, &secret).await?;
    let org = &caller.0.org;
    let secret = sealed(&app, org, id, &secret)?;
    let made = app.store.destinations.create_destination(&act, org, NewDestination { id, content, secret }).await?;
    Ok(created(&format!("/api/v1/destinations/{id}"), answered(&app, org, made).await?))
}

/// The destinations there are.
#[utoipa::path(get, path = "/api/v1/destinations", tag = "destinations", operation_id = "list_destinations",
    responses((status = 200, description = "All, by name", body = DestinationListResponse)))]
pub(crate) async fn list(State(app): State<App>, caller: Caller) -> Result<Json<DestinationListResponse>, Problem> {
    let found = app.store.destinations.destinations(&caller.0.org).await?;
    Ok(Json(DestinationListResponse { destinations: with_deliveries(&app, &caller.0.org, found).await? }))
}

/// One destination.
#[utoipa::path(get, path = "/api/v1/destinations/{id}", tag = "destinations", operation_id = "get_destination",
    params(("id" = String, Path, description = "The destination")),
    responses((status = 200, description = "The destination", body = DestinationResponse,
        headers(("ETag" = String, description = "Its version")))))]
pub(crate) async fn detail(State(app): State<App>, caller: Caller, name: Name) -> Result<Response, Problem> {
    let org = &caller.0.org;
    let found = app.store.destinations.destination(org, id_of(&name)?).await?;
    Ok(answered(&app, org, found).await?)
}

/// Changes a destination: what the body names is replaced, the rest stays. It is probed as it would be, and stays as it was if that
/// fails; a new name alone is not probed. What is owed to it goes to where it points then.
///
/// Another endpoint, region, bucket, style of path or access key needs the `secret_key` with it: the one that is kept was given
/// for the bucket as it was.
#[utoipa::path(patch, path = "/api/v1/destinations/{id}", tag = "destinations", operation_id = "change_destination",
    params(
        ("id" = String, Path, description = "The destination"),
        ("If-Match" = Option<String>, Header, description = "Only if it still has this ETag; else 412"),
    ),
    request_body = inline(DestinationChangeRequest),
    responses((status = 200, description = "Probed and changed", body = DestinationResponse,
        headers(("ETag" = String, description = "Its version")))))]
pub(crate) async fn change(
    State(app): State<App>,
    caller: Caller,
    Acting(act): Acting,
    name: Name,
    headers: HeaderMap,
    JsonBody(body): JsonBody,
) -> Result<Response, Problem> {
    let (org, id) = (&caller.0.org, id_of(&name)?);
    let (present, kept) = app.store.destinations.sealed_destination(org, id).await?;
    let version = expected(&headers)?.unwrap_or(present.version);
    // Whoever looked at another one does not have that one probed.
    present.require(version)?;
    let (content, secret) = request::for_change(&present.content, body)?;
    let renamed = DestinationContent { name: content.name.clone(), ..present.content.clone() };
    let probed = secret.is_some() || content != renamed;
    if probed {
        let secret = secret.clone().map_or_else(|| opened(&app, org, id, &kept), Ok)?;
        probe(&app, id, &content, &secret).await?;
    }
    let secret = secret.map(|secret| sealed(&app, org, id, &secret)).transpose()?;
    let change = DestinationChange { content, secret, probed };
    let changed = app.store.destinations.change_destination(&act, org, id, version, change).await?;
    tracing::info!(destination_id = %id, by = caller.0.sub, "a destination was changed");
    Ok(answered(&app, org, changed).await?)
}

/// Probes a destination once more. 422 says what failed, and what to grant.
#[utoipa::path(post, path = "/api/v1/destinations/{id}/probe", tag = "destinations", operation_id = "probe_destination",
    params(("id" = String, Path, description = "The destination")),
    responses((status = 200, description = "It takes what it must", body = DestinationResponse)))]
pub(crate) async fn probe_again(
    State(app): State<App>,
    caller: Caller,
    name: Name,
) -> Result<Json<DestinationResponse>, Problem> {
    let (org, id) = (&caller.0.org, id_of(&name)?);
    let (destination, kept) = app.store.destinations.sealed_destination(org, id).await?;
    let secret = opened(&app, org, id, &kept)?;
    probe(&app, id, &destination.content, &secret).await?;
    let probed = app.store.destinations.note_probe(org, id).await?;
    Ok(Json(with_delivery(&app, org, probed).await?))
}

/// Forgets a destination. What is still owed to it fails; what lies there stays.
#[utoipa::path(delete, path = "/api/v1/destinations/{id}", tag = "destinations", operation_id = "delete_destination",
    params(("id" = String, Path, description = "The destination")),
    responses((status = 204, description = "Forgotten")))]
pub(crate) async fn delete(
    State(app): State<App>,
    caller: Caller,
    Acting(act): Acting,
    name: Name,
) -> Result<StatusCode, Problem> {
    app.store.destinations.delete_destination(&act, &caller.0.org, id_of(&name)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn id_of(name: &Name) -> Result<DestinationId> {
    name.as_str().parse().map_err(|_| {
        Error::new(ErrorKind::NotFound, "there is no such destination; GET /api/v1/destinations lists those there are")
    })
}

async fn answered(app: &App, org: &OrgId, destination: Destination) -> Result<Response> {
    let version = destination.version;
    Ok(versions::answered(with_delivery(app, org, destination).await?, version))
}

fn sealed(app: &App, org: &OrgId, id: DestinationId, secret: &str) -> Result<Sealed> {
    app.destinations.sealer.seal(Holder { org, row: &id.to_string() }, secret.as_bytes())
}

fn opened(app: &App, org: &OrgId, id: DestinationId, kept: &Sealed) -> Result<String> {
    let opened = app.destinations.sealer.open(Holder { org, row: &id.to_string() }, kept)?;
    Ok(String::from_utf8_lossy(opened.expose()).into_owned())
}

async fn probe(app: &App, id: DestinationId, content: &DestinationContent, secret: &str) -> Result<()> {
    let bucket = OutsideBucket::new(content, secret, &app.destinations.outbound, PROBED_FOR)?;
    bucket.probe(&id.to_string()).await
}
