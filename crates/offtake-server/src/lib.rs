//! Everything on a socket: the REST API, OTLP ingest, signed links, health, metrics and documentation.
//!
//! Responsible for who may ask, for reading requests and writing answers. Not responsible for running
//! exports (that is `offtake-worker`, which this crate never sees) nor for what rows mean
//! (`offtake-datasets`). The binary builds an [`AppState`], makes a [`router()`] of it and hands that to
//! [`serve()`].

#![forbid(unsafe_code)]

mod acting;
mod alerts;
mod api_keys;
mod audit;
mod auth;
mod console;
mod created;
mod datasets;
mod destinations;
mod edge;
pub mod error;
mod exports;
mod extract;
mod facets;
mod files;
mod grpc;
mod health;
pub mod identity;
mod jobs;
mod limits;
mod links;
mod live;
mod metrics;
mod notifications;
mod one_time;
mod openapi;
mod otlp;
mod pages;
mod performance;
mod presets;
mod preview;
mod principals;
mod protections;
pub mod range;
mod recipients;
mod router;
mod schedules;
mod serve;
pub mod sign_in;
mod sse;
mod state;
mod versions;
mod watch;
mod webhooks;

pub use acting::{ForwardedHeader, TrustedProxies};
pub use auth::key_text as api_key;
pub use destinations::Destinations;
pub use health::{Operations, operations};
pub use limits::LimitSettings;
pub use live::{LiveSettings, protocol};
pub use metrics::{QueueMetrics, ServerMetrics};
pub use router::{Routers, router, routers};
pub use serve::{ConnectionSettings, serve, serve_grpc};
pub use state::{AppState, Downloads, ServerSettings};
