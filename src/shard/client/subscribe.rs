//! A client comes into a room, and leaves it again.

use std::sync::Arc;

use crate::id::MembershipId;
use crate::protocol::centrifugo::codes::{Disconnect, ErrorCode};
use crate::protocol::centrifugo::command::Subscribe;
use crate::protocol::centrifugo::reply::Reply;
use crate::room::rendition::Rendition;
use crate::session::client::{By, Client, Standing, Subscribing, Subscription, Waiting};
use crate::shard::Shard;
use crate::shard::parts::arrival::{arrived, recover, subscribed, why_not};
use crate::shard::parts::step::{Declined, Step};
use crate::talk::{JoinAnswer, Welcome};

/// The only way in which clients know to take publications as changes. None is sent any.
const DELTA: &str = "fossil";

impl Shard {
    /// A client wants to be in a room. It is answered once the room's home has let it in.
    pub(super) fn client_subscribe(
        &mut self,
        slot: u32,
        id: u32,
        subscribe: &Subscribe<'_>,
    ) -> Result<Step, Declined> {
        let name = self.check_subscribe(slot, subscribe)?;
        let permit = self.permit_subscribe(subscribe)?;
        let client = self.client(slot).ok_or(Disconnect::Stale)?;
        let about = Arc::clone(client.about().ok_or(Disconnect::Stale)?);
        let rendition = Rendition {
            protocol: client.protocol(),
            notices: permit.notices,
        };
        let recover = recover(subscribe).filter(|_| permit.standing == Standing::Recoverable);
        let subscription = Subscription::new(By::Client, about, None);
        let membership = self.begin_subscription(slot, &name, rendition, subscription)?;
        let subscribing = Subscribing {
            id,
            membership,
            since: recover.as_ref().map(|recover| recover.since.offset),
            standing: permit.standing,
        };
        if let Some(client) = self.client_mut(slot) {
            client.wait(Waiting::Subscribe(Box::new(subscribing)));
        }
        self.ask_to_join(slot, membership, recover.map(Box::new));
        Ok(Step::Waits)
    }

    /// Whether what a client wants is there to be had at all, and not already; gives the room's name.
    fn check_subscribe(&self, slot: u32, subscribe: &Subscribe<'_>) -> Result<Arc<str>, Declined> {
        let channel = &*subscribe.channel;
        self.check_channel(channel)?;
        if !matches!(&*subscribe.delta, "" | DELTA) {
            return Err(Disconnect::BadRequest.into());
        }
        let (session, room) = (self.sessions.at(slot), self.rooms.find(channel));
        if room.is_some_and(|room| session.membership_in(room).is_some()) {
            return Err(ErrorCode::AlreadySubscribed.into());
        }
        let client = session.client().ok_or(Disconnect::Stale)?;
        if client.subscriptions().len() >= self.manners().channel_limit {
            return Err(ErrorCode::LimitExceeded.into());
        }
        if subscribe.kind != 0 {
            return Err(ErrorCode::NotAvailable.into());
        }
        if subscribe.has_filter {
            return Err(ErrorCode::BadRequest.into());
        }
        if client.has_to_cool(channel, self.tick()) {
            return Err(ErrorCode::TooManyRequests.into());
        }
        Ok(room.map_or_else(
            || channel.into(),
            |room| Arc::clone(&self.rooms.get(room).name),
        ))
    }

    /// A client is to be in a room, whose home is yet to be asked.
    pub(super) fn begin_subscription(
        &mut self,
        slot: u32,
        name: &Arc<str>,
        rendition: Rendition,
        subscription: Subscription,
    ) -> Result<MembershipId, Declined> {
        let room = self.find_or_create(name);
        let room = room.ok_or(ErrorCode::TooManyRequests)?;
        let session = self.sessions.at_mut(slot);
        let Some(id) = session.add_membership(room, rendition) else {
            self.rooms.release(room);
            return Err(ErrorCode::LimitExceeded.into());
        };
        if let Some(client) = session.client_mut() {
            client.subscriptions_mut().add(id, subscription);
        }
        Ok(id)
    }

    /// The home of a room has answered a client's join. What is said there from now on is sent to it, behind
    /// what it is told here.
    pub(in crate::shard) fn client_arrived(
        &mut self,
        slot: u32,
        membership: MembershipId,
        answer: &JoinAnswer,
    ) {
        match self.client(slot).and_then(Client::waiting) {
            Some(Waiting::Subscribe(one)) if one.membership == membership => {
                let one = **one;
                self.client_mut(slot).and_then(Client::take_waiting);
                match answer {
                    JoinAnswer::Welcome(welcome) => self.welcome(slot, &one, welcome),
                    refused => {
                        self.decline(slot, one.id, Declined::Error(why_not(refused)));
                    }
                }
            }
            Some(Waiting::Connect(_)) => self.client_put_into(slot, membership, answer),
            _ => {}
        }
        self.resume_commands(slot);
    }

    fn welcome(&mut self, slot: u32, subscribing: &Subscribing, welcome: &Welcome) {
        self.metrics().subscribed.add(1);
        let (position, recovered) = arrived(welcome.arrival.as_deref());
        let result = subscribed(subscribing, position, recovered);
        self.answer(slot, subscribing.id, &Reply::Subscribe(result));
    }

    /// A client wants to be in a room no longer. It is told so whether it was there or not.
    pub(super) fn client_unsubscribe(
        &mut self,
        slot: u32,
        id: u32,
        channel: &str,
    ) -> Result<Step, Declined> {
        if channel.is_empty() {
            return Err(Disconnect::BadRequest.into());
        }
        let room = self.rooms.find(channel);
        let session = self.sessions.at(slot);
        if let Some(membership) = room.and_then(|room| session.membership_in(room)) {
            self.leave_room(slot, membership);
        }
        self.answer(slot, id, &Reply::Unsubscribe);
        Ok(Step::Done)
    }
}
