//! What all members of a channel are told, in both encodings.

use proptest::prelude::*;
use serde_json::{Value, json};
use uuid::Uuid;

use super::frames::{message, text};
use super::schema;
use crate::id::{Epoch, Offset};
use crate::message::{Event, Form, Info, Message, Origin};
use crate::protocol::centrifugo::Encoding;
use crate::protocol::centrifugo::push::{encode, encoded_bytes_max};
use crate::room::rendition::Said;

const CLIENT: Uuid = Uuid::from_u128(0x67e5_5044_10b1_426f_9247_bb68_0e5f_e0c8);
const NAME: &str = "67e55044-10b1-426f-9247-bb680e5fe0c8";

/// A frame of what was said, which is no longer than was promised and touches nothing behind it.
fn frame(encoding: Encoding, said: &Said<'_>) -> Vec<u8> {
    let mut out = vec![0xee; encoded_bytes_max(encoding, said)];
    let bytes = encode(encoding, said, &mut out);
    assert!(out[bytes..].iter().all(|&byte| byte == 0xee));
    out.truncate(bytes);
    out
}

fn said<'a>(room: &'a str, message: &'a Message<'a>) -> Said<'a> {
    Said {
        room,
        epoch: Epoch::new(1),
        message,
        has_history: true,
    }
}

fn published<'a>(form: Form, data: &'a [u8], info: Option<Info<'a>>, offset: u64) -> Message<'a> {
    let event = Event::Published { form, data, info };
    let mut message = Message::new(event, Origin::Nobody);
    message.offset = (0..offset).fold(None, |offset: Option<Offset>, _| {
        Some(offset.map_or(Offset::FIRST, Offset::following))
    });
    message
}

/// Goal: pushes are as clients were seen to be sent them; the first publication of a stream names it.
#[test]
fn pushes_as_seen_are_written() {
    let info = Info::anonymous(CLIENT);
    let who = format!(r#"{{"user":"","client":"{NAME}"}}"#);
    let known = Info {
        user: "42",
        connection: b"{\n}",
        channel: b"\xff",
        ..info
    };
    let known_as = format!(
        r#"{{"user":"42","client":"{NAME}","conn_info":{{}},"chan_info":{{"b64":"/w=="}}}}"#
    );
    let joined = Message::new(Event::Joined(info), Origin::Nobody);
    let left = Message::new(Event::Left(known), Origin::Nobody);
    for (message, expected) in [
        (
            published(Form::Json, br#"{"n":1}"#, Some(info), 1),
            format!(r#""pub":{{"data":{{"n":1}},"info":{who},"offset":1,"epoch":"BAAAAAAA"}}"#),
        ),
        (
            published(Form::Json, br#"{"n":2}"#, None, 2),
            r#""pub":{"data":{"n":2},"offset":2}"#.to_owned(),
        ),
        (
            published(Form::Text, b"hello\n", None, 10),
            r#""pub":{"data":"hello\n","offset":10}"#.to_owned(),
        ),
        (
            published(Form::Text, b"{\n\"n\":1}\n", None, 0),
            r#""pub":{"data":{"n":1}}"#.to_owned(),
        ),
        (
            published(Form::Binary, b"\0\xff", None, 3),
            r#""pub":{"data":{"b64":"AP8="},"offset":3}"#.to_owned(),
        ),
        (joined, format!(r#""join":{{"info":{who}}}"#)),
        (left, format!(r#""leave":{{"info":{known_as}}}"#)),
    ] {
        let frame = frame(Encoding::Json, &said("recovery:x", &message));
        let expected = format!(r#"{{"push":{{"channel":"recovery:x",{expected}}}}}"#);
        assert_eq!(text(&frame), expected);
    }
}

/// Goal: a channel that keeps nothing shows no offsets, and a count of members is told to nobody here.
#[test]
fn what_clients_can_do_nothing_with_is_left_out() {
    let first = published(Form::Json, b"1", None, 1);
    let members = Message::new(Event::Members(7), Origin::Nobody);
    for encoding in [Encoding::Json, Encoding::Protobuf] {
        assert_eq!(frame(encoding, &said("a", &members)), b"");
    }
    let quiet = Said {
        has_history: false,
        ..said("a", &first)
    };
    let expected = r#"{"push":{"channel":"a","pub":{"data":1}}}"#;
    assert_eq!(text(&frame(Encoding::Json, &quiet)), expected);
    let expected = schema::Publication {
        data: b"1".to_vec(),
        ..schema::Publication::default()
    };
    let push = message(&frame(Encoding::Protobuf, &quiet)).push.unwrap();
    assert_eq!(push.r#pub, Some(expected));
}

/// Goal: frames of every size of header are whole.
#[test]
fn long_publications_are_framed() {
    for length in [1, 60, 125, 126, 65_400, 65_536] {
        let data = vec![b'7'; length];
        let message_of = published(Form::Json, &data, None, 1);
        let text_frame = frame(Encoding::Json, &said("a", &message_of));
        assert!(text(&text_frame).contains(std::str::from_utf8(&data).unwrap()));
        let push = message(&frame(Encoding::Protobuf, &said("a", &message_of))).push;
        assert_eq!(push.unwrap().r#pub.unwrap().data, data);
    }
}

/// What a JSON member is to be told of data.
fn data_as_told(form: Form, data: &[u8]) -> Value {
    let encoded = || {
        use base64::Engine as _;
        json!({ "b64": base64::engine::general_purpose::STANDARD.encode(data) })
    };
    match (form, std::str::from_utf8(data)) {
        (Form::Binary, _) | (_, Err(_)) => encoded(),
        (_, Ok(text)) => serde_json::from_str(text).unwrap_or_else(|_| json!(text)),
    }
}

fn info_as_told(info: &Info<'_>) -> Value {
    let mut told = json!({ "user": info.user, "client": info.client.to_string() });
    for (key, bytes) in [("conn_info", info.connection), ("chan_info", info.channel)] {
        if !bytes.is_empty() {
            let value = serde_json::from_slice(bytes);
            told[key] = value.unwrap_or_else(|_| data_as_told(Form::Binary, bytes));
        }
    }
    told
}

fn info_message(info: &Info<'_>) -> schema::ClientInfo {
    schema::ClientInfo {
        user: info.user.to_owned(),
        client: info.client.to_string(),
        conn_info: info.connection.to_vec(),
        chan_info: info.channel.to_vec(),
    }
}

/// Bytes that may be JSON.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..40),
        any::<String>().prop_map(String::into_bytes),
        any::<String>().prop_map(|text| serde_json::to_vec(&text).unwrap()),
        "[ \n]{0,3}\\[[ \n]{0,3}\\{[ \n]{0,3}\"a\"[ \n]:1[ \n]\\}\\][ \n]{0,3}"
            .prop_map(String::into_bytes),
    ]
}

proptest! {
    /// Goal: whatever is said, whoever said it and whatever the channel is called, members are told exactly
    /// that, in one message, whichever encoding they read.
    #[test]
    fn anything_is_told_in_one_message(
        room in any::<String>(),
        user in any::<String>(),
        parts in (bytes(), bytes(), bytes()),
        (form, kind) in (0..3_u8, 0..4_u8),
        offset in 0..30_u64,
        has_history in any::<bool>(),
    ) {
        let (data, connection, channel) = parts;
        let form = match form {
            0 => Form::Text,
            1 if serde_json::from_slice::<Value>(&data).is_ok() && !data.contains(&b'\n') => Form::Json,
            _ => Form::Binary,
        };
        let info = Info { client: CLIENT, user: &user, connection: &connection, channel: &channel };
        let message_of = match kind {
            0 => Message::new(Event::Joined(info), Origin::Nobody),
            1 => Message::new(Event::Left(info), Origin::Nobody),
            2 => published(form, &data, None, offset),
            _ => published(form, &data, Some(info), offset),
        };
        let said = Said { has_history, ..said(&room, &message_of) };
        let (offset, is_first) = match has_history {
            true => (offset, offset == 1),
            false => (0, false),
        };

        let mut expected = json!({ "data": data_as_told(form, &data) });
        if kind == 3 {
            expected["info"] = info_as_told(&info);
        }
        if offset > 0 {
            expected["offset"] = json!(offset);
        }
        if is_first {
            expected["epoch"] = json!("BAAAAAAA");
        }
        let notice = json!({ "info": info_as_told(&info) });
        let expected = match kind {
            0 => json!({ "push": { "channel": room, "join": notice } }),
            1 => json!({ "push": { "channel": room, "leave": notice } }),
            _ => json!({ "push": { "channel": room, "pub": expected } }),
        };
        let out = frame(Encoding::Json, &said);
        prop_assert!(!text(&out).contains('\n'));
        prop_assert_eq!(serde_json::from_str::<Value>(text(&out)).unwrap(), expected);

        let publication = schema::Publication {
            data: data.clone(),
            info: (kind == 3).then(|| info_message(&info)),
            offset,
            epoch: if is_first { "BAAAAAAA" } else { "" }.to_owned(),
        };
        let notice = schema::Notice { info: Some(info_message(&info)) };
        let mut push = schema::Push { channel: room.clone(), ..schema::Push::default() };
        match kind {
            0 => push.join = Some(notice),
            1 => push.leave = Some(notice),
            _ => push.r#pub = Some(publication),
        }
        let out = frame(Encoding::Protobuf, &said);
        prop_assert_eq!(message(&out).push, Some(push));
    }
}
