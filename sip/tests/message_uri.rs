//! URIs: reading, comparing (RFC 3261 §19.1.4), making.

use hotline_sip::Uri;
use hotline_sip::header::{HeaderName, NameAddr};
use hotline_sip::uri::{Scheme, UriError};

fn uri(text: &str) -> Uri {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn parts() {
    let full = uri("sips:alice:secret@[2001:db8::1]:5071;transport=TLS;lr?subject=x&to=a%40b");
    assert_eq!(full.scheme(), Scheme::Sips);
    assert_eq!(full.user(), Some(&b"alice"[..]));
    assert_eq!(full.password(), Some(&b"secret"[..]));
    assert_eq!(full.host(), "[2001:db8::1]");
    assert_eq!(full.host_address(), Some("2001:db8::1".parse().unwrap()));
    assert_eq!(full.port(), Some(5071));
    assert_eq!(full.transport(), Some(hotline_sip::Transport::Tls));
    assert!(full.is_loose_router() && full.has_headers());
    assert_eq!(full.headers().count(), 2);
    let tel = uri("tel:+1-201-555-0123;phone-context=example.com");
    assert_eq!(tel.dialled().as_deref(), Some("+12015550123"));
    assert_eq!(tel.param("phone-context"), Some(&b"example.com"[..]));
    assert_eq!(uri("sip:*50@h").dialled().as_deref(), Some("*50"));
    assert_eq!(uri("urn:service:sos").scheme(), Scheme::Other);
}

#[test]
fn what_is_no_uri() {
    for (text, expected) in [
        ("", UriError::Scheme),
        ("alice@h", UriError::Scheme),
        ("1sip:h", UriError::Scheme),
        ("sip:", UriError::Host),
        ("sip:@h", UriError::User),
        ("sip:a@", UriError::Host),
        ("sip:a@b@c", UriError::Host),
        ("sip:a@h:", UriError::Port),
        ("sip:a@h:0", UriError::Port),
        ("sip:a@h:70000", UriError::Port),
        ("sip:a@[::1", UriError::Host),
        ("sip:2001:db8::10", UriError::Port),
        ("sip:a@h;;lr", UriError::Parameter),
        ("sip:a@h;=x", UriError::Parameter),
        ("sip:a@h?x", UriError::Headers),
        ("sip:a b@h", UriError::Character),
        ("<sip:a@h>", UriError::Character),
        ("sip:a@h\r\nX: y", UriError::Character),
        ("tel:", UriError::Number),
        ("tel:alice", UriError::Number),
    ] {
        assert_eq!(text.parse::<Uri>(), Err(expected), "{text:?}");
    }
}

#[test]
fn equal_and_unequal_as_in_the_rfc() {
    for (left, right, equal) in [
        ("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtlanTa.CoM;Transport=tcp", true),
        ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5", true),
        ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;newparam=5", true),
        ("sip:biloxi.com;a=b?p=1&q=2", "sip:biloxi.com;a=b?q=2&p=1", true),
        ("SIP:ALICE@AtLanTa.CoM", "sip:alice@AtLanTa.CoM", false),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060", false),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp", false),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp", false),
        ("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting", false),
        ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4", false),
        ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off", false),
        ("sip:a%40b@h", "sip:a@h", false),
        ("sip:a%3bb@h", "sip:a%3Bb@h", true),
        ("sip:u@[2001:DB8::1]", "sip:u@[2001:db8:0::1]", true),
        ("tel:+1-201-555-0123", "tel:+12015550123", true),
        ("tel:7042;phone-context=a", "tel:7042", false),
        ("sip:a@h", "sips:a@h", false),
        ("urn:x:y", "urn:x:y", true),
    ] {
        assert_eq!(uri(left).equivalent(&uri(right)), equal, "{left} / {right}");
        assert_eq!(uri(right).equivalent(&uri(left)), equal, "{right} / {left}");
    }
}

/// Comparison looks for each parameter among all of the other's: with thousands of them it took
/// seconds.
#[test]
fn uris_with_very_many_parameters_are_equal_by_text_only() {
    for (count, equal) in [(15, true), (16, false), (1_000, false)] {
        let params: String = (0..count).map(|n| format!(";p{n}=1")).collect();
        let (lower, upper) = (format!("sip:a@h{params};x"), format!("sip:a@H{params};x"));
        let (lower, upper): (Uri, Uri) = (lower.parse().unwrap(), upper.parse().unwrap());
        assert_eq!(lower.equivalent(&upper), equal, "{count}");
        assert!(lower.equivalent(&lower.clone()));
    }
    let headers: String = (0..17).map(|n| format!("&h{n}=1")).collect();
    let (lower, upper) = (format!("sip:a@h?a=b{headers}"), format!("sip:a@H?a=b{headers}"));
    assert!(!lower.parse::<Uri>().unwrap().equivalent(&upper.parse().unwrap()));
}

#[test]
fn made_of_parts() {
    let made = Uri::sip(Some("a b@c\r\n"), "example.com", Some(5080)).unwrap();
    assert_eq!(made.to_string(), "sip:a%20b%40c%0D%0A@example.com:5080");
    assert_eq!(made.user_decoded().unwrap().as_ref(), b"a b@c\r\n");
    let routed = made.with_param("lr", None).unwrap().with_param("transport", Some("tcp")).unwrap();
    assert!(routed.is_loose_router());
    assert!(routed.to_string().ends_with(";lr;transport=tcp"));
    let before = uri("sip:a@h?x=y").with_param("ob", None).unwrap();
    assert_eq!(before.to_string(), "sip:a@h;ob?x=y");
    assert_eq!(Uri::sip(None, "h\r\n", None), Err(UriError::Character));
    assert!(made.with_param("a b", None).is_err());
}

#[test]
fn addresses() {
    let parse = |text: &'static str| NameAddr::parse(HeaderName::From, text.as_bytes().into());
    let full = parse(r#""A \"B\" <c>" <sip:a@h;x=1>;tag=77;q=0.5;expires=60"#).unwrap();
    assert_eq!(full.display_name().as_deref(), Some(r#"A "B" <c>"#));
    assert_eq!(full.tag().unwrap(), "77");
    assert_eq!((full.q_thousandths(), full.expires_s()), (500, Some(60)));
    assert_eq!(parse("sip:a@h;tag=1").unwrap().uri, uri("sip:a@h"));
    assert_eq!(parse("T. Watson <sip:a@h>").unwrap().display_name().unwrap(), "T. Watson");
    for bad in ["", "<sip:a@h", "\"a <sip:a@h>", "a,b <sip:a@h>", "\"a\" sip:a@h", "<sip:a@h> x"] {
        assert!(parse(bad).is_err(), "{bad}");
    }
    let made = NameAddr::of(uri("sip:a@h")).with_display_name(Some("x\"\\\r\ny"));
    let made = made.with_tag("one").unwrap().with_tag("two").unwrap();
    assert_eq!(made.to_string(), r#""x\"\\y" <sip:a@h>;tag=two"#);
    assert_eq!(NameAddr::parse(HeaderName::To, made.to_bytes()), Ok(made.detached()));
    assert!(made.with_param("x", Some("1\r\nEvil: y")).is_err());
}
