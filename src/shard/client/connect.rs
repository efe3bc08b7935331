//! A client says who it is.

use std::num::NonZeroU32;
use std::sync::Arc;

use crate::id::MembershipId;
use crate::protocol::centrifugo::codes::Disconnect;
use crate::protocol::centrifugo::command::Connect;
use crate::protocol::centrifugo::reply::{Connected, Pings, Reply, Subscribed};
use crate::room::presence::About;
use crate::session::Flags;
use crate::session::client::{Arrivals, Client, Waiting};
use crate::session::tick::Tick;
use crate::shard::Shard;
use crate::shard::parts::arrival::{arrived, subscribed};
use crate::shard::parts::step::{Declined, Step};
use crate::talk::JoinAnswer;

/// What clients are told that they talk to.
const VERSION: &str = concat!("fanring ", env!("CARGO_PKG_VERSION"));

impl Shard {
    /// A client says who it is.
    pub(super) fn client_connect(
        &mut self,
        slot: u32,
        id: u32,
        connect: &Connect<'_>,
    ) -> Result<Step, Declined> {
        if !connect.token.is_empty() {
            return Err(Disconnect::InvalidToken.into());
        }
        let about = About::new("", b"", b"").ok_or(Disconnect::InvalidToken)?;
        if let Some(client) = self.client_mut(slot) {
            client.connect(Arc::new(about), None);
        }
        self.client_connected(slot, id, &[]);
        Ok(Step::Done)
    }

    /// One of the rooms that a client is put into by its connecting has answered.
    pub(super) fn client_put_into(
        &mut self,
        slot: u32,
        membership: MembershipId,
        answer: &JoinAnswer,
    ) {
        let JoinAnswer::Welcome(welcome) = answer else {
            self.disconnect(slot, Disconnect::ServerError);
            return;
        };
        self.metrics().subscribed.add(1);
        let Some(client) = self.client_mut(slot) else {
            return;
        };
        let Some(Waiting::Connect(arrivals)) = client.waiting_mut() else {
            return;
        };
        let mut awaited = arrivals.awaited.iter();
        let Some(at) = awaited.position(|one| one.membership == membership) else {
            return;
        };
        let one = arrivals.awaited.swap_remove(at);
        let (position, recovered) = arrived(welcome.arrival.as_deref());
        arrivals.there.push((one, position, recovered));
        if arrivals.awaited.is_empty()
            && let Some(Waiting::Connect(arrivals)) = client.take_waiting()
        {
            self.client_is_everywhere(slot, &arrivals);
        }
    }

    /// All rooms that a client is put into by its connecting have answered.
    fn client_is_everywhere(&mut self, slot: u32, arrivals: &Arrivals) {
        let mut names = Vec::with_capacity(arrivals.there.len());
        for (one, position, recovered) in &arrivals.there {
            let membership = self.sessions.at(slot).membership(one.membership);
            if let Some(membership) = membership {
                let name = Arc::clone(&self.rooms.get(membership.room()).name);
                names.push((name, subscribed(one, *position, *recovered)));
            }
        }
        let subs: Vec<(&str, Subscribed<'_>)> =
            names.iter().map(|(name, sub)| (&**name, *sub)).collect();
        self.client_connected(slot, arrivals.id, &subs);
    }

    /// A client is told that it is in, and may ask for anything from now on.
    fn client_connected(&mut self, slot: u32, id: u32, subs: &[(&str, Subscribed<'_>)]) {
        let interval = self.manners().ping_interval;
        // Saturates: nobody waits for 136 years.
        let seconds = u32::try_from(interval.as_secs()).unwrap_or(u32::MAX);
        let connected = Connected {
            client: self.sessions.at(slot).id(),
            version: VERSION,
            expires_s: None,
            data: None,
            subs,
            pings: NonZeroU32::new(seconds).map(|interval_s| Pings {
                interval_s,
                want_pong: true,
            }),
            unix_time_ms: None,
        };
        self.answer(slot, id, &Reply::Connect(connected));
        // Thousands that came together are not to answer together.
        let first = interval.mul_f64(0.5 + 0.5 * self.random.f64());
        let first: Tick = self.tick().after(first);
        let session = self.sessions.at_mut(slot);
        session.unmark(Flags::UNANNOUNCED);
        if let Some(client) = session.client_mut() {
            Client::connected(client, first);
        }
        self.schedule_client(slot);
    }
}
