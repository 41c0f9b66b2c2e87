//! Commands that ask a running server: status, route, trace, records.

use super::client::Client;
use super::{Api, Failure};
use crate::config::NodeConfig;
use serde_json::Value as Json;

/// `hotline status`.
pub fn status(api: &Api, config: &NodeConfig) -> Result<(), Failure> {
    let status = Client::new(api, config)?.get("status", &[])?;
    if api.json {
        return print_json(&status);
    }
    println!(
        "{} (version {}), up {} s, {} calls",
        text(&status, "node"),
        text(&status, "version"),
        number(&status, "uptime_s"),
        number(&status, "calls"),
    );
    for tenant in list(&status, "tenants") {
        println!("tenant {:?}", text(tenant, "name"));
        for queue in list(tenant, "queues") {
            println!(
                "  skill_queue {:<20} waiting {:>4}  idle {:>4}  signed in {:>4}",
                text(queue, "name"),
                number(queue, "waiting"),
                number(queue, "idle"),
                number(queue, "signed_in"),
            );
        }
        for agent in list(tenant, "agents") {
            let reason = agent.get("reason").and_then(Json::as_str);
            let call = agent.get("call").and_then(Json::as_str);
            println!(
                "  agent {:<12} {}{}  since {}  phones {}{}",
                text(agent, "employee_id"),
                text(agent, "state"),
                reason.map(|reason| format!(" ({reason})")).unwrap_or_default(),
                text(agent, "since"),
                list(agent, "registrations").len(),
                call.map(|call| format!("  call {call}")).unwrap_or_default(),
            );
        }
    }
    Ok(())
}

/// `hotline route NUMBER`.
pub fn route(
    dialled: &str,
    from: Option<&str>,
    at: Option<&str>,
    api: &Api,
    config: &NodeConfig,
) -> Result<(), Failure> {
    let mut query = vec![("number", dialled)];
    query.extend(from.map(|from| ("from", from)));
    query.extend(at.map(|at| ("at", at)));
    let route = Client::new(api, config)?.get("route", &query)?;
    if api.json {
        return print_json(&route);
    }
    for line in list(&route, "why") {
        println!("  {}", line.as_str().unwrap_or_default());
    }
    match route.get("destination").and_then(Json::as_str) {
        Some(destination) => {
            println!("{dialled} → {destination}");
            Ok(())
        }
        None => Err(Failure::Failed(format!("{dialled} leads nowhere: the caller hears 404"))),
    }
}

/// `hotline trace CALL`.
pub fn trace(call: &str, api: &Api, config: &NodeConfig) -> Result<(), Failure> {
    let path = format!("calls/{}/trace", encoded(call));
    let trace = Client::new(api, config)?.get(&path, &[])?;
    if api.json {
        return print_json(&trace);
    }
    match trace.get("ladder").and_then(Json::as_str) {
        Some(ladder) => {
            print!("{ladder}");
            Ok(())
        }
        None => Err(Failure::Failed(format!("no trace of call {call}"))),
    }
}

const COLUMNS: &[&str] = &[
    "call",
    "trunk",
    "dialled",
    "calling",
    "route",
    "agent",
    "arrived",
    "queued",
    "offered",
    "answered",
    "connected",
    "released",
    "waiting_ms",
    "talk_ms",
    "q850",
    "sip_status",
    "released_by",
    "reason",
];

/// `hotline records`.
pub fn records(last: &str, csv: bool, api: &Api, config: &NodeConfig) -> Result<(), Failure> {
    let seconds = duration_s(last).ok_or_else(|| {
        Failure::Usage(format!("--last {last}: allowed a number with s, m, h or d, as in 30m"))
    })?;
    let answer = Client::new(api, config)?.get("records", &[("last_s", &seconds.to_string())])?;
    if api.json {
        return print_json(&answer);
    }
    let records = list(&answer, "records");
    if csv {
        println!("{}", COLUMNS.join(","));
        for record in records {
            let cells: Vec<_> = COLUMNS.iter().map(|column| cell(record, column)).collect();
            println!("{}", cells.join(","));
        }
        return Ok(());
    }
    for record in records {
        println!(
            "{}  {}  {} → {}  waited {:.1} s  talked {:.1} s  {} by {}{}",
            text(record, "call"),
            text(record, "arrived"),
            text(record, "calling"),
            text(record, "dialled"),
            number(record, "waiting_ms") as f64 / 1_000.0,
            number(record, "talk_ms") as f64 / 1_000.0,
            text(record, "reason"),
            text(record, "released_by"),
            record
                .get("agent")
                .and_then(Json::as_str)
                .map(|agent| format!("  agent {agent}"))
                .unwrap_or_default(),
        );
    }
    println!("{} records", records.len());
    Ok(())
}

fn cell(record: &Json, column: &str) -> String {
    match record.get(column) {
        None | Some(Json::Null) => String::new(),
        Some(Json::String(text))
            if text.contains([',', '"', '\n', '\r']) || text.starts_with(['=', '+', '-', '@']) =>
        {
            // Quoted; a leading apostrophe keeps a spreadsheet from taking it for a formula.
            let signed = text.strip_prefix(['+', '-']);
            let is_formula = text.starts_with(['=', '@'])
                || signed.is_some_and(|rest| !rest.bytes().all(|byte| byte.is_ascii_digit()));
            let guard = if is_formula { "'" } else { "" };
            format!("\"{guard}{}\"", text.replace('"', "\"\""))
        }
        Some(Json::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

fn duration_s(text: &str) -> Option<u64> {
    let (digits, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit())?);
    let unit = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(unit)
}

/// Percent-encodes what may not stand in one path segment.
pub fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

fn print_json(json: &Json) -> Result<(), Failure> {
    let text =
        serde_json::to_string_pretty(json).map_err(|error| Failure::Failed(error.to_string()))?;
    println!("{text}");
    Ok(())
}

fn text<'a>(json: &'a Json, key: &str) -> &'a str {
    json.get(key).and_then(Json::as_str).unwrap_or("-")
}

fn number(json: &Json, key: &str) -> u64 {
    json.get(key).and_then(Json::as_u64).unwrap_or(0)
}

fn list<'a>(json: &'a Json, key: &str) -> &'a [Json] {
    json.get(key).and_then(Json::as_array).map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_take_a_unit() {
        assert_eq!(duration_s("30m"), Some(1_800));
        assert_eq!(duration_s("1h"), Some(3_600));
        assert_eq!(duration_s("7d"), Some(604_800));
        for wrong in ["", "30", "h", "1w", "-1h", "99999999999999999999h"] {
            assert_eq!(duration_s(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_cell_cannot_become_a_formula() {
        let record = serde_json::json!({
            "a": "=1+1", "b": "x,\"y\"", "c": 3, "d": null, "e": "+15550001111", "f": "-1+cmd|x", "g": "+A1",
        });
        // A number stays one for programs; as a formula it is itself.
        assert_eq!(cell(&record, "e"), "\"+15550001111\"");
        assert_eq!(cell(&record, "f"), "\"'-1+cmd|x\"");
        assert_eq!(cell(&record, "g"), "\"'+A1\"");
        assert_eq!(cell(&record, "a"), "\"'=1+1\"");
        assert_eq!(cell(&record, "b"), "\"x,\"\"y\"\"\"");
        assert_eq!(cell(&record, "c"), "3");
        assert_eq!(cell(&record, "d"), "");
    }
}
