//! What is served besides WebSockets: pages, files, figures.

use std::time::Duration;

use super::Config;
use super::descriptors::WEB_CONNECTIONS_MIN;
use super::setting::{Asked, Preset, Refusal, Section, Setting, Shape};
use super::units;

pub(super) const SECTION: Section = Section {
    heading: "HTTP",
    settings: &[
        CONTENT_SECURITY_POLICY,
        HTTP_CONNECTIONS_MAX,
        HTTP_KEEP_ALIVE,
        DRAIN_TIMEOUT,
    ],
};

const CONTENT_SECURITY_POLICY: Setting = Setting {
    name: "content_security_policy",
    shape: Shape::One("TEXT|none"),
    help: "Content-Security-Policy of the files of --static, or none for no such header; the \
           built-in page has a stricter one of its own",
    default: Preset::Text(
        "own files, inline styles, data: and blob: pictures, WebAssembly, workers, WebSockets; no \
         inline scripts",
    ),
    rule: content_security_policy,
};

/// What a site in a folder may do: whatever its own files say, styles and pictures that its scripts
/// make up, WebAssembly, workers, and sockets to any host. Scripts that stand inside of a page are
/// what this is to keep out: that is where other people's text ends up.
pub(super) const CONTENT_SECURITY_POLICY_DEFAULT: &str = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; \
     style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; media-src 'self' data: blob:; \
     font-src 'self' data:; worker-src 'self' blob:; connect-src 'self' data: blob: ws: wss:; \
     object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'self'";

/// What may stand in a header; whether browsers understand it is theirs to say.
fn content_security_policy(asked: &mut Asked<'_>, config: &mut Config) -> Result<(), Refusal> {
    let Some(given) = asked.given() else {
        return Ok(());
    };
    let policy = given.values[0].trim();
    if policy.is_empty() || !policy.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return asked
            .refuse("which can't be a header's value; write it on one line in ASCII, or none");
    }
    config.content_security_policy = (policy != "none").then(|| policy.to_owned());
    Ok(())
}

const HTTP_CONNECTIONS_MAX: Setting = Setting {
    name: "http_connections_max",
    shape: Shape::One("COUNT"),
    help: "Connections for pages, files and figures at once. When all are taken, the one that has \
           been idle longest gives way, and if none is idle, a new one is answered 503",
    default: Preset::Text("256, or a sixteenth of a small descriptor limit"),
    rule: http_connections_max,
};

/// At most a quarter of the descriptors: each may take two, and sessions need the rest.
fn http_connections_max(asked: &mut Asked<'_>, config: &mut Config) -> Result<(), Refusal> {
    let descriptors_max = asked.machine().descriptors_max;
    let Some(connections) = asked.one(units::count)? else {
        config.web_connections_max = Config::web_connections_for(descriptors_max);
        return Ok(());
    };
    if connections < WEB_CONNECTIONS_MIN {
        return asked.refuse(format!(
            "which is too few for a browser or two; raise it to {WEB_CONNECTIONS_MIN} or more"
        ));
    }
    if connections > descriptors_max / 4 {
        return asked.refuse(format!(
            "but each may take two of {descriptors_max} descriptors, which sessions need too; \
             lower it to {}, or raise the limit with ulimit -Hn or LimitNOFILE=",
            descriptors_max / 4
        ));
    }
    config.web_connections_max = connections;
    Ok(())
}

const HTTP_KEEP_ALIVE: Setting = Setting {
    name: "http_keep_alive",
    shape: Shape::One("DURATION"),
    help: "How long a connection without a request stays open; longer than a proxy in front keeps \
           its own, or it may send a request into the close",
    default: Preset::Time(HTTP_KEEP_ALIVE_DEFAULT),
    rule: |asked, config| {
        config.http_keep_alive = asked
            .duration_above_zero()?
            .unwrap_or(config.http_keep_alive);
        Ok(())
    },
};

/// Longer than load balancers keep theirs: 60 s by default for nginx and AWS, 600 s for Google's.
/// Whoever closes first must be the one who sends the requests.
pub(super) const HTTP_KEEP_ALIVE_DEFAULT: Duration = Duration::from_secs(620);

const DRAIN_TIMEOUT: Setting = Setting {
    name: "drain_timeout",
    shape: Shape::One("DURATION"),
    help: "How long downloads may go on after the signal to stop; meanwhile /healthz says 503, for \
           a second at least. 0s ends at once",
    default: Preset::Time(DRAIN_TIMEOUT_DEFAULT),
    // No time at all is a time here: whoever has no load balancer may want a quick end.
    rule: |asked, config| {
        config.drain_timeout = asked.duration()?.unwrap_or(config.drain_timeout);
        Ok(())
    },
};

pub(super) const DRAIN_TIMEOUT_DEFAULT: Duration = Duration::from_secs(3);

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::config::testing::{accepts, refuses};

    /// Goal: any header's value is a policy, and none is none.
    #[test]
    fn content_security_policy() {
        let policy = |text| accepts(&[("content_security_policy", text)]).content_security_policy;
        assert_eq!(policy("none"), None);
        assert_eq!(
            policy(" default-src 'self' ").as_deref(),
            Some("default-src 'self'")
        );
        for text in ["", "a\tb", "caf\u{e9}"] {
            refuses(
                &[("content_security_policy", text)],
                "which can't be a header's value; write it on one line in ASCII, or none",
            );
        }
    }

    /// Goal: there is room for a browser, and sessions keep most of the descriptors.
    #[test]
    fn http_connections_max() {
        let places = |text| accepts(&[("http_connections_max", text)]).web_connections_max;
        assert_eq!((places("16"), places("5000")), (16, 5_000));
        for (text, expected) in [
            (
                "15",
                "http_connections_max is 15, which is too few for a browser or two; raise it to 16",
            ),
            ("5001", "two of 20000 descriptors|lower it to 5000"),
        ] {
            refuses(&[("http_connections_max", text)], expected);
        }
    }

    /// Goal: a connection stays for some time; an end may take none.
    #[test]
    fn http_keep_alive_and_drain_timeout() {
        let config = accepts(&[("http_keep_alive", "75s"), ("drain_timeout", "0s")]);
        assert_eq!(config.http_keep_alive, Duration::from_secs(75));
        assert_eq!(config.drain_timeout, Duration::ZERO);
        for (name, text, expected) in [
            (
                "http_keep_alive",
                "0s",
                "which is no time at all; the default is 620s",
            ),
            ("drain_timeout", "25h", "more than a day; write 24h or less"),
            ("drain_timeout", "3", "has no unit: write 3s"),
        ] {
            refuses(&[(name, text)], expected);
        }
    }
}
