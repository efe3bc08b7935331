//! What several processes tell each other of a message, and how it is found out when all of its subscribers had it.

use std::collections::{HashMap, VecDeque};

use serde::{Deserialize, Serialize};

use crate::load::crew::Crew;
use crate::load::layout::{Layout, Role};

/// Messages that some processes have and others have not, as many as are followed.
const PENDING_MAX: usize = 1 << 18;

/// A message that all subscribers of one process had, or of all: by the clock of whoever tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Done {
    pub(crate) publisher: u32,
    pub(crate) sequence: u64,
    pub(crate) planned_ns: u64,
    pub(crate) first_ns: u64,
    pub(crate) last_ns: u64,
}

impl Done {
    /// The same by a clock that shows so much more.
    pub(crate) fn shifted(self, by_ns: i64) -> Self {
        Self {
            planned_ns: self.planned_ns.saturating_add_signed(by_ns),
            first_ns: self.first_ns.saturating_add_signed(by_ns),
            last_ns: self.last_ns.saturating_add_signed(by_ns),
            ..self
        }
    }
}

/// A message that some processes have told of.
#[derive(Debug)]
struct Pending {
    /// A bit for each process that has not.
    waits_for: u64,
    done: Done,
}

/// Joins what the processes tell. A process counts as long as it has subscribers in the room.
#[derive(Debug)]
pub(crate) struct Joiner {
    layout: Layout,
    crew: Crew,
    /// Subscribers of each room by process: `room * processes + process`.
    members: Vec<u32>,
    pending: HashMap<(u32, u64), Pending>,
    /// In the order in which they were first told of.
    order: VecDeque<(u32, u64)>,
    /// Messages that were given up so that others could be followed, by when they were planned.
    pub(crate) displaced_ns: Vec<u64>,
}

impl Joiner {
    pub(crate) fn new(layout: &Layout, crew: &Crew) -> Self {
        let processes = crew.processes as usize;
        let mut members = vec![0; layout.rooms as usize * processes];
        for session in 0..layout.subscribers {
            if layout.role(session) == Role::Subscriber {
                let (room, process) = (layout.room(session), crew.process_of(session));
                members[room as usize * processes + process as usize] += 1;
            }
        }
        Self {
            layout: *layout,
            crew: *crew,
            members,
            pending: HashMap::new(),
            order: VecDeque::new(),
            displaced_ns: Vec::new(),
        }
    }

    /// All subscribers of a process had a message. Returns it when that is true of all processes.
    pub(crate) fn enter(&mut self, process: u32, done: Done) -> Option<Done> {
        if done.publisher >= self.layout.publishers {
            return None;
        }
        let waits_for = self.expected(done.publisher);
        let bit = 1 << process;
        if waits_for & bit == 0 {
            return None;
        }
        let key = (done.publisher, done.sequence);
        let order = &mut self.order;
        let pending = self.pending.entry(key).or_insert_with(|| {
            order.push_back(key);
            Pending { waits_for, done }
        });
        pending.waits_for &= !bit;
        pending.done.first_ns = pending.done.first_ns.min(done.first_ns);
        pending.done.last_ns = pending.done.last_ns.max(done.last_ns);
        if pending.waits_for == 0 {
            return self.pending.remove(&key).map(|pending| pending.done);
        }
        self.make_room();
        None
    }

    /// A process has no subscribers any more in a room, or in any. Returns the messages that are complete by that.
    pub(crate) fn leave(&mut self, process: u32, room: Option<u32>) -> Vec<Done> {
        let processes = self.crew.processes as usize;
        for (number, members) in (0u32..).zip(self.members.chunks_mut(processes)) {
            if room.is_none_or(|room| room == number) {
                members[process as usize] = 0;
            }
        }
        let layout = self.layout;
        let is_there = |publisher| room.is_none_or(|room| layout.room_of(publisher) == room);
        let mut complete = Vec::new();
        self.pending.retain(|(publisher, _), pending| {
            if is_there(*publisher) {
                pending.waits_for &= !(1 << process);
            }
            if pending.waits_for == 0 {
                complete.push(pending.done);
            }
            pending.waits_for != 0
        });
        complete
    }

    /// A bit for each process that is to tell of a publisher's messages.
    fn expected(&self, publisher: u32) -> u64 {
        let processes = self.crew.processes as usize;
        let first = self.layout.room_of(publisher) as usize * processes;
        let session = self.layout.session_of(publisher);
        let hears_itself = !self.layout.everybody_publishes || self.layout.self_delivery;
        let own = match hears_itself {
            true => None,
            false => Some(self.crew.process_of(session)),
        };
        let members = (0u32..).zip(&self.members[first..first + processes]);
        let expected =
            members.filter(|(process, members)| **members > u32::from(own == Some(*process)));
        expected.fold(0, |bits, (process, _)| bits | 1 << process)
    }

    fn make_room(&mut self) {
        while let Some(key) = self.order.front() {
            if self.pending.len() > PENDING_MAX
                && let Some(displaced) = self.pending.remove(key)
            {
                self.displaced_ns.push(displaced.done.planned_ns);
            } else if self.pending.contains_key(key) {
                return;
            }
            self.order.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joiner(layout: Layout, processes: u32) -> Joiner {
        let crew = Crew {
            process: 0,
            processes,
            workers: 1,
        };
        Joiner::new(&layout, &crew)
    }

    fn layout(subscribers: u32, rooms: u32) -> Layout {
        Layout {
            subscribers,
            slow: 0,
            publishers: rooms,
            churners: 0,
            rooms,
            everybody_publishes: false,
            self_delivery: false,
        }
    }

    fn done(publisher: u32, first_ns: u64, last_ns: u64) -> Done {
        Done {
            publisher,
            sequence: 7,
            planned_ns: 100,
            first_ns,
            last_ns,
        }
    }

    /// Goal: a message is complete when every process with subscribers in its room had it, from the first of them
    /// to the last.
    #[test]
    fn all_processes_must_have_it() {
        let mut joiner = joiner(layout(9, 1), 3);
        assert_eq!(joiner.enter(1, done(0, 120, 150)), None);
        assert_eq!(joiner.enter(0, done(0, 110, 130)), None);
        assert_eq!(joiner.enter(0, done(0, 110, 130)), None, "told twice");
        let all = Some(done(0, 110, 150));
        assert_eq!(joiner.enter(2, done(0, 140, 140)), all);
        assert_eq!(joiner.enter(0, done(5, 1, 2)), None, "no such publisher");
    }

    /// Goal: a room is waited for only where it has subscribers: of three with one each, processes take turns.
    #[test]
    fn rooms_are_where_their_subscribers_are() {
        let mut joiner = joiner(layout(3, 3), 2);
        assert_eq!(joiner.enter(1, done(0, 1, 2)), None, "not its room");
        assert_eq!(joiner.enter(0, done(0, 1, 2)), Some(done(0, 1, 2)));
        assert_eq!(joiner.enter(1, done(1, 1, 2)), Some(done(1, 1, 2)));
    }

    /// Goal: who publishes in a room of its own process alone is not waited for.
    #[test]
    fn nobody_waits_for_ones_own_message() {
        let mut layout = layout(2, 1);
        layout.publishers = 2;
        layout.everybody_publishes = true;
        let mut joiner = joiner(layout, 2);
        assert_eq!(joiner.enter(0, done(0, 1, 2)), None, "its own");
        assert_eq!(joiner.enter(1, done(0, 1, 2)), Some(done(0, 1, 2)));
    }

    /// Goal: a process that has lost its subscribers is waited for no more, in the rooms that it says.
    #[test]
    fn who_has_left_is_not_waited_for() {
        let mut joiner = joiner(layout(8, 2), 4);
        assert_eq!(joiner.enter(0, done(0, 1, 2)), None);
        assert_eq!(joiner.leave(2, Some(1)), [], "another room");
        assert_eq!(joiner.leave(2, Some(0)), [done(0, 1, 2)]);
        assert_eq!(joiner.enter(2, done(0, 1, 2)), None);
        assert_eq!(joiner.enter(3, done(1, 1, 2)), None);
        assert_eq!(joiner.leave(1, None), [done(1, 1, 2)]);
    }
}
