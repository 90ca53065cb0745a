//! Whether whoever opened a stream may still have it: asked again as it was asked at first, by what the request showed.

use std::time::Duration;

use http::{HeaderMap, Method};
use offtake_model::id::OrgId;
use offtake_model::permission::Permission;
use offtake_model::{Error, ErrorKind};
use offtake_store::JobScope;
use tokio::time::Instant;

use crate::auth::{Caller, authenticate, require};
use crate::state::App;

/// How often it is asked.
const EVERY: Duration = Duration::from_secs(2);

pub(super) struct Standing {
    method: Method,
    headers: HeaderMap,
    caller: Caller,
    asked: Instant,
}

impl Standing {
    pub(super) fn new(method: Method, headers: HeaderMap, caller: Caller) -> Self {
        Self { method, headers, caller, asked: Instant::now() }
    }

    pub(super) fn org(&self) -> &OrgId {
        &self.caller.0.org
    }

    /// Whose jobs it may look at, as of late.
    pub(super) fn scope(&self) -> JobScope {
        self.caller.scope()
    }

    /// Whether the token (key, session) still holds and still allows it. A store that does not answer is no reason to break
    /// off: nobody can have decided anything there meanwhile.
    pub(super) async fn holds(&mut self, app: &App) -> bool {
        if self.asked.elapsed() < EVERY {
            return true;
        }
        self.asked = Instant::now();
        let needed = Permission::ExportsRead;
        let found = authenticate(app, &self.method, &self.headers, Some(&needed)).await;
        match found.map_err(Error::from).and_then(|(principal, _)| require(&principal, &needed).map(|()| principal)) {
            Ok(principal) => {
                self.caller = Caller(principal);
                true
            }
            Err(error) if matches!(error.kind(), ErrorKind::Forbidden | ErrorKind::Unauthenticated) => {
                tracing::info!(code = error.kind().code(), "a stream ends: {}", error.detail());
                false
            }
            Err(error) => {
                tracing::warn!(%error, "whether a stream may go on could not be looked up");
                true
            }
        }
    }
}
