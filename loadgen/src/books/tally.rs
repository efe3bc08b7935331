//! Judges every delivery of one worker: lost, duplicated, reordered or damaged.
//!
//! Memory is bounded by pairs of subscriber and publisher plus the messages in flight. Times are
//! not recorded for each delivery but handed on by message at the end of a turn, since all that
//! came in a turn came at the same time.

use std::sync::atomic::{AtomicU64, Ordering};

use fanring::wire::message::Kind;

use crate::books::inflight::InFlight;
use crate::books::payload::{Decoded, Decoder, Payload};
use crate::books::waiting::Waiting;
use crate::load::layout::{Layout, Role};
use crate::protocol::seam::{Found, Place};

/// How far back a late message is told from a repeated one.
const WINDOW: u64 = u64::BITS as u64;

/// What one subscriber has had of one publisher.
#[derive(Clone, Copy, Debug, Default)]
struct Track {
    /// One more than the highest sequence seen.
    next: u64,
    /// Bit `i`: sequence `next - 1 - i` was seen.
    seen: u64,
}

/// Deliveries so far, by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Messages and payload bytes received by any session, ours or not.
    pub(crate) received: u64,
    pub(crate) received_bytes: u64,
    /// Messages seen for the first time by a session that is checked.
    pub(crate) delivered: u64,
    /// Those to sessions that come and go, and the ones these missed while they were there.
    floating: u64,
    floating_holes: u64,
    /// Sequences that were skipped and have not come later.
    pub(crate) holes: u64,
    /// Messages a subscriber had seen before.
    pub(crate) duplicated: u64,
    /// Messages that came after a later one of the same publisher. One that is over 64 behind
    /// can't be told from a repetition any more; it is counted here, and stays a hole if it was one.
    pub(crate) reordered: u64,
    /// Messages with the wrong content, length, room, publisher or a sequence never sent.
    pub(crate) corrupt: u64,
    /// Messages that are not this program's, and own ones that nobody expected back.
    pub(crate) foreign: u64,
    /// Messages of ours that came as text and should have been binary, or the reverse.
    pub(crate) wrong_type: u64,
}

/// A session as the books see it.
#[derive(Clone, Copy, Debug)]
struct Receiver {
    room: u32,
    role: Role,
    /// Its own publisher, whose messages it gets only with self-delivery.
    own: Option<u32>,
    /// Its first track; there is one for each publisher of its room.
    tracks: usize,
}

/// Deliveries of one message in this turn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Batch {
    pub(crate) slot: usize,
    pub(crate) payload: Payload,
    /// To all sessions that are checked.
    pub(crate) count: u32,
    /// To those that are there for the whole run, and so count for completion.
    pub(crate) steady: u32,
}

/// The books of one worker.
#[derive(Debug)]
pub(crate) struct Tally {
    layout: Layout,
    /// Text or binary, if it matters.
    arrives_as: Option<Kind>,
    decoder: Decoder,
    receivers: Vec<Receiver>,
    tracks: Vec<Track>,
    counts: Counts,
    /// For each message slot: where in `batches` its message of this turn stands.
    places: Vec<u32>,
    batches: Vec<Batch>,
    /// How long each session waited. A wait is noted for each delivery, since a batch does not know its
    /// sessions; it is two additions and a comparison.
    pub(crate) waiting: Waiting,
}

impl Tally {
    /// Books for the sessions with the given numbers; they are called by their place in that list.
    pub(crate) fn new(
        layout: &Layout,
        sessions: impl Iterator<Item = u32>,
        slots: usize,
        arrives_as: Option<Kind>,
    ) -> Self {
        let mut tracks = 0;
        let receivers: Vec<_> = sessions
            .map(|session| {
                let receiver = Receiver {
                    room: layout.room(session),
                    role: layout.role(session),
                    own: layout.publisher_of(session),
                    tracks,
                };
                if matches!(receiver.role, Role::Subscriber | Role::Churner) {
                    tracks += layout.publishers_in(receiver.room) as usize;
                }
                receiver
            })
            .collect();
        Self {
            layout: *layout,
            arrives_as,
            decoder: Decoder::default(),
            waiting: Waiting::new(receivers.len()),
            receivers,
            tracks: vec![Track::default(); tracks],
            counts: Counts::default(),
            places: vec![0; slots],
            batches: Vec::new(),
        }
    }

    pub(crate) fn counts(&self) -> &Counts {
        &self.counts
    }

    /// A session joins anew: what it had before is forgotten.
    pub(crate) fn rejoined(&mut self, index: usize) {
        let receiver = self.receivers[index];
        if matches!(receiver.role, Role::Subscriber | Role::Churner) {
            let tracks = self.layout.publishers_in(receiver.room) as usize;
            self.tracks[receiver.tracks..][..tracks].fill(Track::default());
        }
    }

    /// Deliveries that messages sent so far should cause here. For a session that comes and goes,
    /// those from its first message to its last.
    pub(crate) fn expected(&self, sent: &[AtomicU64]) -> u64 {
        let steady: u64 = self
            .steady_pairs()
            .map(|(publisher, _)| sent[publisher].load(Ordering::Acquire))
            .sum();
        steady + self.counts.floating + self.counts.floating_holes
    }

    /// Deliveries that have not come: at the end of a run, those that were lost.
    pub(crate) fn lost(&self, sent: &[AtomicU64]) -> u64 {
        let behind = |(publisher, track): (usize, &Track)| {
            let sent: u64 = sent[publisher].load(Ordering::Acquire);
            sent.saturating_sub(track.next)
        };
        self.counts.holes + self.steady_pairs().map(behind).sum::<u64>()
    }

    /// Deliveries to sessions that are there for the whole run, so far: tracks know.
    pub(crate) fn is_complete(&self, sent: &[AtomicU64]) -> bool {
        self.lost(sent) == 0
    }

    fn steady_pairs(&self) -> impl Iterator<Item = (usize, &Track)> {
        let layout = &self.layout;
        let steady = self.receivers.iter().filter(|r| r.role == Role::Subscriber);
        steady.flat_map(move |receiver| {
            let publishers = (receiver.room..layout.publishers).step_by(layout.rooms as usize);
            let pairs = publishers.zip(&self.tracks[receiver.tracks..]);
            let own = receiver.own.filter(|_| !layout.self_delivery);
            pairs
                .filter(move |(publisher, _)| Some(*publisher) != own)
                .map(|(publisher, track)| (publisher as usize, track))
        })
    }

    /// Judges one message that a session got.
    #[inline]
    pub(crate) fn received(
        &mut self,
        index: usize,
        found: Found<'_>,
        sent: &[AtomicU64],
        in_flight: &InFlight,
    ) {
        self.counts.received += 1;
        self.counts.received_bytes += found.bytes.len() as u64;
        let receiver = self.receivers[index];
        if matches!(receiver.role, Role::Publisher | Role::Slow) {
            return;
        }
        let is_enveloped = found.place == Place::Within;
        match self.decoder.decode(found.bytes, is_enveloped) {
            Decoded::Ours(payload) => {
                let is_right = self.arrives_as.is_none_or(|kind| kind == found.kind);
                self.counts.wrong_type += u64::from(!is_right);
                self.judge(receiver, payload, sent, in_flight);
            }
            Decoded::Corrupt => self.counts.corrupt += 1,
            Decoded::Foreign => self.counts.foreign += 1,
        }
    }

    #[inline]
    fn judge(
        &mut self,
        receiver: Receiver,
        payload: Payload,
        sent: &[AtomicU64],
        in_flight: &InFlight,
    ) {
        let publisher = payload.publisher;
        let is_possible = sent
            .get(publisher as usize)
            .is_some_and(|sent| payload.sequence < sent.load(Ordering::Acquire))
            && self.layout.room_of(publisher) == receiver.room;
        if !is_possible {
            self.counts.corrupt += 1;
            return;
        }
        if receiver.own == Some(publisher) && !self.layout.self_delivery {
            self.counts.foreign += 1;
            return;
        }
        let floats = receiver.role == Role::Churner;
        let track = &mut self.tracks[receiver.tracks + (publisher / self.layout.rooms) as usize];
        if !self.counts.enter(track, payload.sequence, floats) {
            return;
        }
        self.waiting.note(payload.planned_ns);
        let slot = in_flight.slot(publisher, payload.sequence);
        let place = self.places[slot] as usize;
        match self.batches.get_mut(place) {
            Some(batch) if batch.payload == payload => {
                batch.count += 1;
                batch.steady += u32::from(!floats);
            }
            _ => {
                self.places[slot] = u32::try_from(self.batches.len()).unwrap_or(u32::MAX);
                self.batches.push(Batch {
                    slot,
                    payload,
                    count: 1,
                    steady: u32::from(!floats),
                });
            }
        }
    }

    /// Hands out what came since the last call, message by message.
    pub(crate) fn end_turn(&mut self, mut each: impl FnMut(Batch)) {
        for batch in self.batches.drain(..) {
            each(batch);
        }
    }
}

impl Counts {
    /// Enters a sequence into a track. Returns whether it is a delivery, rather than a repetition.
    #[inline]
    fn enter(&mut self, track: &mut Track, sequence: u64, floats: bool) -> bool {
        if sequence >= track.next {
            let fresh = floats && track.seen == 0;
            let skipped = if fresh { 0 } else { sequence - track.next };
            let shifted = if skipped + 1 < WINDOW {
                track.seen << (skipped + 1)
            } else {
                0
            };
            *track = Track {
                next: sequence + 1,
                seen: shifted | 1,
            };
            self.holes += skipped;
            self.floating_holes += if floats { skipped } else { 0 };
        } else {
            let back = track.next - 1 - sequence;
            if back >= WINDOW {
                self.reordered += 1;
                return false;
            }
            if track.seen >> back & 1 == 1 {
                self.duplicated += 1;
                return false;
            }
            track.seen |= 1 << back;
            self.reordered += 1;
            // Before the first message of a session that came late there is no hole to fill.
            self.holes = self.holes.saturating_sub(1);
            self.floating_holes = self.floating_holes.saturating_sub(u64::from(floats));
        }
        self.delivered += 1;
        self.floating += u64::from(floats);
        true
    }

    /// Adds another worker's.
    pub(crate) fn add(&mut self, other: &Self) {
        self.received += other.received;
        self.received_bytes += other.received_bytes;
        self.delivered += other.delivered;
        self.floating += other.floating;
        self.floating_holes += other.floating_holes;
        self.holes += other.holes;
        self.duplicated += other.duplicated;
        self.reordered += other.reordered;
        self.corrupt += other.corrupt;
        self.foreign += other.foreign;
        self.wrong_type += other.wrong_type;
    }
}

#[cfg(test)]
mod tests;
