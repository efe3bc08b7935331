//! What frames may come after which, and how much.

use super::error::WireError;
use crate::wire::frame::{Header, OpCode, Role};

/// What a [`Reader`](super::Reader) must hold its peer to; the same for all sessions of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Which end reads.
    pub role: Role,
    /// The longest message accepted, in payload bytes over all its fragments.
    pub message_bytes_max: usize,
}

impl Rules {
    /// Checks a frame against what is under way (`assembled_bytes` of a fragmented message, or none)
    /// and gives the length of its payload, which with the assembled bytes is within the limit.
    pub(super) fn admit(
        &self,
        header: &Header,
        assembled_bytes: Option<usize>,
    ) -> Result<usize, WireError> {
        match (header.opcode, assembled_bytes) {
            (OpCode::Continuation, None) => return Err(WireError::NothingToContinue),
            (OpCode::Text | OpCode::Binary, Some(_)) => return Err(WireError::MessageInterrupted),
            _ => {}
        }
        let too_big = |bytes| WireError::TooBig {
            bytes,
            message_bytes_max: self.message_bytes_max,
        };
        let payload_bytes =
            usize::try_from(header.payload_bytes).map_err(|_| too_big(header.payload_bytes))?;
        if header.opcode.is_control() {
            return Ok(payload_bytes);
        }
        let assembled_bytes = assembled_bytes.unwrap_or(0);
        if payload_bytes > self.message_bytes_max.saturating_sub(assembled_bytes) {
            return Err(too_big(
                header.payload_bytes.saturating_add(assembled_bytes as u64),
            ));
        }
        Ok(payload_bytes)
    }
}
