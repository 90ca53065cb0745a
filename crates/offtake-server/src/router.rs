//! The route table, whole, on one screen. A route cannot be added without saying who may call it.

use axum::Router;
use axum::extract::Request;
use axum::middleware::from_fn_with_state;
use axum::routing::post;
use http::Method;
use offtake_model::ErrorKind;
use offtake_model::permission::Permission::{
    Admin, AlertsRead, ExportsCancel, ExportsCreate, ExportsDelete, ExportsDownload, ExportsRead, Operator, SpansWrite,
};
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};
use utoipa_axum::routes;

use crate::auth::Access::{self, Known, Live, Needs, Public, Token};
use crate::auth::authorise;
use crate::edge::edge;
use crate::error::Problem;
use crate::protections::{Protections, cors, protected};
use crate::state::{App, AppState, Shared};
use crate::{
    alerts, api_keys, audit, console, datasets, destinations, exports, facets, files, grpc, health, jobs, live,
    notifications, one_time, openapi, otlp, pages, performance, presets, preview, principals, schedules, sign_in, sse,
    webhooks,
};

fn table(app: &App) -> Table {
    let metrics = if app.settings.open_metrics { Public } else { Needs(Operator) };
    Table::new(app)
        .add(Needs(ExportsCreate), routes!(exports::create))
        .add(Needs(ExportsCreate), routes!(preview::preview))
        .add(Needs(ExportsRead), routes!(jobs::list))
        .add(Needs(ExportsRead), routes!(performance::recent))
        .add(Needs(ExportsRead), routes!(performance::statistics))
        .add(Needs(ExportsRead), routes!(jobs::detail))
        .add(Needs(ExportsRead), routes!(sse::job_events))
        .add(Needs(ExportsCancel), routes!(jobs::cancel))
        .add(Needs(ExportsCreate), routes!(jobs::retry))
        .add(Needs(ExportsDelete), routes!(jobs::delete_file))
        .add(Needs(ExportsDownload), routes!(jobs::download))
        .add(Needs(ExportsRead), routes!(jobs::receipt))
        .add(Needs(ExportsDownload), routes!(one_time::issue))
        .add(Needs(ExportsRead), routes!(one_time::tokens::list))
        .add(Needs(ExportsDownload), routes!(one_time::tokens::revoke))
        // The token says who may.
        .add(Public, routes!(one_time::redeem))
        .add(Public, routes!(one_time::show, one_time::spend_by_form))
        .add(Needs(ExportsCreate), routes!(presets::create))
        .add(Needs(ExportsRead), routes!(presets::list))
        .add(Needs(ExportsRead), routes!(presets::detail))
        .add(Needs(ExportsCreate), routes!(presets::change))
        .add(Needs(ExportsCreate), routes!(presets::delete))
        .add(Needs(Admin), routes!(webhooks::create))
        .add(Needs(Admin), routes!(webhooks::list))
        .add(Needs(Admin), routes!(webhooks::detail))
        .add(Needs(Admin), routes!(webhooks::change))
        .add(Needs(Admin), routes!(webhooks::delete))
        .add(Needs(Admin), routes!(webhooks::rotate))
        .add(Needs(Admin), routes!(webhooks::deliveries::test))
        .add(Needs(Admin), routes!(webhooks::deliveries::list))
        .add(Needs(Admin), routes!(webhooks::deliveries::detail))
        .add(Needs(Admin), routes!(webhooks::deliveries::replay))
        .add(Needs(ExportsCreate), routes!(schedules::create))
        .add(Needs(ExportsRead), routes!(schedules::list))
        .add(Needs(ExportsCreate), routes!(schedules::preview))
        .add(Needs(ExportsRead), routes!(schedules::detail))
        .add(Needs(ExportsCreate), routes!(schedules::change))
        .add(Needs(ExportsCreate), routes!(schedules::delete))
        .add(Needs(ExportsCreate), routes!(schedules::pause))
        .add(Needs(ExportsCreate), routes!(schedules::resume))
        .add(Needs(ExportsCreate), routes!(schedules::run))
        .add(Needs(ExportsCreate), routes!(schedules::backfill))
        .add(Needs(ExportsRead), routes!(schedules::runs))
        .add(Needs(ExportsCreate), routes!(jobs::deliver))
        .add(Needs(Admin), routes!(destinations::create))
        .add(Needs(Admin), routes!(destinations::list))
        .add(Needs(Admin), routes!(destinations::detail))
        .add(Needs(Admin), routes!(destinations::change))
        .add(Needs(Admin), routes!(destinations::probe_again))
        .add(Needs(Admin), routes!(destinations::delete))
        .add(Needs(Admin), routes!(alerts::create))
        .add(Needs(AlertsRead), routes!(alerts::list))
        .add(Needs(AlertsRead), routes!(alerts::detail))
        .add(Needs(Admin), routes!(alerts::change))
        .add(Needs(Admin), routes!(alerts::delete))
        .add(Needs(Admin), routes!(principals::list))
        .add(Needs(Admin), routes!(principals::detail))
        .add(Needs(Admin), routes!(principals::change))
        .add(Needs(Admin), routes!(api_keys::create))
        .add(Needs(Admin), routes!(api_keys::list))
        .add(Needs(Admin), routes!(api_keys::detail))
        .add(Needs(Admin), routes!(api_keys::revoke))
        // The ticket says who may.
        .add(Public, routes!(sign_in::open))
        .add(Known, routes!(sign_in::detail))
        .add(Known, routes!(sign_in::close))
        .add(Needs(Admin), routes!(audit::list))
        .add(Needs(Admin), routes!(notifications::list))
        .add(Needs(Admin), routes!(notifications::detail))
        .add(Needs(Admin), routes!(notifications::replay))
        .add(Token, routes!(datasets::list))
        .add(Token, routes!(datasets::detail))
        .add(Token, routes!(datasets::rows))
        .add(Token, routes!(datasets::count))
        .add(Token, routes!(facets::facets))
        .add(Live, routes!(live::upgrade::open))
        .add(Known, routes!(live::upgrade::ticket))
        .add(Needs(SpansWrite), routes!(otlp::http::traces))
        // The signature in the link says who may.
        .add(Public, routes!(files::get))
        .add(Public, routes!(health::livez))
        .add(Public, routes!(health::readyz))
        .add(metrics, routes!(health::metrics))
        .add(Public, routes!(pages::root))
        .add(Public, routes!(console::asset))
        .add(Public, routes!(console::embed))
        .add(Public, routes!(sign_in::page))
        .add(Public, routes!(sign_in::script))
        .add(Public, routes!(pages::openapi))
        .add(Public, routes!(pages::docs))
        .add(Public, routes!(pages::docs_index))
        .add(Public, routes!(pages::docs_file))
}

/// What the server answers at each of its ports.
#[derive(Debug, Clone)]
pub struct Routers {
    /// REST, OTLP over HTTP, links, pages.
    pub http: Router,
    /// OTLP over gRPC, for [`crate::serve_grpc`].
    pub otlp_grpc: Router,
}

/// Everything the server answers, over one state: what is limited is limited for both together.
pub fn routers(state: AppState) -> Routers {
    let app = Shared::new(state);
    Routers { otlp_grpc: otlp_grpc(&app), http: http(app) }
}

/// Everything the server answers over HTTP.
pub fn router(state: AppState) -> Router {
    routers(state).http
}

/// The calls there are, behind the same edge and the same guard as HTTP's routes.
fn otlp_grpc(app: &App) -> Router {
    let guarded = from_fn_with_state((app.clone(), Needs(SpansWrite)), authorise);
    Router::new()
        .route(otlp::grpc::EXPORT_PATH, post(otlp::grpc::export).route_layer(guarded))
        .fallback(|request: Request| async move { grpc::unknown(&request) })
        .layer(from_fn_with_state(app.clone(), edge))
        .with_state(app.clone())
}

fn http(app: App) -> Router {
    let Table { app: _, routes, declared } = table(&app);
    let (routes, document) = routes.split_for_parts();
    app.documents.get_or_init(|| openapi::Documents::new(document, declared, &app.catalog));
    let protections = Protections::new(&app.settings);
    let cors = cors(&app.settings);
    let routes = routes
        .fallback(|| async { Problem::new(ErrorKind::NotFound, "there is nothing at this path") })
        .method_not_allowed_fallback(|| async {
            Problem::new(ErrorKind::MethodNotAllowed, "the Allow header names the methods there are")
        })
        .layer(from_fn_with_state(app.clone(), edge))
        .with_state(app);
    let routes = match cors {
        Some(cors) => routes.layer(cors),
        None => routes,
    };
    routes.layer(from_fn_with_state(protections, protected))
}

/// A route as it was declared.
#[derive(Debug, Clone)]
pub(crate) struct Declared {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) access: Access,
}

/// Routes on their way into a router.
struct Table {
    app: App,
    routes: OpenApiRouter<App>,
    declared: Vec<Declared>,
}

impl Table {
    fn new(app: &App) -> Self {
        Self { app: app.clone(), routes: OpenApiRouter::default(), declared: Vec::new() }
    }

    /// Adds routes that `access` stands before.
    fn add(mut self, access: Access, (schemas, paths, methods): UtoipaMethodRouter<App>) -> Self {
        for (path, item) in &paths.paths {
            let named = [
                (Method::GET, &item.get),
                (Method::POST, &item.post),
                (Method::PATCH, &item.patch),
                (Method::DELETE, &item.delete),
            ];
            for (method, _) in named.into_iter().filter(|(_, operation)| operation.is_some()) {
                self.declared.push(Declared { method, path: path.clone(), access: access.clone() });
            }
        }
        let guarded = methods.route_layer(from_fn_with_state((self.app.clone(), access), authorise));
        Self { routes: self.routes.routes((schemas, paths, guarded)), ..self }
    }
}
