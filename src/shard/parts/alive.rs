//! When sessions are to be looked at, and what was last seen of their sockets.
//!
//! While the peer's window holds bytes back here, that they go on leaving is as good as a word. Who is
//! judged by that, and how, is not decided here.

use std::collections::HashMap;
use std::time::Duration;

use super::action::Measured;
use crate::id::SessionKey;
use crate::session::Session;
use crate::session::tick::{TICK, Tick};
use crate::session::wheel::Wheel;

/// What was seen of a session the last time its socket was measured.
#[derive(Debug, Clone, Copy)]
struct Look {
    acknowledged: u64,
    /// Whether bytes waited for the peer then.
    waiting: bool,
    /// When such bytes were last seen to have left.
    progress: Tick,
}

impl Look {
    /// Takes in what was measured at `tick`, when bytes were `waiting` for the peer.
    fn update(&mut self, measured: &Measured, waiting: bool, tick: Tick) {
        // Without a backlog an acknowledgement is the peer's kernel's, whatever became of the peer.
        if self.waiting && measured.acknowledged > self.acknowledged {
            self.progress = tick;
        }
        self.acknowledged = measured.acknowledged;
        self.waiting = waiting;
    }
}

/// When sessions come up, and what was last seen of the sockets of silent and closing ones.
#[derive(Debug, Default)]
pub(crate) struct Alive {
    wheel: Wheel,
    looks: HashMap<SessionKey, Look>,
    /// Kept between turns so that steady work allocates nothing.
    due: Vec<SessionKey>,
}

impl Alive {
    /// Makes sure that the wheel brings the session up by `deadline`.
    pub(crate) fn schedule(
        &mut self,
        session: &mut Session,
        key: SessionKey,
        deadline: Tick,
        now: Tick,
    ) {
        session.schedule(&mut self.wheel, key, deadline, now);
    }

    /// The sessions that come up by `now`, in a list to be given back; `None` when there are none.
    pub(crate) fn expire(&mut self, now: Tick) -> Option<Vec<SessionKey>> {
        self.wheel.expire(now, &mut self.due);
        (!self.due.is_empty()).then(|| std::mem::take(&mut self.due))
    }

    /// The list that [`Self::expire`] gave out, which is empty now.
    pub(crate) fn give_back(&mut self, due: Vec<SessionKey>) {
        self.due = due;
    }

    /// When the next session comes up.
    pub(crate) fn next_deadline(&self) -> Option<Duration> {
        self.wheel.next_due().map(|tick| TICK * tick.0)
    }

    /// The session was heard, or waits for something else from now on: what was seen does not count.
    pub(crate) fn forget(&mut self, key: SessionKey) {
        self.looks.remove(&key);
    }

    /// Takes in what was measured of a session that was last `heard` some time ago and has a ping to
    /// answer; returns when it has last shown to be alive.
    pub(crate) fn look_at_silent(
        &mut self,
        key: SessionKey,
        measured: &Measured,
        heard: Tick,
        now: Tick,
    ) -> Tick {
        let look = self.looks.entry(key).or_insert(Look {
            acknowledged: measured.acknowledged,
            waiting: false,
            progress: heard,
        });
        look.update(measured, measured.unsent > 0, now);
        heard.max(look.progress)
    }

    /// Takes in what was measured of a session that is to take its last bytes, of which `left_bytes` have
    /// yet to be sent; true when it has just taken some.
    pub(crate) fn look_at_closing(
        &mut self,
        key: SessionKey,
        measured: &Measured,
        left_bytes: usize,
        now: Tick,
    ) -> bool {
        let waiting = measured.outstanding > 0;
        let look = self.looks.entry(key).or_insert(Look {
            acknowledged: measured.acknowledged,
            waiting,
            progress: Tick(0),
        });
        // It has taken all that it was sent: what it waits for is here.
        let is_ready = !waiting && left_bytes > 0 && measured.acknowledged > look.acknowledged;
        look.update(measured, waiting, now);
        is_ready || look.progress == now
    }
}

#[cfg(test)]
mod tests {
    use super::{Alive, Measured, SessionKey, Tick};

    const KEY: SessionKey = SessionKey {
        slot: 1,
        generation: 0,
    };

    fn measured(acknowledged: u64, unsent: u64) -> Measured {
        Measured {
            acknowledged,
            outstanding: unsent,
            unsent,
            unread: 0,
        }
    }

    /// Goal: a silent peer is alive while it takes bytes that waited for it here, and not by what its kernel
    /// acknowledges otherwise.
    #[test]
    fn taking_what_waited_is_a_sign_of_life() {
        let mut alive = Alive::default();
        let heard = Tick(10);
        let mut look = |acknowledged, unsent, now| {
            alive.look_at_silent(KEY, &measured(acknowledged, unsent), heard, Tick(now))
        };
        assert_eq!(look(100, 0, 20), heard);
        assert_eq!(look(200, 50, 21), heard, "nothing had waited");
        assert_eq!(look(200, 50, 22), heard, "it took nothing");
        assert_eq!(look(210, 40, 23), Tick(23));
        assert_eq!(look(210, 40, 24), Tick(23));
        alive.forget(KEY);
        assert_eq!(
            alive.look_at_silent(KEY, &measured(300, 0), heard, Tick(30)),
            heard
        );
    }

    /// Goal: one that says goodbye makes progress while it takes what it is owed.
    #[test]
    fn a_closing_peer_is_given_time_while_it_reads() {
        let mut alive = Alive::default();
        let mut look = |acknowledged, unsent, now| {
            alive.look_at_closing(KEY, &measured(acknowledged, unsent), 0, Tick(now))
        };
        assert!(!look(100, 50, 5));
        assert!(look(120, 30, 6));
        assert!(!look(120, 30, 7));
        assert!(look(150, 0, 8));
        assert!(!look(150, 0, 9));
    }

    /// Goal: one that has taken all it was sent is given time for the rest, each time it has taken more; what its
    /// kernel acknowledges when nothing is left counts for nothing.
    #[test]
    fn a_closing_peer_is_given_time_for_the_rest() {
        let mut alive = Alive::default();
        let mut look = |acknowledged, left_bytes, now| {
            alive.look_at_closing(KEY, &measured(acknowledged, 0), left_bytes, Tick(now))
        };
        assert!(!look(100, 500, 5), "it was not sent anything yet");
        assert!(look(140, 460, 6));
        assert!(!look(140, 460, 7));
        assert!(!look(600, 0, 8));
    }
}
