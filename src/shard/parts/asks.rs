//! What was asked of rooms that have their homes here, and waits for its answer.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::room::presence::Asker;
use crate::talk::Question;

/// What somebody wants to know.
#[derive(Debug)]
pub(crate) struct Ask {
    /// Who.
    pub(crate) asker: Asker,
    /// Of which room.
    pub(crate) room: Arc<str>,
    /// What.
    pub(crate) question: Question,
}

/// Questions in the order in which they were asked. A session asks one at a time.
#[derive(Debug, Default)]
pub(crate) struct Asks(VecDeque<Ask>);

impl Asks {
    /// One more.
    pub(crate) fn add(&mut self, ask: Ask) {
        self.0.push_back(ask);
    }

    /// The next one, to be answered.
    pub(crate) fn take(&mut self) -> Option<Ask> {
        self.0.pop_front()
    }

    /// Whether any is left.
    pub(crate) fn has_work(&self) -> bool {
        !self.0.is_empty()
    }
}
