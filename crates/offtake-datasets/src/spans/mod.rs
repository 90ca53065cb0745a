//! The built-in span store: spans come in, and the datasets `spans`, `traces` and `prompts` go out.
//!
//! Responsible for decoding OTLP ([`otlp`]), mapping attributes to columns ([`semconv`], [`conventions`]), keeping
//! spans durably and once ([`store`], in SQLite or Postgres), and describing the three datasets ([`datasets`]). Not responsible for
//! reading them: that is [`crate::source`], like for any other dataset. Called by the server's ingest, by
//! `import-spans`, and by the catalog.

pub mod conventions;
pub mod datasets;
pub mod events;
pub mod otlp;
mod postgres;
mod relations;
pub mod semconv;
pub mod span;
mod sqlite;
pub mod store;
pub mod tail;
mod traces;

pub use conventions::{Conventions, ConventionsConfig};
pub use events::{TraceBatch, TraceEvents, TraceState};
pub use span::{Span, SpanType, StatusCode};
pub use store::{Appended, SpanStore};
pub use tail::SpanTail;
