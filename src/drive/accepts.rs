//! The listeners of a shard, and which of them are accepted from.

use std::time::Duration;

use crate::listener::{Listener, Role};
use crate::ring::{Op, Ring, Token};

/// Pause before connections are accepted again after a limit was met.
const BACKOFF: Duration = Duration::from_millis(100);

/// Listeners with a multishot accept each, but for those in `ended`.
#[derive(Debug)]
pub(super) struct Accepts {
    listeners: Vec<Listener>,
    /// Listeners whose accept has ended.
    ended: Vec<u32>,
    /// When to accept again after a limit was met.
    accept_at: Option<Duration>,
    stopped: bool,
}

impl Accepts {
    /// Nothing is accepted yet.
    pub(super) fn new(listeners: Vec<Listener>) -> Self {
        let ended = (0u32..).zip(&listeners).map(|(number, _)| number).collect();
        Self {
            listeners,
            ended,
            accept_at: None,
            stopped: false,
        }
    }

    /// What connections of this listener are for.
    pub(super) fn role(&self, listener: u32) -> Role {
        self.listeners[listener as usize].role()
    }

    /// The accept of this listener has ended.
    pub(super) fn ended(&mut self, listener: u32) {
        self.ended.push(listener);
    }

    /// A limit was met.
    pub(super) fn back_off(&mut self, now: Duration) {
        self.accept_at = Some(now + BACKOFF);
    }

    /// When [`Self::is_due`] comes true, if nothing ends until then.
    pub(super) fn deadline(&self) -> Option<Duration> {
        self.accept_at
    }

    /// Whether it is time to accept again from those that are not accepted from.
    #[inline]
    pub(super) fn is_due(&self, now: Duration) -> bool {
        !self.stopped && (self.accept_at).map_or(!self.ended.is_empty(), |at| at <= now)
    }

    /// Accepts from those again that are not accepted from.
    pub(super) fn arm(&mut self, ring: &mut Ring) {
        self.accept_at = None;
        for number in self.ended.drain(..) {
            if let Some(listener) = self.listeners[number as usize].fd() {
                ring.accept_multishot(listener, Token::new(Op::Accept, number, 0));
            }
        }
    }

    /// Closes all listeners for good.
    pub(super) fn stop(&mut self, ring: &mut Ring) {
        self.stopped = true;
        self.accept_at = None;
        for (number, listener) in (0u32..).zip(&mut self.listeners) {
            let accept = Token::new(Op::Accept, number, 0);
            ring.cancel(accept, Token::new(Op::Cancel, 0, 0));
            listener.close();
        }
    }
}
