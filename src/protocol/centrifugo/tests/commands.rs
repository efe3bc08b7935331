//! What clients ask for, as SDKs write it.

use std::borrow::Cow;

use fastrand::Rng;
use proptest::prelude::*;

use super::{schema, sdk};
use crate::message::Form;
use crate::protocol::centrifugo::Encoding;
use crate::protocol::centrifugo::codes::Disconnect;
use crate::protocol::centrifugo::command::{
    Command, Connect, History, Publish, Request, Since, SubRefresh, Subscribe,
};
use crate::protocol::centrifugo::decode::{commands, split};
use crate::protocol::centrifugo::payload::Payload;
use crate::wire::frame::append_masked_frame;
use crate::wire::frame::{OpCode, Role};
use crate::wire::message::{Event, Reader, Rules};

/// As the server has it, if it is not told otherwise.
const COMMAND_BYTES_MAX: usize = 65_536;

/// All that is read of a frame.
pub(super) fn all(encoding: Encoding, frame: &[u8]) -> Vec<Result<Command<'_>, Disconnect>> {
    commands(encoding, frame, COMMAND_BYTES_MAX).collect()
}

/// What is read of data that is JSON.
pub(super) fn json(bytes: &[u8]) -> Option<Payload<'_>> {
    let form = Form::Json;
    (!bytes.is_empty()).then_some(Payload { form, bytes })
}

fn expected_subscribe(sub: &schema::SubscribeRequest) -> Subscribe<'_> {
    Subscribe {
        channel: Cow::from(&sub.channel),
        token: Cow::from(&sub.token),
        recover: sub.recover.then(|| Since {
            offset: sub.offset,
            epoch: Cow::from(&sub.epoch),
        }),
        data: json(&sub.data),
        positioned: sub.positioned,
        recoverable: sub.recoverable,
        join_leave: sub.join_leave,
        delta: Cow::from(&sub.delta),
        has_filter: sub.tf.is_some(),
        refuse_without_recovery: sub.flag & 2 != 0,
        kind: sub.r#type,
    }
}

fn expected_connect(connect: &schema::ConnectRequest) -> Request<'_> {
    let subs = connect.subs.iter().map(|entry| Subscribe {
        channel: Cow::from(&entry.key),
        ..entry
            .value
            .as_ref()
            .map(expected_subscribe)
            .unwrap_or_default()
    });
    let headers = connect.headers.iter();
    Request::Connect(Box::new(Connect {
        token: Cow::from(&connect.token),
        data: json(&connect.data),
        subs: subs.collect(),
        name: Cow::from(&connect.name),
        version: Cow::from(&connect.version),
        headers: headers
            .map(|entry| (Cow::from(&entry.key), Cow::from(&entry.value)))
            .collect(),
    }))
}

fn named(text: &str) -> Cow<'_, str> {
    Cow::Borrowed(text)
}

/// What is to be read of what was written.
fn expected(command: &schema::Command) -> Command<'_> {
    let request = if let Some(connect) = &command.connect {
        expected_connect(connect)
    } else if let Some(subscribe) = &command.subscribe {
        Request::Subscribe(Box::new(expected_subscribe(subscribe)))
    } else if let Some(schema::ChannelRequest { channel }) = &command.unsubscribe {
        Request::Unsubscribe {
            channel: named(channel),
        }
    } else if let Some(publish) = &command.publish {
        Request::Publish(Publish {
            channel: named(&publish.channel),
            data: json(&publish.data),
            kind: publish.r#type,
        })
    } else if let Some(schema::ChannelRequest { channel }) = &command.presence {
        Request::Presence {
            channel: named(channel),
        }
    } else if let Some(schema::ChannelRequest { channel }) = &command.presence_stats {
        Request::PresenceStats {
            channel: named(channel),
        }
    } else if let Some(history) = &command.history {
        Request::History(History {
            channel: named(&history.channel),
            limit: history.limit,
            since: history.since.as_ref().map(|since| Since {
                offset: since.offset,
                epoch: named(&since.epoch),
            }),
            reverse: history.reverse,
        })
    } else {
        expected_call(command)
    };
    Command {
        id: command.id,
        request,
    }
}

/// The same of a request that is about no channel, or about a token for one.
fn expected_call(command: &schema::Command) -> Request<'_> {
    if let Some(rpc) = &command.rpc {
        Request::Rpc {
            method: Cow::from(&rpc.method),
            data: json(&rpc.data),
        }
    } else if let Some(send) = &command.send {
        Request::Send {
            data: json(&send.data),
        }
    } else if let Some(refresh) = &command.refresh {
        Request::Refresh {
            token: Cow::from(&refresh.token),
        }
    } else if let Some(refresh) = &command.sub_refresh {
        Request::SubRefresh(SubRefresh {
            channel: Cow::from(&refresh.channel),
            token: Cow::from(&refresh.token),
            kind: refresh.r#type,
        })
    } else {
        Request::Pong
    }
}

/// What a server gets of `payload`, sent in fragments and packets that end at `cuts`.
fn through_a_socket(payload: &[u8], opcode: OpCode, cuts: &[prop::sample::Index]) -> Vec<u8> {
    let mut cuts: Vec<usize> = cuts
        .iter()
        .map(|cut| cut.index(payload.len() + 1))
        .collect();
    cuts.sort_unstable();
    let mut bytes = Vec::new();
    let mut start = 0;
    for &cut in &cuts {
        let opcode = if start == 0 && bytes.is_empty() {
            opcode
        } else {
            OpCode::Continuation
        };
        append_masked_frame(
            &mut bytes,
            opcode,
            false,
            &payload[start..cut],
            [1, 2, 3, 4],
        );
        start = cut;
    }
    let last = if bytes.is_empty() {
        opcode
    } else {
        OpCode::Continuation
    };
    append_masked_frame(&mut bytes, last, true, &payload[start..], [5, 6, 7, 8]);
    let rules = Rules {
        role: Role::Server,
        message_bytes_max: 1 << 24,
    };
    let mut reader = Reader::default();
    for piece in bytes.chunks_mut(cuts.first().map_or(7, |cut| cut % 50 + 1)) {
        let mut input = piece;
        if let Some(Event::Message { payload, .. }) = reader.next(&mut input, &rules).unwrap() {
            return payload.to_vec();
        }
    }
    panic!("the message has no end");
}

proptest! {
    /// Goal: what an SDK writes is read, whatever order and spelling it chose and however its message was
    /// split; and what is put together again of its commands is a frame with the same.
    #[test]
    fn what_sdks_write_is_read(
        written in prop::collection::vec(sdk::command(), 1..5),
        seed in any::<u64>(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..5),
    ) {
        let expected: Vec<_> = written.iter().map(|command| Ok(expected(command))).collect();
        let mut random = Rng::with_seed(seed);
        let frame = sdk::json(&written, &mut random);
        let text = through_a_socket(frame.as_bytes(), OpCode::Text, &cuts);
        prop_assert_eq!(&all(Encoding::Json, &text), &expected, "{}", frame);
        let pieces: Result<Vec<_>, _> = split(Encoding::Json, &text, COMMAND_BYTES_MAX).collect();
        let again = pieces.unwrap().join(&b'\n');
        prop_assert_eq!(&all(Encoding::Json, &again), &expected);

        let frame = sdk::protobuf(&written, &mut random);
        let bytes = through_a_socket(&frame, OpCode::Binary, &cuts);
        prop_assert_eq!(&all(Encoding::Protobuf, &bytes), &expected);
        let pieces: Result<Vec<_>, _> = split(Encoding::Protobuf, &bytes, COMMAND_BYTES_MAX).collect();
        prop_assert_eq!(pieces.unwrap().concat(), bytes);
    }

    /// Goal: any bytes at all are commands or refused, and nothing follows a refusal.
    #[test]
    fn any_bytes_are_read_or_refused(
        bytes in prop::collection::vec(any::<u8>(), 0..60),
        text in "[{}\":,\\[\\]idnull0-9 \n]{0,40}",
    ) {
        for (encoding, frame) in [
            (Encoding::Protobuf, &bytes[..]),
            (Encoding::Json, &bytes),
            (Encoding::Json, text.as_bytes()),
        ] {
            let read = all(encoding, frame);
            let refused = read.iter().position(Result::is_err);
            prop_assert!(!read.is_empty());
            prop_assert!(refused.is_none_or(|at| at + 1 == read.len()));
        }
    }
}
