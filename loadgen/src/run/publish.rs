//! The publishers of one worker: when each has its next message, and what it says.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::mem;

use crate::books::payload::{Payload, encode};
use crate::clock::now_ns;
use crate::load::plan::{Plan, Schedule, nanoseconds};
use crate::load::think::Pauses;
use crate::session::fleet::Fleet;
use crate::shared::Shared;

struct Publisher {
    /// Its number in the whole run, and its seat in the fleet.
    number: u32,
    index: usize,
    room: u32,
    schedule: Schedule,
    /// Closed loop: pauses before each message, and how many are under way.
    pauses: Option<Pauses>,
    thinking: u32,
    /// Closed loop: how what is waited for stood last, and since when.
    progress: (u64, u64),
}

/// The publishers of one worker.
pub(crate) struct Publishers {
    plan: Plan,
    publishers: Vec<Publisher>,
    /// Who has its next message when, as far as that is known: in an open loop, and after pauses.
    due: BinaryHeap<Reverse<(u64, u32)>>,
    /// Open loop: who has a message due that may not be queued, because the server does not read.
    waiting: Vec<u32>,
    /// Open loop: what those would say who could not be opened.
    absent: Vec<Schedule>,
    payload: Vec<u8>,
}

impl Publishers {
    pub(crate) fn new(fleet: &Fleet<'_>, plan: Plan) -> Self {
        let shared = fleet.shared;
        let settings = shared.settings;
        let mut publishers = Vec::new();
        let mut due = BinaryHeap::new();
        let mut absent = Vec::new();
        for (index, seat) in fleet.seats.iter().enumerate() {
            let Some(number) = shared.layout.publisher_of(seat.session) else {
                continue;
            };
            // What others were to miss in a storm is nothing that a closed loop waits for.
            shared.outstanding.give_up(number, shared.sent.of(number));
            let schedule = plan.publisher(number);
            if seat.absent {
                absent.push(schedule);
                continue;
            }
            if settings.closed.is_none()
                && let Some(due_ns) = schedule.due_ns()
            {
                due.push(Reverse((
                    due_ns,
                    u32::try_from(publishers.len()).unwrap_or(u32::MAX),
                )));
            }
            publishers.push(Publisher {
                number,
                index,
                room: seat.room,
                schedule,
                pauses: settings.pace.think.map(|think| Pauses::new(think, number)),
                thinking: 0,
                progress: (0, 0),
            });
        }
        Self {
            plan,
            publishers,
            due,
            waiting: Vec::new(),
            absent,
            payload: Vec::new(),
        }
    }

    /// Whether nothing is left to publish.
    pub(crate) fn is_done(&self, shared: &Shared<'_>, now: u64) -> bool {
        let end_ns = shared.measure_end_ns(&self.plan);
        match shared.settings.closed {
            Some(_) => now >= end_ns || self.publishers.is_empty(),
            None => self.next_ns() >= end_ns,
        }
    }

    /// When the next message is due, as far as that is known.
    pub(crate) fn next_ns(&self) -> u64 {
        self.due
            .peek()
            .map_or(u64::MAX, |Reverse((due_ns, _))| *due_ns)
    }

    /// Queues every message that is due.
    pub(crate) fn publish_due(&mut self, fleet: &mut Fleet<'_>, now: u64) {
        let end_ns = fleet.shared.measure_end_ns(&self.plan);
        if let Some(outstanding_max) = fleet.shared.settings.closed {
            if now >= self.plan.start_ns() && now < end_ns {
                self.refill(fleet, outstanding_max, now);
                self.end_pauses(fleet, now);
            }
            return;
        }
        for at in mem::take(&mut self.waiting) {
            self.note_due(at);
        }
        while let Some(&Reverse((due_ns, at))) = self.due.peek() {
            if due_ns > now || due_ns >= end_ns {
                break;
            }
            self.due.pop();
            if !fleet.has_room(self.publishers[at as usize].index) {
                self.waiting.push(at);
                continue;
            }
            self.publish(fleet, at as usize, due_ns);
            self.publishers[at as usize].schedule.advance();
            self.note_due(at);
        }
    }

    fn note_due(&mut self, at: u32) {
        if let Some(due_ns) = self.publishers[at as usize].schedule.due_ns() {
            self.due.push(Reverse((due_ns, at)));
        }
    }

    /// Messages due by a time, in all and in the window, of those who could not be opened.
    pub(crate) fn absent_until(&self, end_ns: u64) -> (u64, u64) {
        let mut messages = (0, 0);
        for schedule in &self.absent {
            let mut schedule = schedule.clone();
            while let Some(due_ns) = schedule.due_ns().filter(|due_ns| *due_ns < end_ns) {
                messages.0 += 1;
                messages.1 += u64::from(self.plan.is_measured(due_ns));
                schedule.advance();
            }
        }
        messages
    }

    /// Messages that are due by a time and could not even be queued.
    pub(crate) fn waiting_until(&self, end_ns: u64) -> u64 {
        let waiting = self.waiting.iter();
        let count = |at: &u32| {
            let mut schedule = self.publishers[*at as usize].schedule.clone();
            let mut messages = 0;
            while schedule.due_ns().is_some_and(|due_ns| due_ns < end_ns) {
                messages += 1;
                schedule.advance();
            }
            messages
        };
        waiting.map(count).sum()
    }

    /// Closed loop: tops every publisher up to its share of what may be outstanding.
    fn refill(&mut self, fleet: &mut Fleet<'_>, outstanding_max: u32, now: u64) {
        let shared = fleet.shared;
        let (publishers, outstanding) = (shared.layout.publishers, &shared.outstanding);
        let patience_ns = nanoseconds(shared.settings.drain);
        for at in 0..self.publishers.len() {
            let publisher = &mut self.publishers[at];
            let number = publisher.number;
            let sent = shared.sent.of(number);
            let mark = outstanding.mark(number);
            if mark != publisher.progress.0 || publisher.progress.1 == 0 {
                publisher.progress = (mark, now);
            } else if now - publisher.progress.1 > patience_ns {
                // Lost, as far as can be told: others may follow.
                outstanding.give_up(number, sent);
                publisher.progress = (outstanding.mark(number), now);
            }
            let share = outstanding_share(outstanding_max, publishers, number);
            let busy = outstanding.of(number, sent) + u64::from(publisher.thinking);
            let index = publisher.index;
            for _ in busy..u64::from(share) {
                if let Some(pauses) = &mut self.publishers[at].pauses {
                    let due_ns = now + pauses.draw_ns();
                    self.publishers[at].thinking += 1;
                    let at = u32::try_from(at).expect("publishers are counted in 32 bits");
                    self.due.push(Reverse((due_ns, at)));
                } else if fleet.has_room(index) {
                    self.publish(fleet, at, now_ns());
                }
            }
        }
    }

    /// Closed loop: publishes for those whose pauses are over. A message was due when its pause ended.
    fn end_pauses(&mut self, fleet: &mut Fleet<'_>, now: u64) {
        while let Some(&Reverse((due_ns, at))) = self.due.peek() {
            if due_ns > now {
                break;
            }
            self.due.pop();
            let publisher = &mut self.publishers[at as usize];
            publisher.thinking -= 1;
            // What is not complete is waited for from now on, and not since before the pause.
            publisher.progress.1 = now;
            self.publish(fleet, at as usize, due_ns);
        }
    }

    fn publish(&mut self, fleet: &mut Fleet<'_>, at: usize, planned_ns: u64) {
        let shared = fleet.shared;
        let publisher = &self.publishers[at];
        let number = publisher.number;
        let sequence = shared.sent.of(number);
        let payload = Payload {
            publisher: number,
            sequence,
            planned_ns,
        };
        write(shared, payload, &mut self.payload);
        let is_measured = self.plan.is_measured(planned_ns);
        let evicted =
            shared
                .in_flight
                .open((number, sequence), planned_ns, expected(shared, publisher));
        if evicted.is_some_and(|planned_ns| self.plan.is_measured(planned_ns)) {
            fleet.books.evicted += 1;
        }
        fleet.interval.planned += 1;
        fleet.books.planned_all += 1;
        fleet.books.planned += u64::from(is_measured);
        let is_open = fleet.seats[publisher.index].is_open();
        if !is_open {
            return;
        }
        // Before the message is on its way: whoever receives it must find that it was sent.
        shared.sent.set(number, sequence + 1);
        fleet.publish(publisher.index, &self.payload, planned_ns);
    }
}

/// Writes a message of the run, in the size whose turn it is.
pub(super) fn write(shared: &Shared<'_>, payload: Payload, out: &mut Vec<u8>) {
    let sizes = &shared.settings.sizes;
    let turn = usize::try_from(payload.sequence % sizes.len() as u64).unwrap_or(0);
    out.resize(sizes[turn] as usize, 0);
    encode(shared.post.run, payload, out);
}

/// How many of the messages outstanding are a publisher's: as equal as whole numbers are.
fn outstanding_share(all: u32, publishers: u32, publisher: u32) -> u32 {
    all / publishers + u32::from(publisher < all % publishers)
}

/// How many subscribers are to get a publisher's next message.
fn expected(shared: &Shared<'_>, publisher: &Publisher) -> u32 {
    let members = shared.members(publisher.room);
    let own = shared.layout.everybody_publishes && !shared.layout.self_delivery;
    members.saturating_sub(u32::from(own))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: the shares of all publishers add up to what was asked for, and nobody is left out.
    #[test]
    fn shares_add_up() {
        for (all, publishers) in [(1, 1), (16, 1), (16, 3), (7, 7), (1_000, 64)] {
            let shares: Vec<_> = (0..publishers)
                .map(|publisher| outstanding_share(all, publishers, publisher))
                .collect();
            assert_eq!(shares.iter().sum::<u32>(), all);
            assert!(
                shares
                    .iter()
                    .all(|share| shares[0] - share <= 1 && *share > 0)
            );
        }
    }
}
