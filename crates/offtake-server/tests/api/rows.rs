//! Datasets: what there is, pages, counts.

use std::collections::BTreeSet;

use http::Method;
use serde_json::{Value as Json, json};

use crate::house::{House, identity};

const ROWS: &str = "/api/v1/datasets/spans/rows";
const FACETS: &str = "/api/v1/datasets/spans/facets";
const COUNT: &str = "/api/v1/datasets/spans/count";

#[tokio::test]
async fn a_dataset_describes_itself() {
    let house = House::new();
    let spans = house.get("/api/v1/datasets/spans").answer().await.expect(200).json();
    assert_eq!(spans["identity"], json!(["trace_id", "span_id"]));
    assert_eq!(spans["rows"], "append_only");
    assert_eq!(spans["permission"], "traces:read");
    let columns = spans["columns"].as_array().expect("columns");
    let cost = columns.iter().find(|column| column["name"] == "cost_usd").expect("a column");
    assert_eq!(cost["type"], "decimal(18,9)");
    let filters = spans["filters"].as_array().expect("filters");
    let least = filters.iter().find(|filter| filter["name"] == "min_cost").expect("a filter");
    assert_eq!((&least["op"], &least["type"]), (&json!("min"), &json!("decimal(18,9)")));
    assert_eq!(spans["limits"]["identities"], 10_000);
    house.get("/api/v1/datasets/nope").answer().await.problem(404);
}

#[tokio::test]
async fn pages_show_every_row_once() {
    let house = House::new();
    house.send_spans("acme", 25).await;
    house.send_spans("other", 3).await;
    for sort in [json!(null), json!("-started_at"), json!({"column": "name", "descending": true}), json!("name")] {
        let mut seen = Vec::new();
        let mut cursor = Json::Null;
        loop {
            let body = json!({"limit": 10, "sort": sort, "cursor": cursor, "fields": ["span_id", "name"]});
            let page = house.post(ROWS, &body).answer().await.expect(200).json();
            let rows = page["rows"].as_array().expect("rows");
            assert!(rows.len() <= 10);
            seen.extend(rows.iter().map(|row| row["name"].as_str().expect("a name").to_owned()));
            assert!(page["as_of"].is_string());
            cursor = page["next_cursor"].clone();
            if cursor.is_null() {
                break;
            }
        }
        assert_eq!(seen.len(), 25, "{sort}");
        assert_eq!(seen.iter().collect::<BTreeSet<_>>().len(), 25, "{sort}");
        if sort == json!("-started_at") {
            assert_eq!(seen[0], "span 25");
        }
    }
    let default = house.post(ROWS, &json!({})).answer().await.expect(200).json();
    assert_eq!(default["rows"].as_array().expect("rows").len(), 25);
    assert_eq!(default["rows"][0]["started_at"], "2026-11-20T11:00:01.000000Z");
}

#[tokio::test]
async fn counts_take_a_selection_and_the_body_of_an_export() {
    let house = House::new();
    house.send_spans("acme", 5).await;
    let count = async |body: Json| house.post(COUNT, &body).answer().await.expect(200).json();
    let all = count(json!({})).await;
    assert_eq!((&all["count"], &all["exact"]), (&json!(5), &json!(true)));
    let but = json!({"selection": {"mode": "all_except", "ids": [identity(1), identity(9)]}, "format": "csv", "compression": "gzip", "limit": 2, "fields": ["name"]});
    assert_eq!(count(but).await["count"], 4);
    assert_eq!(count(json!({"selection": {"mode": "partial", "ids": [identity(1)]}})).await["count"], 1);
    house.send_spans("acme", 7).await;
    assert_eq!(count(json!({"as_of": all["as_of"]})).await["count"], 5, "as of then");
    assert_eq!(count(json!({})).await["count"], 7);
    let other = house.ask(Method::POST, COUNT).by("other", "x", "traces:read").json(&json!({}));
    assert_eq!(other.answer().await.expect(200).json()["count"], 0);
}

#[tokio::test]
async fn facets_say_which_values_there_are_and_how_often() {
    let house = House::new();
    house.send_spans("acme", 5).await;
    house.send_spans("other", 3).await;
    let facets = async |body: Json| house.post(FACETS, &body).answer().await.expect(200).json();
    let all = facets(json!({"facets": ["status_code", "name", "user_id"], "limit": 2, "format": "csv"})).await;
    assert_eq!((&all["exact"], &all["rows"]), (&json!(true), &json!(5)));
    let [status, name, user] = &all["facets"].as_array().expect("facets")[..] else { panic!("{all}") };
    assert_eq!(status["values"][0]["count"], 5, "the spans of others are not counted: {all}");
    assert_eq!(
        (&name["filter"], &name["nulls"], &name["others"]),
        (&json!("span_name"), &json!(0), &json!(3)),
        "{all}"
    );
    assert_eq!(name["values"], json!([{"value": "span 1", "count": 1}, {"value": "span 2", "count": 1}]));
    assert_eq!((&user["values"], &user["nulls"]), (&json!([]), &json!(5)));

    let ticked = facets(json!({"facets": ["status_code", "name"], "span_name": "span 4", "limit": 1})).await;
    let [status, name] = &ticked["facets"].as_array().expect("facets")[..] else { panic!("{ticked}") };
    assert_eq!(status["values"][0]["count"], 1, "the filter of another column counts: {ticked}");
    let both = json!([{"value": "span 1", "count": 1}, {"value": "span 4", "count": 1}]);
    assert_eq!((&name["values"], &name["others"]), (&both, &json!(3)), "its own does not, but what it names is there");

    house.send_spans("acme", 7).await;
    let body = json!({"facets": ["status_code"], "as_of": all["as_of"],
        "selection": {"mode": "all_except", "ids": [identity(1)]}});
    assert_eq!(facets(body).await["rows"], 4, "as of then, without one");
    let other = house.ask(Method::POST, FACETS).by("third", "x", "traces:read").json(&json!({"facets": ["name"]}));
    let other = other.answer().await.expect(200).json();
    assert_eq!(
        other["facets"][0],
        json!({"column": "name", "filter": "span_name", "values": [], "nulls": 0, "others": 0})
    );
    let stranger = house.ask(Method::POST, FACETS).by("acme", "x", "exports:read").json(&json!({"facets": ["name"]}));
    stranger.answer().await.problem(404);
}

#[tokio::test]
async fn the_body_of_an_export_that_is_delivered_asks_for_the_same_rows() {
    let house = House::new();
    house.send_spans("acme", 3).await;
    let body = json!({"format": "csv", "destination": {"id": "anywhere", "key": "{job}.csv"}});
    let mut of_facets = body.clone();
    of_facets["facets"] = json!(["name"]);
    let rows = house.post(ROWS, &body).answer().await.expect(200).json();
    assert_eq!(rows["rows"].as_array().expect("rows").len(), 3);
    assert_eq!(house.post(COUNT, &body).answer().await.expect(200).json()["count"], 3);
    assert_eq!(house.post(FACETS, &of_facets).answer().await.expect(200).json()["rows"], 3);
}

#[tokio::test]
async fn facets_that_cannot_be_are_refused_with_their_place() {
    let house = House::new();
    for (body, pointers) in [
        (json!({}), &["/facets"][..]),
        (json!({"facets": []}), &["/facets"]),
        (json!({"facets": "name"}), &["/facets"]),
        (json!({"facets": ["name", "nope"], "limit": 0, "colour": 1}), &["/colour", "/facets/1", "/limit"]),
        (json!({"facets": ["cost_usd"]}), &["/facets/0"]),
        (json!({"facets": ["input"]}), &["/facets/0"]),
        (json!({"facets": ["name", "name"]}), &["/facets/1"]),
        (json!({"facets": ["name"], "limit": 101}), &["/limit"]),
        (json!({"facets": ["name"], "scope": "trace"}), &["/scope"]),
    ] {
        let (_, mut found) = house.post(FACETS, &body).answer().await.problem(422);
        found.sort();
        assert_eq!(found, pointers, "{body}");
    }
    assert_eq!(house.post(COUNT, &json!({"facets": ["name"]})).answer().await.problem(422).1, ["/facets"]);
}

#[tokio::test]
async fn what_is_wrong_is_told_at_once_with_its_place() {
    let house = House::new();
    let wrong =
        json!({"limit": 0, "sort": "nope", "cursor": 7, "fields": ["nope"], "colour": "red", "min_tokens": "x"});
    let (_, mut pointers) = house.post(ROWS, &wrong).answer().await.problem(422);
    pointers.sort();
    assert_eq!(pointers, ["/colour", "/cursor", "/fields/0", "/limit", "/min_tokens", "/sort"]);
    for (body, pointer) in [
        (json!({"limit": 1001}), "/limit"),
        (json!({"limit": 1.5}), "/limit"),
        (json!({"sort": {"column": "name", "up": true}}), "/sort"),
        (json!({"sort": ["name"]}), "/sort"),
        (json!({"fields": []}), "/fields"),
        (json!({"fields": "name"}), "/fields"),
        (json!({"cursor": "nonsense"}), "/cursor"),
    ] {
        assert_eq!(house.post(ROWS, &body).answer().await.problem(422).1, [pointer], "{body}");
    }
    assert_eq!(house.post(COUNT, &json!({"colour": 1})).answer().await.problem(422).1, ["/colour"]);
}

/// Rows that change have snapshots for moments, and a permission of their own.
#[tokio::test]
async fn configured_datasets_answer_alike() {
    let house = House::new();
    let ask = |path: &str, body: Json| {
        let ask = house.ask(Method::POST, path).by("acme", "x", "datasets:journal,exports:create");
        ask.json(&body).answer()
    };
    let page = ask("/api/v1/datasets/journal/rows", json!({"sort": "-id"})).await.expect(200);
    let page = page.json();
    assert_eq!(
        page["rows"][1],
        json!({"id": 1, "account": "acme", "opened_at": "2026-10-01T00:00:00.000000Z", "pnl": 0.1})
    );
    assert_eq!(page["rows"][0]["id"], 2);
    assert_eq!(ask("/api/v1/datasets/journal/count", json!({"min_pnl": "0.05"})).await.expect(200).json()["count"], 1);
    let preview = ask("/api/v1/export/journal/preview", json!({"format": "csv"})).await.expect(200).json();
    assert_eq!((&preview["count"], preview["rows"].as_array().map(Vec::len)), (&json!(2), Some(2)));
    let job = ask("/api/v1/export/journal", json!({"format": "csv"})).await.expect(202).json();
    let seen = house.ask(Method::GET, job["status_url"].as_str().expect("a path")).by("acme", "x", "exports:read");
    assert!(seen.answer().await.expect(200).json().get("trace_count").is_none(), "not a dataset of spans");
}
