//! The torture messages of RFC 4475 and RFC 5118 against the message layer, as
//! `tests/torture/expectations.toml` says.

#![allow(clippy::disallowed_methods, reason = "the torture messages are files")]

use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use hotline_sip::build::ResponseBuilder;
use hotline_sip::header::{Contact, HeaderName};
use hotline_sip::validate::{unsupported, validate_request, validate_response};
use hotline_sip::{Message, Method, Transport};

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/torture")
}

fn read(file: &str) -> Bytes {
    fs::read(directory().join(file)).unwrap_or_else(|error| panic!("{file}: {error}")).into()
}

fn parse(file: &str) -> Message {
    Message::parse(read(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// What the message layer makes of it: "ok", a status, "dropped".
fn judge(input: Bytes) -> String {
    let refused = match Message::parse(input) {
        Err(error) if error.answerable().is_some() => return error.status().to_string(),
        Err(_) => return "dropped".to_owned(),
        Ok(message) if message.is_request() => validate_request(&message).map_err(|r| r.status),
        Ok(message) => return validate_response(&message).map_or("dropped", |()| "ok").to_owned(),
    };
    refused.map_or_else(|status| status.to_string(), |()| "ok".to_owned())
}

#[test]
fn every_message_gets_its_verdict_and_its_reason() {
    let text = fs::read_to_string(directory().join("expectations.toml")).unwrap();
    let table: toml::Table = text.parse().unwrap();
    let entries = table["message"].as_array().unwrap();
    let mut files = Vec::new();
    for entry in entries {
        let text = |key: &str| entry.get(key).and_then(|value| value.as_str());
        let file = text("file").unwrap();
        let verdict = text("verdict").unwrap();
        let expected = match (text("layer"), verdict) {
            (Some(layer), _) => layer.to_owned(),
            (None, "processed") => "ok".to_owned(),
            (None, "refused") => entry["status"].as_integer().unwrap().to_string(),
            (None, verdict) => panic!("{file}: {verdict} needs a layer"),
        };
        assert_eq!(judge(read(file)), expected, "{file} ({})", text("section").unwrap());
        assert!(text("why").is_some_and(|why| why.ends_with('.')), "{file} has no reason");
        files.push(file.to_owned());
    }
    for suite in ["rfc4475", "rfc5118"] {
        for found in fs::read_dir(directory().join(suite)).unwrap() {
            let name = found.unwrap().file_name().into_string().unwrap();
            let file = format!("{suite}/{name}");
            assert!(files.contains(&file), "{file} has no expectation");
        }
    }
    assert_eq!(files.len(), 50 + 12);
}

#[test]
fn whatever_can_be_answered_gets_a_response_that_is_itself_sound() {
    let text = fs::read_to_string(directory().join("expectations.toml")).unwrap();
    let table: toml::Table = text.parse().unwrap();
    for entry in table["message"].as_array().unwrap() {
        let file = entry["file"].as_str().unwrap();
        let parsed = Message::parse(read(file));
        let request = match &parsed {
            Ok(message) if message.is_request() => message,
            Err(error) if error.answerable().is_some() => error.answerable().unwrap(),
            _ => continue,
        };
        let response = ResponseBuilder::new(request, 400)
            .source("192.0.2.1:5060".parse().unwrap())
            .to_tag("ours")
            .finish()
            .unwrap_or_else(|error| panic!("{file}: {error}"));
        let response = Message::parse(response).unwrap_or_else(|error| panic!("{file}: {error}"));
        for name in [HeaderName::Via, HeaderName::CallId, HeaderName::CSeq, HeaderName::From] {
            let values = |message: &Message| message.headers(name).count().min(1);
            assert_eq!(values(&response), values(request), "{file}: {name}");
        }
        assert!(response.body().is_empty());
    }
}

#[test]
fn a_short_tortuous_invite() {
    let invite = parse("rfc4475/wsinv.dat");
    assert_eq!(invite.method(), Some(&Method::Invite));
    assert!(invite.request_uri().unwrap().has_param("unknownparam"));
    let to = invite.to().unwrap();
    assert_eq!(to.uri.to_string(), "sip:vivekg@chair-dnrc.example.com");
    assert_eq!(to.tag().unwrap(), "1918181833n");
    let from = invite.from().unwrap();
    assert_eq!(from.display_name().unwrap(), r#"J Rosenberg \""#);
    assert_eq!(from.tag().unwrap(), "98asjd8");
    assert_eq!(invite.max_forwards(), Ok(Some(68)));
    assert_eq!(invite.cseq().unwrap().to_string(), "9 INVITE");
    let vias = invite.vias().collect::<Result<Vec<_>, _>>().unwrap();
    let hosts: Vec<_> = vias.iter().map(|via| via.host()).collect();
    assert_eq!(hosts, ["192.0.2.2", "spindle.example.com", "192.168.255.111"]);
    assert_eq!(vias[1].transport(), Some(Transport::Tcp));
    let branches: Vec<_> = vias.iter().map(|via| via.branch().unwrap()).collect();
    assert_eq!(branches, ["390skdjuw", "z9hG4bK9ikj8", "z9hG4bK30239"]);
    assert_eq!(invite.header(HeaderName::Subject), Some(&b""[..]));
    let contact = invite.contact().unwrap();
    assert_eq!(contact.display_name().unwrap(), r#"Quoted string """#);
    assert_eq!(contact.params.value("newparam"), Some(&b"newvalue"[..]));
    assert!(contact.params.has("secondparam"));
    assert_eq!(contact.q_thousandths(), 330);
    let odd = invite.headers_named("unknownheaderwithunusualvalue").next();
    assert_eq!(odd, Some(&b";;,,;;,;"[..]));
    let folded = invite.headers_named("NewFangledHeader").next().unwrap();
    assert_eq!(folded, b"newfangled value   continued newfangled value");
    assert_eq!(invite.as_bytes(), &read("rfc4475/wsinv.dat")[..]);
    assert_eq!(invite.body().len(), 150);
}

#[test]
fn escapes_stay_where_they_are_meant() {
    let invite = parse("rfc4475/esc01.dat");
    let uri = invite.request_uri().unwrap();
    assert_eq!(uri.user_text().as_deref(), Some("sips:user@example.com"));
    assert_eq!(uri.host(), "example.net");
    assert_eq!(invite.to().unwrap().uri.user_text().as_deref(), Some("user"));
    assert!(invite.contact().unwrap().uri.is_loose_router());
    let register = parse("rfc4475/escnull.dat");
    let users: Vec<_> = register
        .contacts()
        .map(|contact| match contact {
            Ok(Contact::Address(address)) => address.uri.user_decoded().unwrap().into_owned(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(users, [&b"\0"[..], b"\0\0"]);
    assert_eq!(register.to().unwrap().uri.user_text(), None);
    let strange = parse("rfc4475/esc02.dat");
    assert_eq!(strange.contacts().count(), 2);
    assert_eq!(strange.method().unwrap().as_str(), "RE%47IST%45R");
}

#[test]
fn parameters_belong_to_the_header_or_the_uri() {
    let outside = parse("rfc4475/cparam01.dat").contact().unwrap();
    assert!(outside.params.has("unknownparam") && !outside.uri.has_param("unknownparam"));
    let inside = parse("rfc4475/cparam02.dat").contact().unwrap();
    assert!(!inside.params.has("unknownparam") && inside.uri.has_param("unknownparam"));
    let semicolon = parse("rfc4475/semiuri.dat").request_uri().unwrap();
    assert_eq!(semicolon.user(), Some(&b"user;par=u%40example.net"[..]));
    assert_eq!(semicolon.params().count(), 0);
}

#[test]
fn one_datagram_holds_one_message() {
    let register = parse("rfc4475/dblreq.dat");
    assert!(register.body().is_empty());
    assert!(register.as_bytes().ends_with(b"Content-Length: 0\r\n\r\n"));
    assert!(parse("rfc4475/mpart01.dat").body().len() == 553);
}

#[test]
fn extensions_nobody_knows_are_named() {
    let options = parse("rfc4475/bext01.dat");
    let expected = "nothingSupportsThis, nothingSupportsThisEither";
    assert_eq!(unsupported(&options, &["100rel"]).as_deref(), Some(expected));
    assert_eq!(unsupported(&options, &["nothingsupportsthis", "NothingSupportsThisEither"]), None);
}

#[test]
fn ipv6_shapes() {
    let ambiguous = parse("rfc5118/port-ambiguous").request_uri().unwrap();
    assert_eq!((ambiguous.host(), ambiguous.port()), ("[2001:db8::10:5070]", None));
    let plain = parse("rfc5118/port-unambiguous").request_uri().unwrap();
    assert_eq!((plain.host(), plain.port()), ("[2001:db8::10]", Some(5070)));
    for file in ["rfc5118/via-received-param-no-delim", "rfc5118/via-received-param-with-delim"] {
        let received = parse(file).top_via().unwrap().received();
        assert_eq!(received, Some("2001:db8::9:255".parse().unwrap()), "{file}");
    }
    let three = parse("rfc5118/ipv6-bug-abnf-3-colons").request_uri().unwrap();
    let two = parse("rfc5118/ipv6-correct-abnf-2-colons").request_uri().unwrap();
    assert_eq!(three.host_address(), two.host_address());
    assert!(three.equivalent(&two));
}
