//! What a client has published and is yet to be told of, and what it is not allowed to publish yet.

use std::collections::VecDeque;

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

/// What a client has published and is yet to be told of.
#[derive(Debug, Default)]
pub(crate) struct Publishing {
    /// The commands whose messages have no place yet, by their tickets, in the order they were given out.
    under_way: VecDeque<(Ticket, u32)>,
    next: u16,
    put_off: Option<PutOff>,
}

impl Publishing {
    /// Whether nothing is to be told any more.
    #[must_use]
    pub(crate) fn is_idle(&self) -> bool {
        self.under_way.is_empty() && self.put_off.is_none()
    }

    /// Whether another message may be under way.
    #[must_use]
    pub(crate) fn has_room(&self) -> bool {
        self.under_way.len() < UNDER_WAY_MAX
    }

    /// The message of the command `id` is under way; it is told of by this ticket.
    pub(crate) fn begin(&mut self, id: u32) -> Ticket {
        assert!(self.has_room());
        let ticket = Ticket::new(self.next);
        self.next = self.next.wrapping_add(1);
        self.under_way.push_back((ticket, id));
        ticket
    }

    /// A message has its place, or has none; returns its command.
    pub(crate) fn end(&mut self, ticket: Ticket) -> Option<u32> {
        // Nearly always the first.
        let at = (self.under_way.iter()).position(|&(other, _)| other == ticket)?;
        self.under_way.remove(at).map(|(_, id)| id)
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
        put_off + self.under_way.capacity() * size_of::<(Ticket, u32)>()
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
    use super::{Publishing, Tick, Ticket, UNDER_WAY_MAX};

    /// Goal: commands are found by their tickets in whatever order their messages get their places, once each,
    /// also when tickets are used again.
    #[test]
    fn tickets_lead_to_their_commands() {
        let mut publishing = Publishing::default();
        let mut tickets = Vec::new();
        for id in 0..3 * u32::from(u16::MAX) {
            tickets.push((publishing.begin(id), id));
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
            publishing.begin(count);
            count += 1;
        }
        assert_eq!(count as usize, UNDER_WAY_MAX);
        assert!(UNDER_WAY_MAX < usize::from(u16::MAX));
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
