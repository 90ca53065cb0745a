//! The genuine spans: both encodings give the same rows, and the rows say what the spans say.

use std::collections::BTreeMap;

use crate::common::{SUITES, Suite, mapped, spans_of};
use offtake_datasets::spans::otlp::{decode_json, decode_protobuf};
use offtake_datasets::spans::{Span, SpanType, StatusCode};

#[test]
fn json_and_protobuf_of_every_genuine_span_give_the_same_row() {
    let mut spans = 0;
    for name in SUITES {
        let suite = Suite::read(name);
        assert_eq!(suite.json.len(), suite.protobuf.len(), "{name}");
        for (json, protobuf) in suite.json.iter().zip(&suite.protobuf) {
            let from_json = mapped(decode_json(json).expect("genuine JSON"));
            let from_protobuf = mapped(decode_protobuf(protobuf).expect("genuine protobuf"));
            assert_eq!(from_json, from_protobuf, "{name}");
            assert_eq!(from_json.rejected, Vec::<String>::new(), "{name}");
            spans += from_json.spans.len();
        }
    }
    assert_eq!(spans, 413);
}

fn count<K: Ord>(spans: &[Span], key: impl Fn(&Span) -> K) -> BTreeMap<K, usize> {
    let mut counts = BTreeMap::new();
    for span in spans {
        *counts.entry(key(span)).or_default() += 1;
    }
    counts
}

fn filled<T>(spans: &[Span], column: impl Fn(&Span) -> &Option<T>) -> usize {
    spans.iter().filter(|span| column(span).is_some()).count()
}

#[test]
fn columns_are_filled_as_the_suites_are_described() {
    let clients: Vec<Span> = SUITES[..3].iter().flat_map(|name| spans_of(name)).collect();
    let providers = count(&clients, |span| span.provider.clone().unwrap_or_default());
    let expected = [("", 2), ("anthropic", 87), ("azure.ai.openai", 23), ("openai", 280)];
    assert_eq!(providers, expected.map(|(name, spans)| (name.to_owned(), spans)).into());
    let types = count(&clients, |span| span.span_type.as_str());
    assert_eq!(types, [("embedding", 47), ("other", 2), ("prompt", 343)].into());
    assert_eq!(filled(&clients, |span| &span.model), 390 - 30);
    assert_eq!(filled(&clients, |span| &span.input), 106 + 24 + 35);
    assert_eq!(filled(&clients, |span| &span.output), 89 + 24 + 34);
    assert_eq!(filled(&clients, |span| &span.user_id), 390);
    assert_eq!(filled(&clients, |span| &span.environment), 392);
    assert_eq!(filled(&clients, |span| &span.service), 392);
    assert_eq!(filled(&clients, |span| &span.prompt_tokens), 152 + 94 + 87);
    assert_eq!(filled(&clients, |span| &span.completion_tokens), 142 + 70 + 87);
    let statuses = count(&clients, |span| span.status_code.as_str());
    assert_eq!(statuses, [("ERROR", 21), ("OK", 87 + 42), ("UNSET", 242)].into());

    let chains = spans_of("langchain-openinference");
    let types = count(&chains, |span| span.span_type.as_str());
    assert_eq!(types, [("agent", 7), ("other", 6), ("prompt", 7), ("tool", 1)].into());
    assert_eq!(filled(&chains, |span| &span.input), 21);
    assert_eq!(filled(&chains, |span| &span.output), 21);
    assert_eq!(filled(&chains, |span| &span.parent_span_id), 15);
}

#[test]
fn every_attribute_is_kept_once() {
    for name in SUITES {
        let suite = Suite::read(name);
        for json in &suite.json {
            let request: serde_json::Value = serde_json::from_slice(json).unwrap();
            let sent = request["resourceSpans"].as_array().unwrap().iter().flat_map(|group| {
                group["scopeSpans"].as_array().unwrap().iter().flat_map(|scope| scope["spans"].as_array().unwrap())
            });
            let rows = mapped(decode_json(json).unwrap()).spans;
            for (sent, row) in sent.zip(&rows) {
                let kept: serde_json::Value = serde_json::from_str(&row.attributes).unwrap();
                for attribute in sent["attributes"].as_array().unwrap() {
                    let key = attribute["key"].as_str().unwrap();
                    let value = &attribute["value"];
                    let moved = [("input_from", &row.input), ("output_from", &row.output)]
                        .into_iter()
                        .find(|(from, _)| kept["otel.span"][*from] == key);
                    match (moved, kept.get(key)) {
                        (Some((_, column)), None) => assert_eq!(column.as_deref(), value["stringValue"].as_str()),
                        (None, Some(kept)) => crate::common::same_value(value, kept),
                        other => panic!("{key}: {other:?}"),
                    }
                }
            }
        }
    }
}

#[test]
fn a_call_that_failed_is_an_error_with_its_message() {
    let spans = spans_of("openai-v2");
    let failed: Vec<&Span> = spans.iter().filter(|span| span.status_code == StatusCode::Error).collect();
    assert_eq!(failed.len(), 8);
    for span in failed {
        assert!(span.status_message.as_deref().unwrap().starts_with("Error code: 404"), "{span:?}");
        assert_eq!((span.cost_usd, span.total_tokens), (None, None));
        assert_ne!(span.span_type, SpanType::Other);
    }
}
