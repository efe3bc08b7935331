//! Which pages may open a session: origins and hosts compared (RFC 6454, RFC 6455 section 10.2).

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

/// Whether a page of origin `sent` may connect: one of the `allowed`, or, when none is given, one
/// of the same host and port as the request itself.
pub(super) fn allows(allowed: &[String], sent: &[u8], host: Host<'_>) -> bool {
    let Ok(sent) = std::str::from_utf8(sent) else {
        return false;
    };
    if allowed.is_empty() {
        return split(sent).is_some_and(|(scheme, from)| same_host(scheme, from, host));
    }
    allowed.iter().any(|entry| {
        let entry = entry.strip_suffix('/').unwrap_or(entry);
        entry == "*" || entry.eq_ignore_ascii_case(sent) || same_origin(entry, sent)
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
    let default_port = match scheme {
        _ if scheme.eq_ignore_ascii_case("http") => 80,
        _ if scheme.eq_ignore_ascii_case("https") => 443,
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
