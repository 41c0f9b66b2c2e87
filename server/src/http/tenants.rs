//! `/api/v1/status`, `tenants`, `route`, `skill-queues` and `apply`.

use super::problem::Problem;
use super::query::Query;
use super::scope::Scope;
use super::{Api, agents};
use crate::centres::{ApplyError, Asked, TenantName, settle_pins};
use crate::config::centre;
use crate::config::tree::Node as Tree;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use hotline_base::Partition;
use hotline_engine::input::{Reply, Request};
use serde::Deserialize;
use serde_json::{Value as JsonValue, json};
use std::path::{Path, PathBuf};

async fn queues_of(api: &Api, partition: Partition) -> Result<Vec<JsonValue>, Problem> {
    let Reply::Queues(queues) = api.ask(partition, Request::Queues).await? else {
        return Err(Problem::internal(&"unexpected answer"));
    };
    let shown = |queue: &hotline_engine::input::QueueView| {
        json!({
            "name": queue.name, "waiting": queue.waiting, "signed_in": queue.signed_in,
            "idle": queue.idle,
        })
    };
    Ok(queues.iter().map(shown).collect())
}

pub async fn status(
    State(api): State<Api>,
    Query(scope): Query<Scope>,
) -> Result<Json<JsonValue>, Problem> {
    let mut tenants = Vec::new();
    let mut calls = 0;
    let wanted = match &scope.tenant {
        Some(name) => Some(api.tenant(Some(name))?),
        None => None,
    };
    for tenant in &*api.tenants.all() {
        let TenantName { partition, name, zone } = tenant;
        let partition = *partition;
        if wanted.is_some_and(|wanted| wanted != partition) {
            continue;
        }
        let Reply::Agents(agents) = api.ask(partition, Request::Agents).await? else {
            return Err(Problem::internal(&"unexpected answer"));
        };
        let Reply::Calls(of_tenant) = api.ask(partition, Request::Calls).await? else {
            return Err(Problem::internal(&"unexpected answer"));
        };
        calls += of_tenant.len();
        let agents: Vec<_> = agents.iter().map(|agent| agents::shown(agent, zone)).collect();
        tenants.push(json!({
            "name": name, "queues": queues_of(&api, partition).await?, "agents": agents,
            "calls": of_tenant.len(),
        }));
    }
    Ok(Json(json!({
        "node": &*api.name,
        "version": env!("CARGO_PKG_VERSION"),
        "uptime_s": api.started.elapsed().as_secs(),
        "ready": api.node.not_ready().is_none(),
        "calls": calls,
        "tenants": tenants,
    })))
}

pub async fn list(State(api): State<Api>) -> Json<JsonValue> {
    let tenants = api.tenants.all();
    let names: Vec<_> = tenants.iter().map(|tenant| json!({ "name": tenant.name })).collect();
    Json(json!({ "tenants": names }))
}

pub async fn queues(
    State(api): State<Api>,
    Query(scope): Query<Scope>,
) -> Result<Json<JsonValue>, Problem> {
    let partition = api.tenant(scope.tenant.as_deref())?;
    Ok(Json(json!({ "skill_queues": queues_of(&api, partition).await? })))
}

#[derive(Debug, Deserialize)]
pub struct RouteQuery {
    tenant: Option<String>,
    number: String,
    /// Calling number.
    from: Option<String>,
    /// When, RFC 3339 or as clocks of the tenant show it.
    at: Option<String>,
}

pub async fn route(
    State(api): State<Api>,
    Query(query): Query<RouteQuery>,
) -> Result<Json<JsonValue>, Problem> {
    let partition = api.tenant(query.tenant.as_deref())?;
    let request = Request::Route { number: query.number, from: query.from, at: query.at };
    let Reply::Route(route) = api.ask(partition, request).await? else {
        return Err(Problem::internal(&"unexpected answer"));
    };
    Ok(Json(json!({
        "tenant": route.tenant, "destination": route.destination,
        "access_code": route.access_code, "extension_code": route.extension_code,
        "why": route.why,
    })))
}

#[derive(Debug, Deserialize)]
pub struct ApplyQuery {
    #[serde(default)]
    dry_run: bool,
    #[serde(default)]
    prune: bool,
}

/// A centre to put into force.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApplyBody {
    /// In the form files have: `{ "tenant": {…}, "agent": [{…}] }`.
    centre: JsonValue,
    /// Where the tenant's own prompts are, on the server's machine.
    directory: Option<PathBuf>,
    /// What whoever asks sees there: `prompts/en/hello.wav`.
    #[serde(default)]
    sounds: Vec<String>,
}

/// Why the server does not see the prompts and tones that whoever asks sees: they would be left out
/// without a word.
fn unseen(directory: &Path, sounds: &[String]) -> Option<String> {
    let remedy = "let the server's user read the directory, or put them there with PUT prompts/… and tones/…";
    let unreadable = |path: &Path, error: &std::io::Error| {
        let path = path.display();
        Some(format!("{path}: {error}: the server cannot read its prompts and tones; {remedy}"))
    };
    if let Err(error) = std::fs::read_dir(directory) {
        return unreadable(directory, &error);
    }
    sounds.iter().find_map(|sound| {
        let path = directory.join(sound);
        std::fs::File::open(&path).err().and_then(|error| unreadable(&path, &error))
    })
}

pub async fn apply(
    State(api): State<Api>,
    Query(query): Query<ApplyQuery>,
    body: axum::body::Bytes,
) -> Result<Json<JsonValue>, Problem> {
    let body: ApplyBody = serde_json::from_slice(&body).map_err(|error| {
        Problem::new(StatusCode::BAD_REQUEST, "invalid_body", format!("the body: {error}"))
    })?;
    let invalid =
        |text: String| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_centre", text);
    let refused = move |error: ApplyError| match error {
        ApplyError::Wrong(text) => invalid(text),
        ApplyError::Refused(text) => Problem::new(StatusCode::CONFLICT, "apply_refused", text),
        ApplyError::Failed(text) => Problem::internal(&text),
    };
    let loaded = centre::from_node(&Tree::from_json(&body.centre), "", None)
        .map_err(|faults| invalid(faults.to_string()))?;
    let asked = Asked { dry_run: query.dry_run, prune: query.prune };
    let runtime = tokio::runtime::Handle::current();
    // Prompts are read and copied: not on a thread that others wait for. It goes on to its end
    // also when nobody waits for the answer any more, or the engines would not hear of it.
    tokio::task::spawn_blocking(move || {
        if let Some(why) = body.directory.as_ref().and_then(|dir| unseen(dir, &body.sounds)) {
            return Err(refused(ApplyError::Refused(why)));
        }
        let mut wanted = loaded.centre;
        // PINs take their time: nobody else waits for them.
        let locked = || runtime.block_on(api.centres.clone().lock_owned());
        let current = locked().named(wanted.name()).cloned().unwrap_or_default();
        settle_pins(&current, &mut wanted).map_err(|why| Problem::internal(&why))?;
        let mut centres = locked();
        let applied = centres.apply(wanted, body.directory.as_deref(), asked);
        let applied = runtime.block_on(applied).map_err(refused)?;
        let mut answer = applied.to_json();
        if applied.version.is_some() {
            let snapshot = centres.snapshot().map_err(|error| Problem::internal(&error))?;
            for line in &snapshot.broken {
                tracing::warn!("{line}");
            }
            api.node.reconfigure(&snapshot);
            if let Some(notes) = answer["notes"].as_array_mut() {
                notes.extend(snapshot.broken.into_iter().map(JsonValue::String));
            }
        }
        Ok(Json(answer))
    })
    .await
    .map_err(|error| Problem::internal(&error))?
}
