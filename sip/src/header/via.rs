//! Via (RFC 3261 §20.42), with `received` and `rport` (RFC 3581).

use std::net::IpAddr;

use bytes::Bytes;

use super::{Expected, HeaderError, HeaderName, Params};
use crate::flow::Transport;
use crate::grammar::{is_token_byte, number, skip_space};
use crate::uri::{parse_address, read_host};

/// The magic cookie that begins the branch of an RFC 3261 peer (§8.1.1.7).
pub const BRANCH_COOKIE: &str = "z9hG4bK";

/// One Via value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Via {
    text: Bytes,
    transport: (usize, usize),
    host: (usize, usize),
    /// The port of sent-by, if one is written.
    pub port: Option<u16>,
    /// The parameters.
    pub params: Params,
}

impl Via {
    /// Reads one value: `SIP / 2.0 / UDP host:port;params`, with space where the grammar has it.
    pub fn parse(value: Bytes) -> Result<Self, HeaderError> {
        let bad = || HeaderError::new(HeaderName::Via, Expected::Via);
        let at = skip_space(&value, 0);
        let (_, name_end) = read_token(&value, at).ok_or_else(bad)?;
        let at = skip_slash(&value, name_end).ok_or_else(bad)?;
        let (_, version_end) = read_token(&value, at).ok_or_else(bad)?;
        let at = skip_slash(&value, version_end).ok_or_else(bad)?;
        let transport = read_token(&value, at).ok_or_else(bad)?;
        let at = skip_space(&value, transport.1);
        if at == transport.1 {
            return Err(bad());
        }
        let (host_end, after) = read_host(&value, at).ok_or_else(bad)?;
        let host = (at, host_end);
        let mut at = skip_space(&value, after);
        let mut port = None;
        if value.get(at) == Some(&b':') {
            let from = skip_space(&value, at + 1);
            at = from;
            while value.get(at).is_some_and(u8::is_ascii_digit) {
                at += 1;
            }
            let digits = value.get(from..at).unwrap_or_default();
            let read = number(digits).and_then(|port| u16::try_from(port).ok());
            port = Some(read.filter(|&port| port != 0).ok_or_else(bad)?);
            at = skip_space(&value, at);
        }
        let params = Params::parse(value.slice(at.min(value.len())..))
            .ok_or(HeaderError::new(HeaderName::Via, Expected::Params))?;
        Ok(Self { text: value, transport, host, port, params })
    }

    fn span(&self, span: (usize, usize)) -> &[u8] {
        self.text.get(span.0..span.1).unwrap_or_default()
    }

    /// The whole value as it was written.
    pub fn as_bytes(&self) -> &[u8] {
        &self.text
    }

    /// The transport as written.
    pub fn transport_name(&self) -> &[u8] {
        self.span(self.transport)
    }

    /// The transport, if it is one we speak.
    pub fn transport(&self) -> Option<Transport> {
        Transport::from_bytes(self.transport_name())
    }

    /// The host of sent-by as written; an IPv6 address keeps its brackets.
    pub fn host(&self) -> &str {
        std::str::from_utf8(self.span(self.host)).unwrap_or_default()
    }

    /// The host of sent-by, if it is an address.
    pub fn host_address(&self) -> Option<IpAddr> {
        parse_address(self.host())
    }

    /// `host:port` as written, for matching transactions of RFC 2543 peers and sent-by
    /// (RFC 3261 §17.2.3): host without case, port as written.
    pub fn sent_by(&self) -> (&str, Option<u16>) {
        (self.host(), self.port)
    }

    /// The `branch`, whole.
    pub fn branch(&self) -> Option<Bytes> {
        self.params.value("branch").map(|branch| self.params.shared(branch))
    }

    /// Whether the branch was made by an RFC 3261 peer and carries something after the cookie.
    /// The bare cookie (RFC 4475 §3.2.1) does not identify a transaction.
    pub fn has_magic_cookie(&self) -> bool {
        self.params.value("branch").is_some_and(|branch| {
            branch.len() > BRANCH_COOKIE.len() && branch.starts_with(BRANCH_COOKIE.as_bytes())
        })
    }

    /// The `received` address; RFC 5118 §4.5 lets IPv6 stand with or without brackets.
    pub fn received(&self) -> Option<IpAddr> {
        parse_address(std::str::from_utf8(self.params.value("received")?).ok()?)
    }

    /// `rport`: `None` absent, `Some(None)` asked for, `Some(Some(port))` filled in.
    pub fn rport(&self) -> Option<Option<u16>> {
        let param = self.params.get("rport")?;
        let port = param.value.and_then(number).and_then(|port| u16::try_from(port).ok());
        Some(port)
    }

    /// The `maddr` parameter as written.
    pub fn maddr(&self) -> Option<&[u8]> {
        self.params.value("maddr")
    }
}

fn read_token(text: &[u8], at: usize) -> Option<(usize, usize)> {
    let mut end = at;
    while text.get(end).is_some_and(|&byte| is_token_byte(byte)) {
        end += 1;
    }
    (end > at).then_some((at, end))
}

fn skip_slash(text: &[u8], at: usize) -> Option<usize> {
    let at = skip_space(text, at);
    (text.get(at) == Some(&b'/')).then(|| skip_space(text, at + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn via(text: &'static str) -> Result<Via, HeaderError> {
        Via::parse(Bytes::from_static(text.as_bytes()))
    }

    #[test]
    fn shapes() {
        let spaced =
            via("SIP  /    2.0   / UDP  192.168.255.111   ; branch= z9hG4bK30239").unwrap();
        assert_eq!(spaced.transport(), Some(Transport::Udp));
        assert_eq!(spaced.sent_by(), ("192.168.255.111", None));
        assert_eq!(spaced.branch().unwrap(), "z9hG4bK30239");
        let v6 = via("SIP/2.0/UDP [2001:db8::9:1]:6050;received=2001:db8::9:255;rport").unwrap();
        assert_eq!(v6.sent_by(), ("[2001:db8::9:1]", Some(6050)));
        assert_eq!(v6.received(), Some("2001:db8::9:255".parse().unwrap()));
        assert_eq!(v6.rport(), Some(None));
        assert!(!via("SIP/2.0/UDP h;branch=z9hG4bK").unwrap().has_magic_cookie());
        assert_eq!(via("SIP/2.0/UNKNOWN t4.example.com").unwrap().transport(), None);
    }

    #[test]
    fn broken_ones_are_refused() {
        for text in
            ["", "SIP/2.0/UDP", "SIP/2.0 UDP h", "SIP/2.0/UDP h:0", "SIP/2.0/UDP h:99999", "UDP h"]
        {
            let expected = HeaderError::new(HeaderName::Via, Expected::Via);
            assert_eq!(via(text), Err(expected), "{text}");
        }
        let params = HeaderError::new(HeaderName::Via, Expected::Params);
        assert_eq!(via("SIP/2.0/UDP 192.0.2.15;;,;,,"), Err(params));
    }
}
