//! When a client is to be asked whether it is there, and since when it owes the answer.
//!
//! Most of them count these questions alone, and give the connection up when one is late: so they come at a
//! fixed interval, whatever else is sent or heard.

use crate::session::tick::Tick;

/// The pings of a connection, and its pongs.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Pulse {
    /// When the next ping is due; none before the client has said who it is.
    next: Option<Tick>,
    /// Since when a pong is owed.
    owed: Option<Tick>,
    /// Whether the ping that it answers has yet to be sent.
    waits: bool,
}

impl Pulse {
    /// The first ping is due at `first`.
    pub(crate) fn begin(&mut self, first: Tick) {
        assert!(self.next.is_none(), "it begins once");
        self.next = Some(first);
    }

    /// When the next ping is due.
    #[must_use]
    pub(crate) fn next(&self) -> Option<Tick> {
        self.next
    }

    /// A ping is sent now, and the next one `interval_ticks` after this one was due, or somewhat later if the
    /// server came late to this one.
    pub(crate) fn ping(&mut self, now: Tick, interval_ticks: u32) {
        let due = self.next.expect("it is due");
        let next = due.plus(interval_ticks);
        let late = now.plus(interval_ticks / 2);
        self.next = Some(next.max(late));
        if self.owed.is_none() {
            self.owed = Some(now);
            self.waits = true;
        }
    }

    /// A ping is sent now, if one has waited for that: the time for its answer begins.
    pub(crate) fn leave(&mut self, now: Tick) {
        if std::mem::take(&mut self.waits) {
            self.postpone(now);
        }
    }

    /// The client has answered.
    pub(crate) fn pong(&mut self) {
        self.owed = None;
    }

    /// Since when it owes an answer.
    #[must_use]
    pub(crate) fn owed_since(&self) -> Option<Tick> {
        self.owed
    }

    /// If it owes an answer, the time for it begins anew: it could not have given it yet.
    pub(crate) fn postpone(&mut self, now: Tick) {
        if let Some(since) = &mut self.owed {
            *since = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Pulse, Tick};

    /// Goal: pings keep their interval whenever they are really sent, and do not bunch up when the server was
    /// late.
    #[test]
    fn pings_keep_their_interval() {
        let mut pulse = Pulse::default();
        assert_eq!(pulse.next(), None);
        pulse.begin(Tick(100));
        pulse.ping(Tick(101), 250);
        assert_eq!(pulse.next(), Some(Tick(350)));
        pulse.ping(Tick(350), 250);
        assert_eq!(pulse.next(), Some(Tick(600)));
        pulse.ping(Tick(5000), 250);
        assert_eq!(pulse.next(), Some(Tick(5125)));
    }

    /// Goal: an answer is owed from the first ping that has none, until there is one, and its time begins anew
    /// when it could not be given.
    #[test]
    fn an_answer_is_owed_since_the_first_ping() {
        let mut pulse = Pulse::default();
        pulse.begin(Tick(10));
        pulse.postpone(Tick(10));
        assert_eq!(pulse.owed_since(), None);
        pulse.ping(Tick(10), 250);
        pulse.ping(Tick(260), 250);
        assert_eq!(pulse.owed_since(), Some(Tick(10)));
        pulse.postpone(Tick(270));
        assert_eq!(pulse.owed_since(), Some(Tick(270)));
        pulse.pong();
        assert_eq!(pulse.owed_since(), None);
    }

    /// Goal: the time for an answer begins when the first ping is sent that is not answered, and not with others behind
    /// that.
    #[test]
    fn the_time_for_an_answer_begins_when_a_ping_is_sent() {
        let mut pulse = Pulse::default();
        pulse.begin(Tick(10));
        pulse.leave(Tick(10));
        assert_eq!(pulse.owed_since(), None);
        pulse.ping(Tick(10), 250);
        pulse.leave(Tick(30));
        pulse.leave(Tick(40));
        assert_eq!(pulse.owed_since(), Some(Tick(30)));
        pulse.ping(Tick(260), 250);
        pulse.leave(Tick(270));
        assert_eq!(pulse.owed_since(), Some(Tick(30)));
    }
}
