//! One stretch of memory mapped twice back to back, so that any range of a circular buffer is
//! contiguous. The only unsafe code outside `ring`.
#![expect(
    unsafe_code,
    reason = "two views of one memory file cannot be had from safe code"
)]

use std::io;
use std::os::fd::AsFd;
use std::ptr::NonNull;

use rustix::fs::{MemfdFlags, ftruncate, memfd_create};
use rustix::mm::{MapFlags, ProtFlags, mmap, mmap_anonymous, munmap};

/// `bytes` of zeroed memory, visible at offsets `0..bytes` and again at `bytes..2 * bytes`.
#[derive(Debug)]
pub(super) struct Mapping {
    base: NonNull<u8>,
    bytes: usize,
}

// SAFETY: the mapping is owned by this value alone (nothing else holds its address or its
// descriptor, which is closed in `new`), so moving it to another thread moves all access with it.
unsafe impl Send for Mapping {}

impl Mapping {
    /// Maps `bytes`, a multiple of the page size (memfd_create(2), mmap(2)).
    pub(super) fn new(bytes: usize) -> io::Result<Self> {
        assert!(bytes > 0 && bytes.is_multiple_of(rustix::param::page_size()));
        let file = memfd_create("fanring-log", MemfdFlags::CLOEXEC)?;
        ftruncate(&file, bytes as u64)?;
        // SAFETY: a null hint lets the kernel choose free addresses, so no mapping is replaced.
        let base = unsafe {
            mmap_anonymous(
                std::ptr::null_mut(),
                bytes * 2,
                ProtFlags::empty(),
                MapFlags::PRIVATE,
            )?
        };
        let base = NonNull::new(base.cast::<u8>()).ok_or(io::ErrorKind::OutOfMemory)?;
        // Owned from here on: an error below unmaps the reservation when `mapping` is dropped.
        let mapping = Self { base, bytes };
        for half in 0..2 {
            // SAFETY: MAP_FIXED replaces only pages inside the `2 * bytes` reserved just above,
            // which nothing has used yet; the file is `bytes` long by the ftruncate above.
            unsafe {
                mmap(
                    base.as_ptr().add(half * bytes).cast(),
                    bytes,
                    ProtFlags::READ | ProtFlags::WRITE,
                    MapFlags::SHARED | MapFlags::FIXED,
                    file.as_fd(),
                    0,
                )?;
            }
        }
        Ok(mapping)
    }

    /// Size of one view, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// `length` bytes from `start`, which lies in the first view.
    pub(super) fn slice(&self, start: usize, length: usize) -> &[u8] {
        assert!(start < self.bytes && length <= self.bytes);
        // SAFETY: by the assertion the range ends within the `2 * bytes` mapped in `new`, all of it
        // initialized (a new memory file reads as zeroes); `&self` excludes `slice_mut`.
        unsafe { std::slice::from_raw_parts(self.base.as_ptr().add(start), length) }
    }

    /// `length` writable bytes from `start`, which lies in the first view.
    pub(super) fn slice_mut(&mut self, start: usize, length: usize) -> &mut [u8] {
        assert!(start < self.bytes && length <= self.bytes);
        // SAFETY: in bounds as in `slice`; `&mut self` excludes every other reference, and a range
        // of at most `bytes` never overlaps its own second view.
        unsafe { std::slice::from_raw_parts_mut(self.base.as_ptr().add(start), length) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: `base` and the length are those of the reservation made in `new`, and no
        // reference into it outlives `self`. Failure would only leak address space.
        let _ = unsafe { munmap(self.base.as_ptr().cast(), self.bytes * 2) };
    }
}
