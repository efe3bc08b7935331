//! Where a key set is fetched.

use std::net::IpAddr;

use hyper::Uri;

/// A URL that key sets may be fetched from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    url: String,
    is_encrypted: bool,
}

/// Why a text is none; goes on from the name of the setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EndpointFault {
    /// Placeholders that tokens fill in.
    #[error(
        "has a placeholder in braces, which Fanring does not fill in; write the one URL of the key set"
    )]
    Template,
    /// No URL of HTTP.
    #[error("is no URL; write one like https://issuer.example/.well-known/jwks.json")]
    Malformed,
    /// Keys that anybody on the way could exchange.
    #[error(
        "is not encrypted, so anybody on the way could give out keys of their own; write https://, or http:// for this machine alone"
    )]
    InTheClear,
}

impl Endpoint {
    /// Reads a URL.
    ///
    /// # Errors
    /// When it is none, or keys from there could not be trusted.
    pub fn parse(text: &str) -> Result<Self, EndpointFault> {
        if text.contains("{{") {
            return Err(EndpointFault::Template);
        }
        let uri: Uri = text.parse().map_err(|_| EndpointFault::Malformed)?;
        let host = uri.host().filter(|host| !host.is_empty());
        let host = host.ok_or(EndpointFault::Malformed)?;
        let is_encrypted = match uri.scheme_str() {
            Some("https") => true,
            Some("http") if is_this_machine(host) => false,
            Some("http") => return Err(EndpointFault::InTheClear),
            _ => return Err(EndpointFault::Malformed),
        };
        Ok(Self {
            url: text.to_owned(),
            is_encrypted,
        })
    }

    /// The URL as it was written.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Whether it is HTTPS, so that no redirect may lead to anything else.
    pub fn is_encrypted(&self) -> bool {
        self.is_encrypted
    }
}

fn is_this_machine(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    let is_loopback = |address: IpAddr| address.is_loopback();
    host.eq_ignore_ascii_case("localhost") || address.parse().is_ok_and(is_loopback)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: keys come encrypted or from this machine, and every other URL is answered with what to
    /// write.
    #[test]
    fn only_trusted_urls_are_taken() {
        for (text, is_encrypted) in [
            ("https://issuer.example/jwks.json", true),
            ("https://issuer.example:8443/realms/a/certs?x=1", true),
            ("https://[2001:db8::1]/", true),
            ("http://localhost:8080/jwks", false),
            ("http://LOCALHOST/jwks", false),
            ("http://127.0.0.1:1/", false),
            ("http://127.9.9.9", false),
            ("http://[::1]:80/a", false),
        ] {
            let endpoint = Endpoint::parse(text).expect(text);
            assert_eq!(
                (endpoint.url(), endpoint.is_encrypted()),
                (text, is_encrypted)
            );
        }
        for (text, expected) in [
            ("", EndpointFault::Malformed),
            ("issuer.example", EndpointFault::Malformed),
            ("/jwks.json", EndpointFault::Malformed),
            ("ftp://issuer.example/", EndpointFault::Malformed),
            ("https:///jwks", EndpointFault::Malformed),
            ("https://a b/", EndpointFault::Malformed),
            ("http://issuer.example/", EndpointFault::InTheClear),
            ("http://127.0.0.1.example/", EndpointFault::InTheClear),
            ("http://localhost.example/", EndpointFault::InTheClear),
            ("http://[2001:db8::1]/", EndpointFault::InTheClear),
            ("http://0.0.0.0/", EndpointFault::InTheClear),
            (
                "https://issuer.example/{{realm}}/certs",
                EndpointFault::Template,
            ),
        ] {
            assert_eq!(Endpoint::parse(text), Err(expected), "{text}");
        }
    }
}
