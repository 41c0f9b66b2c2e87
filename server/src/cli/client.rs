//! A client of the server's own API.

use super::{Api, Failure};
use crate::config::NodeConfig;
use serde_json::Value as Json;
use std::time::Duration;

/// A client with address and token.
pub struct Client {
    base: String,
    token: String,
    tenant: Option<String>,
    agent: ureq::Agent,
}

impl Client {
    /// A client from the command's options, else from the node file.
    pub fn new(api: &Api, config: &NodeConfig) -> Result<Client, Failure> {
        let base = api.api.clone().unwrap_or_else(|| format!("http://{}", config.http_listen));
        let file = api.token_file.as_ref().unwrap_or(&config.admin_token_file);
        let token = match std::fs::read_to_string(file) {
            Ok(token) => token.trim().to_string(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(Failure::Unreachable(format!(
                    "no token at {}: the server writes it when it first starts; start it with \
                     `hotline serve`, or name the file with --token-file",
                    file.display()
                )));
            }
            Err(error) => {
                return Err(Failure::Failed(format!(
                    "{}: {error}; run as the user the server runs as, or name the file with --token-file",
                    file.display()
                )));
            }
        };
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(20)))
            .build()
            .into();
        Ok(Client { base, token, tenant: api.tenant.clone(), agent })
    }

    /// `GET /api/v1/PATH` with query parameters.
    pub fn get(&self, path: &str, query: &[(&str, &str)]) -> Result<Json, Failure> {
        let mut request = self
            .agent
            .get(format!("{}/api/v1/{path}", self.base))
            .header("authorization", format!("Bearer {}", self.token));
        for (key, value) in query {
            request = request.query(key, value);
        }
        if let Some(tenant) = &self.tenant {
            request = request.query("tenant", tenant);
        }
        self.answer(request.call())
    }

    /// `POST /api/v1/PATH` with a JSON body.
    pub fn post(&self, path: &str, query: &[(&str, &str)], body: &Json) -> Result<Json, Failure> {
        let mut request = self
            .agent
            .post(format!("{}/api/v1/{path}", self.base))
            .header("authorization", format!("Bearer {}", self.token));
        for (key, value) in query {
            request = request.query(key, value);
        }
        self.answer(request.send_json(body))
    }

    fn answer(
        &self,
        response: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
    ) -> Result<Json, Failure> {
        let mut response = response.map_err(|error| {
            Failure::Unreachable(format!(
                "{} does not answer ({error}); is the server running? `hotline doctor` looks",
                self.base
            ))
        })?;
        let status = response.status().as_u16();
        let body: Json = response.body_mut().read_json().unwrap_or(Json::Null);
        if (200..300).contains(&status) {
            return Ok(body);
        }
        let detail = body.get("detail").or_else(|| body.get("title")).and_then(Json::as_str);
        Err(Failure::Failed(match detail {
            Some(detail) => detail.to_string(),
            None => format!("{} answers {status}", self.base),
        }))
    }
}
