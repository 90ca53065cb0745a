//! Alert rules over HTTP. Who counts and judges is the worker.

use http::Method;
use serde_json::{Value as Json, json};

use crate::house::{Answer, House};

const ALERTS: &str = "/api/v1/alerts";

fn budget() -> Json {
    json!({"kind": "budget", "name": "month", "amount_usd": "125.50", "period": "month", "time_zone": "Europe/Vienna"})
}

impl House {
    async fn alert_by(&self, permissions: &str, method: Method, path: &str, body: &Json) -> Answer {
        self.ask(method, path).by("acme", "root", permissions).json(body).answer().await
    }
}

#[tokio::test]
async fn a_rule_is_made_seen_changed_and_forgotten() {
    let house = House::new();
    let made = house.alert_by("admin", Method::POST, ALERTS, &budget()).await.expect(201);
    let body = made.json();
    let path = format!("{ALERTS}/{}", body["id"].as_str().expect("an id"));
    assert_eq!((made.header("location"), made.header("etag")), (&*path, "\"1\""));
    assert_eq!((&body["amount_usd"], &body["percentages"]), (&json!("125.5"), &json!([50, 80, 100])));
    assert_eq!((&body["state"]["status"], &body["created_by"]), (&json!("ok"), &json!("root")));
    let see = |path: String| house.ask(Method::GET, &path).by("acme", "ada", "alerts:read").answer();
    assert_eq!(see(path.clone()).await.expect(200).json(), body);
    assert_eq!(see(ALERTS.to_owned()).await.expect(200).json()["alerts"], json!([body]));
    let raised = house.alert_by("admin", Method::PATCH, &path, &json!({"amount_usd": 200, "provider": "openai"})).await;
    assert_eq!(raised.expect(200).json()["amount_usd"], "200");
    let other = json!({"kind": "metric", "metric": "cost", "window_seconds": 60, "direction": "above", "threshold": 1});
    let other = house.alert_by("admin", Method::PATCH, &path, &other).await.expect(200).json();
    assert_eq!((&other["name"], &other["cool_down_seconds"]), (&json!("month"), &json!(300)));
    // Where it is over at its threshold, that moves along; where something else was said, that stays.
    for (changes, over) in [
        (json!({"threshold": 0.5}), 0.5),
        (json!({"threshold": 3, "clear_threshold": 2}), 2.0),
        (json!({"threshold": 4}), 2.0),
    ] {
        let moved = house.alert_by("admin", Method::PATCH, &path, &changes).await.expect(200).json();
        assert_eq!(moved["clear_threshold"], json!(over), "{changes}");
    }
    let late = house.ask(Method::DELETE, &path).by("acme", "root", "admin").header("if-match", "\"1\"").answer().await;
    assert_eq!(late.problem(412).0, "precondition_failed");
    house.alert_by("admin", Method::DELETE, &path, &json!({})).await.expect(204);
    see(path).await.expect(404);
}

#[tokio::test]
async fn what_is_wrong_is_told_and_what_may_not_be_done_is_not() {
    let house = House::new();
    let wrong = json!({"kind": "metric", "name": "", "metric": "speed", "window_seconds": 1, "filters": {"x": 1}});
    let (code, pointers) = house.alert_by("admin", Method::POST, ALERTS, &wrong).await.problem(422);
    let expected = ["/name", "/metric", "/window_seconds", "/direction", "/threshold", "/filters/x"];
    assert_eq!((code.as_str(), pointers), ("invalid_request", expected.map(str::to_owned).to_vec()));
    house.alert_by("alerts:read", Method::POST, ALERTS, &budget()).await.expect(403);
    house.alert_by("exports:read", Method::GET, ALERTS, &json!({})).await.expect(403);
    let made = house.alert_by("admin", Method::POST, ALERTS, &budget()).await.expect(201).json();
    let path = format!("{ALERTS}/{}", made["id"].as_str().expect("an id"));
    let foreign = house.ask(Method::GET, &path).by("other", "eve", "alerts:read").answer().await.problem(404);
    let absent = house.ask(Method::GET, format!("{ALERTS}/alr_nope")).by("other", "eve", "alerts:read").answer().await;
    assert_eq!(absent.problem(404), foreign);
}
