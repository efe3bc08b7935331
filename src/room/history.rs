//! What a room keeps of what was said: so many messages, for so long, and whether that is all that
//! somebody has missed. Time is an argument.

mod ask;
mod retained;

use std::sync::Arc;
use std::time::Duration;

pub(crate) use self::ask::{Direction, EpochClaim, Otherwise, Recover};
pub(crate) use self::ask::{Position, Query, Since, Unreadable};
pub(crate) use self::retained::Replay;
use self::retained::Retained;
use crate::id::{Epoch, Offset};
use crate::message::{Message, Run, Slice};

/// How much a room keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Retention {
    /// So many messages.
    pub(crate) messages_max: usize,
    /// All of them until so long after the newest.
    pub(crate) messages_time: Duration,
    /// And so long after the last visit the place where its history stands.
    pub(crate) position_time: Duration,
    /// What somebody who comes back is sent.
    pub(crate) mode: RecoveryMode,
    /// Messages that are recovered at once, if there is a limit; who has missed more has lost them.
    pub(crate) recovered_max: Option<usize>,
}

/// What somebody who comes back to a room is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RecoveryMode {
    /// All that it has missed.
    Stream,
    /// The newest message.
    Cache,
}

/// What has become of a wish to recover.
#[derive(Debug, Clone)]
pub(crate) enum Recovery {
    /// There was none.
    NotAsked,
    /// Not all that was missed is there.
    Lost,
    /// All of it is there, if it is anything.
    Recovered(Option<Missed>),
}

/// What somebody has missed.
#[derive(Debug, Clone)]
pub(crate) struct Missed {
    /// The place behind which it was said.
    pub(crate) after: u64,
    /// All of it, in its order; what was said before may come first.
    pub(crate) replays: Vec<Arc<Replay>>,
}

impl Missed {
    /// The place up to which that is.
    pub(super) fn known(&self) -> u64 {
        let newest = self.replays.last();
        newest.map_or(self.after, |newest| newest.last().number())
    }

    /// Memory that its messages take, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.replays.iter().map(|replay| replay.bytes()).sum()
    }
}

/// What a room keeps.
#[derive(Debug)]
pub(crate) struct History {
    retention: Retention,
    /// Memory of the room that stays for it, in bytes.
    room_bytes: usize,
    retained: Retained,
    /// The offset of the newest message that is not kept, or no longer; 0 when all are.
    lost: u64,
    /// When the newest message was said.
    newest_at: Duration,
    /// When somebody last came by.
    visited_at: Duration,
    /// Tells it from the history of another room that has the same handle later.
    pub(super) serial: u64,
    /// Whether it is noted that it is to be looked at in time.
    pub(super) is_noted: bool,
}

impl History {
    /// One of a room whose messages up to the place `top` are not kept.
    #[must_use]
    pub(super) fn new(retention: Retention, top: u64, serial: u64, now: Duration) -> Self {
        Self {
            retention,
            room_bytes: 0,
            retained: Retained::default(),
            lost: top,
            newest_at: now,
            visited_at: now,
            serial,
            is_noted: false,
        }
    }

    /// Whether no message is kept.
    #[must_use]
    pub(super) fn is_empty(&self) -> bool {
        self.retained.is_empty()
    }

    /// That of a room that takes so many bytes: they count as its own as long as it keeps a message, since the room may
    /// be there for nothing else.
    #[must_use]
    pub(super) fn of_room(self, room_bytes: usize) -> Self {
        Self { room_bytes, ..self }
    }

    /// Memory of its messages and of the room that stays for them, in bytes.
    #[must_use]
    pub(super) fn bytes(&self) -> usize {
        let room_bytes = if self.is_empty() { 0 } else { self.room_bytes };
        self.retained.bytes() + room_bytes
    }

    /// When the newest message was said.
    #[must_use]
    pub(super) fn newest_at(&self) -> Duration {
        self.newest_at
    }

    /// When its messages are kept no longer, if there are any and none comes.
    #[must_use]
    pub(super) fn expires_at(&self) -> Option<Duration> {
        (!self.is_empty()).then(|| self.newest_at.saturating_add(self.retention.messages_time))
    }

    /// Until when the place is to be remembered where it stands, when nobody comes by.
    #[must_use]
    pub(super) fn remembered_until(&self) -> Duration {
        let visited_at = self.visited_at.max(self.newest_at);
        visited_at.saturating_add(self.retention.position_time)
    }

    /// Somebody came by.
    pub(super) fn visit(&mut self, now: Duration) {
        self.visited_at = now;
    }

    /// Keeps what was said and has offsets of `epoch`.
    pub(super) fn keep(&mut self, epoch: Epoch, said: Slice<'_>, now: Duration) {
        self.expire(now);
        if said.published() == 0 {
            return;
        }
        let lost = (self.retained).keep(epoch, said, self.retention.messages_max);
        self.lose(lost);
        self.newest_at = now;
    }

    /// Messages up to `offset` are kept no longer.
    fn lose(&mut self, offset: Option<Offset>) {
        self.lost = offset.map_or(self.lost, Offset::number);
    }

    /// Keeps nothing any longer that is too old.
    pub(super) fn expire(&mut self, now: Duration) {
        if self.expires_at().is_some_and(|at| at <= now) {
            self.clear();
        }
    }

    /// Keeps no message any longer.
    pub(super) fn clear(&mut self) {
        self.lose(self.retained.newest());
        self.retained.clear();
    }

    /// Keeps its oldest messages no longer, until so many bytes less are taken or none is left.
    pub(super) fn give_way(&mut self, epoch: Epoch, bytes: usize) {
        let lost = self.retained.give_way(epoch, bytes);
        self.lose(lost);
    }

    /// What there is for somebody who knows `since`, where the room's order stands at `position`. It is all
    /// that was missed, or nothing.
    #[must_use]
    pub(super) fn recover(
        &mut self,
        since: &Since,
        position: &Position,
        now: Duration,
    ) -> Recovery {
        self.expire(now);
        let after = match self.retention.mode {
            RecoveryMode::Stream => self.recovers_stream(since, position),
            RecoveryMode::Cache => self.recovers_newest(since, position),
        };
        let Some(after) = after else {
            return Recovery::Lost;
        };
        let messages_max = self.retention.messages_max;
        let replays = self.retained.share(position.epoch, after, messages_max);
        Recovery::Recovered(replays.map(|replays| Missed { after, replays }))
    }

    /// The place behind which all is there that somebody has missed who knows `since`; `None` when not all
    /// of it is.
    fn recovers_stream(&self, since: &Since, position: &Position) -> Option<u64> {
        let all = self.lost..=position.top;
        if !since.epoch.fits(position.epoch) || !all.contains(&since.offset) {
            return None;
        }
        let missed = self.retained.count_behind(since.offset);
        let few = (self.retention.recovered_max).is_none_or(|most| missed <= most);
        few.then_some(since.offset)
    }

    /// The same where only the newest message matters.
    fn recovers_newest(&self, since: &Since, position: &Position) -> Option<u64> {
        let knows_all =
            since.offset > 0 && since.offset == position.top && since.epoch.names(position.epoch);
        let newest = self.retained.newest().map(Offset::number);
        if knows_all {
            Some(position.top)
        } else if newest == Some(position.top) {
            // Nothing lies between one place and the next.
            newest.map(|newest| newest - 1)
        } else {
            None
        }
    }

    /// What `query` asks for, in at most so many bytes of messages, but one at least.
    ///
    /// # Errors
    /// When it asks for what no history has.
    pub(super) fn read(
        &mut self,
        query: &Query,
        position: &Position,
        bytes_max: usize,
        now: Duration,
    ) -> Result<Run, Unreadable> {
        self.expire(now);
        let is_foreign = |since: Since| !since.epoch.fits(position.epoch);
        if query.since.is_some_and(is_foreign) {
            return Err(Unreadable::ForeignEpoch);
        }
        let since = query.since.map(|since| since.offset);
        // Saturates: a negative limit is none.
        let limit = usize::try_from(query.limit).unwrap_or(usize::MAX);
        match query.direction {
            Direction::Forward => {
                let messages = self.retained.forward(since.unwrap_or(0));
                Ok(gathered(messages, limit, bytes_max))
            }
            Direction::Reverse if since == Some(0) => Err(Unreadable::Senseless),
            // Before a place that there is not, nothing is known.
            Direction::Reverse if since.is_some_and(|since| since > position.top + 1) => {
                Ok(Run::default())
            }
            Direction::Reverse => {
                let messages = self.retained.reverse(since.unwrap_or(u64::MAX));
                Ok(gathered(messages, limit, bytes_max))
            }
        }
    }

    /// Compares what is counted with what is there.
    ///
    /// # Errors
    /// A sentence about what does not agree.
    pub(super) fn check(&self, top: u64) -> Result<(), String> {
        self.retained.check()?;
        let newest = self.retained.newest().map_or(self.lost, Offset::number);
        let oldest = self.retained.forward(0).next();
        let oldest = oldest.and_then(|oldest| oldest.offset);
        if newest != top || oldest.is_some_and(|oldest| oldest.number() <= self.lost) {
            return Err(format!(
                "what is kept from {oldest:?} to {newest} is not what lies between {} and {top}",
                self.lost
            ));
        }
        if self.retained.len() > self.retention.messages_max {
            return Err(format!("{} messages are too many", self.retained.len()));
        }
        Ok(())
    }
}

/// The first `limit` of `messages`, of at most so many bytes, but one at least.
fn gathered<'a>(
    messages: impl Iterator<Item = Message<'a>>,
    limit: usize,
    bytes_max: usize,
) -> Run {
    let mut run = Run::default();
    for message in messages.take(limit) {
        run.push(&message);
        if run.len() > 1 && run.weight() > bytes_max {
            run.forget_newest();
            break;
        }
    }
    run
}

#[cfg(test)]
mod tests;
