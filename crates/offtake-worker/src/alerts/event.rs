//! What is told of rules; `docs/api.md` has the members.

use offtake_model::alert::{Alert, Budget, Dimension, MetricRule, Spending, Usd};
use offtake_model::event::{EventType, NewEvent};
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

fn told(kind: EventType, data: &Json) -> NewEvent {
    NewEvent { kind, job: None, owner: None, data: data.as_object().cloned().unwrap_or_default() }
}
