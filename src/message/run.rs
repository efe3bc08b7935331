//! Messages in their order, packed: what they say end to end, and a fixed piece that describes each.

use super::info::Info;
use super::{Event, Form, Message, Origin};
use crate::id::{MemberId, Offset, Ticket};

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
        let (tag, info) = match &message.event {
            Event::Published { form, data, info } => {
                self.payloads.extend_from_slice(data);
                (Tag::Published(*form), info.as_ref())
            }
            Event::Joined(info) => (Tag::Joined, Some(info)),
            Event::Left(info) => (Tag::Left, Some(info)),
            Event::Members(count) => {
                self.payloads.extend_from_slice(&count.to_ne_bytes());
                (Tag::Members, None)
            }
        };
        let info_bytes = info.map_or(0, |info| self.push_info(info));
        let payload_bytes = self.payloads.len() - before;
        self.entries.push(Entry {
            offset: message.offset,
            origin: message.origin,
            payload_bytes: u32::try_from(payload_bytes).expect("a message is at most 1 GiB"),
            info_bytes,
            tag,
        });
        weight(payload_bytes, 1)
    }

    /// Adds who did it, behind what was said; returns its bytes.
    #[inline(never)]
    fn push_info(&mut self, info: &Info<'_>) -> u16 {
        let before = self.payloads.len();
        info.pack(&mut self.payloads);
        u16::try_from(self.payloads.len() - before).expect("within PACKED_BYTES_MAX")
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

    /// Adds those messages of `slice` that have offsets, without where they came from.
    pub(crate) fn keep(&mut self, slice: Slice<'_>) {
        let mut rest = slice.payloads;
        for entry in slice.entries {
            let (payload, after) = rest.split_at(entry.payload_bytes as usize);
            rest = after;
            if entry.offset.is_some() {
                self.payloads.extend_from_slice(payload);
                self.entries.push(Entry {
                    origin: Origin::Nobody,
                    ..*entry
                });
            }
        }
    }

    /// Takes back the message that `member` waits for word of by `ticket`, if it is the one with that number or behind
    /// it; returns its weight.
    pub(crate) fn withdraw(
        &mut self,
        first: usize,
        member: MemberId,
        ticket: Ticket,
    ) -> Option<usize> {
        let origin = Origin::Acknowledge { member, ticket };
        let behind = self.entries[first..].iter();
        let at = first + behind.take_while(|entry| entry.origin != origin).count();
        let withdrawn = *self.entries.get(at)?;
        let bytes = |entry: &Entry| entry.payload_bytes as usize;
        let start: usize = self.entries[..at].iter().map(bytes).sum();
        self.payloads.drain(start..start + bytes(&withdrawn));
        self.entries.remove(at);
        Some(weight(bytes(&withdrawn), 1))
    }

    /// Takes the newest message back.
    pub(crate) fn forget_newest(&mut self) {
        if let Some(newest) = self.entries.pop() {
            let left = self.payloads.len() - newest.payload_bytes as usize;
            self.payloads.truncate(left);
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

    /// From there on, all of them.
    pub(crate) fn from(&self, message: usize) -> Slice<'_> {
        // From whichever end is nearer.
        let (before, behind) = self.entries.split_at(message);
        let bytes = |entries: &[Entry]| -> usize {
            (entries.iter().map(|entry| entry.payload_bytes as usize)).sum()
        };
        let byte = match before.len() < behind.len() {
            true => bytes(before),
            false => self.payloads.len() - bytes(behind),
        };
        Slice {
            payloads: &self.payloads[byte..],
            entries: behind,
        }
    }

    /// How many of its messages, which all have offsets, come no later than the place `last`.
    pub(crate) fn count_up_to(&self, last: u64) -> usize {
        let is_before = |entry: &Entry| entry.offset.is_none_or(|at| at.number() <= last);
        self.entries.partition_point(is_before)
    }

    /// The offset of one of its messages, which all have offsets.
    pub(crate) fn offset_at(&self, message: usize) -> Offset {
        let offset = self.entries[message].offset;
        offset.expect("all of them have offsets")
    }

    /// The offset of the last message.
    pub(crate) fn last_offset(&self) -> Option<Offset> {
        self.entries.last()?.offset
    }

    /// Gives each of the `count` messages from `first` on that was published its place, which `place` says
    /// when it hears where the message came from.
    pub(crate) fn put_in_order(
        &mut self,
        first: usize,
        count: usize,
        mut place: impl FnMut(Origin) -> Offset,
    ) {
        for entry in &mut self.entries[first..first + count] {
            if matches!(entry.tag, Tag::Published(_)) {
                assert!(entry.offset.is_none(), "a message is put in order once");
                entry.offset = Some(place(entry.origin));
            }
        }
    }

    /// The same, but those get none that say more than so many bytes. A method of its own, since nearly no message has to
    /// be asked.
    pub(crate) fn put_short_in_order(
        &mut self,
        first: usize,
        count: usize,
        data_bytes_max: usize,
        mut place: impl FnMut(Origin) -> Offset,
    ) {
        for at in first..first + count {
            let data_bytes = self.entries[at].data_bytes();
            if data_bytes <= data_bytes_max {
                self.put_in_order(at, 1, &mut place);
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

    /// Takes all of it out, in little more memory than it weighs. What is left may hold memory for as much
    /// again.
    pub(crate) fn take_tight(&mut self) -> Self {
        let held_max = self.weight() / 4 * 5 + SPARE_BYTES_MAX;
        if self.held_bytes() <= held_max {
            return std::mem::take(self);
        }
        let run = self.as_slice().to_run();
        self.clear();
        run
    }
}

/// Memory beyond its weight, and a quarter of that, that a run may hold without being copied.
const SPARE_BYTES_MAX: usize = 512;

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

    /// As much of it from its end on as has no more than so many messages with offsets, and the offset of
    /// the newest that is left out, if one is.
    #[must_use]
    pub(crate) fn newest_with_offset(self, messages: usize) -> (Option<Offset>, Self) {
        let (mut left, mut bytes) = (messages, 0);
        for (at, entry) in self.entries.iter().enumerate().rev() {
            if entry.offset.is_some() {
                if left == 0 {
                    let newest = Self {
                        payloads: &self.payloads[self.payloads.len() - bytes..],
                        entries: &self.entries[at + 1..],
                    };
                    return (entry.offset, newest);
                }
                left -= 1;
            }
            bytes += entry.payload_bytes as usize;
        }
        (None, self)
    }

    /// Of which of its messages who is to be told, and the places of those that have one.
    pub(crate) fn tickets(
        &self,
    ) -> impl Iterator<Item = (MemberId, Ticket, Option<Offset>)> + use<'a> {
        self.entries.iter().filter_map(|entry| match entry.origin {
            Origin::Acknowledge { member, ticket } => Some((member, ticket, entry.offset)),
            Origin::Nobody | Origin::Exclude(_) => None,
        })
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
    /// Bytes of what it says, without who says it.
    #[inline]
    fn data_bytes(&self) -> usize {
        self.payload_bytes as usize - usize::from(self.info_bytes)
    }

    /// What happened. Always inlined: of most of it, whoever asks needs nothing.
    #[inline(always)]
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
mod tests;
