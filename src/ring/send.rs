//! What a send carries, and the memory the kernel reads its description from while submitting.

use super::op::Token;
use std::io::IoSlice;
use std::os::fd::RawFd;

/// The most slices one send gathers.
pub const SLICES_MAX: usize = 16;

/// One send: up to [`SLICES_MAX`] slices that leave on one socket, in order, in one operation.
#[derive(Debug)]
pub struct Outgoing<'a> {
    /// The connected socket.
    pub fd: RawFd,
    /// Names the completion; its result is the number of bytes the socket took.
    pub token: Token,
    slices: [IoSlice<'a>; SLICES_MAX],
    count: usize,
}

impl<'a> Outgoing<'a> {
    /// A send of nothing yet.
    #[must_use]
    #[inline]
    pub fn new(fd: RawFd, token: Token) -> Self {
        Self {
            fd,
            token,
            slices: [IoSlice::new(&[]); SLICES_MAX],
            count: 0,
        }
    }

    /// Adds a slice at the end. Returns false, and adds nothing, when [`SLICES_MAX`] are in; the
    /// rest then goes with the next send. An empty slice is accepted and takes no place.
    #[inline]
    #[must_use = "a slice that found no place has to go with a later send"]
    pub fn push(&mut self, slice: &'a [u8]) -> bool {
        if slice.is_empty() {
            return true;
        }
        if self.count == SLICES_MAX {
            return false;
        }
        self.slices[self.count] = IoSlice::new(slice);
        self.count += 1;
        true
    }

    /// The slices, in order.
    #[must_use]
    #[inline]
    pub fn slices(&self) -> &[IoSlice<'a>] {
        &self.slices[..self.count]
    }

    /// All bytes of all slices.
    #[must_use]
    #[inline]
    pub fn bytes(&self) -> usize {
        self.slices().iter().map(|slice| slice.len()).sum()
    }
}
