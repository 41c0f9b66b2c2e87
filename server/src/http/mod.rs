//! The HTTP API: health, metrics, and `/api/v1`.
//!
//! Owns: paths, the bearer token, JSON shapes, problem details (RFC 9457). Does not own: what an
//! order does: agents and calls are the engines' ([`Node`]), configuration is [`Centres`]', records
//! are the store's.

mod agents;
mod body_size;
mod calls;
mod flows;
pub mod listen;
mod messages;
mod problem;
mod prompts;
mod query;
mod scope;
mod tenants;

use crate::centres::{Centres, Snapshot, TenantNames};
use crate::store::Store;
use axum::Router;
use axum::extract::{DefaultBodyLimit, Request as HttpRequest, State};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use hotline_base::Partition;
use hotline_engine::event::Event;
use hotline_engine::id::CallId;
use hotline_engine::input::{Refusal, Reply, Request};
pub use problem::Problem;
use sha2::{Digest, Sha256};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use subtle::ConstantTimeEq;
use tower_http::timeout::TimeoutLayer;

/// Largest body taken: a whole centre with thousands of agents.
const BODY_MAX: usize = 16 * 1024 * 1024;
/// Longest a request may take.
const REQUEST_TIME_MAX: Duration = Duration::from_secs(30);
/// The same for a whole centre: thousands of PINs are hashed.
pub const APPLY_TIME_MAX: Duration = Duration::from_secs(600);

/// Ladders read of the journal at once; more wait.
const TRACES_MAX: usize = 2;

/// The future of an answer.
pub type Answer<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// What the API needs of the running node.
pub trait Node: Send + Sync + 'static {
    /// Asks the engine that owns a partition.
    fn ask(&self, partition: Partition, request: Request) -> Answer<Result<Reply, Refusal>>;
    /// Puts a new configuration into force.
    fn reconfigure(&self, snapshot: &Snapshot);
    /// The metrics as Prometheus text.
    fn metrics(&self) -> String;
    /// Why the node takes no new calls, if it does not.
    fn not_ready(&self) -> Option<String>;
    /// Threads that have stopped or hang, a line for all; none when all are well.
    fn silent(&self) -> Option<String>;
    /// The journal's events about a call between two places (`None`: up to the end).
    fn events(&self, call: CallId, from: u64, to: Option<u64>) -> Result<Vec<Event>, String>;
    /// Waits until everything that has happened so far can be read in the store.
    fn projected(&self) -> Answer<()>;
    /// Where in the journal a call in progress began.
    fn journal_from(&self, call: CallId) -> Option<u64>;
}

/// What every handler shares.
#[derive(Clone)]
pub struct Api {
    /// The node's engines, media and journal.
    pub node: Arc<dyn Node>,
    /// The store, to read.
    pub store: Store,
    /// The configuration, to change.
    pub centres: Arc<tokio::sync::Mutex<Centres>>,
    /// The tenants, to read.
    pub tenants: TenantNames,
    /// Ladders that are read of the journal now.
    traces: Arc<tokio::sync::Semaphore>,
    /// Name of the node.
    pub name: Arc<str>,
    /// When the node started.
    pub started: std::time::Instant,
    token: Arc<[u8; 32]>,
}

impl Api {
    /// An API that takes this bearer token.
    pub fn new(
        node: Arc<dyn Node>,
        store: Store,
        centres: Centres,
        name: &str,
        token: &str,
    ) -> Api {
        // Hashed, so that comparing takes the same time whatever the lengths are.
        let token = Arc::new(Sha256::digest(token.as_bytes()).into());
        let tenants = centres.names();
        let centres = Arc::new(tokio::sync::Mutex::new(centres));
        let traces = Arc::new(tokio::sync::Semaphore::new(TRACES_MAX));
        let (name, started) = (name.into(), std::time::Instant::now());
        Api { node, store, centres, tenants, traces, name, started, token }
    }

    /// The tenant a request is about: `?tenant=NAME`, else the default one.
    fn tenant(&self, name: Option<&str>) -> Result<Partition, Problem> {
        self.tenants.partition(name).ok_or_else(|| {
            let text =
                format!("tenant {:?}: there is none of that name", name.unwrap_or("(default)"));
            Problem::new(StatusCode::NOT_FOUND, "tenant_not_found", text)
        })
    }

    async fn ask(&self, partition: Partition, request: Request) -> Result<Reply, Problem> {
        self.node.ask(partition, request).await.map_err(Problem::from)
    }
}

/// The API's routes.
pub fn router(api: Api) -> Router {
    let slow = Router::new().route("/apply", post(tenants::apply));
    let slow =
        slow.layer(TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, APPLY_TIME_MAX));
    let v1 = Router::new()
        .route("/status", get(tenants::status))
        .route("/route", get(tenants::route))
        .route("/tenants", get(tenants::list))
        .route("/skill-queues", get(tenants::queues))
        .route("/agents", get(agents::list))
        .route("/agents/{employee_id}", get(agents::one))
        .route("/agents/{employee_id}/log", get(agents::log))
        .route("/agents/{employee_id}/registrations", axum::routing::delete(agents::unregister))
        .route("/agents/{employee_id}/{verb}", post(agents::verb))
        .route("/flows", get(flows::list))
        .route("/flows/{name}", get(flows::one).put(flows::put).delete(flows::discard))
        .route("/flows/{name}/publish", post(flows::publish))
        .route("/flows/{name}/roll-back", post(flows::roll_back))
        .route("/flows/{name}/versions", get(flows::versions))
        .route("/flows/{name}/versions/{version}", get(flows::version))
        .route("/flows/{name}/compare", get(flows::compare))
        .route("/messages", get(messages::list))
        .route("/messages/{recording}", get(messages::audio).delete(messages::delete))
        .route("/working-times", get(flows::working_times))
        .route("/calls", get(calls::list))
        .route("/calls/{call}", get(calls::one).delete(calls::release))
        .route("/calls/{call}/trace", get(calls::trace))
        .route("/records", get(calls::records))
        .route(
            "/prompts/{language}/{name}",
            get(prompts::prompt).put(prompts::put_prompt).delete(prompts::delete_prompt),
        )
        .route(
            "/tones/{name}",
            get(prompts::tone).put(prompts::put_tone).delete(prompts::delete_tone),
        )
        .layer(TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, REQUEST_TIME_MAX))
        .merge(slow)
        .fallback(unknown)
        .method_not_allowed_fallback(wrong_method)
        .route_layer(middleware::from_fn(body_size::refuse_too_large))
        .route_layer(middleware::from_fn_with_state(api.clone(), authenticate))
        .layer(DefaultBodyLimit::max(BODY_MAX));
    Router::new()
        .nest("/api/v1", v1)
        .route("/healthz", get(healthy))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .fallback(unknown)
        .layer(middleware::map_response(problem::as_problem))
        .with_state(api)
}

async fn unknown(request: HttpRequest) -> Problem {
    let text = format!("{} {}: there is no such resource", request.method(), request.uri().path());
    Problem::new(StatusCode::NOT_FOUND, "not_found", text)
}

async fn wrong_method(request: HttpRequest) -> Problem {
    let text =
        format!("{} {}: this method is not allowed here", request.method(), request.uri().path());
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", text)
}

async fn healthy(State(api): State<Api>) -> Response {
    match api.node.silent() {
        None => "ok\n".into_response(),
        Some(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")).into_response(),
    }
}

async fn ready(State(api): State<Api>) -> Response {
    match api.node.not_ready() {
        None => "ready\n".into_response(),
        Some(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")).into_response(),
    }
}

async fn metrics(State(api): State<Api>) -> Response {
    let kind = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    (kind, api.node.metrics()).into_response()
}

/// Only who has the administrator's token passes (RFC 6750 §2.1).
async fn authenticate(State(api): State<Api>, request: HttpRequest, next: Next) -> Response {
    let given = request
        .headers()
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| Sha256::digest(token.trim().as_bytes()));
    match given {
        Some(given) if bool::from(given.as_slice().ct_eq(api.token.as_slice())) => {
            next.run(request).await
        }
        _ => {
            let text = "a bearer token is needed: Authorization: Bearer TOKEN, the token is in the \
                        file [http] admin_token_file names";
            let problem = Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", text.into());
            let mut response = problem.into_response();
            let challenge = header::HeaderValue::from_static("Bearer realm=\"hotline\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
            response
        }
    }
}
