//! [`Message`]: a SIP message as text, as far as a test's phone needs to read and write one.

/// A SIP message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The start line.
    pub start: String,
    /// Header fields in order.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
}

impl Message {
    /// Reads a whole message.
    pub fn parse(bytes: &[u8]) -> Option<Message> {
        let text = String::from_utf8_lossy(bytes);
        let (head, body) = text.split_once("\r\n\r\n")?;
        let mut lines = head.split("\r\n");
        let start = lines.next()?.to_owned();
        let headers = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned()))
            .collect();
        Some(Message { start, headers, body: body.to_owned() })
    }

    /// The status of a response.
    pub fn status(&self) -> Option<u16> {
        self.start.strip_prefix("SIP/2.0 ")?.get(..3)?.parse().ok()
    }

    /// The method of a request.
    pub fn method(&self) -> Option<&str> {
        match self.status() {
            Some(_) => None,
            None => self.start.split(' ').next(),
        }
    }

    /// The Request-URI of a request.
    pub fn request_uri(&self) -> &str {
        self.start.split(' ').nth(1).unwrap_or_default()
    }

    /// Every value of a header.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let is_named = move |(found, _): &&(String, String)| found.eq_ignore_ascii_case(name);
        self.headers.iter().filter(is_named).map(|(_, value)| value.as_str())
    }

    /// The first value of a header, empty if there is none.
    pub fn header(&self, name: &str) -> &str {
        let field = self.headers.iter().find(|(found, _)| found.eq_ignore_ascii_case(name));
        field.map_or("", |(_, value)| value)
    }

    /// The method that CSeq names.
    pub fn cseq_method(&self) -> &str {
        self.header("CSeq").split(' ').nth(1).unwrap_or_default()
    }

    /// The number of CSeq.
    pub fn cseq(&self) -> u32 {
        self.header("CSeq").split(' ').next().and_then(|n| n.parse().ok()).unwrap_or_default()
    }

    /// The branch of the top Via.
    pub fn branch(&self) -> &str {
        parameter(self.header("Via"), "branch")
    }

    /// The Q.850 cause of Reason (RFC 3326).
    pub fn q850(&self) -> Option<u16> {
        let reason = self.all("Reason").find(|value| value.starts_with("Q.850"))?;
        parameter(reason, "cause").parse().ok()
    }

    /// Address and port of the audio stream in the SDP body.
    pub fn audio(&self) -> Option<std::net::SocketAddr> {
        let line = |prefix: &str| self.body.lines().find_map(|line| line.strip_prefix(prefix));
        let address = line("c=IN IP4 ")?.trim().parse().ok()?;
        let port = line("m=audio ")?.split(' ').next()?.parse().ok()?;
        Some(std::net::SocketAddr::new(address, port))
    }

    /// The payload type that the SDP body gives an encoding.
    pub fn payload_type(&self, encoding: &str) -> Option<u8> {
        let maps = self.body.lines().filter_map(|line| line.strip_prefix("a=rtpmap:"));
        let mut pairs = maps.filter_map(|map| map.split_once(' '));
        let (number, _) = pairs.find(|(_, name)| name.starts_with(encoding))?;
        number.parse().ok()
    }

    /// As it goes over the wire.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut text = format!("{}\r\n", self.start);
        for (name, value) in &self.headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str(&format!("Content-Length: {}\r\n\r\n{}", self.body.len(), self.body));
        text.into_bytes()
    }
}

/// A parameter of a header's value, empty if it is not there.
pub fn parameter<'a>(value: &'a str, name: &str) -> &'a str {
    value
        .split(';')
        .skip(1)
        .find_map(|part| {
            let (key, value) = part.trim().split_once('=')?;
            key.trim().eq_ignore_ascii_case(name).then(|| value.trim())
        })
        .unwrap_or_default()
}

/// The URI between the angle brackets of a header's value.
pub fn uri_of(value: &str) -> &str {
    value.split_once('<').and_then(|(_, rest)| rest.split_once('>')).map_or(value, |(uri, _)| uri)
}

/// SDP of one audio stream: A-law, µ-law and telephone-event.
pub fn sdp(audio: std::net::SocketAddr, direction: &str) -> String {
    let codecs = [(8, "PCMA"), (0, "PCMU"), (101, "telephone-event")];
    sdp_of(audio, direction, &codecs)
}

/// SDP of one audio stream with these payload types and encodings, the first preferred.
pub fn sdp_of(audio: std::net::SocketAddr, direction: &str, codecs: &[(u8, &str)]) -> String {
    let (ip, port) = (audio.ip(), audio.port());
    let numbers: String = codecs.iter().map(|(number, _)| format!(" {number}")).collect();
    let maps: String =
        codecs.iter().map(|(number, name)| format!("a=rtpmap:{number} {name}/8000\r\n")).collect();
    format!(
        "v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\n\
         m=audio {port} RTP/AVP{numbers}\r\n{maps}a=ptime:20\r\na={direction}\r\n"
    )
}
