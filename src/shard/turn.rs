//! One turn: what was published is put in order, appended to the log, and passed on.

use std::sync::Arc;

use super::Shard;
use super::credit;
use super::message::Message;
use crate::id::{MemberId, RoomId, ShardId};
use crate::room::Rendition;
use crate::room::sequencer::Sequencer;
use crate::room::staging::{Aside, Entry, Staging, weight};
use crate::wire::plain;

/// What a room may have appended before the next one has its turn, as a part of what a flush may.
const ROOM_TURNS_PER_FLUSH: usize = 4;

/// What arrived from a room's home and waits for its turn.
#[derive(Debug)]
pub(super) enum Delivery {
    /// Frames in their final order, from the room's home.
    Frames {
        from: ShardId,
        room: Arc<str>,
        frames: Arc<[u8]>,
        entries: Arc<[Entry]>,
    },
    /// The confirmation of a join: the member gets the frames behind it, none of those before.
    Joined { member: MemberId, ok: bool },
}

impl Shard {
    /// Frames of `room` that a session of this shard, or the room itself, wants to be said.
    pub(super) fn stage(
        &mut self,
        room: RoomId,
        notice: bool,
        origin: Option<MemberId>,
        write: impl FnOnce(&mut Vec<u8>),
    ) {
        let here = self.rooms.get_mut(room);
        let staging = match here.sequencer {
            Some(_) => &mut self.sequencing,
            None => &mut self.outbound,
        };
        let group = here.staged.get_or_insert_with(|| staging.begin(room));
        let weight = group.push(notice, origin, write);
        staging.extend(weight, here.aside);
    }

    /// Where what `room` wants to be said is staged.
    pub(super) fn staging_of(&self, room: RoomId) -> &Staging {
        match self.rooms.get(room).sequencer {
            Some(_) => &self.sequencing,
            None => &self.outbound,
        }
    }

    /// At the room's home: frames from another shard take their place in the order. What they
    /// cost is given back when this shard has room for more.
    pub(super) fn sequence(&mut self, from: ShardId, name: &str, frames: &[u8], entries: &[Entry]) {
        let cost = credit::cost(weight(frames.len(), entries.len()));
        self.credits.to_home.hold(from, cost);
        let Some(room) = self.rooms.find(name) else {
            return;
        };
        let mut at = 0;
        for entry in entries {
            let frame = &frames[at..at + entry.bytes as usize];
            at += frame.len();
            self.stage(room, entry.notice, entry.origin, |out| {
                out.extend_from_slice(frame)
            });
        }
    }

    /// Bytes that one flush may append, but for the frame that exceeds them. As many may wait to be
    /// appended before publishers are slowed down.
    pub(super) fn append_bytes_max(&self) -> usize {
        self.config().append_bytes_max()
    }

    /// Whether publishers must wait for what `staging` holds. What is held for slow members does not
    /// count, or it would hold up all other rooms; it has a limit of its own. What waits for credit
    /// moves on as soon as another shard has had its turn.
    pub(super) fn is_full(&self, staging: &Staging) -> bool {
        let most = self.append_bytes_max();
        let moving = staging.weight() - staging.weight_held();
        staging.weight_in_line() > most || moving > 2 * most
    }

    /// Appends what other shards have sequenced, as far as the flush under way leaves room for:
    /// a home with few members runs ahead of a shard with many, and must not lap its sessions.
    pub(super) fn deliver_waiting(&mut self) {
        // A part is left for what is published here, however much arrives.
        let all = self.append_bytes_max();
        let budget = if self.sequencing.is_empty() {
            all
        } else {
            all / 4 * 3
        };
        while self.appended_since_flush < budget
            && let Some(delivery) = self.deliveries.pop_front()
        {
            match delivery {
                Delivery::Frames {
                    from,
                    room,
                    frames,
                    entries,
                } => {
                    let cost = credit::cost(weight(frames.len(), entries.len()));
                    self.credits.from_home.use_up(from, cost);
                    if let Some(room) = self.rooms.find(&room) {
                        self.deliver(room, &frames, &entries);
                    }
                }
                Delivery::Joined { member, ok } => self.joined(member, ok),
            }
        }
    }

    /// Appends what was staged, room by room, as far as the flush under way leaves room for.
    pub fn handle_turn(&mut self) {
        if self.is_flushed() {
            self.appended_since_flush = 0;
        }
        self.deliver_waiting();
        let mut frames = std::mem::take(&mut self.scratch.frames);
        let mut entries = std::mem::take(&mut self.scratch.entries);
        while self.serve_outbound(&mut frames, &mut entries) {}
        while self.serve_sequencing(&mut frames, &mut entries) {}
        self.scratch.frames = frames;
        self.scratch.entries = entries;
        self.bound_held();
        self.return_credit();
        self.bound_holdings();
        self.watch();
        self.resume();
    }

    /// Passes on to its home what the next room wants to be said; false when there is none.
    fn serve_outbound(&mut self, frames: &mut Vec<u8>, entries: &mut Vec<Entry>) -> bool {
        let Some(room) = self.outbound.next() else {
            return false;
        };
        let turn_max = self.append_bytes_max() / ROOM_TURNS_PER_FLUSH;
        let here = self.rooms.get_mut(room);
        let left = self.credits.to_home.left(here.home);
        let group = here.staged.as_mut().expect("a room in line has a group");
        // Beyond that it is the home's to let a room go. Before, whoever publishes here waits: a home
        // that took more with each hold would have more and more of the room's messages.
        let held_max = self.setup.config.held_bytes_max();
        let held = here.held && self.outbound.weight_held() <= held_max;
        if let Some(aside) = aside(held, left) {
            here.aside = aside;
            self.outbound.set_aside(group.weight(), aside);
            return true;
        }
        let most = left.min(turn_max);
        let taken = group.take(most, frames, entries);
        let (home, name) = (here.home, Arc::clone(&here.name));
        let emptied = here.staged.take_if(|group| group.is_empty());
        self.credits.to_home.spend(home, credit::cost(taken));
        self.outbound.taken(taken);
        self.metrics().mesh_publishes.add(messages(entries));
        self.send(
            home,
            Message::Publish {
                room: name,
                frames: frames.clone(),
                entries: entries.clone(),
            },
        );
        match emptied {
            None => self.outbound.rotate(),
            Some(group) => {
                self.outbound.finish(group);
                for departure in std::mem::take(&mut self.rooms.get_mut(room).departures) {
                    self.tell_departure(room, departure);
                }
                self.rooms.release(room);
            }
        }
        true
    }

    /// At their home: gives the next room's frames their place in the order, and passes them on to
    /// everybody; false when there are none, or the flush under way leaves no room.
    fn serve_sequencing(&mut self, frames: &mut Vec<u8>, entries: &mut Vec<Entry>) -> bool {
        let me = self.setup.number;
        let budget = self.append_bytes_max();
        let left = budget.saturating_sub(self.appended_since_flush);
        let Some(room) = self.sequencing.next().filter(|_| left > 0) else {
            return false;
        };
        let here = self.rooms.get_mut(room);
        let sequencer = here.sequencer.as_mut().expect("this is its home");
        let credit = (sequencer.shards_except(me))
            .map(|shard| self.credits.from_home.left(shard))
            .min()
            .unwrap_or(usize::MAX);
        let group = here.staged.as_mut().expect("a room in line has a group");
        if let Some(aside) = aside(here.held, credit) {
            here.aside = aside;
            self.sequencing.set_aside(group.weight(), aside);
            return true;
        }
        let most = left.min(credit).min(budget / ROOM_TURNS_PER_FLUSH);
        let taken = group.take(most, frames, entries);
        let emptied = here.staged.take_if(|group| group.is_empty());
        self.sequencing.taken(taken);
        match emptied {
            Some(group) => self.sequencing.finish(group),
            None => self.sequencing.rotate(),
        }
        self.pass_on(room, frames, entries);
        self.rooms.release(room);
        true
    }

    /// From its home, the next run of a room's frames: to the shards with members, this one too.
    fn pass_on(&mut self, room: RoomId, frames: &[u8], entries: &[Entry]) {
        let me = self.setup.number;
        let here = self.rooms.get_mut(room);
        let sequencer = here.sequencer.as_mut().expect("this is its home");
        let messages = messages(entries);
        let first_offset = sequencer.assign(messages);
        let mut elsewhere = sequencer.shards_except(me).peekable();
        if elsewhere.peek().is_some() {
            let name = Arc::clone(&here.name);
            let (shared, described): (Arc<[u8]>, Arc<[Entry]>) = (frames.into(), entries.into());
            let cost = credit::cost(weight(frames.len(), entries.len()));
            for shard in elsewhere {
                self.credits.from_home.spend(shard, cost);
                self.metrics().mesh_publishes.add(messages);
                let deliver = Message::Deliver {
                    room: Arc::clone(&name),
                    first_offset,
                    frames: Arc::clone(&shared),
                    entries: Arc::clone(&described),
                };
                self.send(shard, deliver);
            }
        }
        self.deliver(room, frames, entries);
    }

    /// Tells other shards how much of what they sent is used up.
    fn return_credit(&mut self) {
        if self.shards() == 1 {
            return;
        }
        // With much of a held room here more would come of it each time it is let go for a moment.
        let much_held = self.sequencing.weight_held() > self.config().held_bytes_max() / 2;
        if !much_held && !self.is_full(&self.sequencing) {
            self.credits.to_home.release();
        }
        while let Some((shard, to_home)) = self.credits.to_home.poll_return() {
            let from_home = 0;
            self.send(shard, Message::Credit { to_home, from_home });
        }
        while let Some((shard, from_home)) = self.credits.from_home.poll_return() {
            let to_home = 0;
            self.send(shard, Message::Credit { to_home, from_home });
        }
    }

    /// Another shard has used up so much of what this one sent: rooms that waited for it go on.
    pub(super) fn credited(&mut self, from: ShardId, to_home: usize, from_home: usize) {
        self.credits.to_home.give_back(from, to_home);
        self.credits.from_home.give_back(from, from_home);
        self.line_up();
    }

    /// All rooms that were set aside stand in line again, to see whether they can go on now.
    pub(super) fn line_up(&mut self) {
        for room in (self.outbound.line_up()).chain(self.sequencing.line_up()) {
            self.rooms.get_mut(room).aside = Aside::No;
        }
    }

    /// Frames of `room` in their final order: into the log, and to the members here.
    pub(super) fn deliver(&mut self, room: RoomId, frames: &[u8], entries: &[Entry]) {
        let here = self.rooms.get_mut(room);
        if here.members_here() == 0 {
            return;
        }
        self.appended_since_flush += frames.len();
        let (me, sessions, log) = (self.setup.number, &mut self.sessions, &mut self.log);
        let dirty = &mut self.dirty_audiences;
        self.rooms.change(room, |here| {
            here.append(log, frames, entries, |origin, rendition, start, end| {
                let key = origin.key();
                (sessions.lookup(key))
                    .filter(|_| origin.shard == me)
                    .is_some_and(|session| session.note_own(room, rendition, start, end))
            });
            for rendition in Rendition::ALL {
                let audience = here.audience(rendition);
                if audience.members.is_empty() {
                    continue;
                }
                if audience.start_flush() {
                    dirty.push_back((room, rendition));
                }
                if audience.index.wants_pruning(audience.members.len()) {
                    let oldest = (audience.members.iter())
                        .map(|&slot| sessions.at(slot).cursor())
                        .min()
                        .unwrap_or(audience.index.head());
                    audience.index.prune(oldest, log.tail());
                }
            }
        });
        self.rooms.bound_indexes(&self.log);
        self.setup.metrics[me.index()]
            .appended_bytes
            .add(frames.len() as u64);
    }

    /// The room's sequencer, on its home shard.
    pub(super) fn sequencer(&mut self, room: RoomId) -> &mut Sequencer {
        self.rooms
            .get_mut(room)
            .sequencer
            .as_mut()
            .expect("this is the room's home")
    }

    /// Notes that the room owes its members a count.
    pub(super) fn owe_count(&mut self, room: RoomId) {
        if !self.counts_due.contains(&room) {
            self.counts_due.push(room);
        }
    }

    /// Announces the member counts whose time has come.
    pub(super) fn announce_counts(&mut self) {
        let now = self.now;
        for room in std::mem::take(&mut self.counts_due) {
            let Some(sequencer) = self.rooms.sequencer_mut(room) else {
                continue;
            };
            if !sequencer.count_due {
                // The room that owed it is gone; another has its handle.
            } else if sequencer.count_at(now) <= now {
                sequencer.counted(now);
                let count = sequencer.visible();
                self.stage(room, true, None, |out| {
                    plain::append_count(out, count as usize)
                });
            } else {
                self.counts_due.push(room);
            }
        }
    }
}

/// Why a room that is held, or not, and has so much credit is to be set aside.
fn aside(held: bool, credit: usize) -> Option<Aside> {
    if held {
        Some(Aside::ForMembers)
    } else if credit == 0 {
        Some(Aside::ForCredit)
    } else {
        None
    }
}

/// How many of `entries` are messages, which have offsets.
fn messages(entries: &[Entry]) -> u64 {
    entries.iter().filter(|entry| !entry.notice).count() as u64
}
