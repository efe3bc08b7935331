//! What a shard does when its sessions hold too much between them: it takes leave of those that have
//! held something for the longest, since whoever means well soon completes what it began.

use super::Shard;
use crate::session::{Flags, Phase};
use crate::wire::close::CloseCode;
use crate::wire::http::Refusal;

impl Shard {
    /// Notes what the session holds now, after something has happened to it.
    #[inline]
    pub(super) fn note_holding(&mut self, slot: u32) {
        let bytes = self.sessions.at(slot).held_bytes();
        self.holdings.note(self.sessions.key(slot), bytes);
    }

    /// Takes leave of holders until the rest holds no more than it may; once a turn.
    pub(super) fn bound_holdings(&mut self) {
        while self.holdings.bytes() > self.config().session_buffers_max
            && let Some(key) = self.holdings.poll_oldest()
        {
            if self.sessions.lookup(key).is_some() {
                self.metrics().holders_dropped.add(1);
                self.drop_holder(key.slot);
            }
        }
    }

    fn drop_holder(&mut self, slot: u32) {
        let session = self.sessions.at_mut(slot);
        let partial = session.half_message_bytes() >= session.private_held_bytes();
        match session.phase() {
            Phase::Head => {
                let head = session.take_head().unwrap_or_default();
                self.refuse(slot, &head, &Refusal::busy());
            }
            Phase::Open if partial => {
                self.close(
                    slot,
                    CloseCode::TRY_AGAIN_LATER,
                    "too many messages are half received",
                );
            }
            _ => {
                // It reads nothing of what it is owed, so there is no use in telling it.
                session.mark(Flags::ABORT);
                self.kill(slot);
            }
        }
        self.settle(slot);
        self.note_holding(slot);
    }
}
