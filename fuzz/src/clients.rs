//! Messages of clients of Centrifugo's SDKs, and what others are told of them.

use fanring::protocol::centrifugo::Encoding;
use fanring::protocol::centrifugo::codes::Unsubscribed;
use fanring::protocol::centrifugo::command::{Command, Request};
use fanring::protocol::centrifugo::decode::{commands, read, split};
use fanring::protocol::centrifugo::encode::{append_push, append_reply};
use fanring::protocol::centrifugo::payload::Payload;
use fanring::protocol::centrifugo::reply::{Push, Reply};
use fanring::wire::frame::{self, Role};
use serde_json::value::RawValue;

/// Small, so that some commands are too long.
const COMMAND_BYTES_MAX: usize = 256;

/// Reads `data` as one message, and tells others what it says.
pub(crate) fn run(encoding: Encoding, data: &[u8]) {
    let pieces: Vec<_> = split(encoding, data, COMMAND_BYTES_MAX).collect();
    let read_all: Vec<_> = commands(encoding, data, COMMAND_BYTES_MAX).collect();
    let refused = read_all.iter().position(Result::is_err);
    assert!(!read_all.is_empty(), "nothing is an answer to nothing");
    assert!(
        refused.is_none_or(|at| at + 1 == read_all.len()),
        "something follows a refusal"
    );
    for (piece, command) in pieces.iter().zip(&read_all) {
        let again = piece.and_then(|piece| read(encoding, piece));
        assert_eq!(&again, command, "read alone it says something else");
    }
    if let Ok(pieces) = pieces.into_iter().collect::<Result<Vec<_>, _>>() {
        let (joined, end) = match encoding {
            Encoding::Json => (pieces.join(&b'\n'), data.ends_with(b"\n")),
            Encoding::Protobuf => (pieces.concat(), false),
        };
        assert_eq!(joined, data[..data.len() - usize::from(end)]);
    }
    for command in read_all.iter().flatten() {
        tell(command);
    }
}

/// What was said, and in which channel, can stand among JSON and in Protobuf.
fn tell(command: &Command<'_>) {
    let (channel, said) = match &command.request {
        Request::Publish(publish) => (&*publish.channel, publish.data),
        Request::Subscribe(subscribe) => (&*subscribe.channel, subscribe.data),
        Request::Rpc { method, data } => (&**method, *data),
        Request::Connect(connect) => (&*connect.token, connect.data),
        Request::Send { data } => ("", *data),
        Request::Unsubscribe { channel }
        | Request::Presence { channel }
        | Request::PresenceStats { channel } => (&**channel, None),
        Request::History(history) => (&*history.channel, None),
        Request::Refresh { token } => (&**token, None),
        Request::SubRefresh(refresh) => (&*refresh.channel, None),
        Request::Pong => {
            assert_eq!(command.id, 0, "a pong wants a reply");
            return;
        }
    };
    let push = Push::Unsubscribe {
        channel,
        code: Unsubscribed::Server,
    };
    check_frames(|out, encoding| append_push(out, encoding, &push), said);
    check_frames(
        |out, encoding| append_reply(out, encoding, command.id, &Reply::Rpc(said)),
        said,
    );
}

/// What `append` appends is one frame, with one message in it.
fn check_frames(append: impl Fn(&mut Vec<u8>, Encoding), said: Option<Payload<'_>>) {
    let mut out = Vec::new();
    append(&mut out, Encoding::Json);
    let text = payload(&out);
    assert!(!text.contains(&b'\n'), "{said:?} ends a message");
    assert!(
        serde_json::from_slice::<&RawValue>(text).is_ok(),
        "{said:?} breaks a message"
    );
    out.clear();
    append(&mut out, Encoding::Protobuf);
    let messages = split(Encoding::Protobuf, payload(&out), usize::MAX);
    assert_eq!(messages.filter(Result::is_ok).count(), 1);
}

/// What is in the one frame that `frame` is.
fn payload(frame: &[u8]) -> &[u8] {
    assert_eq!(
        frame::frame_bytes(frame),
        Some(frame.len()),
        "not one frame"
    );
    let header = frame::decode_header(frame, Role::Client);
    let header = header.expect("it is a frame").expect("it is whole");
    &frame[header.bytes..]
}
