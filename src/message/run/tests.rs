//! What is packed, taken apart, and put in order.

use proptest::prelude::*;
use uuid::Uuid;

use super::{Event, Form, Info, Message, Offset, Origin, Run};
use crate::id::{MemberId, SessionKey, ShardId, Ticket};

/// Goal: what is packed comes out as it went in, whole or in parts, and each part weighs what its
/// messages do.
#[test]
fn messages_come_out_as_they_went_in() {
    let info = Info {
        client: Uuid::from_u128(u128::MAX),
        user: "somebody",
        connection: b"{}",
        channel: b"",
    };
    let events = [
        Event::said(Form::Text, b"hello"),
        Event::Joined(Info::anonymous(Uuid::from_u128(7))),
        Event::said(Form::Binary, b""),
        Event::Published {
            form: Form::Json,
            data: b"[1]",
            info: Some(info),
        },
        Event::Members(70_000),
        Event::Left(info),
    ];
    let mut run = Run::default();
    let weight: usize = (events.iter())
        .map(|&event| run.push(&Message::new(event, Origin::Nobody)))
        .sum();
    assert_eq!((run.len(), run.weight()), (events.len(), weight));
    let mut more = run.clone();
    run.append(&mut more);
    let out: Vec<_> = run
        .as_slice()
        .messages()
        .map(|message| message.event)
        .collect();
    assert_eq!(out, [events, events].concat());
    assert_eq!(run.as_slice().published(), 6);
    let notices = run.as_slice().messages().filter(Message::is_notice).count();
    assert_eq!(notices, 6);
}

/// Goal: where a message came from is kept with it.
#[test]
fn messages_keep_their_origin() {
    let key = SessionKey {
        slot: 5,
        generation: u32::MAX,
    };
    let member = MemberId::new(ShardId::new(63), key);
    let origins = [
        Origin::Nobody,
        Origin::Exclude(member),
        Origin::Acknowledge {
            member,
            ticket: Ticket::new(u16::MAX),
        },
    ];
    let mut run = Run::default();
    for origin in origins {
        run.push(&Message::new(Event::said(Form::Text, b"x"), origin));
    }
    let out: Vec<_> = (run.as_slice().messages())
        .map(|message| (message.origin, message.excluded()))
        .collect();
    let excluded = [None, Some(member), None];
    assert!(out.into_iter().eq(origins.into_iter().zip(excluded)));
}

/// Goal: only what was published gets an offset, in order.
#[test]
fn notices_have_no_offset() {
    let mut run = Run::default();
    for event in [
        Event::said(Form::Text, b"a"),
        Event::Members(1),
        Event::said(Form::Text, b"b"),
    ] {
        run.push(&Message::new(event, Origin::Nobody));
    }
    let mut next = Offset::FIRST;
    run.put_in_order(0, 3, |_| {
        let offset = next;
        next = next.following();
        offset
    });
    let offsets: Vec<_> = run
        .as_slice()
        .messages()
        .map(|message| message.offset)
        .collect();
    let second = Offset::FIRST.following();
    assert_eq!(offsets, [Some(Offset::FIRST), None, Some(second)]);
}

proptest! {
    /// Goal: parts are whole messages, at least one, and no heavier than asked beyond that.
    #[test]
    fn parts_are_whole_messages(
        lengths in prop::collection::vec(0usize..50, 1..40),
        weights in prop::collection::vec(0usize..300, 40),
    ) {
        let mut run = Run::default();
        for (number, &length) in (0u8..).zip(&lengths) {
            let payload = vec![number; length];
            let event = Event::said(Form::Binary, &payload);
            run.push(&Message::new(event, Origin::Nobody));
        }
        let (mut message, mut byte) = (0, 0);
        for weight_max in weights {
            let part = run.part_of_weight(message, byte, weight_max);
            prop_assert!(part.weight() <= weight_max || part.len() <= 1);
            prop_assert_eq!(part.len() == 0, message == lengths.len());
            for (at, found) in part.messages().enumerate() {
                let number = u8::try_from(message + at).unwrap();
                let payload = vec![number; lengths[message + at]];
                prop_assert_eq!(found.event, Event::said(Form::Binary, &payload));
            }
            message += part.len();
            byte += part.payload_bytes();
        }
    }
}
