//! What frames hold, taken out of them again, and those frames that always are the same.

use prost::Message as _;

use super::schema;
use crate::protocol::centrifugo::Encoding;
use crate::protocol::centrifugo::codes::{Disconnect, ErrorCode};
use crate::protocol::centrifugo::encode::{append_close, append_ping, append_reply};
use crate::protocol::centrifugo::payload::Payload;
use crate::protocol::centrifugo::reply::Reply;
use crate::wire::frame::{Role, decode_header, frame_bytes};

/// The payload of the one frame that `frame` is, which begins with the byte `first`.
pub(super) fn payload(frame: &[u8], first: u8) -> &[u8] {
    assert_eq!(frame_bytes(frame), Some(frame.len()), "not one frame");
    assert_eq!(frame[0], first);
    let header = decode_header(frame, Role::Client).unwrap().unwrap();
    &frame[header.bytes..]
}

/// The text of the one frame that `frame` is.
pub(super) fn text(frame: &[u8]) -> &str {
    std::str::from_utf8(payload(frame, 0x81)).unwrap()
}

/// The reply in the one frame that `frame` is, as another codec reads it.
pub(super) fn message(frame: &[u8]) -> schema::Reply {
    let mut payload = payload(frame, 0x82);
    let reply = schema::Reply::decode_length_delimited(&mut payload).unwrap();
    assert!(payload.is_empty(), "something follows");
    reply
}

/// Goal: a ping is the shortest message there is, behind what was there.
#[test]
fn pings_are_short() {
    let mut out = b"before".to_vec();
    append_ping(&mut out, Encoding::Json);
    assert_eq!(out.split_off(6), b"\x81\x02{}");
    append_ping(&mut out, Encoding::Protobuf);
    assert_eq!(out, b"before\x82\x01\0");
}

/// Goal: a close says its code and why.
#[test]
fn closes_say_why() {
    let mut out = Vec::new();
    append_close(&mut out, Disconnect::InvalidToken);
    assert_eq!(out, b"\x88\x0f\x0d\xacinvalid token");
}

/// Goal: replies of every size of header are one frame, behind what was there.
#[test]
fn replies_of_any_size_are_one_frame() {
    for length in [0, 90, 100, 110, 120, 130, 65_500, 65_510, 65_536] {
        let json = format!("\"{}\"", "x".repeat(length));
        let reply = Reply::Rpc(Some(Payload::of_bytes(json.as_bytes())));
        let mut out = b"before".to_vec();
        append_reply(&mut out, Encoding::Json, 1, &reply);
        let expected = format!(r#"{{"id":1,"rpc":{{"data":{json}}}}}"#);
        assert_eq!(text(&out.split_off(6)), expected);
        append_reply(&mut out, Encoding::Protobuf, 1, &reply);
        let reply = message(&out.split_off(6));
        assert_eq!((reply.id, reply.rpc.unwrap().data), (1, json.into_bytes()));
        assert_eq!(out, b"before");
    }
}

/// Goal: every refusal is told with its code, its message, and whether to ask again.
#[test]
fn refusals_are_told() {
    for &error in ErrorCode::ALL {
        let temporary = if error.is_temporary() {
            ",\"temporary\":true"
        } else {
            ""
        };
        let expected = format!(
            r#"{{"id":7,"error":{{"code":{},"message":"{}"{temporary}}}}}"#,
            error.code(),
            error.text()
        );
        let mut out = Vec::new();
        append_reply(&mut out, Encoding::Json, 7, &Reply::Error(error));
        assert_eq!(text(&out), expected);
        out.clear();
        append_reply(&mut out, Encoding::Protobuf, 7, &Reply::Error(error));
        let expected = schema::Error {
            code: error.code(),
            message: error.text().to_owned(),
            temporary: error.is_temporary(),
        };
        assert_eq!(message(&out).error, Some(expected));
    }
}
