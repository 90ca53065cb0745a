//! Destinations over HTTP: buckets of the organization's own. One is kept only once it took what a delivery needs.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use jiff::Timestamp;
use offtake_model::destination::{Delivery, Destination, DestinationContent};
use offtake_model::id::{DestinationId, OrgId};
use offtake_model::{Error, ErrorKind, Result, Violation};
use offtake_store::NewDestination;
use offtake_store::objects::OutsideBucket;
use offtake_store::outbound::Outbound;
use offtake_store::sealed::{Holder, Sealer};
use serde::Serialize;
use serde_json::{Map, Value as Json_};
use utoipa::ToSchema;

use crate::acting::Acting;
use crate::auth::Caller;
use crate::error::Problem;
use crate::extract::{JsonBody, Name};
use crate::jobs::view::DeliveryView;
use crate::state::App;

/// How long each request of a probe is tried.
const PROBED_FOR: Duration = Duration::from_secs(5);
/// The longest text of a destination, in bytes.
const LONGEST: usize = 300;

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
        let Destination { id, org: _, content, created_by, created_at, probed_at } = destination;
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

/// Keeps a destination, once it took what a delivery needs: a small object is put, read back and deleted, and an upload in
/// parts is begun and thrown away. What fails is said, with what to grant.
#[utoipa::path(post, path = "/api/v1/destinations", tag = "destinations", operation_id = "create_destination",
    request_body = inline(DestinationRequest),
    responses((status = 201, description = "Probed and kept", body = DestinationResponse,
        headers(("Location" = String, description = "The destination")))))]
pub(crate) async fn create(
    State(app): State<App>,
    caller: Caller,
    Acting(act): Acting,
    JsonBody(body): JsonBody,
) -> Result<Response, Problem> {
    let (content, secret) = checked(&body)?;
    let id = DestinationId::new(app.clock.now());
    probe(&app, id, &content, &secret).await?;
    let (org, row) = (&caller.0.org, id.to_string());
    let secret = app.destinations.sealer.seal(Holder { org, row: &row }, secret.as_bytes())?;
    let made = app.store.destinations.create_destination(&act, org, NewDestination { id, content, secret }).await?;
    let location = HeaderValue::from_str(&format!("/api/v1/destinations/{id}")).ok();
    let mut response = (StatusCode::CREATED, Json(DestinationResponse::from(made))).into_response();
    response.headers_mut().extend(location.map(|location| (header::LOCATION, location)));
    Ok(response)
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
    responses((status = 200, description = "The destination", body = DestinationResponse)))]
pub(crate) async fn detail(
    State(app): State<App>,
    caller: Caller,
    name: Name,
) -> Result<Json<DestinationResponse>, Problem> {
    let org = &caller.0.org;
    let found = app.store.destinations.destination(org, id_of(&name)?).await?;
    Ok(Json(with_delivery(&app, org, found).await?))
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
    let (destination, sealed) = app.store.destinations.sealed_destination(org, id).await?;
    let opened = app.destinations.sealer.open(Holder { org, row: &id.to_string() }, &sealed)?;
    let secret = String::from_utf8_lossy(opened.expose()).into_owned();
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

async fn probe(app: &App, id: DestinationId, content: &DestinationContent, secret: &str) -> Result<()> {
    let bucket = OutsideBucket::new(content, secret, &app.destinations.outbound, PROBED_FOR)?;
    bucket.probe(&id.to_string()).await
}

/// What is to be kept, and the secret.
fn checked(body: &Map<String, Json_>) -> Result<(DestinationContent, String)> {
    const MEMBERS: [&str; 9] =
        ["name", "kind", "endpoint", "region", "bucket", "prefix", "access_key", "secret_key", "path_style"];
    let mut wrong = Vec::new();
    for name in body.keys().filter(|name| !MEMBERS.contains(&name.as_str())) {
        let pointer = format!("/{}", name.replace('~', "~0").replace('/', "~1"));
        wrong.push(Violation::at(
            pointer,
            format!("is nothing that can be said here; there are: {}", MEMBERS.join(", ")),
        ));
    }
    let mut text = |name: &str, needed: bool, plain: fn(char) -> bool, form: &str| -> Option<String> {
        match body.get(name) {
            None if !needed => None,
            Some(Json_::Null) if !needed => None,
            Some(Json_::String(text))
                if (usize::from(needed)..=LONGEST).contains(&text.len()) && text.chars().all(plain) =>
            {
                Some(text.clone())
            }
            _ => {
                wrong.push(Violation::at(format!("/{name}"), format!("is {form}")));
                None
            }
        }
    };
    let visible = |c: char| c.is_ascii_graphic();
    let name = text("name", true, |c| !c.is_control(), "needed: a text of 1 to 100 characters");
    let kind = text("kind", false, visible, "\"s3\"");
    let endpoint = text("endpoint", false, visible, "an https URL; leave it out for Amazon's own");
    let region = text("region", true, |c| c.is_ascii_alphanumeric() || c == '-', "needed: \"eu-central-1\", say");
    let in_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    let bucket = text("bucket", true, in_name, "needed: the name of a bucket");
    let in_path = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | '=' | '/');
    let prefix = text("prefix", false, in_path, "letters, digits, - . _ = and slashes").unwrap_or_default();
    let access_key = text("access_key", true, visible, "needed: the id of an access key");
    let secret = text("secret_key", true, visible, "needed: the secret of the access key");
    if kind.is_some_and(|kind| kind != "s3") {
        wrong.push(Violation::at("/kind", "is \"s3\"; there is nothing else yet"));
    }
    if name.as_ref().is_some_and(|name| name.chars().count() > 100 || name.trim() != name) {
        wrong.push(Violation::at("/name", "has 1 to 100 characters and no blanks around it"));
    }
    if prefix
        .trim_matches('/')
        .split('/')
        .any(|step| matches!(step, "." | "..") || (step.is_empty() && !prefix.is_empty()))
    {
        wrong.push(Violation::at("/prefix", "has an empty step between two slashes, or one of dots alone"));
    }
    let path_style = match body.get("path_style") {
        None => endpoint.is_some(),
        Some(Json_::Bool(said)) => *said,
        Some(_) => {
            wrong.push(Violation::at("/path_style", "is true or false"));
            false
        }
    };
    match (name, region, bucket, access_key, secret) {
        (Some(name), Some(region), Some(bucket), Some(access_key), Some(secret)) if wrong.is_empty() => {
            let prefix = prefix.trim_matches('/').to_owned();
            Ok((DestinationContent { name, endpoint, region, bucket, prefix, access_key, path_style }, secret))
        }
        _ => Err(Error::invalid(wrong)),
    }
}
