//! What a connection has to send, in order, and when each published message in it was taken.
//!
//! A message is *offered* when the kernel could have taken it: at the first send that it was in, or, while the
//! socket is full, as soon as it is queued. What comes after that is the peer's doing, who does not read; what
//! came before is this program's.

use std::collections::VecDeque;

use fanring::wire::frame::{OpCode, append_masked_frame};

/// A published message among the bytes.
#[derive(Clone, Copy, Debug)]
struct Mark {
    /// Where it ends, counted from the first byte there ever was.
    end: u64,
    bytes: u64,
    planned_ns: u64,
    /// None before it was offered.
    offered_ns: Option<u64>,
}

/// A message of which the last byte was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Taken {
    pub(crate) bytes: u64,
    pub(crate) planned_ns: u64,
    /// When it was offered and not taken, if it was not taken at once.
    pub(crate) held_since_ns: Option<u64>,
}

/// What was published and not taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Left {
    pub(crate) messages: u64,
    pub(crate) bytes: u64,
    /// Since when the first of them has been held back; [`u64::MAX`] if none is.
    pub(crate) held_since_ns: u64,
}

/// The bytes.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    bytes: Vec<u8>,
    at: usize,
    /// Bytes passed on since the beginning.
    passed: u64,
    marks: VecDeque<Mark>,
    /// The kernel did not take all that it was offered last.
    is_held: bool,
}

impl Outbox {
    /// Queues bytes as they are.
    pub(crate) fn raw(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Queues a frame.
    pub(crate) fn frame(&mut self, opcode: OpCode, payload: &[u8]) {
        append_masked_frame(&mut self.bytes, opcode, true, payload, random_mask());
    }

    /// Queues a message that publishes. Returns its size in bytes.
    pub(crate) fn publish(
        &mut self,
        opcode: OpCode,
        message: &[u8],
        planned_ns: u64,
        now_ns: u64,
    ) -> u64 {
        let before = self.bytes.len();
        self.frame(opcode, message);
        let bytes = (self.bytes.len() - before) as u64;
        self.marks.push_back(Mark {
            end: self.passed + self.unsent().len() as u64,
            bytes,
            planned_ns,
            offered_ns: self.is_held.then_some(now_ns),
        });
        bytes
    }

    /// What has not been passed on.
    pub(crate) fn unsent(&self) -> &[u8] {
        &self.bytes[self.at..]
    }

    /// So many of them are passed on. Returns where that is, counted from the first byte there ever was.
    pub(crate) fn pass(&mut self, bytes: usize) -> u64 {
        self.at += bytes;
        self.passed += bytes as u64;
        if self.at == self.bytes.len() {
            self.bytes.clear();
            self.at = 0;
        } else if self.at > self.bytes.len() / 2 {
            self.bytes.drain(..self.at);
            self.at = 0;
        }
        self.passed
    }

    /// The kernel has taken all up to a place: hands out each message that ends there or before.
    pub(crate) fn settle(&mut self, place: u64, mut each: impl FnMut(Taken)) {
        while let Some(mark) = self.marks.front()
            && mark.end <= place
        {
            each(Taken {
                bytes: mark.bytes,
                planned_ns: mark.planned_ns,
                held_since_ns: mark.offered_ns,
            });
            self.marks.pop_front();
        }
    }

    /// The kernel was offered all there is and has not taken it.
    pub(crate) fn hold(&mut self, now_ns: u64) {
        self.is_held = true;
        let fresh = self.marks.iter_mut().rev();
        for mark in fresh.take_while(|mark| mark.offered_ns.is_none()) {
            mark.offered_ns = Some(now_ns);
        }
    }

    /// The kernel has taken all it was offered.
    pub(crate) fn release(&mut self) {
        self.is_held = false;
    }

    /// Whether all that was published was taken.
    pub(crate) fn is_clear(&self) -> bool {
        self.marks.is_empty()
    }

    /// What was published and not taken.
    pub(crate) fn left(&self) -> Left {
        let first = self.marks.front().and_then(|mark| mark.offered_ns);
        Left {
            messages: self.marks.len() as u64,
            bytes: self.marks.iter().map(|mark| mark.bytes).sum(),
            held_since_ns: first.unwrap_or(u64::MAX),
        }
    }

    /// Forgets everything. Returns what was published and not taken.
    pub(crate) fn abandon(&mut self) -> Left {
        let left = self.left();
        *self = Self {
            passed: self.passed,
            ..Self::default()
        };
        left
    }
}

fn random_mask() -> [u8; 4] {
    fastrand::u32(..).to_ne_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(outbox: &mut Outbox, bytes: usize) -> Vec<(u64, Option<u64>)> {
        let mut taken = Vec::new();
        let place = outbox.pass(bytes);
        outbox.settle(place, |message| {
            taken.push((message.planned_ns, message.held_since_ns));
        });
        taken
    }

    /// Goal: a message is taken with its last byte, and not before; what else is queued is none.
    #[test]
    fn messages_are_taken_with_their_last_byte() {
        let mut outbox = Outbox::default();
        outbox.frame(OpCode::Pong, b"abc");
        let first = outbox.publish(OpCode::Text, &[b'x'; 200], 1, 0);
        let second = outbox.publish(OpCode::Text, b"y", 2, 0);
        assert_eq!((first, second), (200 + 8, 1 + 6));
        assert_eq!(outbox.unsent().len(), 9 + 208 + 7);
        assert_eq!(take(&mut outbox, 9 + 207), []);
        assert_eq!(outbox.left().messages, 2);
        assert_eq!(take(&mut outbox, 1), [(1, None)]);
        assert_eq!((outbox.left().messages, outbox.left().bytes), (1, 7));
        assert_eq!(take(&mut outbox, 7), [(2, None)]);
        assert_eq!(outbox.left().held_since_ns, u64::MAX);
        assert!(outbox.unsent().is_empty());
    }

    /// Goal: what was offered and not taken is held since then, and what is queued while the socket is full since
    /// it was queued; once all is taken, nothing is held any more.
    #[test]
    fn what_is_held_is_known() {
        let mut outbox = Outbox::default();
        outbox.publish(OpCode::Text, b"a", 1, 10);
        outbox.publish(OpCode::Text, b"b", 2, 10);
        assert_eq!(take(&mut outbox, 8), [(1, None)]);
        outbox.hold(20);
        outbox.publish(OpCode::Text, b"c", 3, 30);
        outbox.hold(40);
        assert_eq!(outbox.left().held_since_ns, 20);
        assert_eq!(take(&mut outbox, 13), [(2, Some(20)), (3, Some(30))]);
        outbox.release();
        outbox.publish(OpCode::Text, b"d", 4, 50);
        assert_eq!(outbox.abandon().messages, 1);
        assert_eq!(outbox.left().messages, 0);
        outbox.publish(OpCode::Text, b"e", 5, 60);
        assert_eq!(take(&mut outbox, 7), [(5, None)]);
    }
}
