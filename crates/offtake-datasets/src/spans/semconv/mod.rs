//! Attributes into columns.
//!
//! Responsible for saying which attribute means which column ([`table`]), for finding what a model was given and
//! answered ([`content`]), and for what it cost ([`cost`]). Nothing here takes anything away: what is moved into a
//! column is named, and only [`super::otlp`] leaves it out of `attributes`.

pub(crate) mod content;
pub(crate) mod cost;
pub(crate) mod table;

use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;

use super::conventions::Conventions;
use super::span::SpanType;
use content::Content;
use table::Slot;

/// The most tokens of one span that are believed. A sum over all spans of a trace stays far from overflow.
const MOST_TOKENS: i64 = 1_000_000_000;

/// For each slot the attribute that says it best.
#[derive(Debug)]
pub(crate) struct Slots<'a> {
    attributes: &'a [KeyValue],
    best: [Option<(u16, usize)>; Slot::COUNT],
}

impl<'a> Slots<'a> {
    /// One pass over the attributes.
    pub(crate) fn of(attributes: &'a [KeyValue], conventions: &Conventions) -> Self {
        let mut best: [Option<(u16, usize)>; Slot::COUNT] = [None; Slot::COUNT];
        for (at, attribute) in attributes.iter().enumerate() {
            for &(slot, rank) in conventions.meanings(&attribute.key) {
                let is_better = best[slot as usize].is_none_or(|(before, _)| rank < before);
                if is_better && is_usable(slot, attribute, conventions) {
                    best[slot as usize] = Some((rank, at));
                }
            }
        }
        Self { attributes, best }
    }

    fn index(&self, slot: Slot) -> Option<usize> {
        self.best[slot as usize].map(|(_, at)| at)
    }

    fn attribute(&self, slot: Slot) -> Option<&'a KeyValue> {
        self.attributes.get(self.index(slot)?)
    }

    /// The bytes of the texts that these attributes say for every span of theirs.
    pub(crate) fn shared_weight(&self) -> usize {
        Slot::SHARED.into_iter().filter_map(|slot| text(value(self.attribute(slot)?)?)).map(str::len).sum()
    }

    fn text(&self, slot: Slot) -> Option<String> {
        word(self.attribute(slot)?)
    }

    fn tokens(&self, slot: Slot) -> Option<i64> {
        tokens(self.attribute(slot)?)
    }
}

/// Whether an attribute says anything. One that does not leaves it to the next.
fn is_usable(slot: Slot, attribute: &KeyValue, conventions: &Conventions) -> bool {
    match slot {
        Slot::Type => conventions.span_type(attribute).is_some(),
        Slot::PromptTokens | Slot::CompletionTokens | Slot::TotalTokens | Slot::CachedTokens => {
            tokens(attribute).is_some()
        }
        Slot::Cost => cost::stated(attribute).is_some(),
        Slot::Input | Slot::Output => value(attribute).is_some(),
        Slot::Provider
        | Slot::Model
        | Slot::ResponseModel
        | Slot::Environment
        | Slot::Service
        | Slot::User
        | Slot::Session
        | Slot::Project
        | Slot::Document
        | Slot::Commit
        | Slot::Experiment
        | Slot::Deployment => word(attribute).is_some(),
    }
}

pub(crate) fn value(attribute: &KeyValue) -> Option<&Value> {
    attribute.value.as_ref()?.value.as_ref()
}

/// A string.
pub(crate) fn text(value: &Value) -> Option<&str> {
    if let Value::StringValue(text) = value { Some(text) } else { None }
}

/// An integer.
pub(crate) fn integer(value: &Value) -> Option<i64> {
    if let Value::IntValue(number) = value { Some(*number) } else { None }
}

/// A double that is a number.
pub(crate) fn double(value: &Value) -> Option<f64> {
    if let Value::DoubleValue(number) = value { Some(*number).filter(|number| number.is_finite()) } else { None }
}

/// A name or id. An empty one names nothing.
fn word(attribute: &KeyValue) -> Option<String> {
    let value = value(attribute)?;
    let name = text(value).filter(|name| !name.is_empty()).map(str::to_owned);
    name.or_else(|| integer(value).map(|number| number.to_string()))
}

fn tokens(attribute: &KeyValue) -> Option<i64> {
    let value = value(attribute)?;
    // JavaScript knows one kind of number.
    let whole = |count: &f64| count.fract() == 0.0 && count.abs() <= MOST_TOKENS as f64;
    let count = integer(value).or_else(|| double(value).filter(whole).map(|count| count as i64));
    count.filter(|count| (0..=MOST_TOKENS).contains(count))
}

/// The columns that a span's attributes and events say.
#[derive(Debug)]
pub(crate) struct Mapped {
    pub(crate) span_type: SpanType,
    pub(crate) provider: Option<String>,
    pub(crate) model: Option<String>,
    pub(crate) environment: Option<String>,
    pub(crate) service: Option<String>,
    pub(crate) user_id: Option<String>,
    pub(crate) session_id: Option<String>,
    pub(crate) project_id: Option<String>,
    pub(crate) document_uuid: Option<String>,
    pub(crate) commit_uuid: Option<String>,
    pub(crate) experiment_uuid: Option<String>,
    pub(crate) test_deployment_id: Option<String>,
    pub(crate) prompt_tokens: Option<i64>,
    pub(crate) completion_tokens: Option<i64>,
    pub(crate) total_tokens: Option<i64>,
    pub(crate) cost_usd: Option<i64>,
    pub(crate) input: Option<Content>,
    pub(crate) output: Option<Content>,
}

impl Mapped {
    /// Maps a span; `resource` says what it does not say itself.
    pub(crate) fn new(span: &Span, resource: &Slots<'_>, conventions: &Conventions) -> Self {
        let own = Slots::of(&span.attributes, conventions);
        let text = |slot: Slot| {
            let shared = || slot.is_shared().then(|| resource.text(slot)).flatten();
            own.text(slot).or_else(shared)
        };
        let prompt_tokens = own.tokens(Slot::PromptTokens);
        let completion_tokens = own.tokens(Slot::CompletionTokens);
        let span_type = span_type(&own, conventions);
        Self {
            span_type,
            provider: text(Slot::Provider),
            model: text(Slot::Model),
            environment: text(Slot::Environment),
            service: text(Slot::Service),
            user_id: text(Slot::User),
            session_id: text(Slot::Session),
            project_id: text(Slot::Project),
            document_uuid: text(Slot::Document),
            commit_uuid: text(Slot::Commit),
            experiment_uuid: text(Slot::Experiment),
            test_deployment_id: text(Slot::Deployment),
            prompt_tokens,
            completion_tokens,
            total_tokens: own.tokens(Slot::TotalTokens).or(match (prompt_tokens, completion_tokens) {
                (None, None) => None,
                (prompt, completion) => Some(prompt.unwrap_or(0) + completion.unwrap_or(0)),
            }),
            cost_usd: cost_of(&own, span_type, conventions),
            input: content::find(span, Slot::Input, own.index(Slot::Input)),
            output: content::find(span, Slot::Output, own.index(Slot::Output)),
        }
    }
}

/// A span that says no type but names a model and counts its tokens is a call of it.
fn span_type(own: &Slots<'_>, conventions: &Conventions) -> SpanType {
    let said = own.attribute(Slot::Type).and_then(|attribute| conventions.span_type(attribute));
    let counts = || own.index(Slot::PromptTokens).is_some() || own.index(Slot::CompletionTokens).is_some();
    let is_call = || own.index(Slot::Model).is_some() && counts();
    said.unwrap_or_else(|| if is_call() { SpanType::Prompt } else { SpanType::Other })
}

/// What the span says, else the price of its tokens. Agents and other wrappers are not priced: the calls within them are.
fn cost_of(own: &Slots<'_>, span_type: SpanType, conventions: &Conventions) -> Option<i64> {
    if let Some(attribute) = own.attribute(Slot::Cost) {
        return cost::stated(attribute);
    }
    if matches!(span_type, SpanType::Agent | SpanType::Tool | SpanType::Other) {
        return None;
    }
    let price = [Slot::ResponseModel, Slot::Model].into_iter().find_map(|slot| conventions.price(&own.text(slot)?))?;
    let usage = cost::Usage {
        prompt: own.tokens(Slot::PromptTokens),
        completion: own.tokens(Slot::CompletionTokens),
        cached: own.tokens(Slot::CachedTokens),
    };
    price.of(usage)
}
