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
            .timeout_connect(Some(Duration::from_secs(10)))
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

    /// `POST /api/v1/PATH` with a JSON body, for what may take as long as `within`.
    pub fn post(
        &self,
        path: &str,
        query: &[(&str, &str)],
        body: &Json,
        within: Duration,
    ) -> Result<Json, Failure> {
        let mut request = self
            .agent
            .post(format!("{}/api/v1/{path}", self.base))
            .config()
            .timeout_global(Some(within))
            .build()
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
        let base = &self.base;
        let mut response = response.map_err(|error| match error {
            // It was reached: what was asked for may still be done.
            ureq::Error::Timeout(what) if !is_of_connecting(&what) => Failure::Failed(format!(
                "{base} has not answered in time ({what}); it may still be at it: look with \
                 `hotline status` before you try again"
            )),
            error => Failure::Unreachable(format!(
                "{base} does not answer ({error}); is the server running? `hotline doctor` looks"
            )),
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

fn is_of_connecting(timeout: &ureq::Timeout) -> bool {
    matches!(timeout, ureq::Timeout::Resolve | ureq::Timeout::Connect)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    fn client(base: String) -> Client {
        let agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        Client { base, token: String::new(), tenant: None, agent }
    }

    /// The apply of a large centre was taken for a server that is not there: the command went to the
    /// store itself, and said that another hotline used it.
    #[test]
    fn a_server_that_takes_its_time_is_not_one_that_is_not_there() {
        let slow = TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}", slow.local_addr().unwrap());
        let post = |base: String| {
            client(base).post("apply", &[], &Json::Null, Duration::from_millis(300)).unwrap_err()
        };
        let failure = post(base.clone());
        assert!(matches!(failure, Failure::Failed(_)), "{failure:?}");
        assert!(failure.text().contains("may still be at it"), "{failure:?}");
        drop(slow);
        let failure = post(base);
        assert!(matches!(failure, Failure::Unreachable(_)), "{failure:?}");
    }
}
