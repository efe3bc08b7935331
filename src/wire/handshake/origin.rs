//! Which pages may open a session, and under which names the server may be asked: origins and hosts
//! compared (RFC 6454, RFC 6455 section 10.2).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::policy::{Origins, Policy};
use crate::wire::http::{Head, Refusal, shown};

/// A host and port, as in a `Host` header or behind the scheme of an origin.
#[derive(Clone, Copy, Debug)]
pub(super) struct Host<'a> {
    name: &'a str,
    port: Option<u16>,
}

/// Reads the value of a `Host` header (RFC 9110 section 7.2); `None` when it is not `host[:port]`.
pub(super) fn host(value: &[u8]) -> Option<Host<'_>> {
    let text = std::str::from_utf8(value).ok()?;
    // The colons of an IPv6 address stand within brackets.
    let (name, port) = match text.rfind(':') {
        Some(colon) if !text[colon..].contains(']') => (&text[..colon], &text[colon + 1..]),
        _ => (text, ""),
    };
    let port = match port {
        "" => None,
        digits if digits.bytes().all(|byte| byte.is_ascii_digit()) => Some(digits.parse().ok()?),
        _ => return None,
    };
    let bracketed = name.starts_with('[') && name.ends_with(']');
    let valid = !name.is_empty()
        && name.bytes().all(|byte| match byte {
            b':' | b'[' | b']' => bracketed,
            b'/' | b'?' | b'#' | b'@' | b',' | b'\\' | b'"' | b'<' | b'>' => false,
            _ => byte.is_ascii_graphic(),
        });
    valid.then_some(Host { name, port })
}

/// Refuses a page whose origin may not connect. A request without `Origin` comes from no page.
pub(super) fn check_page(
    head: &Head<'_>,
    host: Host<'_>,
    policy: &Policy<'_>,
) -> Result<(), Refusal> {
    let Some(sent) = head.header("Origin") else {
        return Ok(());
    };
    if head.header_count("Origin") > 1 {
        let sentence = "The request has several Origin headers: send one.";
        return Err(Refusal::new(403, sentence));
    }
    if allows(policy.allow_origin, sent, host) {
        return Ok(());
    }
    let (page, here) = (shown(sent), shown(head.header("Host").unwrap_or_default()));
    let sentence = if policy.allow_origin.is_empty() {
        format!(
            "Pages of {page} may not connect to {here}: when a proxy in front has changed Host, have \
             it pass on the browser's, else start the server with --allow-origin {page}."
        )
    } else {
        format!(
            "Pages of {page} may not connect to {here}: the server's --allow-origin names others, so \
             start it with --allow-origin {page} too."
        )
    };
    Err(Refusal::new(403, sentence))
}

/// The same of a page whose scripts are clients in many rooms, where somebody judges those.
pub(super) fn check_client_page(head: &Head<'_>, origins: &dyn Origins) -> Result<(), Refusal> {
    let Some(sent) = head.header("Origin") else {
        return Ok(());
    };
    let is_one = head.header_count("Origin") == 1;
    if is_one && std::str::from_utf8(sent).is_ok_and(|origin| origins.allows(origin)) {
        return Ok(());
    }
    let page = shown(sent);
    let sentence =
        format!("Pages of {page} may not connect: client.allowed_origins does not name them.");
    Err(Refusal::new(403, sentence))
}

/// Refuses a request to a port that only this machine can reach when it names the port and a host that is not
/// this machine. Such a name is another site's, made to resolve here so that its pages count as the server's own (DNS rebinding).
/// A proxy's port is another one, so what comes through it is not meant.
pub(super) fn check_name(head: &Head<'_>, policy: &Policy<'_>) -> Result<(), Refusal> {
    let Some(value) = head.values("Host").find(|value| is_rebound(value, policy)) else {
        return Ok(());
    };
    let name = shown(value);
    Err(Refusal::new(
        403,
        format!(
            "This port is for this machine only and {name} is not a name of it: connect to localhost, \
             or start the server with --allow-origin http://{name}."
        ),
    ))
}

fn is_rebound(value: &[u8], policy: &Policy<'_>) -> bool {
    let Some((sent, port)) = host(value).and_then(|sent| Some((sent, sent.port?))) else {
        return false;
    };
    is_local_port(policy.listen, port)
        && !is_loopback_name(sent.name)
        && !policy.allow_origin.iter().any(|entry| {
            entry == "*"
                || split(entry).is_some_and(|(scheme, listed)| same_host(scheme, listed, sent))
        })
}

/// Whether the listeners at this port all have loopback addresses, and there are any.
fn is_local_port(listen: &[SocketAddr], port: u16) -> bool {
    let mut there = listen.iter().filter(|address| address.port() == port);
    let is_local = |address: &SocketAddr| match address.ip() {
        IpAddr::V4(address) => address.is_loopback(),
        IpAddr::V6(address) => is_loopback_v6(address),
    };
    there.clone().next().is_some() && there.all(is_local)
}

/// Names that resolve to this machine wherever they are asked for (RFC 6761 section 6.3).
fn is_loopback_name(name: &str) -> bool {
    let lower = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    if let Some(address) = lower.strip_prefix('[').and_then(|it| it.strip_suffix(']')) {
        return address.parse().is_ok_and(is_loopback_v6);
    }
    lower == "localhost"
        || lower.ends_with(".localhost")
        || (lower.parse::<Ipv4Addr>()).is_ok_and(|address| address.is_loopback())
}

fn is_loopback_v6(address: Ipv6Addr) -> bool {
    let mapped = address.to_ipv4_mapped();
    address.is_loopback() || mapped.is_some_and(|mapped| mapped.is_loopback())
}

/// Whether a page of origin `sent` may connect: one of the `allowed`, or, when none is given, one
/// of the same host and port as the request itself.
pub(super) fn allows(allowed: &[String], sent: &[u8], host: Host<'_>) -> bool {
    if !allowed.is_empty() {
        return is_listed(allowed, sent);
    }
    (std::str::from_utf8(sent).ok().and_then(split))
        .filter(|(scheme, _)| matches!(scheme.to_ascii_lowercase().as_str(), "http" | "https"))
        .is_some_and(|(scheme, from)| same_host(scheme, from, host))
}

/// Whether the operator has named `sent`, the value of an `Origin` header, among the `allowed`.
#[must_use]
pub(crate) fn is_listed(allowed: &[String], sent: &[u8]) -> bool {
    let Ok(sent) = std::str::from_utf8(sent) else {
        return false;
    };
    // `null` is no name, so it has no case either.
    let null = sent == "null";
    allowed.iter().any(|entry| match entry.as_str() {
        "*" => true,
        "null" => null,
        entry => entry.eq_ignore_ascii_case(sent) || same_origin(entry, sent),
    })
}

fn same_origin(one: &str, other: &str) -> bool {
    match (split(one), split(other)) {
        (Some((scheme, host)), Some((other_scheme, other_host))) => {
            scheme.eq_ignore_ascii_case(other_scheme) && same_host(scheme, host, other_host)
        }
        _ => false,
    }
}

/// Compares hosts in any case, with ports that both default to that of `scheme`: behind a proxy
/// that ends TLS, `Host` has no port and the origin says https.
fn same_host(scheme: &str, one: Host<'_>, other: Host<'_>) -> bool {
    let default_port = match scheme.to_ascii_lowercase().as_str() {
        "http" | "ws" => 80,
        "https" | "wss" => 443,
        _ => return false,
    };
    one.name.eq_ignore_ascii_case(other.name)
        && one.port.unwrap_or(default_port) == other.port.unwrap_or(default_port)
}

/// The scheme and host of an origin; `None` for `null` and what else has no host.
fn split(origin: &str) -> Option<(&str, Host<'_>)> {
    let (scheme, rest) = origin.split_once("://")?;
    Some((scheme, host(rest.as_bytes())?))
}
