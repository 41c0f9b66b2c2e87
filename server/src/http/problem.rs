//! [`Problem`]: errors as RFC 9457 problem details with stable codes.

use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use hotline_engine::input::Refusal;
use serde_json::json;

/// Why a request was not done.
#[derive(Debug)]
pub struct Problem {
    status: StatusCode,
    code: String,
    detail: String,
}

impl Problem {
    /// A problem with a stable code and one line a person can act on.
    pub fn new(status: StatusCode, code: &str, detail: String) -> Problem {
        Problem { status, code: code.into(), detail }
    }

    /// Something of ours failed; the details are in the log.
    pub fn internal(error: &dyn std::fmt::Display) -> Problem {
        tracing::error!(%error, "a request of the API failed");
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", error.to_string())
    }

    /// A parameter is wrong.
    pub fn parameter(name: &str, value: &str, allowed: &str) -> Problem {
        let text = format!("{name} = {value:?}; allowed {allowed}");
        Problem::new(StatusCode::BAD_REQUEST, "invalid_parameter", text)
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Problem {
        let status = StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::BAD_REQUEST);
        Problem { status, code: refusal.code, detail: refusal.text }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = json!({
            "type": format!("urn:hotline:problem:{}", self.code),
            "title": self.status.canonical_reason().unwrap_or("Error"),
            "status": self.status.as_u16(),
            "code": self.code,
            "detail": self.detail,
        });
        let kind = [(header::CONTENT_TYPE, "application/problem+json")];
        (self.status, kind, Json(body)).into_response()
    }
}
