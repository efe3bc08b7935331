//! What is said to a server besides the payloads: the upgrade request, what a session sends when it
//! opens, and what stands around a payload.

use std::fmt::Write;

/// What to say, as given by the flags; `{room}` and `{i}` stand for the numbers of room and session.
#[derive(Clone, Debug, Default)]
pub(crate) struct Dialogue {
    /// For the `Host` header.
    pub(crate) host: String,
    /// Path and query.
    pub(crate) path: String,
    /// Further headers, each `Name: value`.
    pub(crate) headers: Vec<String>,
    /// Subprotocols to offer.
    pub(crate) subprotocols: Vec<String>,
    /// Text messages that each session sends as soon as it is open.
    pub(crate) on_open: Vec<String>,
    /// What stands around a payload, with `{payload}` in it.
    pub(crate) template: Option<String>,
}

impl Dialogue {
    /// Appends an upgrade request (RFC 6455 section 4.1).
    pub(crate) fn request(&self, session: u32, room: u32, key: &str, out: &mut Vec<u8>) {
        let path = fill(&self.path, session, room);
        let mut request = format!(
            "GET {path} HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n",
            self.host
        );
        if !self.subprotocols.is_empty() {
            let offers = self.subprotocols.join(", ");
            let _ = write!(request, "Sec-WebSocket-Protocol: {offers}\r\n");
        }
        for header in &self.headers {
            let _ = write!(request, "{}\r\n", fill(header, session, room));
        }
        out.extend_from_slice(request.as_bytes());
        out.extend_from_slice(b"\r\n");
    }

    /// The messages a session sends when it opens.
    pub(crate) fn greetings(&self, session: u32, room: u32) -> impl Iterator<Item = String> {
        self.on_open
            .iter()
            .map(move |text| fill(text, session, room))
    }

    /// What a publisher puts before and after each payload.
    pub(crate) fn envelope(&self, session: u32, room: u32) -> (String, String) {
        let template = self.template.as_deref().unwrap_or("{payload}");
        let (before, after) = template.split_once("{payload}").unwrap_or((template, ""));
        (fill(before, session, room), fill(after, session, room))
    }
}

fn fill(text: &str, session: u32, room: u32) -> String {
    text.replace("{room}", &room.to_string())
        .replace("{i}", &session.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: the request carries what was asked, for this session and room.
    #[test]
    fn requests_are_filled_in() {
        let dialogue = Dialogue {
            host: "example:80".to_owned(),
            path: "/ws/room-{room}?user={i}".to_owned(),
            headers: vec!["Authorization: Bearer {i}".to_owned()],
            subprotocols: vec!["a".to_owned(), "b".to_owned()],
            on_open: vec!["{\"join\":\"{room}\"}".to_owned()],
            template: Some("{\"to\":{room},\"data\":\"{payload}\"}".to_owned()),
        };
        let mut out = Vec::new();
        dialogue.request(7, 3, "KEY", &mut out);
        let request = String::from_utf8(out).unwrap();
        assert!(request.starts_with("GET /ws/room-3?user=7 HTTP/1.1\r\nHost: example:80\r\n"));
        assert!(request.contains("\r\nSec-WebSocket-Protocol: a, b\r\n"));
        assert!(request.ends_with("\r\nAuthorization: Bearer 7\r\n\r\n"));
        assert_eq!(
            dialogue.greetings(7, 3).collect::<Vec<_>>(),
            ["{\"join\":\"3\"}"]
        );
        let envelope = ("{\"to\":3,\"data\":\"".to_owned(), "\"}".to_owned());
        assert_eq!(dialogue.envelope(7, 3), envelope);
    }
}
