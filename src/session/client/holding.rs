//! Whether a client's commands have to wait, and those that do.

use super::Client;
use super::held::{Held, Said, patience};
use crate::session::tick::Tick;

impl Client {
    /// Whether commands that come now have to wait for others.
    #[must_use]
    pub(crate) fn is_holding(&self) -> bool {
        self.waiting.is_some() || self.held.is_some()
    }

    /// Whether no more is to be read until some have had their turn.
    #[must_use]
    pub(crate) fn is_full(&self) -> bool {
        self.held.as_ref().is_some_and(|held| held.is_full())
    }

    /// Keeps a command behind those that wait.
    pub(crate) fn hold(&mut self, said: Said<'_>) {
        self.held.get_or_insert_default().push(said);
    }

    /// Takes those out that have waited for too long by now and are to be answered before their turn: what `answer`
    /// makes of each.
    #[must_use]
    pub(crate) fn take_late<A>(
        &mut self,
        now: Tick,
        answer: impl FnMut(&[u8]) -> Option<A>,
    ) -> Vec<A> {
        let (Some(held), Some(by)) = (&mut self.held, now.0.checked_sub(patience(Tick(0)).0))
        else {
            return Vec::new();
        };
        let answers = held.take_late(Tick(by), answer);
        self.held.take_if(|held| held.is_empty());
        answers
    }

    /// The commands that wait, to have their turns one by one, if none before them is under way.
    pub(crate) fn take_held(&mut self) -> Option<Box<Held>> {
        match self.waiting {
            Some(_) => None,
            None => self.held.take(),
        }
    }

    /// Those that still have to wait.
    pub(crate) fn return_held(&mut self, held: Box<Held>) {
        assert!(self.held.is_none(), "they were taken");
        self.held = Some(held).filter(|held| !held.is_empty());
    }
}
