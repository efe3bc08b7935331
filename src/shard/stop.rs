//! The way out: goodbyes first, then the last pages, then nobody any more.

use std::time::Duration;

use super::Shard;
use crate::session::{Flags, Phase};
use crate::wire::close::CloseCode;

/// How long clients may take to read what was said before the stop.
const FAREWELL_MAX: Duration = Duration::from_secs(2);

impl Shard {
    /// Whether it was told to stop.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.ending.is_stopping()
    }

    /// Whether it takes no connections any more.
    #[must_use]
    pub(crate) fn is_drained(&self) -> bool {
        self.ending.is_drained()
    }

    /// How long requests for pages are served on after the stop.
    #[must_use]
    pub(crate) fn drain_timeout(&self) -> Duration {
        self.config().drain_timeout
    }

    /// The server is stopping: says goodbye to every session with 1001. Connections still come in
    /// until [`Self::handle_drained`], for health checks and pages; upgrades are refused.
    pub fn handle_stop(&mut self) {
        let farewell = self.config().close_timeout.min(FAREWELL_MAX);
        self.ending.stop(self.now + farewell);
        let slots: Vec<u32> = self.sessions.slots().collect();
        for slot in slots {
            match self.sessions.at(slot).phase() {
                Phase::Open if self.client(slot).is_some() => self.begin_farewell(slot),
                Phase::Open => self.close(slot, CloseCode::GOING_AWAY, "the server is stopping"),
                Phase::Joining => self.kill(slot),
                Phase::Head | Phase::Closing | Phase::Lingering | Phase::Dead => {}
            }
        }
    }

    /// No more connections are taken, and those without a whole request are ended.
    pub fn handle_drained(&mut self) {
        self.ending.drain();
        let slots: Vec<u32> = self.sessions.slots().collect();
        for slot in slots {
            if self.sessions.at(slot).phase() == Phase::Head {
                self.kill(slot);
            }
        }
    }

    /// The time for goodbyes is over.
    pub fn handle_stop_deadline(&mut self) {
        let slots: Vec<u32> = self.sessions.slots().collect();
        for slot in slots {
            if self.sessions.at(slot).phase() == Phase::Head {
                continue;
            }
            self.sessions.at_mut(slot).mark(Flags::ABORT);
            self.kill(slot);
        }
    }
}
