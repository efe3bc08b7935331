//! The body of an answer: bytes in memory, or a file that is read through the ring while it is sent.

use std::fmt;
use std::future::Future;
use std::io;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use hyper::body::{Body, Bytes, Frame, SizeHint};
use tokio_uring::fs::File;

use super::activity::Activity;

/// Bytes read and held at once for one answer. hyper asks for the next one when less than a
/// request head's worth of the last is left, so two of them are held at most.
const CHUNK_BYTES: u64 = 16 << 10;

/// What an answer carries.
#[derive(Debug)]
pub(crate) enum Payload {
    /// Nothing, or nothing any more.
    Empty,
    /// Bytes that are in memory.
    Bytes(Bytes),
    /// Bytes that are read while they are sent.
    File(FileBody),
}

/// The body of an answer; dropping it tells the connection that the answer has ended.
#[derive(Debug)]
pub(super) struct Content {
    payload: Payload,
    activity: Rc<Activity>,
}

impl Content {
    pub(super) fn new(payload: Payload, activity: Rc<Activity>) -> Self {
        Self { payload, activity }
    }
}

impl Drop for Content {
    fn drop(&mut self) {
        self.activity.end_answer();
    }
}

impl Body for Content {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        match &mut self.payload {
            Payload::Empty => Poll::Ready(None),
            Payload::Bytes(bytes) => {
                let bytes = std::mem::take(bytes);
                self.payload = Payload::Empty;
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Payload::File(file) => file
                .poll_chunk(context)
                .map(|chunk| Some(chunk?.map(Frame::data))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.length() == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.length())
    }
}

impl Content {
    fn length(&self) -> u64 {
        match &self.payload {
            Payload::Empty => 0,
            Payload::Bytes(bytes) => bytes.len() as u64,
            Payload::File(file) => file.remaining(),
        }
    }
}

/// A stretch of a file that is read through the ring, a chunk at a time, as hyper asks for it.
pub(crate) struct FileBody {
    state: ReadState,
    position: u64,
    remaining: u64,
}

type Reading = Pin<Box<dyn Future<Output = (File, io::Result<usize>, Vec<u8>)>>>;

enum ReadState {
    Resting(File),
    Reading(Reading),
    Ended,
}

impl FileBody {
    /// `length` bytes of `file` from `start` on; must be called on a tokio-uring runtime.
    pub(crate) fn new(file: OwnedFd, start: u64, length: u64) -> Self {
        let file = File::from_std(file.into());
        Self {
            state: ReadState::Resting(file),
            position: start,
            remaining: length,
        }
    }

    /// Bytes not handed out yet.
    fn remaining(&self) -> u64 {
        self.remaining
    }

    /// The next chunk, `None` after the last.
    ///
    /// # Errors
    /// When reading fails or the file has become shorter than the length that was announced;
    /// hyper then breaks the connection off, so the client cannot take the part for the whole.
    fn poll_chunk(&mut self, context: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        loop {
            match std::mem::replace(&mut self.state, ReadState::Ended) {
                ReadState::Ended => return Poll::Ready(None),
                ReadState::Resting(_) if self.remaining == 0 => return Poll::Ready(None),
                ReadState::Resting(file) => {
                    self.state = ReadState::Reading(self.read(file));
                }
                ReadState::Reading(mut reading) => {
                    let Poll::Ready((file, result, chunk)) = reading.as_mut().poll(context) else {
                        self.state = ReadState::Reading(reading);
                        return Poll::Pending;
                    };
                    return Poll::Ready(Some(self.take(file, result, chunk)));
                }
            }
        }
    }

    fn read(&self, file: File) -> Reading {
        let length = usize::try_from(self.remaining.min(CHUNK_BYTES)).expect("a chunk is small");
        let position = self.position;
        Box::pin(async move {
            let (result, chunk) = file.read_at(Vec::with_capacity(length), position).await;
            (file, result, chunk)
        })
    }

    fn take(
        &mut self,
        file: File,
        result: io::Result<usize>,
        mut chunk: Vec<u8>,
    ) -> io::Result<Bytes> {
        if result? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        // A vector may have more room than was asked for.
        chunk.truncate(usize::try_from(self.remaining).expect("64-bit machines"));
        self.position += chunk.len() as u64;
        self.remaining -= chunk.len() as u64;
        if self.remaining > 0 {
            self.state = ReadState::Resting(file);
        }
        Ok(Bytes::from(chunk))
    }
}

impl fmt::Debug for FileBody {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            position,
            remaining,
            ..
        } = self;
        formatter
            .debug_struct("FileBody")
            .field("position", position)
            .field("remaining", remaining)
            .finish_non_exhaustive()
    }
}
