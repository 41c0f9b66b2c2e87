//! [`Problem`]: errors as RFC 9457 problem details with stable codes.

use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use hotline_engine::input::Refusal;
use serde_json::json;

/// Most that is said of what went wrong, in bytes.
const DETAIL_BYTES_MAX: usize = 4_096;

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

/// What was refused before any of our code saw it (a path that cannot be read, a body too large, a
/// time-out) is a problem like all others.
pub async fn as_problem(response: Response) -> Response {
    let status = response.status();
    let kind = response.headers().get(header::CONTENT_TYPE);
    let is_plain = kind.is_none_or(|kind| kind.as_bytes().starts_with(b"text/plain"));
    let code = match status {
        StatusCode::BAD_REQUEST => "invalid_request",
        StatusCode::PAYLOAD_TOO_LARGE => "body_too_large",
        StatusCode::GATEWAY_TIMEOUT => "timeout",
        StatusCode::UNSUPPORTED_MEDIA_TYPE => "unsupported_media_type",
        status if status.is_client_error() => "refused",
        status if status == StatusCode::INTERNAL_SERVER_ERROR => "internal",
        _ => return response,
    };
    // `readyz` speaks plainly, with a status of its own (503).
    if !is_plain {
        return response;
    }
    let text = axum::body::to_bytes(response.into_body(), DETAIL_BYTES_MAX).await;
    let text = text.map(|text| String::from_utf8_lossy(&text).trim().to_string());
    let detail = text.ok().filter(|text| !text.is_empty()).unwrap_or_else(|| match status {
        StatusCode::GATEWAY_TIMEOUT => "it was not done in time; it may still be done".into(),
        _ => status.canonical_reason().unwrap_or("refused").to_string(),
    });
    Problem::new(status, code, detail).into_response()
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
