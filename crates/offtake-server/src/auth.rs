//! Who asks, and whether they may: the layer that every route of the table carries.

use axum::extract::{FromRequestParts, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, header};
use offtake_model::dataset::DatasetSchema;
use offtake_model::id::OrgId;
use offtake_model::permission::Permission;
use offtake_model::principal::Principal;
use offtake_model::{Error, ErrorKind, Result};
use offtake_store::JobScope;

use crate::error::Problem;
use crate::state::App;

/// What a route asks of whoever calls it. There is no route without one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Access {
    /// Anybody who reaches the port.
    Public,
    /// Anybody with a token; the handler asks for the dataset's own permission.
    Token,
    /// A token with this permission.
    Needs(Permission),
}

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
        Access::Token => None,
        Access::Needs(permission) => Some(permission),
    };
    let principal = match authenticate(&app, request.headers()).await {
        Ok(principal) => principal,
        Err(error) => return challenge(error, request.headers()),
    };
    let org = CalledBy(principal.org.clone());
    let mut response = match needed.map_or(Ok(()), |permission| require(&principal, &permission)) {
        Ok(()) => {
            request.extensions_mut().insert(principal);
            next.run(request).await
        }
        Err(error) => Problem::from(error).into_response(),
    };
    response.extensions_mut().insert(org);
    response
}

/// Seeing everybody's exports includes seeing one's own.
fn require(principal: &Principal, permission: &Permission) -> Result<()> {
    let covered = *permission == Permission::ExportsRead && principal.permissions.allow(&Permission::ExportsReadAll);
    if covered { Ok(()) } else { principal.require(permission) }
}

async fn authenticate(app: &App, headers: &HeaderMap) -> Result<Principal> {
    let refuse = |detail: &str| Error::new(ErrorKind::Unauthenticated, detail);
    let mut given = headers.get_all(header::AUTHORIZATION).iter();
    let value = given.next().ok_or_else(|| refuse("send a token: Authorization: Bearer …"))?;
    if given.next().is_some() {
        return Err(refuse("send one Authorization header, not several"));
    }
    let token = value.to_str().ok().and_then(|text| {
        let (scheme, token) = text.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
    });
    let token = token.ok_or_else(|| refuse("send a token: Authorization: Bearer …"))?;
    app.verifier.verify(token, app.clock.now()).await
}

fn challenge(error: Error, headers: &HeaderMap) -> Response {
    let mut response = Problem::from(error).into_response();
    if headers.contains_key(header::AUTHORIZATION) {
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

    pub(crate) fn may_read(&self, dataset: &DatasetSchema) -> bool {
        self.may(&dataset.permission)
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let principal = parts.extensions.get::<Principal>().cloned();
        principal.map(Self).ok_or_else(|| Problem::new(ErrorKind::Internal, "a public route asks who calls"))
    }
}
