//! What is missing over several processes while a run goes on. Each of them knows what its sessions have had and what its
//! own publishers have sent; whoever leads knows all of that, and who is there to have it.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::books::per_publisher::PerPublisher;
use crate::load::crew::Crew;
use crate::load::layout::{Layout, Role};

/// Deliveries to sessions that are to stay which are not waited for: they came, or later ones did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Reach {
    /// To those that last.
    pub(crate) living: u64,
    /// To those that ended early, until then.
    pub(crate) ended: u64,
}

impl Reach {
    /// Adds another worker's.
    pub(crate) fn add(&mut self, other: Self) {
        self.living += other.living;
        self.ended += other.ended;
    }
}

/// A session that was to stay and does not, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Gone {
    /// It ended early.
    Ended(u32),
    /// It was never there: nothing is expected of it.
    Absent(u32),
}

impl Gone {
    fn session(self) -> u32 {
        match self {
            Self::Ended(session) | Self::Absent(session) => session,
        }
    }
}

/// The subscribers of one room that are to stay.
#[derive(Clone, Copy, Debug, Default)]
struct Listeners {
    living: u64,
    ended: u64,
}

/// What is known of all processes.
#[derive(Debug)]
pub(crate) struct Backlog {
    layout: Layout,
    crew: Crew,
    /// By room.
    listeners: Vec<Listeners>,
    gone: HashMap<u32, Gone>,
    /// By process.
    reach: Vec<Reach>,
}

impl Backlog {
    pub(crate) fn new(layout: &Layout, crew: &Crew) -> Self {
        let mut listeners = vec![Listeners::default(); layout.rooms as usize];
        for session in (0..layout.subscribers).filter(|each| is_counted(layout, *each)) {
            listeners[layout.room(session) as usize].living += 1;
        }
        Self {
            layout: *layout,
            crew: *crew,
            listeners,
            gone: HashMap::new(),
            reach: vec![Reach::default(); crew.processes as usize],
        }
    }

    /// A session is gone. What it had before counts with what its process has.
    pub(crate) fn note_gone(&mut self, gone: Gone) {
        let session = gone.session();
        let is_counted = is_counted(&self.layout, session);
        if !is_counted || self.gone.insert(session, gone).is_some() {
            return;
        }
        let room = &mut self.listeners[self.layout.room(session) as usize];
        room.living -= 1;
        room.ended += u64::from(matches!(gone, Gone::Ended(_)));
    }

    /// How far the deliveries of a process are.
    pub(crate) fn note_reach(&mut self, process: u32, reach: Reach) {
        self.reach[process as usize] = reach;
    }

    /// A process is lost: what its sessions have had is not known any more, and nothing is expected of them.
    pub(crate) fn lose(&mut self, process: u32) {
        let sessions = 0..self.layout.subscribers;
        let crew = self.crew;
        for session in sessions.filter(|session| crew.process_of(*session) == process) {
            self.note_gone(Gone::Absent(session));
        }
        self.reach[process as usize] = Reach::default();
    }

    /// Deliveries that have not come and may, and those that can't come any more, of so many messages that were sent.
    pub(crate) fn missing(&self, taken: &PerPublisher) -> (u64, u64) {
        let mut expected = Reach::default();
        for publisher in 0..self.layout.publishers {
            let (sent, listeners) = (taken.of(publisher), self.listeners_of(publisher));
            expected.living += sent * listeners.living;
            expected.ended += sent * listeners.ended;
        }
        let mut reach = Reach::default();
        self.reach.iter().for_each(|each| reach.add(*each));
        // Processes tell of themselves one after the other, so that what is here may not be known to be sent.
        (
            expected.living.saturating_sub(reach.living),
            expected.ended.saturating_sub(reach.ended),
        )
    }

    /// Who is to have the messages of a publisher.
    fn listeners_of(&self, publisher: u32) -> Listeners {
        let layout = &self.layout;
        let mut listeners = self.listeners[layout.room_of(publisher) as usize];
        let session = layout.session_of(publisher);
        let hears_itself = !layout.everybody_publishes || layout.self_delivery;
        if hears_itself || !is_counted(layout, session) {
            return listeners;
        }
        match self.gone.get(&session) {
            None => listeners.living -= 1,
            Some(Gone::Ended(_)) => listeners.ended -= 1,
            Some(Gone::Absent(_)) => {}
        }
        listeners
    }
}

/// Whether what a session has is expected of it.
fn is_counted(layout: &Layout, session: u32) -> bool {
    layout.role(session) == Role::Subscriber
}

#[cfg(test)]
mod tests {
    use super::*;

    fn crew() -> Crew {
        Crew {
            process: 0,
            processes: 2,
            workers: 1,
        }
    }

    fn layout() -> Layout {
        Layout {
            subscribers: 10,
            slow: 2,
            publishers: 2,
            churners: 3,
            rooms: 2,
            everybody_publishes: false,
            self_delivery: false,
        }
    }

    fn sent(numbers: &[u64]) -> PerPublisher {
        let sent = PerPublisher::new(u32::try_from(numbers.len()).unwrap());
        for (publisher, number) in (0..).zip(numbers) {
            sent.set(publisher, *number);
        }
        sent
    }

    fn reach(living: u64, ended: u64) -> Reach {
        Reach { living, ended }
    }

    /// Goal: what is missing is what all have sent, to each who is to have it, less what all have had; who has gone is
    /// waited for no more, and what can't come any more is told apart.
    #[test]
    fn what_is_missing_is_known_over_all() {
        let mut backlog = Backlog::new(&layout(), &crew());
        let sent = sent(&[10, 5]);
        assert_eq!(
            backlog.missing(&sent),
            (4 * 10 + 4 * 5, 0),
            "slow ones are not counted"
        );
        backlog.note_reach(0, reach(20, 0));
        backlog.note_reach(1, reach(7, 0));
        assert_eq!(backlog.missing(&sent), (60 - 27, 0));
        backlog.note_gone(Gone::Ended(2));
        backlog.note_gone(Gone::Ended(2));
        backlog.note_reach(0, reach(16, 4));
        assert_eq!(backlog.missing(&sent), (50 - 23, 10 - 4));
        backlog.note_gone(Gone::Absent(5));
        backlog.note_gone(Gone::Absent(9));
        assert_eq!(
            backlog.missing(&sent),
            (45 - 23, 6),
            "the last is a slow one"
        );
        backlog.lose(1);
        assert_eq!(
            backlog.missing(&sent),
            (30 - 16, 6),
            "all of the other room"
        );
        backlog.note_reach(0, reach(99, 99));
        assert_eq!(backlog.missing(&sent), (0, 0));
    }

    /// Goal: nobody is expected to have its own messages, unless that was asked for.
    #[test]
    fn ones_own_messages_are_not_expected() {
        let mut layout = layout();
        (layout.slow, layout.publishers, layout.everybody_publishes) = (0, 10, true);
        let sent = sent(&[3, 0, 0, 0, 0, 0, 0, 0, 0, 2]);
        let mut backlog = Backlog::new(&layout, &crew());
        assert_eq!(backlog.missing(&sent), (4 * 3 + 4 * 2, 0));
        backlog.note_gone(Gone::Ended(9));
        assert_eq!(backlog.missing(&sent), (4 * 3 + 4 * 2, 0));
        backlog.note_gone(Gone::Ended(7));
        assert_eq!(backlog.missing(&sent), (4 * 3 + 3 * 2, 2));
        layout.self_delivery = true;
        assert_eq!(Backlog::new(&layout, &crew()).missing(&sent), (25, 0));
    }
}
