//! How exports performed lately, and what an organization exported.

use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use offtake_model::permission::Permission;
use offtake_store::{PerfRow, STATISTICS_DAYS, StatisticsRow};
use serde::Serialize;
use utoipa::ToSchema;

use crate::auth::Caller;
use crate::error::Problem;
use crate::extract::Params;
use crate::state::App;

/// Recent exports, with percentiles over them.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PerfResponse {
    /// Newest first.
    jobs: Vec<PerfView>,
    percentiles: Percentiles,
}

/// How one export performed.
#[derive(Debug, Serialize, ToSchema)]
struct PerfView {
    /// Left out for who may only see their own exports.
    #[serde(skip_serializing_if = "Option::is_none")]
    job_id: Option<String>,
    dataset: String,
    /// Format and compression, as in an extension.
    #[schema(example = "csv.gz")]
    format: String,
    #[schema(value_type = String, format = DateTime)]
    completed_at: Timestamp,
    row_count: u64,
    file_size_bytes: u64,
    /// From the request to the first claim; null once the job itself is no longer kept.
    queued_ms: Option<u64>,
    /// From the first claim to publication.
    duration_ms: u64,
    rows_per_second: f64,
    frame_ms: Spread,
    frame_bytes: Spread,
    peak_memory_bytes: u64,
}

/// A distribution.
#[derive(Debug, Serialize, ToSchema)]
struct Spread {
    p50: f64,
    p95: f64,
    max: f64,
}

/// Distributions over the exports listed.
#[derive(Debug, Serialize, ToSchema)]
struct Percentiles {
    queued_ms: Option<Spread>,
    duration_ms: Option<Spread>,
    rows_per_second: Option<Spread>,
    row_count: Option<Spread>,
    file_size_bytes: Option<Spread>,
}

impl Spread {
    fn over(values: impl Iterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.collect();
        values.sort_by(f64::total_cmp);
        // Nearest rank.
        let rank = |share: f64| {
            let rank = (share * values.len() as f64).ceil() as usize;
            values.get(rank.saturating_sub(1)).copied()
        };
        Some(Self { p50: rank(0.5)?, p95: rank(0.95)?, max: rank(1.0)? })
    }

    fn of_u64([p50, p95, max]: [u64; 3]) -> Self {
        Self { p50: p50 as f64, p95: p95 as f64, max: max as f64 }
    }
}

impl PerfView {
    fn of(row: PerfRow, with_id: bool) -> Self {
        let [p50, p95, max] = row.usage.frame_ms;
        Self {
            job_id: with_id.then(|| row.job.to_string()),
            rows_per_second: row.rows as f64 * 1000.0 / row.usage.duration_ms.max(1) as f64,
            dataset: row.dataset,
            format: row.format,
            completed_at: row.completed_at,
            row_count: row.rows,
            file_size_bytes: row.bytes,
            queued_ms: row.queued_ms,
            duration_ms: row.usage.duration_ms,
            frame_ms: Spread { p50, p95, max },
            frame_bytes: Spread::of_u64(row.usage.frame_bytes),
            peak_memory_bytes: row.usage.peak_memory,
        }
    }
}

/// Recent timings and sizes of the organization's exports.
#[utoipa::path(get, path = "/api/v1/export/jobs/perf", tag = "exports", operation_id = "recent_performance",
    params(("limit" = Option<u64>, Query, description = "1 to 500; 100", minimum = 1, maximum = 500)),
    responses((status = 200, description = "Newest first, with percentiles", body = PerfResponse)))]
pub(crate) async fn recent(
    State(app): State<App>,
    caller: Caller,
    mut params: Params,
) -> Result<Json<PerfResponse>, Problem> {
    let limit = params.number("limit", 1, 500).unwrap_or(100);
    params.finish()?;
    let limit = u32::try_from(limit).unwrap_or(u32::MAX);
    let rows = app.store.jobs.recent_performance(&caller.0.org, limit).await?;
    let with_id = caller.may(&Permission::ExportsReadAll);
    let jobs: Vec<PerfView> = rows.into_iter().map(|row| PerfView::of(row, with_id)).collect();
    let percentiles = Percentiles {
        queued_ms: Spread::over(jobs.iter().filter_map(|job| job.queued_ms).map(|queued| queued as f64)),
        duration_ms: Spread::over(jobs.iter().map(|job| job.duration_ms as f64)),
        rows_per_second: Spread::over(jobs.iter().map(|job| job.rows_per_second)),
        row_count: Spread::over(jobs.iter().map(|job| job.row_count as f64)),
        file_size_bytes: Spread::over(jobs.iter().map(|job| job.file_size_bytes as f64)),
    };
    Ok(Json(PerfResponse { jobs, percentiles }))
}

/// What an organization exported.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StatisticsResponse {
    days: u64,
    /// Midnight (UTC) so many days ago.
    #[schema(value_type = String, format = DateTime)]
    since: Timestamp,
    totals: Totals,
    /// By dataset and state.
    datasets: Vec<StatisticsView>,
}

/// Sums.
#[derive(Debug, Default, Serialize, ToSchema)]
struct Totals {
    jobs: u64,
    row_count: u64,
    file_size_bytes: u64,
}

/// One dataset, one state.
#[derive(Debug, Serialize, ToSchema)]
struct StatisticsView {
    dataset: String,
    status: &'static str,
    jobs: u64,
    row_count: u64,
    file_size_bytes: u64,
}

impl From<StatisticsRow> for StatisticsView {
    fn from(row: StatisticsRow) -> Self {
        Self {
            dataset: row.dataset,
            status: row.status.name(),
            jobs: row.jobs,
            row_count: row.rows,
            file_size_bytes: row.bytes,
        }
    }
}

/// What the organization asked for over some days, by dataset and state. Today counts on top, and jobs count whether or
/// not they can still be listed.
#[utoipa::path(get, path = "/api/v1/export/statistics", tag = "exports", operation_id = "statistics",
    params(("days" = Option<u64>, Query, description = "1 to 366; 30", minimum = 1, maximum = 366)),
    responses((status = 200, description = "Totals", body = StatisticsResponse)))]
pub(crate) async fn statistics(
    State(app): State<App>,
    caller: Caller,
    mut params: Params,
) -> Result<Json<StatisticsResponse>, Problem> {
    let days = params.number("days", 1, STATISTICS_DAYS.unsigned_abs()).unwrap_or(30);
    params.finish()?;
    let since = midnight_before(app.clock.now(), i64::try_from(days).unwrap_or(STATISTICS_DAYS));
    let rows = app.store.jobs.statistics(&caller.0.org, since).await?;
    let totals = rows.iter().fold(Totals::default(), |sum, row| Totals {
        jobs: sum.jobs + row.jobs,
        row_count: sum.row_count + row.rows,
        file_size_bytes: sum.file_size_bytes + row.bytes,
    });
    let datasets = rows.into_iter().map(StatisticsView::from).collect();
    Ok(Json(StatisticsResponse { days, since, totals, datasets }))
}

fn midnight_before(now: Timestamp, days: i64) -> Timestamp {
    const DAY: i64 = 24 * 60 * 60;
    let today = now.as_second().div_euclid(DAY);
    Timestamp::from_second((today - days) * DAY).unwrap_or(Timestamp::UNIX_EPOCH)
}
