//! From a [`SessionDescription`] to text, lines ended by CRLF in the order of RFC 8866 §5.

use super::{Attribute, ConnectionAddress, Media, Origin, SessionDescription};
use std::fmt::{Display, Formatter, Result};
use std::net::IpAddr;

impl Display for SessionDescription {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "v=0\r\n{}", self.origin)?;
        let name = if self.session_name.is_empty() { "-" } else { &self.session_name };
        write!(f, "s={name}\r\n")?;
        if let Some(connection) = &self.connection {
            write!(f, "c={connection}\r\n")?;
        }
        f.write_str("t=0 0\r\n")?;
        attributes(f, &self.attributes)?;
        self.media.iter().try_for_each(|media| media.fmt(f))
    }
}

impl Display for Origin {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "o={} {} {} {}\r\n", self.username, self.session_id, self.version, self.address)
    }
}

impl Display for ConnectionAddress {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            ConnectionAddress::Ip(IpAddr::V4(ip)) => write!(f, "IN IP4 {ip}"),
            ConnectionAddress::Ip(IpAddr::V6(ip)) => write!(f, "IN IP6 {ip}"),
            ConnectionAddress::Name(name) => write!(f, "IN IP4 {name}"),
        }
    }
}

impl Display for Media {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "m={} {} {}", self.kind, self.port, self.protocol)?;
        for format in &self.formats {
            write!(f, " {format}")?;
        }
        f.write_str("\r\n")?;
        if let Some(connection) = &self.connection {
            write!(f, "c={connection}\r\n")?;
        }
        attributes(f, &self.attributes)
    }
}

fn attributes(f: &mut Formatter<'_>, attributes: &[Attribute]) -> Result {
    for attribute in attributes {
        match &attribute.value {
            Some(value) => write!(f, "a={}:{value}\r\n", attribute.name)?,
            None => write!(f, "a={}\r\n", attribute.name)?,
        }
    }
    Ok(())
}
