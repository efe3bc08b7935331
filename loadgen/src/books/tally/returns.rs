//! Sessions that come back and say where they stood: what each is to be given, and what becomes of it.
//!
//! What the server had acknowledged before a session asked was in its hands, so that a session that is told it is given
//! all that it missed must have it, once. What one is refused is not expected any more.

use std::ops::Range;

use crate::protocol::seam::Return;
use crate::results::model::recovery::Recovery;

/// One session, since it came back last.
#[derive(Clone, Copy, Debug, Default)]
struct Back {
    /// When it was to come back.
    since_ns: u64,
    /// What it was told, once it was, and when.
    how: Option<Return>,
    told_ns: u64,
    /// How much of what it missed it has not had.
    awaited: u64,
}

/// What a session is to be given of one publisher.
#[derive(Clone, Copy, Debug, Default)]
struct Gap {
    /// All before this sequence was acknowledged when it asked.
    until: u64,
    awaited: u64,
}

/// Those of a worker.
#[derive(Debug)]
pub(super) struct Returns {
    sessions: Vec<Back>,
    /// By pair.
    gaps: Vec<Gap>,
    /// What all sessions together have not had.
    awaited: u64,
    /// Those that have had it since the last question, with when they were to come back.
    caught_up: Vec<u64>,
    counts: Recovery,
}

impl Returns {
    pub(super) fn new(sessions: usize, pairs: usize) -> Self {
        Self {
            sessions: vec![Back::default(); sessions],
            gaps: vec![Gap::default(); pairs],
            awaited: 0,
            caught_up: Vec::new(),
            counts: Recovery::default(),
        }
    }

    /// A session is to come back, from this time on.
    pub(super) fn set_out(&mut self, index: usize, since_ns: u64) {
        self.sessions[index].since_ns = since_ns;
    }

    /// When a session was to come back last.
    pub(super) fn since_ns(&self, index: usize) -> u64 {
        self.sessions[index].since_ns
    }

    /// A session asks for what it missed of a publisher: what was acknowledged before this sequence, from the next on.
    pub(super) fn ask(&mut self, pair: usize, next: u64, acknowledged: u64) {
        self.gaps[pair].until = acknowledged.max(next);
    }

    /// How far a session that asked is to be given the messages of a publisher.
    pub(super) fn until(&self, pair: usize) -> u64 {
        self.gaps[pair].until
    }

    /// A session was told whether it is given what it missed.
    pub(super) fn answer(&mut self, index: usize, (how, now_ns): (Return, u64)) {
        self.counts.came_back += 1;
        let back = &mut self.sessions[index];
        (back.how, back.told_ns) = (Some(how), now_ns);
        match how {
            Return::Recovered => self.counts.recovered += 1,
            Return::Refused => self.counts.refused += 1,
        }
    }

    /// It awaits so many messages of one publisher.
    pub(super) fn await_all(&mut self, index: usize, pair: usize, messages: u64) {
        self.gaps[pair].awaited = messages;
        self.sessions[index].awaited += messages;
        self.awaited += messages;
    }

    /// One that stays will not have so many.
    pub(super) fn forgo(&mut self, messages: u64) {
        self.counts.forgone += messages;
    }

    /// What those who stay will not have.
    pub(super) fn forgone(&self) -> u64 {
        self.counts.forgone
    }

    /// A subscription was taken away from a session that was there, which asks for it again.
    pub(super) fn note_resubscribed(&mut self) {
        self.counts.resubscribed += 1;
    }

    /// Whether a message is of before a session came back that was refused it.
    pub(super) fn is_refused(&self, index: usize, pair: usize, sequence: u64) -> bool {
        self.sessions[index].how == Some(Return::Refused) && sequence < self.gaps[pair].until
    }

    /// Whether a session was away when something was due, so that it could not have it in time.
    pub(super) fn was_away(&self, index: usize, due_ns: u64) -> bool {
        due_ns < self.sessions[index].told_ns
    }

    /// A message has come for the first time.
    pub(super) fn enter(&mut self, index: usize, pair: usize, sequence: u64) {
        let (back, gap) = (&mut self.sessions[index], &mut self.gaps[pair]);
        let is_awaited = back.how == Some(Return::Recovered) && sequence < gap.until;
        if !is_awaited || gap.awaited == 0 {
            return;
        }
        gap.awaited -= 1;
        back.awaited -= 1;
        self.awaited -= 1;
        self.counts.messages += 1;
        self.note_caught_up(index);
    }

    /// A message has come that was here before.
    pub(super) fn enter_again(&mut self, index: usize) {
        if self.sessions[index].how == Some(Return::Recovered) {
            self.counts.repeated += 1;
        }
    }

    /// Notes that a session has caught up, if it has.
    pub(super) fn note_caught_up(&mut self, index: usize) {
        let back = &self.sessions[index];
        if back.awaited == 0 {
            self.caught_up.push(back.since_ns);
        }
    }

    /// A session's return is over: it leaves again, or the books are closed. What it awaits of a pair is lost, but for as
    /// much as `may_come` says of a pair and of how far it is to be given.
    pub(super) fn end(
        &mut self,
        index: usize,
        pairs: Range<usize>,
        may_come: impl Fn(usize, u64) -> u64,
    ) {
        for pair in pairs {
            let gap = &mut self.gaps[pair];
            if gap.awaited > 0 {
                self.counts.lost += gap.awaited.saturating_sub(may_come(pair, gap.until));
            }
            self.awaited -= gap.awaited;
            gap.awaited = 0;
        }
        self.sessions[index].how = None;
        self.sessions[index].awaited = 0;
    }

    /// How much all sessions have not had.
    pub(super) fn awaited(&self) -> u64 {
        self.awaited
    }

    /// Hands out since when those came back that had all they missed since the last question.
    pub(super) fn caught_up(&mut self) -> impl Iterator<Item = u64> {
        self.caught_up.drain(..)
    }

    /// All counts, but for times.
    pub(super) fn counts(&self) -> &Recovery {
        &self.counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A session that had three messages of a publisher, of ten.
    fn asked(how: Return) -> Returns {
        let mut returns = Returns::new(2, 3);
        returns.set_out(1, 500);
        returns.ask(2, 3, 10);
        returns.answer(1, (how, 600));
        if how == Return::Recovered {
            returns.await_all(1, 2, 7);
            returns.note_caught_up(1);
        }
        returns
    }

    /// Goal: what was acknowledged must come, each once; who has it all has caught up; what comes live, or again, is
    /// none of it.
    #[test]
    fn what_was_missed_is_awaited() {
        let mut returns = asked(Return::Recovered);
        for sequence in 3..9 {
            returns.enter(1, 2, sequence);
        }
        assert_eq!((returns.awaited(), returns.caught_up().count()), (1, 0));
        returns.enter(1, 2, 12);
        returns.enter_again(1);
        returns.enter(0, 2, 9);
        assert_eq!(returns.awaited(), 1, "of another session");
        returns.enter(1, 2, 9);
        assert_eq!(returns.caught_up().collect::<Vec<_>>(), [500]);
        returns.end(1, 2..3, |_, _| 0);
        let counts = returns.counts();
        assert_eq!((counts.messages, counts.repeated, counts.lost), (7, 1, 0));
        assert_eq!(
            (counts.came_back, counts.recovered, counts.refused),
            (1, 1, 0)
        );
    }

    /// Goal: what does not come is lost if it can be told, and not awaited for ever.
    #[test]
    fn what_does_not_come_is_lost() {
        for (may_come, lost) in [(0, 7), (3, 4), (7, 0)] {
            let mut returns = asked(Return::Recovered);
            returns.end(1, 2..3, |pair, until| {
                assert_eq!((pair, until), (2, 10));
                may_come
            });
            assert_eq!((returns.counts().lost, returns.awaited()), (lost, 0));
        }
    }

    /// Goal: who missed nothing has caught up at once, and who is refused awaits nothing.
    #[test]
    fn nothing_may_be_missed() {
        let mut returns = asked(Return::Refused);
        assert!(returns.is_refused(1, 2, 9) && !returns.is_refused(1, 2, 10));
        assert!(!returns.is_refused(0, 2, 9));
        assert!(returns.was_away(1, 599) && !returns.was_away(1, 600) && !returns.was_away(0, 9));
        returns.enter(1, 2, 5);
        returns.enter_again(1);
        assert_eq!(
            (returns.counts().messages, returns.counts().repeated),
            (0, 0)
        );
        let mut returns = Returns::new(1, 1);
        returns.ask(0, 5, 2);
        assert_eq!(returns.until(0), 5, "it had more than was acknowledged");
        returns.answer(0, (Return::Recovered, 600));
        returns.await_all(0, 0, 0);
        returns.note_caught_up(0);
        assert_eq!(returns.caught_up().count(), 1);
    }
}
