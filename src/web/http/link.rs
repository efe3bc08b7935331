//! A connection's socket as hyper sees it: what the gate lets pass of the bytes a shard had already
//! read and of the socket's. On the way it notes what the connection is doing.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use hyper::rt::{Read, ReadBuf, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::activity::Activity;
use super::gate::{Gate, Next};

/// Bytes read from a socket at once while a head is awaited.
const READ_BYTES_MAX: usize = 4096;

/// A socket behind a gate.
#[derive(Debug)]
pub(super) struct Link {
    gate: Gate,
    socket: TokioIo<TcpStream>,
    activity: Rc<Activity>,
}

impl Link {
    pub(super) fn new(socket: TcpStream, gate: Gate, activity: Rc<Activity>) -> Self {
        Self {
            gate,
            socket: TokioIo::new(socket),
            activity,
        }
    }

    /// The socket, and the bytes from it that hyper has not seen.
    pub(super) fn into_parts(self) -> (TcpStream, Vec<u8>) {
        (self.socket.into_inner(), self.gate.into_held())
    }

    /// Reads into the gate; false at the end of the stream.
    fn poll_more(&mut self, context: &mut Context<'_>) -> Poll<io::Result<bool>> {
        let mut bytes = [0; READ_BYTES_MAX];
        let mut buffer = ReadBuf::new(&mut bytes);
        ready!(Pin::new(&mut self.socket).poll_read(context, buffer.unfilled()))?;
        self.gate.hold(buffer.filled());
        Poll::Ready(Ok(!buffer.filled().is_empty()))
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
        loop {
            match self.gate.next() {
                Next::Pass(bytes) => {
                    let count = bytes.len().min(buffer.remaining());
                    buffer.put_slice(&bytes[..count]);
                    self.gate.pass(count);
                    self.activity.note_read();
                    self.activity.note_last(self.gate.is_open());
                    return Poll::Ready(Ok(()));
                }
                Next::Leave => {
                    self.activity.note_read();
                    self.activity.leave();
                    return Poll::Pending;
                }
                Next::Read => {}
            }
            if self.gate.is_holding() {
                self.activity.note_read();
            }
            // What came in just now may not have been told to this task yet.
            if self.activity.is_giving_way() && has_bytes(self.socket.inner()) {
                self.activity.stay();
            }
            if self.gate.is_open() {
                let result = Pin::new(&mut self.socket).poll_read(context, buffer);
                if result.is_ready() {
                    self.activity.note_read();
                }
                return result;
            }
            if !ready!(self.poll_more(context))? {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

/// Whether there is something to read on a socket.
fn has_bytes(socket: &TcpStream) -> bool {
    let flags = rustix::net::RecvFlags::PEEK | rustix::net::RecvFlags::DONTWAIT;
    matches!(
        rustix::net::recv(socket, &mut [0_u8; 1][..], flags),
        Ok((_, 1..))
    )
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
