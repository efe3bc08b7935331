//! What a shard asks of sockets, and what it is told of them in answer.

use std::os::fd::{OwnedFd, RawFd};

use crate::id::SessionKey;

/// Something to be done to a socket. Those that name a session and are not called otherwise are
/// operations: each is answered by exactly one terminal event.
#[derive(Debug)]
pub enum Action {
    /// Receive once, into a buffer of the receive ring.
    ReceiveOnce(SessionKey, RawFd),
    /// Receive until told otherwise.
    Receive(SessionKey, RawFd),
    /// Cancel the receive in flight; the answer is the receive's own.
    CancelReceive(SessionKey),
    /// Say with [`crate::shard::Shard::handle_measured`], at once, how far the peer has come. No operation.
    Measure(SessionKey),
    /// Have the kernel hold little of what it can't send yet. No operation.
    HoldLittle(SessionKey),
    /// Say when the socket is writable.
    PollWritable(SessionKey, RawFd),
    /// Shut down the write side: a FIN after everything sent.
    ShutdownWrite(SessionKey),
    /// Shut down both sides: every operation in flight completes.
    Shutdown(SessionKey),
    /// Close a socket on which no operation is in flight.
    Close(OwnedFd),
    /// The same with a reset, which frees what the kernel still holds for the peer.
    Abort(OwnedFd),
}

/// The outcome of a receive.
#[derive(Debug)]
pub enum Received<'a> {
    /// Bytes, which may be changed in place.
    Data(&'a mut [u8]),
    /// The peer will send no more.
    End,
    /// No buffer was free; nothing was received.
    NoBuffers,
    /// It was cancelled; nothing was received.
    Cancelled,
    /// The connection is broken.
    Failed,
}

/// What the kernel says of a session's socket, in answer to [`Action::Measure`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Measured {
    /// Bytes that the peer's machine has acknowledged since the connection began.
    pub acknowledged: u64,
    /// Bytes that it has yet to acknowledge, sent or not.
    pub outstanding: u64,
    /// Those of them that could not be sent yet.
    pub unsent: u64,
    /// Bytes that have arrived and wait to be received.
    pub unread: u64,
}
