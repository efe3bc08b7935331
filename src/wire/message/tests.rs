//! Every rule on sequences of frames, under any split; and that the cost stays linear.

mod forbidden;

use proptest::prelude::*;

use super::{Event, Kind, Reader, Role, Rules, WireError};
use crate::wire::{
    close::{CloseCode, append_close_frame},
    frame::{
        FrameError,
        OpCode::{self, Binary, Close, Continuation, Ping, Pong, Text},
        append_masked_frame, encode_masked_header,
    },
};

const KEY: [u8; 4] = [0x9d, 0x01, 0xfe, 0x55];
const RULES: Rules = Rules {
    role: Role::Server,
    message_bytes_max: 1000,
};

/// An event that owns its payload, to compare those of different splits.
#[derive(Clone, Debug, PartialEq)]
enum Owned {
    Message(Kind, Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<u16>, Vec<u8>),
}

impl From<Event<'_>> for Owned {
    fn from(event: Event<'_>) -> Self {
        match event {
            Event::Message { kind, payload } => Self::Message(kind, payload.to_vec()),
            Event::Ping(payload) => Self::Ping(payload.to_vec()),
            Event::Pong(payload) => Self::Pong(payload.to_vec()),
            Event::Close(code, reason) => Self::Close(code.map(CloseCode::get), reason.to_vec()),
        }
    }
}

/// What a peer said, how it failed if it did, and after how many bytes that was known.
#[derive(Debug, PartialEq)]
struct Outcome {
    events: Vec<Owned>,
    failure: Option<WireError>,
    known_after_bytes: usize,
}

/// Reads `bytes` in pieces that end at `cuts`; stops as a server would, at a close or an error.
fn read(bytes: &[u8], cuts: impl IntoIterator<Item = usize>, rules: &Rules) -> Outcome {
    let mut reader = Reader::default();
    let mut outcome = Outcome {
        events: Vec::new(),
        failure: None,
        known_after_bytes: 0,
    };
    for end in cuts.into_iter().chain([bytes.len()]) {
        let mut piece = bytes[outcome.known_after_bytes..end].to_vec();
        outcome.known_after_bytes = end;
        let mut input = &mut piece[..];
        loop {
            match reader.next(&mut input, rules) {
                Ok(None) => break,
                Ok(Some(event)) => {
                    let closes = matches!(event, Event::Close(..));
                    outcome.events.push(event.into());
                    if closes {
                        return outcome;
                    }
                }
                Err(error) => {
                    outcome.failure = Some(error);
                    return outcome;
                }
            }
        }
        assert!(input.is_empty(), "None means that all input was taken");
    }
    outcome
}

/// A frame of a client: what it is, whether it ends its message, its payload.
type Sent<'a> = (OpCode, bool, &'a [u8]);

fn frames(list: &[Sent<'_>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for &(opcode, fin, payload) in list {
        append_masked_frame(&mut bytes, opcode, fin, payload, KEY);
    }
    bytes
}

fn text(payload: &str) -> Owned {
    Owned::Message(Kind::Text, payload.into())
}

/// Goal: what is allowed gives the same events in one piece and byte by byte, and leaves no buffer.
#[test]
fn reads_what_is_allowed() {
    let long = [b'x'; 125];
    let cases: &[(&[Sent<'_>], &[Owned])] = &[
        (&[(Text, true, b"")], &[text("")]),
        (
            &[(Text, true, b"hi"), (Text, true, b"ho")],
            &[text("hi"), text("ho")],
        ),
        (
            &[(Binary, true, b"\xff")],
            &[Owned::Message(Kind::Binary, vec![0xff])],
        ),
        (
            &[(Text, false, b"a"), (Continuation, true, b"b")],
            &[text("ab")],
        ),
        (
            &[
                (Text, false, b""),
                (Continuation, false, b""),
                (Continuation, true, b""),
            ],
            &[text("")],
        ),
        (
            &[(Text, false, b"\xc3"), (Continuation, true, b"\xa9")],
            &[text("é")],
        ),
        (
            &[
                (Text, false, b"a"),
                (Ping, true, b"p"),
                (Pong, true, b""),
                (Continuation, true, b""),
            ],
            &[
                Owned::Ping(b"p".to_vec()),
                Owned::Pong(Vec::new()),
                text("a"),
            ],
        ),
        (&[(Ping, true, &long)], &[Owned::Ping(long.to_vec())]),
        (
            &[(Pong, true, b"unasked")],
            &[Owned::Pong(b"unasked".to_vec())],
        ),
        (
            &[(Text, false, b"a"), (Close, true, b"")],
            &[Owned::Close(None, Vec::new())],
        ),
        (
            &[(Close, true, b"\x03\xe8")],
            &[Owned::Close(Some(1000), Vec::new())],
        ),
        (
            &[(Close, true, b"\x0f\xa1b\xc3\xa9")],
            &[Owned::Close(Some(4001), "bé".into())],
        ),
    ];
    for (list, events) in cases {
        let bytes = frames(list);
        for outcome in [
            read(&bytes, [], &RULES),
            read(&bytes, 0..bytes.len(), &RULES),
        ] {
            assert_eq!(outcome.failure, None, "{list:?}");
            assert_eq!(outcome.events, *events, "{list:?}");
        }
    }
}

/// Goal: the limit itself is allowed, whole and in fragments; control frames do not count.
#[test]
fn the_longest_message_passes() {
    let rules = Rules {
        role: Role::Server,
        message_bytes_max: 4,
    };
    let whole = frames(&[(Binary, true, b"1234"), (Ping, true, b"12345")]);
    assert_eq!(read(&whole, [], &rules).failure, None);
    let parts = frames(&[
        (Binary, false, b"12"),
        (Ping, true, b"12345"),
        (Continuation, true, b"34"),
    ]);
    let outcome = read(&parts, 0..parts.len(), &rules);
    assert_eq!(
        outcome.events[1],
        Owned::Message(Kind::Binary, b"1234".to_vec())
    );
}

/// Goal: a client reads unmasked frames and refuses masked ones.
#[test]
fn a_client_reads_what_a_server_writes() {
    let rules = Rules {
        role: Role::Client,
        message_bytes_max: 1000,
    };
    let mut bytes = Vec::new();
    crate::wire::frame::append_frame(&mut bytes, OpCode::Text, b"hello");
    append_close_frame(&mut bytes, CloseCode::TOO_BIG, "too big");
    for cuts in [vec![], (0..bytes.len()).collect()] {
        let events = [text("hello"), Owned::Close(Some(1009), b"too big".to_vec())];
        assert_eq!(read(&bytes, cuts, &rules).events, events);
    }
    let failure = read(&frames(&[(Text, true, b"x")]), [], &rules).failure;
    assert_eq!(failure, Some(WireError::Frame(FrameError::Masked)));
}

/// Goal: a whole frame is delivered from where it lies; a session between messages owns nothing;
/// one within a message owns no more than twice what has arrived, whatever was announced.
#[test]
fn buffers_follow_what_has_arrived() {
    assert_eq!(size_of::<Reader>(), size_of::<usize>());
    let rules = Rules {
        role: Role::Server,
        message_bytes_max: 1 << 30,
    };
    let mut reader = Reader::default();
    let mut bytes = frames(&[(Binary, true, b"whole")]);
    let lies_at = bytes.as_ptr_range();
    match reader.next(&mut &mut bytes[..], &rules) {
        Ok(Some(Event::Message { payload, .. })) => {
            assert!(
                lies_at.contains(&payload.as_ptr()),
                "borrowed from the input"
            );
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(reader.heap_bytes(), 0);

    let (mut header, length) = encode_masked_header(Binary, true, 1 << 30, KEY);
    assert_eq!(reader.next(&mut &mut header[..length], &rules), Ok(None));
    assert!(!reader.is_idle());
    assert!(
        reader.heap_bytes() < 512,
        "an announcement allocates nothing"
    );
    for arrived in 1..=100 {
        assert_eq!(reader.next(&mut &mut [0; 1000][..], &rules), Ok(None));
        assert!(reader.heap_bytes() <= 2 * arrived * 1000 + 1024);
    }

    let mut reader = Reader::default();
    let mut bytes = frames(&[
        (Text, false, &[b'x'; 700]),
        (Continuation, true, &[b'x'; 50]),
    ]);
    let mut input = &mut bytes[..];
    assert!(matches!(
        reader.next(&mut input, &rules),
        Ok(Some(Event::Message { .. }))
    ));
    assert_eq!(reader.next(&mut input, &rules), Ok(None));
    assert!(reader.is_idle());
    assert_eq!(reader.heap_bytes(), 0);
}

/// Goal: however a message is cut, it is copied once and its buffer moves at most once for each
/// doubling: counted, as time would be noise.
#[test]
fn buffers_grow_by_doubling() {
    let payload_bytes: usize = 1 << 20;
    let rules = Rules {
        role: Role::Server,
        message_bytes_max: payload_bytes,
    };
    for (fragment_bytes, piece_bytes) in [(payload_bytes, 1), (payload_bytes, 1024), (64, 4096)] {
        let mut bytes = Vec::new();
        for start in (0..payload_bytes).step_by(fragment_bytes) {
            let opcode = if start == 0 { Text } else { Continuation };
            let fin = start + fragment_bytes == payload_bytes;
            append_masked_frame(&mut bytes, opcode, fin, &vec![b'x'; fragment_bytes], KEY);
        }
        let mut reader = Reader::default();
        let (mut held_bytes, mut growths, mut messages) = (0, 0, 0);
        for piece in bytes.chunks_mut(piece_bytes) {
            let mut input = &mut piece[..];
            while let Some(event) = reader.next(&mut input, &rules).expect("valid") {
                assert!(
                    matches!(event, Event::Message { payload, .. } if payload.len() == 1 << 20)
                );
                messages += 1;
            }
            growths += usize::from(reader.heap_bytes() > held_bytes);
            held_bytes = reader.heap_bytes();
        }
        assert_eq!((messages, held_bytes), (1, 0));
        assert!(growths <= 14, "{growths} growths, pieces of {piece_bytes}");
    }
}

/// A message or control frame as a client may send it: opcode, payload, ends of the fragments.
fn said() -> impl Strategy<Value = Vec<u8>> {
    let ends = prop::collection::vec(any::<prop::sample::Index>(), 0..4);
    let payload = prop_oneof![
        any::<String>().prop_map(|text| (Text, text.into_bytes())),
        prop::collection::vec(any::<u8>(), 0..300).prop_map(|bytes| (Binary, bytes)),
    ];
    let control = (
        prop::sample::select(vec![Ping, Pong]),
        prop::collection::vec(any::<u8>(), 0..=125),
    );
    let between = prop::collection::vec(control, 0..3);
    (payload, ends, between, any::<[u8; 4]>()).prop_map(|((kind, payload), ends, between, key)| {
        let mut ends: Vec<usize> = ends
            .iter()
            .map(|end| end.index(payload.len() + 1))
            .collect();
        ends.sort_unstable();
        let mut bytes = Vec::new();
        let mut between = between.into_iter();
        let (mut start, mut opcode) = (0, kind);
        for end in ends {
            append_masked_frame(&mut bytes, opcode, false, &payload[start..end], key);
            if let Some((control, payload)) = between.next() {
                append_masked_frame(&mut bytes, control, true, &payload, key);
            }
            (start, opcode) = (end, Continuation);
        }
        append_masked_frame(&mut bytes, opcode, true, &payload[start..], key);
        bytes
    })
}

fn sorted_cuts(cuts: &[prop::sample::Index], bytes: usize) -> Vec<usize> {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes + 1)).collect();
    cuts.sort_unstable();
    cuts
}

proptest! {
    /// Goal: any split of any valid conversation gives the events of the whole.
    #[test]
    fn any_split_gives_the_same_events(
        said in prop::collection::vec(said(), 1..5),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let bytes = said.concat();
        let rules = Rules { role: Role::Server, message_bytes_max: 1 << 16 };
        let whole = read(&bytes, [], &rules);
        prop_assert_eq!(whole.failure, None);
        let messages = whole.events.iter().filter(|event| matches!(event, Owned::Message(..)));
        prop_assert_eq!(messages.count(), said.len());
        prop_assert_eq!(&read(&bytes, sorted_cuts(&cuts, bytes.len()), &rules), &whole);
        prop_assert_eq!(&read(&bytes, 0..bytes.len(), &rules), &whole);
    }

    /// Goal: any bytes, of which a few frames may be valid, give the same events and failure in any
    /// split.
    #[test]
    fn arbitrary_bytes_fail_alike_in_any_split(
        said in prop::collection::vec(said(), 0..2),
        noise in prop::collection::vec(any::<u8>(), 0..60),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let bytes = [said.concat(), noise].concat();
        let whole = read(&bytes, [], &RULES);
        for cuts in [sorted_cuts(&cuts, bytes.len()), (0..bytes.len()).collect()] {
            let pieces = read(&bytes, cuts, &RULES);
            prop_assert_eq!(&pieces.events, &whole.events);
            prop_assert_eq!(pieces.failure, whole.failure);
        }
    }
}
