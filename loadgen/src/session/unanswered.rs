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
        }
        self.due_ns.push_back(Some(due_ns));
        self.open += 1;
    }

    /// One is answered. Returns when it was due; nothing if it had been answered, or is not known.
    pub(crate) fn answer(&mut self, number: u64) -> Option<u64> {
        let place = usize::try_from(number.checked_sub(self.first)?).ok()?;
        let due_ns = self.due_ns.get_mut(place)?.take()?;
        self.open -= 1;
        while let Some(None) = self.due_ns.front() {
            self.due_ns.pop_front();
            self.first += 1;
        }
        Some(due_ns)
    }

    /// How many are not answered.
    pub(crate) fn count(&self) -> u64 {
        self.open + self.forgotten
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: each message is answered once, in whatever order, and what is not answered is known.
    #[test]
    fn messages_are_answered_once() {
        let mut unanswered = Unanswered::default();
        assert_eq!(unanswered.answer(0), None);
        for due_ns in [10, 11, 12, 13] {
            unanswered.publish(due_ns);
        }
        assert_eq!(unanswered.answer(1), Some(11));
        assert_eq!((unanswered.answer(1), unanswered.count()), (None, 3));
        assert_eq!(unanswered.answer(0), Some(10));
        assert_eq!((unanswered.answer(0), unanswered.answer(4)), (None, None));
        unanswered.publish(14);
        assert_eq!(
            [4, 2, 3].map(|number| unanswered.answer(number)),
            [14, 12, 13].map(Some)
        );
        assert_eq!(unanswered.count(), 0);
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
        assert_eq!(unanswered.answer(9), None);
        assert_eq!(unanswered.answer(most + 9), Some(most + 9));
        assert_eq!(unanswered.count(), most + 9);
    }
}
