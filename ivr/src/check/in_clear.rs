//! Secrets in requests that everybody on the way could read.
//!
//! Owns: which addresses a secret may be sent to. Does not own: whether an address may be asked at
//! all, and what is refused once more when it is asked (the shell).

use super::uses::{Sink, uses};
use super::{names, quoted};
use crate::expr::template::Template;
use crate::fault::Fault;
use crate::model::{Flow, Node};
use std::net::{IpAddr, SocketAddr};

/// HTTP nodes that send a secret without TLS; within this machine they may.
pub fn faults(flow: &Flow) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (name, node) in &flow.node {
        let Node::Http { url, headers, .. } = node else { continue };
        if !is_in_clear(url) {
            continue;
        }
        let configured = headers.iter().find_map(|(_, value)| {
            let template = Template::parse(value).unwrap_or_default();
            template.secrets().next().map(str::to_owned)
        });
        let variable = || {
            let used = uses(flow, node).into_iter().filter(|used| used.sink == Sink::Request);
            used.filter_map(|used| names::secret_in(flow, &used).map(str::to_owned)).next()
        };
        if let Some(secret) = configured.or_else(variable) {
            let allowed = format!(
                "https:// with a secret: {} would go over the network in the clear",
                quoted(&secret)
            );
            faults.push(Fault::not_allowed(&format!("node.{name}.url"), quoted(url), allowed));
        }
    }
    faults
}

fn is_in_clear(url: &str) -> bool {
    let Some(rest) = url.strip_prefix("http://") else { return false };
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    let host = authority.trim_start_matches('[').trim_end_matches(']');
    let address = authority.parse().map(|address: SocketAddr| address.ip());
    let address = address.or_else(|_| host.parse::<IpAddr>());
    !address.is_ok_and(|address| address.to_canonical().is_loopback())
}
