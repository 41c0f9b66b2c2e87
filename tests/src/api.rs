//! [`Client`]: the server's HTTP API as somebody else's program sees it.

use crate::{s, until, within};
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::time::Duration;

/// How long a record may take to be readable after a call's end.
const RECORD_MAX: Duration = s(5);

/// A client of one server.
#[derive(Clone, Debug)]
pub struct Client {
    base: String,
    token: String,
    agent: ureq::Agent,
}

impl Client {
    /// A client of the API at `http://ADDRESS`.
    pub fn new(base: &str, token: &str) -> Client {
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(s(20)))
            .build()
            .into();
        Client { base: base.into(), token: token.into(), agent }
    }

    /// The same server for somebody with another token.
    pub fn with_token(&self, token: &str) -> Client {
        Client { token: token.into(), ..self.clone() }
    }

    /// Status and body of `GET PATH`; `None` if nobody answers.
    pub fn text(&self, path: &str) -> Option<(u16, String)> {
        let mut response = self.agent.get(format!("{}{path}", self.base)).call().ok()?;
        let text = response.body_mut().read_to_string().ok()?;
        Some((response.status().as_u16(), text))
    }

    /// Status and body of `GET /api/v1/PATH`.
    pub fn get(&self, path: &str) -> (u16, Json) {
        let request = self.agent.get(format!("{}/api/v1/{path}", self.base));
        answer(request.header("authorization", format!("Bearer {}", self.token)).call())
    }

    /// Status and body of `POST /api/v1/PATH`.
    pub fn post(&self, path: &str, body: &Json) -> (u16, Json) {
        let request = self.agent.post(format!("{}/api/v1/{path}", self.base));
        let request = request.header("authorization", format!("Bearer {}", self.token));
        answer(request.send_json(body))
    }

    /// Status and bytes of `GET /api/v1/PATH`.
    pub fn bytes(&self, path: &str) -> (u16, Vec<u8>) {
        let request = self.agent.get(format!("{}/api/v1/{path}", self.base));
        let request = request.header("authorization", format!("Bearer {}", self.token));
        let Ok(mut response) = request.call() else { return (0, Vec::new()) };
        let bytes = response.body_mut().read_to_vec().unwrap_or_default();
        (response.status().as_u16(), bytes)
    }

    /// Status and body of `PUT /api/v1/PATH` with a file.
    pub fn put_file(&self, path: &str, file: &[u8]) -> (u16, Json) {
        let request = self.agent.put(format!("{}/api/v1/{path}", self.base));
        let request = request.header("authorization", format!("Bearer {}", self.token));
        answer(request.content_type("audio/wav").send(file))
    }

    /// Status and body of `PUT /api/v1/PATH`.
    pub fn put(&self, path: &str, body: &Json) -> (u16, Json) {
        let request = self.agent.put(format!("{}/api/v1/{path}", self.base));
        let request = request.header("authorization", format!("Bearer {}", self.token));
        answer(request.send_json(body))
    }

    /// Status of `DELETE /api/v1/PATH`.
    pub fn delete(&self, path: &str) -> u16 {
        self.delete_answer(path).0
    }

    /// Status and body of `DELETE /api/v1/PATH`.
    pub fn delete_answer(&self, path: &str) -> (u16, Json) {
        let request = self.agent.delete(format!("{}/api/v1/{path}", self.base));
        answer(request.header("authorization", format!("Bearer {}", self.token)).call())
    }

    /// The entity tag of `GET /api/v1/PATH`.
    ///
    /// # Panics
    /// If it has none.
    pub fn tag(&self, path: &str) -> String {
        let request = self.agent.get(format!("{}/api/v1/{path}", self.base));
        let request = request.header("authorization", format!("Bearer {}", self.token));
        let response = request.call().expect("the API answers");
        let tag = response.headers().get("etag").and_then(|tag| tag.to_str().ok());
        tag.unwrap_or_else(|| panic!("GET {path}: no ETag")).to_owned()
    }

    /// [`Client::put`], if what is there is what was seen.
    pub fn put_if(&self, path: &str, body: &Json, seen: &str) -> (u16, Json) {
        let request = self.agent.put(format!("{}/api/v1/{path}", self.base));
        let request = request.header("authorization", format!("Bearer {}", self.token));
        answer(request.header("if-match", seen).send_json(body))
    }

    /// [`Client::post`], if what is there is what was seen.
    pub fn post_if(&self, path: &str, body: &Json, seen: &str) -> (u16, Json) {
        let request = self.agent.post(format!("{}/api/v1/{path}", self.base));
        let request = request.header("authorization", format!("Bearer {}", self.token));
        answer(request.header("if-match", seen).send_json(body))
    }

    /// [`Client::delete_answer`], if what is there is what was seen.
    pub fn delete_if(&self, path: &str, seen: &str) -> (u16, Json) {
        let request = self.agent.delete(format!("{}/api/v1/{path}", self.base));
        let request = request.header("authorization", format!("Bearer {}", self.token));
        answer(request.header("if-match", seen).call())
    }

    /// The body of a GET that must succeed.
    ///
    /// # Panics
    /// If it does not.
    pub fn read(&self, path: &str) -> Json {
        let (status, body) = self.get(path);
        assert_eq!(status, 200, "GET {path}: {body}");
        body
    }

    /// The records of one tenant, latest first as the server gives them.
    pub fn records_of(&self, tenant: &str) -> Vec<Json> {
        self.read(&format!("records?tenant={tenant}&last_s=7200"))["records"]
            .as_array()
            .cloned()
            .unwrap_or_default()
    }

    /// The records of the default tenant.
    pub fn records(&self) -> Vec<Json> {
        self.read("records?last_s=7200")["records"].as_array().cloned().unwrap_or_default()
    }

    /// The one record of a call by the caller's SIP Call-ID, once it is there.
    ///
    /// # Panics
    /// If there is none within 5 s, or more than one.
    pub fn record(&self, sip_call_id: &str) -> Json {
        let of_call = || -> Vec<Json> {
            let is_its = |record: &Json| record["caller_sip_call_id"] == sip_call_id;
            self.records().into_iter().filter(is_its).collect()
        };
        let found = within(RECORD_MAX, || Some(of_call()).filter(|found| !found.is_empty()));
        let found = found.unwrap_or_else(|| panic!("no record of {sip_call_id}"));
        assert_eq!(found.len(), 1, "more than one record of {sip_call_id}: {found:#?}");
        found.into_iter().next().unwrap_or_default()
    }

    /// The one record there is, once it is there.
    ///
    /// # Panics
    /// If there is none within 5 s, or more than one.
    pub fn only_record(&self) -> Json {
        let found = within(RECORD_MAX, || Some(self.records()).filter(|found| !found.is_empty()));
        let found = found.expect("no record");
        assert_eq!(found.len(), 1, "more than one record: {found:#?}");
        found.into_iter().next().unwrap_or_default()
    }

    /// Calls in progress.
    pub fn calls(&self) -> Vec<Json> {
        self.read("calls")["calls"].as_array().cloned().unwrap_or_default()
    }

    /// An agent of the default tenant.
    pub fn agent(&self, employee_id: &str) -> Json {
        self.read(&format!("agents/{employee_id}"))
    }

    /// An agent's state with its reason, as in `busy (no_answer)`.
    pub fn agent_state(&self, employee_id: &str) -> String {
        state_of(&self.agent(employee_id))
    }

    /// Waits until an agent is in a state, as [`Client::agent_state`] writes it.
    ///
    /// # Panics
    /// If that takes longer than 5 s.
    pub fn until_agent_is(&self, employee_id: &str, state: &str) {
        self.until_agent_is_within(employee_id, state, s(5));
    }

    /// The same with another limit.
    ///
    /// # Panics
    /// If that takes longer than `limit`.
    pub fn until_agent_is_within(&self, employee_id: &str, state: &str, limit: Duration) {
        let reached = within(limit, || (self.agent_state(employee_id) == state).then_some(()));
        let now = self.agent(employee_id);
        assert!(reached.is_some(), "agent {employee_id} is not {state}, but {now}");
    }

    /// Waits until a queue of the default tenant has so many callers waiting.
    pub fn until_waiting(&self, queue: &str, callers: u64) {
        until(&format!("{callers} callers in {queue}"), s(5), || {
            let queues = self.read("skill-queues");
            let mut queues = queues["skill_queues"].as_array().into_iter().flatten();
            queues.any(|found| found["name"] == queue && found["waiting"] == callers)
        });
    }

    /// The metrics without labels, by name.
    pub fn metrics(&self) -> BTreeMap<String, f64> {
        let (_, text) = self.text("/metrics").expect("/metrics answers");
        text.lines()
            .filter(|line| !line.starts_with('#'))
            .filter_map(|line| line.rsplit_once(' '))
            .filter_map(|(name, value)| Some((name.to_owned(), value.parse().ok()?)))
            .collect()
    }

    /// One metric.
    ///
    /// # Panics
    /// If there is none of that name.
    pub fn metric(&self, name: &str) -> f64 {
        let metrics = self.metrics();
        *metrics.get(name).unwrap_or_else(|| panic!("no metric {name} in {metrics:#?}"))
    }

    /// Waits until a metric has a value; metrics may be a second old.
    ///
    /// # Panics
    /// If that takes longer than `limit`.
    pub fn until_metric(&self, name: &str, value: f64, limit: Duration) {
        let reached = within(limit, || (self.metric(name) == value).then_some(()));
        assert!(reached.is_some(), "{name} is not {value}, but {}", self.metric(name));
    }

    /// What a server holds while calls go on, and must not hold after them.
    pub fn held(&self) -> BTreeMap<String, f64> {
        let metrics = self.metrics();
        HELD.iter().map(|name| ((*name).to_owned(), metrics[*name])).collect()
    }

    /// Waits until the server holds no more than it did at a quiet moment before.
    ///
    /// # Panics
    /// If it still does after `limit`.
    pub fn until_quiet(&self, before: &BTreeMap<String, f64>, limit: Duration) {
        let quiet = within(limit, || {
            let now = self.held();
            before.iter().all(|(name, value)| now[name] <= *value).then_some(())
        });
        let now = self.held();
        assert!(quiet.is_some(), "left over after {limit:?}: {now:#?}\nbefore: {before:#?}");
    }
}

/// The gauges of what calls hold.
const HELD: [&str; 7] = [
    "hotline_calls",
    "hotline_waiting",
    "hotline_client_transactions",
    "hotline_server_transactions",
    "hotline_timers",
    "hotline_media_legs",
    "hotline_media_ports_used",
];

/// State of an agent as the API shows it, with its reason where it has one by its nature: `idle`,
/// `busy (no_answer)`.
pub fn state_of(agent: &Json) -> String {
    let state = agent["state"].as_str().unwrap_or("unknown");
    match agent["reason"].as_str() {
        Some(reason) if matches!(state, "busy" | "rest") => format!("{state} ({reason})"),
        _ => state.to_owned(),
    }
}

fn answer(response: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> (u16, Json) {
    let mut response = response.expect("the API answers");
    let status = response.status().as_u16();
    (status, response.body_mut().read_json().unwrap_or(Json::Null))
}

impl Client {
    /// The log of an agent of the default tenant, oldest first: when in ms, from, to.
    pub fn agent_log(&self, employee_id: &str) -> Vec<(i64, String, String)> {
        let log = self.read(&format!("agents/{employee_id}/log"));
        let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
        let rows = log["log"].as_array().into_iter().flatten();
        let mut rows: Vec<_> =
            rows.map(|row| (at_ms(&row["at"]), text(&row["from"]), text(&row["to"]))).collect();
        rows.sort_by_key(|row| row.0);
        rows
    }
}

/// A time of the API (RFC 3339) in ms since 1970.
///
/// # Panics
/// If it is none.
pub fn at_ms(time: &Json) -> i64 {
    try_at_ms(time.as_str().unwrap_or_default()).unwrap_or_else(|| panic!("no time: {time}"))
}

fn try_at_ms(text: &str) -> Option<i64> {
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<i64>().ok();
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let seconds = number(11, 13)? * 3_600 + number(14, 16)? * 60 + number(17, 19)?;
    let rest = text.get(19..)?;
    let zone = rest.find(['Z', '+', '-'])?;
    let fraction = rest.get(..zone)?.trim_start_matches('.');
    let ms = format!("{fraction:0<3}").get(..3)?.parse::<i64>().ok()?;
    let offset_s = match rest.get(zone..)? {
        "Z" => 0,
        offset => {
            let minutes = |from, to| offset.get(from..to)?.parse::<i64>().ok();
            let size = minutes(1, 3)? * 3_600 + minutes(4, 6)? * 60;
            if offset.starts_with('-') { -size } else { size }
        }
    };
    // Days since 1970 of a date in a year that begins in March, so that leap days come last.
    let (y, m) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 719_469;
    Some((days * 86_400 + seconds - offset_s) * 1_000 + ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read() {
        for (text, expected) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2026-11-20T13:00:00.25+01:00", 1_795_176_000_250),
            ("2026-11-20T07:00:00.250123-05:00", 1_795_176_000_250),
            ("2024-02-29T12:00:00Z", 1_709_208_000_000),
        ] {
            assert_eq!(at_ms(&Json::String(text.into())), expected, "{text}");
        }
    }
}
