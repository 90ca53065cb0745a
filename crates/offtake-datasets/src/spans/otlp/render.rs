//! Attributes as JSON, exactly: nothing is rounded, reordered or merged.
//!
//! Strings, booleans and integers are what they are in JSON, doubles always have a point or an exponent, arrays and
//! key-value lists nest, an absent value is `null`. What JSON lacks is an object with one member, as in OTLP/JSON:
//! `{"doubleValue":"NaN"}`, `{"bytesValue":"…"}`.

use std::collections::HashSet;
use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};

/// Levels that a value may nest. Both decoders can read this many.
pub(super) const NESTING: usize = 24;

/// Why attributes cannot be kept as JSON.
pub(super) type Refusal = String;

/// A JSON object or array that is being written.
#[derive(Debug, Default)]
pub(crate) struct Json(Vec<u8>);

impl Json {
    /// The text.
    pub(crate) fn into_text(self) -> String {
        // Only str, numbers and punctuation are ever written.
        String::from_utf8(self.0).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
    }

    pub(crate) fn raw(&mut self, text: &str) {
        self.0.extend_from_slice(text.as_bytes());
    }

    /// A JSON string.
    pub(crate) fn text(&mut self, text: &str) {
        // Writing into a Vec cannot fail, and a str is always a JSON string.
        drop(serde_json::to_writer(&mut self.0, text));
    }

    /// A comma, unless `{` or `[` is what was written last.
    pub(crate) fn separate(&mut self) {
        if !matches!(self.0.last(), None | Some(b'{' | b'[')) {
            self.0.push(b',');
        }
    }

    /// The name of a member, with what must stand before and after.
    pub(crate) fn member(&mut self, name: &str) {
        self.separate();
        self.text(name);
        self.0.push(b':');
    }

    pub(super) fn integer(&mut self, value: impl std::fmt::Display) {
        drop(write!(self.0, "{value}"));
    }

    fn double(&mut self, value: f64) {
        if value.is_finite() {
            drop(serde_json::to_writer(&mut self.0, &value));
        } else {
            let name = if value.is_nan() {
                "NaN"
            } else if value > 0.0 {
                "Infinity"
            } else {
                "-Infinity"
            };
            self.raw(&format!("{{\"doubleValue\":\"{name}\"}}"));
        }
    }

    /// The members of an object, without its braces.
    pub(super) fn members<'a>(
        &mut self,
        attributes: impl Iterator<Item = &'a KeyValue>,
        nesting: usize,
    ) -> Result<(), Refusal> {
        for attribute in attributes {
            self.member(&attribute.key);
            self.value(attribute.value.as_ref(), nesting)?;
        }
        Ok(())
    }

    /// Attributes as an object.
    pub(super) fn object(&mut self, attributes: &[KeyValue], nesting: usize) -> Result<(), Refusal> {
        unique(attributes)?;
        self.0.push(b'{');
        self.members(attributes.iter(), nesting)?;
        self.0.push(b'}');
        Ok(())
    }

    pub(super) fn value(&mut self, value: Option<&AnyValue>, nesting: usize) -> Result<(), Refusal> {
        let deeper =
            || nesting.checked_sub(1).ok_or_else(|| format!("an attribute is nested deeper than {NESTING} levels"));
        match value.and_then(|value| value.value.as_ref()) {
            None => self.raw("null"),
            Some(Value::StringValue(text)) => self.text(text),
            Some(Value::BoolValue(value)) => self.raw(if *value { "true" } else { "false" }),
            Some(Value::IntValue(value)) => self.integer(value),
            Some(Value::DoubleValue(value)) => self.double(*value),
            Some(Value::BytesValue(bytes)) => self.raw(&format!("{{\"bytesValue\":\"{}\"}}", STANDARD.encode(bytes))),
            Some(Value::ArrayValue(array)) => {
                let nesting = deeper()?;
                self.0.push(b'[');
                for value in &array.values {
                    self.separate();
                    self.value(Some(value), nesting)?;
                }
                self.0.push(b']');
            }
            Some(Value::KvlistValue(list)) => self.object(&list.values, deeper()?)?,
            Some(Value::StringValueStrindex(_)) => {
                return Err("an attribute refers to a string table that traces do not have".to_owned());
            }
        }
        Ok(())
    }
}

/// A value on its own, as the text of a column.
pub(crate) fn value_text(value: &AnyValue) -> Option<String> {
    let mut json = Json::default();
    json.value(Some(value), NESTING).ok().map(|()| json.into_text())
}

/// A JSON object holds a name once, and OTLP forbids to send one twice.
pub(super) fn unique(attributes: &[KeyValue]) -> Result<(), Refusal> {
    let twice = |key: &str| Err(format!("the attribute {:?} is there twice", shortened(key)));
    if attributes.len() <= 16 {
        for (at, attribute) in attributes.iter().enumerate() {
            if attributes[..at].iter().any(|before| before.key == attribute.key) {
                return twice(&attribute.key);
            }
        }
        return Ok(());
    }
    let mut seen = HashSet::with_capacity(attributes.len());
    attributes.iter().find(|attribute| !seen.insert(attribute.key.as_str())).map_or(Ok(()), |again| twice(&again.key))
}

/// A key for people: no more than they want to read.
fn shortened(key: &str) -> String {
    key.chars().take(64).collect()
}
