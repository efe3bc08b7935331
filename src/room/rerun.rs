//! What those who have come back to a room are sent of what they have missed: messages that stand in the log once
//! more, each once for all who read its protocol, and are read by cursor like what is said.
//!
//! It knows neither how members come to it nor where they go on.

use std::collections::VecDeque;
use std::sync::Arc;

use super::audience::Member;
use super::history::{Missed, Replay};
use super::index::Index;
use super::log::Log;
use super::rendition::{Encode, Protocol, Said};
use crate::id::{Epoch, LogPosition, RerunId, StreamPosition};

/// Missed messages of a room in one protocol, one after the other.
#[derive(Debug)]
pub struct Rerun {
    protocol: Protocol,
    epoch: Epoch,
    /// Where they stand in the log.
    index: Index,
    /// The offset of each that stands there, and where it ends in the stream.
    ends: Vec<(u64, StreamPosition)>,
    /// The place behind which they begin.
    after: u64,
    /// The offset of the newest, also of those that have yet to be appended.
    known: u64,
    /// Those, and some before them.
    waiting: VecDeque<Arc<Replay>>,
    /// Who reads them, in no order.
    readers: Vec<Member>,
}

impl Rerun {
    fn new(protocol: Protocol, epoch: Epoch, after: u64) -> Self {
        Self {
            protocol,
            epoch,
            index: Index::default(),
            ends: Vec::new(),
            after,
            known: after,
            waiting: VecDeque::new(),
            readers: Vec::new(),
        }
    }

    /// Where its stream lies in the log.
    #[must_use]
    pub(crate) fn index(&self) -> &Index {
        &self.index
    }

    /// Where the message with the offset `last` ends in its stream, once it is appended.
    #[must_use]
    pub(crate) fn end_of(&self, last: u64) -> Option<StreamPosition> {
        let found = self.ends.binary_search_by_key(&last, |&(offset, _)| offset);
        found.ok().map(|at| self.ends[at].1)
    }

    /// The offset of the newest message that is appended, or the place behind which they begin.
    fn appended(&self) -> u64 {
        self.ends.last().map_or(self.after, |&(offset, _)| offset)
    }

    /// Where those behind the place `after` begin in its stream, if they are in there and that is known yet.
    fn start_behind(&self, after: u64) -> Option<StreamPosition> {
        if !(self.after..=self.known).contains(&after) {
            return None;
        }
        let before = self.ends.partition_point(|&(offset, _)| offset <= after);
        if before == self.ends.len() && self.appended() < after && !self.waiting.is_empty() {
            return None;
        }
        let last_before = before.checked_sub(1).map(|at| self.ends[at].1);
        Some(last_before.unwrap_or_default())
    }

    /// The same, if none of them stands in the log before `oldest`.
    fn fresh_start(&self, after: u64, oldest: LogPosition) -> Option<StreamPosition> {
        let start = self.start_behind(after)?;
        let is_fresh = match self.index.position(start) {
            Some(position) => position >= oldest,
            None => start == self.index.head(),
        };
        is_fresh.then_some(start)
    }

    /// It is to have those messages too, which begin before its end.
    fn extend(&mut self, replays: &[Arc<Replay>]) {
        for replay in replays {
            let last = replay.last().number();
            if last > self.known {
                self.waiting.push_back(Arc::clone(replay));
                self.known = last;
            }
        }
    }

    /// Appends what waits, until so many bytes are exceeded; returns how many it has appended.
    fn append(&mut self, log: &mut Log, room: &str, encoder: &impl Encode, bytes_max: u64) -> u64 {
        let (before, epoch) = (log.head(), self.epoch);
        while let Some(replay) = self.waiting.front() {
            let replay = Arc::clone(replay);
            for message in replay.behind(self.appended()).messages() {
                if log.head() - before >= bytes_max {
                    return log.head() - before;
                }
                let said = Said {
                    room,
                    epoch,
                    message: &message,
                    has_history: true,
                };
                let frame_bytes_max = encoder.encoded_bytes_max(self.protocol, &said);
                let (position, bytes) = log.write(frame_bytes_max, |out| {
                    encoder.encode(self.protocol, &said, out)
                });
                let offset = message.offset.expect("what is kept has its place");
                self.index.push(position, bytes, Some(offset));
                self.ends.push((offset.number(), self.index.head()));
            }
            self.waiting.pop_front();
        }
        log.head() - before
    }

    /// Memory it holds beyond what every room may have, in bytes.
    fn held_bytes(&self) -> usize {
        let ends = self.ends.capacity() * size_of::<(u64, StreamPosition)>();
        let readers = self.readers.capacity() * size_of::<Member>();
        self.index.held_bytes_beyond_few() + ends + readers
    }
}

/// Where somebody is to read what it has missed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Start {
    /// In which rerun.
    pub(crate) rerun: RerunId,
    /// From where on.
    pub(crate) position: StreamPosition,
    /// Up to the message with this offset.
    pub(crate) last: u64,
    /// Whether some of it has yet to be appended, and nobody has heard of that.
    pub(crate) waits: bool,
}

/// The reruns of a room on a shard.
#[derive(Debug, Default)]
pub(super) struct Reruns(Vec<Option<Rerun>>);

impl Reruns {
    /// The rerun of that name, if it is still there.
    pub(super) fn get(&self, id: RerunId) -> Option<&Rerun> {
        self.0.get(id.index())?.as_ref()
    }

    /// Like [`Self::get`].
    fn get_mut(&mut self, id: RerunId) -> Option<&mut Rerun> {
        self.0.get_mut(id.index())?.as_mut()
    }

    /// Lets `reader`, who reads `protocol`, have what it has missed: with those who have missed the same, as long
    /// as that stands in the newer half of the log. `None` when there are too many reruns.
    pub(super) fn begin(
        &mut self,
        protocol: Protocol,
        missed: &Missed,
        reader: Member,
        log: &Log,
    ) -> Option<Start> {
        let last = missed.replays.last()?;
        let (epoch, last) = (last.epoch, last.last().number());
        let oldest = log.head().back(log.capacity_bytes() as u64 / 2);
        let fits = |run: &&Rerun| run.protocol == protocol && run.epoch == epoch;
        let found = RerunId::all().zip(&self.0).find_map(|(id, run)| {
            let run = run.as_ref().filter(fits)?;
            Some((id, run.fresh_start(missed.after, oldest)?))
        });
        let (rerun, position) = match found {
            Some(found) => found,
            None => {
                let run = Rerun::new(protocol, epoch, missed.after);
                (self.add(run, oldest)?, StreamPosition::default())
            }
        };
        let run = self.get_mut(rerun)?;
        let was_waiting = !run.waiting.is_empty();
        run.extend(&missed.replays);
        run.readers.push(reader);
        Some(Start {
            rerun,
            position,
            last,
            waits: !run.waiting.is_empty() && !was_waiting,
        })
    }

    /// Gives a rerun a name, and forgets those that nobody reads and nobody will.
    fn add(&mut self, run: Rerun, oldest: LogPosition) -> Option<RerunId> {
        self.forget_idle(oldest);
        let free = self.0.iter().position(Option::is_none);
        let place = free.unwrap_or(self.0.len());
        let id = RerunId::at(place)?;
        match self.0.get_mut(place) {
            Some(free) => *free = Some(run),
            None => self.0.push(Some(run)),
        }
        Some(id)
    }

    /// Forgets those that nobody reads and that end before `oldest` in the log.
    pub(super) fn forget_idle(&mut self, oldest: LogPosition) {
        for run in &mut self.0 {
            run.take_if(|run| run.readers.is_empty() && run.index.end() <= oldest);
        }
        while self.0.pop_if(|last| last.is_none()).is_some() {}
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// `reader` has got what it was to be sent, or is gone; returns whether anybody else reads that.
    pub(super) fn end(&mut self, id: RerunId, reader: Member) -> bool {
        let run = self.get_mut(id).expect("it has a reader");
        let place = run.readers.iter().position(|&one| one == reader);
        run.readers.swap_remove(place.expect("it was one of them"));
        if run.readers.is_empty() {
            // What waits is of no interest to anybody any more, and whoever comes has missed more.
            run.waiting.clear();
            run.known = run.appended();
        }
        !run.readers.is_empty()
    }

    /// Appends what waits of a rerun, until so many bytes are exceeded. Returns how many it has appended, and
    /// who has something to be sent now.
    pub(super) fn append(
        &mut self,
        id: RerunId,
        log: &mut Log,
        room: &str,
        encoder: &impl Encode,
        bytes_max: u64,
    ) -> (u64, &[Member]) {
        match self.get_mut(id) {
            Some(run) => (run.append(log, room, encoder, bytes_max), &run.readers),
            None => (0, &[]),
        }
    }

    /// Whether some of a rerun has yet to be appended.
    pub(super) fn waits(&self, id: RerunId) -> bool {
        self.get(id).is_some_and(|run| !run.waiting.is_empty())
    }

    /// Memory that they hold beyond what every room may have, in bytes.
    #[cold]
    pub(super) fn held_bytes(&self) -> usize {
        self.0.iter().flatten().map(Rerun::held_bytes).sum()
    }

    /// Who reads which of them.
    pub(super) fn readers(&self) -> impl Iterator<Item = (RerunId, Member)> {
        let runs = RerunId::all().zip(&self.0);
        runs.flat_map(|(id, run)| {
            let readers = run.iter().flat_map(|run| &run.readers);
            readers.map(move |&reader| (id, reader))
        })
    }
}

#[cfg(test)]
mod tests;
