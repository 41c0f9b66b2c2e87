//! `/api/v1/agents`: agents, their states, their log.

use super::Api;
use super::problem::Problem;
use super::query::Query;
use super::scope::{Scope, stamp, zone_of};
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use hotline_base::Wall;
use hotline_base::calendar::TimeZone;
use hotline_engine::input::{AgentVerb, AgentView, Reply, Request};
use serde::Deserialize;
use serde_json::{Value as JsonValue, json};

/// An agent as the API shows it.
pub fn shown(agent: &AgentView, zone: &TimeZone) -> JsonValue {
    json!({
        "employee_id": agent.employee_id,
        "account": agent.account,
        "state": agent.state,
        "reason": agent.reason,
        "since": stamp(zone, Some(agent.since)),
        "skill_queues": agent.queues,
        "call": agent.call,
        "registrations": agent.registrations,
        "anonymised": agent.anonymised,
    })
}

pub async fn list(
    State(api): State<Api>,
    Query(scope): Query<Scope>,
) -> Result<Json<JsonValue>, Problem> {
    let partition = api.tenant(scope.tenant.as_deref())?;
    let zone = zone_of(&api, partition);
    let Reply::Agents(agents) = api.ask(partition, Request::Agents).await? else {
        return Err(Problem::internal(&"unexpected answer"));
    };
    let agents: Vec<_> = agents.iter().map(|agent| shown(agent, &zone)).collect();
    Ok(Json(json!({ "agents": agents })))
}

pub async fn one(
    State(api): State<Api>,
    Path(employee_id): Path<String>,
    Query(scope): Query<Scope>,
) -> Result<Json<JsonValue>, Problem> {
    let partition = api.tenant(scope.tenant.as_deref())?;
    let zone = zone_of(&api, partition);
    match api.ask(partition, Request::Agent { employee_id: employee_id.clone() }).await? {
        Reply::Agents(agents) if !agents.is_empty() => Ok(Json(shown(&agents[0], &zone))),
        _ => Err(Problem::new(
            StatusCode::NOT_FOUND,
            "agent_not_found",
            format!("agent {employee_id:?}: there is none of that employee ID"),
        )),
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct SignIn {
    skill_queues: Vec<String>,
    force: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Rest {
    reason: String,
    planned_s: Option<u32>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct WrapUp {
    extend_s: u32,
}

pub async fn verb(
    State(api): State<Api>,
    Path((employee_id, verb)): Path<(String, String)>,
    Query(scope): Query<Scope>,
    body: Bytes,
) -> Result<Json<JsonValue>, Problem> {
    let partition = api.tenant(scope.tenant.as_deref())?;
    let verb = match verb.as_str() {
        "sign-in" => {
            let SignIn { skill_queues, force } = read(&body)?;
            AgentVerb::SignIn { queues: skill_queues, force }
        }
        "sign-out" => AgentVerb::SignOut,
        "idle" => AgentVerb::Idle,
        "busy" => AgentVerb::Busy,
        "rest" => {
            let Rest { reason, planned_s } = read(&body)?;
            AgentVerb::Rest { reason, planned_s }
        }
        "wrap-up" => {
            let WrapUp { extend_s } = read(&body)?;
            if extend_s > 3_600 {
                return Err(Problem::parameter(
                    "extend_s",
                    &extend_s.to_string(),
                    "0–3600 (seconds)",
                ));
            }
            AgentVerb::WrapUp { extend_s }
        }
        other => {
            let text = format!(
                "agents/{employee_id}/{other}: allowed sign-in, sign-out, idle, busy, rest, wrap-up"
            );
            return Err(Problem::new(StatusCode::NOT_FOUND, "not_found", text));
        }
    };
    api.ask(partition, Request::AgentVerb { employee_id: employee_id.clone(), verb }).await?;
    one(State(api), Path(employee_id), Query(scope)).await
}

/// A body that may be left out.
fn read<T: Default + for<'de> Deserialize<'de>>(body: &[u8]) -> Result<T, Problem> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(T::default());
    }
    serde_json::from_slice(body).map_err(|error| {
        Problem::new(StatusCode::BAD_REQUEST, "invalid_body", format!("the body: {error}"))
    })
}

pub async fn unregister(
    State(api): State<Api>,
    Path(employee_id): Path<String>,
    Query(scope): Query<Scope>,
) -> Result<StatusCode, Problem> {
    let partition = api.tenant(scope.tenant.as_deref())?;
    api.ask(partition, Request::Unregister { employee_id }).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Debug, Deserialize)]
pub struct LogQuery {
    tenant: Option<String>,
    last_s: Option<u32>,
    limit: Option<u32>,
}

pub async fn log(
    State(api): State<Api>,
    Path(employee_id): Path<String>,
    Query(query): Query<LogQuery>,
) -> Result<Json<JsonValue>, Problem> {
    let partition = api.tenant(query.tenant.as_deref())?;
    let zone = zone_of(&api, partition);
    api.node.projected().await;
    let last_us = i64::from(query.last_s.unwrap_or(86_400)) * 1_000_000;
    let since = Wall(crate::clock::Clock.wall().0 - last_us);
    let rows = api
        .store
        .agent_log(partition, &employee_id, since, query.limit.unwrap_or(1_000))
        .await
        .map_err(|error| Problem::internal(&error))?;
    let rows: Vec<_> = rows
        .iter()
        .map(|row| {
            json!({
                "at": stamp(&zone, Some(row.at)), "from": row.from, "to": row.to,
                "reason": row.reason, "call": row.call,
            })
        })
        .collect();
    Ok(Json(json!({ "log": rows })))
}
