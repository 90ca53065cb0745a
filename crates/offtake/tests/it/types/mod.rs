//! Every type of Postgres × every format: files read by other people's software, each cell against what the server
//! itself says of it.
//!
//! One table has a column of each type. What is expected comes from the server's own functions (`::text`, `extract`,
//! `to_json`), never from Offtake; which of Offtake's types a column is comes from `docs/datasets.md`.

mod kinds;

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use offtake_testkit::{
    AppBuilder, Cells, Client, Database, PgVersion, Postgres, Reader, TestApp, canonical_rows, differing_cells,
    exported_rows, nulls_as_empty,
};
use serde_json::{Value as Json, json};

use crate::support::{OFFTAKE, column_names, id_of, saved};
use kinds::{Kind, TYPES, kinds};

/// A table with a column of each type, and what is to be read from it.
struct Table {
    kinds: Vec<Kind>,
    rows: usize,
    server: Server,
}

/// A database, and the server it is on: dropped in this order.
struct Server {
    database: Database,
    _server: Postgres,
}

impl Table {
    fn filled(version: PgVersion) -> Self {
        let server = Postgres::shared(version);
        let server = Server { database: server.database(), _server: server };
        let mut kinds = kinds();
        kinds.retain(|kind| kind.since == PgVersion::V15 || kind.since == version);
        if server.database.rows("SELECT setting FROM pg_config WHERE name = 'CONFIGURE'")[0][0]
            .as_deref()
            .is_some_and(|how| how.contains("--with-libxml"))
        {
            let inputs = ["<a b=\"c\">é &amp; &lt;</a>", "text"].map(ToOwned::to_owned).into();
            kinds.push(Kind { sql: "xml", ours: "text", inputs, since: version });
        }
        // The last row has nothing but NULL.
        let rows = kinds.iter().map(|kind| kind.inputs.len()).max().expect("types") + 1;
        let table = Self { kinds, rows, server };
        table.create();
        table
    }

    fn column(at: usize) -> String {
        format!("c{at}")
    }

    fn create(&self) {
        let mut sql = format!("{TYPES} SET TimeZone = 'UTC'; CREATE TABLE every (id int PRIMARY KEY");
        for (at, kind) in self.kinds.iter().enumerate() {
            write!(sql, ", {} {}", Self::column(at), kind.sql).expect("a string takes all");
        }
        sql.push_str(");");
        for row in 0..self.rows {
            let cells = self.kinds.iter().map(|kind| match kind.inputs.get(row) {
                Some(input) => format!("'{}'::{}", input.replace('\'', "''"), kind.sql),
                None => "NULL".to_owned(),
            });
            write!(sql, "INSERT INTO every VALUES ({row}, {});", cells.collect::<Vec<_>>().join(", "))
                .expect("a string takes all");
        }
        self.server.database.execute(&sql);
    }

    fn toml(&self) -> String {
        let dataset = |name: &str| {
            format!("[datasets.{name}]\nsource = \"pg\"\ntable = \"every\"\ntenant = \"none\"\nkey = [\"id\"]\n")
        };
        let texts = (0..self.kinds.len())
            .map(|at| format!("[datasets.as_text.columns.{}]\ntype = \"text\"\n", Self::column(at)));
        format!(
            "[sources.pg]\nurl = \"{}\"\n{}{}{}",
            self.server.database.url(),
            dataset("every"),
            dataset("as_text"),
            texts.collect::<String>()
        )
    }

    /// The columns as a receipt lists them, each of the type the documentation says.
    fn columns(&self, ty: impl Fn(&Kind) -> &str) -> Json {
        let columns = self.kinds.iter().enumerate();
        let columns = columns.map(|(at, kind)| json!({"name": Self::column(at), "type": ty(kind)}));
        std::iter::once(json!({"name": "id", "type": "int64"})).chain(columns).collect()
    }

    /// What the server says of every cell, asked with `expression`, made canonical.
    async fn told(&self, app: &TestApp, columns: &Json, expression: impl Fn(&Kind, &str) -> String) -> Cells {
        let asked = self.kinds.iter().enumerate().map(|(at, kind)| expression(kind, &Self::column(at)));
        let rows = self.server.database.rows(&format!(
            "SET TimeZone = 'UTC'; SET DateStyle = 'ISO'; SET IntervalStyle = 'iso_8601'; SET extra_float_digits = 1; \
             SELECT id::text, {} FROM every t ORDER BY t.id",
            asked.collect::<Vec<_>>().join(", ")
        ));
        canonical_rows(columns, &rows, &app.folder().join("told.jsonl")).await
    }

    /// The differences, each with its type, its input, and both values.
    fn compare(&self, what: &str, expected: &Cells, found: &Cells) -> Vec<String> {
        let differing = differing_cells(what, self.kinds.len() + 1, expected, found);
        let told = differing.into_iter().map(|cell| {
            let kind = cell.column.checked_sub(1).map(|at| &self.kinds[at]);
            let ty = kind.map_or("id", |kind| kind.sql);
            let input = kind.and_then(|kind| kind.inputs.get(cell.row)).map_or("NULL", |input| input);
            format!(
                "{what}: {ty}, row {}, {input:?}:\n  Postgres {}\n  file     {}",
                cell.row, cell.expected, cell.found
            )
        });
        told.collect()
    }
}

/// The number behind a moment or a day as the server counts; its text where it has none.
fn as_number(kind: &Kind, column: &str) -> String {
    match kind.ours {
        "timestamp" => format!(
            "CASE WHEN isfinite({column}) THEN (extract(epoch FROM {column}) * 1000000)::bigint::text ELSE {column}::text END"
        ),
        "date" => {
            format!("CASE WHEN isfinite({column}) THEN ({column} - date '1970-01-01')::text ELSE {column}::text END")
        }
        "json" if kind.sql.ends_with("[]") || kind.sql == "numbers" => format!("to_json({column})::text"),
        _ => as_text(kind, column),
    }
}

/// The text of the server. A cast takes the spaces of `char(n)` away, which are in it.
fn as_text(kind: &Kind, column: &str) -> String {
    if kind.sql == "char(4)" {
        format!("CASE WHEN {column} IS NOT NULL THEN format('%s', {column}) END")
    } else {
        format!("{column}::text")
    }
}

/// How a cell is compared where documents are documents; moments and days come as numbers already.
fn in_json(kind: &Kind) -> &str {
    if matches!(kind.ours, "timestamp" | "date") { "canonical" } else { kind.ours }
}

/// How a cell is compared where a document is the text it was stored as.
fn in_text(kind: &Kind) -> &str {
    if kind.ours == "json" { "text" } else { in_json(kind) }
}

/// Exports a dataset; the receipt and the file.
async fn exported(app: &TestApp, client: &Client, dataset: &str, body: &Json) -> (Json, PathBuf) {
    let job = client.export(dataset, body).await;
    (client.receipt(id_of(&job)).await, saved(app, client, &job).await)
}

async fn no_cell_differs(version: PgVersion) {
    let table = Table::filled(version);
    let app = AppBuilder::new(OFFTAKE).with_tables(&table.toml()).start().await;
    let client = app.client("acme").await;
    let typed = table.columns(|kind| kind.ours);
    let texts = table.columns(|kind| if kind.ours == "json" { "text" } else { kind.ours });
    let trees = table.told(&app, &table.columns(in_json), as_number).await;
    let stored = table.told(&app, &table.columns(in_text), as_number).await;
    let mut wrong = Vec::new();
    for (format, compression, dialect, readers) in [
        ("csv", "none", "rfc4180", &[Reader::PythonCsv, Reader::Arrow, Reader::DuckDb][..]),
        ("csv", "zstd", "rfc4180", &[Reader::Arrow]),
        ("csv", "none", "excel", &[Reader::PythonCsv]),
        ("jsonl", "none", "rfc4180", &[Reader::PythonJson, Reader::DuckDb]),
        ("json", "gzip", "rfc4180", &[Reader::PythonJson, Reader::DuckDb]),
        ("parquet", "none", "rfc4180", &[Reader::Arrow, Reader::DuckDb]),
        ("xlsx", "none", "rfc4180", &[Reader::OpenPyxl]),
    ] {
        let mut body = json!({"format": format, "compression": compression});
        if format == "csv" {
            body["dialect"] = json!(dialect);
        }
        let (mut receipt, file) = exported(&app, &client, "every", &body).await;
        assert_eq!(receipt["columns"], typed, "{format}");
        let has_mark = fs::read(&file).is_ok_and(|bytes| bytes.starts_with("\u{feff}".as_bytes()));
        assert_eq!(has_mark, dialect == "excel", "{format} {dialect}: a byte order mark");
        let mut expected = if format.starts_with("json") { trees.clone() } else { stored.clone() };
        if !format.starts_with("json") {
            receipt["columns"] = texts.clone();
        }
        if dialect == "excel" {
            let bytes = fs::read(&file).expect("the file");
            fs::write(&file, &bytes["\u{feff}".len()..]).expect("the file can be written");
            guard(&table, &mut expected, &receipt);
        }
        if format == "xlsx" {
            cut(&table, &mut expected, &receipt);
        }
        if format.starts_with("json") {
            without_null_documents(&table, &mut expected);
        }
        for &reader in readers {
            let is_rounded = reader == Reader::DuckDb && format.starts_with("json");
            let expected =
                if is_rounded { expected.iter().map(|row| rounded(row)).collect() } else { expected.clone() };
            let what = format!("{format} {compression} {dialect}, read by {reader:?}");
            let found = exported_rows(reader, &file, &receipt).await;
            wrong.extend(if reader.knows_null() {
                table.compare(&what, &expected, &found)
            } else {
                table.compare(&what, &nulls_as_empty(&expected), &nulls_as_empty(&found))
            });
        }
    }
    assert!(wrong.is_empty(), "{} cells differ on {}:\n{}", wrong.len(), version.name(), wrong.join("\n"));
}

/// The documented difference of the dialect `excel`: an apostrophe before text cells that begin like a formula.
fn guard(table: &Table, expected: &mut Cells, receipt: &Json) {
    let mut guarded = 0;
    for row in expected {
        for (kind, cell) in table.kinds.iter().zip(row.iter_mut().skip(1)) {
            if let Some(text) = cell
                && in_text(kind) == "text"
                && text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'])
            {
                text.insert(0, '\'');
                guarded += 1;
            }
        }
    }
    assert_eq!(receipt["guarded_cells"], json!(guarded));
}

/// The documented difference of `jsonl` and `json`: the document `null` is written as NULL is.
fn without_null_documents(table: &Table, expected: &mut Cells) {
    for row in expected {
        for (kind, cell) in table.kinds.iter().zip(row.iter_mut().skip(1)) {
            *cell = cell.take().filter(|cell| kind.ours != "json" || cell != "null");
        }
    }
}

/// The documented difference of DuckDB's reader: in documents of `jsonl` and `json` it rounds numbers to doubles.
fn rounded(row: &[Option<String>]) -> Vec<Option<String>> {
    let rounded = |cell: &String| match serde_json::from_str::<Json>(cell) {
        Ok(mut tree) if cell.contains("{\"number\":") => {
            round(&mut tree);
            tree.to_string()
        }
        Ok(_) | Err(_) => cell.clone(),
    };
    row.iter().map(|cell| cell.as_ref().map(rounded)).collect()
}

fn round(tree: &mut Json) {
    match tree {
        Json::Object(node) => {
            if let Some(Json::String(number)) = node.get_mut("number") {
                let double: f64 = number.parse().expect("a number");
                if number.parse::<u64>().is_err() && double.is_finite() {
                    *number = double.to_string();
                }
            }
            node.values_mut().for_each(round);
        }
        Json::Array(items) => items.iter_mut().for_each(round),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {}
    }
}

/// The documented difference of `xlsx`: what is longer than a cell is cut between two characters and listed.
fn cut(table: &Table, expected: &mut Cells, receipt: &Json) {
    const LONGEST: usize = 32_767;
    let names = column_names(receipt);
    let listed = receipt["truncated_cells"].as_array().expect("a list");
    let mut cells = 0;
    for (at, row) in expected.iter_mut().enumerate() {
        for (column, cell) in row.iter_mut().enumerate().skip(1) {
            let Some(text) = cell.as_mut().filter(|text| text.encode_utf16().count() > LONGEST) else { continue };
            let (length, mut units) = (text.encode_utf16().count(), 0);
            let end = text.char_indices().find(|(_, next)| {
                units += next.len_utf16();
                units > LONGEST
            });
            let what = format!("{} in row {at}", table.kinds[column - 1].sql);
            let named = |cell: &&Json| cell["row"] == json!(at + 1) && cell["column"] == json!(names[column]);
            let cell = listed.iter().find(named).unwrap_or_else(|| panic!("{what} is not listed: {listed:?}"));
            assert_eq!(cell["length"], json!(length), "{what}");
            text.truncate(end.expect("it is longer").0);
            cells += 1;
        }
    }
    assert_eq!((receipt["truncated_cells_count"].as_u64(), listed.len()), (Some(cells), cells as usize));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_cell_differs_on_15() {
    no_cell_differs(PgVersion::V15).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_cell_differs_on_18() {
    no_cell_differs(PgVersion::V18).await;
}

/// `type = "text"` gives the text of the server, whatever the type.
#[tokio::test(flavor = "multi_thread")]
async fn every_type_can_be_had_as_text() {
    let table = Table::filled(PgVersion::V18);
    let app = AppBuilder::new(OFFTAKE).with_tables(&table.toml()).start().await;
    let client = app.client("acme").await;
    let texts = table.columns(|_| "text");
    let expected = table.told(&app, &texts, as_text).await;
    let (receipt, file) = exported(&app, &client, "as_text", &json!({"format": "parquet"})).await;
    assert_eq!(receipt["columns"], texts);
    let found = exported_rows(Reader::Arrow, &file, &receipt).await;
    let wrong = table.compare("parquet of texts", &expected, &found);
    assert!(wrong.is_empty(), "{} cells differ:\n{}", wrong.len(), wrong.join("\n"));
}

/// What a type of a file cannot hold fails the job, which names column, row and remedy.
#[tokio::test(flavor = "multi_thread")]
async fn what_no_cell_can_hold_is_an_error() {
    let server = Postgres::shared(PgVersion::V15);
    let database = server.database();
    database.execute(
        "CREATE TABLE odd (id int PRIMARY KEY, amount numeric(9,2), at timestamptz);
         INSERT INTO odd VALUES (1, 1.5, now()), (2, 'NaN', now()), (3, 2, '294276-12-31')",
    );
    let toml = format!(
        "[sources.pg]\nurl = \"{}\"\n[datasets.odd]\nsource = \"pg\"\ntable = \"odd\"\ntenant = \"none\"\nkey = [\"id\"]",
        database.url()
    );
    let app = AppBuilder::new(OFFTAKE).with_tables(&toml).start().await;
    let client = app.client("acme").await;
    for (column, row, remedy) in [("amount", 2, "columns.amount.type"), ("at", 3, "columns.at.type")] {
        let id = client.begin("odd", &json!({"format": "csv", "fields": ["id", column]})).await;
        let job = client.rested(&id, std::time::Duration::from_secs(60)).await;
        assert_eq!(
            (job["status"].as_str(), job["error"]["code"].as_str()),
            (Some("failed"), Some("schema_drift")),
            "{job}"
        );
        let told = job["error"].to_string();
        for part in [column, &format!("row {row}"), remedy] {
            assert!(told.contains(part), "{part}: {told}");
        }
    }
}
