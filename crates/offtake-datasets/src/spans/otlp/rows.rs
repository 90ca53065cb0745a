//! Requests into spans: each one is mapped or refused on its own.

use std::sync::Arc;

use jiff::Timestamp;
use offtake_model::{Error, ErrorKind, Result};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1 as trace;

use super::render::{Json, NESTING, Refusal, unique};
use crate::spans::conventions::Conventions;
use crate::spans::semconv::{Mapped, Slots};
use crate::spans::span::{Span, StatusCode};

/// The member of `attributes` that holds what a span has beside its attributes.
const OWN: &str = "otel.span";
/// The member of `resource` that holds the scope.
const SCOPE: &str = "otel.scope";
/// The member of `resource` that holds the resource's own particulars.
const RESOURCE: &str = "otel.resource";

/// What became of a request.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Incoming {
    /// The spans to store.
    pub spans: Vec<Span>,
    /// Why each of the others was refused.
    pub rejected: Vec<String>,
}

/// Maps every span of a request to a row, or says why not. `largest` is the largest body that is taken.
///
/// # Errors
/// `too_large` if the rows would take many times as much as any body: each repeats the resource and scope it came from.
pub fn to_spans(request: ExportTraceServiceRequest, conventions: &Conventions, largest: usize) -> Result<Incoming> {
    let mut incoming = Incoming::default();
    let mut room = Room::of(largest);
    for group in request.resource_spans {
        let resource = group.resource.unwrap_or_default();
        let source = Source::new(&resource, &group.schema_url, conventions);
        for scoped in group.scope_spans.into_iter().filter(|scoped| !scoped.spans.is_empty()) {
            let scope = scope_part(scoped.scope.as_ref(), &scoped.schema_url);
            let origin = match source.as_ref().and_then(|source| Ok((source, scope.as_ref()?))) {
                Ok((source, scope)) => {
                    room.take((source.weight() + scope.len()).saturating_mul(scoped.spans.len()))?;
                    Ok(Origin { json: source.with(scope).into(), slots: &source.slots })
                }
                Err(why) => Err(why),
            };
            for mut span in scoped.spans {
                let row = origin.as_ref().map_err(|why| (*why).clone());
                match row.and_then(|origin| row_of(&mut span, origin, conventions)) {
                    Ok(row) => {
                        room.take(own_weight(&row))?;
                        incoming.spans.push(row);
                    }
                    Err(why) => {
                        let reason = refused(&span, &why);
                        room.take(reason.len())?;
                        incoming.rejected.push(reason);
                    }
                }
            }
        }
    }
    Ok(incoming)
}

fn refused(span: &trace::Span, why: &str) -> String {
    format!("span {} of trace {}: {why}", hex::encode(&span.span_id), hex::encode(&span.trace_id))
}

/// What the rows of one request may take together: without it a small body could be made to fill the disk. Where bodies
/// have at most 64 MiB, ten thousand spans meet it with a resource of 28 kB; genuine ones have one or two.
struct Room {
    most: usize,
    taken: usize,
}

impl Room {
    /// Bytes granted to any request.
    const GRANTED: usize = 16 << 20;
    /// Bytes of rows per byte of the largest body.
    const SPREAD: usize = 4;

    const fn of(largest: usize) -> Self {
        Self { most: Self::GRANTED.saturating_add(largest.saturating_mul(Self::SPREAD)), taken: 0 }
    }

    fn take(&mut self, bytes: usize) -> Result<()> {
        self.taken = self.taken.saturating_add(bytes);
        if self.taken <= self.most {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::TooLarge,
            format!(
                "the spans of this request take more than {} bytes once they are rows, each of which repeats the \
                 resource and the scope it came from; send fewer spans a request, or a smaller resource",
                self.most
            ),
        ))
    }
}

/// The bytes of texts that a row shares with no other.
fn own_weight(row: &Span) -> usize {
    let texts = [&row.name, &row.attributes, &row.events].into_iter();
    let optional = [&row.input, &row.output, &row.status_message].into_iter().flatten();
    texts.chain(optional).map(String::len).sum()
}

/// What the spans of a scope share.
struct Origin<'a> {
    json: Arc<str>,
    slots: &'a Slots<'a>,
}

/// What the spans of a resource share.
struct Source<'a> {
    /// The members of the `resource` column that come from the resource.
    members: String,
    slots: Slots<'a>,
}

impl<'a> Source<'a> {
    fn new(resource: &'a Resource, schema_url: &str, conventions: &Conventions) -> Result<Self, Refusal> {
        let mut json = Json::default();
        plain(&resource.attributes, &[SCOPE, RESOURCE])?;
        json.members(resource.attributes.iter(), NESTING)?;
        let mut own = Members::new(RESOURCE);
        own.text(&mut json, "schema_url", schema_url);
        own.count(&mut json, "dropped_attributes_count", resource.dropped_attributes_count);
        entities(&mut own, &mut json, resource);
        own.end(&mut json);
        Ok(Self { members: json.into_text(), slots: Slots::of(&resource.attributes, conventions) })
    }

    /// The bytes that every row takes over: the members, and the columns that the resource says.
    fn weight(&self) -> usize {
        self.members.len() + self.slots.shared_weight()
    }

    /// The `resource` column of a scope's spans.
    fn with(&self, scope: &str) -> String {
        let comma = if self.members.is_empty() || scope.is_empty() { "" } else { "," };
        format!("{{{}{comma}{scope}}}", self.members)
    }
}

/// The members of the `resource` column that come from the scope.
fn scope_part(scope: Option<&InstrumentationScope>, schema_url: &str) -> Result<String, Refusal> {
    let mut json = Json::default();
    let mut own = Members::new(SCOPE);
    if let Some(scope) = scope {
        own.text(&mut json, "name", &scope.name);
        own.text(&mut json, "version", &scope.version);
        if !scope.attributes.is_empty() {
            own.member(&mut json, "attributes");
            json.object(&scope.attributes, NESTING)?;
        }
        own.count(&mut json, "dropped_attributes_count", scope.dropped_attributes_count);
    }
    own.text(&mut json, "schema_url", schema_url);
    own.end(&mut json);
    Ok(json.into_text())
}

fn entities(own: &mut Members, json: &mut Json, resource: &Resource) {
    if resource.entity_refs.is_empty() {
        return;
    }
    own.member(json, "entity_refs");
    json.raw("[");
    for entity in &resource.entity_refs {
        json.separate();
        json.raw("{");
        for (name, text) in [("schema_url", &entity.schema_url), ("type", &entity.r#type)] {
            json.member(name);
            json.text(text);
        }
        for (name, keys) in [("id_keys", &entity.id_keys), ("description_keys", &entity.description_keys)] {
            json.member(name);
            json.raw("[");
            for key in keys {
                json.separate();
                json.text(key);
            }
            json.raw("]");
        }
        json.raw("}");
    }
    json.raw("]");
}

/// Attributes that can become members of an object which has members of our own: none twice, none of our names.
fn plain(attributes: &[KeyValue], reserved: &[&str]) -> Result<(), Refusal> {
    unique(attributes)?;
    match attributes.iter().find(|attribute| reserved.contains(&attribute.key.as_str())) {
        Some(taken) => Err(format!("the attribute {:?} has a name that is reserved", taken.key)),
        None => Ok(()),
    }
}

/// The row of a span; takes out of it what it can.
fn row_of(span: &mut trace::Span, origin: &Origin<'_>, conventions: &Conventions) -> Result<Span, Refusal> {
    let trace_id = id(&span.trace_id, 16, "trace id")?;
    let span_id = id(&span.span_id, 8, "span id")?;
    let parent_span_id = match span.parent_span_id.as_slice() {
        // Some senders write a root's parent as zeros.
        [] | [0, 0, 0, 0, 0, 0, 0, 0] => None,
        parent => Some(id(parent, 8, "parent span id")?),
    };
    if span.start_time_unix_nano == 0 {
        return Err("it has no start time".to_owned());
    }
    plain(&span.attributes, &[OWN])?;
    let mapped = Mapped::new(span, origin.slots, conventions);
    let (status_code, status_message) = status(span.status.as_ref());
    let (started_at, started_ns) = micros(span.start_time_unix_nano);
    let ended = (span.end_time_unix_nano != 0).then(|| micros(span.end_time_unix_nano));
    Ok(Span {
        trace_id,
        span_id,
        parent_span_id,
        attributes: attributes(span, &mapped)?,
        events: events(&span.events)?,
        resource: Arc::clone(&origin.json),
        status_code,
        status_message,
        started_at,
        started_ns,
        ended_at: ended.map(|(micros, _)| micros),
        ended_ns: ended.map(|(_, nanos)| nanos),
        duration_ms: ended.map(|_| milliseconds(span.start_time_unix_nano, span.end_time_unix_nano)),
        project_id: mapped.project_id,
        document_uuid: mapped.document_uuid,
        commit_uuid: mapped.commit_uuid,
        experiment_uuid: mapped.experiment_uuid,
        test_deployment_id: mapped.test_deployment_id,
        span_type: mapped.span_type,
        service: mapped.service,
        provider: mapped.provider,
        model: mapped.model,
        environment: mapped.environment,
        user_id: mapped.user_id,
        session_id: mapped.session_id,
        prompt_tokens: mapped.prompt_tokens,
        completion_tokens: mapped.completion_tokens,
        total_tokens: mapped.total_tokens,
        cost_usd: mapped.cost_usd,
        input: mapped.input.map(|content| content.text),
        output: mapped.output.map(|content| content.text),
        name: std::mem::take(&mut span.name),
    })
}

fn id(bytes: &[u8], length: usize, what: &str) -> Result<String, Refusal> {
    if bytes.len() != length {
        return Err(format!("its {what} has {} bytes, not {length}", bytes.len()));
    }
    if bytes.iter().all(|&byte| byte == 0) {
        return Err(format!("its {what} is all zeros"));
    }
    Ok(hex::encode(bytes))
}

/// Microseconds, rounded down, and the nanoseconds that leaves out. 2^64 nanoseconds end in the year 2554.
fn micros(nanos: u64) -> (i64, u16) {
    ((nanos / 1_000).cast_signed(), (nanos % 1_000) as u16)
}

/// The double that is nearest to the exact duration; negative where a clock was set back.
fn milliseconds(start: u64, end: u64) -> f64 {
    /// Integers up to here are doubles, and one division rounds once.
    const EXACT: u64 = 1 << 53;
    let (nanos, sign) = (start.abs_diff(end), if end < start { -1.0 } else { 1.0 });
    if nanos <= EXACT {
        return sign * (nanos as f64 / 1e6);
    }
    let text = format!("{}.{:06}", nanos / 1_000_000, nanos % 1_000_000);
    text.parse::<f64>().map_or(sign * (nanos as f64 / 1e6), |value| sign * value)
}

fn status(status: Option<&trace::Status>) -> (StatusCode, Option<String>) {
    let Some(status) = status else { return (StatusCode::Unset, None) };
    let code = match status.code {
        1 => StatusCode::Ok,
        2 => StatusCode::Error,
        _ => StatusCode::Unset,
    };
    (code, Some(status.message.clone()).filter(|message| !message.is_empty()))
}

/// Everything that is in no other column.
fn attributes(span: &trace::Span, mapped: &Mapped) -> Result<String, Refusal> {
    let mut json = Json::default();
    json.raw("{");
    let moved =
        [mapped.input.as_ref(), mapped.output.as_ref()].map(|content| content.and_then(|content| content.moved));
    let stays = |(at, _): &(usize, &KeyValue)| !moved.contains(&Some(*at));
    json.members(span.attributes.iter().enumerate().filter(stays).map(|(_, attribute)| attribute), NESTING)?;
    let mut own = Members::new(OWN);
    if span.kind != 0 {
        own.member(&mut json, "kind");
        match trace::span::SpanKind::try_from(span.kind) {
            Ok(kind) => json.text(&kind.as_str_name()["SPAN_KIND_".len()..].to_ascii_lowercase()),
            Err(_) => json.integer(span.kind),
        }
    }
    own.text(&mut json, "trace_state", &span.trace_state);
    own.count(&mut json, "flags", span.flags);
    if let Some(code) = span.status.as_ref().map(|status| status.code).filter(|code| !(0..=2).contains(code)) {
        own.member(&mut json, "status_code");
        json.integer(code);
    }
    for (name, moved) in ["input_from", "output_from"].into_iter().zip(moved) {
        if let Some(attribute) = moved.and_then(|at| span.attributes.get(at)) {
            own.member(&mut json, name);
            json.text(&attribute.key);
        }
    }
    own.count(&mut json, "dropped_attributes_count", span.dropped_attributes_count);
    own.count(&mut json, "dropped_events_count", span.dropped_events_count);
    own.count(&mut json, "dropped_links_count", span.dropped_links_count);
    links(&mut own, &mut json, &span.links)?;
    own.end(&mut json);
    json.raw("}");
    Ok(json.into_text())
}

fn links(own: &mut Members, json: &mut Json, links: &[trace::span::Link]) -> Result<(), Refusal> {
    if links.is_empty() {
        return Ok(());
    }
    own.member(json, "links");
    json.raw("[");
    for link in links {
        json.separate();
        json.raw("{");
        for (name, text) in [("trace_id", hex::encode(&link.trace_id)), ("span_id", hex::encode(&link.span_id))] {
            json.member(name);
            json.text(&text);
        }
        if !link.trace_state.is_empty() {
            json.member("trace_state");
            json.text(&link.trace_state);
        }
        json.member("attributes");
        json.object(&link.attributes, NESTING)?;
        counts(json, &[("flags", link.flags), ("dropped_attributes_count", link.dropped_attributes_count)]);
        json.raw("}");
    }
    json.raw("]");
    Ok(())
}

fn events(events: &[trace::span::Event]) -> Result<String, Refusal> {
    let mut json = Json::default();
    json.raw("[");
    for event in events {
        json.separate();
        json.raw("{");
        json.member("name");
        json.text(&event.name);
        json.member("time");
        json.text(&moment(event.time_unix_nano));
        json.member("attributes");
        json.object(&event.attributes, NESTING)?;
        counts(&mut json, &[("dropped_attributes_count", event.dropped_attributes_count)]);
        json.raw("}");
    }
    json.raw("]");
    Ok(json.into_text())
}

/// RFC 3339 to the nanosecond: events of one span are often closer than a microsecond.
fn moment(nanos: u64) -> String {
    Timestamp::from_nanosecond(i128::from(nanos)).map_or_else(|_| nanos.to_string(), |at| format!("{at:.9}"))
}

fn counts(json: &mut Json, counts: &[(&str, u32)]) {
    for (name, count) in counts.iter().filter(|(_, count)| *count != 0) {
        json.member(name);
        json.integer(count);
    }
}

/// A reserved member: an object that is only there if it has members.
struct Members {
    name: &'static str,
    begun: bool,
}

impl Members {
    const fn new(name: &'static str) -> Self {
        Self { name, begun: false }
    }

    fn member(&mut self, json: &mut Json, name: &str) {
        if !self.begun {
            json.member(self.name);
            json.raw("{");
            self.begun = true;
        }
        json.member(name);
    }

    fn text(&mut self, json: &mut Json, name: &str, text: &str) {
        if !text.is_empty() {
            self.member(json, name);
            json.text(text);
        }
    }

    fn count(&mut self, json: &mut Json, name: &str, count: u32) {
        if count != 0 {
            self.member(json, name);
            json.integer(count);
        }
    }

    fn end(self, json: &mut Json) {
        if self.begun {
            json.raw("}");
        }
    }
}
