//! The provided-buffer ring: receive buffers the kernel picks from when bytes have arrived, so
//! that an idle connection owns none (`io_uring_register_buf_ring(3)`).
//!
//! Does not know what is received. It also holds the eight bytes that doorbell reads go to, since
//! those must live exactly as long as the buffers do.
#![expect(unsafe_code, reason = "memory shared with the kernel")]

use std::ffi::c_void;
use std::io;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::types::BufRingEntry;
use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous, munmap};

/// The group every receive of a ring draws from. One ring has one group.
pub(super) const GROUP: u16 = 0;

/// The most buffers the kernel takes in one group.
pub(super) const BUFFERS_MAX: u16 = 1 << 15;

/// Bytes a receive filled, held by the caller until it gives them back with
/// [`Ring::recycle`](super::Ring::recycle).
///
/// Neither `Clone` nor `Copy`: having it is the proof that the kernel is done with that memory. One
/// that is dropped instead of recycled is lost to the ring until the ring is gone.
#[derive(Debug)]
#[must_use = "a buffer that is not recycled is lost to the ring"]
pub struct Buffer {
    index: u16,
    /// How many were received, at least 1.
    bytes: u32,
}

/// One mapping: the ring of descriptors, the doorbell bytes, then the buffers.
///
/// Invariant: buffer `i` belongs to user space exactly while `held[i]`, from the completion that
/// names it to its recycling; otherwise the kernel may write to it at any time.
pub(super) struct BufferRing {
    base: NonNull<u8>,
    mapped_bytes: usize,
    sink_at: usize,
    buffers_at: usize,
    buffer_bytes: u32,
    tail: u16,
    mask: u16,
    held: Box<[bool]>,
    leaked: bool,
}

impl BufferRing {
    /// Maps memory for `count` buffers (rounded up to a power of two, at most 32,768) of
    /// `buffer_bytes` each, and puts all of them on offer. The kernel knows of it only once its
    /// [`address`](Self::address) is registered.
    ///
    /// # Errors
    /// ENOMEM when the mapping fails.
    pub(super) fn new(count: u16, buffer_bytes: u32) -> io::Result<Self> {
        let count = count.clamp(1, BUFFERS_MAX).next_power_of_two();
        let buffer_bytes = buffer_bytes.max(64);
        let page = rustix::param::page_size();
        let descriptor_bytes = usize::from(count) * size_of::<BufRingEntry>();
        let sink_at = descriptor_bytes.next_multiple_of(64);
        let buffers_at = (sink_at + 64).next_multiple_of(page);
        let mapped_bytes = buffers_at + usize::from(count) * buffer_bytes as usize;
        // SAFETY: a null hint with neither FIXED nor an existing mapping cannot disturb memory that
        // is in use.
        let base = unsafe {
            mmap_anonymous(
                ptr::null_mut(),
                mapped_bytes,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::PRIVATE,
            )
        }?;
        let base = NonNull::new(base.cast::<u8>()).ok_or(io::ErrorKind::OutOfMemory)?;
        let mut ring = Self {
            base,
            mapped_bytes,
            sink_at,
            buffers_at,
            buffer_bytes,
            tail: 0,
            mask: count - 1,
            held: vec![false; usize::from(count)].into_boxed_slice(),
            leaked: false,
        };
        for index in 0..count {
            ring.offer(index);
        }
        Ok(ring)
    }

    /// Where the descriptors start: page-aligned, as `IORING_REGISTER_PBUF_RING` demands.
    pub(super) fn address(&self) -> u64 {
        self.base.as_ptr().expose_provenance() as u64
    }

    pub(super) fn count(&self) -> u16 {
        self.mask + 1
    }

    pub(super) fn buffer_bytes(&self) -> u32 {
        self.buffer_bytes
    }

    /// Eight bytes the kernel may scribble the counts of eventfd reads on. Nobody reads them.
    pub(super) fn sink(&self) -> *mut u8 {
        // SAFETY: `sink_at + 64 <= buffers_at <= mapped_bytes`, so the result is in the mapping.
        unsafe { self.base.as_ptr().add(self.sink_at) }
    }

    /// Takes the buffer a completion names. `None` when it carries no bytes: that one goes straight
    /// back on offer.
    ///
    /// # Panics
    /// When the kernel names a buffer it was not offered: memory can no longer be trusted then.
    pub(super) fn take(&mut self, index: u16, bytes: u32) -> Option<Buffer> {
        let held = &mut self.held[usize::from(index)];
        assert!(
            !*held && bytes <= self.buffer_bytes,
            "the kernel named buffer {index} twice"
        );
        if bytes == 0 {
            self.offer(index);
            return None;
        }
        *held = true;
        Some(Buffer { index, bytes })
    }

    /// The received bytes.
    #[inline]
    pub(super) fn bytes(&mut self, buffer: &mut Buffer) -> &mut [u8] {
        let index = usize::from(buffer.index);
        assert!(
            self.held[index] && buffer.bytes <= self.buffer_bytes,
            "a foreign buffer"
        );
        let at = self.buffers_at + index * self.buffer_bytes as usize;
        // SAFETY: `index` is in range (the indexing above) and `bytes` fits the buffer, so the
        // range is in the mapping; `held` says that the kernel does not own it; and the borrow of
        // `self` keeps it from being recycled or borrowed again meanwhile.
        unsafe { std::slice::from_raw_parts_mut(self.base.as_ptr().add(at), buffer.bytes as usize) }
    }

    /// Gives a buffer back to the kernel.
    #[inline]
    #[expect(clippy::needless_pass_by_value, reason = "consuming it is the point")]
    pub(super) fn recycle(&mut self, buffer: Buffer) {
        let held = &mut self.held[usize::from(buffer.index)];
        assert!(*held, "a foreign buffer");
        *held = false;
        self.offer(buffer.index);
    }

    /// Never frees the memory: for when the kernel may still write to it.
    pub(super) fn leak(&mut self) {
        self.leaked = true;
    }

    fn offer(&mut self, index: u16) {
        let at = self.buffers_at + usize::from(index) * self.buffer_bytes as usize;
        let descriptors = self.base.as_ptr().cast::<BufRingEntry>();
        // SAFETY: the position is masked to the descriptors' count, so the entry is in the mapping,
        // aligned (the mapping is to a page), and all bit patterns are valid for it. The kernel
        // reads entries only below the tail; this one is at the tail.
        let entry = unsafe { &mut *descriptors.add(usize::from(self.tail & self.mask)) };
        // SAFETY: `at` is an offset within the mapping, see `mapped_bytes`.
        entry.set_addr(unsafe { self.base.as_ptr().add(at) }.expose_provenance() as u64);
        entry.set_len(self.buffer_bytes);
        entry.set_bid(index);
        self.tail = self.tail.wrapping_add(1);
        // SAFETY: the tail overlays a reserved field of the first descriptor, which nothing else
        // here writes (`set_*` leave it alone); it is two-byte aligned. The release store publishes
        // the entry written above (io_uring_buf_ring_advance(3) does the same).
        unsafe {
            let tail = BufRingEntry::tail(descriptors).cast_mut();
            AtomicU16::from_ptr(tail).store(self.tail, Ordering::Release);
        }
    }
}

impl Drop for BufferRing {
    fn drop(&mut self) {
        if self.leaked {
            return;
        }
        // SAFETY: the range is the one `new` mapped. Nothing borrows from it (they borrow `self`)
        // and no operation in the kernel can write to it: the owning ring counts those and calls
        // `leak` unless there are none.
        let unmapped = unsafe { munmap(self.base.as_ptr().cast::<c_void>(), self.mapped_bytes) };
        debug_assert!(unmapped.is_ok(), "munmap of our own mapping failed");
    }
}
