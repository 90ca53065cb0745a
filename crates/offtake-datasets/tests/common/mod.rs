//! Genuine spans, and spans made up.
#![allow(dead_code, reason = "each test binary uses a part of it")]
#![allow(clippy::allow_attributes, reason = "whether anything is unused depends on the binary")]

use std::fs;
use std::path::PathBuf;

use offtake_datasets::spans::otlp::{decode_protobuf, to_spans};
use offtake_datasets::spans::{Conventions, Span};
use serde_json::Value;

/// The suites of genuine spans; clients first.
pub const SUITES: [&str; 4] = ["openai-traceloop", "openai-v2", "anthropic", "langchain-openinference"];

/// The requests of a suite, in both encodings.
pub struct Suite {
    pub json: Vec<Vec<u8>>,
    pub protobuf: Vec<Vec<u8>>,
}

impl Suite {
    pub fn read(name: &str) -> Self {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../testdata/otlp");
        let lines = fs::read(folder.join(format!("{name}.otlp.jsonl"))).expect("testdata");
        let json = lines.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()).map(<[u8]>::to_vec).collect();
        let mut records = &fs::read(folder.join(format!("{name}.otlp.pb"))).expect("testdata")[..];
        let mut protobuf = Vec::new();
        while let Some((length, rest)) = records.split_first_chunk::<4>() {
            let (record, rest) = rest.split_at(u32::from_be_bytes(*length) as usize);
            protobuf.push(record.to_vec());
            records = rest;
        }
        Self { json, protobuf }
    }
}

/// The rows of a suite.
pub fn spans_of(name: &str) -> Vec<Span> {
    let rows = |body: &Vec<u8>| to_spans(decode_protobuf(body).expect("genuine"), &Conventions::default()).spans;
    Suite::read(name).protobuf.iter().flat_map(rows).collect()
}

/// Compares an OTLP/JSON value with what was kept of it.
pub fn same_value(sent: &Value, kept: &Value) {
    let (ty, value) = sent.as_object().unwrap().iter().next().expect("a value");
    match ty.as_str() {
        "intValue" => assert_eq!(value.as_str().unwrap(), kept.to_string()),
        "arrayValue" => {
            let (sent, kept) = (value["values"].as_array().unwrap(), kept.as_array().unwrap());
            assert_eq!(sent.len(), kept.len());
            sent.iter().zip(kept).for_each(|(sent, kept)| same_value(sent, kept));
        }
        _ => assert_eq!(value, kept),
    }
}
