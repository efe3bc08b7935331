//! Something that is said again and again, such as a heartbeat.

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

#[cfg(test)]
mod tests {
    use super::*;

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
}
