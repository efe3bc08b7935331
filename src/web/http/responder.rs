//! Who stands behind the connections, and what all of them share.

use std::cell::Cell;
use std::future::Future;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;

use hyper::http::request::Parts;

use super::places::Places;
use super::reply::Reply;
use crate::config::Config;
use crate::metrics::WebRefusals;

/// Who answers the requests of a connection.
pub(crate) trait Responder: 'static {
    /// What its connections share.
    fn reception(&self) -> &Reception;

    /// Answers a request that is no upgrade; nobody reads its body.
    fn answer(&self, request: &Parts) -> impl Future<Output = Reply>;

    /// Takes back a connection whose next request a shard is to answer, whatever its path: its socket,
    /// blocking as it was accepted, and every byte from that request's first one on, as far as it was
    /// read.
    fn adopt(&self, socket: OwnedFd, bytes: Vec<u8>);
}

/// Where connections come in: the limits they are held to, their places, and whether it closes.
#[derive(Debug)]
pub(crate) struct Reception {
    /// The limits.
    pub(crate) config: Arc<Config>,
    /// How many connections there may be, and who gives way.
    pub(crate) places: Rc<Places>,
    /// Requests that were not served, by their status.
    pub(crate) refusals: WebRefusals,
    stopping: Cell<bool>,
}

impl Reception {
    /// One that is open and empty.
    pub(crate) fn new(config: Arc<Config>) -> Self {
        Self {
            places: Places::new(&config),
            refusals: WebRefusals::default(),
            config,
            stopping: Cell::new(false),
        }
    }

    /// Whether a request is being read or answered.
    pub(crate) fn is_busy(&self) -> bool {
        self.places.is_busy()
    }

    /// From now on each answer is the last of its connection. A second call changes nothing.
    pub(crate) fn stop(&self) {
        self.stopping.set(true);
    }

    /// Whether [`Self::stop`] was called.
    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.get()
    }
}
