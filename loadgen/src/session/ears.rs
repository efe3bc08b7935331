//! What a session hears, entered into the books of its worker.

use crate::books::run::RunBooks;
use crate::books::tally::Tally;
use crate::protocol::seam::{Found, Notice, Return};
use crate::results::interval::Interval;
use crate::session::desk::Hearing;
use crate::session::unanswered::Acknowledged;
use crate::shared::Shared;

/// Those of one session, for what came at one time.
pub(super) struct Ears<'f, 'a> {
    pub(super) shared: &'a Shared<'a>,
    /// Its place in the fleet, and its number in the run.
    pub(super) index: usize,
    pub(super) session: u32,
    pub(super) now_ns: u64,
    /// Whether it was open before.
    pub(super) was_open: bool,
    /// Messages it took.
    pub(super) taken: &'f mut u64,
    pub(super) tally: &'f mut Tally,
    pub(super) books: &'f mut RunBooks,
    pub(super) interval: &'f mut Interval,
}

impl Hearing for Ears<'_, '_> {
    #[inline]
    fn payload(&mut self, found: Found<'_>) {
        *self.taken += 1;
        let (sent, in_flight) = (&self.shared.sent, &self.shared.in_flight);
        self.tally.received(self.index, found, sent, in_flight);
    }

    fn acknowledged(&mut self, message: Acknowledged) {
        if self.tally.is_closed() {
            return;
        }
        self.books.acknowledged += 1;
        self.interval.acknowledged += 1;
        if let Some(publisher) = self.shared.layout.publisher_of(self.session) {
            self.shared.acknowledged.add(publisher, message.in_a_row);
        }
        let plan = self.shared.plan.get();
        if plan.is_some_and(|plan| plan.is_measured(message.due_ns)) {
            let took_ns = self.now_ns.saturating_sub(message.due_ns);
            self.interval.ack.record(took_ns);
            self.books.latency.ack_ns.record(took_ns);
        }
    }

    fn rejected(&mut self, why: String) {
        if self.tally.is_closed() {
            return;
        }
        self.books.rejected += 1;
        let speech = &self.shared.settings.speech;
        self.shared.note_cause(&speech.hide(self.session, &why));
    }

    fn noticed(&mut self, notice: Notice) {
        // All of them leave during the goodbyes.
        if self.tally.is_closed() {
            return;
        }
        match notice {
            Notice::Joined => self.books.joins += 1,
            Notice::Left => self.books.leaves += 1,
        }
    }

    fn comes_back(&mut self) {
        if self.was_open {
            self.tally.is_sent_back(self.index, self.now_ns);
        }
        let acknowledged = &self.shared.acknowledged;
        self.tally.comes_back(self.index, acknowledged);
    }

    fn came_back(&mut self, how: Return) {
        self.tally.came_back(self.index, (how, self.now_ns));
    }
}
