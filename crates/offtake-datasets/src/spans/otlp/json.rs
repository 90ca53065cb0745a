//! OTLP/JSON into the protobuf types.
//!
//! The rules are protobuf's JSON mapping with OTLP's exceptions: trace and span ids are hex, enums are integers
//! (names are read too), field names are lowerCamelCase only, unknown fields are ignored, and `null` is the default.
//! Nesting is bounded by `serde_json` at 128 levels.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1 as common;
use opentelemetry_proto::tonic::resource::v1 as resource;
use opentelemetry_proto::tonic::trace::v1 as trace;
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserializer, MapAccess, Visitor};

use common::any_value::Value;

/// Reads a whole request.
pub(super) fn decode(body: &[u8]) -> serde_json::Result<ExportTraceServiceRequest> {
    let request: Request = serde_json::from_slice(body)?;
    Ok(ExportTraceServiceRequest { resource_spans: all(request.resource_spans) })
}

fn all<T, U: From<T>>(items: Vec<T>) -> Vec<U> {
    items.into_iter().map(U::from).collect()
}

/// `null` is the default, as everywhere in protobuf's JSON.
fn nullable<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(deserializer: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

macro_rules! messages {
    ($($name:ident { $($field:ident: $ty:ty,)+ })+) => {
        $(
            #[derive(Deserialize, Default)]
            #[serde(default, rename_all = "camelCase", remote = "Self")]
            struct $name { $(#[serde(deserialize_with = "nullable")] $field: $ty,)+ }

            // A derived struct may also be read from an array, field by field; a message may not.
            impl<'de> Deserialize<'de> for $name {
                fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                    struct Members;
                    impl<'de> Visitor<'de> for Members {
                        type Value = $name;

                        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                            f.write_str("an object")
                        }

                        fn visit_map<M: MapAccess<'de>>(self, map: M) -> Result<$name, M::Error> {
                            $name::deserialize(MapAccessDeserializer::new(map))
                        }
                    }
                    deserializer.deserialize_map(Members)
                }
            }
        )+
    };
}

messages! {
    Request { resource_spans: Vec<ResourceSpans>, }
    ResourceSpans { resource: Option<Resource>, scope_spans: Vec<ScopeSpans>, schema_url: String, }
    Resource { attributes: Vec<KeyValue>, dropped_attributes_count: U32, entity_refs: Vec<EntityRef>, }
    EntityRef { schema_url: String, r#type: String, id_keys: Vec<String>, description_keys: Vec<String>, }
    ScopeSpans { scope: Option<Scope>, spans: Vec<Span>, schema_url: String, }
    Scope { name: String, version: String, attributes: Vec<KeyValue>, dropped_attributes_count: U32, }
    Span {
        trace_id: Hex, span_id: Hex, parent_span_id: Hex, trace_state: String, flags: U32, name: String, kind: Kind,
        start_time_unix_nano: U64, end_time_unix_nano: U64, attributes: Vec<KeyValue>,
        dropped_attributes_count: U32, events: Vec<Event>, dropped_events_count: U32, links: Vec<Link>,
        dropped_links_count: U32, status: Option<Status>,
    }
    Event { time_unix_nano: U64, name: String, attributes: Vec<KeyValue>, dropped_attributes_count: U32, }
    Link {
        trace_id: Hex, span_id: Hex, trace_state: String, attributes: Vec<KeyValue>, dropped_attributes_count: U32,
        flags: U32,
    }
    Status { message: String, code: Code, }
    KeyValue { key: String, value: Option<AnyValue>, }
    ArrayValue { values: Vec<AnyValue>, }
    KvList { values: Vec<KeyValue>, }
    AnyMembers {
        string_value: Option<String>, bool_value: Option<bool>, int_value: Option<Int>, double_value: Option<Double>,
        array_value: Option<ArrayValue>, kvlist_value: Option<KvList>, bytes_value: Option<Bytes>,
    }
}

/// A value; at most one of the members is set.
#[derive(Deserialize, Default)]
#[serde(try_from = "AnyMembers")]
struct AnyValue(Option<Value>);

impl TryFrom<AnyMembers> for AnyValue {
    type Error = &'static str;

    fn try_from(members: AnyMembers) -> Result<Self, Self::Error> {
        let set = [
            members.string_value.map(Value::StringValue),
            members.bool_value.map(Value::BoolValue),
            members.int_value.map(|value| Value::IntValue(value.0)),
            members.double_value.map(|value| Value::DoubleValue(value.0)),
            members.array_value.map(|array| Value::ArrayValue(common::ArrayValue { values: all(array.values) })),
            members.kvlist_value.map(|list| Value::KvlistValue(common::KeyValueList { values: all(list.values) })),
            members.bytes_value.map(|bytes| Value::BytesValue(bytes.0)),
        ];
        let mut set = set.into_iter().flatten();
        match (set.next(), set.next()) {
            (value, None) => Ok(Self(value)),
            (_, Some(_)) => Err("an attribute value has more than one type"),
        }
    }
}

macro_rules! scalar {
    ($($(#[$doc:meta])* $name:ident($inner:ty), $expecting:literal {
        $($visit:ident: $from:ty => |$value:ident| $read:expr,)+
    })+) => {
        $(
            $(#[$doc])*
            #[derive(Default)]
            struct $name($inner);

            impl<'de> Deserialize<'de> for $name {
                fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                    struct Read;
                    impl Visitor<'_> for Read {
                        type Value = $name;

                        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                            f.write_str($expecting)
                        }

                        $(fn $visit<E: de::Error>(self, $value: $from) -> Result<$name, E> {
                            let read: Option<$inner> = $read;
                            read.map($name).ok_or_else(|| E::custom(concat!("expected ", $expecting)))
                        })+
                    }
                    deserializer.deserialize_any(Read)
                }
            }
        )+
    };
}

scalar! {
    /// An id; the specification wants hex, which knows no letter case.
    Hex(Vec<u8>), "an id in hex digits" {
        visit_str: &str => |text| hex::decode(text).ok(),
    }
    /// Bytes, in either alphabet of Base64, padded or not.
    Bytes(Vec<u8>), "bytes in Base64" {
        visit_str: &str => |text| [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD].iter().find_map(|engine| engine.decode(text).ok()),
    }
    Int(i64), "a 64-bit integer, as a number or a string" {
        visit_i64: i64 => |value| Some(value),
        visit_u64: u64 => |value| i64::try_from(value).ok(),
        visit_f64: f64 => |value| whole(value),
        visit_str: &str => |text| text.parse().ok(),
    }
    Double(f64), "a number, \"NaN\", \"Infinity\" or \"-Infinity\"" {
        visit_i64: i64 => |value| Some(value as f64),
        visit_u64: u64 => |value| Some(value as f64),
        visit_f64: f64 => |value| Some(value),
        visit_str: &str => |text| match text {
            "NaN" => Some(f64::NAN),
            "Infinity" => Some(f64::INFINITY),
            "-Infinity" => Some(f64::NEG_INFINITY),
            _ => text.parse().ok().filter(|value: &f64| value.is_finite()),
        },
    }
    Kind(i32), "a span kind" {
        visit_i64: i64 => |value| i32::try_from(value).ok(),
        visit_u64: u64 => |value| i32::try_from(value).ok(),
        visit_str: &str => |name| trace::span::SpanKind::from_str_name(name).map(|kind| kind as i32),
    }
    Code(i32), "a status code" {
        visit_i64: i64 => |value| i32::try_from(value).ok(),
        visit_u64: u64 => |value| i32::try_from(value).ok(),
        visit_str: &str => |name| trace::status::StatusCode::from_str_name(name).map(|code| code as i32),
    }
    U64(u64), "an unsigned 64-bit integer, as a number or a string" {
        visit_u64: u64 => |value| Some(value),
        visit_i64: i64 => |value| u64::try_from(value).ok(),
        visit_f64: f64 => |value| whole(value).and_then(|value| u64::try_from(value).ok()),
        visit_str: &str => |text| text.parse().ok(),
    }
    U32(u32), "an unsigned 32-bit integer, as a number or a string" {
        visit_u64: u64 => |value| u32::try_from(value).ok(),
        visit_i64: i64 => |value| u32::try_from(value).ok(),
        visit_f64: f64 => |value| whole(value).and_then(|value| u32::try_from(value).ok()),
        visit_str: &str => |text| text.parse().ok(),
    }
}

/// An integer that was written like `1e3` or `5.0`. Beyond 2^53 a double no longer says which integer was meant.
fn whole(value: f64) -> Option<i64> {
    (value.fract() == 0.0 && value.abs() <= 9_007_199_254_740_992.0).then_some(value as i64)
}

macro_rules! convert {
    ($($from:ident => $to:path { $($field:ident: |$value:ident| $convert:expr,)* })+) => {
        $(impl From<$from> for $to {
            fn from(message: $from) -> Self {
                $(let $field = { let $value = message.$field; $convert };)*
                Self { $($field,)* }
            }
        })+
    };
}

convert! {
    ResourceSpans => trace::ResourceSpans {
        resource: |r| r.map(Into::into), scope_spans: |s| all(s), schema_url: |s| s,
    }
    Resource => resource::Resource {
        attributes: |a| all(a), dropped_attributes_count: |n| n.0, entity_refs: |e| all(e),
    }
    EntityRef => common::EntityRef {
        schema_url: |s| s, r#type: |s| s, id_keys: |s| s, description_keys: |s| s,
    }
    ScopeSpans => trace::ScopeSpans {
        scope: |s| s.map(Into::into), spans: |s| all(s), schema_url: |s| s,
    }
    Scope => common::InstrumentationScope {
        name: |s| s, version: |s| s, attributes: |a| all(a), dropped_attributes_count: |n| n.0,
    }
    Span => trace::Span {
        trace_id: |id| id.0, span_id: |id| id.0, parent_span_id: |id| id.0, trace_state: |s| s, flags: |n| n.0,
        name: |s| s, kind: |k| k.0, start_time_unix_nano: |n| n.0, end_time_unix_nano: |n| n.0,
        attributes: |a| all(a), dropped_attributes_count: |n| n.0, events: |e| all(e),
        dropped_events_count: |n| n.0, links: |l| all(l), dropped_links_count: |n| n.0,
        status: |s| s.map(Into::into),
    }
    Event => trace::span::Event {
        time_unix_nano: |n| n.0, name: |s| s, attributes: |a| all(a), dropped_attributes_count: |n| n.0,
    }
    Link => trace::span::Link {
        trace_id: |id| id.0, span_id: |id| id.0, trace_state: |s| s, attributes: |a| all(a),
        dropped_attributes_count: |n| n.0, flags: |n| n.0,
    }
    Status => trace::Status { message: |s| s, code: |c| c.0, }
}

impl From<KeyValue> for common::KeyValue {
    fn from(attribute: KeyValue) -> Self {
        // Traces have no string table to point into.
        Self { key: attribute.key, value: attribute.value.map(Into::into), key_strindex: 0 }
    }
}

impl From<AnyValue> for common::AnyValue {
    fn from(value: AnyValue) -> Self {
        Self { value: value.0 }
    }
}
