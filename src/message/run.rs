//! Messages in their order, packed: what they say end to end, and a fixed piece that describes each.

use super::info::Info;
use super::{Event, Form, Message, Origin};
use crate::id::Offset;

/// What a message is, without what it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tag {
    Published(Form),
    Joined,
    Left,
    Members,
}

/// What describes a packed message.
#[derive(Debug, Clone, Copy)]
struct Entry {
    offset: Option<Offset>,
    origin: Origin,
    /// Bytes of all that it says, and who says it.
    payload_bytes: u32,
    /// Those of them at the end that say who.
    info_bytes: u16,
    tag: Tag,
}

const _: () = assert!(size_of::<Entry>() == 32);

/// Messages in their order.
#[derive(Debug, Clone, Default)]
pub struct Run {
    payloads: Vec<u8>,
    entries: Vec<Entry>,
}

/// A part of a [`Run`].
#[derive(Debug, Clone, Copy)]
pub struct Slice<'a> {
    payloads: &'a [u8],
    entries: &'a [Entry],
}

/// What messages take in memory: what they say, and what describes them.
const fn weight(payload_bytes: usize, messages: usize) -> usize {
    payload_bytes + messages * Run::ENTRY_BYTES
}

impl Run {
    /// What describes a packed message, in bytes.
    pub const ENTRY_BYTES: usize = size_of::<Entry>();

    /// Adds a message; returns its weight.
    pub(crate) fn push(&mut self, message: &Message<'_>) -> usize {
        let before = self.payloads.len();
        let (tag, said, info) = match message.event {
            Event::Published { form, data, info } => (Tag::Published(form), data, info),
            Event::Joined(info) => (Tag::Joined, &b""[..], Some(info)),
            Event::Left(info) => (Tag::Left, &b""[..], Some(info)),
            Event::Members(count) => {
                self.payloads.extend_from_slice(&count.to_ne_bytes());
                (Tag::Members, &b""[..], None)
            }
        };
        self.payloads.extend_from_slice(said);
        let info_start = self.payloads.len();
        if let Some(info) = info {
            info.pack(&mut self.payloads);
        }
        let info_bytes = self.payloads.len() - info_start;
        let payload_bytes = self.payloads.len() - before;
        self.entries.push(Entry {
            offset: message.offset,
            origin: message.origin,
            payload_bytes: u32::try_from(payload_bytes).expect("a message is at most 1 GiB"),
            info_bytes: u16::try_from(info_bytes).expect("within PACKED_BYTES_MAX"),
            tag,
        });
        weight(payload_bytes, 1)
    }

    /// Adds all of `other` behind what there is.
    pub(crate) fn append(&mut self, other: &mut Self) {
        if self.is_empty() {
            std::mem::swap(self, other);
        } else {
            self.payloads.append(&mut other.payloads);
            self.entries.append(&mut other.entries);
        }
    }

    /// How many messages there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// What they take in memory, in bytes.
    #[must_use]
    pub fn weight(&self) -> usize {
        weight(self.payloads.len(), self.entries.len())
    }

    /// All of them.
    #[must_use]
    pub(crate) fn as_slice(&self) -> Slice<'_> {
        Slice {
            payloads: &self.payloads,
            entries: &self.entries,
        }
    }

    /// From the message and the payload byte on that are named: as many messages as weigh
    /// `weight_max`, at least one if there is one.
    pub(crate) fn part_of_weight(
        &self,
        message: usize,
        byte: usize,
        weight_max: usize,
    ) -> Slice<'_> {
        let (payloads, entries) = (&self.payloads[byte..], &self.entries[message..]);
        if weight(payloads.len(), entries.len()) <= weight_max {
            return Slice { payloads, entries };
        }
        let (mut bytes, mut count) = (0, 0);
        for entry in entries {
            let more = bytes + entry.payload_bytes as usize;
            if count > 0 && weight(more, count + 1) > weight_max {
                break;
            }
            (bytes, count) = (more, count + 1);
        }
        Slice {
            payloads: &payloads[..bytes],
            entries: &entries[..count],
        }
    }

    /// Forgets all of them.
    pub(crate) fn clear(&mut self) {
        self.payloads.clear();
        self.entries.clear();
    }

    /// From there on, `count` messages that say so many bytes.
    pub(crate) fn part(
        &self,
        message: usize,
        count: usize,
        byte: usize,
        payload_bytes: usize,
    ) -> Slice<'_> {
        Slice {
            payloads: &self.payloads[byte..byte + payload_bytes],
            entries: &self.entries[message..message + count],
        }
    }

    /// From there on, `count` messages.
    pub(crate) fn part_of_count(&self, message: usize, byte: usize, count: usize) -> Slice<'_> {
        let entries = &self.entries[message..message + count];
        let bytes: usize = (entries.iter())
            .map(|entry| entry.payload_bytes as usize)
            .sum();
        Slice {
            payloads: &self.payloads[byte..byte + bytes],
            entries,
        }
    }

    /// Gives each of the `count` messages from `first` on that was published its place: the next
    /// that `offset` says.
    pub(crate) fn put_in_order(
        &mut self,
        first: usize,
        count: usize,
        mut offset: impl FnMut() -> Offset,
    ) {
        for entry in &mut self.entries[first..first + count] {
            if matches!(entry.tag, Tag::Published(_)) {
                assert!(entry.offset.is_none(), "a message is put in order once");
                entry.offset = Some(offset());
            }
        }
    }

    /// Forgets so many messages at the front, and the payload bytes that were theirs.
    pub(crate) fn forget(&mut self, messages: usize, payload_bytes: usize) {
        self.entries.drain(..messages);
        self.payloads.drain(..payload_bytes);
    }

    /// Memory it holds, in bytes.
    pub(crate) fn held_bytes(&self) -> usize {
        weight(self.payloads.capacity(), self.entries.capacity())
    }
}

impl<'a> Slice<'a> {
    /// How many messages it has.
    #[must_use]
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Bytes of what its messages say.
    pub(crate) fn payload_bytes(&self) -> usize {
        self.payloads.len()
    }

    /// What they take in memory, in bytes.
    #[must_use]
    pub(crate) fn weight(&self) -> usize {
        weight(self.payloads.len(), self.entries.len())
    }

    /// How many were published and are no notices.
    #[must_use]
    pub(crate) fn published(&self) -> u64 {
        let published = |entry: &&Entry| matches!(entry.tag, Tag::Published(_));
        self.entries.iter().filter(published).count() as u64
    }

    /// The same messages, to keep.
    #[must_use]
    pub(crate) fn to_run(self) -> Run {
        Run {
            payloads: self.payloads.to_vec(),
            entries: self.entries.to_vec(),
        }
    }

    /// Its messages, in their order.
    pub(crate) fn messages(&self) -> impl Iterator<Item = Message<'a>> + use<'a> {
        let mut rest = self.payloads;
        self.entries.iter().map(move |entry| {
            let (payload, after) = rest.split_at(entry.payload_bytes as usize);
            rest = after;
            Message {
                event: entry.event(payload),
                origin: entry.origin,
                offset: entry.offset,
            }
        })
    }
}

impl Entry {
    fn event<'a>(&self, payload: &'a [u8]) -> Event<'a> {
        let (said, packed) = payload.split_at(payload.len() - usize::from(self.info_bytes));
        match self.tag {
            Tag::Published(form) => Event::Published {
                form,
                data: said,
                info: (self.info_bytes > 0).then(|| Info::unpack(packed)),
            },
            Tag::Joined => Event::Joined(Info::unpack(packed)),
            Tag::Left => Event::Left(Info::unpack(packed)),
            Tag::Members => {
                let count = said.try_into().expect("it was packed from a count");
                Event::Members(u32::from_ne_bytes(count))
            }
        }
    }
}

#[cfg(test)]
mod tests {
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
        run.put_in_order(0, 3, || {
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
}
