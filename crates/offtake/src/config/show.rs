//! The configuration in force, with the origin of every value and without its secrets.

use serde_json::{Map, Value as Json, json};
use toml::{Table, Value};

use super::typed::{Origin, Typed};

/// As TOML that could be a file, each line with where its value comes from.
pub(crate) fn show_toml(typed: &Typed) -> String {
    let mut out = String::new();
    section(&mut out, typed, "", typed.table());
    out
}

/// As JSON: `{key: {value, origin}}`.
pub(crate) fn show_json(typed: &Typed) -> Json {
    let mut map = Map::new();
    leaves("", typed.table(), &mut |key, value| {
        let value = serde_json::to_value(redacted(key, value)).unwrap_or(Json::Null);
        map.insert(key.to_owned(), json!({ "value": value, "origin": typed.origin(key).to_string() }));
    });
    Json::Object(map)
}

fn section(out: &mut String, typed: &Typed, prefix: &str, table: &Table) {
    let join = |name: &str| if prefix.is_empty() { name.to_owned() } else { format!("{prefix}.{}", bare(name)) };
    for (name, value) in table.iter().filter(|(_, value)| !value.is_table()) {
        let key = join(name);
        let origin = typed.origin(&key);
        let origin = if *origin == Origin::Default { String::new() } else { format!("  # {origin}") };
        out.push_str(&format!("{} = {}{origin}\n", bare(name), redacted(&key, value)));
    }
    for (name, value) in table {
        if let Value::Table(inner) = value {
            let key = join(name);
            let key = if prefix.is_empty() { bare(&key) } else { key };
            out.push_str(&format!("\n[{key}]\n"));
            section(out, typed, &key, inner);
        }
    }
}

fn leaves(prefix: &str, table: &Table, visit: &mut impl FnMut(&str, &Value)) {
    for (name, value) in table {
        let key = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        match value.as_table().filter(|inner| !inner.is_empty()) {
            Some(inner) => leaves(&key, inner, visit),
            None => visit(&key, value),
        }
    }
}

/// A key as TOML writes it: bare where it may be, else quoted.
fn bare(name: &str) -> String {
    let plain = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    if plain { name.to_owned() } else { Value::String(name.to_owned()).to_string() }
}

/// The value, or what may be seen of it.
fn redacted(key: &str, value: &Value) -> Value {
    let word = key.rsplit('.').next().unwrap_or(key);
    let secret = ["secret", "password", "token", "key_id", "access_key"].iter().any(|hint| word.ends_with(hint));
    match value.as_str() {
        Some(text) if secret && !text.is_empty() => Value::String("[redacted]".to_owned()),
        Some(text) if text.contains("://") => Value::String(without_password(text)),
        None if secret || word.ends_with("secrets") => hidden(value),
        Some(_) | None => value.clone(),
    }
}

/// A list of secrets, of which only the number is seen.
fn hidden(value: &Value) -> Value {
    let length = value.as_array().map(Vec::len);
    length.map_or_else(|| value.clone(), |length| Value::Array(vec![Value::String("[redacted]".to_owned()); length]))
}

/// `postgres://user:password@host/db` → `postgres://user:[redacted]@host/db`.
fn without_password(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    match authority.rsplit_once('@').map(|(user, host)| (user.split_once(':'), host)) {
        Some((Some((user, _)), host)) => format!("{scheme}://{user}:[redacted]@{host}{path}"),
        _ => url.to_owned(),
    }
}
