//! Spans with everything in them that has broken an exporter, a reader or a spreadsheet.

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue, KeyValueList};

use crate::otlp::{SpanSketch, text, value};

/// Texts that were somebody's bug report.
fn texts() -> Vec<String> {
    let mut texts: Vec<String> = [
        "",
        " ",
        " leading and trailing ",
        "plain",
        "a,b;c\td|e",
        "\"",
        "\"\"",
        "say \"hi\"",
        "'",
        "`",
        "\\",
        "\\\\\"",
        "\\N",
        "\\n",
        "\n",
        "\r",
        "\r\n",
        "two\nlines",
        "two\r\nlines",
        "\nfirst",
        "last\n",
        "NULL",
        "null",
        "None",
        "NaN",
        "inf",
        "true",
        "{}",
        "[]",
        "{\"a\":1}",
        "{\"a\":",
        "0012",
        "1e5",
        "-5",
        "+5",
        "=1+1",
        "=cmd|' /C calc'!A0",
        "@SUM(A1)",
        "\t=1",
        "#comment",
        "--",
        "/*",
        "'; DROP TABLE spans; --",
        "<script>alert(1)</script>",
        "%s%n%00",
        "${jndi:ldap://x}",
        "../../etc/passwd",
        "\u{feff}bom",
        "emoji 👩‍👩‍👧‍👦 🇺🇳 👍🏽",
        "e\u{301} é",
        "שלום עליכם",
        "\u{202e}right to left",
        "日本語テキスト",
        "\u{2028}\u{2029}\u{85}",
        "nul \u{0} in the middle",
        "\u{0}",
        "\u{1}\u{2}\u{7}\u{8}\u{b}\u{c}\u{1b}\u{1f}\u{7f}",
        "\u{fffd}\u{fffe}\u{10ffff}",
        "\u{d7ff}\u{e000}",
        "𝒳 outside the plane",
        "a\u{300}\u{301}\u{302}\u{303}",
    ]
    .iter()
    .map(|&text| text.to_owned())
    .collect();
    texts.push("hundred thousand bytes: ßé🙂 \"quoted\", and\nmore; ".repeat(2_000));
    texts.push("\"\n,".repeat(34_000));
    texts.push("x".repeat(100_000));
    texts
}

fn list(values: Vec<AnyValue>) -> AnyValue {
    value(Value::ArrayValue(ArrayValue { values }))
}

fn map(entries: Vec<(&str, AnyValue)>) -> AnyValue {
    let values = entries.into_iter().map(|(key, value)| KeyValue {
        key: key.to_owned(),
        value: Some(value),
        ..KeyValue::default()
    });
    value(Value::KvlistValue(KeyValueList { values: values.collect() }))
}

/// Attributes of every type, at its ends, under names that mean something to somebody.
fn attributes() -> Vec<(String, AnyValue)> {
    let double = |number: f64| value(Value::DoubleValue(number));
    let int = |number: i64| value(Value::IntValue(number));
    let nested = (0..20)
        .fold(text("deep"), |inner, depth| if depth % 2 == 0 { map(vec![("k", inner)]) } else { list(vec![inner]) });
    let named = [
        ("nan", double(f64::NAN)),
        ("inf", double(f64::INFINITY)),
        ("-inf", double(f64::NEG_INFINITY)),
        ("-0.0", double(-0.0)),
        ("largest", double(f64::MAX)),
        ("smallest", double(5e-324)),
        ("tenth", double(0.1)),
        ("whole", double(3.0)),
        ("i64 max", int(i64::MAX)),
        ("i64 min", int(i64::MIN)),
        ("over 2^53", int(9_007_199_254_740_993)),
        ("yes", value(Value::BoolValue(true))),
        ("bytes", value(Value::BytesValue(vec![0, 255, 10, 34]))),
        ("no value", AnyValue { value: None }),
        ("empty list", list(vec![])),
        ("empty map", map(vec![])),
        ("mixed", list(vec![text("a"), int(1), double(f64::NAN), AnyValue { value: None }, list(vec![text("b")])])),
        ("nested", nested),
        ("__proto__", map(vec![("polluted", value(Value::BoolValue(true)))])),
        ("constructor", text("prototype")),
        ("toString", text("x")),
        ("", text("no key")),
        (" ", text("a blank")),
        ("a.b", text("dotted")),
        ("a", map(vec![("b", text("not dotted"))])),
        ("\"quoted\"\n,key", text("v")),
        ("nul\u{0}key", text("v\u{0}")),
        ("🔑", text("🔒")),
        ("' OR 1=1", text("x")),
        ("$.a[0]", text("a path")),
    ];
    named.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

/// The hostile spans, numbered from `first`. Each has an input and an output; texts of the first are the texts
/// above in their order, so that what was sent is known.
pub fn hostile_spans(first: u64) -> Vec<SpanSketch> {
    let texts = texts();
    let mut spans: Vec<SpanSketch> = texts
        .iter()
        .enumerate()
        .map(|(at, hostile)| {
            let other = &texts[(at + 7) % 40];
            let mut span = SpanSketch::new(first + at as u64)
                .with("input.value", text(hostile))
                .with("output.value", text(other))
                .with("user.id", text(other))
                .with("tests.text", text(hostile))
                .with(&format!("tests.{other}"), text("hostile key"))
                .ending(2, other);
            if hostile.len() < 1_000 {
                span.0.name.clone_from(hostile);
            }
            span
        })
        .collect();
    let mut all = SpanSketch::new(first + spans.len() as u64);
    for (key, value) in attributes() {
        all = all.with(&key, value);
    }
    spans.push(all);
    spans.push(SpanSketch::new(first + spans.len() as u64).with(&"k".repeat(65_536), text("a key of 64 KiB")));
    let mut bare = SpanSketch::new(first + spans.len() as u64);
    bare.0.attributes.clear();
    spans.push(bare);
    spans
}
