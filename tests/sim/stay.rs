//! A client's stay in a room besides that of its request.

use fanring::room::rendition::Rendition;

/// A moment in the life of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Point {
    /// Bytes that its socket had taken.
    pub(crate) bytes: u64,
    /// The world's clock.
    pub(crate) clock: u64,
}

/// From the wish to join to the end.
#[derive(Debug)]
pub(crate) struct Stay {
    pub(crate) room: usize,
    pub(crate) rendition: Rendition,
    /// When it was let in, if it was.
    pub(crate) since: Option<Point>,
    /// When it left or its session ended, in whatever state that found it.
    pub(crate) until: Option<Point>,
}

impl Stay {
    /// One that was asked for.
    pub(crate) fn new(room: usize, rendition: Rendition) -> Self {
        Self {
            room,
            rendition,
            since: None,
            until: None,
        }
    }

    /// Whether a frame may be of this stay before which so many bytes came.
    pub(crate) fn covers(&self, bytes: u64) -> bool {
        self.since.is_some_and(|since| since.bytes <= bytes)
            && self.until.is_none_or(|until| bytes < until.bytes)
    }

    pub(crate) fn has_notices(&self) -> bool {
        self.rendition == Rendition::PLAIN
    }

    /// Whether it goes on as far as anybody knows.
    pub(crate) fn lasts(&self) -> bool {
        self.until.is_none()
    }

    /// Whether it was let in and is there still.
    pub(crate) fn is_in(&self) -> bool {
        self.since.is_some() && self.lasts()
    }
}
