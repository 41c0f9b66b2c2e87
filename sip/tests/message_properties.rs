//! Whatever bytes arrive: no panic, offsets in bounds; whatever is built reads back.

#![allow(clippy::disallowed_methods, reason = "the torture messages are files")]

use std::fs;
use std::path::Path;

use bytes::Bytes;
use hotline_sip::build::{RequestBuilder, ResponseBuilder, ViaParameters};
use hotline_sip::framing::{Frame, StreamFramer};
use hotline_sip::header::{Contact, HeaderName, NameAddr, Via};
use hotline_sip::validate::{validate_request, validate_response};
use hotline_sip::{Message, Method, Transport, Uri};
use proptest::prelude::*;

/// The torture messages and a plain one, to be mutated.
fn seeds() -> Vec<Vec<u8>> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/torture");
    let mut seeds = vec![
        b"INVITE sip:12345@h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKx\r\nFrom: <sip:a@h>\r\n\
          To: <sip:b@h>\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\nContact: *\r\nl: 2\r\n\r\nhi"
            .to_vec(),
    ];
    for suite in ["rfc4475", "rfc5118"] {
        for found in fs::read_dir(directory.join(suite)).unwrap() {
            seeds.push(fs::read(found.unwrap().path()).unwrap());
        }
    }
    seeds.sort();
    seeds
}

/// Reads everything there is to read.
fn touch(message: &Message) {
    let _ = (message.request_uri(), message.from(), message.to(), message.cseq());
    let _ = (message.call_id(), message.top_via(), message.contact(), message.expires());
    let _ = (message.max_forwards(), message.content_length(), message.retry_after());
    let _ = (message.reasons().count(), message.q850_cause(), message.allow().count());
    for via in message.vias().flatten() {
        let _ = (via.host_address(), via.received(), via.rport(), via.branch(), via.transport());
    }
    for contact in message.contacts().flatten() {
        if let Contact::Address(address) = contact {
            let _ = (address.display_name(), address.expires_s(), address.q_thousandths());
            let _ = (address.uri.dialled(), address.uri.equivalent(&address.uri));
        }
    }
    for field in message.fields() {
        assert!(!field.value.contains(&b'\n') && !field.value.contains(&b'\r'));
        assert!(message.headers(field.name).count() > 0);
    }
    assert!(message.body().len() <= message.as_bytes().len());
    if message.is_request() {
        let refused = validate_request(message).err();
        for status in [100, 200, refused.map_or(400, |refusal| refusal.status)] {
            let response = ResponseBuilder::new(message, status)
                .source("192.0.2.1:5060".parse().unwrap())
                .to_tag("t")
                .finish();
            if let Ok(response) = response {
                assert!(Message::parse(response).is_ok());
            }
        }
    } else {
        let _ = validate_response(message);
    }
}

fn read(bytes: Vec<u8>) {
    match Message::parse(Bytes::from(bytes)) {
        Ok(message) => touch(&message),
        Err(error) => {
            if let Some(request) = error.answerable() {
                touch(request);
                assert!(ResponseBuilder::new(request, error.status()).finish().is_ok());
            }
        }
    }
}

fn token() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9.!%*_+`'~-]{1,20}"
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn random_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        read(bytes);
    }

    #[test]
    fn torn_and_mended_messages(
        pick in any::<prop::sample::Index>(),
        edits in proptest::collection::vec((any::<prop::sample::Index>(), 0u8..4, any::<u8>()), 1..8),
    ) {
        let seeds = seeds();
        let mut bytes = pick.get(&seeds).clone();
        for (at, kind, byte) in edits {
            let at = at.index(bytes.len().max(1)).min(bytes.len().saturating_sub(1));
            // Bytes that mean something to the grammar come up more often than chance has them.
            let byte = *b"\r\n\t <>\";,=@:?%[]\\*/.".get(usize::from(byte) % 40).unwrap_or(&byte);
            match kind {
                0 => bytes.truncate(at),
                1 if !bytes.is_empty() => bytes[at] = byte,
                2 => bytes.insert(at, byte),
                _ if !bytes.is_empty() => drop(bytes.remove(at)),
                _ => {}
            }
        }
        read(bytes);
    }

    #[test]
    fn header_grammars_take_any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
        let bytes = Bytes::from(bytes);
        let _ = Via::parse(bytes.clone());
        let _ = NameAddr::parse(HeaderName::From, bytes.clone());
        if let Ok(uri) = Uri::parse(bytes.clone()) {
            prop_assert_eq!(uri.as_bytes(), &bytes[..]);
            prop_assert!(uri.equivalent(&uri));
        }
    }

    #[test]
    fn users_survive_escaping(user in "\\PC{1,20}") {
        let uri = Uri::sip(Some(&user), "example.com", None).unwrap();
        let decoded = uri.user_decoded().unwrap().into_owned();
        prop_assert_eq!(decoded, user.into_bytes());
    }

    #[test]
    fn what_is_built_reads_back(
        method in token(),
        (tag, call_id, branch) in (token(), token(), token()),
        display in "\\PC{0,20}",
        cseq in 0u32..1 << 31,
        value in "[\\PC]{0,40}",
        body in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let uri: Uri = "sip:a@h;x=1".parse().unwrap();
        let from = NameAddr::of(uri.clone()).with_display_name(Some(&display));
        let from = from.with_tag(&tag).unwrap();
        let via = ViaParameters {
            transport: Transport::Tcp,
            host: "h".into(),
            port: None,
            branch: branch.as_str().into(),
            rport: false,
        };
        let built = RequestBuilder::new(method.clone(), uri.clone())
            .from(from.to_bytes())
            .to("<sip:b@h>")
            .call_id(&call_id)
            .cseq(cseq)
            .header_named("X-Any", &value)
            .body("application/octet-stream", body.clone())
            .finish(&via)
            .unwrap();
        let message = Message::parse(built.clone()).unwrap();
        prop_assert_eq!(validate_request(&message), Ok(()));
        prop_assert_eq!(message.as_bytes(), &built[..]);
        prop_assert_eq!(message.method(), Some(&method));
        prop_assert_eq!(message.request_uri(), Ok(uri));
        let read = message.from().unwrap();
        prop_assert_eq!(read.tag().unwrap(), tag.as_bytes());
        prop_assert_eq!(read.display_name().unwrap(), display);
        prop_assert_eq!(message.call_id().unwrap(), call_id.as_bytes());
        prop_assert_eq!(message.cseq().unwrap().number, cseq);
        prop_assert_eq!(message.top_via().unwrap().branch().unwrap(), branch.as_bytes());
        prop_assert_eq!(message.body(), &body[..]);
        let any = message.headers_named("x-any").next().unwrap();
        prop_assert_eq!(any, value.trim_matches([' ', '\t']).as_bytes());
    }

    #[test]
    fn streams_cut_anywhere_give_the_same_messages(
        bodies in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..60), 1..6),
        cuts in proptest::collection::vec(1usize..90, 1..10),
    ) {
        let mut stream = Vec::new();
        let mut expected = Vec::new();
        for body in &bodies {
            let mut message = format!("OPTIONS sip:h SIP/2.0\r\nl: {}\r\n\r\n", body.len()).into_bytes();
            message.extend_from_slice(body);
            stream.extend_from_slice(&message);
            expected.push(Frame::Message(message.into()));
        }
        let mut framer = StreamFramer::new();
        let mut frames = Vec::new();
        let (mut rest, mut cuts) = (&stream[..], cuts.into_iter().cycle());
        while !rest.is_empty() {
            let (chunk, after) = rest.split_at(cuts.next().unwrap().min(rest.len()));
            framer.push(chunk);
            while let Some(frame) = framer.poll().unwrap() {
                frames.push(frame);
            }
            rest = after;
        }
        prop_assert_eq!(frames, expected);
    }

    #[test]
    fn framers_take_any_bytes(chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..80), 0..8)) {
        let mut framer = StreamFramer::new();
        for chunk in chunks {
            framer.push(&chunk);
            while let Ok(Some(frame)) = framer.poll() {
                if let Frame::Message(bytes) = frame {
                    read(bytes.to_vec());
                }
            }
        }
    }
}
