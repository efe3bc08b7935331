//! What a session may have among others, and gives back whatever its end is: one of its user's connections.
//!
//! All connections of a user are counted by one shard, which is asked before a client is let in.

use std::sync::Arc;

use super::Shard;
use crate::id::{MemberId, SessionKey};
use crate::session::client::Client;
use crate::session::{Flags, Session};
use crate::talk::{Seat, ToShard};

impl Shard {
    // Connections of a user.

    /// Whether the connections of that user are counted: those of nobody in particular are not.
    pub(super) fn counts(&self, user: &str) -> bool {
        self.config().chat.client.user_connection_limit.is_some() && !user.is_empty()
    }

    /// Asks for a seat for a session.
    pub(super) fn ask_for_seat(&mut self, slot: u32, user: Arc<str>) {
        let (to, member) = (self.setup.homes.of(&user), self.member_id(slot));
        self.mail.tell(to, ToShard::TakeSeat { user, member });
    }

    /// A session of any shard wants a seat of a user whose connections are counted here.
    pub(super) fn seat_wanted(&mut self, user: Arc<str>, member: MemberId) {
        let most = self.config().chat.client.user_connection_limit;
        let seat = most.map_or(Seat::Refused, |most| self.seats.take(&user, most));
        let key = member.key();
        let taken = ToShard::SeatTaken { user, key, seat };
        self.mail.tell(member.shard, taken);
    }

    /// It is known whether a session has its seat. One that is gone by now has none.
    pub(super) fn seat_answered(&mut self, user: Arc<str>, key: SessionKey, seat: Seat) {
        let newcomer = self.seats.answered(key);
        let client = (self.sessions.lookup(key)).and_then(Session::client_mut);
        let is_there = client.and_then(Client::take_waiting).is_some();
        match seat {
            Seat::Given if is_there => {
                self.sessions.at_mut(key.slot).mark(Flags::SEATED);
                self.client_seated(key.slot, newcomer);
            }
            Seat::Given => self.leave_seat(user),
            Seat::Refused if is_there => self.client_has_no_seat(key.slot),
            Seat::Refused => {}
        }
    }

    fn leave_seat(&mut self, user: Arc<str>) {
        let to = self.setup.homes.of(&user);
        self.mail.tell(to, ToShard::LeaveSeat { user });
    }

    // Their end.

    /// A session ends, and has nothing of that any longer.
    pub(super) fn give_all_back(&mut self, slot: u32) {
        let session = self.sessions.at_mut(slot);
        let flags = session.flags();
        session.unmark(Flags::SEATED);
        if flags.any(Flags::SEATED) {
            let user = self.user(slot).into();
            self.leave_seat(user);
        }
    }
}
