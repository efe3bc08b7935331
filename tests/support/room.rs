//! Numbered messages that carry who sent them.

use super::frame::{BINARY, Outgoing, View};

/// A numbered message: the publisher and its count of messages before this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Numbered {
    /// Who sent it.
    pub(crate) publisher: u32,
    /// How many it had sent before.
    pub(crate) sequence: u32,
}

impl Numbered {
    /// The message as a frame with a payload of `payload_bytes`, at least 8.
    pub(crate) fn frame(self, payload_bytes: usize) -> Vec<u8> {
        let mut payload = vec![0; payload_bytes];
        payload[..4].copy_from_slice(&self.publisher.to_be_bytes());
        payload[4..8].copy_from_slice(&self.sequence.to_be_bytes());
        for (index, byte) in payload[8..].iter_mut().enumerate() {
            *byte = self.filler(index);
        }
        Outgoing::binary(payload).bytes()
    }

    /// Reads a message back and checks samples of its payload against what was sent.
    #[track_caller]
    pub(crate) fn read(view: &View<'_>) -> Self {
        assert_eq!((view.opcode, view.last), (BINARY, true), "{view:.200?}");
        let number = |at: usize| {
            let field = view
                .payload
                .get(at..at + 4)
                .expect("a payload of 8 bytes or more");
            u32::from_be_bytes(field.try_into().expect("four bytes"))
        };
        let read = Self {
            publisher: number(0),
            sequence: number(4),
        };
        let middle = view.payload.len() / 2;
        for index in [8, middle.max(8), view.payload.len() - 1] {
            if index < view.payload.len() && index >= 8 {
                assert_eq!(
                    view.payload[index],
                    read.filler(index - 8),
                    "byte {index} of {read:?}"
                );
            }
        }
        read
    }

    fn filler(self, index: usize) -> u8 {
        (u64::from(self.sequence) * 31 + u64::from(self.publisher) * 7 + index as u64).to_le_bytes()
            [0]
    }
}
