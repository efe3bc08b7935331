//! Values as people write them: sizes, durations, addresses, origins, counts and switches.
//!
//! Each function takes one value and either gives it in its type or says what to write instead.
//! What values must be to each other is [`super::resolve`]'s business.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// Why a value cannot be read; the text goes on from "`--flag` is `value`, ".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ValueError {
    /// Neither a number nor a number with a unit of size.
    #[error("which is not a size: write a number of bytes, or 512KiB, 64MiB or 1GiB")]
    Size,
    /// Not a number with a unit of time.
    #[error("which is not a duration: write a number with its unit, like 500ms, 20s or 1m")]
    Duration,
    /// A number alone, which could be seconds or milliseconds.
    #[error("which has no unit: write {0}s for seconds or {0}ms for milliseconds")]
    DurationUnit(u64),
    /// Not a whole number.
    #[error("which is not a count: write a whole number like 1000")]
    Count,
    /// Not a switch.
    #[error("which is neither true nor false: write one of the two")]
    Switch,
    /// Not one of the words a setting knows.
    #[error("which is not known: write {0}")]
    Word(&'static str),
    /// A port without an address.
    #[error(
        "which names no address: write 127.0.0.1:{0} for this machine only, or 0.0.0.0:{0} and \
         [::]:{0} for every interface"
    )]
    AddressMissing(u16),
    /// An address without a port.
    #[error("which names no port: write {0}")]
    PortMissing(SocketAddr),
    /// A name where a numeric address is needed.
    #[error("which is not an IP address and a port: write one like 127.0.0.1:9001 or [::1]:9001")]
    Address,
    /// An origin with something after the port.
    #[error("which has something after the host and port: write {0}")]
    OriginPath(String),
    /// No `scheme://host[:port]` at all.
    #[error(
        "which is not an origin: write scheme://host or scheme://host:port as the browser sends it, null for \
         pages that have none, or * for any"
    )]
    Origin,
    /// Not a token (RFC 9110 section 5.6.2).
    #[error("which is not the name of a subprotocol: write one word, like chat or chat.v2")]
    Subprotocol,
}

/// A size in bytes: digits, then nothing, `B`, `K`, `M` or `G`, or those with `iB` (powers of 1024).
pub(super) fn bytes(text: &str) -> Result<usize, ValueError> {
    let (number, unit) = split_number(text).ok_or(ValueError::Size)?;
    let shift = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kib" => 10,
        "m" | "mib" => 20,
        "g" | "gib" => 30,
        _ => return Err(ValueError::Size),
    };
    number
        .checked_mul(1 << shift)
        .and_then(|bytes| usize::try_from(bytes).ok())
        .ok_or(ValueError::Size)
}

/// A duration: digits, then `ms`, `s`, `m` or `h`.
pub(super) fn duration(text: &str) -> Result<Duration, ValueError> {
    let (number, unit) = split_number(text).ok_or(ValueError::Duration)?;
    let milliseconds_each: u64 = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "" => return Err(ValueError::DurationUnit(number)),
        _ => return Err(ValueError::Duration),
    };
    number
        .checked_mul(milliseconds_each)
        .map(Duration::from_millis)
        .ok_or(ValueError::Duration)
}

/// A whole number.
pub(super) fn count(text: &str) -> Result<usize, ValueError> {
    text.parse().map_err(|_| ValueError::Count)
}

/// A switch of the environment or the file; a flag gives `true` by being there.
pub(super) fn switch(text: &str) -> Result<bool, ValueError> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Ok(true),
        "false" | "0" | "no" | "off" => Ok(false),
        _ => Err(ValueError::Switch),
    }
}

/// A numeric address with a port; a name is refused, since it may stand for several addresses.
pub(super) fn address(text: &str) -> Result<SocketAddr, ValueError> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    if let Ok(port) = text.strip_prefix(':').unwrap_or(text).parse() {
        return Err(ValueError::AddressMissing(port));
    }
    let bare = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(text);
    match bare.parse::<IpAddr>() {
        Ok(address) => Err(ValueError::PortMissing(SocketAddr::new(address, 9001))),
        Err(_) => Err(ValueError::Address),
    }
}

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

/// Leading digits and what follows them, without the space a person may leave between the two.
fn split_number(text: &str) -> Option<(u64, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    Some((number.parse().ok()?, unit.trim_start()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: a size is read with or without a binary unit, and nothing that could mean two sizes
    /// is.
    #[test]
    fn sizes() {
        let good = [
            ("0", 0),
            ("65536", 65_536),
            ("12B", 12),
            ("16K", 16 << 10),
            ("16M", 16 << 20),
            ("64MiB", 64 << 20),
            ("64mib", 64 << 20),
            ("64 MiB", 64 << 20),
            ("1G", 1 << 30),
        ];
        for (text, expected) in good {
            assert_eq!(bytes(text), Ok(expected), "{text}");
        }
        // A decimal prefix would be ambiguous, so it is not taken for a binary one.
        for text in [
            "",
            "M",
            "-1",
            "1.5M",
            "64MB",
            "64Q",
            "99999999999999999999",
            "99999999999G",
        ] {
            assert_eq!(bytes(text), Err(ValueError::Size), "{text}");
        }
    }

    /// Goal: a duration is read with its unit, and one without is told which to write.
    #[test]
    fn durations() {
        let good = [
            ("500ms", 500),
            ("20s", 20_000),
            ("1m", 60_000),
            ("2h", 7_200_000),
            ("0s", 0),
        ];
        for (text, milliseconds) in good {
            assert_eq!(
                duration(text),
                Ok(Duration::from_millis(milliseconds)),
                "{text}"
            );
        }
        assert_eq!(duration("20"), Err(ValueError::DurationUnit(20)));
        for text in ["", "s", "-1s", "1.5s", "1d", "20S", "18446744073709551615h"] {
            assert_eq!(duration(text), Err(ValueError::Duration), "{text}");
        }
    }

    /// Goal: an address is read as IP and port, and one that lacks a part is told the whole.
    #[test]
    fn addresses() {
        for text in [
            "127.0.0.1:9001",
            "[::1]:0",
            "0.0.0.0:80",
            "[fe80::1%2]:9001",
        ] {
            assert!(address(text).is_ok(), "{text}");
        }
        let bad = [
            ("9001", ValueError::AddressMissing(9001)),
            (":9001", ValueError::AddressMissing(9001)),
            (
                "127.0.0.1",
                ValueError::PortMissing(SocketAddr::from(([127, 0, 0, 1], 9001))),
            ),
            (
                "::1",
                ValueError::PortMissing("[::1]:9001".parse().expect("an address")),
            ),
            (
                "[::1]",
                ValueError::PortMissing("[::1]:9001".parse().expect("an address")),
            ),
            ("localhost:9001", ValueError::Address),
            ("127.0.0.1:99999", ValueError::Address),
            ("", ValueError::Address),
        ];
        for (text, expected) in bad {
            assert_eq!(address(text), Err(expected), "{text}");
        }
    }

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

    /// Goal: counts are whole numbers, and a switch knows the usual words for on and off.
    #[test]
    fn counts_and_switches() {
        assert_eq!(count("1000"), Ok(1000));
        for text in ["", "-1", "1.0", "1k", "ten"] {
            assert_eq!(count(text), Err(ValueError::Count), "{text}");
        }
        for (text, expected) in [("true", true), ("1", true), ("ON", true), ("0", false)] {
            assert_eq!(switch(text), Ok(expected), "{text}");
        }
        assert_eq!(switch("maybe"), Err(ValueError::Switch));
    }
}
