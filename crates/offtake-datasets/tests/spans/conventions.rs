//! Each convention's attributes end in the same columns.

use crate::common;
use offtake_datasets::spans::otlp::decode_json;
use offtake_datasets::spans::{Span, SpanType};
use serde_json::{Value, json};

fn attributes(object: &Value) -> Value {
    let typed = |value: &Value| match (value.as_str(), value.is_f64()) {
        (Some(text), _) => json!({"stringValue": text}),
        (None, true) => json!({"doubleValue": value}),
        (None, false) => json!({"intValue": value.to_string()}),
    };
    object.as_object().unwrap().iter().map(|(key, value)| json!({"key": key, "value": typed(value)})).collect()
}

fn mapped(resource: &Value, span: &Value, events: &[(&str, Value)]) -> Span {
    let events: Vec<Value> =
        events.iter().map(|(name, own)| json!({"name": name, "attributes": attributes(own)})).collect();
    let span = json!({"traceId": "01".repeat(16), "spanId": "02".repeat(8), "startTimeUnixNano": "1000", "name": "n",
        "attributes": attributes(span), "events": events});
    let body = json!({"resourceSpans": [{"resource": {"attributes": attributes(resource)}, "scopeSpans": [{"spans": [span]}]}]});
    let incoming = common::mapped(decode_json(body.to_string().as_bytes()).unwrap());
    assert_eq!(incoming.rejected, Vec::<String>::new());
    incoming.spans.into_iter().next().unwrap()
}

fn says(span: &Span) -> [Option<&str>; 4] {
    [&span.provider, &span.model, &span.input, &span.output].map(|column| column.as_deref())
}

fn counts(span: &Span) -> [Option<i64>; 4] {
    [span.prompt_tokens, span.completion_tokens, span.total_tokens, span.cost_usd]
}

#[test]
fn every_convention_names_provider_model_content_and_tokens() {
    let current = json!({"gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-4o",
        "gen_ai.usage.input_tokens": 10, "gen_ai.usage.output_tokens": 2, "gen_ai.input.messages": "in", "gen_ai.output.messages": "out"});
    let older = json!({"gen_ai.operation.name": "chat", "gen_ai.system": "openai", "gen_ai.response.model": "gpt-4o",
        "gen_ai.usage.prompt_tokens": 10, "gen_ai.usage.completion_tokens": 2});
    let events = [
        ("gen_ai.content.prompt", json!({"gen_ai.prompt": "in"})),
        ("gen_ai.content.completion", json!({"gen_ai.completion": "out"})),
    ];
    let openinference = json!({"openinference.span.kind": "LLM", "llm.provider": "openai", "llm.model_name": "gpt-4o",
        "llm.token_count.prompt": 10, "llm.token_count.completion": 2, "input.value": "in", "output.value": "out"});
    let openllmetry = json!({"llm.request.type": "chat", "llm.vendor": "openai", "llm.request.model": "gpt-4o",
        "llm.usage.prompt_tokens": 10, "llm.usage.completion_tokens": 2, "traceloop.entity.input": "in", "traceloop.entity.output": "out"});
    let vercel = json!({"ai.operationId": "ai.generateText.doGenerate", "ai.model.provider": "openai", "ai.model.id": "gpt-4o",
        "ai.usage.promptTokens": 10.0, "ai.usage.completionTokens": 2.0, "ai.prompt.messages": "in", "ai.response.text": "out"});
    let none: &[(&str, Value)] = &[];
    for (attributes, events) in
        [(current, none), (older, &events), (openinference, none), (openllmetry, none), (vercel, none)]
    {
        let span = mapped(&json!({}), &attributes, events);
        assert_eq!(says(&span), [Some("openai"), Some("gpt-4o"), Some("in"), Some("out")], "{attributes}");
        // 10 × 2.5 + 2 × 10 dollars per million.
        assert_eq!(counts(&span), [Some(10), Some(2), Some(12), Some(45_000)], "{attributes}");
        assert_eq!(span.span_type, SpanType::Prompt, "{attributes}");
    }
}

#[test]
fn numbered_messages_and_message_events_become_one_array() {
    let numbered = json!({"gen_ai.prompt.10.content": "c", "gen_ai.prompt.2.role": "user", "gen_ai.prompt.2.content": "b", "gen_ai.prompt.x.y": "no",
        "gen_ai.prompt.02.content": "no", "llm.output_messages.0.message.content": "d"});
    let span = mapped(&json!({}), &numbered, &[]);
    assert_eq!(span.input.as_deref(), Some(r#"[{"role":"user","content":"b"},{"content":"c"}]"#));
    assert_eq!(span.output.as_deref(), Some(r#"[{"content":"d"}]"#));
    assert!(span.attributes.contains("gen_ai.prompt.10.content"));
    let events = [
        ("gen_ai.system.message", json!({"content": "s"})),
        ("gen_ai.user.message", json!({"content": "u", "role": "boss"})),
        ("gen_ai.choice", json!({"index": 0})),
    ];
    let span = mapped(&json!({}), &json!({}), &events);
    assert_eq!(span.input.as_deref(), Some(r#"[{"role":"system","content":"s"},{"content":"u","role":"boss"}]"#));
    assert_eq!(span.output.as_deref(), Some(r#"[{"role":"assistant","index":0}]"#));
}

#[test]
fn the_resource_says_what_the_span_does_not() {
    let resource = json!({"service.name": "shop", "deployment.environment": "staging", "user.id": "all", "offtake.project_id": 7, "gen_ai.provider.name": "no"});
    let span = mapped(
        &resource,
        &json!({"user.id": "me", "session.id": "s", "offtake.type": "completion", "offtake.commit_uuid": "c"}),
        &[],
    );
    assert_eq!(span.service.as_deref(), Some("shop"));
    assert_eq!(span.environment.as_deref(), Some("staging"));
    assert_eq!((span.user_id.as_deref(), span.session_id.as_deref()), (Some("me"), Some("s")));
    assert_eq!((span.project_id.as_deref(), span.commit_uuid.as_deref()), (Some("7"), Some("c")));
    assert_eq!((span.provider.as_deref(), span.span_type), (None, SpanType::Completion));
}

#[test]
fn what_says_nothing_leaves_it_to_the_next() {
    let span = mapped(
        &json!({}),
        &json!({"gen_ai.request.model": "", "gen_ai.response.model": "m", "gen_ai.operation.name": "new", "traceloop.span.kind": "workflow",
            "gen_ai.usage.input_tokens": -1, "llm.usage.prompt_tokens": 4, "input.value": ""}),
        &[],
    );
    assert_eq!((span.model.as_deref(), span.span_type), (Some("m"), SpanType::Agent));
    assert_eq!(counts(&span), [Some(4), None, Some(4), None]);
    assert_eq!(span.input.as_deref(), Some(""));
}

#[test]
fn a_cost_that_is_sent_goes_before_the_price_list() {
    let base = json!({"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o", "gen_ai.usage.input_tokens": 1000,
        "gen_ai.usage.cache_read.input_tokens": 400});
    assert_eq!(mapped(&json!({}), &base, &[]).cost_usd, Some(600 * 2_500 + 400 * 1_250));
    for (sent, expected) in
        [(json!(0.1), 100_000_000), (json!(2), 2_000_000_000), (json!("0.000000001"), 1), (json!(0.0), 0)]
    {
        let mut with = base.clone();
        with["gen_ai.usage.cost"] = sent;
        assert_eq!(mapped(&json!({}), &with, &[]).cost_usd, Some(expected));
    }
    let mut agent = base;
    agent["gen_ai.operation.name"] = json!("invoke_agent");
    assert_eq!(mapped(&json!({}), &agent, &[]).cost_usd, None);
}

#[test]
fn a_row_looks_like_this() {
    let spans = crate::common::spans_of("openai-v2");
    let chat = spans.iter().find(|span| span.input.is_some() && span.cost_usd.is_some()).unwrap();
    insta::assert_debug_snapshot!(chat);
    let chains = crate::common::spans_of("langchain-openinference");
    insta::assert_debug_snapshot!(chains.iter().find(|span| span.span_type == SpanType::Tool).unwrap());
    let failed = crate::common::spans_of("openai-traceloop");
    insta::assert_debug_snapshot!(failed.iter().find(|span| span.events.contains("exception")).unwrap());
}
