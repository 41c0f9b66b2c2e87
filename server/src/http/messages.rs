//! `/api/v1/messages`: what callers have left, its audio, and throwing it away.

use super::Api;
use super::problem::Problem;
use super::query::Query;
use super::scope::{Scope, stamp, zone_of};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use hotline_base::Wall;
use serde::Deserialize;
use serde_json::{Value as JsonValue, json};

#[derive(Debug, Deserialize)]
pub struct MessagesQuery {
    tenant: Option<String>,
    mailbox: Option<String>,
    last_s: Option<u32>,
    limit: Option<u32>,
}

pub async fn list(
    State(api): State<Api>,
    Query(query): Query<MessagesQuery>,
) -> Result<Json<JsonValue>, Problem> {
    let partition = api.tenant(query.tenant.as_deref())?;
    let zone = zone_of(&api, partition);
    api.node.projected().await;
    let last_us = i64::from(query.last_s.unwrap_or(7 * 86_400)) * 1_000_000;
    let since = Wall(crate::clock::Clock.wall().0 - last_us);
    let limit = query.limit.unwrap_or(crate::store::ROWS_MAX);
    let limit = limit.min(crate::store::ROWS_MAX);
    let rows = api.store.messages(partition, query.mailbox.as_deref(), since, limit).await;
    let rows = rows.map_err(|error| Problem::internal(&error))?;
    let shown: Vec<_> = rows
        .iter()
        .map(|row| {
            json!({
                "recording": row.recording.to_string(), "mailbox": row.mailbox, "call": row.call,
                "calling": row.caller.expose(), "at": stamp(&zone, Some(row.at)),
                "duration_ms": row.duration_ms,
            })
        })
        .collect();
    Ok(Json(json!({ "messages": shown })))
}

fn missing(recording: u64) -> Problem {
    let text = format!("message {recording}: there is none, or its audio is gone");
    Problem::new(StatusCode::NOT_FOUND, "message_not_found", text)
}

pub async fn audio(
    State(api): State<Api>,
    Path(recording): Path<u64>,
    Query(scope): Query<Scope>,
) -> Result<Response, Problem> {
    let partition = api.tenant(scope.tenant.as_deref())?;
    let missing = || missing(recording);
    let known = api.store.has_message(partition, recording).await;
    if !known.map_err(|error| Problem::internal(&error))? {
        return Err(missing());
    }
    let file = api.centres.lock().await.message_file(partition, recording);
    let read = tokio::task::spawn_blocking(move || std::fs::read(file)).await;
    let audio = read.map_err(|error| Problem::internal(&error))?.map_err(|_| missing())?;
    Ok(([(header::CONTENT_TYPE, "audio/wav")], audio).into_response())
}

/// `DELETE`: the audio, then the row, so that what fails half-way can be tried again.
pub async fn delete(
    State(api): State<Api>,
    Path(recording): Path<u64>,
    Query(scope): Query<Scope>,
) -> Result<StatusCode, Problem> {
    let partition = api.tenant(scope.tenant.as_deref())?;
    api.node.projected().await;
    let known = api.store.has_message(partition, recording).await;
    if !known.map_err(|error| Problem::internal(&error))? {
        return Err(missing(recording));
    }
    let file = api.centres.lock().await.message_file(partition, recording);
    let removed = tokio::task::spawn_blocking(move || match std::fs::remove_file(file) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    });
    let removed = removed.await.map_err(|error| Problem::internal(&error))?;
    removed.map_err(|error| Problem::internal(&error))?;
    let deleted = api.store.delete_message(partition, recording).await;
    match deleted.map_err(|error| Problem::internal(&error))? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(missing(recording)),
    }
}
