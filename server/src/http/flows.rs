//! `/api/v1/flows` and `working-times`: drafts, versions, publishing.
//!
//! Owns: paths, entity tags, JSON shapes. Does not own: what is wrong with a flow, nor what
//! publishing does ([`crate::centres`]).

use super::Api;
use super::problem::Problem;
use super::query::Query;
use super::scope::{Scope, stamp, zone_of};
use crate::centres::Centres;
use crate::centres::flows::{FlowRefusal, Tag};
use crate::config::fault::Fault;
use crate::store::flows::VERSIONS_MAX;
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use hotline_base::{Partition, Wall};
use serde::Deserialize;
use serde_json::{Value as JsonValue, json};
use tokio::sync::OwnedMutexGuard;

/// Largest document of a flow, in bytes.
const DOCUMENT_BYTES_MAX: usize = 1024 * 1024;
/// Differences shown between two versions.
const DIFFERENCES_MAX: usize = 10_000;

impl From<FlowRefusal> for Problem {
    fn from(refusal: FlowRefusal) -> Problem {
        match refusal {
            FlowRefusal::NotFound(text) => {
                Problem::new(StatusCode::NOT_FOUND, "flow_not_found", text)
            }
            FlowRefusal::Changed(tag) => {
                let text = format!("the flow is at {tag} by now; look at it again");
                Problem::new(StatusCode::PRECONDITION_FAILED, "flow_changed", text)
            }
            FlowRefusal::Wrong(faults) => {
                let status = StatusCode::UNPROCESSABLE_ENTITY;
                Problem::new(status, "invalid_flow", faults.to_string())
            }
            FlowRefusal::Refused(text) => Problem::new(StatusCode::CONFLICT, "flow_refused", text),
            FlowRefusal::Failed(text) => Problem::internal(&text),
        }
    }
}

fn tagged(tag: Tag, status: StatusCode, body: JsonValue) -> Response {
    (status, [(header::ETAG, tag.to_string())], Json(body)).into_response()
}

fn if_match(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::IF_MATCH)?;
    Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
}

pub async fn list(
    State(api): State<Api>,
    Query(scope): Query<Scope>,
) -> Result<Json<JsonValue>, Problem> {
    let partition = api.tenant(scope.tenant.as_deref())?;
    let zone = zone_of(&api, partition);
    let entries = api.store.flow_entries(partition).await;
    let entries = entries.map_err(|error| Problem::internal(&error))?;
    let shown: Vec<_> = entries
        .iter()
        .map(|flow| {
            json!({
                "name": flow.name, "version": flow.version, "published": stamp(&zone, flow.at),
                "draft": flow.draft.is_some(),
            })
        })
        .collect();
    Ok(Json(json!({ "flows": shown })))
}

pub async fn one(
    State(api): State<Api>,
    Path(name): Path<String>,
    Query(scope): Query<Scope>,
) -> Result<Response, Problem> {
    let partition = api.tenant(scope.tenant.as_deref())?;
    let zone = zone_of(&api, partition);
    let centres = api.centres.lock().await;
    let tag = centres.tag(partition, &name);
    if tag == Tag::default() {
        return Err(FlowRefusal::NotFound(format!("flow {name:?}: there is none")).into());
    }
    let draft = centres.draft(partition, &name).map(|draft| {
        json!({ "document": draft.document, "at": stamp(&zone, Some(draft.at)), "by": draft.by })
    });
    let flow = centres.flow(partition, &name);
    let body = json!({
        "name": name,
        "version": flow.map(|flow| flow.version),
        "document": flow.map(|flow| &flow.document),
        "draft": draft,
    });
    Ok(tagged(tag, StatusCode::OK, body))
}

/// `PUT`: keeps a draft.
pub async fn put(
    State(api): State<Api>,
    Path(name): Path<String>,
    Query(scope): Query<Scope>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let partition = api.tenant(scope.tenant.as_deref())?;
    if body.len() > DOCUMENT_BYTES_MAX {
        let text = format!("the body has {} bytes; allowed {DOCUMENT_BYTES_MAX}", body.len());
        return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", text));
    }
    let document: JsonValue = serde_json::from_slice(&body).map_err(|error| {
        Problem::new(StatusCode::BAD_REQUEST, "invalid_body", format!("the body: {error}"))
    })?;
    let expected = if_match(&headers);
    changing(api, partition, name, async move |centres, name| {
        let draft = centres.put_draft(partition, name, document, expected.as_deref()).await;
        let (faults, warnings) = draft?;
        let lines = |list: &[Fault]| list.iter().map(Fault::to_string).collect::<Vec<_>>();
        Ok(json!({ "name": name, "faults": lines(&faults), "warnings": lines(&warnings) }))
    })
    .await
}

/// `DELETE`: throws the draft away; the entity tag is what is left of the flow.
pub async fn discard(
    State(api): State<Api>,
    Path(name): Path<String>,
    Query(scope): Query<Scope>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let partition = api.tenant(scope.tenant.as_deref())?;
    let expected = if_match(&headers);
    let done = changing(api, partition, name, async move |centres, name| {
        centres.drop_draft(partition, name, expected.as_deref()).await?;
        Ok(JsonValue::Null)
    });
    let tag = done.await?.headers_mut().remove(header::ETAG);
    let mut response = StatusCode::NO_CONTENT.into_response();
    response.headers_mut().extend(tag.map(|tag| (header::ETAG, tag)));
    Ok(response)
}

pub async fn publish(
    State(api): State<Api>,
    Path(name): Path<String>,
    Query(scope): Query<Scope>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let partition = api.tenant(scope.tenant.as_deref())?;
    let expected = if_match(&headers);
    changing(api, partition, name, async move |centres, name| {
        let version = centres.publish_draft(partition, name, expected.as_deref()).await?;
        Ok(json!({ "name": name, "version": version }))
    })
    .await
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RollBack {
    version: u32,
}

pub async fn roll_back(
    State(api): State<Api>,
    Path(name): Path<String>,
    Query(scope): Query<Scope>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let partition = api.tenant(scope.tenant.as_deref())?;
    let RollBack { version } = serde_json::from_slice(&body).map_err(|error| {
        Problem::new(StatusCode::BAD_REQUEST, "invalid_body", format!("the body: {error}"))
    })?;
    let expected = if_match(&headers);
    changing(api, partition, name, async move |centres, name| {
        let version = centres.roll_back(partition, name, version, expected.as_deref()).await?;
        Ok(json!({ "name": name, "version": version }))
    })
    .await
}

/// Does a change and puts it into force, to its end also when nobody waits for the answer.
async fn changing<F>(
    api: Api,
    partition: Partition,
    name: String,
    change: F,
) -> Result<Response, Problem>
where
    F: AsyncFnOnce(&mut Centres, &str) -> Result<JsonValue, FlowRefusal> + Send + 'static,
{
    let mut centres: OwnedMutexGuard<Centres> = api.centres.clone().lock_owned().await;
    let runtime = tokio::runtime::Handle::current();
    // Prompts are looked at: not on a thread that others wait for.
    tokio::task::spawn_blocking(move || {
        let before = centres.version();
        let changed = runtime.block_on(change(&mut centres, &name));
        // What is committed is put into force, whatever came after it.
        if changed.is_ok() || centres.version() != before {
            let snapshot = centres.snapshot_of_flows(partition);
            let snapshot = snapshot.map_err(|error| Problem::internal(&error))?;
            api.node.reconfigure(&snapshot);
        }
        let body = changed?;
        Ok(tagged(centres.tag(partition, &name), StatusCode::OK, body))
    })
    .await
    .map_err(|error| Problem::internal(&error))?
}

pub async fn versions(
    State(api): State<Api>,
    Path(name): Path<String>,
    Query(scope): Query<Scope>,
) -> Result<Json<JsonValue>, Problem> {
    let partition = api.tenant(scope.tenant.as_deref())?;
    let zone = zone_of(&api, partition);
    let versions = api.store.flow_versions(partition, &name).await;
    let versions = versions.map_err(|error| Problem::internal(&error))?;
    let shown: Vec<_> = versions
        .iter()
        .map(
            |one| json!({ "version": one.version, "at": stamp(&zone, Some(one.at)), "by": one.by }),
        )
        .collect();
    if shown.is_empty() {
        let text = format!("flow {name:?}: it was never published");
        return Err(FlowRefusal::NotFound(text).into());
    }
    Ok(Json(json!({ "name": name, "versions": shown })))
}

async fn document_of(
    api: &Api,
    partition: Partition,
    name: &str,
    version: u32,
) -> Result<(JsonValue, Wall, String), Problem> {
    let found = api.store.flow_version(partition, name, version).await;
    match found.map_err(|error| Problem::internal(&error))? {
        Some(found) => Ok((found.document, found.at, found.by)),
        None => {
            let text = format!(
                "flow {name:?}: there is no version {version}; the last {VERSIONS_MAX} are kept"
            );
            Err(FlowRefusal::NotFound(text).into())
        }
    }
}

pub async fn version(
    State(api): State<Api>,
    Path((name, version)): Path<(String, u32)>,
    Query(scope): Query<Scope>,
) -> Result<Json<JsonValue>, Problem> {
    let partition = api.tenant(scope.tenant.as_deref())?;
    let zone = zone_of(&api, partition);
    let (document, at, by) = document_of(&api, partition, &name, version).await?;
    let at = stamp(&zone, Some(at));
    Ok(Json(json!({ "name": name, "version": version, "at": at, "by": by, "document": document })))
}

#[derive(Debug, Deserialize)]
pub struct Compare {
    tenant: Option<String>,
    from: u32,
    to: u32,
}

pub async fn compare(
    State(api): State<Api>,
    Path(name): Path<String>,
    Query(query): Query<Compare>,
) -> Result<Json<JsonValue>, Problem> {
    let partition = api.tenant(query.tenant.as_deref())?;
    let (from, ..) = document_of(&api, partition, &name, query.from).await?;
    let (to, ..) = document_of(&api, partition, &name, query.to).await?;
    let mut differences = Vec::new();
    differ("", Some(&from), Some(&to), &mut differences);
    Ok(Json(json!({
        "name": name, "from": query.from, "to": query.to, "differences": differences,
    })))
}

/// Where two documents differ, by path; a value that is not there is null.
fn differ(
    path: &str,
    from: Option<&JsonValue>,
    to: Option<&JsonValue>,
    found: &mut Vec<JsonValue>,
) {
    if from == to || found.len() >= DIFFERENCES_MAX {
        return;
    }
    let (Some(JsonValue::Object(before)), Some(JsonValue::Object(after))) = (from, to) else {
        return found.push(json!({ "path": path, "from": from, "to": to }));
    };
    let mut keys: Vec<&String> = before.keys().chain(after.keys()).collect();
    keys.sort();
    keys.dedup();
    for key in keys {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        differ(&path, before.get(key), after.get(key), found);
    }
}

/// `GET working-times`: as configured, and whether each is open now.
pub async fn working_times(
    State(api): State<Api>,
    Query(scope): Query<Scope>,
) -> Result<Json<JsonValue>, Problem> {
    use hotline_ivr::schedule::WorkingTime;
    let partition = api.tenant(scope.tenant.as_deref())?;
    let zone = zone_of(&api, partition);
    let now = crate::clock::Clock.wall();
    let centres = api.centres.lock().await;
    let found = centres.all().iter().find(|(of, _)| *of == partition);
    let objects = found.into_iter().flat_map(|(_, centre)| centre.of_kind("working_time"));
    let shown: Vec<_> = objects
        .map(|(_, object)| {
            let mut shown = JsonValue::Object(object.clone());
            if let Ok(time) = WorkingTime::deserialize(&shown) {
                shown["open"] = json!(time.is_open(now, &zone));
                shown["next_change"] = stamp(&zone, time.next_change(now, &zone));
            }
            shown
        })
        .collect();
    Ok(Json(json!({ "working_times": shown })))
}
