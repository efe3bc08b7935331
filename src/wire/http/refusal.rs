//! The short responses that refuse a request and end its connection.

/// Seconds after which a client that met a busy server may try again.
const RETRY_AFTER_SECONDS: u32 = 5;

/// How much of a header a refusal repeats, in bytes.
const SHOWN_BYTES_MAX: usize = 128;

/// A response that ends the connection: a status, and one sentence that names the fix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// A 4xx or 5xx status.
    pub status: u16,
    /// The reason phrase.
    pub reason: &'static str,
    /// Header fields besides those every refusal has.
    pub headers: Vec<(&'static str, String)>,
    /// One sentence for whoever debugs the client.
    pub body: String,
}

impl Refusal {
    /// A refusal without further header fields.
    #[must_use]
    pub(crate) fn new(status: u16, body: impl Into<String>) -> Self {
        let reason = match status {
            400 => "Bad Request",
            401 => "Unauthorized",
            403 => "Forbidden",
            404 => "Not Found",
            405 => "Method Not Allowed",
            408 => "Request Timeout",
            414 => "URI Too Long",
            426 => "Upgrade Required",
            431 => "Request Header Fields Too Large",
            503 => "Service Unavailable",
            505 => "HTTP Version Not Supported",
            _ => "Refused",
        };
        Self {
            status,
            reason,
            headers: Vec::new(),
            body: body.into(),
        }
    }

    /// The same with one more header field.
    #[must_use]
    pub(crate) fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// 503 with `Retry-After`: all connection slots are taken.
    #[must_use]
    pub(crate) fn busy() -> Self {
        Self::new(
            503,
            "All connections of this server are taken: try again in a few seconds.",
        )
        .with_header("Retry-After", RETRY_AFTER_SECONDS.to_string())
    }

    /// 503 with `Retry-After`: more have come in a second than may.
    #[must_use]
    pub(crate) fn too_fast() -> Self {
        Self::new(
            503,
            "Too many clients come at once (client.connection_rate_limit): try again in a few seconds.",
        )
        .with_header("Retry-After", RETRY_AFTER_SECONDS.to_string())
    }

    /// 503 with `Retry-After`: the server is on its way out.
    #[must_use]
    pub(crate) fn stopping() -> Self {
        let sentence = "This server is stopping: try again when it or another one is up.";
        Self::new(503, sentence).with_header("Retry-After", RETRY_AFTER_SECONDS.to_string())
    }

    /// 503 with `Retry-After`: there are as many rooms as there may be.
    #[must_use]
    pub(crate) fn full() -> Self {
        Self::new(
            503,
            "All rooms of this server are taken: join one that exists, or try again in a few seconds.",
        )
        .with_header("Retry-After", RETRY_AFTER_SECONDS.to_string())
    }

    /// 401, 403 or 503 for somebody who may not come in: the token that was shown is no good, lets nobody in
    /// here, or can't be judged now.
    #[must_use]
    pub(crate) fn outside(status: u16) -> Self {
        match status {
            401 => Self::new(
                401,
                "The token is no good here: show one that is signed for this server and has not expired.",
            )
            .with_header("WWW-Authenticate", "Bearer"),
            503 => Self::new(
                503,
                "The key of the token can't be had now: try again in a few seconds.",
            )
            .with_header("Retry-After", RETRY_AFTER_SECONDS.to_string()),
            _ => Self::new(
                403,
                "This room is not open to you here: show a token that opens it, where its namespace has \
                 allow_plain.",
            ),
        }
    }

    /// 408: the head did not arrive in time.
    #[must_use]
    pub(crate) fn timeout() -> Self {
        Self::new(
            408,
            "The request head did not arrive in time: send it in one piece, or connect later.",
        )
    }

    /// Appends the whole response to the request that begins with `request`: one to HEAD has the length
    /// of its body and not the body (RFC 9110 section 9.3.2). A response with `Upgrade` names it in `Connection` too
    /// (section 7.8).
    pub fn encode(&self, request: &[u8], out: &mut Vec<u8>) {
        let upgrades = self.headers.iter().any(|(name, _)| *name == "Upgrade");
        let mut text = format!(
            "HTTP/1.1 {} {}\r\nConnection: close{}\r\nContent-Type: text/plain; charset=utf-8\r\n\
             X-Content-Type-Options: nosniff\r\nContent-Length: {}\r\n",
            self.status,
            self.reason,
            if upgrades { ", upgrade" } else { "" },
            self.body.len() + 1,
        );
        for (name, value) in &self.headers {
            text.extend([name, ": ", value, "\r\n"]);
        }
        text.push_str("\r\n");
        let blank = request.iter().take_while(|byte| b"\r\n".contains(byte));
        if !request[blank.count()..].starts_with(b"HEAD ") {
            text.extend([&self.body, "\n"]);
        }
        out.extend_from_slice(text.as_bytes());
    }
}

/// A header's value as a sentence may repeat it: printable ASCII, and not all of a long one.
pub(crate) fn shown(value: &[u8]) -> String {
    let (start, rest) = match value.len() {
        0..=SHOWN_BYTES_MAX => (value, ""),
        _ => (&value[..SHOWN_BYTES_MAX], "..."),
    };
    format!("{}{rest}", start.escape_ascii())
}
