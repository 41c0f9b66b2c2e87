//! Bodies that are too large: refused by their announced size, so that the client gets an answer.
//!
//! Owns: how large the body of a path may be, and what becomes of one that is larger. Does not own:
//! bodies without a `Content-Length` (their readers count).

use super::problem::Problem;
use super::prompts::UPLOAD_BYTES_MAX;
use super::{BODY_MAX, HttpRequest};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http_body_util::BodyExt;

/// How much of a refused body is read and thrown away, bytes. A client that is cut off while it
/// sends sees a broken connection, and not why.
const THROWN_AWAY_MAX: usize = 128 * 1024 * 1024;

/// Refuses what announces more than its path takes (RFC 9110 §15.5.14).
pub async fn refuse_too_large(request: HttpRequest, next: Next) -> Response {
    let path = request.uri().path();
    let most = match path.contains("/prompts/") || path.contains("/tones/") {
        true => UPLOAD_BYTES_MAX,
        false => BODY_MAX,
    };
    let given = request.headers().get(header::CONTENT_LENGTH);
    let given: Option<usize> = given.and_then(|given| given.to_str().ok()?.parse().ok());
    let Some(given) = given.filter(|given| *given > most) else {
        return next.run(request).await;
    };
    let mut body = request.into_body();
    let mut read = 0;
    while let Some(Ok(frame)) = body.frame().await {
        read += frame.data_ref().map_or(0, |data| data.len());
        if read > THROWN_AWAY_MAX {
            break;
        }
    }
    let text = format!("the body has {given} bytes; allowed {most}");
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", text).into_response()
}
