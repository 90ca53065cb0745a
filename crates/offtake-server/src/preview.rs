//! What an export would be: its first rows, how many there are, how large and how long.

use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use offtake_datasets::{Dataset, PageRequest};
use offtake_model::as_of::AsOf;
use offtake_model::export::{ExportSpec, Field};
use offtake_model::format::extension;
use offtake_model::query::RowQuery;
use offtake_model::sensitive::Shown;
use offtake_model::{Error, ErrorKind, Result};
use serde::Serialize;
use utoipa::ToSchema;

use crate::auth::Caller;
use crate::datasets::{readable, rows_json, splice_rows};
use crate::error::Problem;
use crate::exports::{RECENT, alike, blocking};
use crate::extract::{JsonBody, Name};
use crate::presets;
use crate::state::App;

/// Rows of a preview.
const PREVIEW_ROWS: u32 = 20;

/// What an export would be.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PreviewResponse {
    /// The first rows of the file, by column name; their values are exact, whatever `formats` says.
    #[serde(skip)]
    #[schema(value_type = Vec<Object>)]
    #[expect(dead_code, reason = "spliced in as bytes; here for the schema")]
    rows: (),
    /// The columns of the file, in order.
    columns: Vec<PreviewColumn>,
    /// Rows that match.
    count: u64,
    /// Whether the count is exact.
    exact: bool,
    /// Rows the file would have.
    expected_rows: u64,
    /// Whether a limit would cut rows off.
    limited: bool,
    /// From recent exports of the same kind, else from the sample.
    estimated_bytes: u64,
    /// From recent exports of the same dataset; null if there were none.
    estimated_seconds: Option<f64>,
    /// How long the file is kept once it is there.
    kept_seconds: u64,
    /// Why the export would be refused now, if one of the limits of how many may be asked for is reached.
    refusal: Option<RefusalView>,
    /// The moment the count is true for; hand it to the export to get these rows.
    #[schema(value_type = String)]
    as_of: AsOf,
}

/// A limit that is reached.
#[derive(Debug, Serialize, ToSchema)]
struct RefusalView {
    /// Which, and until when.
    detail: String,
    /// Seconds after which to ask again.
    retry_after: u64,
}

/// A column of the file.
#[derive(Debug, Serialize, ToSchema)]
struct PreviewColumn {
    /// The dataset's column.
    name: String,
    /// The header in the file.
    header: String,
    r#type: String,
    label: String,
}

/// Shows what an export would be, before anything is started. The body is the export's.
#[utoipa::path(post, path = "/api/v1/export/{dataset}/preview", tag = "exports", operation_id = "preview_export",
    params(("dataset" = String, Path, description = "The dataset")),
    responses((status = 200, description = "Rows, count, estimates", body = PreviewResponse)))]
pub(crate) async fn preview(
    State(app): State<App>,
    caller: Caller,
    name: Name,
    JsonBody(body): JsonBody,
) -> Result<Response, Problem> {
    let dataset = readable(&app, &caller, name.as_str())?;
    let org = caller.0.org.clone();
    let spec = presets::spec(&app, &caller, dataset.clone(), body).await?;
    let parsed = dataset.clone();
    let (spec, mut query): (ExportSpec, RowQuery) = blocking(move || {
        let query = parsed.query(&org, &spec.rows)?;
        Ok((spec, query))
    })
    .await?;
    let count = dataset.source.count(&dataset.schema, &query).await?;
    // A cut-off can be asked for again, so that the rows are of the same moment; a snapshot cannot.
    if matches!(count.as_of, AsOf::Cutoff { .. }) {
        query.as_of = Some(count.as_of);
    }
    let columns = columns(&dataset, &spec);
    let mut names: Vec<String> = Vec::new();
    for column in &columns {
        if !names.contains(&column.name) {
            names.push(column.name.clone());
        }
    }
    // The limit the export itself will have: the configured one where none is asked for.
    let most = spec.limit.or(dataset.schema.limits.rows);
    let limit = most.map_or(PREVIEW_ROWS, |limit| u32::try_from(limit).unwrap_or(u32::MAX).min(PREVIEW_ROWS));
    let request = PageRequest { columns: names, sort: None, limit, cursor: None };
    let page = dataset.source.page(&dataset.schema, &query, &request).await?;
    let shown = page.rows.num_rows();
    let rows = rows_json(&app, &caller, &dataset, page.rows).await?;
    let expected_rows = most.map_or(count.rows, |limit| count.rows.min(limit));
    let recent = app.store.jobs.recent_performance(&caller.0.org, RECENT).await?;
    let kind = extension(spec.format, spec.compression);
    let of_kind = alike(&recent, &spec).filter(|row| row.format == kind).map(|row| (row.bytes, row.rows));
    let (bytes, of_rows) = total(of_kind).unwrap_or((rows.len() as u64, shown as u64));
    let speed = total(alike(&recent, &spec).map(|row| (row.usage.duration_ms, row.rows)));
    let jobs = &app.settings.limits.jobs;
    let refusal = match app.store.jobs.may_ask(&caller.0.org, &caller.0.sub, *jobs).await {
        Ok(()) => None,
        Err(error) if error.kind() == ErrorKind::TooManyRequests => Some(RefusalView::of(&error)),
        Err(error) => return Err(error.into()),
    };
    let body = PreviewResponse {
        rows: (),
        columns,
        count: count.rows,
        exact: true,
        expected_rows,
        limited: expected_rows < count.rows,
        estimated_bytes: scale(expected_rows, bytes, of_rows).round() as u64,
        estimated_seconds: speed.map(|(ms, rows)| scale(expected_rows, ms, rows) / 1000.0),
        kept_seconds: app.settings.keep.as_secs(),
        refusal,
        as_of: count.as_of,
    };
    Ok(splice_rows(&rows, &body)?)
}

impl RefusalView {
    fn of(error: &Error) -> Self {
        let wait = error.refused().map_or(Duration::ZERO, |refused| refused.wait);
        Self { detail: error.detail().to_owned(), retry_after: wait.as_secs().max(1) }
    }
}

fn columns(dataset: &Dataset, spec: &ExportSpec) -> Vec<PreviewColumn> {
    let default = || dataset.schema.default_columns.iter().cloned().map(Field::Name).collect();
    let fields: Vec<Field> = spec.fields.clone().unwrap_or_else(default);
    let shown = fields.into_iter().filter_map(|field| {
        let column = dataset.schema.column(field.name())?;
        let shown = spec.disclosure.shown(column);
        if shown == Shown::Drop {
            return None;
        }
        Some(PreviewColumn {
            name: column.name.clone(),
            header: field.header().to_owned(),
            r#type: shown.type_of(column.ty).name(),
            label: column.label.clone(),
        })
    });
    shown.collect()
}

/// Sums of (amount, rows), if there were any rows.
fn total(pairs: impl Iterator<Item = (u64, u64)>) -> Option<(u64, u64)> {
    let sum = pairs.fold((0_u64, 0_u64), |sum, pair| (sum.0.saturating_add(pair.0), sum.1.saturating_add(pair.1)));
    (sum.1 > 0).then_some(sum)
}

fn scale(rows: u64, amount: u64, of_rows: u64) -> f64 {
    if of_rows == 0 { 0.0 } else { rows as f64 * (amount as f64 / of_rows as f64) }
}
