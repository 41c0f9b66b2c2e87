//! What the start prints: what listens where, what to dial, and the two commands of a first call.

use crate::centres::Centres;
use crate::config::NodeConfig;
use crate::net::source::scheme;
use serde_json::{Map, Value as Json};
use std::fmt::Write;

/// Called routes shown of a tenant.
const ROUTES_SHOWN: usize = 8;

/// The text, ready to print.
pub(super) fn text(config: &NodeConfig, centres: &Centres, notes: &[String]) -> String {
    let mut out = format!("Hotline {}, node {}\n", env!("CARGO_PKG_VERSION"), config.name);
    let sip: Vec<_> = config
        .listen
        .iter()
        .map(|listener| format!("{}://{}", scheme(listener.transport), listener.address))
        .collect();
    let (first, last) = config.media_ports;
    let _always = writeln!(out, "  SIP    {}", sip.join("  "));
    let _always = writeln!(out, "  media  {} ports {first}-{last}", config.media_address);
    let _always = writeln!(
        out,
        "  API    http://{}/api/v1  (token in {})",
        config.http_listen,
        config.admin_token_file.display()
    );
    for note in notes {
        let _always = writeln!(out, "  {note}");
    }
    for (_, centre) in centres.all() {
        let _always = writeln!(out, "Tenant {}:", centre.name());
        for (_, route) in centre.of_kind("called_route").take(ROUTES_SHOWN) {
            let _always = writeln!(
                out,
                "  dial {}{} → {}",
                field(route, "access_code"),
                field(route, "extension_code"),
                destination(route)
            );
        }
    }
    first_call(&mut out, config, centres);
    out
}

fn field<'j>(object: &'j Map<String, Json>, key: &str) -> &'j str {
    object.get(key).and_then(Json::as_str).unwrap_or("")
}

fn destination(route: &Map<String, Json>) -> String {
    let kinds = ["skill_queue", "flow", "agent"].into_iter();
    let named = kinds.filter(|kind| !field(route, kind).is_empty());
    named.map(|kind| format!("{kind} {}", field(route, kind))).next().unwrap_or_default()
}

/// The two commands, when there is an agent whose password was generated.
fn first_call(out: &mut String, config: &NodeConfig, centres: &Centres) -> Option<()> {
    let (_, centre) = centres.all().first()?;
    let (_, agent) = centre.of_kind("agent").next()?;
    // The longest number: it shows how an extension code is dialled. Its queue is the agent's.
    let serves = |route: &Map<String, Json>| {
        let skills = agent.get("skill_queues").and_then(Json::as_array).into_iter().flatten();
        let mut queues = skills.filter_map(|skill| skill.get("queue").and_then(Json::as_str));
        queues.any(|queue| queue == field(route, "skill_queue"))
    };
    let routes = centre.of_kind("called_route").filter(|(_, route)| serves(route));
    let (_, route) = routes.min_by_key(|(name, _)| (!name.contains('/'), *name))?;
    let number = agent
        .get("softphone")
        .and_then(Json::as_object)
        .map(|softphone| field(softphone, "number"))?;
    let password = config.data_dir.join("secrets").join(centre.name()).join(number);
    if !password.exists() {
        return None;
    }
    let port = config.listen.first()?.address.port();
    let port = if port == 5060 { String::new() } else { format!(" --sip 127.0.0.1:{port}") };
    let dialled = format!("{}{}", field(route, "access_code"), field(route, "extension_code"));
    out.push_str("A first call, in two other terminals:\n");
    let _always = writeln!(
        out,
        "  hotline agent --user {number} --password-file {}{port} --answer-after 2",
        password.display()
    );
    let _always = writeln!(out, "  hotline dial {dialled}{port} --seconds 20");
    Some(())
}
