//! The types: what each is in a file, and inputs for it.

use offtake_testkit::PgVersion;

/// A type, what it is in a file, and inputs for it.
pub(super) struct Kind {
    pub(super) sql: &'static str,
    pub(super) ours: &'static str,
    pub(super) inputs: Vec<String>,
    /// The first version that has it.
    pub(super) since: PgVersion,
}

/// What stands before the table: types of its own.
pub(super) const TYPES: &str = r#"
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

/// Takes a type, what it is in a file, and inputs.
type Kinds<'a> = &'a mut dyn FnMut(&'static str, &'static str, &[&str]);

/// Every type that a server of every version has, and some that only newer ones have.
pub(super) fn kinds() -> Vec<Kind> {
    let mut all: Vec<Kind> = Vec::new();
    let mut kind = |sql, ours, inputs: &[&str]| {
        let inputs = inputs.iter().map(|&input| input.to_owned()).collect();
        all.push(Kind { sql, ours, inputs, since: PgVersion::V15 });
    };
    numbers(&mut kind);
    words(&mut kind);
    times(&mut kind);
    made_by_users(&mut kind);
    arrays(&mut kind);
    others(&mut kind);
    all.push(Kind { sql: "text", ours: "text", inputs: texts(), since: PgVersion::V15 });
    all.push(Kind {
        sql: "interval second",
        ours: "text",
        inputs: vec!["infinity".to_owned(), "-infinity".to_owned()],
        since: PgVersion::V18,
    });
    all
}

fn numbers(kind: Kinds<'_>) {
    let long = "9".repeat(60);
    let exact: [&str; 8] =
        ["0", "1.10", "-0.01", "1234567890123456789012345678.0123456789", "-1", "0.0000000001", "1e15", "123456.7"];
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
}

fn words(kind: Kinds<'_>) {
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
}

fn times(kind: Kinds<'_>) {
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
}

fn made_by_users(kind: Kinds<'_>) {
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
}

fn arrays(kind: Kinds<'_>) {
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
}

fn others(kind: Kinds<'_>) {
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
}
