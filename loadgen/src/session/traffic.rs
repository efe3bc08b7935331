//! What goes over the connections of a worker: messages and answers out, and whatever comes in.

use std::cmp::Reverse;
use std::mem;

use fanring::ring::{Completion, Op, Outgoing, Token};
use rustix::io::Errno;

use crate::clock::now_ns;
use crate::session::connection::Connection;
use crate::session::ears::Ears;
use crate::session::ending::Ending;
use crate::session::fleet::{Fleet, NO_SLOT};

/// Sends in one submission.
const SENDS_MAX: usize = 256;

impl Fleet<'_> {
    /// Queues the message that publishes a payload on a seat.
    pub(crate) fn publish(&mut self, index: usize, payload: &[u8], planned_ns: u64) {
        let Some(connection) = &mut self.seats[index].connection else {
            return;
        };
        if connection.is_open() {
            let times = (planned_ns, now_ns());
            self.queued_bytes += connection.publish(payload, &mut self.message, times);
            self.mark(index);
        }
    }

    /// Whether a message may be queued on a seat. What this worker's publishers have queued is bounded, since a server
    /// may not read; one with nothing queued may always try.
    pub(crate) fn has_room(&self, index: usize) -> bool {
        let seat = &self.seats[index];
        let connection = seat.connection.as_ref().filter(|_| seat.is_open());
        self.queued_bytes < self.queued_bytes_max || connection.is_none_or(Connection::is_clear)
    }

    /// Has protocols say what they have to say by now. Returns when there is more.
    pub(super) fn beat(&mut self, now: u64) -> u64 {
        while let Some(&Reverse((due_ns, slot, generation))) = self.beats.peek() {
            if due_ns > now {
                return due_ns;
            }
            self.beats.pop();
            let index = slot as usize;
            let seat = &mut self.seats[index];
            let Some(connection) = &mut seat.connection else {
                continue;
            };
            // Others may have the seat by now, and what has been said since has its own place here.
            let is_due = connection.beat_ns().is_some_and(|due_ns| due_ns <= now);
            if seat.generation == generation && is_due {
                connection.beat(now);
                let next_ns = connection.beat_ns();
                debug_assert!(next_ns.is_none_or(|next_ns| next_ns > now), "it goes on");
                self.mark(index);
                self.note_beat(index);
            }
        }
        u64::MAX
    }

    /// Notes when the protocol of a seat has something to say.
    pub(crate) fn note_beat(&mut self, index: usize) {
        let seat = &self.seats[index];
        if let Some(due_ns) = seat.connection.as_ref().and_then(Connection::beat_ns) {
            let slot = u32::try_from(index).unwrap_or(u32::MAX);
            self.beats.push(Reverse((due_ns, slot, seat.generation)));
        }
    }

    /// Puts a seat on the list of those with something to send.
    pub(crate) fn mark(&mut self, index: usize) {
        let Some(connection) = &mut self.seats[index].connection else {
            return;
        };
        if connection.sending {
            return;
        }
        connection.prepare();
        if !connection.unsent().is_empty() {
            connection.sending = true;
            self.dirty.push(u32::try_from(index).unwrap_or(u32::MAX));
        }
    }

    /// Sends what is queued, as far as the sockets take it.
    pub(super) fn flush(&mut self) {
        let dirty = mem::take(&mut self.dirty);
        for chunk in dirty.chunks(SENDS_MAX) {
            let seats = &self.seats;
            self.ring.send_batch(chunk.iter().filter_map(|&slot| {
                let seat = &seats[slot as usize];
                let connection = seat.connection.as_ref()?;
                // Somebody else may have the seat by now, with nothing to say yet.
                if connection.unsent().is_empty() {
                    return None;
                }
                Some(Outgoing {
                    fd: connection.fd()?,
                    token: seat.token(Op::Send, slot as usize),
                    slices: [connection.unsent()],
                })
            }));
            self.ring.reap(&mut self.fresh);
            self.enter_sends(now_ns());
        }
        if self.dirty.is_empty() {
            self.dirty = dirty;
            self.dirty.clear();
        }
    }

    /// Takes the answers of sends out of what was reaped: they are of now, and the rest has waited.
    fn enter_sends(&mut self, now: u64) {
        let mut fresh = mem::take(&mut self.fresh);
        fresh.retain(|completion| {
            let is_send = completion.token.op == Op::Send;
            if is_send {
                self.sent(completion.token, completion.result, now);
            }
            !is_send
        });
        self.fresh = fresh;
    }

    pub(super) fn handle(&mut self, completion: Completion, now: u64) {
        let index = completion.token.slot as usize;
        match completion.token.op {
            // A timer that was overtaken by an earlier one fires as well; that only costs a turn.
            Op::Timer => self.timer_ns = None,
            Op::Doorbell => self.listen_to_doorbell(),
            Op::Accept | Op::Cancel | Op::QuietSend => {}
            _ if self.seats[index].generation != completion.token.generation => {
                if let Some(buffer) = completion.buffer {
                    self.ring.recycle(buffer);
                }
            }
            Op::Recv => self.received(index, completion, now),
            Op::Send => self.sent(completion.token, completion.result, now),
            Op::Writable => self.writable(index),
        }
    }

    /// A socket took so many bytes, or none.
    fn sent(&mut self, token: Token, result: Result<u32, Errno>, now: u64) {
        let (shared, index) = (self.shared, token.slot as usize);
        let seat = &mut self.seats[index];
        let is_same = seat.generation == token.generation;
        let Some(connection) = seat.connection.as_mut().filter(|_| is_same) else {
            return;
        };
        let bytes = match result {
            Ok(bytes) => bytes as usize,
            Err(Errno::AGAIN) => 0,
            Err(errno) => return self.ended(index, Ending::Failed(errno.into())),
        };
        let publisher = shared.layout.publisher_of(seat.session);
        let plan = shared.plan.get();
        let (books, interval) = (&mut self.books, &mut self.interval);
        let queued_bytes = &mut self.queued_bytes;
        let is_all = connection.took(bytes, now, |message| {
            *queued_bytes -= message.bytes;
            interval.sent += 1;
            if let Some(publisher) = publisher {
                shared.taken.count(publisher);
            }
            let offered_ns = message.held_since_ns.unwrap_or(now);
            let own_lag_ns = offered_ns.saturating_sub(message.planned_ns);
            interval.publish_lag.record(own_lag_ns);
            if message.held_since_ns.is_some() {
                books.note_held(now.saturating_sub(offered_ns), 1);
            }
            if plan.is_some_and(|plan| plan.is_measured(message.planned_ns)) {
                books.note_sent(now.saturating_sub(message.planned_ns), own_lag_ns);
            }
        });
        if is_all {
            connection.sending = false;
            self.mark(index);
            if self.seats[index].is_over() {
                self.empty(index);
            }
        } else if let Some(fd) = connection.fd() {
            // It is full: more goes when the peer has read some.
            self.ring.poll_writable(fd, seat.token(Op::Writable, index));
        }
    }

    fn writable(&mut self, index: usize) {
        let seat = &mut self.seats[index];
        let Some(connection) = &mut seat.connection else {
            return;
        };
        connection.sending = false;
        if connection.is_connecting() {
            let settings = self.shared.settings;
            let host = &settings.reach.of(seat.session, seat.room).host;
            let speech = &settings.speech;
            let who = speech.who(self.shared.post.run, seat.session, seat.room);
            if let Err(ending) = connection.connected(&speech.upgrade, host, &who) {
                return self.ended(index, ending);
            }
            self.read_on(index);
        }
        self.mark(index);
    }

    /// Receives from now on.
    pub(crate) fn read_on(&mut self, index: usize) {
        let seat = &self.seats[index];
        if let Some(fd) = seat.connection.as_ref().and_then(Connection::fd) {
            self.ring.recv_multishot(fd, seat.token(Op::Recv, index));
        }
    }

    /// Receives no more.
    pub(crate) fn stop_reading(&mut self, index: usize) {
        let seat = &mut self.seats[index];
        seat.stopped = true;
        let target = seat.token(Op::Recv, index);
        self.ring.cancel(target, Token::new(Op::Cancel, NO_SLOT, 0));
    }

    fn received(&mut self, index: usize, completion: Completion, now: u64) {
        let shared = self.shared;
        let seat = &mut self.seats[index];
        let Some(connection) = &mut seat.connection else {
            if let Some(buffer) = completion.buffer {
                self.ring.recycle(buffer);
            }
            return;
        };
        let (was_upgraded, was_open) = (connection.is_upgraded(), connection.is_open());
        let was_refused = connection.is_refused();
        let outcome = match (completion.result, completion.buffer) {
            (_, Some(mut buffer)) => {
                let mut ears = Ears {
                    shared,
                    index,
                    session: seat.session,
                    now_ns: now,
                    was_open,
                    taken: &mut seat.taken,
                    tally: &mut self.tally,
                    books: &mut self.books,
                    interval: &mut self.interval,
                };
                let bytes = self.ring.bytes(&mut buffer);
                let subprotocols = &shared.settings.speech.upgrade.subprotocols;
                let outcome = connection.receive(bytes, now, subprotocols, &mut ears);
                self.tally.waiting.settle(index, now);
                self.ring.recycle(buffer);
                outcome
            }
            (Err(Errno::NOBUFS), None) => Ok(()),
            (Err(Errno::CANCELED), None) if seat.stopped => return,
            (Err(errno), None) => Err(Ending::Failed(errno.into())),
            (Ok(_), None) => Err(connection.end_of_stream()),
        };
        if !was_upgraded && self.seats[index].is_upgraded() {
            self.upgraded(index, now);
        }
        if !was_open && self.seats[index].is_open() {
            self.opened(index, now);
        }
        match outcome {
            Ok(()) => {
                if !was_refused && self.seats[index].is_refused() {
                    self.hear_refusal(index);
                }
                // Buffers of this turn are all back by the time this is submitted.
                if !completion.more && !self.seats[index].stopped {
                    self.read_on(index);
                }
                self.mark(index);
            }
            Err(ending) => {
                self.ended(index, ending);
                if !completion.more && self.seats[index].is_closing() {
                    self.read_on(index);
                }
            }
        }
    }
}
