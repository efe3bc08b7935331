//! Who is served in a flush, and what the indexes of all rooms may take.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::audience::{Audience, Member};
use super::homes::Homes;
use super::log::Log;
use super::rendition::{Encode, Notices, Protocol, Rendition, Said};
use super::{Bounds, Rooms};
use crate::id::{
    Epoch, MemberId, MembershipId, Offset, RoomId, SessionKey, ShardId, StreamPosition,
};
use crate::message::{Event, Form, Message, Origin, Run};
use crate::wire::frame::{OpCode, append_frame};

const ME: ShardId = ShardId::new(0);

const WITH: Rendition = Rendition::PLAIN;
const WITHOUT: Rendition = Rendition::PLAIN_QUIET;

/// Writes a frame for each message, and one without payload for each notice; but for plain members with
/// the name of the protocol, the room and the offset in it.
struct Frames;

fn frame(protocol: Protocol, said: &Said<'_>) -> Vec<u8> {
    let mut payload = match said.message.event {
        Event::Published { data, .. } => data.to_vec(),
        _ => Vec::new(),
    };
    if protocol != Protocol::Plain {
        let offset = said.message.offset.filter(|_| said.has_history);
        let more = format!(
            "{protocol:?} {} {:?}",
            said.room,
            offset.map(Offset::number)
        );
        payload.extend_from_slice(more.as_bytes());
    }
    let mut frame = Vec::new();
    append_frame(&mut frame, OpCode::Text, &payload);
    frame
}

impl Encode for Frames {
    fn encoded_bytes_max(&self, protocol: Protocol, said: &Said<'_>) -> usize {
        frame(protocol, said).len() + 10
    }

    fn encode(&self, protocol: Protocol, said: &Said<'_>, out: &mut [u8]) -> usize {
        let frame = frame(protocol, said);
        out[..frame.len()].copy_from_slice(&frame);
        frame.len()
    }
}

fn member_id(slot: u32) -> MemberId {
    let generation = 0;
    MemberId::new(ME, SessionKey { slot, generation })
}

fn rooms(index_bytes_max: usize) -> Rooms {
    let bounds = Bounds {
        index_bytes_max,
        ..Bounds::SMALL
    };
    Rooms::new(ME, Homes::new(1, 0), bounds)
}

fn create(rooms: &mut Rooms, name: &str) -> RoomId {
    let room = rooms.find_or_create(&Arc::from(name), Duration::ZERO, || Epoch::new(1));
    room.expect("there is room for one more")
}

/// One message, with the first offset that a room gives.
fn first_of_an_incarnation() -> Run {
    let mut run = Run::default();
    run.push(&Message::new(Event::said(Form::Text, b"a"), Origin::Nobody));
    run.put_in_order(0, 1, |_| Offset::FIRST);
    run
}

/// Appends what happened, with offsets from 1 on for what was published.
fn append(rooms: &mut Rooms, log: &mut Log, room: RoomId, epoch: Epoch, messages: &[Message<'_>]) {
    let mut run = Run::default();
    for message in messages {
        run.push(message);
    }
    rooms.change(room, |here| {
        let home = here.home.as_mut().expect("this is its home");
        run.put_in_order(0, messages.len(), |_| home.next_offset());
        here.append(log, epoch, run.as_slice(), &Frames, |_| true);
    });
}

/// Two members take turns to say so many messages of one byte in `room`, where one member is
/// never sent anything.
fn chatter(rooms: &mut Rooms, log: &mut Log, room: RoomId, messages: u32) {
    for number in 0..messages {
        let event = Event::said(Form::Binary, &[7]);
        let message = Message::new(event, Origin::Exclude(member_id(number % 2)));
        append(rooms, log, room, Epoch::new(1), &[message]);
        rooms.bound_indexes(log);
    }
}

/// Goal: however many tiny messages are kept for members that are not sent any, the indexes keep to
/// their memory; what is forgotten is the oldest of the longest ones.
#[test]
fn indexes_keep_to_their_memory() {
    const INDEX_BYTES_MAX: usize = 256 << 10;
    let mut log = Log::new(1 << 20).unwrap();
    let mut rooms = rooms(INDEX_BYTES_MAX);
    let ids = ["a", "b", "quiet"].map(|name| {
        let id = create(&mut rooms, name);
        rooms.change(id, |room| {
            room.add(WITH, Member::new(0, MembershipId::INLINE))
        });
        id
    });
    chatter(&mut rooms, &mut log, ids[2], 40);
    for _ in 0..20 {
        for &room in &ids[..2] {
            chatter(&mut rooms, &mut log, room, 5000);
            // One queue may double before it is looked at.
            assert!(rooms.index_bytes() <= 2 * INDEX_BYTES_MAX);
        }
    }
    let gone = |room| {
        let index = rooms.get(room).index(WITH).unwrap();
        index.position(StreamPosition::default()).is_none()
    };
    assert_eq!(ids.map(gone), [true, true, false]);
    let index = rooms.get(ids[1]).index(WITH).unwrap();
    let newest = StreamPosition::new(index.head().bytes() - 3000);
    let newest = index.position(newest);
    assert!(newest.is_some(), "the newest stay");
    for room in ids {
        rooms.get(room).check_invariants().unwrap();
        rooms.change(room, |room| room.remove(WITH, 0));
        rooms.release(room);
    }
    assert_eq!((rooms.len(), rooms.index_bytes()), (0, 0));
}

/// Goal: a message stands once in the log for all that read it in one protocol; who wants no notices is sent
/// none, and where nobody wants any they are not even written.
#[test]
fn messages_are_written_once_and_notices_for_those_who_want_them() {
    let mut log = Log::new(1 << 20).unwrap();
    let mut rooms = rooms(1 << 20);
    let room = create(&mut rooms, "room");
    let said = [
        Message::new(Event::said(Form::Text, b"a"), Origin::Nobody),
        Message::new(Event::Members(7), Origin::Nobody),
        Message::new(Event::said(Form::Text, b"b"), Origin::Nobody),
    ];
    rooms.change(room, |room| {
        room.add(WITHOUT, Member::new(0, MembershipId::INLINE))
    });
    append(&mut rooms, &mut log, room, Epoch::new(1), &said);
    assert_eq!(log.head().bytes(), 6, "two frames of a byte");
    rooms.change(room, |room| {
        room.add(WITH, Member::new(1, MembershipId::INLINE))
    });
    append(&mut rooms, &mut log, room, Epoch::new(1), &said);
    let notice = 2;
    assert_eq!(log.head().bytes(), 12 + notice);
    let heads = [WITHOUT, WITH].map(|rendition| {
        let index = rooms.get(room).index(rendition);
        index.map(|index| index.head().bytes())
    });
    assert_eq!(heads, [Some(12), Some(6 + notice)]);
    rooms.get(room).check_invariants().unwrap();
}

/// Goal: each protocol has its bytes in one piece of the log, and only such as tell them what room and
/// which message it is know of those; who said it is left out in the plain one alone.
#[test]
fn each_protocol_has_its_own_bytes() {
    let mut log = Log::new(1 << 20).unwrap();
    let mut rooms = rooms(1 << 20);
    let room = create(&mut rooms, "room");
    let protocols = [Protocol::Plain, Protocol::Json, Protocol::Protobuf];
    for (slot, protocol) in (0..).zip(protocols) {
        let rendition = Rendition::new(protocol, Notices::Without);
        rooms.change(room, |here| {
            here.facts.begin_history();
            here.add(rendition, Member::new(slot, MembershipId::INLINE))
        });
    }
    let mut run = Run::default();
    for data in [b"a", b"b"] {
        let event = Event::said(Form::Text, data);
        run.push(&Message::new(event, Origin::Exclude(member_id(9))));
    }
    rooms.change(room, |here| {
        let home = here.home.as_mut().expect("this is its home");
        run.put_in_order(0, 2, |_| home.next_offset());
        let mut own = Vec::new();
        here.append(
            &mut log,
            Epoch::new(1),
            run.as_slice(),
            &Frames,
            |message| {
                own.push(message.rendition.protocol());
                false
            },
        );
        assert_eq!(own, [Protocol::Plain; 2]);
    });
    let bytes = usize::try_from(log.head().bytes()).unwrap();
    let mut expected = Vec::new();
    for said in ["a", "b", "aJson room Some(1)", "bJson room Some(2)"] {
        append_frame(&mut expected, OpCode::Text, said.as_bytes());
    }
    for said in ["aProtobuf room Some(1)", "bProtobuf room Some(2)"] {
        append_frame(&mut expected, OpCode::Text, said.as_bytes());
    }
    assert_eq!(log.slice(log.tail(), bytes), expected);
}

/// Goal: an audience whose last member leaves is gone, and the next one begins a stream of its own; the others
/// are not touched.
#[test]
fn audiences_end_with_their_members() {
    let mut log = Log::new(1 << 20).unwrap();
    let mut rooms = rooms(1 << 20);
    let room = create(&mut rooms, "room");
    for (slot, rendition) in [(0, WITH), (1, WITHOUT)] {
        rooms.change(room, |room| {
            room.add(rendition, Member::new(slot, MembershipId::INLINE))
        });
    }
    let said = [Message::new(Event::said(Form::Text, b"a"), Origin::Nobody)];
    append(&mut rooms, &mut log, room, Epoch::new(1), &said);
    rooms.change(room, |room| room.remove(WITH, 0));
    let here = rooms.get(room);
    assert!(here.index(WITH).is_none() && here.members_here() == 1);
    assert_eq!(here.index(WITHOUT).unwrap().head().bytes(), 3);
    let (number, start) = rooms.change(room, |room| {
        room.add(WITH, Member::new(2, MembershipId::INLINE))
    });
    assert_eq!((number, start), (0, StreamPosition::default()));
}

/// Goal: offsets may begin anew with another incarnation of the room, while what was said before is still to be
/// sent.
#[test]
fn offsets_begin_anew_with_an_epoch() {
    let mut log = Log::new(1 << 20).unwrap();
    let run = first_of_an_incarnation();
    let mut rooms = rooms(1 << 20);
    let room = create(&mut rooms, "room");
    rooms.change(room, |room| {
        room.add(WITH, Member::new(0, MembershipId::INLINE))
    });
    for epoch in [1, 2, 1] {
        rooms.change(room, |here| {
            here.append(&mut log, Epoch::new(epoch), run.as_slice(), &Frames, |_| {
                false
            })
        });
    }
    rooms.get(room).check_invariants().unwrap();
    assert_eq!(rooms.get(room).index(WITH).unwrap().head().bytes(), 9);
}

/// Goal: within one incarnation offsets only grow: anything else would be a message out of order.
#[test]
#[should_panic(expected = "offsets of a room increase")]
fn an_offset_that_comes_again_is_an_error() {
    let mut log = Log::new(1 << 20).unwrap();
    let run = first_of_an_incarnation();
    let mut rooms = rooms(1 << 20);
    let room = create(&mut rooms, "room");
    rooms
        .get_mut(room)
        .add(WITH, Member::new(0, MembershipId::INLINE));
    for _ in 0..2 {
        let here = rooms.get_mut(room);
        here.append(&mut log, Epoch::new(1), run.as_slice(), &Frames, |_| false);
    }
}

/// Goal: homes with something to do are found in time, once, and a room that is gone or another one's handle
/// does no harm.
#[test]
fn homes_come_up_in_time() {
    let now = std::time::Duration::from_secs(3);
    let customs = super::home::Customs {
        announced_members_max: 0,
        spread_members_min: 64,
    };
    let guest = super::home::Guest {
        member: member_id(0),
        id: uuid::Uuid::nil(),
        visible: super::home::Visible::Yes,
        about: None,
    };
    let mut rooms = rooms(1 << 20);
    let room = create(&mut rooms, "room");
    for _ in 0..2 {
        rooms.home_mut(room).join(&guest, &customs);
        rooms.note_deadline(room, now);
    }
    assert_eq!(rooms.next_deadline(now), Some(now));
    assert_eq!(rooms.take_due(now), [room]);
    assert_eq!(rooms.home_mut(room).handle_time(now).0, Some(2));
    for _ in 0..2 {
        rooms.home_mut(room).leave(&guest, &customs, now);
    }
    rooms.note_deadline(room, now);
    rooms.release(room);
    assert_eq!(rooms.len(), 0);
    assert_eq!(create(&mut rooms, "other"), room);
    assert_eq!(rooms.take_due(now + std::time::Duration::from_secs(9)), []);
}

proptest! {
    /// Goal: every member is served once in a flush, also when others come or leave in the middle; but
    /// for one that moves into a leaver's place, which `remove` names.
    #[test]
    fn a_flush_serves_everybody(
        count in 1u32..40,
        rounds in prop::collection::vec(
            prop::collection::vec((0usize..100, 0u8..3), 0..6),
            1..6,
        ),
    ) {
        let mut audience = Audience::new(WITH);
        for slot in 0..count {
            audience.add(Member::new(slot, MembershipId::INLINE));
        }
        let mut next = count;
        for events in rounds {
            let mut served: HashMap<Member, u32> = HashMap::new();
            // Whoever moved into a leaver's place, and who has just come and has heard all.
            let mut excused = Vec::new();
            let started = audience.start_flush();
            prop_assert_eq!(started, !audience.members().is_empty());
            let (mut events, mut changed) = (events.into_iter(), false);
            while let Some(member) = audience.next_to_flush() {
                *served.entry(member).or_default() += 1;
                let Some((number, kind)) = events.next() else {
                    continue;
                };
                if kind == 0 {
                    let member = Member::new(next, MembershipId::INLINE);
                    audience.add(member);
                    excused.push(member);
                    next += 1;
                    changed = true;
                } else if !audience.members().is_empty() {
                    let number = number % audience.members().len();
                    excused.extend(audience.remove(u32::try_from(number).unwrap()));
                    changed = true;
                }
            }
            prop_assert!(!audience.is_flushing());
            for member in audience.members() {
                let times = served.get(member).copied().unwrap_or(0);
                // With changes, whoever was first may come up again; it has nothing to send.
                let right = times == 1 || (changed && (times > 1 || excused.contains(member)));
                prop_assert!(right, "{member:?} was served {times} times");
            }
        }
    }
}
