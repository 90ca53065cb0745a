//! Everything an organization can see of itself, to be compared.

use std::collections::BTreeMap;

use offtake_testkit::TestApp;
use reqwest::Method;
use serde_json::{Value as Json, json};

use super::document::Operation;
use super::estate::{Estate, org};
use super::places::Sort;
use super::probe::probes;

/// Answers by what was asked.
pub(super) type Snapshot = BTreeMap<String, String>;

/// What passes by itself: a second, the day on which statistics begin, the minute in which somebody came.
const PASSING: [&str; 4] = ["seconds_until_expiration", "since", "last_seen_at", "last_used_at"];
/// Where it is written down that somebody was refused.
const AUDIT: &str = "/api/v1/audit";
/// Where one watches, and time passes.
const STREAM: &str = "/events";

/// What everybody who may do everything sees of their organization, by every call that only looks, and what is stored.
pub(super) async fn of(app: &TestApp, estate: &Estate, operations: &[Operation]) -> Snapshot {
    let mut seen = Snapshot::new();
    let looks = operations.iter().filter(|operation| {
        let is_lasting = operation.path != AUDIT && !operation.path.ends_with(STREAM);
        operation.method == Method::GET && operation.path.starts_with("/api/") && is_lasting
    });
    for operation in looks {
        for probe in probes(operation, estate) {
            let answer = probe.request.send(operation, &estate.owner).await;
            seen.insert(answer.asked.clone(), format!("{} {}", answer.status, lasting(&answer.body)));
        }
    }
    for dataset in ["spans", "traces", "prompts", "ledger"] {
        let rows = estate.owner.post(&format!("/api/v1/datasets/{dataset}/rows"), &json!({})).await.expect(200).json();
        seen.insert(dataset.to_owned(), rows["rows"].to_string());
    }
    let stored = app.stored().into_iter().filter(|(name, _)| name.contains(&org(estate.mark)));
    seen.insert("files".to_owned(), format!("{:?}", stored.collect::<Vec<_>>()));
    seen
}

/// The jobs of the owner, one by one.
pub(super) async fn jobs(estate: &Estate) -> Snapshot {
    let mut seen = Snapshot::new();
    for job in estate.all(&Sort::Job) {
        let path = format!("/api/v1/export/jobs/{}", job.as_str().expect("an id"));
        let answer = estate.owner.get(&path).await;
        seen.insert(path, format!("{} {}", answer.status, lasting(&answer.body)));
    }
    seen
}

fn lasting(body: &[u8]) -> String {
    match serde_json::from_slice(body) {
        Ok(json) => without_passing(json).to_string(),
        Err(_) => String::from_utf8_lossy(body).into_owned(),
    }
}

fn without_passing(json: Json) -> Json {
    match json {
        Json::Object(all) => all
            .into_iter()
            .filter(|(name, _)| !PASSING.contains(&name.as_str()) && name != "request_id")
            .map(|(name, value)| (name, without_passing(value)))
            .collect(),
        Json::Array(all) => all.into_iter().map(without_passing).collect(),
        other @ (Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_)) => other,
    }
}
