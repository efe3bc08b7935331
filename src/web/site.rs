//! What the web thread serves, on whose behalf, and within which limits.

use std::cell::Cell;
use std::future::Future;
use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::files::Folder;
use super::places::Places;
use crate::config::Config;
use crate::metrics::WebRefusals;

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

/// The web thread's one shared state.
#[derive(Debug)]
pub struct Site<B> {
    pub(super) backend: B,
    pub(super) folder: Option<Folder>,
    pub(super) config: Arc<Config>,
    pub(super) places: Rc<Places>,
    pub(super) refusals: WebRefusals,
    stopping: Cell<bool>,
}

impl<B: Backend> Site<B> {
    /// A site that serves the files below the configured folder, or the embedded chat page if
    /// there is none.
    ///
    /// # Errors
    /// When the folder cannot be opened.
    pub fn new(backend: B, config: Arc<Config>) -> io::Result<Self> {
        let folder = (config.static_dir.as_deref())
            .map(|path| Folder::open(path, config.content_security_policy.as_deref()))
            .transpose()?;
        Ok(Self {
            backend,
            folder,
            places: Places::new(&config),
            refusals: WebRefusals::default(),
            config,
            stopping: Cell::new(false),
        })
    }

    /// Connections held now.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.places.taken()
    }

    /// Whether a request is being read or answered.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.places.is_busy()
    }

    /// How long requests are served on after [`Self::stop`].
    #[must_use]
    pub fn drain_timeout(&self) -> Duration {
        self.config.drain_timeout
    }

    /// From now on each answer is the last of its connection. A second call changes nothing.
    pub fn stop(&self) {
        self.stopping.set(true);
    }

    /// Whether [`Self::stop`] was called.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.stopping.get()
    }

    /// Whether there is no room for another session.
    pub(super) fn is_full(&self) -> bool {
        let sessions = |(name, figure)| (name == "sessions").then_some(figure);
        let open = self.backend.health().into_iter().find_map(sessions);
        open.is_some_and(|open| open >= self.config.connections_max as u64)
    }
}
