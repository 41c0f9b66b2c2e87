//! Finding the session description in a SIP body (RFC 5621 §3, RFC 2046 §5.1).

use thiserror::Error;

/// Most parts of a multipart body that are looked at; the rest is not read.
const PARTS_MAX: usize = 16;

/// Why a multipart body holds no session description; the peer's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum MultipartError {
    /// The media type is neither `application/sdp` nor `multipart/…`.
    #[error("expected application/sdp or a multipart body")]
    NotSdp,
    /// `multipart/…` without a usable `boundary`.
    #[error("expected a boundary of 1–70 characters")]
    NoBoundary,
    /// No part is `application/sdp`.
    #[error("expected a part of type application/sdp")]
    NoSdpPart,
}

/// The session description in a body of this `Content-Type`: the body itself for
/// `application/sdp`, the first such part of a `multipart/mixed` (or other multipart) body.
///
/// # Errors
/// [`MultipartError`], answered with 415 by the caller unless the body is optional.
pub fn find_in_body<'a>(content_type: &str, body: &'a [u8]) -> Result<&'a [u8], MultipartError> {
    if media_type_is(content_type, "application/sdp") {
        return Ok(body);
    }
    let is_multipart = content_type
        .trim_start()
        .get(..10)
        .is_some_and(|start| start.eq_ignore_ascii_case("multipart/"));
    if !is_multipart {
        return Err(MultipartError::NotSdp);
    }
    let boundary = boundary(content_type).ok_or(MultipartError::NoBoundary)?;
    parts(body, boundary)
        .take(PARTS_MAX)
        .find_map(|part| {
            let (headers, content) = split_headers(part);
            is_sdp(headers).then_some(content)
        })
        .ok_or(MultipartError::NoSdpPart)
}

fn media_type_is(content_type: &str, wanted: &str) -> bool {
    content_type.split(';').next().is_some_and(|media| media.trim().eq_ignore_ascii_case(wanted))
}

fn boundary(content_type: &str) -> Option<&str> {
    let value = content_type.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("boundary").then_some(value.trim())
    })?;
    let value = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(value);
    (1..=70).contains(&value.len()).then_some(value)
}

/// The parts between the delimiter lines, without the line ends that belong to the delimiters.
fn parts<'a, 'b>(
    body: &'a [u8],
    boundary: &'b str,
) -> impl Iterator<Item = &'a [u8]> + use<'a, 'b> {
    let mut rest = body;
    let mut part_begin: Option<&'a [u8]> = None;
    let mut offset_in_part = 0;
    std::iter::from_fn(move || {
        while !rest.is_empty() {
            let line_end =
                rest.iter().position(|&byte| byte == b'\n').map_or(rest.len(), |at| at + 1);
            let (line, after) = rest.split_at(line_end);
            rest = after;
            let is_delimiter = line
                .strip_prefix(b"--")
                .and_then(|line| line.strip_prefix(boundary.as_bytes()))
                .is_some_and(|tail| {
                    let tail = tail.trim_ascii();
                    tail.is_empty() || tail == b"--"
                });
            if is_delimiter {
                let part = part_begin.and_then(|begin| begin.get(..offset_in_part));
                part_begin = Some(rest);
                offset_in_part = 0;
                if let Some(part) = part {
                    return Some(without_line_end(part));
                }
            } else {
                offset_in_part += line_end;
            }
        }
        // A body cut before its last delimiter still gives its last part.
        part_begin.take().filter(|part| !part.is_empty())
    })
}

fn without_line_end(part: &[u8]) -> &[u8] {
    let part = part.strip_suffix(b"\n").unwrap_or(part);
    part.strip_suffix(b"\r").unwrap_or(part)
}

fn split_headers(part: &[u8]) -> (&[u8], &[u8]) {
    let mut at = 0;
    while let Some(length) = part[at..].iter().position(|&byte| byte == b'\n') {
        let line = part[at..at + length].trim_ascii();
        at += length + 1;
        if line.is_empty() {
            return part.split_at(at);
        }
    }
    (part, &[])
}

fn is_sdp(headers: &[u8]) -> bool {
    headers.split(|&byte| byte == b'\n').any(|line| {
        let Ok(line) = std::str::from_utf8(line) else { return false };
        let Some((name, value)) = line.split_once(':') else { return false };
        let name = name.trim();
        (name.eq_ignore_ascii_case("content-type") || name.eq_ignore_ascii_case("c"))
            && media_type_is(value, "application/sdp")
    })
}
