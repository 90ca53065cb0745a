//! The conventions, as tables: a new one is a row.
//!
//! Of several attributes that mean the same, the one that stands first here wins.

use crate::spans::span::SpanType;

use SpanType::{Agent, Completion, Embedding, Other, Prompt, Tool};

/// What an attribute can say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Slot {
    Type,
    Provider,
    Model,
    ResponseModel,
    Environment,
    Service,
    User,
    Session,
    PromptTokens,
    CompletionTokens,
    TotalTokens,
    CachedTokens,
    Cost,
    Input,
    Output,
    Project,
    Document,
    Commit,
    Experiment,
    Deployment,
}

impl Slot {
    /// How many there are.
    pub(crate) const COUNT: usize = Self::Deployment as usize + 1;

    /// What the resource may say for all of its spans.
    pub(crate) const SHARED: [Self; 9] = [
        Self::Environment,
        Self::Service,
        Self::User,
        Self::Session,
        Self::Project,
        Self::Document,
        Self::Commit,
        Self::Experiment,
        Self::Deployment,
    ];

    /// Whether the resource may say it for all of its spans.
    pub(crate) fn is_shared(self) -> bool {
        Self::SHARED.contains(&self)
    }
}

/// Attributes by what they say, the best first. GenAI semantic conventions (current, then older), OpenInference,
/// OpenLLMetry, Vercel AI SDK, Langfuse.
pub(crate) const ATTRIBUTES: &[(Slot, &[&str])] = &[
    (
        Slot::Provider,
        &["gen_ai.provider.name", "gen_ai.system", "llm.provider", "llm.system", "llm.vendor", "ai.model.provider"],
    ),
    (
        Slot::Model,
        &[
            "gen_ai.request.model",
            "gen_ai.response.model",
            "llm.request.model",
            "llm.response.model",
            "llm.model_name",
            "embedding.model_name",
            "reranker.model_name",
            "ai.model.id",
            "langfuse.observation.model.name",
        ],
    ),
    (Slot::ResponseModel, &["gen_ai.response.model", "llm.response.model", "ai.response.model"]),
    (Slot::Environment, &["deployment.environment.name", "deployment.environment", "langfuse.environment"]),
    (Slot::Service, &["service.name"]),
    (
        Slot::User,
        &[
            "user.id",
            "enduser.id",
            "gen_ai.request.user",
            "llm.user",
            "traceloop.association.properties.user_id",
            "ai.telemetry.metadata.userId",
            "langfuse.user.id",
        ],
    ),
    (
        Slot::Session,
        &[
            "gen_ai.conversation.id",
            "session.id",
            "traceloop.association.properties.session_id",
            "traceloop.association.properties.thread_id",
            "ai.telemetry.metadata.sessionId",
            "langfuse.session.id",
        ],
    ),
    (
        Slot::PromptTokens,
        &[
            "gen_ai.usage.input_tokens",
            "gen_ai.usage.prompt_tokens",
            "llm.token_count.prompt",
            "llm.usage.prompt_tokens",
            "ai.usage.inputTokens",
            "ai.usage.promptTokens",
            "ai.usage.tokens",
        ],
    ),
    (
        Slot::CompletionTokens,
        &[
            "gen_ai.usage.output_tokens",
            "gen_ai.usage.completion_tokens",
            "llm.token_count.completion",
            "llm.usage.completion_tokens",
            "ai.usage.outputTokens",
            "ai.usage.completionTokens",
        ],
    ),
    (
        Slot::TotalTokens,
        &["gen_ai.usage.total_tokens", "llm.usage.total_tokens", "llm.token_count.total", "ai.usage.totalTokens"],
    ),
    (
        Slot::CachedTokens,
        &[
            "gen_ai.usage.cache_read.input_tokens",
            "gen_ai.usage.cache_read_input_tokens",
            "llm.token_count.prompt_details.cache_read",
            "llm.usage.cache_read_input_tokens",
            "ai.usage.cachedInputTokens",
        ],
    ),
    (
        Slot::Cost,
        &[
            "offtake.cost_usd",
            "gen_ai.usage.cost",
            "gen_ai.usage.cost_usd",
            "gen_ai.usage.total_cost",
            "llm.usage.total_cost",
            "llm.cost.total",
        ],
    ),
    (
        Slot::Input,
        &[
            "gen_ai.input.messages",
            "input.value",
            "traceloop.entity.input",
            "ai.prompt.messages",
            "ai.prompt",
            "gen_ai.prompt",
            "llm.prompts",
            "gen_ai.tool.call.arguments",
            "ai.toolCall.args",
            "langfuse.observation.input",
        ],
    ),
    (
        Slot::Output,
        &[
            "gen_ai.output.messages",
            "output.value",
            "traceloop.entity.output",
            "ai.response.text",
            "ai.response.object",
            "ai.result.text",
            "gen_ai.completion",
            "gen_ai.tool.call.result",
            "ai.toolCall.result",
            "langfuse.observation.output",
        ],
    ),
];

/// Attributes that say the type, the best first, and what their values mean, letter case aside. A value that is not
/// here leaves it to the next attribute. The words of [`SpanType`] themselves go by the configured attribute.
pub(crate) const TYPES: &[(&str, &[(&str, SpanType)])] = &[
    (
        "gen_ai.operation.name",
        &[
            ("chat", Prompt),
            ("text_completion", Prompt),
            ("generate_content", Prompt),
            ("completion", Completion),
            ("embeddings", Embedding),
            ("execute_tool", Tool),
            ("invoke_agent", Agent),
            ("create_agent", Agent),
            ("invoke_workflow", Agent),
        ],
    ),
    (
        "openinference.span.kind",
        &[
            ("LLM", Prompt),
            ("EMBEDDING", Embedding),
            ("TOOL", Tool),
            ("AGENT", Agent),
            ("CHAIN", Other),
            ("PROMPT", Other),
            ("RETRIEVER", Other),
            ("RERANKER", Other),
            ("GUARDRAIL", Other),
            ("EVALUATOR", Other),
        ],
    ),
    ("llm.request.type", &[("chat", Prompt), ("completion", Prompt), ("embedding", Embedding), ("rerank", Other)]),
    ("traceloop.span.kind", &[("tool", Tool), ("agent", Agent), ("workflow", Agent), ("task", Other)]),
    (
        "ai.operationId",
        &[
            ("ai.generateText.doGenerate", Prompt),
            ("ai.streamText.doStream", Prompt),
            ("ai.generateObject.doGenerate", Prompt),
            ("ai.streamObject.doStream", Prompt),
            ("ai.embed.doEmbed", Embedding),
            ("ai.embedMany.doEmbed", Embedding),
            ("ai.toolCall", Tool),
            ("ai.generateText", Agent),
            ("ai.streamText", Agent),
            ("ai.generateObject", Agent),
            ("ai.streamObject", Agent),
            ("ai.embed", Other),
            ("ai.embedMany", Other),
        ],
    ),
    (
        "langfuse.observation.type",
        &[("generation", Prompt), ("embedding", Embedding), ("tool", Tool), ("agent", Agent), ("span", Other)],
    ),
];

/// Messages in numbered attributes: `gen_ai.prompt.0.content`, `llm.input_messages.0.message.role`: what stands before
/// the number, and after it.
pub(crate) const NUMBERED: &[(Slot, &str, &str)] = &[
    (Slot::Input, "gen_ai.prompt.", ""),
    (Slot::Input, "llm.input_messages.", "message."),
    (Slot::Output, "gen_ai.completion.", ""),
    (Slot::Output, "llm.output_messages.", "message."),
];

/// Content in an attribute of an event.
pub(crate) const EVENT_CONTENT: &[(Slot, &str, &str)] = &[
    (Slot::Input, "gen_ai.client.inference.operation.details", "gen_ai.input.messages"),
    (Slot::Output, "gen_ai.client.inference.operation.details", "gen_ai.output.messages"),
    (Slot::Input, "gen_ai.content.prompt", "gen_ai.prompt"),
    (Slot::Output, "gen_ai.content.completion", "gen_ai.completion"),
];

/// Events that are a message each, and the role they have.
pub(crate) const EVENT_MESSAGES: &[(Slot, &str, &str)] = &[
    (Slot::Input, "gen_ai.system.message", "system"),
    (Slot::Input, "gen_ai.user.message", "user"),
    (Slot::Input, "gen_ai.assistant.message", "assistant"),
    (Slot::Input, "gen_ai.tool.message", "tool"),
    (Slot::Output, "gen_ai.choice", "assistant"),
];
