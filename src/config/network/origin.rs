//! Who may connect: origins and subprotocols, as browsers send them.

use crate::config::units::ValueError;

/// An origin as a browser sends it (RFC 6454 section 6.2): in lower case and without the port that its
/// scheme has anyway, or `null`; or `*`. Schemes of packaged apps have a host of any kind, or none.
pub(super) fn origin(text: &str) -> Result<String, ValueError> {
    if matches!(text, "*" | "null") {
        return Ok(text.to_owned());
    }
    let lower = text.to_ascii_lowercase();
    let (scheme, rest) = lower.split_once("://").ok_or(ValueError::Origin)?;
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let default_port = match scheme {
        "http" | "ws" => Some(":80"),
        "https" | "wss" => Some(":443"),
        _ => None,
    };
    let is_good = match default_port {
        Some(_) => is_authority(authority),
        None => is_scheme(scheme) && is_opaque_authority(authority),
    };
    if !is_good {
        return Err(ValueError::Origin);
    }
    if authority.len() < rest.len() {
        return Err(ValueError::OriginPath(format!("{scheme}://{authority}")));
    }
    let kept = default_port.and_then(|port| authority.strip_suffix(port));
    Ok(format!("{scheme}://{}", kept.unwrap_or(authority)))
}

/// The name of a subprotocol, which is case-sensitive.
pub(super) fn subprotocol(text: &str) -> Result<String, ValueError> {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if text.is_empty() || !text.bytes().all(is_token) {
        return Err(ValueError::Subprotocol);
    }
    Ok(text.to_owned())
}

fn is_scheme(scheme: &str) -> bool {
    scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme
            .chars()
            .all(|each| each.is_ascii_alphanumeric() || "+-.".contains(each))
}

/// `localhost`, an extension's id, `.`, nothing: whatever stands behind an app's scheme. A star would
/// look like a pattern, which it is not.
fn is_opaque_authority(authority: &str) -> bool {
    authority
        .chars()
        .all(|each| each.is_ascii_alphanumeric() || "-._~%!$&'()+=:[]".contains(each))
}

fn is_authority(authority: &str) -> bool {
    let (host, port) = match authority.rsplit_once(':') {
        // The last colon of a bare `[::1]` belongs to the address.
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    };
    let host_is_good = match host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
    {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => {
            !host.is_empty()
                && host
                    .chars()
                    .all(|each| each.is_ascii_alphanumeric() || "-._".contains(each))
        }
    };
    host_is_good && port.is_none_or(|port| port.parse::<u16>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: an origin is read as a browser would send it, and what no browser sends is refused.
    #[test]
    fn origins() {
        let good = [
            ("*", "*"),
            ("https://chat.example.org", "https://chat.example.org"),
            (
                "HTTPS://Chat.Example.org:8443",
                "https://chat.example.org:8443",
            ),
            ("http://[::1]:9001", "http://[::1]:9001"),
            ("http://[::1]", "http://[::1]"),
            ("https://a.example:443", "https://a.example"),
            ("https://a.example:80", "https://a.example:80"),
            ("http://a.example:80", "http://a.example"),
            ("wss://a.example:443", "wss://a.example"),
            ("null", "null"),
            ("chrome-extension://abc", "chrome-extension://abc"),
            ("moz-extension://0A1b-2c", "moz-extension://0a1b-2c"),
            ("capacitor://localhost", "capacitor://localhost"),
            ("ionic://localhost:8100", "ionic://localhost:8100"),
            ("tauri://localhost", "tauri://localhost"),
            ("app://.", "app://."),
            ("file://", "file://"),
            ("vscode-webview://1abc", "vscode-webview://1abc"),
        ];
        for (text, expected) in good {
            assert_eq!(origin(text).as_deref(), Ok(expected), "{text}");
        }
        for text in [
            "https://a.example/",
            "https://a.example/x",
            "https://a.example?x#y",
        ] {
            let expected = ValueError::OriginPath("https://a.example".to_owned());
            assert_eq!(origin(text), Err(expected), "{text}");
        }
        assert_eq!(
            origin("file:///"),
            Err(ValueError::OriginPath("file://".to_owned()))
        );
        let bad = [
            "",
            "Null",
            "a.example",
            "file:",
            "app://*",
            "app://a b",
            "://a",
            "https://",
            "https://a:b",
            "https://*.a",
            "1://a",
            "https://a b",
            "https://u@a",
            "https://[::1",
            "https://a:99999",
        ];
        for text in bad {
            assert_eq!(origin(text), Err(ValueError::Origin), "{text}");
        }
    }

    /// Goal: a subprotocol is a token of HTTP, and its case is kept.
    #[test]
    fn subprotocols() {
        for text in ["chat", "Chat.v2", "v12.stomp", "graphql-ws"] {
            assert_eq!(subprotocol(text).as_deref(), Ok(text));
        }
        for text in ["", "a b", "a,b", "a/b", "a\"", "\u{e9}"] {
            assert_eq!(subprotocol(text), Err(ValueError::Subprotocol), "{text}");
        }
    }
}
