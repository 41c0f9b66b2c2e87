//! From bytes to a [`SessionDescription`].

use super::{
    ATTRIBUTES_MAX, Attribute, BODY_BYTES_MAX, ConnectionAddress, FORMATS_MAX, MEDIA_MAX, Media,
    Origin, SessionDescription,
};
use thiserror::Error;

/// Why a body is no usable session description; the peer's fault in each case.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SdpError {
    /// Longer than [`BODY_BYTES_MAX`].
    #[error("the body has {0} bytes; at most {BODY_BYTES_MAX} are read")]
    TooLong(usize),
    /// The first line is not `v=0`.
    #[error("expected v=0 as the first line")]
    Version,
    /// There is no `o=` line.
    #[error("expected an o= line")]
    NoOrigin,
    /// An `o=`, `c=` or `m=` line cannot be read.
    #[error("line {line}: cannot read this {kind}= line")]
    Malformed {
        /// Which line, from 1.
        line: usize,
        /// Its type letter.
        kind: char,
    },
    /// More than [`MEDIA_MAX`] `m=` lines.
    #[error("more than {MEDIA_MAX} m= lines")]
    TooManyMedia,
    /// More than [`FORMATS_MAX`] formats in an `m=` line.
    #[error("more than {FORMATS_MAX} formats in an m= line")]
    TooManyFormats,
    /// More than [`ATTRIBUTES_MAX`] `a=` lines.
    #[error("more than {ATTRIBUTES_MAX} a= lines")]
    TooManyAttributes,
}

pub(super) fn parse(body: &[u8]) -> Result<SessionDescription, SdpError> {
    if body.len() > BODY_BYTES_MAX {
        return Err(SdpError::TooLong(body.len()));
    }
    let text = String::from_utf8_lossy(body);
    let mut reader = Reader::default();
    let mut begun = false;
    for (index, line) in text.split('\n').enumerate() {
        let line = line.strip_suffix('\r').unwrap_or(line).trim_end_matches('\0');
        // Some peers put an empty line before or after the description.
        if line.trim().is_empty() {
            continue;
        }
        if !begun {
            if line.trim_end() != "v=0" {
                return Err(SdpError::Version);
            }
            begun = true;
            continue;
        }
        let Some((kind, value)) = type_and_value(line) else { continue };
        reader.line(kind, value).map_err(|fault| match fault {
            Fault::Unreadable => SdpError::Malformed { line: index + 1, kind },
            Fault::Limit(error) => error,
        })?;
    }
    if !begun {
        return Err(SdpError::Version);
    }
    reader.finish()
}

enum Fault {
    Unreadable,
    Limit(SdpError),
}

#[derive(Default)]
struct Reader {
    origin: Option<Origin>,
    session_name: Option<String>,
    connection: Option<ConnectionAddress>,
    attributes: Vec<Attribute>,
    media: Vec<Media>,
    attributes_seen: usize,
}

impl Reader {
    fn line(&mut self, kind: char, value: &str) -> Result<(), Fault> {
        match kind {
            'o' if self.origin.is_none() => {
                self.origin = Some(origin(value).ok_or(Fault::Unreadable)?);
            }
            's' if self.session_name.is_none() => self.session_name = Some(value.to_owned()),
            'c' => {
                let slot = match self.media.last_mut() {
                    Some(media) => &mut media.connection,
                    None => &mut self.connection,
                };
                // Several c= lines of one section are layers of multicast; the first counts.
                if slot.is_none() {
                    *slot = Some(connection(value).ok_or(Fault::Unreadable)?);
                }
            }
            'm' => {
                if self.media.len() == MEDIA_MAX {
                    return Err(Fault::Limit(SdpError::TooManyMedia));
                }
                self.media.push(media(value)?);
            }
            'a' => {
                self.attributes_seen += 1;
                if self.attributes_seen > ATTRIBUTES_MAX {
                    return Err(Fault::Limit(SdpError::TooManyAttributes));
                }
                let attributes = match self.media.last_mut() {
                    Some(media) => &mut media.attributes,
                    None => &mut self.attributes,
                };
                attributes.push(attribute(value));
            }
            // b=, t=, r=, z=, i=, u=, e=, p=, k= and whatever comes: nothing we act on.
            _ => {}
        }
        Ok(())
    }

    fn finish(self) -> Result<SessionDescription, SdpError> {
        Ok(SessionDescription {
            origin: self.origin.ok_or(SdpError::NoOrigin)?,
            session_name: self.session_name.unwrap_or_default().into(),
            connection: self.connection,
            attributes: self.attributes,
            media: self.media,
        })
    }
}

fn type_and_value(line: &str) -> Option<(char, &str)> {
    let (kind, value) = line.trim_start().split_once('=')?;
    let mut letters = kind.trim().chars();
    let letter = letters.next()?;
    letters.next().is_none().then_some((letter, value.trim()))
}

fn origin(value: &str) -> Option<Origin> {
    let words: Vec<&str> = value.split_ascii_whitespace().collect();
    // A user name with blanks is against the grammar but is sent: read from the end.
    let [username @ .., session_id, version, _network, family, address] = words.as_slice() else {
        return None;
    };
    Some(Origin {
        username: username.first().copied().unwrap_or("-").into(),
        session_id: number(session_id),
        version: number(version),
        address: connection_address(family, address)?,
    })
}

fn number(digits: &str) -> u64 {
    if digits.bytes().all(|byte| byte.is_ascii_digit()) {
        digits.parse().unwrap_or(u64::MAX)
    } else {
        0
    }
}

fn connection(value: &str) -> Option<ConnectionAddress> {
    let mut words = value.split_ascii_whitespace();
    let network = words.next()?;
    let (family, address) = (words.next()?, words.next()?);
    network.eq_ignore_ascii_case("IN").then(|| connection_address(family, address))?
}

fn connection_address(family: &str, address: &str) -> Option<ConnectionAddress> {
    let is_v6 = family.eq_ignore_ascii_case("IP6");
    if !is_v6 && !family.eq_ignore_ascii_case("IP4") {
        return None;
    }
    let bare = address.split('/').next()?.trim_start_matches('[').trim_end_matches(']');
    if bare.is_empty() {
        return None;
    }
    // The address itself says its family; a wrong IP4/IP6 before it does no harm.
    Some(match bare.parse() {
        Ok(ip) => ConnectionAddress::Ip(ip),
        Err(_) => ConnectionAddress::Name(bare.into()),
    })
}

fn media(value: &str) -> Result<Media, Fault> {
    let mut words = value.split_ascii_whitespace();
    let (Some(kind), Some(port), Some(protocol)) = (words.next(), words.next(), words.next())
    else {
        return Err(Fault::Unreadable);
    };
    let port = port.split('/').next().unwrap_or(port).parse().map_err(|_| Fault::Unreadable)?;
    let mut formats = Vec::new();
    for format in words {
        if formats.len() == FORMATS_MAX {
            return Err(Fault::Limit(SdpError::TooManyFormats));
        }
        formats.push(format.into());
    }
    Ok(Media {
        kind: kind.to_ascii_lowercase().into(),
        port,
        protocol: protocol.into(),
        formats,
        connection: None,
        attributes: Vec::new(),
    })
}

fn attribute(value: &str) -> Attribute {
    match value.split_once(':') {
        Some((name, value)) => Attribute::with(name.trim(), value.trim()),
        None => Attribute::flag(value),
    }
}
