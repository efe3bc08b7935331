//! Centrifugo's protocol in JSON: several messages in a frame have a line feed between them, and the
//! data of a publication is JSON as it is.

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::asked::Subscribe;
use super::heard::{Heard, told};
use crate::protocol::seam::Notice;

/// What answers a ping.
pub(super) const PONG: &[u8] = b"{}";

/// A string as commands have it.
pub(super) fn string(bytes: &[u8]) -> Vec<u8> {
    serde_json::Value::from(String::from_utf8_lossy(bytes).into_owned())
        .to_string()
        .into_bytes()
}

/// The command that connects; the token is a [`string`], if there is one.
pub(super) fn connect(id: u32, token: Option<&[u8]>) -> Vec<u8> {
    let mut out = format!("{{\"id\":{id},\"connect\":{{\"name\":\"fanload\"").into_bytes();
    append(&mut out, ",\"token\":", token);
    out.extend_from_slice(b"}}");
    out
}

/// The command that subscribes; as above.
pub(super) fn subscribe(id: u32, request: &Subscribe<'_>) -> Vec<u8> {
    let mut out = format!("{{\"id\":{id},\"subscribe\":{{\"channel\":").into_bytes();
    out.extend_from_slice(request.channel);
    append(&mut out, ",\"token\":", request.token);
    if request.wants_notices {
        out.extend_from_slice(b",\"join_leave\":true");
    }
    out.extend_from_slice(b"}}");
    out
}

fn append(out: &mut Vec<u8>, name: &str, value: Option<&[u8]>) {
    if let Some(value) = value {
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(value);
    }
}

/// Appends the command that publishes, up to its data; `}}` ends it.
pub(super) fn publish(id: u32, channel: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"id\":");
    out.extend_from_slice(id.to_string().as_bytes());
    out.extend_from_slice(b",\"publish\":{\"channel\":");
    out.extend_from_slice(channel);
    out.extend_from_slice(b",\"data\":");
}

/// How publications of a channel usually begin, so that they need not be taken apart.
pub(super) fn usual(channel: &[u8]) -> Vec<u8> {
    [b"{\"push\":{\"channel\":", channel, b",\"pub\":"].concat()
}

/// A reply or a push, as far as it matters. Whatever else there is, is ignored, as the protocol asks.
#[derive(Deserialize)]
struct Reply {
    #[serde(default)]
    id: u32,
    error: Option<Reason>,
    connect: Option<Connected>,
    push: Option<Push>,
}

#[derive(Deserialize)]
struct Connected {
    #[serde(default)]
    pong: bool,
}

#[derive(Deserialize)]
struct Push {
    #[serde(rename = "pub")]
    publication: Option<IgnoredAny>,
    join: Option<IgnoredAny>,
    leave: Option<IgnoredAny>,
    unsubscribe: Option<Reason>,
    disconnect: Option<Reason>,
}

/// An error, or why something ended.
#[derive(Deserialize)]
struct Reason {
    #[serde(default)]
    code: u32,
    #[serde(default, alias = "reason")]
    message: String,
}

/// Takes a frame apart. `usual` is as [`usual`] has it.
///
/// # Errors
/// What `each` says, or that it can't be read.
pub(super) fn hear<'a>(
    frame: &'a [u8],
    usual: &[u8],
    mut each: impl FnMut(Heard<'a>) -> Result<(), String>,
) -> Result<(), String> {
    let lines = frame.split(|byte| *byte == b'\n');
    for line in lines.filter(|line| !line.is_empty()) {
        match line {
            PONG => each(Heard::Ping)?,
            _ if line.starts_with(usual) => each(Heard::Publication(line))?,
            _ => each(read(line)?)?,
        }
    }
    Ok(())
}

fn read(line: &[u8]) -> Result<Heard<'_>, String> {
    let reply: Reply = serde_json::from_slice(line)
        .map_err(|error| format!("the server sent what is not a reply in JSON: {error}"))?;
    let tell = |reason: &Reason| told(reason.code, &reason.message);
    Ok(match reply.push {
        None if reply.id == 0 => Heard::Ping,
        None => Heard::Answer {
            id: reply.id,
            refusal: reply.error.as_ref().map(tell),
            wants_pong: reply.connect.is_some_and(|connected| connected.pong),
        },
        Some(push) if push.publication.is_some() => Heard::Publication(line),
        Some(push) if push.join.is_some() => Heard::Noticed(Notice::Joined),
        Some(push) if push.leave.is_some() => Heard::Noticed(Notice::Left),
        Some(push) => match push.unsubscribe.or(push.disconnect) {
            Some(reason) => Heard::Unsubscribed(tell(&reason)),
            None => Heard::Other(line),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(frame: &str) -> Result<Vec<String>, String> {
        let mut all = Vec::new();
        let usual = usual(&string(b"room"));
        hear(frame.as_bytes(), &usual, |heard| {
            all.push(match heard {
                Heard::Publication(line) => String::from_utf8_lossy(line).into_owned(),
                other => format!("{other:?}"),
            });
            Ok(())
        })?;
        Ok(all)
    }

    /// Goal: each line of a frame is a message, whatever the order of its fields, and with fields that nobody knows.
    #[test]
    fn lines_are_messages() {
        let usual = "{\"push\":{\"channel\":\"room\",\"pub\":{\"data\":\"FNLD\",\"offset\":7}}}";
        let other = "{\"push\":{\"pub\":{\"data\":1},\"channel\":\"room\",\"new\":[]}}";
        let frame = format!("{{}}\n{usual}\n{other}\n{{\"id\":4294967295,\"publish\":{{}}}}\n");
        assert_eq!(
            heard(&frame).unwrap(),
            [
                "Ping",
                usual,
                other,
                "Answer { id: 4294967295, refusal: None, wants_pong: false }"
            ]
        );
        assert!(heard("").unwrap().is_empty());
    }

    /// Goal: answers, errors and ends are told from each other.
    #[test]
    fn answers_are_read() {
        for (frame, expected) in [
            (
                "{\"connect\":{\"client\":\"x\",\"ping\":25,\"pong\":true},\"id\":1}",
                "Answer { id: 1, refusal: None, wants_pong: true }",
            ),
            (
                "{\"id\":3,\"error\":{\"code\":111,\"message\":\"too many requests\",\"temporary\":true}}",
                "Answer { id: 3, refusal: Some(\"111 too many requests\"), wants_pong: false }",
            ),
            (
                "{\"push\":{\"channel\":\"room\",\"unsubscribe\":{\"code\":2500,\"reason\":\"insufficient state\"}}}",
                "Unsubscribed(\"2500 insufficient state\")",
            ),
            (" {}", "Ping"),
        ] {
            assert_eq!(heard(frame).unwrap(), [expected]);
        }
        for (name, expected) in [
            ("join", "Noticed(Joined)"),
            ("leave", "Noticed(Left)"),
            ("message", "Other("),
        ] {
            let push =
                format!("{{\"push\":{{\"channel\":\"room\",\"{name}\":{{\"info\":{{}}}}}}}}");
            assert!(heard(&push).unwrap()[0].starts_with(expected), "{name}");
        }
        assert!(heard("hello").unwrap_err().contains("not a reply"));
    }

    /// Goal: commands are JSON whatever is in their strings.
    #[test]
    fn commands_are_json() {
        let (token, channel) = (string(b"a\"b\\c"), string("räum\n".as_bytes()));
        let plain = Subscribe::to(&channel);
        let full = Subscribe {
            token: Some(&token),
            wants_notices: true,
            ..plain
        };
        let text = String::from_utf8(subscribe(2, &full)).unwrap();
        assert!(text.ends_with(",\"join_leave\":true}}"), "{text}");
        let mut publish = Vec::new();
        super::publish(3, &channel, &mut publish);
        publish.extend_from_slice(b"\"FNLD\"}}");
        for (command, pointer, expected) in [
            (connect(1, Some(&token)), "/connect/token", "a\"b\\c"),
            (connect(1, None), "/connect/name", "fanload"),
            (subscribe(2, &plain), "/subscribe/channel", "räum\n"),
            (subscribe(2, &full), "/subscribe/token", "a\"b\\c"),
            (publish, "/publish/data", "FNLD"),
        ] {
            let value: serde_json::Value = serde_json::from_slice(&command).unwrap();
            assert_eq!(value.pointer(pointer).unwrap(), expected, "{value}");
        }
    }
}
