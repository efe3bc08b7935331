//! Checks of tokens that wait until their keys were asked for.
//!
//! A shard has one of these for each section of keys. It asks the keeper once, however many wait, and
//! tries all of them again with whatever it is told.

use super::jwks::cache::{Cause, KeyNews};

/// What waits, at most: beyond it clients are told to try again.
pub const WAITING_MAX: usize = 1_024;

/// The checks that wait; `T` finds a session and what it asked for.
#[derive(Debug)]
pub struct Waiting<T> {
    held: Vec<T>,
    is_asked: bool,
}

/// What is to be done with a check that cannot be decided yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// It waits; ask the keeper for its key.
    Ask,
    /// It waits for what has been asked already.
    Wait,
    /// There is no room for it: have the client try again.
    Full,
}

impl<T> Default for Waiting<T> {
    fn default() -> Self {
        Self {
            held: Vec::new(),
            is_asked: false,
        }
    }
}

impl<T> Waiting<T> {
    /// Holds a check until there is news.
    pub fn hold(&mut self, check: T) -> Held {
        if self.held.len() >= WAITING_MAX {
            return Held::Full;
        }
        self.held.push(check);
        if std::mem::replace(&mut self.is_asked, true) {
            Held::Wait
        } else {
            Held::Ask
        }
    }

    /// Gives out all that wait, in their order, to be tried again with the keys of the news. What those do
    /// not decide is to be held again.
    pub fn take(&mut self, news: &KeyNews) -> Vec<T> {
        // Else the answer is still to come.
        if news.cause == Cause::Question {
            self.is_asked = false;
        }
        std::mem::take(&mut self.held)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::auth::settings::Section;

    fn news(cause: Cause) -> KeyNews {
        KeyNews {
            section: Section::Connection,
            keys: Arc::default(),
            is_fresh: true,
            settled_seconds: 0,
            cause,
        }
    }

    /// Goal: however many wait, the keeper is asked once, all of them are tried again with its answer,
    /// and what finds no room is told so.
    #[test]
    fn many_wait_for_one_answer() {
        let mut waiting = Waiting::default();
        assert_eq!(waiting.hold(0), Held::Ask);
        for check in 1..WAITING_MAX {
            assert_eq!(waiting.hold(check), Held::Wait);
        }
        assert_eq!(waiting.hold(WAITING_MAX), Held::Full);
        let all: Vec<usize> = (0..WAITING_MAX).collect();
        assert_eq!(waiting.take(&news(Cause::Question)), all);
        assert_eq!(waiting.hold(0), Held::Ask);
    }

    /// Goal: keys that were fetched for nobody are tried, and the question stays asked.
    #[test]
    fn news_for_nobody_is_no_answer() {
        let mut waiting = Waiting::default();
        assert_eq!(waiting.hold("a"), Held::Ask);
        assert_eq!(waiting.take(&news(Cause::Schedule)), ["a"]);
        assert_eq!(waiting.hold("a"), Held::Wait);
        assert_eq!(waiting.take(&news(Cause::Question)), ["a"]);
        assert_eq!(waiting.hold("b"), Held::Ask);
    }
}
