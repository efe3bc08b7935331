//! Something that is said again and again, such as a heartbeat.

use fanring::wire::message::Kind;

use super::seam::Listener;

/// When it is to be said next.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Beat {
    period_ns: u64,
    due_ns: u64,
}

impl Beat {
    /// Something that is said every so often, for the first time one period from now.
    pub(crate) fn begin(now_ns: u64, period_ns: u64) -> Self {
        let period_ns = period_ns.max(1);
        Self {
            period_ns,
            due_ns: now_ns.saturating_add(period_ns),
        }
    }

    /// As above, early enough that the other side, which counts the same period, has it in time.
    pub(crate) fn within(now_ns: u64, period_ns: u64) -> Self {
        Self::begin(now_ns, period_ns / 4 * 3)
    }

    pub(crate) fn due_ns(&self) -> u64 {
        self.due_ns
    }

    /// Whether it is to be said now. A session that was held up says it once, and then goes on as it was.
    pub(crate) fn is_due(&mut self, now_ns: u64) -> bool {
        if now_ns < self.due_ns {
            return false;
        }
        let missed = (now_ns - self.due_ns) / self.period_ns;
        self.due_ns += (missed + 1) * self.period_ns;
        true
    }
}

/// A message that keeps a session alive, which is said whatever else is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeepAlive {
    kind: Kind,
    message: &'static [u8],
    /// None as long as nobody wants it.
    beat: Option<Beat>,
}

impl KeepAlive {
    /// One that nobody wants yet.
    pub(crate) fn new(kind: Kind, message: &'static [u8]) -> Self {
        Self {
            kind,
            message,
            beat: None,
        }
    }

    /// The other side wants to hear something within every period from now on; never if it has no length.
    pub(crate) fn begin(&mut self, now_ns: u64, period_ns: u64) {
        self.beat = (period_ns > 0).then(|| Beat::within(now_ns, period_ns));
    }

    /// When it is to be said next.
    pub(crate) fn due_ns(&self) -> Option<u64> {
        self.beat.map(|beat| beat.due_ns())
    }

    /// Says it if it is time.
    pub(crate) fn due(&mut self, now_ns: u64, to: &mut dyn Listener) {
        if self.beat.as_mut().is_some_and(|beat| beat.is_due(now_ns)) {
            to.say(self.kind, self.message);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::testing::Ear;

    /// Goal: beats keep their time, also after a pause, in which none is made up for.
    #[test]
    fn beats_keep_their_time() {
        let mut beat = Beat::begin(1_000, 100);
        assert_eq!(beat.due_ns(), 1_100);
        assert!(!beat.is_due(1_099));
        assert!(beat.is_due(1_100) && !beat.is_due(1_150));
        assert!(beat.is_due(1_499) && !beat.is_due(1_499));
        assert_eq!(beat.due_ns(), 1_500);
        assert_eq!(Beat::within(1_000, 100).due_ns(), 1_075);
    }

    /// Goal: what keeps a session alive is said in time, and only where it is wanted.
    #[test]
    fn sessions_are_kept_alive() {
        let (mut alive, mut ear) = (KeepAlive::new(Kind::Binary, b"!"), Ear::default());
        alive.due(1_000, &mut ear);
        alive.begin(1_000, 0);
        assert_eq!(alive.due_ns(), None);
        alive.begin(1_000, 100);
        for now_ns in [1_074, 1_075, 1_149, 1_150] {
            alive.due(now_ns, &mut ear);
        }
        assert_eq!(alive.due_ns(), Some(1_225));
        assert_eq!(ear.said, [(); 2].map(|()| (Kind::Binary, b"!".to_vec())));
    }
}
