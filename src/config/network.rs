//! Where the server listens, what it serves there, and to whom.

mod origin;

use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};
use std::path::PathBuf;

use super::Config;
use super::setting::{Asked, Preset, Refusal, Section, Setting, Shape};
use super::units::{self, ValueError};

pub(super) const SECTION: Section = Section {
    heading: "Network",
    settings: &[LISTEN, STATIC, ALLOW_ORIGIN, SUBPROTOCOL, ECHO],
};

const LISTEN: Setting = Setting {
    name: "listen",
    shape: Shape::Many("ADDR"),
    help: "Address and port to listen on, IPv4 or IPv6; may be given several times. Port 0 picks \
           a free one, which the start line names",
    default: Preset::Address(LISTEN_DEFAULT),
    rule: listen,
};

const PORT_DEFAULT: u16 = 9001;
pub(super) const LISTEN_DEFAULT: SocketAddr =
    SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, PORT_DEFAULT));

fn listen(asked: &mut Asked<'_>, config: &mut Config) -> Result<(), Refusal> {
    let Some(addresses) = asked.many(address)? else {
        return Ok(());
    };
    for (index, address) in addresses.iter().enumerate() {
        // Port 0 stands for a different port each time.
        if address.port() != 0 && addresses[..index].contains(address) {
            return asked.refuse(format!("which names {address} twice; remove one of them"));
        }
    }
    config.listen = addresses;
    Ok(())
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
        Ok(address) => Err(ValueError::PortMissing(SocketAddr::new(
            address,
            PORT_DEFAULT,
        ))),
        Err(_) => Err(ValueError::Address),
    }
}

const STATIC: Setting = Setting {
    name: "static",
    shape: Shape::One("DIR"),
    help: "Folder whose files are served",
    default: Preset::Text("the built-in chat page"),
    rule: static_dir,
};

fn static_dir(asked: &mut Asked<'_>, config: &mut Config) -> Result<(), Refusal> {
    let Some(given) = asked.given() else {
        return Ok(());
    };
    let path = PathBuf::from(&given.values[0]);
    // Reading the folder is the one test that asks what serving from it will ask.
    if let Err(error) = std::fs::read_dir(&path) {
        return asked.refuse(format!(
            "which can't be served ({error}); name a folder this user can read"
        ));
    }
    config.static_dir = Some(path);
    Ok(())
}

const ALLOW_ORIGIN: Setting = Setting {
    name: "allow_origin",
    shape: Shape::Many("ORIGIN"),
    help: "Origin whose pages may open a WebSocket, as scheme://host[:port], also of an app's own \
           scheme, null for pages that have none, or * for any; may be given several times",
    default: Preset::Text("only pages of this host, and clients that send no Origin"),
    rule: |asked, config| {
        if let Some(origins) = asked.many(origin::origin)? {
            config.allow_origin = origins;
        }
        Ok(())
    },
};

const SUBPROTOCOL: Setting = Setting {
    name: "subprotocol",
    shape: Shape::Many("NAME"),
    help: "Subprotocol that clients may offer and are answered with; may be given several times. \
           Clients that offer only others are refused",
    default: Preset::Text("none"),
    rule: |asked, config| {
        if let Some(names) = asked.many(origin::subprotocol)? {
            config.subprotocols = names;
        }
        Ok(())
    },
};

const ECHO: Setting = Setting {
    name: "echo",
    shape: Shape::Switch,
    help: "Serve /echo too, which sends each message back to its sender",
    default: Preset::Word("off"),
    rule: |asked, config| {
        config.echo = asked.one(units::switch)?.unwrap_or(config.echo);
        Ok(())
    },
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::testing::{accepts, refuses};

    /// Goal: several addresses are listened on, none of them twice, but for ports that the kernel
    /// picks.
    #[test]
    fn listen() {
        let addresses = "127.0.0.1:1,[::1]:2,127.0.0.1:0,127.0.0.1:0";
        let config = accepts(&[("listen", addresses)]);
        let texts: Vec<String> = config.listen.iter().map(SocketAddr::to_string).collect();
        assert_eq!(texts.join(","), addresses);
        for (written, expected) in [
            (
                "9001",
                "listen is `9001`, which names no address: write 127.0.0.1:9001",
            ),
            ("[::1]", "which names no port: write [::1]:9001"),
            ("a:1", "which is not an IP address and a port"),
            (
                "[::]:1,[::]:1",
                "listen is [::]:1,[::]:1, which names [::]:1 twice; remove one",
            ),
        ] {
            refuses(&[("listen", written)], expected);
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

    /// Goal: only a folder that can be read is served.
    #[test]
    fn static_dir() {
        let folder = std::env::temp_dir();
        let config = accepts(&[("static", folder.to_str().expect("UTF-8"))]);
        assert_eq!(config.static_dir, Some(folder));
        for (written, expected) in [
            (
                "/nonexistent",
                "static is /nonexistent, which can't be served (No such file",
            ),
            (
                "/etc/hostname",
                "(Not a directory|name a folder this user can read",
            ),
        ] {
            refuses(&[("static", written)], expected);
        }
    }

    /// Goal: origins and subprotocols come in lists; the tests of `origin` have what may stand there.
    #[test]
    fn allow_origin_and_subprotocol() {
        let config = accepts(&[
            ("allow_origin", "https://a.example:443,null"),
            ("subprotocol", "chat.v2,chat"),
        ]);
        assert_eq!(config.allow_origin, ["https://a.example", "null"]);
        assert_eq!(config.subprotocols, ["chat.v2", "chat"]);
        for (name, written, expected) in [
            (
                "allow_origin",
                "https://a/",
                "something after the host and port: write https://a",
            ),
            (
                "allow_origin",
                "a.example",
                "which is not an origin: write scheme://host",
            ),
            (
                "subprotocol",
                "a/b",
                "is `a/b`, which is not the name of a subprotocol: write one word",
            ),
        ] {
            refuses(&[(name, written)], expected);
        }
    }

    /// Goal: a switch that is written says which side it is on.
    #[test]
    fn echo() {
        assert!(accepts(&[("echo", "true")]).echo);
        assert!(!accepts(&[("echo", "false")]).echo);
        refuses(
            &[("echo", "perhaps")],
            "which is neither true nor false: write one of the two",
        );
    }
}
