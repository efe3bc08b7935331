//! Sessions that come and go and hear nothing at all, although others in their room do.
//!
//! What such a session is to have begins with the first message that it gets, so one that gets none would miss nothing.
//! It is owed something if a message was due some time after it was open, and all that stay had that message
//! before it said goodbye: a server that is done with it for them has it in hand for this one, and answers
//! the goodbye later.

/// How long a server may take to let one hear what others do, after its session is open.
const MARGIN_NS: u64 = 100_000_000;

/// What is known of one session, since it joined last.
#[derive(Clone, Copy, Debug, Default)]
struct Silence {
    open_ns: u64,
    is_owed: bool,
}

/// That of all sessions of a worker.
#[derive(Debug)]
pub(super) struct Silences(Vec<Silence>);

impl Silences {
    pub(super) fn new(sessions: usize) -> Self {
        Self(vec![Silence::default(); sessions])
    }

    /// A session is open.
    pub(super) fn begin(&mut self, index: usize, open_ns: u64) {
        self.0[index] = Silence {
            open_ns,
            is_owed: false,
        };
    }

    /// It says goodbye; the latest message that all others had by now was due at this time.
    pub(super) fn end(&mut self, index: usize, heard_ns: u64) {
        let silence = &mut self.0[index];
        silence.is_owed = heard_ns >= silence.open_ns.saturating_add(MARGIN_NS);
    }

    /// Whether it is to have heard something.
    pub(super) fn is_owed(&self, index: usize) -> bool {
        self.0[index].is_owed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: a session is owed something that was due when it had been open for a moment, and nothing of before, nor of
    /// an earlier stay.
    #[test]
    fn sessions_are_owed_what_others_had() {
        let mut silences = Silences::new(2);
        silences.begin(1, 1_000);
        assert!(!silences.is_owed(1));
        silences.end(1, 1_000 + MARGIN_NS - 1);
        assert!(!silences.is_owed(1));
        silences.end(1, 1_000 + MARGIN_NS);
        assert!(silences.is_owed(1) && !silences.is_owed(0));
        silences.begin(1, 2_000);
        assert!(!silences.is_owed(1));
    }
}
