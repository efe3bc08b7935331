//! Centrifugo's protocol in JSON: several messages in a frame have a line feed between them, and the
//! data of a publication is JSON as it is.

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::asked::{Offsets, Subscribe};
use super::heard::{Answer, Heard, Reason, Subscribed};
use crate::protocol::seam::{Notice, Position};

/// How much of the end of a publication is looked at for its offset, in bytes.
const TAIL_BYTES: usize = 96;

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
    if request.offsets == Offsets::Kept {
        out.extend_from_slice(b",\"positioned\":true,\"recoverable\":true");
    }
    if let Some(since) = request.since {
        let offset = since.offset;
        let rest = format!(",\"recover\":true,\"offset\":{offset},\"epoch\":");
        append(&mut out, &rest, Some(&string(&since.epoch)));
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
    error: Option<Why>,
    connect: Option<Connected>,
    subscribe: Option<Channel>,
    push: Option<Push>,
}

#[derive(Deserialize)]
struct Connected {
    #[serde(default)]
    pong: bool,
}

/// A channel that was subscribed to.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Channel {
    recoverable: bool,
    epoch: String,
    offset: u64,
    recovered: bool,
    publications: Vec<Publication>,
}

#[derive(Deserialize)]
struct Publication {
    offset: Option<u64>,
}

#[derive(Deserialize)]
struct Push {
    #[serde(rename = "pub")]
    publication: Option<Publication>,
    join: Option<IgnoredAny>,
    leave: Option<IgnoredAny>,
    unsubscribe: Option<Why>,
    disconnect: Option<Why>,
}

/// An error, or why something ended.
#[derive(Deserialize)]
struct Why {
    #[serde(default)]
    code: u32,
    #[serde(default, alias = "reason")]
    message: String,
}

impl Why {
    fn reason(self) -> Reason {
        Reason {
            code: self.code,
            text: self.message,
        }
    }
}

/// Takes a frame apart. `usual` is as [`usual`] has it.
///
/// # Errors
/// What `each` says, or that it can't be read.
pub(super) fn hear<'a>(
    frame: &'a [u8],
    (usual, offsets): (&[u8], Offsets),
    mut each: impl FnMut(Heard<'a>) -> Result<(), String>,
) -> Result<(), String> {
    let lines = frame.split(|byte| *byte == b'\n');
    for line in lines.filter(|line| !line.is_empty()) {
        match line {
            PONG => each(Heard::Ping)?,
            _ if !line.starts_with(usual) => each(read(line)?)?,
            _ if offsets == Offsets::Ignored => each(publication(line, None))?,
            _ => match offset_at_end(line) {
                offset @ Some(_) => each(publication(line, offset))?,
                None => each(read(line)?)?,
            },
        }
    }
    Ok(())
}

fn publication(bytes: &[u8], offset: Option<u64>) -> Heard<'_> {
    Heard::Publication { bytes, offset }
}

/// The offset of a publication that has it at its end, maybe with the epoch behind it, as servers write it.
fn offset_at_end(line: &[u8]) -> Option<u64> {
    const NAME: &[u8] = b"\"offset\":";
    let tail = &line[line.len().saturating_sub(TAIL_BYTES)..];
    let at = tail.windows(NAME.len()).rposition(|part| part == NAME)?;
    let rest = std::str::from_utf8(&tail[at + NAME.len()..]).ok()?;
    let end = rest.find(|letter: char| !letter.is_ascii_digit())?;
    let (digits, end) = rest.split_at(end);
    // The ends of the publication, of the push and of all: it is not a field of somebody's data.
    let end = end.strip_suffix("}}}")?;
    let epoch = end
        .strip_prefix(",\"epoch\":\"")
        .and_then(|end| end.strip_suffix('"'));
    let is_end = end.is_empty() || epoch.is_some_and(|epoch| !epoch.contains(['"', '{', '}']));
    digits.parse().ok().filter(|_| is_end)
}

fn read(line: &[u8]) -> Result<Heard<'_>, String> {
    let reply: Reply = serde_json::from_slice(line)
        .map_err(|error| format!("the server sent what is not a reply in JSON: {error}"))?;
    let Some(push) = reply.push else {
        let answer = match (reply.error, reply.connect, reply.subscribe) {
            _ if reply.id == 0 => return Ok(Heard::Ping),
            (Some(why), ..) => Answer::Refused(why.reason()),
            (_, Some(connected), _) => Answer::Connected {
                wants_pong: connected.pong,
            },
            (.., Some(channel)) => Answer::Subscribed(subscribed(channel, line)),
            (None, None, None) => Answer::Done,
        };
        let id = reply.id;
        return Ok(Heard::Answer { id, answer });
    };
    Ok(
        match (push.publication, push.unsubscribe.or(push.disconnect)) {
            (Some(own), _) => publication(line, own.offset),
            (None, Some(why)) => Heard::Unsubscribed(why.reason()),
            _ if push.join.is_some() => Heard::Noticed(Notice::Joined),
            _ if push.leave.is_some() => Heard::Noticed(Notice::Left),
            _ => Heard::Other(line),
        },
    )
}

fn subscribed(channel: Channel, line: &[u8]) -> Subscribed<'_> {
    let last = channel.publications.last();
    Subscribed {
        is_recovered: channel.recovered,
        // All payloads are found where they stand.
        missed: last.iter().map(|_| line).collect(),
        last_offset: last.and_then(|last| last.offset),
        position: channel.recoverable.then(|| Position {
            epoch: channel.epoch.into_bytes(),
            offset: channel.offset,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(frame: &str) -> Result<Vec<String>, String> {
        let mut all = Vec::new();
        let usual = usual(&string(b"room"));
        hear(
            frame.as_bytes(),
            (usual.as_slice(), Offsets::Kept),
            |heard| {
                all.push(match heard {
                    Heard::Publication { bytes, offset } => {
                        let text = String::from_utf8_lossy(bytes);
                        format!("{text} at {offset:?}")
                    }
                    other => format!("{other:?}"),
                });
                Ok(())
            },
        )?;
        Ok(all)
    }

    /// Goal: each line of a frame is a message, whatever the order of its fields, and with fields that nobody knows.
    #[test]
    fn lines_are_messages() {
        let usual = "{\"push\":{\"channel\":\"room\",\"pub\":{\"data\":\"FNLD\",\"offset\":7}}}";
        let other = "{\"push\":{\"pub\":{\"data\":1},\"channel\":\"room\",\"new\":[]}}";
        let frame = format!("{{}}\n{usual}\n{other}\n{{\"id\":4294967295,\"publish\":{{}}}}\n");
        let expected = [
            "Ping".to_owned(),
            format!("{usual} at Some(7)"),
            format!("{other} at None"),
            "Answer { id: 4294967295, answer: Done }".to_owned(),
        ];
        assert_eq!(heard(&frame).unwrap(), expected);
        assert!(heard("").unwrap().is_empty());
    }

    /// Goal: answers, errors and ends are told from each other.
    #[test]
    fn answers_are_read() {
        for (frame, expected) in [
            (
                "{\"connect\":{\"client\":\"x\",\"ping\":25,\"pong\":true},\"id\":1}",
                "Answer { id: 1, answer: Connected { wants_pong: true } }",
            ),
            (
                "{\"id\":3,\"error\":{\"code\":111,\"message\":\"too many requests\",\"temporary\":true}}",
                "Answer { id: 3, answer: Refused(Reason { code: 111, text: \"too many requests\" }) }",
            ),
            (
                "{\"push\":{\"channel\":\"room\",\"unsubscribe\":{\"code\":2500,\"reason\":\"insufficient state\"}}}",
                "Unsubscribed(Reason { code: 2500, text: \"insufficient state\" })",
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

    /// Goal: the offset of a publication is found wherever it stands, and what looks like one in its data is none.
    #[test]
    fn offsets_are_found() {
        for (publication, offset) in [
            ("\"data\":1,\"offset\":12", "Some(12)"),
            ("\"data\":1,\"offset\":1,\"epoch\":\"abcdefgh\"", "Some(1)"),
            (
                "\"offset\":18446744073709551615,\"data\":1",
                "Some(18446744073709551615)",
            ),
            ("\"offset\":3,\"data\":{\"offset\":4}", "Some(3)"),
            ("\"data\":{\"offset\":4}", "None"),
            ("\"data\":{\"a\":{\"offset\":4}}", "None"),
            ("\"data\":\"\\\"offset\\\":4\",\"tags\":{}", "None"),
        ] {
            let line = format!("{{\"push\":{{\"channel\":\"room\",\"pub\":{{{publication}}}}}}}");
            assert_eq!(heard(&line).unwrap(), [format!("{line} at {offset}")]);
        }
    }

    /// Goal: the answer to a subscription is read with what it gives back, in whatever order.
    #[test]
    fn subscriptions_are_read() {
        let read = |fields: &str| {
            let line = format!("{{\"subscribe\":{{{fields}}},\"id\":2}}");
            let Heard::Answer { id: 2, answer } = super::read(line.as_bytes()).unwrap() else {
                panic!("{line}");
            };
            let Answer::Subscribed(subscribed) = answer else {
                panic!("{line}");
            };
            let position = subscribed.position.map(|position| position.offset);
            let count = subscribed.missed.len();
            (
                subscribed.is_recovered,
                position,
                count,
                subscribed.last_offset,
            )
        };
        assert_eq!(read("\"new\":[]"), (false, None, 0, None));
        let recovered = "\"publications\":[{\"data\":1,\"offset\":6},{\"offset\":7}],\"recovered\":true,\
                         \"recoverable\":true,\"epoch\":\"E\",\"offset\":5,\"was_recovering\":true";
        assert_eq!(read(recovered), (true, Some(5), 1, Some(7)));
        let lost = "\"recoverable\":true,\"epoch\":\"F\",\"was_recovering\":true";
        assert_eq!(read(lost), (false, Some(0), 0, None));
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
        let position = Position {
            epoch: b"\"".to_vec(),
            offset: 9,
        };
        let back = Subscribe {
            since: Some(&position),
            ..plain
        };
        let mut publish = Vec::new();
        super::publish(3, &channel, &mut publish);
        publish.extend_from_slice(b"\"FNLD\"}}");
        for (command, pointer, expected) in [
            (connect(1, Some(&token)), "/connect/token", "a\"b\\c"),
            (connect(1, None), "/connect/name", "fanload"),
            (subscribe(2, &plain), "/subscribe/channel", "räum\n"),
            (subscribe(2, &full), "/subscribe/token", "a\"b\\c"),
            (subscribe(2, &back), "/subscribe/epoch", "\""),
            (publish, "/publish/data", "FNLD"),
        ] {
            let value: serde_json::Value = serde_json::from_slice(&command).unwrap();
            assert_eq!(value.pointer(pointer).unwrap(), expected, "{value}");
        }
    }
}
