//! What an operator will ask for: which handshakes were refused and why sessions ended.
//!
//! Everything is counted; the first few of each turn are also kept as reports, for whoever runs
//! the shard to log. Nothing is written here.

use std::sync::Arc;

use super::Shard;
use super::parts::report::{End, Report, ReportEvent};
use crate::id::RoomId;
use crate::session::{Phase, Place};
use crate::wire::http::Refusal;

impl Shard {
    /// The next report. To be asked for until there is none, before the turn's actions.
    pub(crate) fn poll_report(&mut self) -> Option<Report> {
        self.reports.poll()
    }

    /// How many reports there was no room for, since this was last asked.
    pub(crate) fn take_left_out(&mut self) -> u64 {
        self.reports.take_left_out()
    }

    /// A request that began with `request` is being refused.
    pub(super) fn note_refusal(&mut self, slot: u32, request: &[u8], refusal: &Refusal) {
        self.metrics().refused.add(1);
        self.metrics().refusals.count(refusal.status);
        let key = self.sessions.key(slot);
        (self.reports).add(|| Report::refused(key, request, refusal));
    }

    /// Members of a room are too many to be named.
    pub(super) fn note_crowd(&mut self, room: RoomId) {
        let room = Arc::clone(&self.rooms.get(room).name);
        self.reports.add(|| Report {
            key: None,
            event: ReportEvent::Crowded { room },
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
            key: Some(key),
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
