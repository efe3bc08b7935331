//! What a completion belongs to: the operation, the slot and the generation in `user_data`.
//!
//! Knows nothing of sessions: a slot is whatever table the caller keeps, and the generation tells
//! a late completion for a former tenant of the slot from one for the present tenant.

use std::fmt;

/// The largest slot a [`Token`] can carry: 24 bits.
pub const SLOT_MAX: u32 = (1 << 24) - 1;

/// The kind of operation a completion answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Op {
    /// A multishot accept on a listener.
    Accept = 1,
    /// A receive into a buffer of the ring, single shot or multishot.
    Recv = 2,
    /// A send that the kernel finished while it was submitted; it always answers.
    Send = 3,
    /// A poll that tells once that a socket takes bytes again.
    Writable = 4,
    /// A read of an eventfd that another thread writes to.
    Doorbell = 5,
    /// A timeout that ran out.
    Timer = 6,
    /// The answer to a cancellation itself, not of the operation it was aimed at.
    Cancel = 7,
    /// A send that answers only when the socket did not take all of it.
    QuietSend = 8,
}

/// Names one operation in flight; travels through the kernel as the 64-bit `user_data`.
///
/// Layout, high bits first: 8 bits of [`Op`], 24 bits of slot, 32 bits of generation. No valid
/// token is zero, so a zeroed completion is never taken for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Token {
    /// What was asked of the kernel.
    pub op: Op,
    /// The caller's slot, at most [`SLOT_MAX`]; of a send, whatever number the caller finds it by.
    pub slot: u32,
    /// Which tenant of the slot asked.
    pub generation: u32,
}

/// A `user_data` whose first 8 bits name no [`Op`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("completion {0:#018x} belongs to no operation of this ring")]
pub struct UnknownOp(pub u64);

impl Token {
    /// A token for `op` on the given tenant of a slot.
    ///
    /// # Panics
    /// When `slot` is over [`SLOT_MAX`]: slot tables are sized at start, so that is a mistake in
    /// the caller, and a cut slot would answer for somebody else's session.
    #[must_use]
    #[inline]
    pub fn new(op: Op, slot: u32, generation: u32) -> Self {
        assert!(slot <= SLOT_MAX, "slot {slot} is over {SLOT_MAX}");
        Self {
            op,
            slot,
            generation,
        }
    }
}

impl From<Token> for u64 {
    /// Packs a token.
    ///
    /// # Panics
    /// When the slot is over [`SLOT_MAX`], as [`Token::new`] does.
    #[inline]
    fn from(token: Token) -> Self {
        assert!(
            token.slot <= SLOT_MAX,
            "slot {} is over {SLOT_MAX}",
            token.slot
        );
        (Self::from(token.op as u8) << 56)
            | (Self::from(token.slot) << 32)
            | Self::from(token.generation)
    }
}

impl TryFrom<u64> for Token {
    type Error = UnknownOp;

    #[inline]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "each field is masked to its width"
    )]
    fn try_from(user_data: u64) -> Result<Self, UnknownOp> {
        let op = match (user_data >> 56) as u8 {
            1 => Op::Accept,
            2 => Op::Recv,
            3 => Op::Send,
            4 => Op::Writable,
            5 => Op::Doorbell,
            6 => Op::Timer,
            7 => Op::Cancel,
            8 => Op::QuietSend,
            _ => return Err(UnknownOp(user_data)),
        };
        let slot = (user_data >> 32) as u32 & SLOT_MAX;
        Ok(Self {
            op,
            slot,
            generation: user_data as u32,
        })
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {}#{}", self.op, self.slot, self.generation)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const OPS: [Op; 8] = [
        Op::Accept,
        Op::Recv,
        Op::Send,
        Op::Writable,
        Op::Doorbell,
        Op::Timer,
        Op::Cancel,
        Op::QuietSend,
    ];

    proptest! {
        /// Goal: whatever goes into the kernel comes back the same.
        #[test]
        fn every_token_survives_the_trip(
            op in 0..OPS.len(), slot in 0..=SLOT_MAX, generation: u32
        ) {
            let token = Token::new(OPS[op], slot, generation);
            prop_assert_eq!(Token::try_from(u64::from(token)), Ok(token));
        }
    }

    /// Goal: the fields sit where the documentation says, so that a trace can be read by eye.
    #[test]
    fn fields_do_not_overlap() {
        let packed = u64::from(Token::new(Op::Timer, 0x00AB_CDEF, 0x1234_5678));
        assert_eq!(packed, 0x06AB_CDEF_1234_5678);
    }

    /// Goal: a completion nobody asked for is reported, not taken for a session's.
    #[test]
    fn foreign_user_data_is_refused() {
        for user_data in [0, 1, 9 << 56, u64::MAX] {
            assert_eq!(Token::try_from(user_data), Err(UnknownOp(user_data)));
        }
    }

    /// Goal: a slot that does not fit stops the program instead of naming another slot.
    #[test]
    #[should_panic(expected = "is over")]
    fn slots_over_24_bits_are_refused() {
        let _ = Token::new(Op::Recv, SLOT_MAX + 1, 0);
    }
}
