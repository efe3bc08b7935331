//! Commands that have arrived and can't be acted on yet, since one before them is still under way.
//!
//! They are kept as they came, each by itself: what they say is read when it is their turn, or when some have waited
//! for so long that they are to be answered without.

use crate::session::tick::{TICKS_PER_SECOND, Tick};

/// What may be held before no more is read.
const HELD_BYTES_MAX: usize = 64 << 10;

/// What stands before each command: its length, and when it came.
const HEAD_BYTES: usize = 2 * size_of::<u32>();

/// How long a command waits at most that is refused in the end: clients give up after 5 s.
pub(super) const PATIENCE_TICKS: u32 = 4 * TICKS_PER_SECOND;

/// Until when a message waits that came then.
#[must_use]
pub(crate) fn patience(came: Tick) -> Tick {
    // One more, since ticks are coarse.
    came.plus(PATIENCE_TICKS + 1)
}

/// A command as it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Said<'a> {
    /// Its bytes; none stand for what is no command.
    pub(crate) command: &'a [u8],
    /// When it came.
    pub(crate) at: Tick,
}

/// The commands of a session that wait for their turn, in order.
#[derive(Debug, Default)]
pub(crate) struct Held {
    bytes: Vec<u8>,
    /// Where the first of them stands: those before it have had their turn.
    first: usize,
    /// Where the first one stands that may yet be answered before its turn.
    in_time: usize,
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

    /// Keeps a command behind those there are.
    pub(crate) fn push(&mut self, said: Said<'_>) {
        let length = u32::try_from(said.command.len()).expect("a message is below 4 GiB");
        self.bytes.extend_from_slice(&length.to_ne_bytes());
        self.bytes.extend_from_slice(&said.at.0.to_ne_bytes());
        self.bytes.extend_from_slice(said.command);
    }

    /// The first of them.
    #[must_use]
    pub(crate) fn first(&self) -> Option<Said<'_>> {
        self.at(self.first)
    }

    fn at(&self, at: usize) -> Option<Said<'_>> {
        let (length, rest) = self.bytes[at..].split_first_chunk()?;
        let (came, rest) = rest.split_first_chunk()?;
        Some(Said {
            command: &rest[..u32::from_ne_bytes(*length) as usize],
            at: Tick(u32::from_ne_bytes(*came)),
        })
    }

    /// The first of them has had its turn.
    pub(crate) fn pop(&mut self) {
        let length = self.first().expect("there is one").command.len();
        self.first += HEAD_BYTES + length;
        if self.is_empty() {
            *self = Self::default();
        }
    }

    /// When the first one came that may yet be answered before its turn.
    #[must_use]
    pub(crate) fn next_came(&self) -> Option<Tick> {
        self.at(self.in_time.max(self.first)).map(|said| said.at)
    }

    /// Takes out those that came by then and are to be answered before their turn, and returns what `answer` makes of
    /// each; of the others it makes nothing.
    #[must_use]
    pub(crate) fn take_late<A>(
        &mut self,
        by: Tick,
        mut answer: impl FnMut(&[u8]) -> Option<A>,
    ) -> Vec<A> {
        let begin = self.in_time.max(self.first);
        let (mut end, mut stay, mut answers) = (begin, Vec::new(), Vec::new());
        while let Some(said) = self.at(end).filter(|said| said.at <= by) {
            let next = end + HEAD_BYTES + said.command.len();
            match answer(said.command) {
                Some(answer) => answers.push(answer),
                None => stay.extend_from_slice(&self.bytes[end..next]),
            }
            end = next;
        }
        self.in_time = begin + stay.len();
        self.bytes.copy_within(end.., self.in_time);
        self.bytes.truncate(self.bytes.len() - (end - self.in_time));
        self.bytes[begin..self.in_time].copy_from_slice(&stay);
        if self.is_empty() {
            *self = Self::default();
        }
        answers
    }
}

#[cfg(test)]
mod tests {
    use super::{HELD_BYTES_MAX, Held, Said, Tick};

    fn said(command: &[u8], at: u32) -> Said<'_> {
        let at = Tick(at);
        Said { command, at }
    }

    /// Goal: commands come out one by one as they went in, empty ones too, and nothing is held when all
    /// have had their turn.
    #[test]
    fn commands_come_out_in_order() {
        let mut held = Held::default();
        assert!(held.is_empty() && held.first().is_none());
        for command in [&b"one"[..], b"", b"three"] {
            held.push(said(command, 3));
        }
        assert_eq!(held.first(), Some(said(b"one", 3)));
        held.pop();
        held.push(said(b"four", 4));
        let mut rest = Vec::new();
        while let Some(one) = held.first() {
            rest.push(one.command.to_vec());
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
            held.push(said(&command, 0));
        }
        assert!(held.held_bytes() >= HELD_BYTES_MAX);
        held.pop();
        held.pop();
        assert!(!held.is_full() && !held.is_empty());
    }

    /// Goal: of those that came by some time some are taken out, once and in their order; all others have their turns as
    /// they came.
    #[test]
    fn late_commands_are_taken_out() {
        let digit = |command: &[u8]| command.first().copied().filter(u8::is_ascii_digit);
        let mut held = Held::default();
        for (at, command) in (1..).zip([&b"done"[..], b"one", b"1", b"", b"22", b"two", b"3"]) {
            held.push(said(command, at));
        }
        held.pop();
        assert_eq!(held.next_came(), Some(Tick(2)));
        assert_eq!(held.take_late(Tick(1), digit), b"");
        assert_eq!(held.take_late(Tick(5), digit), b"12");
        assert_eq!(held.next_came(), Some(Tick(6)), "others before it stay");
        assert_eq!(held.take_late(Tick(5), digit), b"");
        held.push(said(b"4", 8));
        assert_eq!(held.take_late(Tick(7), digit), b"3");
        assert_eq!(held.next_came(), Some(Tick(8)));
        for one in [said(b"one", 2), said(b"", 4), said(b"two", 6)] {
            assert_eq!(held.first(), Some(one));
            held.pop();
        }
        assert_eq!(held.take_late(Tick(8), digit), b"4");
        assert_eq!((held.is_empty(), held.held_bytes()), (true, 0));
        assert_eq!(held.next_came(), None);
    }
}
