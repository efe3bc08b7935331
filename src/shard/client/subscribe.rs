//! A client comes into a room, and leaves it again.

use std::sync::Arc;

use crate::auth::claims::SubscriptionToken;
use crate::auth::error::WayIn;
use crate::config::chat::permission::{Proof, Terms, Wish};
use crate::id::MembershipId;
use crate::protocol::centrifugo::codes::{Disconnect, ErrorCode};
use crate::protocol::centrifugo::command::Subscribe;
use crate::protocol::centrifugo::reply::{self, Reply};
use crate::room::rendition::Rendition;
use crate::session::client::{By, Client, Subscribing, Subscription, Waiting};
use crate::shard::Shard;
use crate::shard::parts::arrival::{
    COPIES, arrived, missed, recover, subscribed, unasked, why_not,
};
use crate::shard::parts::step::{Declined, Step};
use crate::shard::parts::verdict::{Hindrance, notices, overrides, standing, visible};
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
        if self.refuses_for_now(slot, id, &name)? {
            return Ok(Step::Done);
        }
        let token = match &*subscribe.token {
            "" => None,
            token => match self.grant(slot, WayIn::Subscribe, &name, token) {
                Ok(token) => Some(token),
                Err(Hindrance::KeyWanted) => return Ok(Step::Later),
                Err(Hindrance::Declined(declined)) => return Err(declined),
            },
        };
        let terms = self.terms(slot, subscribe, token.as_ref())?;
        let SubscriptionToken { grant, expires_at } = token.unwrap_or_default();
        let lease = self.subscription_lease(expires_at);
        let client = self.client(slot).ok_or(Disconnect::Stale)?;
        let about = client.about().ok_or(Disconnect::Stale)?;
        let about = self.about_there(about, self.user(slot), &grant.info)?;
        let rendition = Rendition::new(client.protocol(), notices(&terms));
        let wish = recover(subscribe).or(unasked(&terms));
        let since = wish.map(|wish| wish.since.offset);
        let recover = wish.filter(|_| terms.recovery.is_some());
        let subscription = Subscription::new(By::Client, about, visible(&terms), lease.ends);
        let membership = self.begin_subscription(slot, &name, rendition, subscription)?;
        let subscribing = Subscribing {
            id,
            membership,
            since,
            standing: standing(&terms),
            expires_s: lease.expires_s,
            data: grant.data.into(),
        };
        if let Some(client) = self.client_mut(slot) {
            client.wait(Waiting::Subscribe(Box::new(subscribing)));
        }
        self.ask_to_join(slot, membership, recover.map(Box::new));
        Ok(Step::Waits)
    }

    /// Whether a client has to wait before it comes to a room again, and is told so in time.
    fn refuses_for_now(&mut self, slot: u32, id: u32, name: &str) -> Result<bool, Declined> {
        let tick = self.tick();
        let client = self.client_mut(slot).ok_or(Disconnect::Stale)?;
        if !client.has_to_cool(name, tick) {
            return Ok(false);
        }
        if !client.refuse_later(name, id, tick) {
            return Err(ErrorCode::TooManyRequests.into());
        }
        self.schedule_client(slot);
        Ok(true)
    }

    /// What a subscription comes with that a client may have, by its token or the channel's rules.
    fn terms(
        &self,
        slot: u32,
        subscribe: &Subscribe<'_>,
        token: Option<&SubscriptionToken>,
    ) -> Result<Terms, Declined> {
        let (channel, user) = (self.channel(&subscribe.channel)?, self.user(slot));
        let proof = match token {
            Some(_) => Proof::Token,
            None => Proof::Nothing,
        };
        channel.may_subscribe(user, proof)?;
        let wish = Wish {
            positioned: subscribe.positioned,
            recoverable: subscribe.recoverable,
            join_leave: subscribe.join_leave,
        };
        let overrides = token.map(|token| overrides(&token.grant.overrides));
        Ok(channel.terms(user, wish, overrides.unwrap_or_default()))
    }

    /// Whether what a client wants is there to be had at all, and not already; gives the room's name.
    fn check_subscribe(&self, slot: u32, subscribe: &Subscribe<'_>) -> Result<Arc<str>, Declined> {
        let channel = &*subscribe.channel;
        self.channel(channel)?;
        if !matches!(&*subscribe.delta, "" | DELTA) {
            return Err(Disconnect::BadRequest.into());
        }
        let (session, room) = (self.sessions.at(slot), self.rooms.find(channel));
        if room.is_some_and(|room| session.membership_in(room).is_some()) {
            return Err(ErrorCode::AlreadySubscribed.into());
        }
        let client = session.client().ok_or(Disconnect::Stale)?;
        if client.subscriptions().len() >= self.chat().client.channel_limit.get() {
            return Err(ErrorCode::LimitExceeded.into());
        }
        if subscribe.kind != 0 {
            return Err(ErrorCode::NotAvailable.into());
        }
        if subscribe.has_filter {
            return Err(ErrorCode::BadRequest.into());
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
            client.subscribe(id, subscription);
        }
        Ok(id)
    }

    /// The home of a room has answered a client's join. What is said there from now on is sent to it, behind
    /// what it is told here. Commands that waited for that have yet to have their turns.
    pub(in crate::shard) fn client_arrived(
        &mut self,
        slot: u32,
        membership: MembershipId,
        answer: &JoinAnswer,
    ) {
        match self.client(slot).and_then(Client::waiting) {
            Some(Waiting::Subscribe(one)) if one.membership == membership => {
                let taken = self.client_mut(slot).and_then(Client::take_waiting);
                let Some(Waiting::Subscribe(one)) = taken else {
                    unreachable!("it was just there");
                };
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
    }

    fn welcome(&mut self, slot: u32, subscribing: &Subscribing, welcome: &Welcome) {
        self.metrics().subscribed.add(1);
        let (position, recovered) = arrived(welcome.arrival.as_deref());
        let mut result = subscribed(subscribing, position, recovered);
        let copies;
        if COPIES {
            copies = missed(welcome.arrival.as_deref());
            if matches!(result.recovery, reply::Recovery::Recovered(_)) {
                result.recovery = reply::Recovery::Recovered(&copies);
            }
        }
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
