//! What an operator will ask for: which handshakes were refused and why sessions ended.
//!
//! Everything is counted; the first few of each turn are also kept as reports, for whoever runs
//! the shard to log. Nothing is written here.

use std::collections::VecDeque;
use std::sync::Arc;

use uuid::Uuid;

use super::Shard;
use crate::id::SessionKey;
use crate::session::{Phase, Place};
use crate::wire::close::CloseCode;
use crate::wire::http::Refusal;

/// Reports that wait to be taken; there is a turn between two takings.
const REPORTS_MAX: usize = 32;

/// What is kept of a refused request.
const REQUEST_BYTES_MAX: usize = 1024;

/// Something that deserves a line.
#[derive(Debug)]
pub struct Report {
    /// Whose; the connection is still there until the next action is taken.
    pub key: SessionKey,
    /// What happened.
    pub event: ReportEvent,
}

/// What happened to a connection.
#[derive(Debug)]
pub enum ReportEvent {
    /// A request was refused.
    Refused {
        /// The answer's status.
        status: u16,
        /// The sentence in it.
        sentence: String,
        /// The beginning of the request, as it came; empty when it is not known any more.
        request: Vec<u8>,
    },
    /// A session ended.
    Ended {
        /// Its id, as presence tells it.
        id: Uuid,
        /// The room it was in, if any.
        room: Option<Arc<str>>,
        /// How.
        end: End,
    },
}

/// How a session ended.
#[derive(Debug)]
pub enum End {
    /// The server closed it.
    Closed(CloseCode, String),
    /// The peer closed it, with or without a code.
    Left(Option<CloseCode>),
    /// The connection ended without a Close frame.
    Lost,
}

/// The reports of a turn.
#[derive(Debug, Default)]
pub(super) struct Reports {
    waiting: VecDeque<Report>,
    /// How many there was no room for since the last look.
    left_out: u64,
}

impl Reports {
    fn add(&mut self, make: impl FnOnce() -> Report) {
        if self.waiting.len() < REPORTS_MAX {
            self.waiting.push_back(make());
        } else {
            self.left_out += 1;
        }
    }
}

impl Shard {
    /// The next report. To be asked for until there is none, before the turn's actions.
    pub fn poll_report(&mut self) -> Option<Report> {
        self.reports.waiting.pop_front()
    }

    /// How many reports there was no room for, since this was last asked.
    pub fn take_left_out(&mut self) -> u64 {
        std::mem::take(&mut self.reports.left_out)
    }

    /// A request that began with `request` is being refused.
    pub(super) fn note_refusal(&mut self, slot: u32, request: &[u8], refusal: &Refusal) {
        self.metrics().refused.add(1);
        self.metrics().refusals.count(refusal.status);
        let key = self.sessions.key(slot);
        self.reports.add(|| Report {
            key,
            event: ReportEvent::Refused {
                status: refusal.status,
                sentence: refusal.body.clone(),
                request: request[..request.len().min(REQUEST_BYTES_MAX)].to_vec(),
            },
        });
    }

    /// A session is about to end; whatever else may end, like a connection that refuses a request,
    /// is none.
    pub(super) fn note_end(&mut self, slot: u32, end: End) {
        let (key, session) = (self.sessions.key(slot), self.sessions.at(slot));
        if session.phase() != Phase::Open {
            return;
        }
        let metrics = self.metrics();
        match &end {
            End::Closed(code, _) => metrics.closes.count(code.get()),
            End::Left(_) => metrics.peer_closed.add(1),
            End::Lost => metrics.lost.add(1),
        }
        let (id, rooms) = (session.id(), &self.rooms);
        let place = session.place();
        self.reports.add(|| Report {
            key,
            event: ReportEvent::Ended {
                id,
                room: match place {
                    Place::Room { room, .. } => Some(Arc::clone(&rooms.get(room).name)),
                    _ => None,
                },
                end,
            },
        });
    }
}
