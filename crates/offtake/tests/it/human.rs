//! Files for people: numbers, dates and times as they are written in a place, against what Babel makes of CLDR.

use std::fs;

use futures::StreamExt as _;
use offtake_testkit::{AppBuilder, Cells, Client, Database, PgVersion, Postgres, TestApp, differing_cells, python};
use serde_json::{Value as Json, json};

use crate::support::{OFFTAKE, id_of, saved};

const COLUMNS: [&str; 7] = ["id", "count", "amount", "ratio", "day", "at", "note"];

/// Clocks go forward on 29 March 2026 and back on 25 October, both at 01:00 UTC.
const ROWS: &str = "
    CREATE TABLE sales (id int PRIMARY KEY, count bigint, amount numeric(18,6), ratio double precision, day date,
        at timestamptz, note text);
    INSERT INTO sales VALUES
        (1, 0, 0, 0.1, '2026-01-02', '2026-03-29 00:59:59.999999Z', '-1.5'),
        (2, 999, -0.5, -1234567.891, '1999-12-31', '2026-03-29 01:00:00Z', 'a;b,c'),
        (3, 1000, 1234.5, 1000, '2026-11-25', '2026-10-25 00:30:00Z', '=1+1'),
        (4, -12345, 999999999999.123456, 12345678.25, '0999-10-10', '2026-10-25 01:30:00.12Z', NULL),
        (5, 9223372036854775807, 0.000001, 100000, '9999-12-31', '1970-01-01 00:00:00Z', ''),
        (6, -9223372036854775808, 100, 0.25, '2024-02-29', '2026-07-04 23:05:06Z', 'é'),
        (7, 7, NULL, NULL, NULL, NULL, NULL)";

struct Shop {
    app: TestApp,
    client: Client,
    database: Database,
    _server: Postgres,
}

impl Shop {
    async fn open() -> Self {
        let server = Postgres::shared(PgVersion::V15);
        let database = server.database();
        database.execute(ROWS);
        let toml = format!(
            "[sources.pg]\nurl = \"{}\"\n\
             [datasets.sales]\nsource = \"pg\"\ntable = \"sales\"\ntenant = \"none\"\nkey = [\"id\"]\n",
            database.url()
        );
        let app = AppBuilder::new(OFFTAKE).with_tables(&toml).start().await;
        let client = app.client("acme").await;
        Self { app, client, database, _server: server }
    }

    /// The values as the server says them.
    fn exact(&self) -> Cells {
        self.database.rows(
            "SET DateStyle = 'ISO'; SET extra_float_digits = 1; SELECT id::text, count::text, amount::text, ratio::text, \
             day::text, to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') FROM sales ORDER BY sales.id",
        )
    }

    /// The rows of a CSV in this form, by a reader that knows of quotes alone.
    async fn csv(&self, formats: Json, delimiter: char) -> Cells {
        let body = json!({"format": "csv", "delimiter": delimiter.to_string(), "formats": formats});
        let job = self.client.export("sales", &body).await;
        let file = fs::read_to_string(saved(&self.app, &self.client, &job).await).expect("UTF-8");
        cells(&file, delimiter)
    }

    /// The locales there are: what the answer to an unknown one lists.
    async fn locales(&self) -> Vec<String> {
        let refused = self.client.create("sales", &json!({"format": "csv", "formats": {"locale": "tlh"}})).await;
        let problem: Json = refused.expect(422).json();
        let detail = problem["errors"][0]["detail"].as_str().expect("a detail").to_owned();
        let (_, list) = detail.split_once(": ").expect("a list");
        list.split(", ").map(ToOwned::to_owned).collect()
    }
}

/// Records of RFC 4180 after the header; an empty cell without quotes is NULL.
fn cells(file: &str, delimiter: char) -> Cells {
    let (mut rows, mut row, mut cell, mut quoted, mut in_quotes) =
        (Vec::new(), Vec::new(), String::new(), false, false);
    let mut characters = file.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' if in_quotes && characters.peek() == Some(&'"') => {
                characters.next();
                cell.push('"');
            }
            '"' => {
                in_quotes = !in_quotes;
                quoted = true;
            }
            _ if in_quotes => cell.push(character),
            '\r' => {}
            '\n' => {
                row.push(Some(std::mem::take(&mut cell)).filter(|cell| quoted || !cell.is_empty()));
                rows.push(std::mem::take(&mut row));
                quoted = false;
            }
            _ if character == delimiter => {
                row.push(Some(std::mem::take(&mut cell)).filter(|cell| quoted || !cell.is_empty()));
                quoted = false;
            }
            _ => cell.push(character),
        }
    }
    rows.split_off(1)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_locale_writes_as_babel_does() {
    const ZONE: &str = "Europe/Berlin";
    let shop = Shop::open().await;
    let locales = shop.locales().await;
    assert!(locales.len() > 40, "{locales:?}");
    let exact = shop.exact();
    let told = shop.app.folder().join("exact.jsonl");
    let types = json!(["int", "int", "decimal", "float", "date", "timestamp"]).to_string();
    let lines: Vec<String> = std::iter::once(types).chain(exact.iter().map(|row| json!(row).to_string())).collect();
    fs::write(&told, lines.join("\n")).expect("the folder can be written to");
    let ran = python("human_cells.py", &[&locales.join(","), ZONE, &told.to_string_lossy()]).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let written = futures::stream::iter(&locales)
        .map(|locale| shop.csv(json!({"locale": locale, "time_zone": ZONE}), ','))
        .buffered(8)
        .collect::<Vec<_>>()
        .await;
    let mut wrong = Vec::new();
    for ((locale, mut found), expected) in locales.iter().zip(written).zip(ran.stdout.lines()) {
        let expected: Cells = serde_json::from_str(expected).expect("rows");
        found.iter_mut().for_each(|row| row.truncate(expected[0].len()));
        wrong.extend(differing_cells(locale, expected[0].len(), &expected, &found).into_iter().map(|cell| {
            let column = COLUMNS[cell.column];
            format!("{locale}: {column} of row {}: Babel {}, file {}", cell.row, cell.expected, cell.found)
        }));
    }
    assert!(wrong.is_empty(), "{} cells differ:\n{}", wrong.len(), wrong.join("\n"));
    assert_eq!(ran.stdout.lines().count(), locales.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_for_goes_before_the_locale() {
    let shop = Shop::open().await;
    let formats = json!({"locale": "de-DE", "time_zone": "America/New_York", "group_separator": "",
        "date": "%Y/%m/%d", "timestamp": "%d.%m.%y %H:%M:%S.%3f %:z"});
    let found = shop.csv(formats, ',').await;
    let row = |at: usize| found[at].iter().map(|cell| cell.as_deref().unwrap_or("NULL")).collect::<Vec<_>>();
    assert_eq!(row(0), ["1", "0", "0", "0,1", "2026/01/02", "28.03.26 20:59:59.999 -04:00", "-1.5"]);
    assert_eq!(row(1), ["2", "999", "-0,5", "-1234567,891", "1999/12/31", "28.03.26 21:00:00.000 -04:00", "a;b,c"]);
    assert_eq!(row(3)[1..4], ["-12345", "999999999999,123456", "12345678,25"]);
    assert_eq!(row(6), ["7", "7", "NULL", "NULL", "NULL", "NULL", "NULL"]);
    let zone_alone = shop.csv(json!({"time_zone": "Asia/Kathmandu"}), ';').await;
    let cell = |at: usize, column: usize| zone_alone[at][column].as_deref();
    assert_eq!((cell(3, 3), cell(3, 4)), (Some("12345678.25"), Some("0999-10-10")), "the rest is exact");
    assert_eq!(cell(3, 5), Some("2026-10-25T07:15:00.120000+05:45"));
}

/// A double click in a country with a decimal comma: semicolons, and text cells guarded as ever.
#[tokio::test(flavor = "multi_thread")]
async fn excel_gets_the_delimiter_of_its_country() {
    let shop = Shop::open().await;
    let body =
        json!({"format": "csv", "dialect": "excel", "formats": {"locale": "fr-FR", "time_zone": "Europe/Paris"}});
    let job = shop.client.export("sales", &body).await;
    let receipt = shop.client.receipt(id_of(&job)).await;
    assert_eq!(
        (receipt["spec"]["formats"].clone(), &receipt["spec"]["delimiter"]),
        (body["formats"].clone(), &json!(";"))
    );
    let file = fs::read_to_string(saved(&shop.app, &shop.client, &job).await).expect("UTF-8");
    assert!(file.starts_with("\u{feff}id;count;amount;ratio;day;at;note\r\n1;0;0;0,1;02/01/2026;"), "{file}");
    assert!(
        file.contains("\r\n3;1\u{202f}000;1\u{202f}234,5;1\u{202f}000;25/11/2026;25/10/2026 02:30:00;'=1+1\r\n"),
        "{file}"
    );
    assert!(file.contains(";-0,5;") && receipt["guarded_cells"] == json!(2), "{file} {receipt}");
    let plain = shop.client.export("sales", &json!({"format": "csv", "dialect": "excel", "delimiter": ";"})).await;
    assert_ne!(shop.client.receipt(id_of(&plain)).await["spec_sha256"], receipt["spec_sha256"]);
    let again = shop.client.export("sales", &body).await;
    assert_eq!(shop.client.receipt(id_of(&again)).await["sha256"], receipt["sha256"], "the same rows, the same bytes");
}

#[tokio::test(flavor = "multi_thread")]
async fn spreadsheets_keep_values_and_show_them_so() {
    let shop = Shop::open().await;
    let body = json!({"format": "xlsx", "formats": {"locale": "en-US", "time_zone": "America/New_York"}});
    let job = shop.client.export("sales", &body).await;
    let file = saved(&shop.app, &shop.client, &job).await;
    let ran = python("shown_cells.py", &[&file.to_string_lossy()]).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let rows: Vec<Vec<(Option<String>, String)>> =
        ran.stdout.lines().map(|line| serde_json::from_str(line).expect("cells")).collect();
    let shown = |row: usize, column: usize| {
        let (value, format) = &rows[row][column];
        (value.as_deref().unwrap_or("NULL").to_owned(), format.clone())
    };
    let cell = |value: &str, format: &str| (value.to_owned(), format.to_owned());
    assert_eq!(shown(3, 1), cell("-12345.0", "#,##0"));
    assert_eq!(shown(2, 2), cell("1234.5", "#,##0.0"));
    assert_eq!(shown(1, 3), cell("-1234567.891", "#,##0.000"));
    assert_eq!(shown(2, 3), cell("1000.0", "#,##0"));
    assert_eq!(shown(2, 4), cell("2026-11-25 00:00:00", r"m\/d\/yyyy"));
    assert_eq!(shown(1, 5), cell("2026-03-28 21:00:00", r"m\/d\/yyyy\ h\:mm\:ss\ AM/PM"));
    assert_eq!(shown(3, 5), cell("2026-10-24 21:30:00.120000", r"m\/d\/yyyy\ h\:mm\:ss.000\ AM/PM"));
    assert_eq!(shown(0, 6), cell("-1.5", "General"));
    assert_eq!(shown(3, 2).0, "999999999999.123456", "more digits than a number has: text");
}

#[tokio::test(flavor = "multi_thread")]
async fn presets_previews_and_the_command_line_know_them() {
    let shop = Shop::open().await;
    let preset = json!({"name": "german", "dataset": "sales", "formats": {"locale": "de-DE"}});
    shop.client.post("/api/v1/presets", &preset).await.expect(201);
    let bad = json!({"name": "bad", "dataset": "sales", "formats": {"locale": "de-DE", "date": "%Q"}});
    assert_eq!(shop.client.post("/api/v1/presets", &bad).await.expect(422).problem().1, ["/formats/date"]);
    let body = json!({"format": "csv", "preset": "german", "fields": ["amount"]});
    let job = shop.client.export("sales", &body).await;
    let file = shop.client.download(id_of(&job)).await;
    assert!(String::from_utf8(file).expect("UTF-8").contains("\"999.999.999.999,123456\""));
    // A format that has no such form leaves it out.
    let job = shop.client.export("sales", &json!({"format": "jsonl", "preset": "german"})).await;
    assert_eq!(job["status"], "completed", "{job}");
    let preview = async |body: Json| shop.client.post("/api/v1/export/sales/preview", &body).await;
    assert_eq!(preview(json!({"format": "csv", "formats": {"locale": "de-DE"}})).await.status, 200);
    let refused = preview(json!({"format": "csv", "formats": {"time_zone": "Mars/Olympus"}})).await;
    assert_eq!(refused.expect(422).problem().1, ["/formats/time_zone"]);
    let out = shop.app.folder().join("sales.csv");
    let out = out.to_string_lossy();
    let ran = shop
        .app
        .cli(&["export", "sales", "--org", "acme", "--locale", "de", "--time-zone", "Europe/Berlin", "-o", &out])
        .await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let file = fs::read_to_string(&*out).expect("the file");
    assert!(file.contains("25.10.2026 02:30:00,12") || file.contains("\"25.10.2026 02:30:00,12\""), "{file}");
}
