//! What flows have attached to a call, as agents' phones get it: User-to-User (RFC 7433).
//!
//! Owns: how the data is written into the header. Does not own: the data ([`crate::record`]), who
//! may see it: agents' softphones do, telephones behind a carrier do not.

use std::collections::BTreeMap;
use std::fmt::Write;

/// Octets of data in one header; keys that do not fit are left out.
const OCTETS_MAX: usize = 512;

/// The header's value: a JSON object of text, in hexadecimal (RFC 7433 §4.1). None without data.
/// What contains a number that is `hidden` from the agent is left out.
pub(crate) fn user_to_user(
    data: &BTreeMap<String, String>,
    hidden: Option<&str>,
) -> Option<String> {
    let hidden = hidden.map(|number| number.trim_start_matches('+'));
    let shows = |value: &str| !hidden.is_some_and(|number| value.contains(number));
    let mut json = String::from("{");
    for (key, value) in data.iter().filter(|(_, value)| shows(value)) {
        let pair = |text: &str| serde_json::Value::from(text).to_string();
        let entry = format!("{}:{}", pair(key), pair(value));
        if json.len() + entry.len() + 2 <= OCTETS_MAX {
            if json.len() > 1 {
                json.push(',');
            }
            json.push_str(&entry);
        }
    }
    if json.len() == 1 {
        return None;
    }
    json.push('}');
    let mut value = String::with_capacity(json.len() * 2 + 16);
    for octet in json.bytes() {
        let _ = write!(value, "{octet:02x}");
    }
    value.push_str(";encoding=hex");
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_is_an_object_in_hexadecimal_and_what_is_too_long_is_left_out() {
        let mut data = BTreeMap::new();
        assert_eq!(user_to_user(&data, None), None);
        data.insert("menu".to_owned(), "a\"é".to_owned());
        let value = user_to_user(&data, None).unwrap();
        assert_eq!(value, "7b226d656e75223a22615c22c3a9227d;encoding=hex");
        data.insert("long".to_owned(), "x".repeat(600));
        assert_eq!(user_to_user(&data, None).unwrap(), value);
        data.insert("from".to_owned(), "tel:+15550001".to_owned());
        assert_eq!(user_to_user(&data, Some("+15550001")).unwrap(), value);
    }
}
