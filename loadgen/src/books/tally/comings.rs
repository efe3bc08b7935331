//! What it means for the books that sessions come and go, and that some come back to where they stood.

use super::{Tally, pairs};
use crate::books::per_publisher::PerPublisher;
use crate::load::layout::Role;
use crate::protocol::seam::Return;
use crate::results::model::recovery::Recovery;

/// Those that come and go.
impl Tally {
    /// One joins: what it had before is forgotten, and what was sent before is history to it. Of publishers in other
    /// processes that is what was due before `since_ns`.
    pub(crate) fn joins(&mut self, index: usize, sent: &PerPublisher, since_ns: u64) {
        self.receivers[index].since_ns = since_ns;
        let receiver = self.receivers[index];
        if receiver.role == Role::Churner {
            for (publisher, pair) in pairs(&self.layout, receiver) {
                let next = sent.of(publisher);
                self.tracks.restart(pair, next);
                self.stays.begin(pair, next);
            }
        }
    }

    /// One is open.
    pub(crate) fn opened(&mut self, index: usize, now_ns: u64) {
        self.silences.begin(index, now_ns);
    }

    /// One says goodbye; `heard` is when the latest message of each publisher was due that all others had.
    pub(crate) fn leaves(&mut self, index: usize, heard: &PerPublisher) {
        let own = pairs(&self.layout, self.receivers[index]);
        let latest = own.map(|(publisher, _)| heard.of(publisher)).max();
        self.silences.end(index, latest.unwrap_or(0));
    }

    /// Whether one has said goodbye and heard nothing at all, although it should have.
    pub(crate) fn has_heard_nothing(&self, index: usize) -> bool {
        let receiver = self.receivers[index];
        let mut own = pairs(&self.layout, receiver);
        let is_owed = receiver.checked && self.silences.is_owed(index);
        is_owed && own.all(|(_, pair)| self.stays.is_empty(pair))
    }
}

/// Those that come back and say where they stood.
impl Tally {
    /// One is to come back, from this time on.
    pub(crate) fn sets_out(&mut self, index: usize, since_ns: u64) {
        if let Some(returns) = &mut self.returns {
            returns.set_out(index, since_ns);
        }
    }

    /// One that was there all the time lost its subscription, and is to come back.
    pub(crate) fn is_sent_back(&mut self, index: usize, now_ns: u64) {
        if let Some(returns) = &mut self.returns {
            returns.set_out(index, now_ns);
            returns.note_resubscribed();
        }
    }

    /// One asks for what it missed: so many messages of each publisher have been acknowledged.
    pub(crate) fn comes_back(&mut self, index: usize, acknowledged: &PerPublisher) {
        self.end_return(index);
        let receiver = self.receivers[index];
        if let Some(returns) = self.returns.as_mut().filter(|_| receiver.checked) {
            for (publisher, pair) in pairs(&self.layout, receiver) {
                returns.ask(pair, self.tracks.next(pair), acknowledged.of(publisher));
            }
        }
    }

    /// One was told whether it is given what it missed. If it is, it goes on where it stood; else it begins anew.
    pub(crate) fn came_back(&mut self, index: usize, (how, now_ns): (Return, u64)) {
        let Some(returns) = &mut self.returns else {
            return;
        };
        returns.answer(index, (how, now_ns));
        let receiver = self.receivers[index];
        if !receiver.checked {
            return;
        }
        let is_guest = receiver.role == Role::Churner;
        for (publisher, pair) in pairs(&self.layout, receiver) {
            let next = self.tracks.next(pair);
            let until = returns.until(pair).max(next);
            let is_own = receiver.own == Some(publisher) && !self.layout.self_delivery;
            let missed = if is_own { 0 } else { until - next };
            match how {
                Return::Recovered => {
                    returns.await_all(index, pair, missed);
                    if is_guest {
                        self.stays.resume(pair, next);
                    }
                }
                Return::Refused => {
                    self.tracks.restart(pair, until);
                    match is_guest {
                        true => self.stays.begin(pair, until),
                        false => returns.forgo(missed),
                    }
                }
            }
        }
        // What was due before is history to one that begins anew, and to no other.
        self.receivers[index].since_ns = match how {
            Return::Recovered => 0,
            Return::Refused => returns.since_ns(index),
        };
        if how == Return::Recovered {
            returns.note_caught_up(index);
        }
    }

    /// What sessions that were told they are given it have not had.
    pub(crate) fn awaited(&self) -> u64 {
        self.returns.as_ref().map_or(0, |returns| returns.awaited())
    }

    /// Hands out since when those came back that had all they missed since the last question.
    pub(crate) fn caught_up(&mut self) -> impl Iterator<Item = u64> {
        let returns = self.returns.as_mut();
        returns.into_iter().flat_map(|returns| returns.caught_up())
    }

    /// What became of all that came back. What is awaited now does not come any more.
    pub(crate) fn recovery(&mut self) -> Recovery {
        for index in 0..self.receivers.len() {
            self.end_return(index);
        }
        let returns = self.returns.as_ref();
        returns.map_or_else(Recovery::default, |returns| returns.counts().clone())
    }

    /// What one was to be given and has not had is lost; if it comes and goes, what is before something that came.
    fn end_return(&mut self, index: usize) {
        let receiver = self.receivers[index];
        let Some(returns) = self.returns.as_mut().filter(|_| receiver.checked) else {
            return;
        };
        let pairs =
            receiver.pairs..receiver.pairs + self.layout.publishers_in(receiver.room) as usize;
        let (tracks, stays_on) = (&self.tracks, receiver.role != Role::Churner);
        returns.end(index, pairs, |pair, until| match stays_on {
            true => 0,
            false => until.saturating_sub(tracks.next(pair)),
        });
    }
}
