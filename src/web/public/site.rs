//! What everybody is served, and on whose behalf.

use std::future::Future;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use super::files::Folder;
use crate::config::Config;
use crate::web::http::responder::Reception;

/// What the web thread needs from the rest of the server.
pub(crate) trait Backend: 'static {
    /// Takes back a connection on which an upgrade request arrived: its socket, blocking as it
    /// was accepted, and every byte from that request's first one on, as far as it was read.
    /// Whoever takes it answers the request, whatever its path.
    fn adopt(&self, socket: OwnedFd, bytes: Vec<u8>);

    /// Names and figures for `/healthz`, in the order they shall appear.
    fn health(&self) -> Vec<(&'static str, u64)>;

    /// Members of `room` that others can see, `""` being the room of plain `/ws`, for whoever shows
    /// this token, or none.
    fn members(&self, room: &str, token: Option<String>) -> impl Future<Output = Members>;
}

/// How many members a room has, for whoever asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Members {
    /// So many.
    Count(u64),
    /// There is no such room, or the server is stopping.
    NoRoom,
    /// It is not for them to know: refuse with this status.
    Refused(u16),
}

/// The one state that all public connections share.
#[derive(Debug)]
pub(crate) struct Site<B> {
    pub(super) backend: B,
    pub(super) folder: Option<Folder>,
    pub(super) reception: Reception,
}

impl<B: Backend> Site<B> {
    /// A site that serves the files below the configured folder, or the embedded chat page if
    /// there is none.
    ///
    /// # Errors
    /// When the folder cannot be opened.
    pub(crate) fn new(backend: B, config: Arc<Config>) -> io::Result<Self> {
        let folder = (config.static_dir.as_deref())
            .map(|path| Folder::open(path, config.content_security_policy.as_deref()))
            .transpose()?;
        Ok(Self {
            backend,
            folder,
            reception: Reception::new(config),
        })
    }

    /// Whether there is no room for another session.
    pub(super) fn is_full(&self) -> bool {
        let sessions = |(name, figure)| (name == "sessions").then_some(figure);
        let open = self.backend.health().into_iter().find_map(sessions);
        open.is_some_and(|open| open >= self.reception.config.connections_max as u64)
    }
}
