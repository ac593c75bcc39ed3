//! What can be asked for: one table that makes the router, the index and the list in a 404.

use std::{sync::LazyLock, time::Duration};

use axum::{
    Json, Router,
    extract::{Path, Query, Request, State},
    http::{HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::{Next, from_fn},
    response::{Html, IntoResponse, Response},
    routing::{MethodRouter, get},
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use stamps::view::{FleetView, GeodeView, RunView, StampView, ZoneView};

use super::{Problem, StatusApi, page};

/// Everything is answered from memory; what takes longer than this is stuck.
const REQUEST_MAX: Duration = Duration::from_secs(5);

/// One route.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    /// Its path, with `{name}` where a name stands.
    pub path: &'static str,
    /// What it answers.
    pub says: &'static str,
    handler: fn() -> MethodRouter<StatusApi>,
}

/// Every route.
pub const ROUTES: [Route; 12] = [
    Route { path: "/", says: "the page", handler: || get(show_page) },
    Route { path: "/status.txt", says: "one screen of plain text", handler: || get(show_text) },
    Route { path: "/v1", says: "this table", handler: || get(async || index()) },
    Route { path: "/v1/fleet", says: "first line, leader, Gate, vantages", handler: || get(fleet) },
    Route { path: "/v1/geodes", says: "every geode", handler: || get(geodes) },
    Route { path: "/v1/stamps", says: "every stamp", handler: || get(all_stamps) },
    Route { path: "/v1/stamps/{name}", says: "one stamp", handler: || get(one_stamp) },
    Route {
        path: "/v1/failovers",
        says: "runs that go on, then those that ended",
        handler: || get(failovers),
    },
    Route { path: "/v1/failovers/{name}", says: "one run", handler: || get(failover) },
    Route { path: "/healthz", says: "200 while the process lives", handler: || get(async || "ok\n") },
    Route { path: "/readyz", says: "200, or 503 with the reasons", handler: || get(readyz) },
    Route { path: "/metrics", says: "metrics as OpenMetrics text", handler: || get(metrics) },
];

/// The router of the whole API.
pub fn router(api: StatusApi) -> Router {
    ROUTES
        .iter()
        .fold(Router::new(), |router, route| router.route(route.path, (route.handler)()))
        .fallback(no_such_route)
        .method_not_allowed_fallback(read_only)
        .layer(from_fn(in_time))
        .layer(from_fn(with_headers))
        .with_state(api)
}

/// A view with the moment at which it was made.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct At<T> {
    generated_at: DateTime<Utc>,
    #[serde(flatten)]
    view: T,
}

/// A list of views.
#[derive(Serialize)]
struct Items<'a, T> {
    items: &'a [T],
}

/// The fleet, and the zones that carry its routes.
#[derive(Serialize)]
struct FleetAnswer<'a> {
    #[serde(flatten)]
    fleet: &'a FleetView,
    zones: &'a [ZoneView],
}

fn index() -> Json<serde_json::Value> {
    let routes: Vec<_> =
        ROUTES.iter().map(|route| serde_json::json!({ "path": route.path, "says": route.says })).collect();
    Json(serde_json::json!({ "routes": routes }))
}

async fn fleet(State(api): State<StatusApi>) -> Response {
    let at = api.snapshot();
    let view = FleetAnswer { fleet: &at.views.fleet, zones: &at.views.zones };
    Json(At { generated_at: at.generated_at, view }).into_response()
}

async fn geodes(State(api): State<StatusApi>) -> Response {
    let at = api.snapshot();
    list::<GeodeView>(at.generated_at, &at.views.geodes)
}

async fn all_stamps(State(api): State<StatusApi>) -> Response {
    let at = api.snapshot();
    list::<StampView>(at.generated_at, &at.views.stamps)
}

async fn one_stamp(State(api): State<StatusApi>, Path(name): Path<String>) -> Response {
    let at = api.snapshot();
    one("stamp", &name, at.generated_at, &at.views.stamps, |stamp| stamp.name.as_str())
}

async fn failovers(State(api): State<StatusApi>) -> Response {
    let at = api.snapshot();
    list::<RunView>(at.generated_at, &at.views.runs)
}

async fn failover(State(api): State<StatusApi>, Path(name): Path<String>) -> Response {
    let at = api.snapshot();
    one("failover", &name, at.generated_at, &at.views.runs, |run| run.name.as_str())
}

fn list<T: Serialize>(generated_at: DateTime<Utc>, items: &[T]) -> Response {
    Json(At { generated_at, view: Items { items } }).into_response()
}

fn one<T: Serialize>(
    what: &str,
    name: &str,
    generated_at: DateTime<Utc>,
    items: &[T],
    name_of: fn(&T) -> &str,
) -> Response {
    match items.iter().find(|item| name_of(item) == name) {
        Some(view) => Json(At { generated_at, view }).into_response(),
        None => {
            Problem::no_such(what, name, items.iter().map(|item| name_of(item).to_owned())).into_response()
        }
    }
}

#[derive(Deserialize)]
struct PageQuery {
    /// `off`: the page stays as it is.
    #[serde(default)]
    refresh: String,
}

async fn show_page(State(api): State<StatusApi>, Query(query): Query<PageQuery>) -> Response {
    match page::render(&api.snapshot(), query.refresh != "off") {
        Ok(html) => Html(html).into_response(),
        Err(error) => {
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, format!("the page cannot be made: {error}"))
                .into_response()
        }
    }
}

async fn show_text(State(api): State<StatusApi>) -> String {
    let at = api.snapshot();
    format!("{}\nas of {}\n", at.views, at.generated_at.format("%Y-%m-%d %H:%M:%S UTC"))
}

#[derive(Serialize)]
struct Ready {
    ready: bool,
    reasons: Vec<String>,
}

async fn readyz(State(api): State<StatusApi>) -> (StatusCode, Json<Ready>) {
    let reasons = api.unready();
    let ready = reasons.is_empty();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(Ready { ready, reasons }))
}

async fn metrics(State(api): State<StatusApi>) -> Response {
    match shell::metrics::render(&api.metrics) {
        Ok(text) => ([(header::CONTENT_TYPE, shell::metrics::CONTENT_TYPE)], text).into_response(),
        Err(error) => {
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, format!("metrics cannot be written: {error}"))
                .into_response()
        }
    }
}

async fn no_such_route() -> Problem {
    let known = ROUTES.iter().map(|route| route.path.to_owned()).collect();
    Problem::new(StatusCode::NOT_FOUND, "there is no such route; see known").known(known)
}

async fn read_only(method: Method) -> Problem {
    let detail = format!("{method} is not possible here: the status API is read-only, use GET or HEAD");
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail)
}

async fn in_time(request: Request, next: Next) -> Response {
    tokio::time::timeout(REQUEST_MAX, next.run(request)).await.unwrap_or_else(|_| {
        let detail = format!("no answer within {} s", REQUEST_MAX.as_secs());
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail).into_response()
    })
}

/// What a browser may do with any answer: show it, with the page's own style, and nothing else.
static HEADERS: LazyLock<Vec<(HeaderName, HeaderValue)>> = LazyLock::new(|| {
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        page::style_hash()
    );
    let mut headers = vec![
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin")),
    ];
    headers.extend(HeaderValue::from_str(&policy).ok().map(|value| (header::CONTENT_SECURITY_POLICY, value)));
    headers
});

async fn with_headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    response.headers_mut().extend(HEADERS.iter().cloned());
    response
}
