//! JSON read strictly: a member that is there twice is an error, because two readers may take different ones.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value as Json};

/// The object that `bytes` are, and nothing after it; `None` if they are anything else, or if a member is repeated at
/// any depth.
pub(super) fn object(bytes: &[u8]) -> Option<Map<String, Json>> {
    match serde_json::from_slice::<Strict>(bytes) {
        Ok(Strict(Json::Object(object))) => Some(object),
        Ok(_) | Err(_) => None,
    }
}

struct Strict(Json);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Strictly).map(Self)
    }
}

struct Strictly;

impl<'de> Visitor<'de> for Strictly {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON without repeated members")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Json, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Json, E> {
        Ok(Json::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Json, E> {
        Ok(Json::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Json, A::Error> {
        let mut list = Vec::new();
        while let Some(Strict(element)) = elements.next_element()? {
            list.push(element);
        }
        Ok(Json::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Json, A::Error> {
        let mut object = Map::new();
        while let Some((name, Strict(value))) = members.next_entry::<String, Strict>()? {
            if object.insert(name, value).is_some() {
                return Err(A::Error::custom("a member is there twice"));
            }
        }
        Ok(Json::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_read_as_it_is() {
        let text = r#" {"a": [1, -2, 3.5, true, null, "ü\n"], "b": {"a": {}}} "#;
        let plain: Json = serde_json::from_str(text).unwrap();
        assert_eq!(Json::Object(object(text.as_bytes()).unwrap()), plain);
    }

    #[test]
    fn whatever_two_readers_may_understand_differently_is_refused() {
        for text in [
            r#"{"a": 1, "a": 1}"#,
            r#"{"a": 1, "\u0061": 2}"#,
            r#"{"x": [{"b": {"a": 1, "a": 2}}]}"#,
            r#"{"a": 1} {"a": 1}"#,
            r#"{"a": 1},"#,
            r#"{"a": 1,}"#,
            r#"{"a": NaN}"#,
            r#"{"a": 1e999}"#,
            r#"{"a": 01}"#,
            r#"{a: 1}"#,
            "{'a': 1}",
            "{\"a\": \"\u{0}\"}",
            "\u{feff}{}",
            "[]",
            "1",
            "",
        ] {
            assert!(object(text.as_bytes()).is_none(), "{text}");
        }
        assert!(object(b"{\"a\": \"\xff\"}").is_none(), "not UTF-8");
        assert!(object(br#"{"a": "\ud800"}"#).is_none(), "half a character");
        let deep = format!("{{\"a\": {}1{}}}", "[".repeat(5000), "]".repeat(5000));
        assert!(object(deep.as_bytes()).is_none(), "too deep");
    }
}
