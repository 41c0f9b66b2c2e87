//! The number that was dialled: which header says it, and how a trunk's rules rewrite it.
//!
//! Owns: the dialled number is the Request-URI user, `tel:` number,
//! P-Called-Party-ID, To, Diversion or History-Info, as the trunk says, normalised by its rules.
//! Does not own: where the number leads (`hotline_routing::route`).

use crate::config::{DialledFrom, Trunk};
use compact_str::CompactString;
use hotline_routing::number::{NotANumber, NumberRules};
use hotline_sip::header::HeaderName;
use hotline_sip::message::Message;
use hotline_sip::uri::Uri;

/// The dialled number of an INVITE, in the digits that called routes are written in. Without a
/// trunk (a call from an agent's phone), and when a trunk has no rules, the tenant's rules serve.
///
/// # Errors
/// It is no number (484, or 404).
pub(crate) fn dialled_number(
    invite: &Message,
    trunk: Option<&Trunk>,
    tenant: &NumberRules,
) -> Result<CompactString, NotANumber> {
    let from = trunk.map_or(DialledFrom::RequestUri, |trunk| trunk.dialled_from);
    let text = dialled_text(invite, from).ok_or(NotANumber::Empty)?;
    match trunk.filter(|trunk| !trunk.number_rules.is_empty()) {
        Some(trunk) => by_trunk(&text, trunk),
        None => tenant.normalise(&text),
    }
}

/// The trunk's rules, each once and in order, between the dropping of separators and of `+`.
fn by_trunk(text: &str, trunk: &Trunk) -> Result<CompactString, NotANumber> {
    let plain = NumberRules::default();
    // Refuses what is too long before anything is copied.
    plain.normalise(text)?;
    let bare = text.split(';').next().unwrap_or_default();
    let mut number: String = bare.chars().filter(|c| !plain.separators.contains(*c)).collect();
    for rule in &trunk.number_rules {
        if let Some(rest) = number.strip_prefix(rule.prefix.as_str()) {
            number = format!("{}{rest}", rule.with);
        }
    }
    plain.normalise(&number)
}

/// The text that names the dialled number; the Request-URI where the trunk's header is missing.
fn dialled_text(invite: &Message, from: DialledFrom) -> Option<String> {
    let first = |name| invite.address(name).ok().flatten().and_then(|found| text_of(&found.uri));
    let named = match from {
        DialledFrom::RequestUri => None,
        DialledFrom::To => invite.to().ok().and_then(|to| text_of(&to.uri)),
        DialledFrom::PCalledPartyId => first(HeaderName::PCalledPartyId),
        DialledFrom::Diversion => first(HeaderName::Diversion),
        DialledFrom::HistoryInfo => last_target(invite),
    };
    named.or_else(|| invite.request_uri().ok().and_then(|uri| text_of(&uri)))
}

/// The last History-Info entry that was a target of this call: not the current one, which is
/// where a diversion sent it (RFC 7044 §5).
fn last_target(invite: &Message) -> Option<String> {
    let current = invite.request_uri().ok();
    let entries = invite.addresses(HeaderName::HistoryInfo).filter_map(Result::ok);
    entries
        .filter(|entry| current.as_ref().is_none_or(|uri| !same_user(&entry.uri, uri)))
        .filter_map(|entry| text_of(&entry.uri))
        .last()
}

fn same_user(a: &Uri, b: &Uri) -> bool {
    a.dialled().is_some() && a.dialled() == b.dialled()
}

fn text_of(uri: &Uri) -> Option<String> {
    uri.dialled().filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::NumberRule;
    use bytes::Bytes;
    use hotline_routing::number::PrefixRule;

    fn invite(extra: &str) -> Message {
        let text = format!(
            "INVITE sip:+46812345@pbx.example.com SIP/2.0\r\n\
             Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\n\
             From: <sip:+1555@192.0.2.1>;tag=a\r\nTo: <sip:12300@pbx.example.com>\r\n\
             Call-ID: 1\r\nCSeq: 1 INVITE\r\n{extra}Content-Length: 0\r\n\r\n"
        );
        Message::parse(Bytes::from(text)).unwrap()
    }

    fn trunk(dialled_from: DialledFrom, rules: &[(&str, &str)]) -> Trunk {
        let rule = |(prefix, with): &(&str, &str)| NumberRule {
            prefix: String::from(*prefix),
            with: String::from(*with),
        };
        Trunk {
            name: "carrier".into(),
            dialled_from,
            number_rules: rules.iter().map(rule).collect(),
            ..Trunk::default()
        }
    }

    #[test]
    fn each_trunk_says_where_the_number_stands() {
        let headers = "P-Called-Party-ID: <sip:777@x>\r\nDiversion: <tel:+46-8-88>;reason=busy, <sip:99@x>\r\n\
                       History-Info: <sip:12@x>;index=1, <sip:34@x>;index=1.1, <sip:+46812345@x>;index=1.2\r\n";
        for (from, extra, expected) in [
            (DialledFrom::RequestUri, headers, "46812345"),
            (DialledFrom::To, headers, "12300"),
            (DialledFrom::PCalledPartyId, headers, "777"),
            (DialledFrom::PCalledPartyId, "", "46812345"),
            (DialledFrom::Diversion, headers, "46888"),
            (DialledFrom::HistoryInfo, headers, "34"),
            (DialledFrom::HistoryInfo, "", "46812345"),
        ] {
            let number =
                dialled_number(&invite(extra), Some(&trunk(from, &[])), &NumberRules::default());
            assert_eq!(number.as_deref(), Ok(expected), "{from:?}");
        }
    }

    #[test]
    fn a_trunks_rules_come_in_order_and_stand_in_for_the_tenants() {
        let tenant = NumberRules {
            prefixes: vec![PrefixRule { prefix: "+468".into(), replace: String::new() }],
            ..NumberRules::default()
        };
        let message = invite("");
        assert_eq!(dialled_number(&message, None, &tenant).as_deref(), Ok("12345"));
        let rules = trunk(DialledFrom::RequestUri, &[("+46", "0"), ("08", "")]);
        assert_eq!(dialled_number(&message, Some(&rules), &tenant).as_deref(), Ok("12345"));
        let plus = trunk(DialledFrom::RequestUri, &[("00", "+")]);
        assert_eq!(dialled_number(&message, Some(&plus), &tenant).as_deref(), Ok("46812345"));
    }
}
