//! Numbers and addresses at the end of a text, without the machinery of formatting: session
//! descriptions and ladders are written with every call.

use std::net::{IpAddr, SocketAddr};

/// Adds a number in decimal.
pub fn push_number(text: &mut String, number: u64) {
    // 20 digits are enough for any.
    let mut digits = [b'0'; 20];
    let mut at = digits.len();
    let mut rest = number;
    loop {
        at -= 1;
        if let Some(digit) = digits.get_mut(at) {
            *digit = b'0' + (rest % 10) as u8;
        }
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    text.push_str(std::str::from_utf8(digits.get(at..).unwrap_or_default()).unwrap_or_default());
}

/// Adds an address as [`IpAddr`] displays itself.
pub fn push_ip(text: &mut String, ip: IpAddr) {
    match ip {
        IpAddr::V4(ip) => {
            for (place, octet) in ip.octets().into_iter().enumerate() {
                if place > 0 {
                    text.push('.');
                }
                push_number(text, octet.into());
            }
        }
        IpAddr::V6(ip) => text.push_str(&ip.to_string()),
    }
}

/// Adds an address with its port as [`SocketAddr`] displays itself.
pub fn push_socket(text: &mut String, address: SocketAddr) {
    match address {
        SocketAddr::V4(address) => {
            push_ip(text, IpAddr::V4(*address.ip()));
            text.push(':');
            push_number(text, address.port().into());
        }
        SocketAddr::V6(address) => text.push_str(&address.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_addresses_look_as_they_display_themselves() {
        for number in [0, 7, 10, 255, 5_060, 65_535, u64::from(u32::MAX), u64::MAX] {
            let mut text = String::from("=");
            push_number(&mut text, number);
            assert_eq!(text, format!("={number}"));
        }
        for address in
            ["0.0.0.0:0", "198.51.100.7:5060", "255.255.255.255:65535", "[2001:db8::1]:5061"]
        {
            let address: SocketAddr = address.parse().unwrap();
            let (mut ip, mut socket) = (String::new(), String::new());
            push_ip(&mut ip, address.ip());
            push_socket(&mut socket, address);
            assert_eq!((ip, socket), (address.ip().to_string(), address.to_string()));
        }
    }
}
