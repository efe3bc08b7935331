//! Frames of STOMP 1.2: a command, headers with escapes, a body with its length or up to the first NUL.

use std::borrow::Cow;

/// A line feed between frames: shows that the connection is alive.
pub(super) const HEART_BEAT: &[u8] = b"\n";

/// Appends a frame up to its body, which a NUL ends. The values of CONNECT are not escaped, as those of older versions
/// are not, and so may hold no line feed.
pub(super) fn begin(command: &str, headers: &[(&str, &[u8])], out: &mut Vec<u8>) {
    out.extend_from_slice(command.as_bytes());
    out.push(b'\n');
    for (name, value) in headers {
        out.extend_from_slice(name.as_bytes());
        out.push(b':');
        match command {
            "CONNECT" => out.extend(value.iter().filter(|byte| !b"\r\n\0".contains(byte))),
            _ => escape(value, out),
        }
        out.push(b'\n');
    }
    out.push(b'\n');
}

/// A frame without a body.
pub(super) fn bare(command: &str, headers: &[(&str, &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    begin(command, headers, &mut out);
    out.push(0);
    out
}

fn escape(value: &[u8], out: &mut Vec<u8>) {
    for byte in value {
        match byte {
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b':' => out.extend_from_slice(b"\\c"),
            b'\\' => out.extend_from_slice(b"\\\\"),
            0 => {}
            byte => out.push(*byte),
        }
    }
}

fn unescape(value: &[u8]) -> String {
    let text = String::from_utf8_lossy(value);
    let mut out = String::new();
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => out.extend(letters.next().map(|letter| match letter {
                'r' => '\r',
                'n' => '\n',
                'c' => ':',
                other => other,
            })),
            letter => out.push(letter),
        }
    }
    out
}

/// A frame of the server.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Frame<'a> {
    pub(super) command: &'a [u8],
    /// Its lines, as they came.
    headers: &'a [u8],
    pub(super) body: &'a [u8],
}

impl Frame<'_> {
    /// The first header with a name, which is the one that counts.
    pub(super) fn header(&self, name: &str) -> Option<String> {
        find(self.headers, name).map(unescape)
    }

    /// Command and body as people read them, of a frame that ends the session.
    pub(super) fn told(&self) -> String {
        let message = self.header("message").unwrap_or_default();
        let body = String::from_utf8_lossy(self.body);
        let line = body.lines().find(|line| !line.is_empty());
        let parts = [Some(Cow::from(message)), line.map(Cow::from)];
        let parts: Vec<_> = parts
            .into_iter()
            .flatten()
            .filter(|part| !part.is_empty())
            .collect();
        parts.join(": ")
    }
}

/// What stands at the start of some bytes, and its size.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum First<'a> {
    /// The beginning of something.
    Cut,
    /// A line feed between frames.
    HeartBeat(usize),
    Frame(Frame<'a>, usize),
}

/// Reads the first frame.
///
/// # Errors
/// That it is none.
pub(super) fn first(bytes: &[u8]) -> Result<First<'_>, String> {
    match bytes {
        [] | [b'\r'] => return Ok(First::Cut),
        [b'\n', ..] => return Ok(First::HeartBeat(1)),
        [b'\r', b'\n', ..] => return Ok(First::HeartBeat(2)),
        _ => {}
    }
    let mut end = 0;
    let mut command = None;
    let (headers, body_at) = loop {
        let Some(length) = bytes[end..].iter().position(|byte| *byte == b'\n') else {
            return Ok(First::Cut);
        };
        let line = trim(&bytes[end..end + length]);
        let line_at = end;
        end += length + 1;
        match command {
            None => command = Some((line, end)),
            Some((_, headers_at)) if line.is_empty() => break (&bytes[headers_at..line_at], end),
            Some(_) => {}
        }
    };
    let (command, _) = command.expect("the first line");
    if command.is_empty() || !command.iter().all(u8::is_ascii_uppercase) {
        return Err("the server sent what is no frame of STOMP".to_owned());
    }
    let rest = &bytes[body_at..];
    let length = match find(headers, "content-length") {
        Some(length) => {
            let length = std::str::from_utf8(length)
                .ok()
                .and_then(|text| text.parse::<usize>().ok());
            let length = length.ok_or("the server sent a content-length that is no number")?;
            match rest.get(length) {
                Some(0) => Some(length),
                Some(_) => {
                    return Err("the server sent a frame without a NUL at its end".to_owned());
                }
                None => None,
            }
        }
        None => rest.iter().position(|byte| *byte == 0),
    };
    let Some(length) = length else {
        return Ok(First::Cut);
    };
    let frame = Frame {
        command,
        headers,
        body: &rest[..length],
    };
    Ok(First::Frame(frame, body_at + length + 1))
}

fn trim(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

fn find<'a>(headers: &'a [u8], name: &str) -> Option<&'a [u8]> {
    headers.split(|byte| *byte == b'\n').find_map(|line| {
        let value = trim(line).strip_prefix(name.as_bytes())?;
        value.strip_prefix(b":")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(bytes: &[u8]) -> (Frame<'_>, usize) {
        match first(bytes).unwrap() {
            First::Frame(frame, size) => (frame, size),
            other => panic!("{other:?}"),
        }
    }

    /// Goal: frames are read with either end of line, with and without a length, and the first of two headers counts.
    #[test]
    fn frames_are_read() {
        let (read, size) = frame(b"MESSAGE\nid:1\nid:2\n\nhello\0\nMORE");
        assert_eq!(
            (read.command, read.body, size),
            (&b"MESSAGE"[..], &b"hello"[..], 25)
        );
        assert_eq!(read.header("id").as_deref(), Some("1"));
        assert_eq!(read.header("i"), None);
        let (read, _) = frame(b"MESSAGE\r\ncontent-length:4\r\na:b\\c\\n\\\\\r\n\r\na\0b\n\0");
        assert_eq!(read.body, b"a\0b\n");
        assert_eq!(read.header("a").as_deref(), Some("b:\n\\"));
        assert_eq!(first(b"\nCONNECTED"), Ok(First::HeartBeat(1)));
        assert_eq!(first(b"\r\nCONNECTED"), Ok(First::HeartBeat(2)));
    }

    /// Goal: a frame is read no sooner than it is whole, wherever it is cut.
    #[test]
    fn cut_frames_are_waited_for() {
        for whole in [
            &b"MESSAGE\r\ncontent-length:4\r\n\r\na\0b\n\0"[..],
            b"CONNECTED\nversion:1.2\n\n\0",
        ] {
            for cut in 0..whole.len() {
                assert_eq!(first(&whole[..cut]), Ok(First::Cut), "cut at {cut}");
            }
            assert_eq!(frame(whole).1, whole.len());
        }
    }

    /// Goal: what is no frame is refused.
    #[test]
    fn nonsense_is_refused() {
        for wrong in [
            &b"{\"json\":1}\n\n\0"[..],
            b"MESSAGE\ncontent-length:x\n\n\0",
            b"MESSAGE\ncontent-length:1\n\nabc\0",
            b"\0\n\n\0",
        ] {
            assert!(first(wrong).is_err(), "{wrong:?}");
        }
    }

    /// Goal: values survive whatever is in them, but for those of CONNECT, where nothing is escaped.
    #[test]
    fn values_are_escaped() {
        let sent = bare("SUBSCRIBE", &[("destination", &b"/a:b\\c\nd\r"[..])]);
        assert_eq!(sent, b"SUBSCRIBE\ndestination:/a\\cb\\\\c\\nd\\r\n\n\0");
        let (read, _) = frame(&sent);
        assert_eq!(read.header("destination").as_deref(), Some("/a:b\\c\nd\r"));
        let sent = bare("CONNECT", &[("passcode", &b"a:b\nc"[..])]);
        assert_eq!(sent, b"CONNECT\npasscode:a:bc\n\n\0");
        let (error, _) = frame(b"ERROR\nmessage:not\\ctoday\n\n\nfull\nof it\0");
        assert_eq!(error.told(), "not:today: full");
    }
}
