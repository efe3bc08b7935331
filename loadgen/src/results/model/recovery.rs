//! What became of sessions that came back and said where they had stood.

use serde::{Deserialize, Serialize};

use crate::results::distribution::Distribution;

/// Sessions that came back, in the whole run; each time counts.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Recovery {
    /// How often one came back and said where it had stood.
    pub(crate) came_back: u64,
    /// Of those, how often the server had taken away the subscription of a session that was there, and let it come back.
    pub(crate) resubscribed: u64,
    /// How often it was told that it is given all that it missed.
    pub(crate) recovered: u64,
    /// How often it was told that it is not.
    pub(crate) refused: u64,
    /// Deliveries of what they had missed: of messages that the server had acknowledged before they asked.
    pub(crate) messages: u64,
    /// Deliveries of those that did not come, although all was to be given. They are among the skipped or the outstanding.
    pub(crate) lost: u64,
    /// Deliveries of what they had had before, once they were told that they are given what they missed. They are among
    /// the duplicated.
    pub(crate) repeated: u64,
    /// Deliveries that sessions that stay did not get for being refused: they are not expected of the server any more.
    pub(crate) forgone: u64,
    /// From when one was to come back until it had all that it missed; of those that were told they are given it.
    pub(crate) caught_up_ns: Distribution,
}

impl Recovery {
    /// Adds another worker's.
    pub(crate) fn add(&mut self, other: &Self) {
        let sums = [
            (&mut self.came_back, other.came_back),
            (&mut self.resubscribed, other.resubscribed),
            (&mut self.recovered, other.recovered),
            (&mut self.refused, other.refused),
            (&mut self.messages, other.messages),
            (&mut self.lost, other.lost),
            (&mut self.repeated, other.repeated),
            (&mut self.forgone, other.forgone),
        ];
        for (own, others) in sums {
            *own += others;
        }
        self.caught_up_ns.add(&other.caught_up_ns);
    }
}
