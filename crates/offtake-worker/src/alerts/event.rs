//! What is told of rules; `docs/api.md` has the members.

use offtake_model::alert::{Alert, Budget, Dimension, MetricRule, Spending, Usd};
use offtake_model::event::{EventType, NewEvent};
use offtake_model::sensitive::mask;
use serde_json::{Value as Json, json};

pub(super) fn of_metric(alert: &Alert, rule: &MetricRule, value: Option<f64>, firing: bool) -> NewEvent {
    let narrowed = |dimension| match rule.filters.get(&dimension).map(Vec::as_slice) {
        None => Json::Null,
        Some([one]) => json!(one),
        Some(several) => json!(several),
    };
    told(
        EventType::MetricThreshold,
        &json!({
            "metric_name": rule.metric.word(),
            "threshold_value": rule.threshold,
            "current_value": value,
            "provider": narrowed(Dimension::Provider),
            "model": narrowed(Dimension::Model),
            "environment": narrowed(Dimension::Environment),
            "rule_id": alert.id,
            "name": alert.content.name,
            "state": if firing { "firing" } else { "resolved" },
            "direction": rule.direction.word(),
            "window_seconds": rule.window_seconds,
        }),
    )
}

pub(super) fn of_budget(alert: &Alert, budget: &Budget, present: &Spending, percent: u32) -> NewEvent {
    let threshold = Usd::from_nanos(budget.amount_usd.nanos() * i128::from(percent) / 100);
    told(
        EventType::CostThreshold,
        &json!({
            "threshold_value": threshold.dollars(),
            "current_value": present.spent.dollars(),
            "period": budget.period.word(),
            "provider": budget.provider,
            "rule_id": alert.id,
            "name": alert.content.name,
            "percent": percent,
            "amount_usd": budget.amount_usd,
            "time_zone": budget.time_zone,
            "period_from": present.from.to_string(),
            "period_to": present.to.to_string(),
        }),
    )
}

/// A budget whose past cannot be read is not watched; or it is again.
pub(super) fn of_uncounted(alert: &Alert, is_on: bool) -> NewEvent {
    let (state, severity) = if is_on { ("begun", "error") } else { ("over", "info") };
    let name = &alert.content.name;
    let message = if is_on {
        format!(
            "nobody watches the budget {name:?}: what was spent before it was made cannot be read; it is tried again"
        )
    } else {
        format!("the budget {name:?} is watched")
    };
    told(
        EventType::SystemAlert,
        &json!({
            "code": "alert_not_counted",
            "state": state,
            "severity": severity,
            "message": message,
            "rule_id": alert.id,
            "name": name,
        }),
    )
}

/// Takes out what is in sensitive columns: an event goes to everybody who may hear of metrics or costs, and to webhooks. Who may
/// see the rule's filters finds them in the rule.
pub(super) fn cover(event: &mut NewEvent, hidden: &[Dimension]) {
    let said = |dimension: &&Dimension| event.data.get(dimension.word()).is_some_and(|value| !value.is_null());
    let names: Vec<&str> = hidden.iter().filter(said).map(|dimension| dimension.word()).collect();
    mask(&mut event.data, names);
}

fn told(kind: EventType, data: &Json) -> NewEvent {
    NewEvent { kind, job: None, owner: None, data: data.as_object().cloned().unwrap_or_default() }
}
