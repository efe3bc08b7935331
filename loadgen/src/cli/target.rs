//! Where a run goes: `HOST:PORT`, or a URL of scheme `ws` or `wss`.

use std::net::{Ipv6Addr, SocketAddr, ToSocketAddrs};

use anyhow::{Context, bail, ensure};

use crate::cli::redact;

/// Ports of the schemes, which a `Host` header leaves away (RFC 6455 section 4.1).
const WS_PORT: u16 = 80;
const WSS_PORT: u16 = 443;

/// A target, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    /// Whether it is spoken to in TLS.
    pub(crate) is_secure: bool,
    /// A name or an address, without brackets.
    pub(crate) host: String,
    port: u16,
    /// Path and query of a URL; none of `HOST:PORT`.
    pub(crate) path: Option<String>,
    /// Whether it was given as a URL.
    is_url: bool,
}

impl Target {
    /// Takes a target apart.
    ///
    /// # Errors
    /// One sentence that says what is wanted.
    pub(crate) fn parse(text: &str) -> anyhow::Result<Self> {
        let about = || format!("--target {}", redact::url(text));
        let Some((scheme, rest)) = text.split_once("://") else {
            let (host, port) = authority(text).with_context(about)?;
            let port = port.with_context(|| {
                format!(
                    "{}: want HOST:PORT, or a URL such as wss://HOST/PATH",
                    about()
                )
            })?;
            return Ok(Self {
                is_secure: false,
                host,
                port,
                path: None,
                is_url: false,
            });
        };
        let is_secure = match scheme.to_ascii_lowercase().as_str() {
            "ws" => false,
            "wss" => true,
            "http" => bail!("{}: want ws:// instead of http://", about()),
            "https" => bail!("{}: want wss:// instead of https://", about()),
            _ => bail!("{}: want ws:// or wss://", about()),
        };
        let rest = rest.split('#').next().unwrap_or_default();
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (place, path) = rest.split_at(end);
        ensure!(
            !place.contains('@'),
            "{}: want no name and password before the host: use --header \"Authorization: ...\"",
            about()
        );
        let (host, port) = authority(place).with_context(about)?;
        let default_port = if is_secure { WSS_PORT } else { WS_PORT };
        Ok(Self {
            is_secure,
            host,
            port: port.unwrap_or(default_port),
            path: Some(match path.starts_with('/') {
                true => path.to_owned(),
                false => format!("/{path}"),
            }),
            is_url: true,
        })
    }

    /// The value of the `Host` header: without the scheme's own port.
    pub(crate) fn authority(&self) -> String {
        let default_port = if self.is_secure { WSS_PORT } else { WS_PORT };
        match self.port == default_port {
            true => bracketed(&self.host),
            false => self.host_and_port(),
        }
    }

    /// The target as it is told: without its path.
    pub(crate) fn told(&self) -> String {
        let scheme = match (self.is_url, self.is_secure) {
            (false, _) => "",
            (true, false) => "ws://",
            (true, true) => "wss://",
        };
        format!("{scheme}{}", self.host_and_port())
    }

    /// Host and port, as they are allowed or not.
    pub(crate) fn host_and_port(&self) -> String {
        format!("{}:{}", bracketed(&self.host), self.port)
    }

    /// Every address that its host has, each once.
    ///
    /// # Errors
    /// When there is no such host.
    pub(crate) fn resolve(&self) -> anyhow::Result<Vec<SocketAddr>> {
        let about = || format!("--target {}: no such host", self.told());
        let found = (self.host.as_str(), self.port).to_socket_addrs();
        let mut addresses: Vec<SocketAddr> = Vec::new();
        for address in found.with_context(about)? {
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        ensure!(!addresses.is_empty(), "{}", about());
        Ok(addresses)
    }
}

fn bracketed(host: &str) -> String {
    match host.contains(':') {
        true => format!("[{host}]"),
        false => host.to_owned(),
    }
}

/// Host and port, if there is one.
fn authority(text: &str) -> anyhow::Result<(String, Option<u16>)> {
    let (host, port) = if let Some(inner) = text.strip_prefix('[') {
        let (host, rest) = inner.split_once(']').context("want [ADDRESS]:PORT")?;
        let without_zone = host.split('%').next().unwrap_or_default();
        ensure!(
            without_zone.parse::<Ipv6Addr>().is_ok(),
            "want an IPv6 address between the brackets"
        );
        match rest.strip_prefix(':') {
            Some(port) => (host, Some(port)),
            None if rest.is_empty() => (host, None),
            None => bail!("want [ADDRESS]:PORT"),
        }
    } else {
        match text.split_once(':') {
            Some((_, rest)) if rest.contains(':') => {
                bail!("want brackets around an IPv6 address: [ADDRESS]:PORT")
            }
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        }
    };
    let is_host = !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_graphic());
    ensure!(is_host, "want HOST:PORT");
    let port = port.map(|port| port.parse().context("want a port of 1 to 65535"));
    Ok((host.to_owned(), port.transpose()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: every way to name a target gives the right host, port, path and `Host` header.
    #[test]
    fn targets_are_taken_apart() {
        for (text, is_secure, authority, told, path) in [
            (
                "127.0.0.1:9001",
                false,
                "127.0.0.1:9001",
                "127.0.0.1:9001",
                None,
            ),
            ("example:80", false, "example", "example:80", None),
            ("[::1]:9001", false, "[::1]:9001", "[::1]:9001", None),
            ("ws://here", false, "here", "ws://here:80", Some("/")),
            (
                "WS://here:81/a?b=c#d",
                false,
                "here:81",
                "ws://here:81",
                Some("/a?b=c"),
            ),
            (
                "wss://here?b=c",
                true,
                "here",
                "wss://here:443",
                Some("/?b=c"),
            ),
            (
                "wss://[::1]:80/",
                true,
                "[::1]:80",
                "wss://[::1]:80",
                Some("/"),
            ),
            ("ws://[::1]", false, "[::1]", "ws://[::1]:80", Some("/")),
        ] {
            let target = Target::parse(text).unwrap();
            assert_eq!(target.is_secure, is_secure, "{text}");
            assert_eq!(target.authority(), authority, "{text}");
            assert_eq!(target.told(), told, "{text}");
            assert_eq!(target.path.as_deref(), path, "{text}");
        }
        let addresses = Target::parse("[::1]:9001").unwrap().resolve().unwrap();
        assert_eq!(addresses, ["[::1]:9001".parse().unwrap()]);
    }

    /// Goal: what can't be meant is refused with what would be right, and without anybody's password.
    #[test]
    fn bad_targets_name_the_fix() {
        for (text, fix) in [
            ("nonsense", "want HOST:PORT, or a URL"),
            (":9001", "want HOST:PORT"),
            ("here:port", "want a port"),
            ("here:99999", "want a port"),
            ("::1:9001", "want brackets"),
            ("[::1", "want [ADDRESS]:PORT"),
            ("[here]:80", "IPv6 address"),
            ("https://here/", "want wss://"),
            ("ftp://here/", "want ws:// or wss://"),
            ("wss://me:s3cret@here/", "--header"),
        ] {
            let error = format!("{:#}", Target::parse(text).unwrap_err());
            assert!(error.contains(fix), "{text}: {error}");
            assert!(error.starts_with("--target "), "{error}");
            assert!(!error.contains("s3cret"), "{error}");
        }
    }
}
