//! The request that opens a session (RFC 6455 section 4.1).

use std::io::Write;

use anyhow::{Context, bail, ensure};

use super::text::{Text, Who};
use super::values::Values;

/// Headers that the handshake has by itself, and what to use instead.
const OWN: [(&str, &str); 6] = [
    ("Upgrade", "leave it away"),
    ("Connection", "leave it away"),
    ("Sec-WebSocket-Key", "leave it away"),
    ("Sec-WebSocket-Version", "leave it away"),
    ("Sec-WebSocket-Extensions", "leave it away"),
    ("Sec-WebSocket-Protocol", "use --subprotocol"),
];

/// What is asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Upgrade {
    path: Text,
    /// Further headers, each `Name: value`.
    headers: Vec<Text>,
    /// Whether one of them is `Host`.
    has_host: bool,
    /// Subprotocols to offer.
    pub(crate) subprotocols: Vec<String>,
}

/// The same as the flags and the protocol have it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Request {
    pub(crate) path: String,
    pub(crate) headers: Vec<String>,
    pub(crate) subprotocols: Vec<String>,
}

impl Upgrade {
    /// Checks a request, for every row of the values.
    ///
    /// # Errors
    /// One sentence that names the flag and what it takes.
    pub(crate) fn new(request: Request, values: &Values) -> anyhow::Result<Self> {
        let columns = &values.columns;
        let flag = format!("--path {}", request.path);
        let path = Text::plain(&request.path, columns).with_context(|| flag.clone())?;
        let is_path = |bytes: Vec<u8>| {
            bytes.starts_with(b"/") && bytes.iter().all(|byte| byte.is_ascii_graphic())
        };
        ensure!(
            every(&path, values, is_path),
            "{flag}: want a path that starts with / and holds no spaces"
        );
        let mut has_host = false;
        let mut headers = Vec::new();
        for header in &request.headers {
            let name = header.split_once(':').map(|(name, _)| name.trim());
            let name = name.filter(|name| is_token(name));
            let name =
                name.with_context(|| format!("--header {header:?}: want \"Name: value\""))?;
            let own = OWN.iter().find(|(own, _)| own.eq_ignore_ascii_case(name));
            if let Some((own, instead)) = own {
                bail!("--header {own}: the handshake has it by itself: {instead}");
            }
            has_host |= name.eq_ignore_ascii_case("Host");
            let text = Text::plain(header, columns).with_context(|| format!("--header {name}"))?;
            let is_line = |bytes: Vec<u8>| !bytes.iter().any(|byte| b"\r\n\0".contains(byte));
            ensure!(
                every(&text, values, is_line),
                "--header {name}: want a value without line breaks"
            );
            headers.push(text);
        }
        for name in &request.subprotocols {
            ensure!(
                is_token(name),
                "--subprotocol {name:?}: want a name without spaces"
            );
        }
        Ok(Self {
            path,
            headers,
            has_host,
            subprotocols: request.subprotocols,
        })
    }

    /// Path and query as they were given, without anybody's values.
    pub(crate) fn path(&self) -> &str {
        self.path.source()
    }

    /// Appends the request of a session to a host of this name.
    pub(crate) fn append(&self, who: &Who<'_>, (host, key): (&str, &str), out: &mut Vec<u8>) {
        out.extend_from_slice(b"GET ");
        out.extend(self.path.fill(who));
        out.extend_from_slice(b" HTTP/1.1\r\n");
        let mut line = |name: &str, value: &str| {
            write!(out, "{name}: {value}\r\n").expect("memory takes all");
        };
        if !self.has_host {
            line("Host", host);
        }
        line("Upgrade", "websocket");
        line("Connection", "Upgrade");
        line("Sec-WebSocket-Key", key);
        line("Sec-WebSocket-Version", "13");
        if !self.subprotocols.is_empty() {
            line("Sec-WebSocket-Protocol", &self.subprotocols.join(", "));
        }
        for header in &self.headers {
            out.extend(header.fill(who));
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(b"\r\n");
    }
}

/// Whether a text is right with the values of every row.
fn every(text: &Text, values: &Values, is_right: impl Fn(Vec<u8>) -> bool) -> bool {
    let fill = |row| {
        text.fill(&Who {
            row,
            ..Who::default()
        })
    };
    is_right(fill(values.of(0))) && values.rows().all(|row| is_right(fill(row)))
}

/// Whether it is a name as HTTP has them (RFC 9110 section 5.6.2).
fn is_token(name: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.bytes().all(is_part)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> Request {
        Request {
            path: "/ws/room-{room}?user={i}".to_owned(),
            headers: vec!["Authorization: Bearer {i}".to_owned()],
            subprotocols: vec!["a".to_owned(), "b".to_owned()],
        }
    }

    fn text(request: Request) -> String {
        let upgrade = Upgrade::new(request, &Values::default()).unwrap();
        let who = Who {
            session: 7,
            room: 3,
            ..Who::default()
        };
        let mut out = Vec::new();
        upgrade.append(&who, ("example:80", "KEY"), &mut out);
        String::from_utf8(out).unwrap()
    }

    /// Goal: the request carries what was asked, for this session and room.
    #[test]
    fn requests_are_filled_in() {
        let text = text(request());
        assert!(text.starts_with("GET /ws/room-3?user=7 HTTP/1.1\r\nHost: example:80\r\n"));
        assert!(text.contains("\r\nSec-WebSocket-Protocol: a, b\r\n"));
        assert!(text.ends_with("\r\nAuthorization: Bearer 7\r\n\r\n"));
    }

    /// Goal: a host that is given is the only one.
    #[test]
    fn there_is_one_host() {
        let mut request = request();
        request.headers.push("host: other".to_owned());
        let text = text(request).to_ascii_lowercase();
        assert_eq!(text.matches("\r\nhost: ").count(), 1, "{text}");
        assert!(text.contains("\r\nhost: other\r\n"));
    }

    /// Goal: what would break the request is refused by the name of its flag.
    #[test]
    fn bad_requests_are_refused() {
        let refuse = |change: &dyn Fn(&mut Request)| {
            let mut request = request();
            change(&mut request);
            Upgrade::new(request, &Values::default())
                .unwrap_err()
                .to_string()
        };
        let header = |text: &str| refuse(&|request| request.headers.push(text.to_owned()));
        assert!(header("nonsense").contains("Name: value"));
        assert!(header("A b: c").contains("Name: value"));
        assert!(header("X: a\r\nY: b").contains("line breaks"));
        assert!(header("upgrade: h2c").contains("leave it away"));
        assert!(header("Sec-WebSocket-Protocol: a").contains("--subprotocol"));
        assert!(refuse(&|request| request.path = "ws".to_owned()).contains("starts with /"));
        assert!(
            refuse(&|request| request.subprotocols.push("a b".to_owned()))
                .contains("--subprotocol")
        );
    }
}
