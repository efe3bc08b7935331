//! Clients that read a room too slowly: they are put out of it, and come back when they have caught up.
//!
//! They come back with their position, and recover what they have missed on the same connection; other
//! rooms go on. What the server has put them into they can't come back to by themselves.

use std::sync::Arc;

use crate::id::MembershipId;
use crate::protocol::centrifugo::codes::{Disconnect, Unsubscribed};
use crate::protocol::centrifugo::encode;
use crate::protocol::centrifugo::reply::Push;
use crate::session::Phase;
use crate::session::client::{By, Kept, Took};
use crate::shard::Shard;
use crate::shard::parts::step::encoding;

impl Shard {
    /// A client has fallen behind in one of its rooms.
    pub(in crate::shard) fn client_falls_behind(&mut self, slot: u32, membership: MembershipId) {
        if self.begin_again(slot, membership) {
            return;
        }
        let tick = self.tick();
        let session = self.sessions.at_mut(slot);
        let room = session.membership(membership).map(|one| one.room());
        let (Some(client), Some(room)) = (session.client_mut(), room) else {
            return;
        };
        let by = client.subscriptions().get(membership).map(Kept::by);
        let name = Arc::clone(&self.rooms.get(room).name);
        match by {
            None => {}
            Some(By::Client) => {
                client.fell_behind(&name, tick);
                self.metrics().slow_unsubscribed.add(1);
                self.put_out(slot, membership, Unsubscribed::InsufficientState);
                // Its socket may take all there is at once, and is asked about that.
                self.client_is_behind(slot, Took::Nothing);
            }
            Some(By::Server) => {
                self.metrics().slow_closed.add(1);
                self.disconnect(slot, Disconnect::InsufficientState);
            }
        }
        self.settle(slot);
    }

    /// Puts a client out of a room, and tells it why. Nothing more of the room leaves but the rest of a frame
    /// that was cut.
    pub(in crate::shard) fn put_out(
        &mut self,
        slot: u32,
        membership: MembershipId,
        code: Unsubscribed,
    ) {
        let session = self.sessions.at(slot);
        let room = session.membership(membership).map(|one| one.room());
        let (Some(room), Some(client)) = (room, session.client()) else {
            return;
        };
        let encoding = encoding(client.protocol());
        let name = Arc::clone(&self.rooms.get(room).name);
        self.leave_room(slot, membership);
        if self.sessions.at(slot).phase() == Phase::Open {
            let push = Push::Unsubscribe {
                channel: &name,
                code,
            };
            self.reply(slot, |out| encode::append_push(out, encoding, &push));
        }
    }
}
