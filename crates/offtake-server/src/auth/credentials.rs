//! What a request shows to say who asks: a bearer token, an API key, or the cookie of a session.
//!
//! Whichever it is, the store is asked how the principal stands, by primary key and for every request. Nothing is
//! remembered in between, so what an administrator decides holds from the next request on, at every server.

use http::{HeaderMap, Method, header};
use jiff::{SignedDuration, Timestamp};
use offtake_model::api_key::{is_reserved, sub_of};
use offtake_model::audit;
use offtake_model::id::OrgId;
use offtake_model::permission::Permission;
use offtake_model::principal::{Barred, Principal};
use offtake_model::{Error, ErrorKind, Result};
use offtake_store::{Pass, Stand};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::noting::Note;
use super::{key_text, origin};
use crate::state::{App, ServerSettings};

/// A session that nobody uses ends after so long.
pub(crate) const IDLE: SignedDuration = SignedDuration::from_hours(2);

/// How a principal said who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Via {
    /// By a bearer token, until it ends.
    Token { ends_at: Timestamp },
    /// By an API key, which this principal made.
    ApiKey { maker: String },
    /// By the cookie of the session with this fingerprint.
    Session { fingerprint: String, expires_at: Timestamp },
    /// By a ticket, which was asked for with what ends then, and with this session.
    Ticket { ends_at: Option<Timestamp>, session: Option<String> },
}

impl Via {
    /// The same as the audit trail says it.
    pub(crate) const fn in_audit(&self) -> audit::Via {
        match self {
            Self::Token { .. } | Self::Ticket { .. } => audit::Via::Token,
            Self::ApiKey { .. } => audit::Via::ApiKey,
            Self::Session { .. } => audit::Via::Session,
        }
    }
}

/// Somebody who was not let in.
#[derive(Debug)]
pub(crate) struct Unknown {
    pub(crate) error: Error,
    /// Who it is all the same: the credentials are genuine, and do not count any more.
    pub(crate) who: Option<Box<Who>>,
}

/// A principal, as far as it matters who it is.
#[derive(Debug)]
pub(crate) struct Who {
    pub(crate) org: OrgId,
    pub(crate) sub: String,
    pub(crate) via: audit::Via,
}

impl Who {
    fn of(principal: &Principal, via: audit::Via) -> Box<Self> {
        Box::new(Self { org: principal.org.clone(), sub: principal.sub.clone(), via })
    }
}

impl From<Unknown> for Error {
    fn from(unknown: Unknown) -> Self {
        unknown.error
    }
}

impl From<Error> for Unknown {
    fn from(error: Error) -> Self {
        Self { error, who: None }
    }
}

/// Who asks, as far as it may still do anything.
///
/// # Errors
/// `unauthenticated`; `forbidden` if the principal may do nothing, or the request is another page's; `store_unavailable`.
pub(crate) async fn authenticate(
    app: &App,
    method: &Method,
    headers: &HeaderMap,
    needed: Option<&Permission>,
) -> Result<(Principal, Via), Unknown> {
    if headers.contains_key(header::AUTHORIZATION) {
        let text = bearer(headers)?;
        return if key_text::is_one(text) { by_key(app, text).await } else { by_token(app, text, needed).await };
    }
    let Some(session) = session_of(&app.settings, headers) else { return Err(nothing_shown().into()) };
    origin::require_own(&app.settings, method, headers)?;
    by_session(app, &fingerprint(session)).await
}

fn nothing_shown() -> Error {
    refuse("send a token: Authorization: Bearer …")
}

fn refuse(detail: &str) -> Error {
    Error::new(ErrorKind::Unauthenticated, detail)
}

fn bearer(headers: &HeaderMap) -> Result<&str> {
    let mut given = headers.get_all(header::AUTHORIZATION).iter();
    let value = given.next().ok_or_else(nothing_shown)?;
    if given.next().is_some() {
        return Err(refuse("send one Authorization header, not several"));
    }
    let token = value.to_str().ok().and_then(|text| {
        let (scheme, token) = text.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
    });
    token.ok_or_else(nothing_shown)
}

async fn by_token(app: &App, token: &str, needed: Option<&Permission>) -> Result<(Principal, Via), Unknown> {
    let judged = app.verifier.judged(token, app.clock.now()).await;
    let (principal, ends_at) = judged.map_err(|(error, bearer)| {
        let who = bearer.filter(|bearer| !is_reserved(&bearer.sub));
        Unknown { error, who: who.map(|bearer| Who::of(&bearer, audit::Via::Token)) }
    })?;
    if is_reserved(&principal.sub) {
        return Err(refuse("the bearer token is not valid here").into());
    }
    let stand = match app.store.principals.standing(&principal.org, &principal.sub).await {
        // Whoever runs the installation wants its numbers most of all when the store is away.
        Err(error) if needed == Some(&Permission::Operator) && error.kind() == ErrorKind::StoreUnavailable => {
            tracing::warn!(%error, "an operator passes whose standing cannot be looked up");
            return Ok((principal, Via::Token { ends_at }));
        }
        stand => stand?,
    };
    admit(app, Via::Token { ends_at }, principal, stand)
}

async fn by_key(app: &App, text: &str) -> Result<(Principal, Via), Unknown> {
    let invalid = || refuse("the API key is not valid here");
    let id = key_text::id_in(text).ok_or_else(invalid)?;
    let key = app.store.api_keys.shown(id).await?.ok_or_else(invalid)?;
    if !bool::from(fingerprint(text).as_bytes().ct_eq(key.hash.as_bytes())) {
        return Err(invalid().into());
    }
    let principal = Principal { org: key.org, sub: sub_of(id), email: None, permissions: key.permissions };
    let over = match key.stand.standing.barred {
        Some(Barred::KeyRevoked) => Some(Barred::KeyRevoked.why()),
        _ if key.expired => Some("the API key has expired; make a new one"),
        _ => None,
    };
    if let Some(why) = over {
        return Err(Unknown { error: refuse(why), who: Some(Who::of(&principal, audit::Via::ApiKey)) });
    }
    admit(app, Via::ApiKey { maker: key.created_by }, principal, key.stand)
}

async fn by_session(app: &App, fingerprint: &str) -> Result<(Principal, Via), Unknown> {
    let found = app.store.sessions.get(fingerprint, IDLE).await?;
    let (session, stand) = found.ok_or_else(|| refuse("the session is over; sign in again"))?;
    if !stand.noted {
        app.notes.take(Note::Session(fingerprint.to_owned()));
    }
    let via = Via::Session { fingerprint: fingerprint.to_owned(), expires_at: session.expires_at };
    admit(app, via, session.principal, stand)
}

/// Who spends this ticket.
///
/// # Errors
/// `unauthenticated` if it was spent, is over, or never was; `forbidden` if whoever made it may do nothing any more.
pub(crate) async fn by_ticket(app: &App, ticket: &str) -> Result<(Principal, Via), Unknown> {
    let Pass { principal, until, session } = match app.store.tickets.spend(&fingerprint(ticket)).await {
        Err(error) if error.kind() == ErrorKind::Gone => return Err(refuse(error.detail()).into()),
        spent => spent?,
    };
    let stand = app.store.principals.standing(&principal.org, &principal.sub).await?;
    admit(app, Via::Ticket { ends_at: until, session }, principal, stand)
}

/// The principal with what is withheld from it taken away.
fn admit(app: &App, via: Via, mut principal: Principal, stand: Stand) -> Result<(Principal, Via), Unknown> {
    let moved = principal.email.is_some() && principal.email != stand.email;
    if moved || !stand.noted {
        let (org, sub) = (principal.org.clone(), principal.sub.clone());
        app.notes.take(Note::Principal { org, sub, email: principal.email.clone() });
    }
    if let Err(error) = stand.standing.require([]) {
        return Err(Unknown { error, who: Some(Who::of(&principal, via.in_audit())) });
    }
    principal.permissions = principal.permissions.without(stand.standing.withheld);
    Ok((principal, via))
}

/// What is kept of a secret that somebody shows. A plain hash will do: keys, tickets and cookies are 256 bits of chance,
/// so there is no dictionary to try and nothing that a slow, salted hash would make dearer for whoever reads the
/// database; and it is computed for every request.
pub(crate) fn fingerprint(secret: &str) -> String {
    hex::encode(Sha256::digest(secret.as_bytes()))
}

/// What the cookie of a session is called. Where browsers reach us by TLS alone, the prefix makes them refuse one that
/// another host, or a page without TLS, set.
pub(crate) fn cookie_name(settings: &ServerSettings) -> &'static str {
    if settings.by_tls() { "__Host-offtake_session" } else { "offtake_session" }
}

/// What the cookie of a session holds, if one is sent.
pub(crate) fn session_of<'h>(settings: &ServerSettings, headers: &'h HeaderMap) -> Option<&'h str> {
    let values = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = values.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find_map(|(name, value)| (name == cookie_name(settings)).then_some(value))
}
