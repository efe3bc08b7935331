//! Commands that have arrived and can't be acted on yet, since one before them is still under way.
//!
//! They are kept as they came, each by itself: what they say is read when it is their turn.

/// What may be held before no more is read.
const HELD_BYTES_MAX: usize = 64 << 10;

/// What stands before each command: its length.
const LENGTH_BYTES: usize = size_of::<u32>();

/// The commands of a session that wait for their turn, in order.
#[derive(Debug, Default)]
pub(crate) struct Held {
    bytes: Vec<u8>,
    /// Where the first of them stands: those before it have had their turn.
    first: usize,
}

impl Held {
    /// Whether there is none.
    #[must_use]
    pub(crate) fn is_empty(&self) -> bool {
        self.first == self.bytes.len()
    }

    /// Whether no more is to be read until some have had their turn.
    #[must_use]
    pub(crate) fn is_full(&self) -> bool {
        self.bytes.len() - self.first > HELD_BYTES_MAX
    }

    /// Memory it holds, in bytes.
    #[must_use]
    pub(crate) fn held_bytes(&self) -> usize {
        self.bytes.capacity()
    }

    /// Keeps a command behind those there are. An empty one stands for what is none.
    pub(crate) fn push(&mut self, command: &[u8]) {
        let length = u32::try_from(command.len()).expect("a message is below 4 GiB");
        self.bytes.extend_from_slice(&length.to_ne_bytes());
        self.bytes.extend_from_slice(command);
    }

    /// The first of them.
    #[must_use]
    pub(crate) fn first(&self) -> Option<&[u8]> {
        let (length, rest) = self.bytes[self.first..].split_first_chunk::<LENGTH_BYTES>()?;
        Some(&rest[..u32::from_ne_bytes(*length) as usize])
    }

    /// The first of them has had its turn.
    pub(crate) fn pop(&mut self) {
        let length = self.first().expect("there is one").len();
        self.first += LENGTH_BYTES + length;
        if self.is_empty() {
            *self = Self::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{HELD_BYTES_MAX, Held};

    /// Goal: commands come out one by one as they went in, empty ones too, and nothing is held when all
    /// have had their turn.
    #[test]
    fn commands_come_out_in_order() {
        let mut held = Held::default();
        assert!(held.is_empty() && held.first().is_none());
        for command in [&b"one"[..], b"", b"three"] {
            held.push(command);
        }
        assert_eq!(held.first(), Some(&b"one"[..]));
        held.pop();
        held.push(b"four");
        let mut rest = Vec::new();
        while let Some(command) = held.first() {
            rest.push(command.to_vec());
            held.pop();
        }
        assert_eq!(rest, [&b""[..], b"three", b"four"]);
        assert_eq!((held.is_empty(), held.held_bytes()), (true, 0));
    }

    /// Goal: no more is read once so much is held, and again when some have had their turn.
    #[test]
    fn what_is_held_is_bounded() {
        let mut held = Held::default();
        let command = [7; 1000];
        while !held.is_full() {
            held.push(&command);
        }
        assert!(held.held_bytes() >= HELD_BYTES_MAX);
        held.pop();
        held.pop();
        assert!(!held.is_full() && !held.is_empty());
    }
}
