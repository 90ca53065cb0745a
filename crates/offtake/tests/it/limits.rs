//! Rows that a configuration allows: preview and export have the same, and both say so.

use offtake_testkit::{AppBuilder, scratch};
use rusqlite::Connection;
use serde_json::json;

use crate::support::{OFFTAKE, id_of};

#[tokio::test(flavor = "multi_thread")]
async fn a_configured_limit_bounds_preview_as_it_bounds_the_export() {
    let folder = scratch("limits");
    let file = folder.path().join("ledger.db");
    let ledger = Connection::open(&file).expect("a database");
    ledger.execute_batch("CREATE TABLE invoices (id INTEGER PRIMARY KEY, account TEXT NOT NULL)").expect("a table");
    for id in 1..=30 {
        ledger.execute("INSERT INTO invoices VALUES (?1, 'acme')", [id]).expect("a row");
    }
    drop(ledger);
    let app = AppBuilder::new(OFFTAKE)
        .set("sources.ledger.url", &format!("\"sqlite:{}\"", file.display()))
        .set("datasets.invoices.source", "\"ledger\"")
        .set("datasets.invoices.title", "\"Invoices\"")
        .set("datasets.invoices.table", "\"invoices\"")
        .set("datasets.invoices.tenant", "\"account\"")
        .set("datasets.invoices.key", "[\"id\"]")
        .set("datasets.invoices.limits", "{ rows = 7 }")
        .start()
        .await;
    let client = app.client("acme").await;
    for (body, expected) in [(json!({"format": "jsonl"}), 7), (json!({"format": "jsonl", "limit": 3}), 3)] {
        let preview = client.post("/api/v1/export/invoices/preview", &body).await.expect(200).json();
        assert_eq!(preview["rows"].as_array().map(Vec::len), Some(expected), "{preview}");
        let told = json!([preview["count"], preview["expected_rows"], preview["limited"]]);
        assert_eq!(told, json!([30, expected, true]));
        let job = client.export("invoices", &body).await;
        let receipt = client.receipt(id_of(&job)).await;
        let told = json!([receipt["rows_matching"], receipt["rows_written"], receipt["limited"]]);
        assert_eq!(told, json!([30, expected, true]));
    }
    let more = client.create("invoices", &json!({"format": "jsonl", "limit": 8})).await.expect(422);
    assert_eq!(more.problem().1, ["/limit"]);
}
