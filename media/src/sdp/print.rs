//! From a [`SessionDescription`] to text, lines ended by CRLF in the order of RFC 8866 §5.

use super::{Attribute, ConnectionAddress, Media, SessionDescription};
use hotline_base::text::{push_ip, push_number};
use std::fmt::{Display, Formatter, Result};
use std::net::IpAddr;

/// About as long as descriptions of ours are, in bytes.
const USUAL_BYTES: usize = 320;

impl Display for SessionDescription {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(&self.to_text())
    }
}

impl SessionDescription {
    /// As it stands in a body.
    pub fn to_text(&self) -> String {
        let mut out = String::with_capacity(USUAL_BYTES);
        let origin = &self.origin;
        out.push_str("v=0\r\no=");
        out.push_str(&origin.username);
        out.push(' ');
        push_number(&mut out, origin.session_id);
        out.push(' ');
        push_number(&mut out, origin.version);
        out.push(' ');
        push_address(&mut out, &origin.address);
        out.push_str("\r\ns=");
        out.push_str(if self.session_name.is_empty() { "-" } else { &self.session_name });
        out.push_str("\r\n");
        push_connection(&mut out, self.connection.as_ref());
        out.push_str("t=0 0\r\n");
        push_attributes(&mut out, &self.attributes);
        for media in &self.media {
            push_media(&mut out, media);
        }
        out
    }
}

impl Display for ConnectionAddress {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let mut out = String::new();
        push_address(&mut out, self);
        f.write_str(&out)
    }
}

fn push_address(out: &mut String, address: &ConnectionAddress) {
    match address {
        ConnectionAddress::Ip(ip) => {
            out.push_str(if matches!(ip, IpAddr::V4(_)) { "IN IP4 " } else { "IN IP6 " });
            push_ip(out, *ip);
        }
        ConnectionAddress::Name(name) => {
            out.push_str("IN IP4 ");
            out.push_str(name);
        }
    }
}

fn push_connection(out: &mut String, connection: Option<&ConnectionAddress>) {
    if let Some(connection) = connection {
        out.push_str("c=");
        push_address(out, connection);
        out.push_str("\r\n");
    }
}

fn push_media(out: &mut String, media: &Media) {
    out.push_str("m=");
    out.push_str(&media.kind);
    out.push(' ');
    push_number(out, media.port.into());
    out.push(' ');
    out.push_str(&media.protocol);
    for format in &media.formats {
        out.push(' ');
        out.push_str(format);
    }
    out.push_str("\r\n");
    push_connection(out, media.connection.as_ref());
    push_attributes(out, &media.attributes);
}

fn push_attributes(out: &mut String, attributes: &[Attribute]) {
    for attribute in attributes {
        out.push_str("a=");
        out.push_str(&attribute.name);
        if let Some(value) = &attribute.value {
            out.push(':');
            out.push_str(value);
        }
        out.push_str("\r\n");
    }
}
