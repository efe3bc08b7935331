//! What a session may have for a time or among others, and gives back whatever its end is: one of its user's
//! connections, and the time of the token that it came in by.
//!
//! All connections of a user are counted by one shard, which is asked before a client is let in.

use std::sync::Arc;

use super::Shard;
use crate::auth::expiry;
use crate::id::{MemberId, SessionKey};
use crate::session::client::Client;
use crate::session::{Flags, Phase, Session};
use crate::talk::{Seat, ToShard};
use crate::wire::close::CloseCode;

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

    // The time of a token.

    /// A session ends at `expires_at`, in seconds of the Unix epoch.
    pub(super) fn begin_lease(&mut self, slot: u32, expires_at: u64) {
        let left = expiry::time_left(expires_at, self.unix_time);
        let (key, ends) = (self.sessions.key(slot), self.tick().after(left));
        self.sessions.at_mut(slot).mark(Flags::LEASED);
        self.leases.begin(key, ends);
    }

    /// Ends the sessions whose time is over. One that has yet to hear of its room does so first.
    pub(super) fn end_leases(&mut self) {
        for key in self.leases.due(self.tick()) {
            if self.sessions.at(key.slot).phase() == Phase::Open {
                self.close(key.slot, CloseCode::EXPIRED, "the token has expired");
                self.settle(key.slot);
            }
        }
    }

    // Their end.

    /// A session ends, and has nothing of that any longer.
    pub(super) fn give_all_back(&mut self, slot: u32) {
        let key = self.sessions.key(slot);
        let session = self.sessions.at_mut(slot);
        let flags = session.flags();
        session.unmark(Flags::SEATED.and(Flags::LEASED));
        if flags.any(Flags::LEASED) {
            self.leases.end(key);
        }
        if flags.any(Flags::SEATED) {
            let user = self.user(slot).into();
            self.leave_seat(user);
        }
    }
}
