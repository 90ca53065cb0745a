//! What an export and its file are called when nobody said so: "Spans – production – 2026-10-01 to 2026-11-01".

use jiff::Timestamp;
use serde_json::Value as Json;
use unicode_normalization::UnicodeNormalization as _;

use crate::export::ExportSpec;
use crate::format::extension;
use crate::selection::{Scope, Selection};

/// The longest stem of a file's name, in bytes: leaves room for extensions on every file system.
const MAX_STEM: usize = 120;

/// The longest text of a filter that makes a name clearer, in characters.
const LONGEST_WORD: usize = 32;

/// The human name of an export: what was asked for, else title, filters, selection and window (or day).
pub fn job_name(title: &str, spec: &ExportSpec, now: Timestamp) -> String {
    if let Some(name) = &spec.name {
        return name.clone();
    }
    let mut parts = vec![title.to_owned()];
    parts.extend(spec.rows.filters.values().filter_map(short_text).take(3));
    match &spec.rows.selection {
        Selection::All => {}
        Selection::AllExcept { ids } => parts.push(format!("all but {}", ids.len())),
        Selection::Partial { ids } => parts.push(format!("{} selected", ids.len())),
    }
    if spec.rows.scope == Scope::Trace {
        parts.push("whole traces".to_owned());
    }
    let day = |time: &Option<String>| time.as_deref().and_then(|text| text.get(..10)).map(str::to_owned);
    parts.push(match (day(&spec.rows.start_time), day(&spec.rows.end_time)) {
        (Some(from), Some(to)) => format!("{from} to {to}"),
        (Some(from), None) => format!("from {from}"),
        (None, Some(to)) => format!("until {to}"),
        (None, None) => now.strftime("%Y-%m-%d").to_string(),
    });
    parts.join(" – ")
}

/// A filter's value as a word in a name: a text, or a few of them.
fn short_text(value: &Json) -> Option<String> {
    let texts = match value {
        Json::Array(items) => items.iter().map(Json::as_str).collect::<Option<Vec<_>>>()?,
        Json::String(text) => vec![text.as_str()],
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::Object(_) => return None,
    };
    let text = texts.join(", ");
    (!text.is_empty() && text.chars().count() <= LONGEST_WORD && !text.chars().any(char::is_control)).then_some(text)
}

/// The name of the file of an export called `name`: safe in a header, a path and a shell, extension included. Composed
/// (NFC), because browsers and file systems that want it so would change the name otherwise.
pub fn file_name(name: &str, spec: &ExportSpec) -> String {
    let mut stem = String::new();
    let name: String = name.nfc().collect();
    for piece in
        name.replace(" – ", "-").split(|c: char| !is_plain(c)).filter(|piece| piece.contains(char::is_alphanumeric))
    {
        if !stem.is_empty() {
            stem.push('_');
        }
        stem.push_str(piece);
    }
    let stem = stem.trim_matches(['.', '-', '_']);
    let mut end = stem.len().min(MAX_STEM);
    while !stem.is_char_boundary(end) {
        end -= 1;
    }
    let stem = match &stem[..end] {
        "" => "export",
        some => some,
    };
    // Windows refuses these, whatever the extension.
    let device = stem.split('.').next().unwrap_or(stem).to_ascii_uppercase();
    let reserved = matches!(device.as_str(), "CON" | "PRN" | "AUX" | "NUL")
        || (device.len() == 4 && (device.starts_with("COM") || device.starts_with("LPT")));
    let prefix = if reserved { "_" } else { "" };
    format!("{prefix}{stem}.{}", extension(spec.format, spec.compression))
}

fn is_plain(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '-' | '.' | '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(json: serde_json::Value) -> ExportSpec {
        serde_json::from_value(json).expect("a spec")
    }

    fn now() -> Timestamp {
        "2026-10-05T12:00:00Z".parse().expect("a moment")
    }

    #[test]
    fn names_say_what_and_when() {
        let asked = spec(serde_json::json!({
            "dataset": "spans", "format": "csv", "compression": "gzip", "environment": "production",
            "start_time": "2026-10-01T00:00:00Z", "end_time": "2026-11-01T00:00:00Z"
        }));
        let name = job_name("Spans", &asked, now());
        assert_eq!(name, "Spans – production – 2026-10-01 to 2026-11-01");
        assert_eq!(file_name(&name, &asked), "Spans-production-2026-10-01_to_2026-11-01.csv.gz");
        let partial = spec(serde_json::json!({
            "dataset": "spans", "format": "parquet", "selection": {"mode": "partial", "ids": [{"a": 1}, {"a": 2}]}
        }));
        assert_eq!(job_name("Spans", &partial, now()), "Spans – 2 selected – 2026-10-05");
        let listed = spec(serde_json::json!({
            "dataset": "spans", "format": "csv", "model": ["gpt-4o", "gpt-4.1"], "min_cost": 0.5, "scope": "trace",
            "text": "line\nbreak", "start_time": "2026-10-01T00:00:00Z"
        }));
        assert_eq!(job_name("Spans", &listed, now()), "Spans – gpt-4o, gpt-4.1 – whole traces – from 2026-10-01");
        let named = spec(serde_json::json!({"dataset": "spans", "format": "csv", "name": "For Ada", "model": "m"}));
        assert_eq!(job_name("Spans", &named, now()), "For Ada");
    }

    #[test]
    fn file_names_are_safe_wherever_they_end_up() {
        let any = spec(serde_json::json!({"dataset": "spans", "format": "csv"}));
        assert_eq!(file_name("../../etc/passwd", &any), "etc_passwd.csv");
        assert_eq!(file_name("a\r\nSet-Cookie: b\0\u{202e}", &any), "a_Set-Cookie_b.csv");
        assert_eq!(file_name("", &any), "export.csv");
        assert_eq!(file_name("nul", &any), "_nul.csv");
        assert_eq!(file_name("Wörter 日本", &any), "Wörter_日本.csv");
        assert_eq!(file_name("Wo\u{308}rter", &any), "W\u{f6}rter.csv");
        assert!(file_name(&"日".repeat(500), &any).len() <= MAX_STEM + 4);
    }
}
