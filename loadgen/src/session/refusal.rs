//! What a server says instead of an upgrade: a status, where to go, and the first bytes of why.

use std::fmt;

use fanring::wire::http::head_end;

/// How much of a body is waited for, in bytes.
const BODY_BYTES_MAX: usize = 1024;

/// How much of it is told, in characters.
const TOLD_MAX: usize = 200;

/// An answer with another status than 101.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    /// What the status line says behind the number.
    reason: String,
    location: Option<String>,
    /// The beginning of the body, on one line.
    body: String,
}

/// Whether enough of an answer has come, whose head has.
pub(crate) fn is_whole(answer: &[u8]) -> bool {
    let (head, body) = split(answer);
    let length = header(&head, "Content-Length");
    let length = length.and_then(|length| length.parse::<usize>().ok());
    body.len() >= length.unwrap_or(BODY_BYTES_MAX).min(BODY_BYTES_MAX)
}

impl Refusal {
    /// Reads an answer whose head has come, as far as the rest of it has.
    pub(crate) fn read(answer: &[u8]) -> Self {
        let (head, mut body) = split(answer);
        let mut words = head.lines().next().unwrap_or_default().splitn(3, ' ');
        let status = words.nth(1).and_then(|status| status.parse().ok());
        let coding = header(&head, "Transfer-Encoding").unwrap_or_default();
        if coding.eq_ignore_ascii_case("chunked") {
            body = first_chunk(body);
        }
        let text = String::from_utf8_lossy(body);
        let words_of_body: Vec<_> = text.split_whitespace().collect();
        let line = words_of_body.join(" ");
        let mut told: String = line.chars().filter(|c| !c.is_control()).collect();
        if let Some((end, _)) = told.char_indices().nth(TOLD_MAX) {
            told.truncate(end);
            told.push('…');
        }
        Self {
            status: status.unwrap_or(0),
            reason: words.next().unwrap_or_default().trim().to_owned(),
            location: header(&head, "Location").map(str::to_owned),
            body: told,
        }
    }
}

impl Refusal {
    /// Leaves out of what the server said what it must not be told again.
    pub(crate) fn censor(&mut self, hide: impl Fn(&str) -> String) {
        let location = self.location.iter_mut();
        for said in location.chain([&mut self.reason, &mut self.body]) {
            *said = hide(said);
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the server answered {}", self.status)?;
        if !self.reason.is_empty() {
            write!(f, " {}", self.reason)?;
        }
        match &self.location {
            Some(place) if (300..400).contains(&self.status) => {
                write!(
                    f,
                    ": it is at {place} (no redirect is followed: name it with --target)"
                )
            }
            _ if self.body.is_empty() => Ok(()),
            _ => write!(f, ": {}", self.body),
        }
    }
}

/// The head as text, and the body.
fn split(answer: &[u8]) -> (String, &[u8]) {
    let end = head_end(answer, 0).unwrap_or(answer.len());
    let (head, body) = answer.split_at(end);
    (String::from_utf8_lossy(head).into_owned(), body)
}

/// The value of the first header with a name.
fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().skip(1).find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

/// What there is of the first chunk of a body in chunks (RFC 9112 section 7.1).
fn first_chunk(body: &[u8]) -> &[u8] {
    let Some(end) = body.windows(2).position(|pair| pair == b"\r\n") else {
        return &[];
    };
    let size = String::from_utf8_lossy(&body[..end]);
    let size = size.split(';').next().unwrap_or_default().trim();
    let size = usize::from_str_radix(size, 16).unwrap_or(0);
    let rest = &body[end + 2..];
    &rest[..size.min(rest.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: status, reason and the first words of the body are told, however the body comes.
    #[test]
    fn refusals_are_told() {
        for (answer, told) in [
            (
                "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 9\r\n\r\ntry\r\n later",
                "the server answered 503 Service Unavailable: try later",
            ),
            (
                "HTTP/1.1 404 Not Found\r\ntransfer-encoding: chunked\r\n\r\n7;a\r\nnothing\r\n0\r\n\r\n",
                "the server answered 404 Not Found: nothing",
            ),
            ("HTTP/1.1 403\r\n\r\n", "the server answered 403"),
            (
                "HTTP/1.1 301 Moved\r\nlocation: wss://other/ws\r\n\r\nmoved",
                "the server answered 301 Moved: it is at wss://other/ws (no redirect is followed: name it with --target)",
            ),
        ] {
            let refusal = Refusal::read(answer.as_bytes());
            assert_eq!(refusal.to_string(), told);
        }
        let long = format!("HTTP/1.1 500 E\r\n\r\n{}", "é".repeat(900));
        let told = Refusal::read(long.as_bytes()).to_string();
        assert_eq!(told.matches('é').count(), TOLD_MAX);
        assert!(told.ends_with('…'));
    }

    /// Goal: no more is waited for than was announced, and without that no more than is told.
    #[test]
    fn enough_is_enough() {
        let head = "HTTP/1.1 503 X\r\nContent-Length: 3\r\n\r\n";
        assert!(!is_whole(format!("{head}ab").as_bytes()));
        assert!(is_whole(format!("{head}abc").as_bytes()));
        let endless = "HTTP/1.1 503 X\r\n\r\n";
        assert!(!is_whole(endless.as_bytes()));
        assert!(is_whole(
            format!("{endless}{}", "x".repeat(2000)).as_bytes()
        ));
    }
}
