//! What a session has published and the server has not answered.

use std::collections::VecDeque;

/// The most messages that are followed: whoever answers later than that answers none of them.
const FOLLOWED_MAX: usize = 65_536;

/// Messages by their numbers, counted from the first that the session published.
#[derive(Debug, Default)]
pub(crate) struct Unanswered {
    /// Number of the first that is followed.
    first: u64,
    /// When each was due; none once it is answered.
    due_ns: VecDeque<Option<u64>>,
    /// Those among them that are not answered, and those that were and are not followed any more.
    open: u64,
    forgotten: u64,
    /// Whether all before `first` were acknowledged.
    is_row_broken: bool,
}

/// A message that the server has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Acknowledged {
    pub(crate) due_ns: u64,
    /// How many more of the first messages there ever were it is known to have now, without a gap.
    pub(crate) in_a_row: u64,
}

impl Unanswered {
    /// One more is published.
    pub(crate) fn publish(&mut self, due_ns: u64) {
        if self.due_ns.len() == FOLLOWED_MAX
            && let Some(oldest) = self.due_ns.pop_front()
        {
            self.first += 1;
            self.open -= u64::from(oldest.is_some());
            self.forgotten += u64::from(oldest.is_some());
            self.is_row_broken = true;
        }
        self.due_ns.push_back(Some(due_ns));
        self.open += 1;
    }

    /// The server has one. Returns nothing if it had been answered, or is not known.
    pub(crate) fn acknowledge(&mut self, number: u64) -> Option<Acknowledged> {
        let due_ns = self.answer(number)?;
        let before = self.first;
        self.pass();
        let in_a_row = match self.is_row_broken {
            true => 0,
            false => self.first - before,
        };
        Some(Acknowledged { due_ns, in_a_row })
    }

    /// The server does not take one: whatever follows is no row any more.
    pub(crate) fn refuse(&mut self, number: u64) {
        if self.answer(number).is_some() {
            self.is_row_broken = true;
            self.pass();
        }
    }

    fn answer(&mut self, number: u64) -> Option<u64> {
        let place = usize::try_from(number.checked_sub(self.first)?).ok()?;
        let due_ns = self.due_ns.get_mut(place)?.take()?;
        self.open -= 1;
        Some(due_ns)
    }

    /// Goes on to the first that is not answered.
    fn pass(&mut self) {
        while let Some(None) = self.due_ns.front() {
            self.due_ns.pop_front();
            self.first += 1;
        }
    }

    /// How many are not answered.
    pub(crate) fn count(&self) -> u64 {
        self.open + self.forgotten
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn acknowledged(due_ns: u64, in_a_row: u64) -> Option<Acknowledged> {
        Some(Acknowledged { due_ns, in_a_row })
    }

    /// Goal: each message is answered once, in whatever order, and it is known what is not, and how many of the first are.
    #[test]
    fn messages_are_answered_once() {
        let mut unanswered = Unanswered::default();
        assert_eq!(unanswered.acknowledge(0), None);
        for due_ns in [10, 11, 12, 13] {
            unanswered.publish(due_ns);
        }
        assert_eq!(unanswered.acknowledge(1), acknowledged(11, 0));
        assert_eq!((unanswered.acknowledge(1), unanswered.count()), (None, 3));
        assert_eq!(unanswered.acknowledge(0), acknowledged(10, 2));
        assert_eq!(
            (unanswered.acknowledge(0), unanswered.acknowledge(4)),
            (None, None)
        );
        unanswered.publish(14);
        let found = [4, 2].map(|number| unanswered.acknowledge(number));
        assert_eq!(found, [acknowledged(14, 0), acknowledged(12, 1)]);
        unanswered.refuse(3);
        assert_eq!(unanswered.count(), 0);
        unanswered.publish(15);
        assert_eq!(
            unanswered.acknowledge(5),
            acknowledged(15, 0),
            "one before it was refused"
        );
    }

    /// Goal: a server that answers nothing costs no more than so much memory, and is found all the same.
    #[test]
    fn silent_servers_are_bounded() {
        let mut unanswered = Unanswered::default();
        let most = FOLLOWED_MAX as u64;
        for number in 0..most + 10 {
            unanswered.publish(number);
        }
        assert_eq!(
            (unanswered.count(), unanswered.due_ns.len()),
            (most + 10, FOLLOWED_MAX)
        );
        assert_eq!(unanswered.acknowledge(9), None);
        assert_eq!(unanswered.acknowledge(most + 9), acknowledged(most + 9, 0));
        assert_eq!(unanswered.count(), most + 9);
    }
}
