//! What a client takes and reads of what it is sent: what its socket has room for, and what its answers to pings
//! say.

use super::pulse::Pulse;
use super::reach::Reach;
use super::{Client, Took};
use crate::session::tick::{Moment, TICKS_PER_SECOND, Tick};

/// How often the kernel is asked about a socket that has not taken all there was.
pub(super) const LOOK_TICKS: u32 = 5 * TICKS_PER_SECOND;

impl Client {
    // What its socket takes.

    /// There is more for it than its socket has taken.
    pub(crate) fn blocked(&mut self, took: Took, now: Tick) {
        if self.look == Moment::NONE {
            self.look_again(now, LOOK_TICKS);
        }
        match took {
            Took::Some => {
                self.stuck = now.into();
                // It has come closer to the ping that it is to answer.
                self.pulse.postpone(now);
            }
            Took::Nothing => self.stuck = self.stuck.get().unwrap_or(now).into(),
        }
    }

    /// Its socket took all there was.
    pub(crate) fn drained(&mut self, now: Tick) {
        self.look = Moment::NONE;
        if std::mem::take(&mut self.stuck) != Moment::NONE {
            self.pulse.postpone(now);
        }
        if let Some(cooling) = &mut self.cooling {
            cooling.drained(now);
        }
    }

    /// Since when its socket has taken nothing.
    #[must_use]
    pub(crate) fn stuck_since(&self) -> Option<Tick> {
        self.stuck.get()
    }

    /// The kernel was asked, and is to be asked again in so many ticks, if no more is heard before.
    pub(crate) fn look_again(&mut self, now: Tick, ticks: u32) {
        self.look = now.plus(ticks).into();
    }

    /// When the kernel is to be asked how far its peer has come: where nothing else says so, when the answer to
    /// a ping is `pong_ticks` old.
    #[must_use]
    pub(crate) fn look_at(&self, pong_ticks: u32) -> Option<Tick> {
        let owed = self.pulse.owed_since();
        let late = owed.map(|since| since.plus(pong_ticks));
        self.look.get().or(late)
    }

    // Its pulse.

    /// Its pings and pongs.
    #[must_use]
    pub(crate) fn pulse(&self) -> &Pulse {
        &self.pulse
    }

    /// It is pinged, since it is time, and after it was sent `sent` bytes of its rooms.
    pub(crate) fn ping(&mut self, sent: u32, now: Tick, interval_ticks: u32) {
        self.pulse.ping(now, interval_ticks);
        if let Some(reach) = &mut self.reach {
            reach.ping(sent, now);
        }
    }

    /// It is pinged besides, to see how far it has come. An answer is not owed: it may take its time to read.
    pub(crate) fn ask(&mut self, sent: u32, now: Tick) {
        if let Some(reach) = &mut self.reach {
            reach.ping(sent, now);
        }
    }

    /// Its replies are sent now, and a ping with them if there is one.
    pub(crate) fn ping_leaves(&mut self, now: Tick) {
        self.pulse.leave(now);
    }

    /// It has answered.
    pub(crate) fn pong(&mut self, now: Tick) {
        self.pulse.pong();
        if let Some(reach) = &mut self.reach {
            reach.pong(now);
        }
        if self.stuck == Moment::NONE {
            self.look = Moment::NONE;
        }
    }

    /// It could not answer until now.
    pub(crate) fn postpone_pong(&mut self, now: Tick) {
        self.pulse.postpone(now);
    }

    /// How far it has read; none before it was sent much.
    #[must_use]
    pub(crate) fn reach(&self) -> Option<&Reach> {
        self.reach.as_deref()
    }

    /// Like [`Self::reach`], of one that was sent much just now.
    pub(crate) fn begin_reach(&mut self, sent: u32) {
        self.reach.get_or_insert_with(|| Box::new(Reach::new(sent)));
    }

    /// The count of what it was sent goes on from elsewhere.
    pub(crate) fn shift_reach(&mut self, bytes: u32) {
        if let Some(reach) = &mut self.reach {
            reach.shift(bytes);
        }
    }
}
