//! What the web thread serves, on whose behalf, and within which limits.

use std::cell::Cell;
use std::future::Future;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::Notify;

use super::files::Folder;

/// What the web thread needs from the rest of the server.
pub trait Backend: 'static {
    /// Takes back a connection on which an upgrade request arrived: its socket, blocking as it
    /// was accepted, and every byte from that request's first one on, as far as it was read.
    /// Whoever takes it answers the request, whatever its path.
    fn adopt(&self, socket: OwnedFd, bytes: Vec<u8>);

    /// Names and figures for `/healthz`, in the order they shall appear.
    fn health(&self) -> Vec<(&'static str, u64)>;

    /// Members of `room` that others can see, `""` being the room of plain `/ws`; `None` if
    /// there is no such room or the server is stopping.
    fn members(&self, room: &str) -> impl Future<Output = Option<u64>>;
}

/// How much the web thread holds at once and how long it waits.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Connections served at once; one more is answered 503 and closed.
    pub connections_max: usize,
    /// Bytes of a request head, and of what is buffered ahead of it; at least 8,192.
    pub head_bytes_max: usize,
    /// Header fields of a request.
    pub headers_max: usize,
    /// How long a request head may take from its first byte to its last.
    pub head_timeout: Duration,
    /// How long a connection may stay open without a request.
    pub keep_alive_timeout: Duration,
    /// How long a response may go without the peer taking a byte of it.
    pub stall_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 1_024,
            head_bytes_max: 16 << 10,
            headers_max: 64,
            head_timeout: Duration::from_secs(10),
            keep_alive_timeout: Duration::from_secs(60),
            stall_timeout: Duration::from_secs(30),
        }
    }
}

/// The web thread's one shared state.
#[derive(Debug)]
pub struct Site<B> {
    pub(super) backend: B,
    pub(super) folder: Option<Folder>,
    pub(super) limits: Limits,
    connections: Cell<usize>,
    stopping: Cell<bool>,
    stopped: Notify,
}

impl<B: Backend> Site<B> {
    /// A site that serves the files below `static_dir`, or the embedded chat page if that is
    /// `None`.
    ///
    /// # Errors
    /// When `static_dir` cannot be opened as a folder.
    pub fn new(backend: B, static_dir: Option<&Path>, limits: Limits) -> io::Result<Self> {
        let folder = static_dir.map(Folder::open).transpose()?;
        Ok(Self {
            backend,
            folder,
            limits,
            connections: Cell::new(0),
            stopping: Cell::new(false),
            stopped: Notify::new(),
        })
    }

    /// Connections held now.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.connections.get()
    }

    /// Lets responses under way end and closes every connection after them. New connections
    /// are closed at once. A second call changes nothing.
    pub fn stop(&self) {
        self.stopping.set(true);
        self.stopped.notify_waiters();
    }

    /// Whether [`Self::stop`] was called.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.stopping.get()
    }

    /// Ends when [`Self::stop`] is called, unless that was before.
    pub(super) async fn stopped(&self) {
        let stopped = self.stopped.notified();
        if !self.stopping.get() {
            stopped.await;
        }
    }

    /// A place among the connections, or `None` if all are taken.
    pub(super) fn take_place(self: &Rc<Self>) -> Option<Place<B>> {
        if self.stopping.get() || self.connections.get() >= self.limits.connections_max {
            return None;
        }
        self.connections.set(self.connections.get() + 1);
        Some(Place(Rc::clone(self)))
    }
}

/// One connection's place, given back when dropped.
#[derive(Debug)]
pub(super) struct Place<B>(Rc<Site<B>>);

impl<B> Drop for Place<B> {
    fn drop(&mut self) {
        self.0.connections.set(self.0.connections.get() - 1);
    }
}
