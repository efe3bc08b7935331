//! What those who have come back to a room are sent of what they have missed: messages that stand in the log once
//! more, each once for all who read its protocol, and are read by cursor like what is said.
//!
//! It knows neither how members come to it nor where they go on.

use std::sync::Arc;

use super::audience::Member;
use super::history::{Missed, Replay};
use super::index::Index;
use super::log::Log;
use super::rendition::{Encode, Protocol, Said};
use crate::id::{Epoch, LogPosition, RerunId, StreamPosition};

/// Missed messages of a room in one protocol, one after the other. They are appended as far as somebody has read them.
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
    /// All of them behind the place `kept_after`, and some before it: also what is appended already, for whoever reads
    /// it more slowly than the log moves on. Nothing when nobody reads.
    replays: Vec<Arc<Replay>>,
    /// Before that place nobody has begun to read who still does.
    kept_after: u64,
    /// The place up to which is appended what nobody has asked for: somebody begins to read there.
    wanted: u64,
    /// Who reads them, in no order.
    readers: Vec<Member>,
    /// Whether it stands in line to be appended.
    is_in_line: bool,
}

impl Rerun {
    fn new(protocol: Protocol, epoch: Epoch, after: u64) -> Self {
        Self {
            protocol,
            epoch,
            index: Index::default(),
            ends: Vec::new(),
            after,
            replays: Vec::new(),
            kept_after: after,
            wanted: 0,
            readers: Vec::new(),
            is_in_line: false,
        }
    }

    /// Who reads it, in no order.
    #[must_use]
    pub(crate) fn readers(&self) -> &[Member] {
        &self.readers
    }

    /// Whether more of it is about to be appended.
    #[must_use]
    pub(crate) fn is_in_line(&self) -> bool {
        self.is_in_line
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

    /// The place behind which its stream goes on at `position`, where a frame begins.
    #[must_use]
    pub(crate) fn place_before(&self, position: StreamPosition) -> u64 {
        let before = self.ends.partition_point(|&(_, end)| end <= position);
        let last = before.checked_sub(1).map(|at| self.ends[at].0);
        last.unwrap_or(self.after)
    }

    /// Where those behind the place `after`, which are in there, begin in its stream, once that is known.
    #[must_use]
    pub(crate) fn start_behind(&self, after: u64) -> Option<StreamPosition> {
        let is_coming = self.waits() && (self.ends.is_empty() || self.appended() < after);
        if is_coming {
            return None;
        }
        let before = self.ends.partition_point(|&(offset, _)| offset <= after);
        let last_before = before.checked_sub(1).map(|at| self.ends[at].1);
        Some(last_before.unwrap_or_default())
    }

    /// The offset of the newest message that is appended, or the place behind which they begin.
    fn appended(&self) -> u64 {
        self.ends.last().map_or(self.after, |&(offset, _)| offset)
    }

    /// The offset of the newest, also of those that have yet to be appended.
    fn known(&self) -> u64 {
        let newest = self.replays.last();
        newest.map_or(self.kept_after, |newest| newest.last().number())
    }

    /// Whether some of it has yet to be appended.
    fn waits(&self) -> bool {
        self.appended() < self.known()
    }

    /// Whether some of it is to be appended at once: nobody can read on before, or somebody is about to begin.
    fn is_wanted(&self) -> bool {
        self.waits() && (self.ends.is_empty() || self.appended() <= self.wanted)
    }

    /// Whether what stands in its stream at `position` stands in the log behind `oldest`.
    fn is_fresh(&self, position: StreamPosition, oldest: LogPosition) -> bool {
        match self.index.position(position) {
            Some(at) => at >= oldest,
            None => position == self.index.head(),
        }
    }

    /// Whether somebody who has missed that may read it here: what it begins with is not before `oldest` in the log,
    /// and not much that it knows is appended before.
    fn suits(&self, missed: &Missed, oldest: LogPosition, bytes_max: usize) -> bool {
        let after = missed.after;
        if !self.can_take_in(after, missed.known()) {
            return false;
        }
        if self.ends.is_empty() {
            let (first, farthest) = (self.after.min(after), self.wanted.max(after));
            let all = if after < self.after {
                &missed.replays
            } else {
                &self.replays
            };
            return Replay::weight_between(all, first, farthest) <= bytes_max;
        }
        match self.start_behind(after) {
            Some(start) => self.is_fresh(start, oldest),
            None => Replay::weight_between(&self.replays, self.appended(), after) <= bytes_max,
        }
    }

    /// Whether it can have all those between two places too: then none is missing in between, neither of its stream nor
    /// of what it keeps.
    fn can_take_in(&self, after: u64, last: u64) -> bool {
        // As long as nothing is appended, it may begin before.
        let begins = self.ends.is_empty() || after >= self.after;
        begins && after <= self.known() && last >= self.kept_after
    }

    /// It is to have those messages too.
    fn take_in(&mut self, missed: &Missed) {
        if self.ends.is_empty() {
            self.after = self.after.min(missed.after);
        }
        let mut later = Vec::new();
        if missed.after < self.kept_after {
            // Whoever reads from there on may have to read all of it once more.
            self.kept_after = missed.after;
            later = std::mem::take(&mut self.replays);
        }
        for replay in missed.replays.iter().chain(&later) {
            if replay.last().number() > self.known() {
                self.replays.push(Arc::clone(replay));
            }
        }
    }

    /// Somebody reads what lies behind the place `after`. Returns where, if that is known yet.
    fn begin(&mut self, reader: Member, after: u64) -> Option<StreamPosition> {
        self.readers.push(reader);
        let start = self.start_behind(after);
        if start.is_none() {
            self.wanted = self.wanted.max(after);
        }
        start
    }

    /// What it has of that which lies behind the place `after`, where somebody reads.
    fn missed_behind(&self, after: u64) -> Missed {
        let after = after.max(self.kept_after);
        let first = (self.replays).partition_point(|replay| replay.last().number() <= after);
        let replays = self.replays[first..].to_vec();
        Missed { after, replays }
    }

    /// Appends what waits, until so many bytes are exceeded; returns how many it has appended.
    fn append(&mut self, log: &mut Log, room: &str, encoder: &impl Encode, bytes_max: u64) -> u64 {
        let (before, epoch, appended) = (log.head(), self.epoch, self.appended());
        let next = (self.replays).partition_point(|replay| replay.last().number() <= appended);
        for at in next..self.replays.len() {
            let replay = Arc::clone(&self.replays[at]);
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
                let offset = message.offset.expect("what is kept has its place");
                let frame_bytes_max = encoder.encoded_bytes_max(self.protocol, &said);
                let (position, bytes) = log.write(frame_bytes_max, |out| {
                    encoder.encode(self.protocol, &said, out)
                });
                self.index.push(position, bytes, Some(offset));
                self.ends.push((offset.number(), self.index.head()));
            }
        }
        log.head() - before
    }

    /// What of it keeps its messages in memory, in bytes, though no history may have them any more.
    fn kept_bytes(&self) -> usize {
        self.replays.iter().map(|replay| replay.bytes()).sum()
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
    /// From where on, if that is known yet.
    pub(crate) position: Option<StreamPosition>,
    /// How far that has come.
    pub(crate) head: StreamPosition,
    /// What lies behind this place.
    pub(crate) after: u64,
    /// Up to the message with this offset.
    pub(crate) last: u64,
}

/// What keeps messages in memory for those who read what they have missed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Upkeep {
    /// What they take, in bytes.
    pub(crate) bytes: usize,
    /// Reruns that are not appended to their ends.
    pub(crate) waiting: usize,
}

/// How much of the log may be appended before somebody's place that it knows already.
const KNOWN_PART: usize = 64;

/// The reruns of a room on a shard.
#[derive(Debug, Default)]
pub(super) struct Reruns {
    all: Vec<Option<Rerun>>,
    /// What the messages of all of them take.
    kept_bytes: usize,
}

impl Reruns {
    /// The rerun of that name, if it is still there.
    pub(super) fn get(&self, id: RerunId) -> Option<&Rerun> {
        self.all.get(id.index())?.as_ref()
    }

    /// Like [`Self::get`].
    fn get_mut(&mut self, id: RerunId) -> Option<&mut Rerun> {
        self.all.get_mut(id.index())?.as_mut()
    }

    /// Each with its name.
    fn named(&self) -> impl Iterator<Item = (RerunId, &Rerun)> {
        RerunId::all()
            .zip(&self.all)
            .filter_map(|(id, run)| Some((id, run.as_ref()?)))
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
        let newest = missed.replays.last()?;
        let (epoch, last) = (newest.epoch, newest.last().number());
        let oldest = newer_half(log);
        let known_max = log.capacity_bytes() / KNOWN_PART;
        let found = (self.named())
            .filter(|(_, run)| run.protocol == protocol && run.epoch == epoch)
            .find(|(_, run)| run.suits(missed, oldest, known_max))
            .map(|(id, _)| id);
        let rerun = match found {
            Some(found) => found,
            None => self.add(Rerun::new(protocol, epoch, missed.after), oldest)?,
        };
        let run = self.get_mut(rerun)?;
        run.take_in(missed);
        let position = run.begin(reader, missed.after);
        let head = run.index.head();
        self.count();
        Some(Start {
            rerun,
            position,
            head,
            after: missed.after,
            last,
        })
    }

    /// `reader` has fallen behind in a rerun, and reads on behind the place `after` where it stands in the newer
    /// half of the log, or once more. `None` when there are too many reruns.
    pub(super) fn begin_again(
        &mut self,
        id: RerunId,
        after: u64,
        reader: Member,
        log: &Log,
    ) -> Option<Start> {
        let run = self.get(id)?;
        let (protocol, missed) = (run.protocol, run.missed_behind(after));
        let start = self.begin(protocol, &missed, reader, log)?;
        self.end(id, reader);
        Some(start)
    }

    /// `reader` has read all that there is of a rerun: it reads on in another that has more, if there is one.
    pub(super) fn go_over(&mut self, id: RerunId, reader: Member, log: &Log) -> Option<Start> {
        let run = self.get(id)?;
        let (after, oldest) = (run.appended(), newer_half(log));
        let goes_on = |&(other, one): &(RerunId, &Rerun)| {
            let is_ahead = one.appended() > after || (one.appended() == after && other < id);
            other != id
                && (one.protocol, one.epoch) == (run.protocol, run.epoch)
                && !one.ends.is_empty()
                && one.can_take_in(after, run.known())
                && is_ahead
                && (one.start_behind(after)).is_some_and(|start| one.is_fresh(start, oldest))
        };
        let rerun = self.named().find(goes_on)?.0;
        let missed = run.missed_behind(after);
        let other = self.get_mut(rerun)?;
        other.take_in(&missed);
        let position = other.begin(reader, after);
        let (head, last) = (other.index.head(), other.known());
        self.count();
        self.end(id, reader);
        Some(Start {
            rerun,
            position,
            head,
            after,
            last,
        })
    }

    /// Gives a rerun a name, and forgets those that nobody reads and nobody will.
    fn add(&mut self, run: Rerun, oldest: LogPosition) -> Option<RerunId> {
        self.forget_idle(oldest);
        let free = self.all.iter().position(Option::is_none);
        let place = free.unwrap_or(self.all.len());
        let id = RerunId::at(place)?;
        match self.all.get_mut(place) {
            Some(free) => *free = Some(run),
            None => self.all.push(Some(run)),
        }
        Some(id)
    }

    /// Forgets those that nobody reads and that end before `oldest` in the log.
    pub(super) fn forget_idle(&mut self, oldest: LogPosition) {
        for run in &mut self.all {
            run.take_if(|run| run.readers.is_empty() && run.index.end() <= oldest);
        }
        while self.all.pop_if(|last| last.is_none()).is_some() {}
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// `reader` has got what it was to be sent, or is gone; returns whether anybody else reads that.
    pub(super) fn end(&mut self, id: RerunId, reader: Member) -> bool {
        let run = self.get_mut(id).expect("it has a reader");
        let place = run.readers.iter().position(|&one| one == reader);
        run.readers.swap_remove(place.expect("it was one of them"));
        if !run.readers.is_empty() {
            return true;
        }
        // What waits is of no interest to anybody any more, and whoever comes has missed more.
        run.replays = Vec::new();
        run.kept_after = run.appended();
        self.count();
        false
    }

    /// More of a rerun is to be appended; false when there is no more, or it stands in line for that already.
    pub(super) fn line_up(&mut self, id: RerunId) -> bool {
        let run = self.get_mut(id).filter(|run| run.waits());
        run.is_some_and(|run| !std::mem::replace(&mut run.is_in_line, true))
    }

    /// Appends what waits of a rerun, until so many bytes are exceeded. Returns how many it has appended, and whether
    /// it stands in line again.
    pub(super) fn append(
        &mut self,
        id: RerunId,
        log: &mut Log,
        room: &str,
        encoder: &impl Encode,
        bytes_max: u64,
    ) -> (u64, bool) {
        // Its name may be another's by now, that stands in line behind it.
        let Some(run) = self.get_mut(id).filter(|run| run.is_in_line) else {
            return (0, false);
        };
        let appended = run.append(log, room, encoder, bytes_max);
        run.is_in_line = run.is_wanted();
        (appended, run.is_in_line)
    }

    /// What they keep in memory.
    pub(super) fn upkeep(&self) -> Upkeep {
        Upkeep {
            bytes: self.kept_bytes,
            waiting: self.named().filter(|(_, run)| run.waits()).count(),
        }
    }

    /// Counts what their messages take, each of them once however many have it.
    fn count(&mut self) {
        let keep = |run: &&Rerun| !run.replays.is_empty();
        let mut keepers = self.all.iter().flatten().filter(keep);
        self.kept_bytes = match (keepers.next(), keepers.next()) {
            (None, _) => 0,
            (Some(run), None) => run.kept_bytes(),
            _ => {
                let mut all = self.kept();
                all.dedup_by(|one, other| Arc::ptr_eq(one, other));
                all.iter().map(|replay| replay.bytes()).sum()
            }
        };
    }

    /// What they keep, by where it lies in memory.
    fn kept(&self) -> Vec<&Arc<Replay>> {
        let all = self.all.iter().flatten().flat_map(|run| &run.replays);
        let mut all: Vec<&Arc<Replay>> = all.collect();
        all.sort_unstable_by_key(|replay| Arc::as_ptr(replay));
        all
    }

    /// What they don't keep yet of what somebody has missed, in bytes of memory.
    pub(super) fn bytes_to_keep(&self, missed: &Missed) -> usize {
        let kept = self.kept();
        let is_new = |replay: &&Arc<Replay>| {
            let found = kept.binary_search_by_key(&Arc::as_ptr(replay), |one| Arc::as_ptr(one));
            found.is_err()
        };
        let new = missed.replays.iter().filter(is_new);
        new.map(|replay| replay.bytes()).sum()
    }

    /// Memory that they hold beyond what every room may have, in bytes.
    #[cold]
    pub(super) fn held_bytes(&self) -> usize {
        self.all.iter().flatten().map(Rerun::held_bytes).sum()
    }

    /// Who reads which of them.
    pub(super) fn readers(&self) -> impl Iterator<Item = (RerunId, Member)> {
        (self.named()).flat_map(|(id, run)| run.readers.iter().map(move |&reader| (id, reader)))
    }
}

/// Where the newer half of the log begins.
fn newer_half(log: &Log) -> LogPosition {
    log.head().back(log.capacity_bytes() as u64 / 2)
}

#[cfg(test)]
mod tests;
