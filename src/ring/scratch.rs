//! Memory that queued operations point at until they are submitted.
#![expect(unsafe_code, reason = "a msghdr is made of zeroes")]

use std::ptr;

use io_uring::types::Timespec;

use super::send::SLICES_MAX;

/// Timeouts that can wait for one submission; more just submit in between.
pub(super) const TIMESPECS_MAX: usize = 16;

/// How many gathering sends can wait for one submission; more just submit in between.
pub(super) const GATHERS_MAX: usize = 64;

/// What queued operations point at until they are submitted; boxed, so it stays where it is.
pub(super) struct Scratch {
    pub(super) timespecs: [Timespec; TIMESPECS_MAX],
    pub(super) gathers: [Gather; GATHERS_MAX],
}

#[derive(Clone, Copy)]
pub(super) struct Gather {
    header: libc::msghdr,
    slices: [libc::iovec; SLICES_MAX],
}

impl Scratch {
    pub(super) fn new() -> Self {
        let none = libc::iovec {
            iov_base: ptr::null_mut(),
            iov_len: 0,
        };
        // SAFETY: a msghdr is integers and pointers, for which all zeroes is a valid value.
        let header = unsafe { std::mem::zeroed::<libc::msghdr>() };
        let gather = Gather {
            header,
            slices: [none; SLICES_MAX],
        };
        Self {
            timespecs: [Timespec::new(); TIMESPECS_MAX],
            gathers: [gather; GATHERS_MAX],
        }
    }
}

impl Gather {
    /// Describes the slices and returns the description's address, good until the next call.
    pub(super) fn fill<'a>(
        &mut self,
        slices: impl Iterator<Item = &'a [u8]>,
    ) -> *const libc::msghdr {
        let mut count = 0;
        for (place, slice) in self.slices.iter_mut().zip(slices) {
            *place = libc::iovec {
                iov_base: slice.as_ptr().cast_mut().cast(),
                iov_len: slice.len(),
            };
            count += 1;
        }
        self.header.msg_iov = self.slices.as_mut_ptr();
        self.header.msg_iovlen = count;
        &raw const self.header
    }
}
