//! Every type of Postgres × every format: files read by other people's software, each cell against what the server
//! itself says of it.
//!
//! One table has a column of each type. What is expected comes from the server's own functions (`::text`, `extract`,
//! `to_json`), never from Offtake; which of Offtake's types a column is comes from `docs/datasets.md`.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use offtake_testkit::{
    AppBuilder, Cells, Client, Database, PgVersion, Postgres, Reader, TestApp, canonical_rows, differing_cells,
    exported_rows, nulls_as_empty,
};
use serde_json::{Value as Json, json};

use crate::support::{OFFTAKE, column_names, id_of, saved};

/// A type, what it is in a file, and inputs for it.
struct Kind {
    sql: &'static str,
    ours: &'static str,
    inputs: Vec<String>,
    /// The first version that has it.
    since: PgVersion,
}

/// What stands before the table: types of its own.
const TYPES: &str = r#"
    CREATE EXTENSION citext; CREATE EXTENSION hstore; CREATE EXTENSION ltree;
    CREATE TYPE mood AS ENUM ('sad', 'so, so', 'say "hi"', 'it''s', E'two\nlines', '=1+1', '🙂', 'NULL');
    CREATE TYPE pair AS (a int, "b c" text);
    CREATE TYPE span_of AS RANGE (subtype = float8);
    CREATE DOMAIN price AS numeric(10,2) CHECK (VALUE > -1000);
    CREATE DOMAIN net_price AS price;
    CREATE DOMAIN counted AS bigint;
    CREATE DOMAIN label AS varchar(40);
    CREATE DOMAIN moment AS timestamptz;
    CREATE DOMAIN day AS date;
    CREATE DOMAIN truth AS boolean;
    CREATE DOMAIN document AS jsonb;
    CREATE DOMAIN numbers AS int[];
    CREATE DOMAIN feeling AS mood;
"#;

/// Texts that were somebody's bug report.
fn texts() -> Vec<String> {
    let short = [
        "",
        " ",
        " around ",
        "a,b;c\td|e",
        "say \"hi\"",
        "\"",
        "it's",
        "\\",
        "\\N",
        "\n",
        "two\nlines",
        "two\r\nlines",
        "\rfirst",
        "NULL",
        "null",
        "NaN",
        "true",
        "{\"a\":1}",
        "0012",
        "1e5",
        "-5",
        "=1+1",
        "+49 30 123",
        "@SUM(A1)",
        "\t=1",
        "＝1+1",
        "\u{feff}bom",
        "emoji 👩‍👩‍👧‍👦 🇺🇳",
        "e\u{301} é a\u{300}\u{301}",
        "\u{202e}right to left",
        "\u{2028}\u{2029}\u{85}",
        "\u{1}\u{8}\u{b}\u{1f}\u{7f}",
        "\u{fffd}\u{fffe}\u{ffff}\u{10ffff}",
        "_x0041_",
        "infinity",
    ];
    let mut texts: Vec<String> = short.map(ToOwned::to_owned).into();
    texts.push("hundred thousand bytes: ßé🙂 \"quoted\", and\nmore; ".repeat(2_000));
    texts.push("x".repeat(100_000));
    texts
}

fn kinds() -> Vec<Kind> {
    let long = "9".repeat(60);
    let exact: [&str; 8] =
        ["0", "1.10", "-0.01", "1234567890123456789012345678.0123456789", "-1", "0.0000000001", "1e15", "123456.7"];
    let mut all: Vec<Kind> = Vec::new();
    let mut kind = |sql, ours, inputs: &[&str]| {
        all.push(Kind {
            sql,
            ours,
            inputs: inputs.iter().map(|&input| input.to_owned()).collect(),
            since: PgVersion::V15,
        });
    };
    kind("smallint", "int64", &["0", "-32768", "32767", "7"]);
    kind("integer", "int64", &["0", "-2147483648", "2147483647", "-42"]);
    let big =
        ["0", "-9223372036854775808", "9223372036854775807", "9007199254740993", "999999999999999", "1000000000000000"];
    kind("bigint", "int64", &big);
    kind("oid", "int64", &["0", "4294967295", "2147483648"]);
    let single =
        ["0", "-0", "0.1", "3.4028235e38", "1e-45", "NaN", "Infinity", "-Infinity", "16777216", "1e15", "-2.5"];
    kind("real", "float64", &single);
    let double = [
        "0",
        "-0",
        "0.1",
        "1.7976931348623157e308",
        "1e308",
        "9.9e307",
        "5e-324",
        "2.2250738585072014e-308",
        "2.225073858507201e-308",
        "NaN",
        "Infinity",
        "-Infinity",
        "9007199254740993",
        "1e15",
        "1e16",
        "1e-5",
        "123456.789",
        "0.30000000000000004",
        "-1234567890123456.7",
    ];
    kind("double precision", "float64", &double);
    let loose = [
        "0",
        "0.00",
        "1.10",
        "-5",
        "100",
        "1e-30",
        "NaN",
        "Infinity",
        "-Infinity",
        "12345678901234567890123456789012345678",
        "0.000100010000",
        "10000",
        "-10000.0001",
        "1e131071",
        "1e-16383",
        &long,
    ];
    kind("numeric", "text", &loose);
    kind("numeric(38,10)", "decimal(38,10)", &exact);
    kind(
        "numeric(38,0)",
        "decimal(38,0)",
        &["0", "99999999999999999999999999999999999999", "-99999999999999999999999999999999999999", "1e30"],
    );
    kind("numeric(38,38)", "decimal(38,38)", &["0", "0.99999999999999999999999999999999999999", "1e-38"]);
    kind("numeric(18,9)", "decimal(18,9)", &["0.0012", "-999999999.999999999", "999999.123456789", "1"]);
    kind("numeric(9,2)", "decimal(9,2)", &["0", "-0.01", "9999999.99", "10.50", "100"]);
    kind("numeric(4)", "decimal(4,0)", &["0", "-9999", "1000"]);
    kind("numeric(39,1)", "text", &["99999999999999999999999999999999999999.9", "0", "NaN"]);
    kind("numeric(5,-2)", "text", &["12345", "-9999900", "0", "49"]);
    kind("numeric(3,5)", "text", &["0.00999", "-0.00001", "0"]);
    kind("boolean", "bool", &["true", "false"]);
    kind("varchar(9)", "text", &["", "x", "a,b\"\n", "éééé🙂"]);
    kind("char(4)", "text", &["", "ab", "  x", "é\"\n"]);
    kind("\"char\"", "text", &["a", "", ",", "\""]);
    kind("name", "text", &["x", "a b", "\"quoted\""]);
    kind("citext", "text", &["AbC", "", "=X", "é\r\n"]);
    kind(
        "uuid",
        "text",
        &[
            "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11",
            "00000000-0000-0000-0000-000000000000",
            "ffffffff-ffff-ffff-ffff-ffffffffffff",
        ],
    );
    let documents = [
        "null",
        "true",
        "\"text\"",
        "\"\"",
        "[]",
        "{}",
        "-0",
        "1.10",
        "1e400",
        "12345678901234567890123456789012345678901234567890.10",
        r#"{"b": 1,  "a": [1.10, null]}"#,
        r#"{"__proto__": {"x": 1}, "": "no key", "a.b": 2}"#,
        r#"["=1+1", "é🙂", "\u2028", "\\\" \n"]"#,
        "[9007199254740993, 9223372036854775808]",
    ];
    kind("jsonb", "json", &documents);
    let odd = ["{\"b\": 1,\n  \"a\": [1.10,\r\n\tnull]}", r#"{"a":1,"a":2}"#, r#""\u0000 \ud83d\ude42""#, " [1] "];
    kind("json", "json", &[&documents[..], &odd[..]].concat());
    kind("bytea", "text", &["\\x", "\\x00", "\\xdeadBEEF", "=1+1", "\\xff0a0d22"]);
    let days = [
        "1970-01-01",
        "2026-11-25",
        "0001-01-01",
        "9999-12-31",
        "10000-01-01",
        "5874897-12-31",
        "4713-01-01 BC",
        "0044-03-15 BC",
        "0001-12-31 BC",
        "infinity",
        "-infinity",
        "1900-02-28",
        "1900-03-01",
        "2024-02-29",
    ];
    kind("date", "date", &days);
    kind("time", "text", &["00:00", "23:59:59.999999", "24:00:00", "12:34:56.1"]);
    kind("time(3)", "text", &["12:34:56.1239"]);
    kind("timetz", "text", &["00:00+00", "23:59:59.999999-12", "12:00:00+05:30", "24:00:00+15:59:59"]);
    let moments = [
        "1970-01-01 00:00:00",
        "2026-10-01 02:00:00.123456",
        "2026-10-01 02:00:00.123",
        "1969-12-31 23:59:59.999999",
        "0001-01-01 00:00:00",
        "9999-12-31 23:59:59.999999",
        "10000-01-01 00:00:00",
        "294246-12-31 23:59:59.999999",
        "4713-01-01 00:00:00 BC",
        "0044-03-15 12:00:00.5 BC",
        "infinity",
        "-infinity",
        "1900-02-28 23:59:59",
        "1900-03-01",
        "2200-01-01 00:00:00.000001",
    ];
    kind("timestamp", "timestamp", &moments);
    kind(
        "timestamptz",
        "timestamp",
        &[&moments[..], &["2026-03-29 02:30:00+02", "2026-10-01 00:00:00+05:45"]].concat(),
    );
    kind("timestamptz(3)", "timestamp", &["2026-10-01 02:00:00.123456+02"]);
    let intervals = [
        "0",
        "1 year 2 mons -3 days 04:05:06.7",
        "-1 second",
        "-0.000001 seconds",
        "P1Y2M3DT4H5M6S",
        "178000000 years",
        "-178000000 years",
        "1000000 hours",
        "-1 mon +1 day",
        "1 day -00:00:01",
    ];
    kind("interval", "text", &intervals);
    kind("interval year to month", "text", &["1 year 2 mons"]);
    kind("mood", "text", &["sad", "so, so", "say \"hi\"", "it's", "two\nlines", "=1+1", "🙂", "NULL"]);
    kind("price", "decimal(10,2)", &["0", "-0.01", "99999999.99", "1.10"]);
    kind("net_price", "decimal(10,2)", &["12.30"]);
    kind("counted", "int64", &["9223372036854775807"]);
    kind("label", "text", &["", "=1", "é"]);
    kind("moment", "timestamp", &["2026-10-01 00:00:00.000001+00", "infinity"]);
    kind("day", "date", &["2026-10-01", "-infinity"]);
    kind("truth", "bool", &["false"]);
    kind("document", "json", &[r#"{"a": 1.10}"#]);
    kind("numbers", "json", &["{1,NULL,3}", "{}"]);
    kind("feeling", "text", &["so, so"]);
    kind("int[]", "json", &["{}", "{1,NULL,-3}", "{{1,2},{3,4}}", "[2:3]={7,8}", "[0:0][5:6]={{1,2}}"]);
    kind("bigint[]", "json", &["{9223372036854775807,9007199254740993}"]);
    kind("double precision[]", "json", &["{0.1,-0,1e300,NaN,Infinity,-Infinity,5e-324}"]);
    kind("real[]", "json", &["{0.1,16777216}"]);
    kind("numeric[]", "json", &["{1.10,12345678901234567890123456789012345678901234567890.5,NaN}"]);
    kind("numeric(10,2)[]", "json", &["{1.1,NULL}"]);
    kind("boolean[]", "json", &["{t,f,NULL}"]);
    kind(
        "text[]",
        "json",
        &[
            "{}",
            "{NULL,\"NULL\",\"\"}",
            r#"{"a,b","c\"d","e\\f","g h","{i}"}"#,
            "{\"two\nlines\",=1+1,é🙂,\"\u{feff}\"}",
            "{{a,b},{c,d}}",
        ],
    );
    kind("varchar(5)[]", "json", &["{ab,\"\"}"]);
    kind("char(3)[]", "json", &["{a,abc}"]);
    kind("uuid[]", "json", &["{A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11}"]);
    kind("date[]", "json", &["{2026-10-01,infinity,\"0044-03-15 BC\"}"]);
    kind("timestamptz[]", "json", &["{\"2026-10-01 02:00:00.123456+02\",infinity,NULL}"]);
    kind("timestamp(3)[]", "json", &["{\"2026-10-01 02:00:00.123\"}"]);
    kind("interval[]", "json", &["{\"1 year 2 mons -3 days\"}"]);
    kind("jsonb[]", "json", &[r#"{"{\"a\": 1}","null",NULL,"\"x\""}"#]);
    kind("json[]", "json", &[r#"{"{\"b\":1, \"a\":1.10}"}"#]);
    kind("bytea[]", "json", &[r#"{"\\xdead",NULL}"#]);
    kind("mood[]", "json", &["{sad,\"so, so\"}"]);
    kind("pair[]", "json", &[r#"{"(1,x)","(,\"a\"\"b\")"}"#]);
    kind("price[]", "json", &["{1.10}"]);
    kind("int4range[]", "json", &["{\"[1,5)\",empty}"]);
    kind("inet[]", "json", &["{10.0.0.1/8}"]);
    kind("money[]", "json", &["{1.5}"]);
    kind("pair", "text", &["(1,x)", "(,)", "(-1,\"a,\"\"b\"\"\")", "(0,\"\")"]);
    kind("int4range", "text", &["[1,5]", "empty", "(,)", "[3,)"]);
    kind("int8range", "text", &["[1,9223372036854775806]"]);
    kind("numrange", "text", &["(1.10,2.20]", "[,NaN]"]);
    kind("tsrange", "text", &["[\"2026-10-01 00:00:00.000001\",infinity]"]);
    kind("tstzrange", "text", &["[\"2026-10-01 02:00:00+02\",)"]);
    kind("daterange", "text", &["[2026-10-01,2026-10-31]", "(,infinity)"]);
    kind("span_of", "text", &["[0.1,Infinity]"]);
    kind("int4multirange", "text", &["{}", "{[1,3),[5,9)}"]);
    kind("tstzmultirange", "text", &["{[\"2026-10-01 02:00:00+02\",\"2026-10-02 02:00:00+02\"]}"]);
    kind("inet", "text", &["10.0.0.1/8", "::1", "::ffff:1.2.3.4/128", "192.168.0.1"]);
    kind("cidr", "text", &["10.0.0.0/8", "2001:db8::/32"]);
    kind("macaddr", "text", &["08:00:2b:01:02:03"]);
    kind("macaddr8", "text", &["08:00:2b:01:02:03:04:05"]);
    kind("bit(3)", "text", &["101", "000"]);
    kind("varbit", "text", &["", "1", "10101010101010101"]);
    kind("money", "text", &["0", "-1234.56", "92233720368547758.07"]);
    kind("point", "text", &["(1,2)", "(NaN,Infinity)", "(0.1,-1e300)"]);
    kind("line", "text", &["{1,-1,0.5}"]);
    kind("lseg", "text", &["[(0,0),(1,1.5)]"]);
    kind("box", "text", &["(1,1),(0,0)"]);
    kind("path", "text", &["[(0,0),(1,1)]", "((0,0),(1,1))"]);
    kind("polygon", "text", &["((0,0),(1,1),(2,0))"]);
    kind("circle", "text", &["<(0,0),1.5>"]);
    kind("tsvector", "text", &["a fat cat", "'it''s':1A,2 'x,y':3", ""]);
    kind("tsquery", "text", &["fat & (cat | rat)", "!'it''s':*A"]);
    kind("hstore", "text", &["", "a=>1, b=>NULL, \"c d\"=>\"e\\\"f\"", "\"\"=>x"]);
    kind("ltree", "text", &["a.b_c.d", ""]);
    kind("jsonpath", "text", &["$.a[*] ? (@ > 1)"]);
    kind("pg_lsn", "text", &["0/0", "FFFFFFFF/FFFFFFFF", "16/B374D848"]);
    kind("xid", "text", &["4294967295"]);
    kind("xid8", "text", &["0", "18446744073709551615"]);
    kind("cid", "text", &["7"]);
    kind("tid", "text", &["(0,1)"]);
    kind("pg_snapshot", "text", &["10:20:10,14,15"]);
    kind("regclass", "text", &["pg_class"]);
    kind("regtype", "text", &["timestamp with time zone"]);
    kind("oidvector", "text", &["1 2 4294967295"]);
    kind("int2vector", "text", &["-1 2"]);
    all.push(Kind { sql: "text", ours: "text", inputs: texts(), since: PgVersion::V15 });
    all.push(Kind {
        sql: "interval second",
        ours: "text",
        inputs: vec!["infinity".to_owned(), "-infinity".to_owned()],
        since: PgVersion::V18,
    });
    all
}

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
            if reader == Reader::DuckDb && format.starts_with("json") {
                expected = expected.into_iter().map(rounded).collect();
            }
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
fn rounded(row: Vec<Option<String>>) -> Vec<Option<String>> {
    let rounded = |cell: String| match serde_json::from_str::<Json>(&cell) {
        Ok(mut tree) if cell.contains("{\"number\":") => {
            round(&mut tree);
            tree.to_string()
        }
        Ok(_) | Err(_) => cell,
    };
    row.into_iter().map(|cell| cell.map(rounded)).collect()
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
