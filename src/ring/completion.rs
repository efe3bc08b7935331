//! The kernel's answers, with what they hand over made owned.
#![expect(
    unsafe_code,
    reason = "takes ownership of the descriptors the kernel makes"
)]

use std::os::fd::{FromRawFd, OwnedFd};

use io_uring::cqueue;
use rustix::io::Errno;

use super::buffers::{Buffer, BufferRing};
use super::op::{Op, Token};

/// The answer to one operation.
#[derive(Debug)]
pub struct Completion {
    /// The token the operation was pushed with.
    pub token: Token,
    /// What the operation returned, as the system call of its name would: bytes for a receive or
    /// a send (0 from a receive is the end of the stream), the descriptor's number for an accept,
    /// the ready events for a poll. A timeout that ran out is `Err(Errno::TIME)`, a cancelled
    /// operation `Err(Errno::CANCELED)`, and a receive that found no buffer `Err(Errno::NOBUFS)`.
    pub result: Result<u32, Errno>,
    /// Whether the operation goes on and will answer again (multishot). If not, this was its last.
    pub more: bool,
    /// The bytes of a receive; there exactly when its result is `Ok` of more than 0.
    pub buffer: Option<Buffer>,
    /// The connection of an accept; there exactly when its result is `Ok`. Closed when dropped.
    pub socket: Option<OwnedFd>,
}

/// Turns a queue entry into a completion. `None` for one that is not of this ring's making.
#[inline]
pub(super) fn complete(
    entry: &cqueue::Entry,
    buffers: &mut BufferRing,
    in_flight: &mut usize,
) -> Option<Completion> {
    let token = Token::try_from(entry.user_data());
    debug_assert!(token.is_ok(), "{token:?}");
    let token = token.ok()?;
    let more = cqueue::more(entry.flags());
    // A quiet send was not counted, since as a rule it does not answer.
    if !more && token.op != Op::QuietSend {
        *in_flight -= 1;
    }
    let result = match entry.result() {
        negative @ ..0 => Err(Errno::from_raw_os_error(-negative)),
        count => Ok(count.cast_unsigned()),
    };
    let buffer = cqueue::buffer_select(entry.flags())
        .and_then(|index| buffers.take(index, result.unwrap_or(0)));
    let socket = match result {
        // SAFETY: the kernel has just made this descriptor for us, and the entry that says so was
        // taken out of the queue, so nobody else owns it.
        Ok(_) if token.op == Op::Accept => Some(unsafe { OwnedFd::from_raw_fd(entry.result()) }),
        _ => None,
    };
    Some(Completion {
        token,
        result,
        more,
        buffer,
        socket,
    })
}
