//! What a send carries.

use std::os::fd::RawFd;

use super::op::Token;

/// The most slices one send gathers.
pub const SLICES_MAX: usize = 16;

/// One send: slices that leave on one socket, in order, in one operation.
#[derive(Debug, Clone)]
pub struct Outgoing<S> {
    /// The connected socket.
    pub fd: RawFd,
    /// Names the completion; its result is the number of bytes the socket took. With
    /// [`Op::QuietSend`](super::Op::QuietSend) there is none when the socket took all of them.
    pub token: Token,
    /// Yields the slices. Empty ones take no place. Of more than [`SLICES_MAX`] the rest is left
    /// out, and the result tells so: it is that of a send that was cut short.
    pub slices: S,
}
