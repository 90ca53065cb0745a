//! Alert rules and budgets over HTTP. Who counts and judges is the worker.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use offtake_model::alert::{Alert, AlertContent, AlertState, Dimension, Rule};
use offtake_model::id::AlertId;
use offtake_model::sensitive::{Sight, mask};
use offtake_model::{Error, ErrorKind, Result, Violation};
use serde::Serialize;
use serde_json::{Map, Value as Json_, json};
use utoipa::ToSchema;

use crate::acting::Acting;
use crate::auth::Caller;
use crate::created::created;
use crate::error::Problem;
use crate::extract::{JsonBody, Name};
use crate::state::App;
use crate::versions::{self, expected};

/// The organization's alert rules.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AlertListResponse {
    alerts: Vec<AlertResponse>,
}

/// An alert rule, and how things stand with it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AlertResponse {
    #[schema(example = "alr_0199c0ffee0070008000000000000001")]
    id: String,
    /// What it says, as in the request, with the defaults.
    #[serde(flatten)]
    #[schema(value_type = AlertRule)]
    says: Map<String, Json_>,
    state: AlertStateResponse,
    created_by: String,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

/// How things stand.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AlertStateResponse {
    /// `ok`; or `firing`: a metric is beyond its threshold and has not come back, a budget is spent.
    #[schema(example = "ok")]
    status: &'static str,
    #[schema(value_type = Option<String>, format = DateTime)]
    since: Option<Timestamp>,
    /// The metric, or the dollars spent, when it was last judged. Null if there is too little to judge by.
    value: Option<f64>,
    /// When `value` was written down; it moves by at most some seconds without that.
    #[schema(value_type = Option<String>, format = DateTime)]
    judged_at: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime)]
    last_fired_at: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime)]
    cool_down_until: Option<Timestamp>,
    /// Of a budget: the present period. Null as long as what was spent in it before is being read.
    spending: Option<SpendingResponse>,
}

/// A period of a budget.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SpendingResponse {
    #[schema(value_type = String, format = DateTime)]
    from: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    to: Timestamp,
    /// Exact.
    #[schema(example = "80.25")]
    spent_usd: String,
    /// The percentages that were told.
    told: Vec<u32>,
}

impl From<AlertState> for AlertStateResponse {
    fn from(state: AlertState) -> Self {
        let AlertState { firing, since, value, judged_at, last_fired_at, cool_down_until, spending, unread: _ } = state;
        let status = if firing { "firing" } else { "ok" };
        let complete = spending.filter(|spending| spending.complete);
        let spending = complete.map(|spending| SpendingResponse {
            from: spending.from,
            to: spending.to,
            spent_usd: spending.spent.to_string(),
            told: spending.told,
        });
        Self { status, since, value, judged_at, last_fired_at, cool_down_until, spending }
    }
}

/// What an alert rule is made of.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "bodies are read as JSON, so that everything wrong is found at once")]
struct AlertRule {
    /// `metric` or `budget`.
    kind: String,
    /// 1 to 200 characters.
    name: String,
    /// True unless said otherwise.
    enabled: Option<bool>,
    /// Of a metric: `latency_avg`, `latency_p50`, `latency_p95`, `latency_p99` (milliseconds), `error_rate` (0 to 1), `tokens`,
    /// `cost` (dollars), `traces_per_minute`.
    metric: Option<String>,
    /// Of a metric: 60 to 86400.
    window_seconds: Option<u64>,
    /// Of a metric: `above` or `below`.
    direction: Option<String>,
    /// Of a metric: beyond this it fires,
    threshold: Option<f64>,
    /// and at this or on the good side of it, it is over. The threshold unless said otherwise.
    clear_threshold: Option<f64>,
    /// Of a metric: for how long it does not fire again, 0 to 86400; 300.
    cool_down_seconds: Option<u64>,
    /// Of a metric: with fewer traces in the window nothing is judged; 0.
    min_traces: Option<u64>,
    /// Of a metric: a value or a list of values for `provider`, `model`, `environment`, `user_id`, `service`, `project_id`.
    #[schema(value_type = Option<Object>)]
    filters: Option<Map<String, Json_>>,
    /// Of a budget: what was spent with this provider; null: with all.
    provider: Option<String>,
    /// Of a budget: a decimal above 0.
    #[schema(example = "125.50")]
    amount_usd: Option<String>,
    /// Of a budget: `day`, `week` (from Monday) or `month`.
    period: Option<String>,
    /// Of a budget: where days begin, by its IANA name; `UTC`.
    time_zone: Option<String>,
    /// Of a budget: at which percentages it is told; 50, 80, 100.
    percentages: Option<Vec<u32>>,
}

/// Makes an alert rule. It counts what comes in from now on; a budget also what was spent in its period before.
#[utoipa::path(post, path = "/api/v1/alerts", tag = "alerts", operation_id = "create_alert",
    request_body = inline(AlertRule),
    responses((status = 201, description = "Made", body = AlertResponse,
        headers(("Location" = String, description = "The rule"), ("ETag" = String, description = "Its version")))))]
pub(crate) async fn create(
    State(app): State<App>,
    caller: Caller,
    Acting(act): Acting,
    JsonBody(body): JsonBody,
) -> Result<Response, Problem> {
    let content = checked(&app, &caller, &body)?;
    let alert = app.store.alerts.create(&act, &caller.0.org, content).await?;
    Ok(created(&format!("/api/v1/alerts/{}", alert.id), answered(&app, &caller, alert)))
}

/// The alert rules there are, each with its present value and state.
#[utoipa::path(get, path = "/api/v1/alerts", tag = "alerts", operation_id = "list_alerts",
    responses((status = 200, description = "All, oldest first", body = AlertListResponse)))]
pub(crate) async fn list(State(app): State<App>, caller: Caller) -> Result<Json<AlertListResponse>, Problem> {
    let alerts = app.store.alerts.list(&caller.0.org).await?;
    Ok(Json(AlertListResponse { alerts: alerts.into_iter().map(|alert| shown(&app, &caller, alert)).collect() }))
}

/// One alert rule.
#[utoipa::path(get, path = "/api/v1/alerts/{id}", tag = "alerts", operation_id = "get_alert",
    params(("id" = String, Path, description = "The rule's id")),
    responses((status = 200, description = "The rule", body = AlertResponse,
        headers(("ETag" = String, description = "Its version")))))]
pub(crate) async fn detail(State(app): State<App>, caller: Caller, name: Name) -> Result<Response, Problem> {
    let alert = app.store.alerts.get(&caller.0.org, id_of(&name)?).await?;
    Ok(answered(&app, &caller, alert))
}

/// Changes an alert rule. What the body names is replaced, what is null there is as if it had never been said, the rest stays.
///
/// Where something else is counted from now on, counting begins anew.
#[utoipa::path(patch, path = "/api/v1/alerts/{id}", tag = "alerts", operation_id = "change_alert",
    params(
        ("id" = String, Path, description = "The rule's id"),
        ("If-Match" = Option<String>, Header, description = "Only if it still has this ETag; else 412"),
    ),
    request_body = inline(AlertRule),
    responses((status = 200, description = "Changed", body = AlertResponse,
        headers(("ETag" = String, description = "Its version")))))]
pub(crate) async fn change(
    State(app): State<App>,
    caller: Caller,
    Acting(act): Acting,
    name: Name,
    headers: HeaderMap,
    JsonBody(body): JsonBody,
) -> Result<Response, Problem> {
    let id = id_of(&name)?;
    let present = app.store.alerts.get(&caller.0.org, id).await?;
    let version = expected(&headers)?.unwrap_or(present.version);
    let mut whole = present.content.to_body();
    // What is over at its threshold is over at the new one.
    if whole.get("clear_threshold") == whole.get("threshold") {
        whole.remove("clear_threshold");
    }
    // Members of the other kind would be unknown to it.
    if body.get("kind").is_some_and(|kind| *kind != json!(present.content.rule.kind())) {
        whole.retain(|name, _| matches!(name.as_str(), "name" | "enabled"));
    }
    whole.extend(body);
    let content = checked(&app, &caller, &whole)?;
    let alert = app.store.alerts.replace(&act, &caller.0.org, id, version, content).await?;
    Ok(answered(&app, &caller, alert))
}

/// Forgets an alert rule and what was counted for it.
#[utoipa::path(delete, path = "/api/v1/alerts/{id}", tag = "alerts", operation_id = "delete_alert",
    params(
        ("id" = String, Path, description = "The rule's id"),
        ("If-Match" = Option<String>, Header, description = "Only if it still has this ETag; else 412"),
    ),
    responses((status = 204, description = "Forgotten")))]
pub(crate) async fn delete(
    State(app): State<App>,
    caller: Caller,
    Acting(act): Acting,
    name: Name,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    app.store.alerts.delete(&act, &caller.0.org, id_of(&name)?, expected(&headers)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What is no id is no rule, and says so like an absent one.
fn id_of(name: &Name) -> Result<AlertId> {
    let absent = "there is no such alert rule; GET /api/v1/alerts lists those there are";
    name.as_str().parse().map_err(|_| Error::new(ErrorKind::NotFound, absent))
}

/// The rule that is asked for. Whoever may not read a sensitive column does not learn by a rule what is in there.
fn checked(app: &App, caller: &Caller, body: &Map<String, Json_>) -> Result<AlertContent> {
    let content = AlertContent::parse(body)?;
    let hidden = hidden_from(app, caller);
    let named: Vec<Violation> = match &content.rule {
        Rule::Metric(rule) => hidden
            .into_iter()
            .filter(|dimension| rule.filters.contains_key(dimension))
            .map(|dimension| Violation::at(format!("/filters/{}", dimension.word()), refusal(dimension)))
            .collect(),
        Rule::Budget(budget) => hidden
            .into_iter()
            .filter(|dimension| *dimension == Dimension::Provider && budget.provider.is_some())
            .map(|dimension| Violation::at("/provider", refusal(dimension)))
            .collect(),
    };
    if named.is_empty() { Ok(content) } else { Err(Error::invalid(named)) }
}

fn refusal(dimension: Dimension) -> String {
    Sight::refusal(&format!("speaks of {}", dimension.word()))
}

/// The dimensions whose values the caller may not read.
fn hidden_from(app: &App, caller: &Caller) -> Vec<Dimension> {
    if caller.sight() == Sight::Clear {
        return Vec::new();
    }
    app.catalog.sensitive_dimensions()
}

/// The rule as the caller sees it.
fn shown(app: &App, caller: &Caller, alert: Alert) -> AlertResponse {
    let Alert { id, org: _, content, version: _, created_by, created_at, updated_at, state } = alert;
    let mut says = content.to_body();
    let hidden = hidden_from(app, caller);
    let names = || hidden.iter().map(|dimension| dimension.word());
    if let Some(filters) = says.get_mut("filters").and_then(Json_::as_object_mut) {
        mask(filters, names());
    }
    if says.get("provider").is_some_and(Json_::is_string) {
        mask(&mut says, names().filter(|name| *name == "provider"));
    }
    AlertResponse { id: id.to_string(), says, state: state.into(), created_by, created_at, updated_at }
}

fn answered(app: &App, caller: &Caller, alert: Alert) -> Response {
    let version = alert.version;
    versions::answered(shown(app, caller, alert), version)
}
