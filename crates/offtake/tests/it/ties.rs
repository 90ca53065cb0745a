//! Many rows of one moment: pages of any size, and files, have each of them once.

use offtake_testkit::{AppBuilder, Client, PgVersion, Postgres};
use serde_json::{Value as Json, json};

use crate::support::{OFFTAKE, json_rows};

/// Leafs through all pages; the numbers of the rows.
async fn leafed(client: &Client, dataset: &str, limit: u64) -> Vec<u64> {
    let mut seen = Vec::new();
    let mut cursor = Json::Null;
    loop {
        let body = json!({"limit": limit, "cursor": cursor, "fields": ["n"]});
        let page = client.post(&format!("/api/v1/datasets/{dataset}/rows"), &body).await.expect(200).json();
        let rows = page["rows"].as_array().expect("rows");
        assert!(rows.len() as u64 <= limit);
        seen.extend(rows.iter().map(|row| row["n"].as_u64().expect("a number")));
        cursor = page["next_cursor"].clone();
        if cursor.is_null() {
            return seen;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ties_are_neither_lost_nor_doubled_by_pages_and_files() {
    let server = Postgres::shared(PgVersion::V15);
    let database = server.database();
    // The numbers are not in the order of the key: what is compared is who is there.
    database.execute(
        "CREATE TABLE tied (at timestamptz, id text, n int, PRIMARY KEY (at, id));
         INSERT INTO tied SELECT '2026-10-01T00:00:00.000001Z', md5(n::text), n FROM generate_series(1, 10000) n;
         CREATE TABLE crowded (at timestamptz, id text, n int, PRIMARY KEY (at, id));
         INSERT INTO crowded SELECT timestamptz '2026-10-01T00:00:00.123Z' + n % 1000 * interval '1 us', md5(n::text), n
         FROM generate_series(1, 1000) n;",
    );
    let mut tables = format!("[sources.pg]\nurl = '{}'\n", database.url());
    for rows in ["append_only", "mutable"] {
        for table in ["tied", "crowded"] {
            tables += &format!(
                "[datasets.{table}_{rows}]\nsource = 'pg'\ntable = '{table}'\ntenant = 'none'\nkey = ['at', 'id']
                 time = 'at'\nrows = '{rows}'\n"
            );
        }
    }
    // Ranges that end in the middle of the ties.
    let app = AppBuilder::new(OFFTAKE).set("worker.max_frame_rows", "333").with_tables(&tables).start().await;
    let client = app.client("acme").await;
    for (table, count, sizes) in [("tied", 10_000, &[499, 500, 501][..]), ("crowded", 1_000, &[1, 2, 499, 500, 501])] {
        let ordered = database.rows(&format!("SELECT n FROM {table} ORDER BY at, id COLLATE \"C\""));
        let ordered: Vec<u64> = ordered.iter().map(|row| row[0].as_ref().unwrap().parse().unwrap()).collect();
        for rows in ["append_only", "mutable"] {
            let dataset = format!("{table}_{rows}");
            for size in sizes.iter().filter(|size| **size > 2 || rows == "append_only") {
                assert!(leafed(&client, &dataset, *size).await == ordered, "{dataset} in pages of {size}");
            }
            let job = client.export(&dataset, &json!({"format": "jsonl", "fields": ["n"]})).await;
            let file: Vec<u64> =
                json_rows(&client, &job).await.iter().map(|row| row["n"].as_u64().expect("a number")).collect();
            assert!(file == ordered, "the file of {dataset}");
            let window = json!({"start_time": "2026-10-01T00:00:00.000001Z", "end_time": "2026-10-01T00:00:00.124Z"});
            let counted = client.post(&format!("/api/v1/datasets/{dataset}/count"), &window).await.expect(200).json();
            assert_eq!(counted["count"], count, "{dataset}: the window takes in its first microsecond");
        }
    }
}
