//! Facets and counts say the same of genuine spans: every value that a facet shows is counted as it says, and with all values
//! together nothing is left.

use offtake_testkit::{Client, TestApp};
use serde_json::{Value as Json, json};

use crate::support::{OFFTAKE, send_genuine};

const COLUMNS: [&str; 7] = ["status_code", "provider", "model", "environment", "type", "service", "project_id"];

async fn count(client: &Client, dataset: &str, body: &Json) -> u64 {
    let answer = client.post(&format!("/api/v1/datasets/{dataset}/count"), body).await.expect(200).json();
    answer["count"].as_u64().expect("a count")
}

/// The facets of what passes `filters`, after each of their numbers was found by a count too.
async fn agreed(client: &Client, dataset: &str, columns: &[&str], filters: &Json) -> Vec<Json> {
    let mut body = filters.clone();
    body["facets"] = json!(columns);
    let answer = client.post(&format!("/api/v1/datasets/{dataset}/facets"), &body).await.expect(200).json();
    assert_eq!(answer["exact"], true, "{answer}");
    let facets = answer["facets"].as_array().expect("facets");
    for facet in facets {
        let filter = facet["filter"].as_str().expect("a filter");
        let mut others = filters.clone();
        others["as_of"] = answer["as_of"].clone();
        others.as_object_mut().expect("an object").remove(filter);
        let mut told = facet["nulls"].as_u64().expect("nulls") + facet["others"].as_u64().expect("others");
        for one in facet["values"].as_array().expect("values") {
            let mut with = others.clone();
            with[filter] = one["value"].clone();
            assert_eq!(json!(count(client, dataset, &with).await), one["count"], "{dataset} {with}");
            told += one["count"].as_u64().expect("a count");
        }
        assert_eq!(count(client, dataset, &others).await, told, "{dataset} {filters}: {facet}");
    }
    facets.clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_number_of_a_facet_is_what_a_count_says() {
    let app = TestApp::start(OFFTAKE).await;
    let (client, other) = (app.client("acme").await, app.client("other").await);
    send_genuine(&client).await;
    for dataset in ["spans", "traces", "prompts"] {
        let all = agreed(&client, dataset, &COLUMNS, &json!({})).await;
        let provider = all[1]["values"][0]["value"].clone();
        assert!(provider.is_string(), "genuine spans have providers: {all:?}");
        let status = all[0]["values"][0]["value"].clone();
        let narrowed = json!({"provider": provider, "status_code": [status], "text": "a", "min_tokens": 1});
        let some = agreed(&client, dataset, &COLUMNS, &narrowed).await;
        assert!(
            some[1]["values"].as_array().is_some_and(|values| values.len() > 1),
            "{dataset}: its own filter hides others"
        );
        // Few values are shown, and those that are ticked among them.
        let models = all[2]["values"].as_array().expect("values");
        let [most, .., least] = &models[..] else { panic!("genuine spans have models: {models:?}") };
        let few = json!({"limit": 1, "facets": ["model"], "model": least["value"]});
        let few = client.post(&format!("/api/v1/datasets/{dataset}/facets"), &few).await.expect(200).json();
        let values = few["facets"][0]["values"].as_array().expect("values");
        let shown: Vec<&Json> = values.iter().map(|value| &value["value"]).collect();
        assert_eq!(shown, [&most["value"], &least["value"]], "{few}");

        let body = json!({"facets": COLUMNS});
        let none = other.post(&format!("/api/v1/datasets/{dataset}/facets"), &body).await.expect(200).json();
        assert_eq!(none["rows"], 0, "of another organization: {none}");
        assert!(none["facets"].as_array().expect("facets").iter().all(|facet| facet["values"] == json!([])), "{none}");
    }
}
