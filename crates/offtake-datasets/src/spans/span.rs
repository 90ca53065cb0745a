//! A span as it is stored: the row, before it has an organization.

use std::sync::Arc;

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$vdoc])* $variant,)+ }

        impl $name {
            /// The word it is stored as.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }

            /// The one of this word.
            pub fn from_word(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

words! {
    /// What a span stands for.
    SpanType {
        /// A call of a model: it carries the request and, mostly, the answer.
        Prompt = "prompt",
        /// The answer, where a product records it apart, as a child of the prompt.
        Completion = "completion",
        /// A call of an embedding model.
        Embedding = "embedding",
        /// A tool at work.
        Tool = "tool",
        /// An agent, workflow or chain around model calls.
        Agent = "agent",
        /// Anything else.
        Other = "other",
    }
}

words! {
    /// How a span ended.
    StatusCode {
        /// Declared to have succeeded.
        Ok = "OK",
        /// It failed.
        Error = "ERROR",
        /// Nothing was declared.
        Unset = "UNSET",
    }
}

/// A span, mapped to columns.
#[derive(Debug, Clone, PartialEq)]
pub struct Span {
    /// 32 hex digits, lower case.
    pub trace_id: String,
    /// 16 hex digits, lower case.
    pub span_id: String,
    /// 16 hex digits; `None` for a root.
    pub parent_span_id: Option<String>,
    /// The project it belongs to.
    pub project_id: Option<String>,
    /// The document (prompt template) it belongs to.
    pub document_uuid: Option<String>,
    /// The version of that document.
    pub commit_uuid: Option<String>,
    /// The experiment it was made in.
    pub experiment_uuid: Option<String>,
    /// The test deployment it was made in.
    pub test_deployment_id: Option<String>,
    /// What it stands for.
    pub span_type: SpanType,
    /// Its name.
    pub name: String,
    /// The service that sent it.
    pub service: Option<String>,
    /// Whose model was called.
    pub provider: Option<String>,
    /// The model asked for, or else the one that answered.
    pub model: Option<String>,
    /// Where the service runs: production, staging, …
    pub environment: Option<String>,
    /// On whose behalf.
    pub user_id: Option<String>,
    /// The conversation it is part of.
    pub session_id: Option<String>,
    /// How it ended.
    pub status_code: StatusCode,
    /// What it said about that.
    pub status_message: Option<String>,
    /// Microseconds since the epoch, rounded down.
    pub started_at: i64,
    /// The nanoseconds that leaves out, 0 to 999.
    pub started_ns: u16,
    /// Microseconds since the epoch, rounded down; `None` where no end was sent.
    pub ended_at: Option<i64>,
    /// The nanoseconds that leaves out.
    pub ended_ns: Option<u16>,
    /// From the nanoseconds.
    pub duration_ms: Option<f64>,
    /// Tokens that went in.
    pub prompt_tokens: Option<i64>,
    /// Tokens that came out.
    pub completion_tokens: Option<i64>,
    /// All of them.
    pub total_tokens: Option<i64>,
    /// Nano-dollars.
    pub cost_usd: Option<i64>,
    /// What the model, tool or chain was given.
    pub input: Option<String>,
    /// What it answered.
    pub output: Option<String>,
    /// Everything else it carries, a JSON object.
    pub attributes: String,
    /// The resource and scope it came from, a JSON object shared by all their spans.
    pub resource: Arc<str>,
    /// Its events, a JSON array.
    pub events: String,
}
