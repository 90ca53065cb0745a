//! Whether a process lives, whether it can work, and its numbers: for the server, and for a worker that has none.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use futures::future::join_all;
use http::{StatusCode, header};
use offtake_datasets::Catalog;
use offtake_model::{Error, ErrorKind, Result};
use offtake_store::Store;
use prometheus_client::registry::Registry;
use serde_json::{Map, Value as Json_, json};

use crate::error::Problem;
use crate::metrics::QueueMetrics;
use crate::protections::{Protections, protected};
use crate::state::App;

/// A part that does not answer for so long is not ready.
const PATIENCE: Duration = Duration::from_secs(3);

/// The process runs.
#[utoipa::path(get, path = "/livez", tag = "operation", operation_id = "livez",
    responses((status = 200, description = "It lives", body = Object)))]
pub(crate) async fn livez() -> Json<Json_> {
    Json(json!({"status": "ok"}))
}

/// Everything the server needs answers: job store, object storage, and the sources of rows.
#[utoipa::path(get, path = "/readyz", tag = "operation", operation_id = "readyz",
    responses(
        (status = 200, description = "Ready", body = Object),
        (status = 503, description = "Not ready; `checks` says what is missing", body = Object),
    ))]
pub(crate) async fn readyz(State(app): State<App>) -> Response {
    ready(&app.store, &app.catalog).await
}

async fn ready(store: &Store, catalog: &Catalog) -> Response {
    let (jobs, objects) = (store.jobs.ping(), store.objects.ping());
    let (jobs, objects) = tokio::join!(in_time(jobs), in_time(objects));
    let sources = catalog.iter().map(|dataset| async move {
        (format!("dataset {}", dataset.schema.name), in_time(dataset.source.ping()).await)
    });
    let mut results = vec![("store".to_owned(), jobs), ("objects".to_owned(), objects)];
    results.extend(join_all(sources).await);
    results.extend(catalog.waiting().map(|name| {
        let error = Error::new(ErrorKind::SourceUnavailable, "its source has not been reached since the start");
        (format!("dataset {name}"), Err(error))
    }));
    let ready = results.iter().all(|(_, result)| result.is_ok());
    let mut checks: Map<String, Json_> = results.into_iter().map(|(part, result)| (part, verdict(result))).collect();
    // Without the bus everything works, a little later.
    if let Some(carrier) = store.events.hints().carrier() {
        let word = if carrier.is_connected() { "ok" } else { "degraded" };
        checks.insert("bus".to_owned(), json!({"status": word}));
    }
    let (status, word) = if ready { (StatusCode::OK, "ok") } else { (StatusCode::SERVICE_UNAVAILABLE, "not_ready") };
    (status, Json(json!({"status": word, "checks": checks}))).into_response()
}

async fn in_time<T>(answer: impl Future<Output = Result<T>>) -> Result<T> {
    let late = |_| Error::new(ErrorKind::Timeout, "no answer in time");
    tokio::time::timeout(PATIENCE, answer).await.map_err(late)?
}

/// Anybody may ask, so the reason is the kind and its title; the rest is in the log.
fn verdict(result: Result<()>) -> Json_ {
    match result {
        Ok(()) => json!({"status": "ok"}),
        Err(error) => {
            tracing::warn!(code = error.kind().code(), detail = error.detail(), "not ready");
            json!({"status": "failing", "code": error.kind().code(), "reason": error.kind().title()})
        }
    }
}

/// Numbers for Prometheus, as OpenMetrics.
#[utoipa::path(get, path = "/metrics", tag = "operation", operation_id = "metrics",
    responses((status = 200, description = "OpenMetrics", content_type = "application/openmetrics-text", body = String)))]
pub(crate) async fn metrics(State(app): State<App>) -> Result<Response, Problem> {
    Ok(exposed(&app.store, &app.metrics.queue, &app.registry).await?)
}

async fn exposed(store: &Store, queue: &QueueMetrics, registry: &Registry) -> Result<Response> {
    let depth = in_time(store.jobs.depth()).await;
    queue.set(depth.inspect_err(|error| tracing::warn!(%error, "the queue could not be looked at")).ok());
    let owed = in_time(store.outbox.outbox_depth()).await;
    queue.set_owed(owed.inspect_err(|error| tracing::warn!(%error, "the outbox could not be looked at")).ok());
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, registry)
        .map_err(|error| Error::new(ErrorKind::Internal, "metrics could not be written").caused_by(error))?;
    let media_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, media_type)], text).into_response())
}

/// What a process without an API is asked about.
#[derive(Debug)]
pub struct Operations {
    /// Jobs, artifacts and their bytes.
    pub store: Store,
    /// What can be read.
    pub catalog: Arc<Catalog>,
    /// What `/metrics` shows.
    pub registry: Arc<Registry>,
    /// How much waits, registered there.
    pub queue: QueueMetrics,
}

/// `/livez`, `/readyz` and `/metrics` and nothing else, for everybody who reaches the port.
pub fn operations(state: Operations) -> Router {
    let readyz = |State(state): State<Arc<Operations>>| async move { ready(&state.store, &state.catalog).await };
    let metrics = |State(state): State<Arc<Operations>>| async move {
        exposed(&state.store, &state.queue, &state.registry).await.map_err(Problem::from)
    };
    Router::new()
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(Arc::new(state))
        .layer(from_fn_with_state(Protections::plain(), protected))
}
