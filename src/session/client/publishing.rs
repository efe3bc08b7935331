//! What a client has published and is yet to be told of, and what it is not allowed to publish yet.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::id::Ticket;
use crate::session::tick::Tick;

/// Messages under way at a time: of more, the rest waits until some have their place.
const UNDER_WAY_MAX: usize = 1024;

/// A command that waits until its room takes more.
#[derive(Debug)]
pub(crate) struct PutOff {
    command: Box<[u8]>,
    until: Tick,
}

/// A command whose message has no place yet, as far as is known here.
#[derive(Debug)]
struct UnderWay {
    ticket: Ticket,
    id: u32,
    room: Arc<str>,
    /// When it has waited for too long; none once it is to be taken back for that.
    until: Option<Tick>,
}

/// What a client has published and is yet to be told of.
#[derive(Debug, Default)]
pub(crate) struct Publishing {
    /// What is under way alone, as nearly always: it needs no queue. Its ticket was given out before all others.
    first: Option<UnderWay>,
    /// What is behind it, in the order in which tickets were given out.
    under_way: VecDeque<UnderWay>,
    next: u16,
    put_off: Option<PutOff>,
}

impl Publishing {
    /// Whether nothing is to be told any more.
    #[must_use]
    pub(crate) fn is_idle(&self) -> bool {
        self.first.is_none() && self.under_way.is_empty() && self.put_off.is_none()
    }

    /// Whether another message may be under way.
    #[must_use]
    pub(crate) fn has_room(&self) -> bool {
        self.under_way.len() + usize::from(self.first.is_some()) < UNDER_WAY_MAX
    }

    /// The message of the command `id` is under way to `room`, and may be until some time; it is told of by this
    /// ticket.
    pub(crate) fn begin(&mut self, id: u32, room: Arc<str>, until: Tick) -> Ticket {
        assert!(self.has_room());
        let ticket = Ticket::new(self.next);
        self.next = self.next.wrapping_add(1);
        let begun = UnderWay {
            ticket,
            id,
            room,
            until: Some(until),
        };
        if self.first.is_none() && self.under_way.is_empty() {
            self.first = Some(begun);
        } else {
            self.under_way.push_back(begun);
        }
        ticket
    }

    /// The next message that has been under way for too long, and to which room: it is to be taken back.
    pub(crate) fn next_late(&mut self, now: Tick) -> Option<(Ticket, Arc<str>)> {
        let mut all = self.first.iter_mut().chain(&mut self.under_way);
        let first = all.find(|one| one.until.is_some())?;
        first.until.take_if(|until| *until <= now)?;
        Some((first.ticket, Arc::clone(&first.room)))
    }

    /// When something has waited for too long, if anything waits.
    #[must_use]
    pub(crate) fn next_due(&self) -> Option<Tick> {
        let mut all = self.first.iter().chain(&self.under_way);
        let under_way = all.find_map(|one| one.until);
        under_way.into_iter().chain(self.put_off_until()).min()
    }

    /// A message has its place, or has none; returns its command.
    pub(crate) fn end(&mut self, ticket: Ticket) -> Option<u32> {
        if let Some(first) = self.first.take_if(|first| first.ticket == ticket) {
            return Some(first.id);
        }
        // Nearly always the first of these.
        let at = (self.under_way.iter()).position(|one| one.ticket == ticket)?;
        self.under_way.remove(at).map(|one| one.id)
    }

    /// A command is to be tried again until some time; at most one.
    pub(crate) fn put_off(&mut self, command: &[u8], until: Tick) {
        assert!(self.put_off.is_none(), "further ones are refused at once");
        let command = command.into();
        self.put_off = Some(PutOff { command, until });
    }

    /// Until when a command is tried again, if there is one.
    #[must_use]
    pub(crate) fn put_off_until(&self) -> Option<Tick> {
        self.put_off.as_ref().map(|put_off| put_off.until)
    }

    /// The command that was put off, to be tried again or refused.
    pub(crate) fn take_put_off(&mut self) -> Option<PutOff> {
        self.put_off.take()
    }

    /// It has to wait on.
    pub(crate) fn return_put_off(&mut self, put_off: PutOff) {
        assert!(self.put_off.is_none(), "it was taken");
        self.put_off = Some(put_off);
    }

    /// Memory it holds, in bytes.
    #[must_use]
    pub(crate) fn held_bytes(&self) -> usize {
        let put_off = (self.put_off.as_ref()).map_or(0, |put_off| put_off.command.len());
        put_off + self.under_way.capacity() * size_of::<UnderWay>()
    }
}

impl PutOff {
    /// As it came.
    #[must_use]
    pub(crate) fn command(&self) -> &[u8] {
        &self.command
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{Publishing, Tick, Ticket, UNDER_WAY_MAX};

    impl Publishing {
        fn begins(&mut self, id: u32, until: u32) -> Ticket {
            self.begin(id, "room".into(), Tick(until))
        }
    }

    /// Goal: commands are found by their tickets in whatever order their messages get their places, once each,
    /// also when tickets are used again.
    #[test]
    fn tickets_lead_to_their_commands() {
        let mut publishing = Publishing::default();
        let mut tickets = Vec::new();
        for id in 0..3 * u32::from(u16::MAX) {
            tickets.push((publishing.begins(id, 0), id));
            if tickets.len() == 5 {
                for at in [3, 0, 2, 0, 0] {
                    let (ticket, id) = tickets.remove(at);
                    assert_eq!(publishing.end(ticket), Some(id));
                    assert_eq!(publishing.end(ticket), None);
                }
            }
        }
        assert_eq!(publishing.end(Ticket::new(9)), None);
        for (ticket, _) in tickets {
            publishing.end(ticket);
        }
        assert!(publishing.is_idle());
    }

    /// Goal: what is under way is bounded, so that no two messages have the same ticket.
    #[test]
    fn what_is_under_way_is_bounded() {
        let mut publishing = Publishing::default();
        let mut count = 0;
        while publishing.has_room() {
            publishing.begins(count, 0);
            count += 1;
        }
        assert_eq!(count as usize, UNDER_WAY_MAX);
        assert!(UNDER_WAY_MAX < usize::from(u16::MAX));
    }

    /// Goal: what has waited for too long is told of once, in its order, and what waits longest says when that is.
    #[test]
    fn what_waits_for_too_long_is_told_once() {
        let mut publishing = Publishing::default();
        let tickets = [5, 5, 9].map(|until| publishing.begins(until, until));
        assert_eq!(publishing.next_due(), Some(Tick(5)));
        assert_eq!(publishing.next_late(Tick(4)), None);
        let room: Arc<str> = "room".into();
        for ticket in &tickets[..2] {
            let late = publishing.next_late(Tick(5));
            assert_eq!(late, Some((*ticket, Arc::clone(&room))));
        }
        assert_eq!(publishing.next_late(Tick(5)), None);
        assert_eq!(publishing.next_due(), Some(Tick(9)));
        publishing.put_off(b"say it", Tick(7));
        assert_eq!(publishing.next_due(), Some(Tick(7)));
        assert_eq!(
            publishing.end(tickets[0]),
            Some(5),
            "it may have its place yet"
        );
    }

    /// Goal: one command is put off, kept as it came, until its time is over.
    #[test]
    fn a_command_is_put_off() {
        let mut publishing = Publishing::default();
        publishing.put_off(b"say it", Tick(40));
        assert!(!publishing.is_idle() && publishing.held_bytes() >= 6);
        let put_off = publishing.take_put_off().expect("it was put off");
        assert_eq!(put_off.command(), b"say it");
        publishing.return_put_off(put_off);
        assert_eq!(publishing.put_off_until(), Some(Tick(40)));
        publishing.take_put_off();
        assert!(publishing.is_idle() && publishing.put_off_until().is_none());
    }
}
