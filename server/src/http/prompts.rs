//! `/api/v1/prompts/{language}/{name}` and `/api/v1/tones/{name}`: WAV files up and down.
//!
//! Owns: sizes, problem details. Does not own: what can be played (`audio`), where files are kept
//! (`centres`).

use super::Api;
use super::problem::Problem;
use super::query::Query;
use super::scope::Scope;
use crate::centres::Centres;
use crate::centres::sound_files::NotTaken;
use crate::config::Faults;
use crate::prompts::place::{BadName, Place};
use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use hotline_base::Partition;
use serde_json::{Value as JsonValue, json};
use tokio::sync::OwnedMutexGuard;

/// Largest file taken at once, bytes: ten minutes of 24 kHz in 16 bits fit. What is larger comes
/// with a directory.
pub const UPLOAD_BYTES_MAX: usize = 32 * 1024 * 1024;

type Found = Result<Response, Problem>;
type Done = Result<Json<JsonValue>, Problem>;

pub async fn prompt(
    api: State<Api>,
    Path((language, name)): Path<(String, String)>,
    scope: Query<Scope>,
) -> Found {
    get(api, Place::prompt(&language, &name), scope).await
}

pub async fn put_prompt(
    api: State<Api>,
    Path((language, name)): Path<(String, String)>,
    scope: Query<Scope>,
    body: Body,
) -> Done {
    put(api, Place::prompt(&language, &name), scope, body).await
}

pub async fn delete_prompt(
    api: State<Api>,
    Path((language, name)): Path<(String, String)>,
    scope: Query<Scope>,
) -> Result<StatusCode, Problem> {
    delete(api, Place::prompt(&language, &name), scope).await
}

pub async fn tone(api: State<Api>, Path(name): Path<String>, scope: Query<Scope>) -> Found {
    get(api, Place::tone(&name), scope).await
}

pub async fn put_tone(
    api: State<Api>,
    Path(name): Path<String>,
    scope: Query<Scope>,
    body: Body,
) -> Done {
    put(api, Place::tone(&name), scope, body).await
}

pub async fn delete_tone(
    api: State<Api>,
    Path(name): Path<String>,
    scope: Query<Scope>,
) -> Result<StatusCode, Problem> {
    delete(api, Place::tone(&name), scope).await
}

impl From<BadName> for Problem {
    fn from(bad: BadName) -> Problem {
        Problem::parameter(bad.what, &bad.value, bad.allowed)
    }
}

fn not_found(place: &Place) -> Problem {
    let text = format!("{place}: there is none of that name");
    Problem::new(StatusCode::NOT_FOUND, "sound_not_found", text)
}

async fn get(
    State(api): State<Api>,
    place: Result<Place, BadName>,
    Query(scope): Query<Scope>,
) -> Found {
    let (place, partition) = (place?, api.tenant(scope.tenant.as_deref())?);
    let bytes = with_centres(&api, move |centres| {
        centres.sound(partition, &place).ok_or_else(|| not_found(&place))
    });
    Ok(([(header::CONTENT_TYPE, "audio/wav")], bytes.await?).into_response())
}

async fn put(
    State(api): State<Api>,
    place: Result<Place, BadName>,
    Query(scope): Query<Scope>,
    body: Body,
) -> Done {
    let (place, partition) = (place?, api.tenant(scope.tenant.as_deref())?);
    let bytes = axum::body::to_bytes(body, UPLOAD_BYTES_MAX).await.map_err(|_| {
        let text =
            format!("{place}: more than {UPLOAD_BYTES_MAX} bytes; allowed {UPLOAD_BYTES_MAX}");
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", text)
    })?;
    change(&api, partition, move |centres| {
        centres.put_sound(partition, &place, &bytes).map_err(|why| match why {
            NotTaken::Unusable(why) => {
                let text = format!("{place}: {why}");
                Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "unusable_audio", text)
            }
            NotTaken::Disk(error) => Problem::internal(&error),
            NotTaken::NoTenant => not_found(&place),
        })
    })
    .await
}

async fn delete(
    State(api): State<Api>,
    place: Result<Place, BadName>,
    Query(scope): Query<Scope>,
) -> Result<StatusCode, Problem> {
    let (place, partition) = (place?, api.tenant(scope.tenant.as_deref())?);
    let done = change(&api, partition, move |centres| {
        let needed = centres.flows_that_need(partition, &place);
        if !needed.is_empty() {
            let text = format!("{place} is in use:\n{}", Faults(needed));
            return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "in_use", text));
        }
        let removed = centres.remove_sound(partition, &place);
        let removed = removed.map_err(|error| Problem::internal(&error))?;
        if removed { Ok(()) } else { Err(not_found(&place)) }
    });
    done.await.map(|_| StatusCode::NO_CONTENT)
}

/// Files are read and written: not on a thread that others wait for.
async fn with_centres<T: Send + 'static>(
    api: &Api,
    act: impl FnOnce(&mut OwnedMutexGuard<Centres>) -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    let mut centres = api.centres.clone().lock_owned().await;
    let done = tokio::task::spawn_blocking(move || act(&mut centres)).await;
    done.map_err(|error| Problem::internal(&error))?
}

/// Changes files and lets calls hear of it. It goes on to its end also when nobody waits for the
/// answer any more.
async fn change(
    api: &Api,
    partition: Partition,
    act: impl FnOnce(&Centres) -> Result<(), Problem> + Send + 'static,
) -> Done {
    let node = api.node.clone();
    with_centres(api, move |centres| {
        act(centres)?;
        let snapshot = centres.snapshot().map_err(|error| Problem::internal(&error))?;
        for line in &snapshot.broken {
            tracing::warn!("{line}");
        }
        let version = snapshot.directory.tenant(partition).map(|tenant| tenant.version);
        node.reconfigure(&snapshot);
        Ok(Json(json!({ "version": version })))
    })
    .await
}
