//! Rooms: who is in them, what has been said, and in which order.
//!
//! A `Room` on a shard is what that shard's members need: an `Audience` for each
//! rendition in use, which maps their stream to the shard's [`log::Log`]. On the room's home shard it
//! also has a `Home`, which alone decides who is in and in which order things were said. Rooms
//! know neither sockets nor clocks, and are handed whatever makes the bytes of messages.

pub(crate) mod audience;
pub(crate) mod congestion;
pub(crate) mod directory;
mod facts;
mod few;
mod histories;
pub(crate) mod history;
pub(crate) mod home;
pub mod homes;
pub mod index;
pub mod log;
mod mapping;
mod order;
pub mod own;
pub(crate) mod positions;
pub(crate) mod presence;
pub mod rendition;
pub(crate) mod rerun;
mod spare;
pub(crate) mod staging;
pub(crate) mod table;

use std::sync::Arc;

use self::audience::{Audience, Audiences, Member};
use self::congestion::Behind;
use self::facts::Facts;
use self::history::Missed;
use self::history::Recover;
use self::home::{Guest, Home};
use self::index::Index;
use self::log::Log;
use self::own::{Own, OwnMessage};
use self::rendition::{Encode, Protocol, Rendition, Said};
use self::rerun::{Rerun, Reruns, Start, Upkeep};
use self::staging::{Aside, Group};
pub(crate) use self::table::{Bounds, Rooms};
use crate::id::{Epoch, LogPosition, RerunId, ShardId, StreamPosition};
use crate::message::Slice;

/// A member that has left, and its home has yet to hear of that.
#[derive(Debug, Clone)]
pub(crate) struct Departure {
    /// Who.
    pub(crate) guest: Guest,
    /// How it has asked to join again since, if it has.
    pub(crate) returns: Option<Returning>,
}

/// A member that has left asks to join again, perhaps as somebody else.
#[derive(Debug, Clone)]
pub(crate) struct Returning {
    /// Who.
    pub(crate) guest: Guest,
    /// What it wants of what it has missed.
    pub(crate) recover: Option<Box<Recover>>,
}

/// A room as one shard sees it: a cache line of its own state and two for the audience that nearly every
/// room has, where behind it there is room for what a message does not need. Processors fetch lines by pairs.
#[derive(Debug)]
#[repr(C, align(64))]
pub(crate) struct Room {
    /// What this turn has gathered for it, if it is anything.
    pub(crate) staged: Option<Box<Group>>,
    /// Present on the home shard.
    pub(crate) home: Option<Home>,
    /// The incarnation that the newest message was of.
    epoch: Option<Epoch>,
    /// Sessions here whose join the home shard has yet to confirm.
    pub(crate) joining: u32,
    /// The shard that puts its messages in order.
    pub(crate) home_shard: ShardId,
    /// What is so of it.
    pub(crate) facts: Facts,
    /// Whether what is staged was set aside until something outside happens.
    pub(crate) aside: Aside,
    audiences: Audiences,
    /// Its name; empty for the default room.
    pub(crate) name: Arc<str>,
    /// What few rooms have, while they do.
    rest: Option<Box<Rest>>,
}

const _: () = assert!(size_of::<Room>() == 192 && std::mem::offset_of!(Room, audiences) == 56);

/// What few rooms have.
#[derive(Debug, Default)]
pub(crate) struct Rest {
    /// Members that left after what is staged was said: their homes hear of it in that order.
    departures: Vec<Departure>,
    /// What members here are sent that have missed something.
    reruns: Reruns,
    /// What its home was last told of members here that are behind.
    told_behind: Behind,
}

impl Rest {
    fn is_empty(&self) -> bool {
        self.departures.is_empty()
            && self.reruns.is_empty()
            && self.told_behind == Behind::default()
    }
}

impl Room {
    fn new(name: Arc<str>, home_shard: ShardId, home: Option<Home>) -> Self {
        Self {
            staged: None,
            home,
            rest: None,
            name,
            joining: 0,
            home_shard,
            facts: Facts::default(),
            aside: Aside::No,
            audiences: Audiences::new(),
            epoch: None,
        }
    }

    /// Gives its memory back when it holds nothing.
    fn end_rest(&mut self) {
        self.rest.take_if(|rest| rest.is_empty());
    }

    /// A member has left after what is staged was said.
    pub(crate) fn depart(&mut self, departure: Departure) {
        let rest = self.rest.get_or_insert_default();
        rest.departures.push(departure);
    }

    /// Members of whose leave its home has yet to hear.
    pub(crate) fn departures(&self) -> impl Iterator<Item = &Departure> {
        (self.rest.iter()).flat_map(|rest| rest.departures.iter())
    }

    /// The same, which may come again before that.
    pub(crate) fn departures_mut(&mut self) -> impl Iterator<Item = &mut Departure> {
        (self.rest.iter_mut()).flat_map(|rest| rest.departures.iter_mut())
    }

    /// The same, which it is about to hear.
    pub(crate) fn take_departures(&mut self) -> Option<Vec<Departure>> {
        let departures = std::mem::take(&mut self.rest.as_mut()?.departures);
        self.end_rest();
        Some(departures)
    }

    fn has_departures(&self) -> bool {
        self.departures().next().is_some()
    }

    /// So many members are behind here; returns whether its home does not know that, and is to be told.
    pub(crate) fn tell_behind(&mut self, behind: Behind) -> bool {
        let told = (self.rest.as_ref()).map_or(Behind::default(), |rest| rest.told_behind);
        if told == behind && !self.facts.is_forgotten() {
            return false;
        }
        self.facts.tell();
        self.rest.get_or_insert_default().told_behind = behind;
        self.end_rest();
        true
    }

    /// Its audiences here.
    pub(crate) fn audiences(&self) -> impl Iterator<Item = &Audience> {
        self.audiences.iter()
    }

    /// Whether it keeps what is said, or is read in another protocol than the plain one, as far as is known here.
    #[must_use]
    pub(crate) fn has_clients(&self) -> bool {
        let reads_other = |audience: &Audience| audience.rendition().protocol() != Protocol::Plain;
        let is_told = self.facts.has_history() || self.facts.has_clients();
        is_told || self.audiences().any(reads_other)
    }

    /// Does something to each of them.
    #[inline]
    pub(crate) fn for_each_audience(&mut self, each: impl FnMut(&mut Audience)) {
        self.audiences.for_each(each);
    }

    /// The stream that members of `rendition` read, if there are any.
    #[must_use]
    pub(crate) fn index(&self, rendition: Rendition) -> Option<&Index> {
        (self.audiences.find(rendition)).map(Audience::index)
    }

    /// Adds a member; returns where it stands in its audience, and where its stream begins.
    pub(crate) fn add(&mut self, rendition: Rendition, member: Member) -> (u32, StreamPosition) {
        let audience = self.audiences.find_or_begin(rendition);
        (audience.add(member), audience.index.head())
    }

    /// Takes out the member that stands at `number` of its audience; returns the one that moved into
    /// its place, and whether a flush is under way that may now pass that one by.
    pub(crate) fn remove(&mut self, rendition: Rendition, number: u32) -> (Option<Member>, bool) {
        let audience = self.audiences.find_mut(rendition);
        let audience = audience.expect("a member has its audience");
        let moved = (audience.remove(number), audience.is_flushing());
        self.audiences.end_empty();
        if !self.has_members_here() {
            self.facts.forget();
            if let Some(rest) = &mut self.rest {
                rest.told_behind = Behind::default();
                rest.reruns = Reruns::default();
                self.end_rest();
            }
        }
        moved
    }

    /// The member of an audience that the flush under way serves next; `None` when it is complete.
    pub(crate) fn next_to_flush(&mut self, rendition: Rendition) -> Option<Member> {
        self.audiences.find_mut(rendition)?.next_to_flush()
    }

    /// Whether there are members on this shard.
    #[must_use]
    #[inline]
    pub(crate) const fn has_members_here(&self) -> bool {
        !self.audiences.is_empty()
    }

    /// Members on this shard.
    #[must_use]
    pub(crate) fn members_here(&self) -> usize {
        (self.audiences).sum(|audience| audience.members().len())
    }

    /// Lets `member`, who reads `rendition`, have what it has missed; `None` when too many members have missed
    /// different things.
    fn begin_rerun(
        &mut self,
        rendition: Rendition,
        member: Member,
        missed: &Missed,
        log: &Log,
    ) -> Option<Start> {
        let rest = self.rest.get_or_insert_default();
        rest.reruns.begin(rendition.protocol(), missed, member, log)
    }

    /// What a member is sent of what it has missed.
    #[must_use]
    pub(crate) fn rerun(&self, id: RerunId) -> Option<&Rerun> {
        self.rest.as_ref()?.reruns.get(id)
    }

    /// `member` has got all of it, or is gone; returns whether anybody else reads it.
    fn end_rerun(&mut self, id: RerunId, member: Member) -> bool {
        let rest = self.rest.as_mut().expect("it is read");
        rest.reruns.end(id, member)
    }

    /// Forgets all that nobody reads.
    fn forget_reruns(&mut self) {
        self.forget_reruns_before(LogPosition::new(u64::MAX));
    }

    /// `member` has fallen behind in a rerun, and reads on behind the place `after` where that is newer; `None` when
    /// too many members have missed different things.
    fn begin_rerun_again(
        &mut self,
        id: RerunId,
        after: u64,
        member: Member,
        log: &Log,
    ) -> Option<Start> {
        self.rest
            .as_mut()?
            .reruns
            .begin_again(id, after, member, log)
    }

    /// `member` has read all that there is of a rerun, and goes on in another that has more, if there is one.
    fn go_over(&mut self, id: RerunId, member: Member, log: &Log) -> Option<Start> {
        self.rest.as_mut()?.reruns.go_over(id, member, log)
    }

    /// More of a rerun is to be appended; false when there is no more, or it stands in line for that already.
    pub(crate) fn line_up_rerun(&mut self, id: RerunId) -> bool {
        (self.rest.as_mut()).is_some_and(|rest| rest.reruns.line_up(id))
    }

    /// What they don't keep yet of what somebody has missed, in bytes of memory.
    fn bytes_to_keep(&self, missed: &Missed) -> usize {
        let reruns = self.rest.as_ref().map(|rest| &rest.reruns);
        reruns.map_or_else(|| missed.bytes(), |reruns| reruns.bytes_to_keep(missed))
    }

    /// What its reruns keep in memory.
    fn upkeep(&self) -> Upkeep {
        (self.rest.as_ref()).map_or_else(Upkeep::default, |rest| rest.reruns.upkeep())
    }

    /// Appends what waits of a rerun to `log`, until so many bytes are exceeded. Returns how many it has appended, and
    /// whether it stands in line again.
    fn append_rerun(
        &mut self,
        id: RerunId,
        log: &mut Log,
        encoder: &impl Encode,
        bytes_max: u64,
    ) -> (u64, bool) {
        match &mut self.rest {
            Some(rest) => (rest.reruns).append(id, log, &self.name, encoder, bytes_max),
            None => (0, false),
        }
    }

    /// Members that are sent what they have missed, and by which rerun.
    pub(crate) fn rerun_readers(&self) -> impl Iterator<Item = (RerunId, Member)> {
        self.rest.iter().flat_map(|rest| rest.reruns.readers())
    }

    /// Forgets what of its indexes has a log position before `log_tail`, as if the log did not reach further
    /// back.
    fn forget(&mut self, log_tail: LogPosition) {
        self.audiences
            .for_each(|audience| audience.index.forget(log_tail));
        self.forget_reruns_before(log_tail);
    }

    fn forget_reruns_before(&mut self, log_tail: LogPosition) {
        if let Some(rest) = &mut self.rest {
            rest.reruns.forget_idle(log_tail);
            self.end_rest();
        }
    }

    /// Appends `messages`, which belong to `epoch`, to `log` and to the stream of every audience that
    /// reads them: each message once for each protocol in use, which `encoder` writes. `is_ahead` is
    /// told of every own message, and says whether whoever said it has it ahead there. Returns the bytes
    /// that were appended.
    pub(crate) fn append(
        &mut self,
        log: &mut Log,
        epoch: Epoch,
        messages: Slice<'_>,
        encoder: &impl Encode,
        mut is_ahead: impl FnMut(&OwnMessage) -> bool,
    ) -> usize {
        if self.epoch.replace(epoch) != Some(epoch) {
            (self.audiences).for_each(|audience| audience.index.begin_epoch());
        }
        let before = log.head();
        let is_ahead = &mut is_ahead;
        if self.audiences.are_plain() {
            // Plain members are told neither, and both are in another cache line.
            for message in messages.messages() {
                let said = Said {
                    room: "",
                    epoch,
                    message: &message,
                    has_history: false,
                };
                let audiences = &mut self.audiences;
                append_one(audiences, log, &said, || Protocol::Plain, encoder, is_ahead);
            }
        } else {
            self.append_in_each(log, epoch, messages, encoder, is_ahead);
        }
        usize::try_from(log.head() - before).expect("a log fits in memory")
    }

    /// The same where others than plain members are told.
    #[cold]
    fn append_in_each(
        &mut self,
        log: &mut Log,
        epoch: Epoch,
        messages: Slice<'_>,
        encoder: &impl Encode,
        is_ahead: &mut impl FnMut(&OwnMessage) -> bool,
    ) {
        for protocol in self.audiences.protocols().iter() {
            for message in messages.messages() {
                let said = Said {
                    room: &self.name,
                    epoch,
                    message: &message,
                    has_history: self.facts.has_history(),
                };
                let audiences = &mut self.audiences;
                append_one(audiences, log, &said, || protocol, encoder, is_ahead);
            }
        }
    }

    /// Compares what it keeps twice.
    ///
    /// # Errors
    /// A sentence about the first that does not agree.
    pub(crate) fn check_invariants(&self) -> Result<(), String> {
        if let Some(home) = &self.home {
            home.check_invariants()?;
        }
        if self.staged.as_ref().is_some_and(|group| group.is_empty()) {
            return Err(format!("{:?} stages nothing", self.name));
        }
        if self.staged.is_none() && (self.has_departures() || self.aside != Aside::No) {
            return Err(format!("{:?} waits for nothing", self.name));
        }
        self.audiences()
            .try_for_each(|audience| audience.index.check_invariants())
    }

    /// Memory of its indexes beyond what every room may have.
    #[inline]
    fn index_bytes(&self) -> usize {
        let reruns = (self.rest.as_ref()).map_or(0, |rest| rest.reruns.held_bytes());
        reruns + (self.audiences).sum(|audience| audience.index.held_bytes_beyond_few())
    }

    fn is_unused(&self) -> bool {
        !self.has_members_here()
            && self.joining == 0
            && self.staged.is_none()
            && !self.has_departures()
            && self.home.as_ref().is_none_or(|home| home.is_idle())
    }
}

/// Appends what was said in one protocol, to every stream of it that has such. The protocol is a function, so that the
/// code for plain members is made for them alone.
#[inline]
fn append_one(
    audiences: &mut Audiences,
    log: &mut Log,
    said: &Said<'_>,
    protocol: impl Fn() -> Protocol,
    encoder: &impl Encode,
    is_ahead: &mut impl FnMut(&OwnMessage) -> bool,
) {
    let message = said.message;
    let mut written = None;
    audiences.for_each(|audience| {
        let protocol = protocol();
        let rendition = audience.rendition();
        if rendition.protocol() != protocol || !rendition.has(message) {
            return;
        }
        let written = written.get_or_insert_with(|| {
            let bytes_max = encoder.encoded_bytes_max(protocol, said);
            // What is too long for clients has no place: it was on its way when the first of them came.
            let has_place = message.offset.is_some() || message.is_notice();
            let fits = protocol == Protocol::Plain || has_place;
            fits.then(|| log.write(bytes_max, |out| encoder.encode(protocol, said, out)))
        });
        let Some((position, bytes)) = *written else {
            return;
        };
        let start = audience.index.push(position, bytes, message.offset);
        if let Some(origin) = message.excluded()
            && let Some(what) = Own::of(protocol, &message.event)
        {
            let own = OwnMessage {
                what,
                origin,
                rendition,
                start,
                end: audience.index.head(),
            };
            if is_ahead(&own) {
                audience.index.push_own(origin, start);
            }
        }
    });
}

#[cfg(test)]
mod tests;
