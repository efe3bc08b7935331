//! A connection's socket as hyper sees it: first the bytes a shard had already read, then the
//! socket. On the way it notes what the connection is doing, for the deadlines and for the way
//! back to a shard.

use std::cell::{Cell, RefCell};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::site::Limits;

/// What a connection is waiting for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// For the first byte of a request.
    Idle,
    /// For the rest of a request head.
    Head,
    /// For its own answer, or for the peer to take it.
    Answer,
}

/// What one connection is doing; shared by its socket, its service and its driver, all of which
/// run on one thread.
#[derive(Debug)]
pub(super) struct Activity {
    phase: Cell<Phase>,
    since: Cell<Instant>,
    /// Whether bytes came in during an answer: they start the next head.
    ahead: Cell<bool>,
    /// The head of an upgrade request, once one came.
    upgrade: RefCell<Option<Vec<u8>>>,
    /// Whether all answers before that upgrade request have left hyper's buffer.
    flushed: Cell<bool>,
}

impl Activity {
    /// Starts with a head that is being read.
    pub(super) fn new() -> Rc<Self> {
        Rc::new(Self {
            phase: Cell::new(Phase::Head),
            since: Cell::new(Instant::now()),
            ahead: Cell::new(false),
            upgrade: RefCell::new(None),
            flushed: Cell::new(false),
        })
    }

    /// A request head is complete.
    pub(super) fn begin_answer(&self) {
        self.ahead.set(false);
        self.enter(Phase::Answer);
    }

    /// The answer's last byte was handed to hyper.
    pub(super) fn end_answer(&self) {
        self.enter(if self.ahead.get() {
            Phase::Head
        } else {
            Phase::Idle
        });
    }

    /// An upgrade request came; `head` is all of its head.
    pub(super) fn leave(&self, head: Vec<u8>) {
        self.flushed.set(false);
        *self.upgrade.borrow_mut() = Some(head);
    }

    /// The head given to [`Self::leave`], once nothing is left to send before it.
    pub(super) fn take_upgrade(&self) -> Option<Vec<u8>> {
        if self.flushed.get() {
            self.upgrade.borrow_mut().take()
        } else {
            None
        }
    }

    /// When the connection has waited too long, if nothing happens until then.
    pub(super) fn deadline(&self, limits: &Limits) -> Instant {
        self.since.get()
            + match self.phase.get() {
                Phase::Idle => limits.keep_alive_timeout,
                Phase::Head => limits.head_timeout,
                Phase::Answer => limits.stall_timeout,
            }
    }

    fn enter(&self, phase: Phase) {
        self.phase.set(phase);
        self.since.set(Instant::now());
    }

    fn note_read(&self) {
        match self.phase.get() {
            Phase::Idle => self.enter(Phase::Head),
            Phase::Head => {}
            Phase::Answer => self.ahead.set(true),
        }
    }

    /// Taking bytes keeps an answer going; it does not prolong a head.
    fn note_written(&self) {
        if self.phase.get() != Phase::Head {
            self.since.set(Instant::now());
        }
    }

    /// hyper flushes its socket only once its own buffer is empty, so this marks the moment
    /// from which a pending upgrade may leave.
    fn note_flushed(&self) {
        self.flushed.set(true);
    }
}

/// A socket with the bytes already read from it put back in front.
#[derive(Debug)]
pub(super) struct Link {
    read_ahead: Vec<u8>,
    read_ahead_start: usize,
    socket: TokioIo<TcpStream>,
    activity: Rc<Activity>,
}

impl Link {
    pub(super) fn new(socket: TcpStream, read_ahead: Vec<u8>, activity: Rc<Activity>) -> Self {
        Self {
            read_ahead,
            read_ahead_start: 0,
            socket: TokioIo::new(socket),
            activity,
        }
    }

    /// The socket, and what of the bytes in front of it was not read yet.
    pub(super) fn into_parts(mut self) -> (TcpStream, Vec<u8>) {
        self.read_ahead.drain(..self.read_ahead_start);
        (self.socket.into_inner(), self.read_ahead)
    }

    fn written(&self, result: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if matches!(result, Poll::Ready(Ok(1..))) {
            self.activity.note_written();
        }
        result
    }
}

impl Read for Link {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let waiting = &self.read_ahead[self.read_ahead_start..];
        if !waiting.is_empty() {
            let count = waiting.len().min(buffer.remaining());
            buffer.put_slice(&waiting[..count]);
            self.read_ahead_start += count;
            if self.read_ahead_start == self.read_ahead.len() {
                self.read_ahead = Vec::new();
                self.read_ahead_start = 0;
            }
            self.activity.note_read();
            return Poll::Ready(Ok(()));
        }
        let result = Pin::new(&mut self.socket).poll_read(context, buffer);
        if result.is_ready() {
            self.activity.note_read();
        }
        result
    }
}

impl Write for Link {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.socket).poll_write(context, bytes);
        self.written(result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.socket).poll_write_vectored(context, slices);
        self.written(result)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.activity.note_flushed();
        Pin::new(&mut self.socket).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(context)
    }
}
