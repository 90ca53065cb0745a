//! Whether whoever opened a socket may still have it: looked at again while it is open.

use std::time::Duration;

use jiff::Timestamp;
use offtake_model::api_key::key_of;
use offtake_model::event::EventType;
use offtake_model::permission::Permission;
use offtake_model::principal::{Principal, Standing};
use offtake_model::sensitive::Sight;
use offtake_model::{ErrorKind, Result};

use super::socket::End;
use crate::auth::{IDLE, Via};
use crate::state::App;

/// How often it is looked up.
pub(super) const EVERY: Duration = Duration::from_secs(3);

/// The right of a principal to its socket.
#[derive(Debug)]
pub(super) struct Right {
    principal: Principal,
    /// When it ends, whatever happens.
    until: Option<Timestamp>,
    /// The session it came by.
    session: Option<String>,
}

/// What a principal may be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct May {
    kinds: [bool; EventType::ALL.len()],
    pub(super) sees_all: bool,
    pub(super) sight: Sight,
}

impl May {
    fn of(principal: &Principal) -> Self {
        let permissions = &principal.permissions;
        let sees_all = permissions.allow(&Permission::ExportsReadAll);
        // Seeing everybody's exports includes seeing one's own.
        let allow = |needed: Permission| permissions.allow(&needed) || (sees_all && needed == Permission::ExportsRead);
        Self { kinds: EventType::ALL.map(|kind| allow(kind.permission())), sees_all, sight: Sight::of(permissions) }
    }

    pub(super) const fn be_told(&self, kind: EventType) -> bool {
        self.kinds[kind as usize]
    }
}

impl Right {
    pub(super) fn of(principal: Principal, via: Via) -> Self {
        let (until, session) = match via {
            Via::Token { ends_at } => (Some(ends_at), None),
            Via::ApiKey { .. } => (None, None),
            Via::Session { fingerprint, expires_at } => (Some(expires_at), Some(fingerprint)),
            Via::Ticket { ends_at, session } => (ends_at, session),
        };
        Self { principal, until, session }
    }

    pub(super) const fn principal(&self) -> &Principal {
        &self.principal
    }

    pub(super) fn may(&self) -> May {
        May::of(&self.principal)
    }

    /// When it ends by itself, for a ticket that is made of it.
    pub(super) const fn until(&self) -> Option<Timestamp> {
        self.until
    }

    pub(super) fn session(&self) -> Option<&str> {
        self.session.as_deref()
    }

    /// Waits for its end.
    pub(super) async fn end(&self, app: &App) -> End {
        loop {
            let left = self.until.map(|until| until.duration_since(app.clock.now()));
            let left = left.map_or(EVERY, |left| left.try_into().unwrap_or(Duration::ZERO));
            // Not exactly then: no sooner, by this process's clock.
            tokio::time::sleep(left.min(EVERY)).await;
            match self.look(app).await {
                Ok(Some(end)) => return end,
                Ok(None) => {}
                // Where the store is away, nobody can have decided anything meanwhile.
                Err(error) => tracing::warn!(%error, "whether a live socket may stay open could not be looked up"),
            }
        }
    }

    /// Why it is over; `None` if it is not.
    ///
    /// # Errors
    /// `store_unavailable`.
    pub(super) async fn look(&self, app: &App) -> Result<Option<End>> {
        if self.until.is_some_and(|until| app.clock.now() >= until) {
            return Ok(Some(End::expired("what this socket was opened with has expired")));
        }
        if let Some(key) = key_of(&self.principal.sub) {
            let Some(shown) = app.store.api_keys.shown(key).await? else {
                return Ok(Some(End::withdrawn("this API key was revoked")));
            };
            if shown.expired {
                return Ok(Some(End::expired("the API key has expired")));
            }
            return Ok(self.against(shown.stand.standing));
        }
        let standing = match &self.session {
            None => app.store.principals.standing(&self.principal.org, &self.principal.sub).await?.standing,
            Some(session) => match app.store.sessions.get(session, IDLE).await? {
                Some((_, stand)) => stand.standing,
                None => return Ok(Some(End::expired("the session is over"))),
            },
        };
        Ok(self.against(standing))
    }

    fn against(&self, standing: Standing) -> Option<End> {
        if let Err(error) = standing.require([]) {
            debug_assert_eq!(error.kind(), ErrorKind::Forbidden);
            return Some(End::withdrawn(error.detail()));
        }
        let permissions = self.principal.permissions.clone().without(standing.withheld);
        let narrowed = Principal { permissions, ..self.principal.clone() };
        (May::of(&narrowed) != self.may())
            .then(|| End::withdrawn("a permission was withheld; connect again with what is left"))
    }
}
