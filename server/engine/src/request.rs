//! Questions and orders of the API, answered from one tenant.
//!
//! Owns: the views and the words and codes of refusals. Does not own: what the orders do.

use crate::agents::{no_agent, refusal, verb_input};
use crate::hours::{is_open, is_test_caller};
use crate::input::{QueueView, Refusal, Reply, Request, RouteView};
use crate::record::ReleaseReason;
use crate::tenant::{Shared, Tenant};
use hotline_base::calendar::TimeZone;
use hotline_base::{Now, Wall};
use hotline_routing::config::Destination;
use hotline_routing::route::CodeVerdict;
use hotline_routing::{Circumstances, Hours, Resolution};

/// Answers a request about a tenant. [`Request::Counts`] is the engine's own.
///
/// # Errors
/// What the API says instead.
pub(crate) fn answer(
    tenant: &mut Tenant,
    now: Now,
    shared: &mut Shared,
    request: Request,
) -> Result<Reply, Refusal> {
    match request {
        Request::Agents => {
            let config = tenant.parts.config.clone();
            let ids = config.routing.agents.iter().map(|agent| agent.employee_id.as_str());
            let views = ids.filter_map(|id| view(tenant, id)).collect();
            Ok(Reply::Agents(views))
        }
        Request::Agent { employee_id } => match view(tenant, &employee_id) {
            Some(found) => Ok(Reply::Agents(vec![found])),
            None => Err(no_agent(&employee_id)),
        },
        Request::AgentVerb { employee_id, verb } => {
            let routing = &tenant.parts.routing;
            let agent = routing.agent(&employee_id).ok_or_else(|| no_agent(&employee_id))?;
            let input = verb_input(routing, agent, verb)?;
            let asked = tenant.ask(now, shared, input);
            asked.map(|()| Reply::Done).map_err(|why| refusal(&employee_id, why))
        }
        Request::Queues => Ok(Reply::Queues(queues(tenant))),
        Request::Calls => Ok(Reply::Calls(tenant.calls.views())),
        Request::Release { call } => {
            let cx = &mut tenant.parts.context(shared, now);
            let known = tenant.calls.release(cx, call, ReleaseReason::Administrator);
            tenant.settle(now, shared);
            match known {
                true => Ok(Reply::Done),
                false => Err(refuse(404, "call_not_found", format!("no call {call} is up"))),
            }
        }
        Request::Route { number, from, at } => {
            let at = instant(tenant, at.as_deref(), now.wall)?;
            route(tenant, &number, from, at)
        }
        Request::Unregister { employee_id } => {
            if tenant.parts.routing.agent(&employee_id).is_none() {
                return Err(no_agent(&employee_id));
            }
            let Some(number) = tenant.parts.agents.number(&employee_id).map(str::to_owned) else {
                let text = format!("agent {employee_id:?} has no softphone");
                return Err(refuse(404, "softphone_not_found", text));
            };
            tenant.parts.registrar.remove_all(now, &number);
            tenant.settle(now, shared);
            Ok(Reply::Done)
        }
        Request::Counts => {
            Err(refuse(400, "not_of_a_tenant", String::from("counts are the engine's")))
        }
    }
}

fn view(tenant: &Tenant, employee_id: &str) -> Option<crate::input::AgentView> {
    let parts = &tenant.parts;
    let call = tenant.calls.call_of_agent(employee_id);
    let view = parts.agents.view(&parts.routing, &parts.registrar, employee_id, call)?;
    let marked = parts.config.anonymisation.get(employee_id);
    let anonymised = marked.is_some_and(|one| one.anonymised);
    Some(crate::input::AgentView { anonymised, ..view })
}

fn queues(tenant: &Tenant) -> Vec<QueueView> {
    let routing = &tenant.parts.routing;
    let one = |queue: &hotline_routing::config::SkillQueue| {
        let status = routing.queue_status(routing.queue(&queue.name)?)?;
        Some(QueueView {
            name: queue.name.clone(),
            waiting: status.waiting + status.offered,
            signed_in: status.signed_in,
            idle: status.idle,
        })
    };
    tenant.parts.config.routing.queues.iter().filter_map(one).collect()
}

/// The instant asked about.
fn instant(tenant: &Tenant, at: Option<&str>, now: Wall) -> Result<Wall, Refusal> {
    let Some(text) = at else { return Ok(now) };
    let zone = TimeZone::named(&tenant.parts.config.time_zone).unwrap_or_else(TimeZone::utc);
    zone.parse(text).ok_or_else(|| {
        let what = format!("{text:?} is no time; allowed 2026-12-24T23:59, with or without offset");
        refuse(400, "not_a_time", what)
    })
}

/// Where a number leads, with each access code that was considered.
fn route(tenant: &Tenant, dialled: &str, from: Option<String>, at: Wall) -> Result<Reply, Refusal> {
    let config = &tenant.parts.config;
    let number = config
        .routing
        .number_rules
        .normalise(dialled)
        .map_err(|why| refuse(400, "not_a_number", why.to_string()))?;
    let test_caller = from.is_some_and(|from| is_test_caller(config, &from));
    let is_open = |name: &str| is_open(config, name, at);
    let about = Circumstances { test_caller, is_open: &is_open };
    let (found, trace) = tenant.parts.routing.resolve_explained(&number, about);
    let mut why: Vec<String> = Vec::with_capacity(trace.len() + 2);
    if number != dialled {
        why.push(format!("{dialled} is normalised to {number}"));
    }
    why.extend(trace.iter().map(|step| {
        let code = &step.access_code;
        match step.verdict {
            CodeVerdict::Taken { .. } if step.rest.is_empty() => {
                format!("access code {code}: its own route is taken")
            }
            CodeVerdict::Taken { .. } => {
                format!("access code {code} with extension {}: taken", step.rest)
            }
            CodeVerdict::Shorter { .. } => {
                format!("access code {code}: would lead somewhere, but a longer one does")
            }
            CodeVerdict::NoRouteAlone => format!("access code {code}: no route of its own"),
            CodeVerdict::NotAnExtensionCode => {
                format!("access code {code}: {} is no extension code", step.rest)
            }
            CodeVerdict::UnknownExtension => {
                format!("access code {code}: no route for extension {}", step.rest)
            }
            CodeVerdict::Draft { .. } => {
                format!("access code {code}: its route is a draft, for test callers only")
            }
        }
    }));
    let mut view = RouteView {
        tenant: config.name.clone(),
        destination: None,
        access_code: None,
        extension_code: None,
        why,
    };
    match found {
        Ok(found) => {
            if found.draft {
                view.why.push(String::from("the route is a draft, and the caller a test caller"));
            }
            view.why.extend(hours(&found));
            view.destination = Some(match &found.destination {
                Some(Destination::SkillQueue(name)) => format!("skill_queue {name:?}"),
                Some(Destination::Flow(name)) => format!("flow {name:?}"),
                Some(Destination::Agent(id)) => format!("agent {id:?}"),
                None => String::from("release \"closed\""),
            });
            view.access_code = Some(found.access_code.to_string());
            view.extension_code = found.extension_code.map(|code| code.to_string());
        }
        Err(no_route) => view.why.push(no_route.to_string()),
    }
    Ok(Reply::Route(view))
}

/// What a route's working time says.
fn hours(found: &Resolution) -> Option<String> {
    let name = found.working_time.as_deref()?;
    Some(match (found.hours, &found.destination) {
        (Hours::Always | Hours::Open, _) => format!("working time {name:?} is open"),
        (Hours::Closed, Some(_)) => {
            format!("working time {name:?} is closed: the out-of-hours destination is taken")
        }
        (Hours::Closed, None) => {
            format!("working time {name:?} is closed, and there is no out-of-hours destination")
        }
        (Hours::Unknown, _) => {
            format!("working time {name:?} is not configured: the route counts as open")
        }
    })
}

pub(crate) fn refuse(status: u16, code: &str, text: String) -> Refusal {
    Refusal { status, code: code.to_owned(), text }
}
