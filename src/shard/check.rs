//! What must hold of a shard between any two events, for the simulation to ask: it looks at every
//! session, so the server itself does not.

use super::Shard;
use crate::config::FRAME_HEADER_BYTES_MAX;
use crate::session::Session;
use crate::session::holdings::SMALL_BYTES;

/// Bytes that may still arrive at a session once it is no longer read from: what was received in the
/// same turn, and what comes before the kernel has heard of it; each time all receive buffers at most.
const ARRIVE_LATE_BYTES_MAX: usize = 2 * (128 << 10);

impl Shard {
    /// The most memory that the private replies of one session take: what makes the shard pause it,
    /// the replies to what arrives late, and one large message, echoed or rescued. Replies are no longer
    /// than what they answer. Twice, since a buffer doubles as it grows.
    #[must_use]
    pub fn private_held_bytes_max(&self) -> usize {
        let config = self.config();
        let frame_bytes_max = config.message_bytes_max + FRAME_HEADER_BYTES_MAX;
        2 * (config.private_bytes_max + ARRIVE_LATE_BYTES_MAX + frame_bytes_max)
    }

    /// Compares what every session holds, and the shard's sums, with their bounds.
    ///
    /// # Errors
    /// The first that does not hold.
    pub fn check_buffers(&self) -> Result<(), String> {
        let sessions = || self.sessions.slots().map(|slot| self.sessions.at(slot));
        let private_max = self.private_held_bytes_max();
        for session in sessions() {
            session.check_invariants()?;
            let held = session.private_held_bytes();
            if held > private_max {
                return Err(format!(
                    "a session holds {held} bytes of replies, of at most {private_max}"
                ));
            }
        }
        let (held, counted) = (
            sessions().map(Session::held_bytes).sum::<usize>(),
            self.holdings.bytes(),
        );
        let slots = self.sessions.len() * SMALL_BYTES;
        if held != counted || held > self.config().session_buffers_max + slots {
            return Err(format!(
                "sessions hold {held} bytes, {counted} by the books"
            ));
        }
        let (held, counted) = (self.rooms.index_bytes(), self.rooms.count_index_bytes());
        if held != counted || held > 2 * self.config().index_bytes_max() {
            return Err(format!("indexes hold {counted} bytes, {held} by the books"));
        }
        let operations: u64 = sessions().map(Session::operations).sum();
        if operations != self.operations {
            let counted = self.operations;
            return Err(format!(
                "{operations} operations are in flight, and {counted} are counted"
            ));
        }
        Ok(())
    }
}
