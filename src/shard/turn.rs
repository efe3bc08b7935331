//! One turn: what was published is put in order, appended to the log, and passed on.

use std::sync::Arc;

use super::Shard;
use super::message::Message;
use crate::room::index::MemberId;
use crate::room::sequencer::Sequencer;
use crate::room::staging::Entry;
use crate::room::{Rendition, RoomId};
use crate::session::SessionKey;
use crate::wire::plain;

/// The part of the log that one flush may append before every session had its send: sessions that
/// keep up are then never overtaken by the tail.
const APPEND_PER_FLUSH: usize = 8;

/// What arrived from a room's home and waits for its turn.
#[derive(Debug)]
pub(super) enum Delivery {
    /// Frames in their final order.
    Frames {
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
        let (here, staging) = (self.rooms.get_mut(room), &mut self.staging);
        let group = here.staged.get_or_insert_with(|| staging.begin(room));
        let bytes = group.push(notice, origin, write);
        staging.extend(bytes);
    }

    /// At the room's home: frames from another shard take their place in the order.
    pub(super) fn sequence(&mut self, name: &Arc<str>, frames: &[u8], entries: &[Entry]) {
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
        self.config().log_bytes / APPEND_PER_FLUSH
    }

    /// Appends what other shards have sequenced, as far as the flush under way leaves room for:
    /// a home with few members runs ahead of a shard with many, and must not lap its sessions.
    pub(super) fn deliver_waiting(&mut self) {
        let budget = self.append_bytes_max();
        while self.appended_since_flush < budget
            && let Some(delivery) = self.deliveries.pop_front()
        {
            match delivery {
                Delivery::Frames {
                    room,
                    frames,
                    entries,
                } => {
                    if let Some(room) = self.rooms.find(&room) {
                        self.deliver(room, &frames, &entries);
                    }
                }
                Delivery::Joined { member, ok } => self.joined(member, ok),
            }
        }
    }

    /// The names of the rooms whose frames wait, as often as they do.
    pub(super) fn rooms_waiting(&self) -> impl Iterator<Item = &Arc<str>> {
        (self.deliveries.iter()).filter_map(|delivery| match delivery {
            Delivery::Frames { room, .. } => Some(room),
            Delivery::Joined { .. } => None,
        })
    }

    /// Appends what was staged, room by room, as far as the flush under way leaves room for.
    pub fn handle_turn(&mut self) {
        let budget = self.append_bytes_max();
        if self.is_flushed() {
            self.appended_since_flush = 0;
        }
        self.deliver_waiting();
        let mut frames = std::mem::take(&mut self.scratch.frames);
        let mut entries = std::mem::take(&mut self.scratch.entries);
        while let Some(room) = self.staging.next()
            && self.appended_since_flush < budget
        {
            let left = budget - self.appended_since_flush;
            let staged = &mut self.rooms.get_mut(room).staged;
            let group = staged
                .as_mut()
                .expect("a room in line has something staged");
            group.take(left, &mut frames, &mut entries);
            self.staging.taken(frames.len());
            let emptied = staged.take_if(|group| group.is_empty());
            let empty = emptied.is_some();
            if let Some(group) = emptied {
                self.staging.finish(group);
            }
            self.pass_on(room, &frames, &entries);
            if empty {
                for departure in std::mem::take(&mut self.rooms.get_mut(room).departures) {
                    self.tell_departure(room, departure);
                }
            }
            self.rooms.release(room);
        }
        self.scratch.frames = frames;
        self.scratch.entries = entries;
        self.watch();
        self.resume();
    }

    /// The next run of a room's frames: to its home, or from its home to everybody.
    fn pass_on(&mut self, room: RoomId, frames: &[u8], entries: &[Entry]) {
        let me = self.setup.number;
        let here = self.rooms.get_mut(room);
        let (name, home) = (&here.name, here.home);
        let messages = entries.iter().filter(|entry| !entry.notice).count() as u64;
        let Some(sequencer) = &mut here.sequencer else {
            let publish = Message::Publish {
                room: Arc::clone(name),
                frames: frames.to_vec(),
                entries: entries.to_vec(),
            };
            self.metrics().mesh_publishes.add(messages);
            return self.send(home, publish);
        };
        let first_offset = sequencer.assign(messages);
        let mut elsewhere = sequencer.shards_except(me).peekable();
        if elsewhere.peek().is_some() {
            let name = Arc::clone(name);
            let (shared, described): (Arc<[u8]>, Arc<[Entry]>) = (frames.into(), entries.into());
            for shard in elsewhere {
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

    /// Frames of `room` in their final order: into the log, and to the members here.
    pub(super) fn deliver(&mut self, room: RoomId, frames: &[u8], entries: &[Entry]) {
        let here = self.rooms.get_mut(room);
        if here.members_here() == 0 {
            return;
        }
        self.appended_since_flush += frames.len();
        let (me, sessions) = (self.setup.number, &mut self.sessions);
        here.append(
            &mut self.log,
            frames,
            entries,
            |origin, rendition, start, end| {
                if origin.shard == me
                    && let Some(session) = sessions.lookup(SessionKey::from(origin))
                    && session.reads(room, rendition)
                {
                    session.own.note(start, end, session.cursor);
                }
            },
        );
        for rendition in Rendition::ALL {
            let audience = here.audience(rendition);
            if audience.members.is_empty() {
                continue;
            }
            if audience.start_flush() {
                self.dirty_audiences.push_back((room, rendition));
            }
            if audience.index.wants_pruning(audience.members.len()) {
                let oldest = (audience.members.iter())
                    .map(|&slot| sessions.at(slot).cursor)
                    .min()
                    .unwrap_or(audience.index.head());
                audience.index.prune(oldest, self.log.tail());
            }
        }
        self.setup.metrics[usize::from(me)]
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
