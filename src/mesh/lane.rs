//! One way between two threads, and where all ways to a thread end.

use std::collections::VecDeque;
use std::sync::Arc;

use rtrb::{Consumer, Producer};

use super::doorbell::Doorbell;

/// Messages a ring holds.
pub(crate) const RING_MESSAGES_MAX: usize = 1024;

/// The sender's side of the ring from one thread to another.
#[derive(Debug)]
pub struct Lane<M> {
    ring: Producer<M>,
    parked: VecDeque<M>,
    doorbell: Arc<Doorbell>,
}

impl<M> Lane<M> {
    /// One that feeds `ring` and wakes its consumer with `doorbell`.
    pub(super) fn new(ring: Producer<M>, doorbell: Arc<Doorbell>) -> Self {
        Self {
            ring,
            parked: VecDeque::new(),
            doorbell,
        }
    }

    /// Sends `message`; when the ring is full it waits here, in order.
    pub fn send(&mut self, message: M) {
        if !self.parked.is_empty() {
            return self.parked.push_back(message);
        }
        match self.ring.push(message) {
            Ok(()) => self.doorbell.ring(),
            Err(rtrb::PushError::Full(message)) => self.parked.push_back(message),
        }
    }

    /// Moves parked messages to the ring as far as it has room again.
    pub(crate) fn unpark(&mut self) {
        let mut moved = false;
        while !self.parked.is_empty() && self.ring.slots() > 0 {
            let message = self.parked.pop_front().expect("one is parked");
            assert!(self.ring.push(message).is_ok(), "a free slot was seen");
            moved = true;
        }
        if moved {
            self.doorbell.ring();
        }
    }

    /// Whether messages are parked.
    #[must_use]
    pub(crate) fn is_congested(&self) -> bool {
        !self.parked.is_empty()
    }

    /// How many messages were not taken at the other end yet.
    #[must_use]
    pub(crate) fn waiting(&self) -> usize {
        self.parked.len() + RING_MESSAGES_MAX - self.ring.slots()
    }
}

/// The receiver's side of all rings to a thread.
#[derive(Debug)]
pub struct Inbox<M>(Vec<Consumer<M>>);

impl<M> Default for Inbox<M> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<M> Inbox<M> {
    pub(super) fn add(&mut self, ring: Consumer<M>) {
        self.0.push(ring);
    }

    /// Takes the messages of each sender in turn, at most `count_max` of each, and gives them to
    /// `receive`.
    pub fn receive(&mut self, count_max: usize, mut receive: impl FnMut(M)) {
        for ring in &mut self.0 {
            for _ in 0..count_max {
                let Ok(message) = ring.pop() else { break };
                receive(message);
            }
        }
    }

    /// Whether nothing has arrived.
    #[must_use]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.iter().all(Consumer::is_empty)
    }
}
