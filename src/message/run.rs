//! Messages in their order, packed: what they say end to end, and a fixed piece that describes each.

use uuid::Uuid;

use super::{Event, Message};
use crate::id::{MemberId, Offset};
use crate::wire::message::Kind;

/// What a message is, without what it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tag {
    Text,
    Binary,
    Joined,
    Left,
    Members,
}

/// What describes a packed message.
#[derive(Debug, Clone, Copy)]
struct Entry {
    offset: Option<Offset>,
    origin: Option<MemberId>,
    payload_bytes: u32,
    tag: Tag,
}

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
        let tag = match message.event {
            Event::Published(kind, payload) => {
                self.payloads.extend_from_slice(payload);
                match kind {
                    Kind::Text => Tag::Text,
                    Kind::Binary => Tag::Binary,
                }
            }
            Event::Joined(id) => self.push_id(Tag::Joined, id),
            Event::Left(id) => self.push_id(Tag::Left, id),
            Event::Members(count) => {
                self.payloads.extend_from_slice(&count.to_ne_bytes());
                Tag::Members
            }
        };
        let payload_bytes = self.payloads.len() - before;
        self.entries.push(Entry {
            offset: message.offset,
            origin: message.origin,
            payload_bytes: u32::try_from(payload_bytes).expect("a message is at most 1 GiB"),
            tag,
        });
        weight(payload_bytes, 1)
    }

    fn push_id(&mut self, tag: Tag, id: Uuid) -> Tag {
        self.payloads.extend_from_slice(id.as_bytes());
        tag
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
            if matches!(entry.tag, Tag::Text | Tag::Binary) {
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
        let published = |entry: &&Entry| matches!(entry.tag, Tag::Text | Tag::Binary);
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
        let id = || Uuid::from_slice(payload).expect("it was packed from an id");
        match self.tag {
            Tag::Text => Event::Published(Kind::Text, payload),
            Tag::Binary => Event::Published(Kind::Binary, payload),
            Tag::Joined => Event::Joined(id()),
            Tag::Left => Event::Left(id()),
            Tag::Members => {
                let count = payload.try_into().expect("it was packed from a count");
                Event::Members(u32::from_ne_bytes(count))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::{Event, Kind, Message, Offset, Run};

    /// Goal: what is packed comes out as it went in, whole or in parts, and each part weighs what its
    /// messages do.
    #[test]
    fn messages_come_out_as_they_went_in() {
        let events = [
            Event::Published(Kind::Text, b"hello"),
            Event::Joined(Uuid::from_u128(7)),
            Event::Published(Kind::Binary, b""),
            Event::Members(70_000),
            Event::Left(Uuid::from_u128(u128::MAX)),
        ];
        let mut run = Run::default();
        let weight: usize = (events.iter())
            .map(|&event| run.push(&Message::new(event, None)))
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
        assert_eq!(run.as_slice().published(), 4);
        let notices = run.as_slice().messages().filter(Message::is_notice).count();
        assert_eq!(notices, 6);
    }

    /// Goal: only what was published gets an offset, in order.
    #[test]
    fn notices_have_no_offset() {
        let mut run = Run::default();
        for event in [
            Event::Published(Kind::Text, b"a"),
            Event::Members(1),
            Event::Published(Kind::Text, b"b"),
        ] {
            run.push(&Message::new(event, None));
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
                run.push(&Message::new(Event::Published(Kind::Binary, &vec![number; length]), None));
            }
            let (mut message, mut byte) = (0, 0);
            for weight_max in weights {
                let part = run.part_of_weight(message, byte, weight_max);
                prop_assert!(part.weight() <= weight_max || part.len() <= 1);
                prop_assert_eq!(part.len() == 0, message == lengths.len());
                for (at, found) in part.messages().enumerate() {
                    let number = u8::try_from(message + at).unwrap();
                    let payload = vec![number; lengths[message + at]];
                    prop_assert_eq!(found.event, Event::Published(Kind::Binary, &payload));
                }
                message += part.len();
                byte += part.payload_bytes();
            }
        }
    }
}
