//! One `io_uring` for one thread: operations in, completions out.
//!
//! Everything unsafe about talking to the kernel is in here, behind an interface that is safe: no
//! operation in flight ever points at memory of the caller's. Receives go to buffers the ring owns,
//! and sends are over when [`Ring::send_batch`] returns. It knows nothing of sessions, frames or
//! time; which operations are in flight for whom is the caller's business, by [`Token`].
//!
//! The answers of one operation come in the order they came about. Between operations there is no order
//! to rely on, not even between the sends of one batch: Linux 6.1 lets the answers of sends that were cut
//! overtake those of sends that were not, and of what became ready before a wait it answers the newest
//! first.
#![expect(unsafe_code, reason = "submission queue entries carry raw pointers")]

mod buffers;
mod completion;
mod error;
mod op;
mod scratch;
mod send;
mod setup;
pub(crate) mod sockopt;

use std::io;
use std::marker::PhantomData;
use std::os::fd::RawFd;
use std::ptr;
use std::thread;
use std::time::Duration;

use io_uring::types::{CancelBuilder, Fd, SubmitArgs, Timespec};
use io_uring::{EnterFlags, IoUring, cqueue, opcode, squeue};
use rustix::io::Errno;

pub use self::buffers::Buffer;
use self::buffers::{BufferRing, GROUP};
pub use self::completion::Completion;
use self::completion::complete;
pub use self::error::SetupError;
pub(crate) use self::error::disabled_level;
pub use self::op::{Op, SLOT_MAX, Token, UnknownOp};
use self::scratch::{GATHERS_MAX, Scratch, TIMESPECS_MAX};
pub use self::send::{Outgoing, SLICES_MAX};
pub(crate) use self::setup::{BUFFERS, Features};
pub use self::setup::{RingConfig, TaskRun};

/// How often one reap goes back for completions the kernel had set aside.
const REAP_ROUNDS_MAX: usize = 64;

/// How long to leave the kernel alone when it is out of memory for requests.
const RETRY_PAUSE: Duration = Duration::from_millis(1);

/// How long dropping a ring waits for its operations to end before it gives up their memory.
const DROP_WAIT: Duration = Duration::from_secs(1);

/// One `io_uring` with its receive buffers. Belongs to the thread that made it.
pub struct Ring {
    // Fields drop in this order: the queue (and with it the ring's descriptor) goes first.
    queue: IoUring,
    buffers: BufferRing,
    scratch: Box<Scratch>,
    timespecs_used: usize,
    gathers_used: usize,
    /// Completions taken out of the queue to make room, older than what is in it.
    backlog: Vec<cqueue::Entry>,
    /// Operations that were pushed and whose last completion has not been reaped.
    in_flight: usize,
    overflows: u64,
    /// Set when the kernel refused to submit for good. Nothing is submitted after that.
    failed: Option<Errno>,
    features: Features,
    /// `SINGLE_ISSUER` ties the ring to its thread, so it must not be sent to another.
    not_send: PhantomData<*const ()>,
}

impl Ring {
    /// Sets a ring up on the calling thread, which is the one that has to drive it.
    ///
    /// # Errors
    /// A [`SetupError`], whose text names what stands in the way and how to remove it.
    pub fn new(config: &RingConfig) -> Result<Self, SetupError> {
        let (queue, buffers, features) = setup::build(config)?;
        let mut ring = Self {
            queue,
            buffers,
            scratch: Box::new(Scratch::new()),
            timespecs_used: 0,
            gathers_used: 0,
            backlog: Vec::new(),
            in_flight: 0,
            overflows: 0,
            failed: None,
            features,
            not_send: PhantomData,
        };
        // A filter may let a ring be made and not be used: better to know now than at the first
        // connection.
        ring.enter(0, EnterFlags::GETEVENTS);
        ring.failed
            .map_or(Ok(ring), |errno| Err(error::refused_to_enter(errno)))
    }

    /// What the kernel granted.
    #[must_use]
    pub(crate) fn features(&self) -> &Features {
        &self.features
    }

    /// The operations this ring needs and whether the kernel has them.
    ///
    /// # Errors
    /// What `io_uring_register(2)` says to `IORING_REGISTER_PROBE`.
    pub(crate) fn operations(&self) -> io::Result<Vec<(&'static str, bool)>> {
        setup::operations(&self.queue)
    }

    /// How often the kernel was found to have set completions aside because the queue was full,
    /// plus those it had to drop. The former are not lost, but they are slow: the queue should be
    /// larger or be reaped more often.
    #[must_use]
    pub fn overflows(&mut self) -> u64 {
        self.overflows + u64::from(self.queue.completion().overflow())
    }

    /// Accepts connections until it says otherwise (no `more`), each with `CLOEXEC`.
    ///
    /// EMFILE, ENFILE, ENOBUFS and ENOMEM end it; the connection stays in the backlog.
    pub fn accept_multishot(&mut self, listener: RawFd, token: Token) {
        let entry = opcode::AcceptMulti::new(Fd(listener))
            .flags(libc::SOCK_CLOEXEC)
            .build();
        // SAFETY: points at no memory: an accept without an address buffer.
        unsafe { self.push(entry, token) }
    }

    /// Receives once, into a buffer of the ring that is picked when there are bytes.
    pub fn recv_once(&mut self, fd: RawFd, token: Token) {
        let entry = opcode::Recv::new(Fd(fd), ptr::null_mut(), 0)
            .buf_group(GROUP)
            .build();
        let entry = entry.flags(squeue::Flags::BUFFER_SELECT);
        // SAFETY: with BUFFER_SELECT the kernel writes only to buffers on offer in our group, which
        // live until nothing is in flight (`drop`).
        unsafe { self.push(entry, token) }
    }

    /// Receives, a buffer at a time, until it says otherwise (no `more`): at the end of the
    /// stream, on an error, and with ENOBUFS when no buffer is on offer. No byte is lost by that.
    pub fn recv_multishot(&mut self, fd: RawFd, token: Token) {
        let entry = opcode::RecvMulti::new(Fd(fd), GROUP).build();
        // SAFETY: as in `recv_once`.
        unsafe { self.push(entry, token) }
    }

    /// Tells once when the socket takes bytes again, or has failed (`POLLOUT`).
    pub fn poll_writable(&mut self, fd: RawFd, token: Token) {
        let events = libc::POLLOUT.cast_unsigned().into();
        let entry = opcode::PollAdd::new(Fd(fd), events).build();
        // SAFETY: points at no memory.
        unsafe { self.push(entry, token) }
    }

    /// Waits for another thread to write to an eventfd. Its count is reset and thrown away; the
    /// result is 8.
    pub fn read_doorbell(&mut self, eventfd: RawFd, token: Token) {
        let entry = opcode::Read::new(Fd(eventfd), self.buffers.sink(), 8).build();
        // SAFETY: the sink has 64 bytes, is never read, and lives as long as the buffers do.
        unsafe { self.push(entry, token) }
    }

    /// Completes with `Err(Errno::TIME)` after a while on the monotonic clock, never before. Of
    /// several that have run out by the time of a wait, any may be the first to answer.
    pub fn timeout(&mut self, after: Duration, token: Token) {
        self.make_space();
        if self.timespecs_used == TIMESPECS_MAX {
            self.submit();
        }
        let at = self.timespecs_used % TIMESPECS_MAX;
        self.scratch.timespecs[at] = Timespec::from(after);
        let entry = opcode::Timeout::new(&raw const self.scratch.timespecs[at]).build();
        self.timespecs_used += 1;
        // SAFETY: the kernel copies the time while it submits (io_timeout_prep); until then it
        // stays as it is, because the place is used again only after a submission.
        unsafe { self.push(entry, token) }
    }

    /// Cancels the operation pushed with `target`. That one then completes, by being cancelled or
    /// because it was quicker; `token` answers how the search for it went (ENOENT, EALREADY).
    pub fn cancel(&mut self, target: Token, token: Token) {
        let entry = opcode::AsyncCancel::new(target.into()).build();
        // SAFETY: points at no memory.
        unsafe { self.push(entry, token) }
    }

    /// Sends and submits; when it returns, the kernel has taken what it takes of every slice and
    /// the memory is the caller's to overwrite. The completions are in the queue, or set aside:
    /// the number of bytes taken (perhaps fewer than offered), or EAGAIN when the socket is full.
    /// The next [`Self::reap`] has all of them, in any order and between completions of other
    /// operations.
    ///
    /// Ranges can be computed as late as in the iterator's `next`. Each call submits at least once,
    /// so sends are best given in batches of some hundreds, with a reap in between.
    pub fn send_batch<'a, S>(&mut self, sends: impl IntoIterator<Item = Outgoing<S>>)
    where
        S: IntoIterator<Item = &'a [u8]>,
    {
        self.push_sends(sends, 0, EnterFlags::empty());
    }

    /// Does what [`Self::send_batch`] and then [`Self::submit_and_wait`] do, with one system call
    /// where the queue holds all of it. Answers of the sends count among the `want` completions;
    /// quiet ones that the sockets took leave it waiting for something else.
    ///
    /// # Errors
    /// As [`Self::submit_and_wait`].
    pub fn send_batch_and_wait<'a, S>(
        &mut self,
        sends: impl IntoIterator<Item = Outgoing<S>>,
        want: u32,
    ) -> io::Result<()>
    where
        S: IntoIterator<Item = &'a [u8]>,
    {
        self.push_sends(sends, want, EnterFlags::GETEVENTS);
        self.failed.map_or(Ok(()), |errno| Err(errno.into()))
    }

    /// Pushes the sends and enters the kernel with `want` and `flags`.
    fn push_sends<'a, S>(
        &mut self,
        sends: impl IntoIterator<Item = Outgoing<S>>,
        want: u32,
        flags: EnterFlags,
    ) where
        S: IntoIterator<Item = &'a [u8]>,
    {
        // Submits on every way out: the slices may be gone after that. It waits only on the
        // regular one, not when the iterator panics.
        struct Enter<'r>(&'r mut Ring, u32, EnterFlags);
        impl Drop for Enter<'_> {
            fn drop(&mut self) {
                let want = if self.0.backlog.is_empty() { self.1 } else { 0 };
                self.0.enter(want, self.2);
            }
        }
        let mut enter = Enter(self, 0, EnterFlags::empty());
        for outgoing in sends {
            enter.0.push_send(outgoing);
        }
        (enter.1, enter.2) = (want, flags);
    }

    /// Submits what is queued and waits until `want` completions are there (at once if there are
    /// some already set aside). With 0 it still lets the kernel finish pending work, so that
    /// completions show up. Returns early when a signal arrives.
    ///
    /// # Errors
    /// Only when the ring is of no more use: EBADF and the like, or EBADR when the kernel has lost
    /// completions for want of memory. EINTR, EAGAIN and EBUSY are dealt with in here.
    pub fn submit_and_wait(&mut self, want: u32) -> io::Result<()> {
        self.send_batch_and_wait(std::iter::empty::<Outgoing<[&[u8]; 0]>>(), want)
    }

    /// Moves all completions there are to the end of `out`, in the order in which the kernel answered.
    ///
    /// # Panics
    /// When the kernel names a buffer that is not on offer, since memory is not safe then.
    pub fn reap(&mut self, out: &mut Vec<Completion>) {
        for _ in 0..REAP_ROUNDS_MAX {
            let overflowing = self.queue.submission().cq_overflow();
            for entry in self.backlog.drain(..).chain(self.queue.completion()) {
                out.extend(complete(&entry, &mut self.buffers, &mut self.in_flight));
            }
            if !overflowing {
                break;
            }
            // The kernel moves what it has set aside into the queue only when it is entered.
            self.overflows += 1;
            self.enter(0, EnterFlags::GETEVENTS);
        }
    }

    /// The bytes in a buffer, to read or to unmask in place.
    ///
    /// # Panics
    /// When the buffer came from another ring.
    #[inline]
    pub fn bytes(&mut self, buffer: &mut Buffer) -> &mut [u8] {
        self.buffers.bytes(buffer)
    }

    /// Gives a buffer back, for the next receive to use.
    ///
    /// # Panics
    /// When the buffer came from another ring.
    #[inline]
    pub fn recycle(&mut self, buffer: Buffer) {
        self.buffers.recycle(buffer);
    }

    /// Queues one operation, after a submission if the queue is full.
    ///
    /// # Safety
    /// Memory the entry points at must stay valid until the operation is over, or until it is
    /// submitted if the kernel does not use it afterwards.
    #[inline]
    unsafe fn push(&mut self, entry: squeue::Entry, token: Token) {
        let entry = entry.user_data(token.into());
        // SAFETY: the caller's promise.
        let mut pushed = unsafe { self.queue.submission().push(&entry) };
        if pushed.is_err() {
            self.submit();
            // SAFETY: as above, and the queue has not taken it yet.
            pushed = unsafe { self.queue.submission().push(&entry) };
        }
        // A queue that is full even now belongs to a ring that failed: `submit_and_wait` tells.
        // A quiet send does not answer as a rule, and is over once it is submitted.
        if pushed.is_ok() && token.op != Op::QuietSend {
            self.in_flight += 1;
        }
    }

    /// Submits if the queue is full. To be called before a place in the scratch is taken: a
    /// submission between that and the push would let the place be taken twice.
    #[inline]
    fn make_space(&mut self) {
        if self.queue.submission().is_full() {
            self.submit();
        }
    }

    #[inline]
    fn push_send<'a, S>(&mut self, outgoing: Outgoing<S>)
    where
        S: IntoIterator<Item = &'a [u8]>,
    {
        let mut flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
        let mut entry_flags = squeue::Flags::empty();
        if outgoing.token.op == Op::QuietSend {
            // Only with WAITALL is a send that was cut a failed one, which is not skipped
            // (io_send and io_sendrecv_fail, io_uring/net.c).
            flags |= libc::MSG_WAITALL;
            entry_flags = squeue::Flags::SKIP_SUCCESS;
        }
        let mut slices = (outgoing.slices.into_iter()).filter(|slice| !slice.is_empty());
        let (first, second) = (slices.next().unwrap_or_default(), slices.next());
        let entry = match second {
            None => {
                // Saturates: no send takes so much (MAX_RW_COUNT is below 2 GiB), the rest is short.
                let bytes = u32::try_from(first.len()).unwrap_or(u32::MAX);
                opcode::Send::new(Fd(outgoing.fd), first.as_ptr(), bytes)
                    .flags(flags)
                    .build()
            }
            Some(second) => {
                self.make_space();
                if self.gathers_used == GATHERS_MAX {
                    self.submit();
                }
                let gather = &mut self.scratch.gathers[self.gathers_used % GATHERS_MAX];
                self.gathers_used += 1;
                let header = gather.fill([first, second].into_iter().chain(slices));
                opcode::SendMsg::new(Fd(outgoing.fd), header)
                    .flags(flags.cast_unsigned())
                    .build()
            }
        };
        // SAFETY: the slices are borrowed until `send_batch` returns, which submits before it does.
        // MSG_DONTWAIT makes the kernel set REQ_F_NOWAIT (io_sendmsg_prep, io_uring/net.c), and
        // such a request is completed while it is submitted, with EAGAIN if need be, instead of
        // being polled or handed to a worker (io_queue_async, io_uring/io_uring.c). So nothing
        // refers to the slices, nor to the scratch of a gathering send, after the submission.
        unsafe { self.push(entry.flags(entry_flags), outgoing.token) }
    }

    /// Submits everything queued, without waiting for completions.
    fn submit(&mut self) {
        self.enter(0, EnterFlags::empty());
    }

    /// Enters the kernel until the submission queue is empty or the ring has failed.
    fn enter(&mut self, mut want: u32, flags: EnterFlags) {
        let mut first = true;
        while self.failed.is_none() {
            let queued = self.queue.submission().len();
            if queued == 0 && !first {
                break;
            }
            first = false;
            if queued == 0 && flags.is_empty() {
                break;
            }
            #[expect(
                clippy::cast_possible_truncation,
                reason = "the queue has at most 32,768"
            )]
            // SAFETY: no argument is passed; the flags are of those that need none.
            let entered = unsafe {
                self.queue.submitter().enter::<()>(
                    queued as u32,
                    want,
                    (flags | self.features.idle_flag()).bits(),
                    None,
                )
            };
            let errno = match entered {
                Ok(_) => None,
                Err(error) => Some(Errno::from_io_error(&error).unwrap_or(Errno::IO)),
            };
            // A process that was stopped wakes up from a wait without completions, with an error only if
            // nothing was submitted. What came in meanwhile is yet to be collected, before the caller looks at
            // its clock.
            if want > 0
                && matches!(errno, None | Some(Errno::INTR))
                && self.queue.completion().is_empty()
            {
                (want, first) = (0, true);
            }
            match errno {
                // With the queue empty this leaves, so that the caller can look at its signals.
                None | Some(Errno::INTR) => {}
                Some(Errno::AGAIN | Errno::BUSY) => self.make_room(),
                Some(errno) => self.failed = Some(errno),
            }
        }
        if self.failed.is_none() {
            self.timespecs_used = 0;
            self.gathers_used = 0;
        }
    }

    /// The kernel wants completions taken, or memory: gives it the one, and time for the other.
    fn make_room(&mut self) {
        let before = self.backlog.len();
        self.backlog.extend(self.queue.completion());
        if self.backlog.len() == before {
            thread::sleep(RETRY_PAUSE);
        }
    }

    /// Cancels everything and waits for it to end. Returns whether it has.
    fn quiesce(&mut self) -> bool {
        let unsubmitted = self.queue.submission().len();
        if self.in_flight == unsubmitted {
            return true;
        }
        let until = std::time::Instant::now() + DROP_WAIT;
        let wait = Timespec::from(DROP_WAIT / 10);
        let _ = self
            .queue
            .submitter()
            .register_sync_cancel(Some(Timespec::from(DROP_WAIT)), CancelBuilder::any().all());
        let mut completions = Vec::new();
        while std::time::Instant::now() < until {
            self.backlog.extend(self.queue.completion());
            for entry in self.backlog.drain(..) {
                completions.extend(complete(&entry, &mut self.buffers, &mut self.in_flight));
            }
            if self.in_flight == unsubmitted {
                return true;
            }
            let arguments = SubmitArgs::new().timespec(&wait);
            let flags = EnterFlags::GETEVENTS | EnterFlags::EXT_ARG;
            // SAFETY: the argument is what EXT_ARG announces, and outlives the call. Nothing is
            // submitted: descriptors in the queue may be closed and belong to others by now.
            let _ = unsafe {
                self.queue
                    .submitter()
                    .enter(0, 1, flags.bits(), Some(&arguments))
            };
        }
        false
    }
}

impl Drop for Ring {
    /// Closing a ring lets the kernel cancel what is in flight at its leisure, and a receive could
    /// still write to a buffer meanwhile. So everything is cancelled here and waited for; should
    /// something not end within a second, its memory is leaked rather than freed under it.
    fn drop(&mut self) {
        if !self.quiesce() {
            self.buffers.leak();
        }
    }
}

#[cfg(test)]
mod tests;
