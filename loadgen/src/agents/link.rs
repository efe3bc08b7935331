//! A connection between the process that leads and an agent: what is said on it, and when it came.

use std::io;
use std::net::Shutdown;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use socket2::Socket;

use super::frame::{self, FRAME_BYTES_MAX};
use crate::clock::now_ns;
use crate::shared::lock;

/// Frames that have come and were not taken; then the other side waits.
const INBOX_FRAMES: usize = 64;

/// A frame, and when it came.
struct Heard<In> {
    at_ns: u64,
    frame: io::Result<In>,
}

/// One side's end of the connection.
pub(super) struct Link<In> {
    socket: Arc<Mutex<Socket>>,
    inbox: Receiver<Heard<In>>,
    heard_ns: u64,
    /// How long the other side may say nothing, or not read, and is still there: it is asked every second.
    silence_max: Duration,
}

impl<In: DeserializeOwned + Send + 'static> Link<In> {
    /// Reads from now on. What `answer` has an answer to is answered at once and not handed out.
    ///
    /// # Errors
    /// Those of the socket.
    pub(super) fn new<Out: Serialize>(
        socket: Socket,
        silence_max: Duration,
        answer: impl Fn(&In, u64) -> Option<Out> + Send + 'static,
    ) -> io::Result<Self> {
        socket.set_read_timeout(None)?;
        socket.set_write_timeout(Some(silence_max))?;
        let from = socket.try_clone()?;
        let socket = Arc::new(Mutex::new(socket));
        let (sender, inbox) = sync_channel(INBOX_FRAMES);
        let out = Arc::clone(&socket);
        thread::Builder::new()
            .name("link".to_owned())
            .spawn(move || {
                loop {
                    let frame = frame::read(&from, FRAME_BYTES_MAX);
                    let at_ns = now_ns();
                    let own = frame.as_ref().ok().and_then(|frame| answer(frame, at_ns));
                    let is_last = match own {
                        Some(own) => frame::write(&*lock(&out), &own).is_err(),
                        None => {
                            let is_last = frame.is_err();
                            sender.send(Heard { at_ns, frame }).is_err() || is_last
                        }
                    };
                    if is_last {
                        return;
                    }
                }
            })?;
        Ok(Self {
            socket,
            inbox,
            heard_ns: now_ns(),
            silence_max,
        })
    }

    /// What came next, and when; none if nothing does for some time.
    ///
    /// # Errors
    /// When nothing will come any more: why, as the end of a sentence.
    pub(super) fn next(&mut self, wait: Duration) -> Result<Option<(In, u64)>, String> {
        match self.inbox.recv_timeout(wait) {
            Ok(heard) => {
                let frame = heard.frame.map_err(|error| match error.kind() {
                    io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => {
                        "its connection ended".to_owned()
                    }
                    _ => format!("its connection failed: {error}"),
                })?;
                self.heard_ns = heard.at_ns;
                Ok(Some((frame, heard.at_ns)))
            }
            Err(RecvTimeoutError::Disconnected) => Err("its connection ended".to_owned()),
            Err(RecvTimeoutError::Timeout) => {
                let silent = Duration::from_nanos(now_ns().saturating_sub(self.heard_ns));
                match silent > self.silence_max {
                    true => Err(format!("it said nothing for {:?}", self.silence_max)),
                    false => Ok(None),
                }
            }
        }
    }

    /// Says something.
    ///
    /// # Errors
    /// When that is not possible any more: why, as the end of a sentence.
    pub(super) fn send(&self, frame: &impl Serialize) -> Result<(), String> {
        frame::write(&*lock(&self.socket), frame)
            .map_err(|error| format!("its connection failed: {error}"))
    }
}

impl<In> Link<In> {
    /// Ends the connection, on both sides and for whoever reads.
    pub(super) fn close(&self) {
        // It may have ended already.
        let _ = lock(&self.socket).shutdown(Shutdown::Both);
    }
}

impl<In> Drop for Link<In> {
    fn drop(&mut self) {
        self.close();
    }
}
