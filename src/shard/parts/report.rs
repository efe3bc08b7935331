//! What is told of connections that were refused and of sessions that ended, for whoever runs the shard
//! to log: the first few of each turn.

use std::collections::VecDeque;
use std::sync::Arc;

use uuid::Uuid;

use crate::id::SessionKey;
use crate::wire::close::CloseCode;
use crate::wire::http::Refusal;

/// Reports that wait to be taken; there is a turn between two takings.
const REPORTS_MAX: usize = 32;

/// What is kept of a refused request.
const REQUEST_BYTES_MAX: usize = 1024;

/// Something that deserves a line.
#[derive(Debug)]
pub struct Report {
    /// Whose, if it is a session's; the connection is still there until the next action is taken.
    pub(crate) key: Option<SessionKey>,
    /// What happened.
    pub(crate) event: ReportEvent,
}

impl Report {
    /// The connection of `key` was refused with an answer to `request`.
    pub(crate) fn refused(key: SessionKey, request: &[u8], refusal: &Refusal) -> Self {
        let request = &request[..request.len().min(REQUEST_BYTES_MAX)];
        Self {
            key: Some(key),
            event: ReportEvent::Refused {
                status: refusal.status,
                sentence: refusal.body.clone(),
                request: request.to_vec(),
            },
        }
    }
}

/// What happened to a connection, or in a room.
#[derive(Debug)]
pub(crate) enum ReportEvent {
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
    /// Members of a room are too many to be named.
    Crowded {
        /// Which.
        room: Arc<str>,
    },
}

/// How a session ended.
#[derive(Debug)]
pub(crate) enum End {
    /// The server closed it.
    Closed(CloseCode, String),
    /// The peer closed it, with or without a code.
    Left(Option<CloseCode>),
    /// The connection ended without a Close frame.
    Lost,
}

/// The reports of a turn.
#[derive(Debug, Default)]
pub(crate) struct Reports {
    waiting: VecDeque<Report>,
    /// How many there was no room for since the last look.
    left_out: u64,
}

impl Reports {
    /// Keeps what `make` returns, if there is room for it.
    pub(crate) fn add(&mut self, make: impl FnOnce() -> Report) {
        if self.waiting.len() < REPORTS_MAX {
            self.waiting.push_back(make());
        } else {
            self.left_out += 1;
        }
    }

    /// The next one.
    pub(crate) fn poll(&mut self) -> Option<Report> {
        self.waiting.pop_front()
    }

    /// How many there was no room for since this was last asked.
    pub(crate) fn take_left_out(&mut self) -> u64 {
        std::mem::take(&mut self.left_out)
    }
}

#[cfg(test)]
mod tests {
    use super::{
        REPORTS_MAX, REQUEST_BYTES_MAX, Refusal, Report, ReportEvent, Reports, SessionKey,
    };

    const KEY: SessionKey = SessionKey {
        slot: 1,
        generation: 0,
    };

    /// Goal: the first few are kept in order, the others are counted until they are asked for, and there is
    /// room again for as many as were taken.
    #[test]
    fn the_first_few_are_kept() {
        let mut reports = Reports::default();
        let refused = |number: usize| {
            let request = number.to_string();
            move || Report::refused(KEY, request.as_bytes(), &Refusal::busy())
        };
        for number in 0..REPORTS_MAX + 3 {
            reports.add(refused(number));
        }
        assert_eq!((reports.take_left_out(), reports.take_left_out()), (3, 0));
        for number in 0..REPORTS_MAX {
            let report = reports.poll().expect("it was kept");
            let expected = number.to_string().into_bytes();
            assert!(matches!(
                report.event,
                ReportEvent::Refused { request, .. } if request == expected
            ));
        }
        assert!(reports.poll().is_none());
        reports.add(refused(0));
        assert!(reports.poll().is_some() && reports.take_left_out() == 0);
    }

    /// Goal: of a request no more is kept than helps to know it.
    #[test]
    fn the_beginning_of_a_request_is_kept() {
        for (length, kept) in [(0, 0), (9, 9), (5000, REQUEST_BYTES_MAX)] {
            let report = Report::refused(KEY, &vec![b'a'; length], &Refusal::busy());
            let ReportEvent::Refused {
                request, status, ..
            } = report.event
            else {
                panic!("it was refused");
            };
            assert_eq!((request.len(), status, report.key), (kept, 503, Some(KEY)));
        }
    }
}
