//! `/api/v1/calls` and `/api/v1/records`.

use super::Api;
use super::problem::Problem;
use super::query::Query;
use super::scope::{Scope, stamp, zone_of};
use crate::trace;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use hotline_base::calendar::TimeZone;
use hotline_base::{Partition, Wall};
use hotline_engine::input::{CallView, Reply, Request};
use hotline_engine::{CallId, CallRecord};
use serde::Deserialize;
use serde_json::{Value as JsonValue, json};

/// A record as the API shows it: times in RFC 3339 with the tenant's offset.
pub fn shown(record: &CallRecord, zone: &TimeZone) -> JsonValue {
    let at = |time| stamp(zone, time);
    let queues: Vec<_> = record
        .queues
        .iter()
        .map(|visit| {
            json!({
                "skill_queue": visit.queue, "entered": at(Some(visit.entered)),
                "left": at(visit.left), "outcome": visit.outcome,
            })
        })
        .collect();
    let offers: Vec<_> = record
        .offers
        .iter()
        .map(|offer| {
            json!({
                "agent": offer.agent, "at": at(Some(offer.at)), "ended": at(offer.ended),
                "outcome": offer.outcome, "sip_call_id": offer.sip_call_id,
                "device": offer.device,
            })
        })
        .collect();
    let transfers: Vec<_> = record
        .transfers
        .iter()
        .map(|transfer| {
            json!({
                "at": at(Some(transfer.at)), "by": transfer.by, "to": transfer.to,
                "number": transfer.number.as_ref().map(|number| number.expose()),
                "outcome": transfer.outcome,
            })
        })
        .collect();
    json!({
        "call": record.call,
        "trunk": record.trunk,
        "caller_sip_call_id": record.caller_sip_call_id,
        "agent_sip_call_id": record.agent_sip_call_id,
        "dialled": record.dialled,
        "calling": record.calling.expose(),
        "charged": record.charged.as_ref().map(|number| number.expose()),
        "access_code": record.access_code,
        "extension_code": record.extension_code,
        "route": record.route,
        "queues": queues,
        "offers": offers,
        "transfers": transfers,
        "signed_in": record.signed_in,
        "data": record.data,
        "agent": record.agent,
        "arrived": at(Some(record.arrived)),
        "queued": at(record.queued),
        "offered": at(record.offered),
        "answered": at(record.answered),
        "connected": at(record.connected),
        "released": at(record.released),
        "waiting_ms": record.waiting_ms,
        "talk_ms": record.talk_ms,
        "q850": record.q850,
        "sip_status": record.sip_status,
        "released_by": record.released_by,
        "reason": record.reason,
        "test": record.test,
        "caller_media": record.caller_media,
        "agent_media": record.agent_media,
    })
}

async fn in_progress(api: &Api, partition: Partition) -> Result<Vec<CallView>, Problem> {
    match api.ask(partition, Request::Calls).await? {
        Reply::Calls(calls) => Ok(calls),
        _ => Err(Problem::internal(&"unexpected answer")),
    }
}

pub async fn list(
    State(api): State<Api>,
    Query(scope): Query<Scope>,
) -> Result<Json<JsonValue>, Problem> {
    let partition = api.tenant(scope.tenant.as_deref())?;
    let zone = zone_of(&api, partition);
    let calls: Vec<_> = in_progress(&api, partition)
        .await?
        .iter()
        .map(|call| json!({ "call": call.call, "state": call.state, "record": shown(&call.record, &zone) }))
        .collect();
    Ok(Json(json!({ "calls": calls })))
}

/// What a name of a call stands for.
enum Found {
    InProgress(Box<CallView>),
    Ended { record: Box<CallRecord>, from: u64, to: u64 },
}

/// Finds a call by our identifier, a SIP Call-ID, or `last`: the one that arrived last.
async fn find(api: &Api, partition: Partition, name: &str) -> Result<Found, Problem> {
    let is_named = |record: &CallRecord| {
        record.call.to_string() == name
            || record.caller_sip_call_id == name
            || record.agent_sip_call_id.as_deref() == Some(name)
    };
    let calls = in_progress(api, partition).await?;
    api.node.projected().await;
    let ended = if name == "last" {
        let rows = api.store.records(partition, Wall(0), None, 1).await;
        rows.map(|rows| rows.into_iter().next())
    } else {
        api.store.record(partition, name).await
    };
    let ended = ended.map_err(|error| Problem::internal(&error))?;
    let running = if name == "last" {
        calls.into_iter().max_by_key(|call| (call.record.arrived, call.call))
    } else {
        calls.into_iter().find(|call| is_named(&call.record))
    };
    match (running, ended) {
        (Some(running), Some(ended)) if ended.record.arrived > running.record.arrived => {
            Ok(found_ended(ended))
        }
        (Some(running), _) => Ok(Found::InProgress(Box::new(running))),
        (None, Some(ended)) => Ok(found_ended(ended)),
        (None, None) => Err(Problem::new(
            StatusCode::NOT_FOUND,
            "call_not_found",
            format!("call {name:?}: there is none; allowed our identifier, a SIP Call-ID, or last"),
        )),
    }
}

fn found_ended(row: crate::store::RecordRow) -> Found {
    Found::Ended { record: Box::new(row.record), from: row.journal_from, to: row.journal_to }
}

pub async fn one(
    State(api): State<Api>,
    Path(call): Path<String>,
    Query(scope): Query<Scope>,
) -> Result<Json<JsonValue>, Problem> {
    let partition = api.tenant(scope.tenant.as_deref())?;
    let zone = zone_of(&api, partition);
    Ok(Json(match find(&api, partition, &call).await? {
        Found::InProgress(call) => {
            json!({ "call": call.call, "state": call.state, "record": shown(&call.record, &zone) })
        }
        Found::Ended { record, .. } => {
            json!({ "call": record.call, "state": "released", "record": shown(&record, &zone) })
        }
    }))
}

pub async fn release(
    State(api): State<Api>,
    Path(call): Path<String>,
    Query(scope): Query<Scope>,
) -> Result<StatusCode, Problem> {
    let partition = api.tenant(scope.tenant.as_deref())?;
    match find(&api, partition, &call).await? {
        Found::InProgress(call) => {
            api.ask(partition, Request::Release { call: call.call }).await?;
            Ok(StatusCode::NO_CONTENT)
        }
        Found::Ended { .. } => Err(Problem::new(
            StatusCode::CONFLICT,
            "call_ended",
            format!("call {call:?} has ended already"),
        )),
    }
}

pub async fn trace(
    State(api): State<Api>,
    Path(call): Path<String>,
    Query(scope): Query<Scope>,
) -> Result<Json<JsonValue>, Problem> {
    let partition = api.tenant(scope.tenant.as_deref())?;
    let zone = zone_of(&api, partition);
    let (id, from, to): (CallId, _, _) = match find(&api, partition, &call).await? {
        Found::InProgress(call) => (call.call, api.node.journal_from(call.call).unwrap_or(0), None),
        Found::Ended { record, from, to } => (record.call, from, Some(to)),
    };
    let node = api.node.clone();
    // With the reading, not with the request: one that timed out still reads.
    let turn = api.traces.clone().acquire_owned().await;
    let turn = turn.map_err(|error| Problem::internal(&error))?;
    let read = move || {
        let _turn = turn;
        node.events(id, from, to)
    };
    let events = tokio::task::spawn_blocking(read)
        .await
        .map_err(|error| Problem::internal(&error))?
        .map_err(|error| Problem::internal(&error))?;
    let mut answer = trace::render(&events, &zone);
    answer["call"] = json!(id);
    Ok(Json(answer))
}

#[derive(Debug, Deserialize)]
pub struct RecordsQuery {
    tenant: Option<String>,
    last_s: Option<u32>,
    limit: Option<u32>,
    test: Option<bool>,
}

pub async fn records(
    State(api): State<Api>,
    Query(query): Query<RecordsQuery>,
) -> Result<Json<JsonValue>, Problem> {
    let partition = api.tenant(query.tenant.as_deref())?;
    let zone = zone_of(&api, partition);
    api.node.projected().await;
    let last_us = i64::from(query.last_s.unwrap_or(3_600)) * 1_000_000;
    let since = Wall(crate::clock::Clock.wall().0 - last_us);
    let rows = api
        .store
        .records(partition, since, query.test, query.limit.unwrap_or(crate::store::ROWS_MAX))
        .await
        .map_err(|error| Problem::internal(&error))?;
    let records: Vec<_> = rows.iter().map(|row| shown(&row.record, &zone)).collect();
    Ok(Json(json!({ "records": records })))
}
