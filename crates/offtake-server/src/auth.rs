//! Who asks, and whether they may: the layer that every route of the table carries.
//!
//! Responsible for letting a request pass or not. Who it is that asks is found out by [`credentials`].

mod credentials;
pub mod key_text;
pub(crate) mod noting;
pub(crate) mod origin;
pub(crate) mod refusals;

use std::time::{Duration, Instant};

use axum::extract::{FromRequestParts, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, header};
use offtake_model::dataset::DatasetSchema;
use offtake_model::id::OrgId;
use offtake_model::permission::Permission;
use offtake_model::principal::Principal;
use offtake_model::sensitive::Sight;
use offtake_model::{Error, ErrorKind, Result};
use offtake_store::JobScope;

use crate::acting::client_address;
use crate::error::Problem;
use crate::limits::Allowances;
use crate::live;
use crate::state::App;

use credentials::Unknown;
pub(crate) use credentials::{IDLE, Via, authenticate, by_ticket, cookie_name, fingerprint, session_of};
use refusals::Attempt;

/// What a route asks of whoever calls it. There is no route without one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Access {
    /// Anybody who reaches the port.
    Public,
    /// Anybody who can say who he is.
    Known,
    /// Anybody with a token; the handler asks for the dataset's own permission.
    Token,
    /// Anybody with a token, or with a ticket in the query: who opens a live socket.
    Live,
    /// A token with this permission.
    Needs(Permission),
}

/// An answer that took so long is given only to who still stands as before.
const LONG: Duration = Duration::from_secs(1);

/// Who called, put into the response for the log.
#[derive(Debug, Clone)]
pub(crate) struct CalledBy(pub(crate) OrgId);

/// Lets a request pass, or not.
pub(crate) async fn authorise(
    State((app, access)): State<(App, Access)>,
    mut request: Request,
    next: Next,
) -> Response {
    let needed = match access {
        Access::Public => return next.run(request).await,
        Access::Known | Access::Token | Access::Live => None,
        Access::Needs(ref permission) => Some(permission.clone()),
    };
    let attempt = Attempt::of(&app, &request);
    let found = match access {
        Access::Live => live::admit(&app, request.uri(), request.headers()).await.map_err(Unknown::from),
        Access::Public | Access::Known | Access::Token | Access::Needs(_) => {
            credentials::authenticate(&app, request.method(), request.headers(), needed.as_ref()).await
        }
    };
    let (principal, via) = match found {
        Ok(found) => found,
        Err(Unknown { error, who }) => {
            if let (Some(attempt), Some(who)) = (attempt, who) {
                app.refusals.note(&who.org, attempt.by(&who.sub, who.via), &error);
            }
            return refused(&app, error, &request);
        }
    };
    let org = CalledBy(principal.org.clone());
    let attempt = attempt.map(|attempt| attempt.by(&principal.sub, via.in_audit()));
    // Spans have a limit of their own.
    let counted = match needed == Some(Permission::SpansWrite) {
        true => app.throttles.ingest(&principal.org),
        false => app.throttles.request(&principal),
    };
    let allowed = counted.and_then(|left| needed.map_or(Ok(()), |needed| require(&principal, &needed)).map(|()| left));
    let mut response = match allowed {
        Ok(left) => {
            let watched = request.method().is_safe().then(|| principal.clone());
            request.extensions_mut().insert(principal);
            request.extensions_mut().insert(via);
            let began = Instant::now();
            let response = next.run(request).await;
            let watched = watched.filter(|_| began.elapsed() >= LONG);
            let mut response = still_there(&app, watched, response).await;
            Allowances::add(&mut response, left);
            response
        }
        Err(error) => Problem::from(error).into_response(),
    };
    if let (Some(attempt), Some(problem)) = (attempt, response.extensions().get::<Problem>()) {
        app.refusals.note(&org.0, attempt, problem.error());
    }
    response.extensions_mut().insert(org);
    response
}

/// The answer, unless it took so long that its principal was disabled meanwhile: a request that waits is no way to
/// go on looking.
async fn still_there(app: &App, watched: Option<Principal>, response: Response) -> Response {
    let Some(Principal { org, sub, .. }) = watched else { return response };
    let stand = app.store.principals.standing(&org, &sub).await;
    match stand.and_then(|stand| stand.standing.require([])) {
        Err(error) if error.kind() == ErrorKind::Forbidden => Problem::from(error).into_response(),
        // Where the store is away, nobody can have been disabled meanwhile.
        Ok(()) | Err(_) => response,
    }
}

/// Seeing everybody's exports includes seeing one's own.
pub(crate) fn require(principal: &Principal, permission: &Permission) -> Result<()> {
    let covered = *permission == Permission::ExportsRead && principal.permissions.allow(&Permission::ExportsReadAll);
    if covered { Ok(()) } else { principal.require(permission) }
}

/// Credentials that do not hold are counted by the address they come from; having none is no try.
fn refused(app: &App, error: Error, request: &Request) -> Response {
    let headers = request.headers();
    let shown = headers.contains_key(header::AUTHORIZATION) || live::ticket(request.uri()).is_some();
    let error = match shown {
        true => app.throttles.failure(client_address(app, request.extensions(), headers), error),
        false => error,
    };
    challenge(error, headers)
}

fn challenge(error: Error, headers: &HeaderMap) -> Response {
    let refused = error.kind() == ErrorKind::Unauthenticated && headers.contains_key(header::AUTHORIZATION);
    let mut response = Problem::from(error).into_response();
    if refused {
        let value = HeaderValue::from_static("Bearer realm=\"offtake\", error=\"invalid_token\"");
        response.headers_mut().insert(header::WWW_AUTHENTICATE, value);
    }
    response
}

/// The principal behind a request, for handlers of routes that are not public.
#[derive(Debug, Clone)]
pub(crate) struct Caller(pub(crate) Principal);

impl Caller {
    /// Whose jobs the caller may look at.
    pub(crate) fn scope(&self) -> JobScope {
        let all = self.may(&Permission::ExportsReadAll);
        JobScope { org: self.0.org.clone(), owner: (!all).then(|| self.0.sub.clone()) }
    }

    /// The caller's own jobs, even if others' could be seen too.
    pub(crate) fn own_scope(&self) -> JobScope {
        JobScope { org: self.0.org.clone(), owner: Some(self.0.sub.clone()) }
    }

    pub(crate) fn may(&self, permission: &Permission) -> bool {
        self.0.permissions.allow(permission)
    }

    /// Whether the caller may read sensitive columns as they are.
    pub(crate) fn sight(&self) -> Sight {
        Sight::of(&self.0.permissions)
    }

    pub(crate) fn may_read(&self, dataset: &DatasetSchema) -> bool {
        self.may(&dataset.permission)
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let principal = parts.extensions.get::<Principal>().cloned();
        principal.map(Self).ok_or_else(public_route)
    }
}

impl<S: Sync> FromRequestParts<S> for Via {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        parts.extensions.get::<Self>().cloned().ok_or_else(public_route)
    }
}

fn public_route() -> Problem {
    Problem::new(ErrorKind::Internal, "a public route asks who calls")
}
