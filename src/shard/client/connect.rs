//! A client says who it is, and is put into rooms by that.

use std::num::NonZeroU32;
use std::sync::Arc;

use crate::auth::claims::{ConnectionToken, Grant};
use crate::config::chat::permission::{Proof, Wish};
use crate::id::MembershipId;
use crate::protocol::centrifugo::codes::Disconnect;
use crate::protocol::centrifugo::command::{Connect, Subscribe};
use crate::protocol::centrifugo::reply::{Connected, Pings, Reply, Subscribed};
use crate::room::presence::About;
use crate::room::rendition::Rendition;
use crate::session::Flags;
use crate::session::client::{Arrivals, By, Identity, Subscribing, Subscription, Waiting};
use crate::session::tick::Tick;
use crate::shard::Shard;
use crate::shard::parts::arrival::{arrived, recover, subscribed, unasked};
use crate::shard::parts::lease::{Lease, Put};
use crate::shard::parts::seats::Newcomer;
use crate::shard::parts::step::{Declined, Step, VERSION};
use crate::shard::parts::verdict::{Hindrance, fingerprint, notices, overrides, standing, visible};
use crate::talk::JoinAnswer;

impl Shard {
    /// A client says who it is.
    pub(super) fn client_connect(
        &mut self,
        slot: u32,
        id: u32,
        connect: &Connect<'_>,
    ) -> Result<Step, Declined> {
        let token = match self.admit(slot, &connect.token) {
            Ok(token) => token,
            Err(Hindrance::KeyWanted) => return Ok(Step::Later),
            Err(Hindrance::Declined(declined)) => return Err(declined),
        };
        let about = self.about(&token)?;
        let newcomer = Newcomer {
            id,
            puts: self.puts(slot, &token, connect, &about)?,
            about,
            grants: fingerprint(&token.grants),
            expires_at: token.expires_at,
        };
        if !self.counts(&token.user) {
            return self.welcome_client(slot, newcomer);
        }
        if let Some(client) = self.client_mut(slot) {
            client.wait(Waiting::Seat);
        }
        self.seats.ask(self.sessions.key(slot), newcomer);
        self.ask_for_seat(slot, token.user.into());
        Ok(Step::Waits)
    }

    /// The user of a client may have it as another connection.
    pub(in crate::shard) fn client_seated(&mut self, slot: u32, newcomer: Newcomer) {
        let id = newcomer.id;
        if let Err(declined) = self.welcome_client(slot, newcomer) {
            self.decline(slot, id, declined);
        }
        self.resume_commands(slot);
        self.settle(slot);
    }

    /// The user of a client has as many connections as there may be.
    pub(in crate::shard) fn client_has_no_seat(&mut self, slot: u32) {
        self.disconnect(slot, Disconnect::ConnectionLimit);
        self.settle(slot);
    }

    /// A client is let in, and put into its rooms.
    fn welcome_client(&mut self, slot: u32, newcomer: Newcomer) -> Result<Step, Declined> {
        let Newcomer {
            id,
            about,
            grants,
            expires_at,
            puts,
        } = newcomer;
        let lease = self.connection_lease(expires_at);
        let identity = Identity {
            about,
            grants,
            ends: lease.ends,
        };
        if let Some(client) = self.client_mut(slot) {
            client.connect(identity);
        }
        if puts.is_empty() {
            self.client_connected(slot, id, lease.expires_s, &[]);
            return Ok(Step::Done);
        }
        self.put_into(slot, id, lease.expires_s, puts)?;
        Ok(Step::Waits)
    }

    /// What others are told of whoever a token lets in.
    pub(super) fn about(&self, token: &ConnectionToken) -> Result<Arc<About>, Declined> {
        if token.user.is_empty() && token.info.is_empty() {
            return Ok(Arc::clone(&self.nobody));
        }
        let about = About::new(&token.user, &token.info, b"");
        Ok(Arc::new(about.ok_or(Disconnect::InvalidToken)?))
    }

    /// For how long a connection token lets somebody stay.
    pub(super) fn connection_lease(&mut self, expires_at: Option<u64>) -> Lease {
        let moment = self.moment();
        let client = &self.chat().client;
        // Without rules nobody has to renew anything.
        let expires_at = expires_at.filter(|_| !client.insecure);
        Lease::until(expires_at, client.expired_close_delay, &moment)
    }

    /// The rooms that a client is put into: those of its token, that of its user, and those that it was in
    /// when it lost its connection and may be in.
    fn puts(
        &self,
        slot: u32,
        token: &ConnectionToken,
        connect: &Connect<'_>,
        about: &Arc<About>,
    ) -> Result<Vec<Put>, Declined> {
        let chat = self.chat();
        let mut grants = token.grants.clone();
        let has = |grants: &[Grant], channel: &str| grants.iter().any(|one| one.channel == channel);
        let of_user = chat.personal_channel(&token.user);
        if let Some(channel) = of_user.filter(|channel| !has(&grants, channel)) {
            grants.push(Grant {
                channel,
                ..Grant::default()
            });
        }
        for wish in &connect.subs {
            let channel = chat
                .channel(&wish.channel)
                .map_err(|_| Disconnect::BadRequest)?;
            let may = channel.may_subscribe(&token.user, Proof::Nothing).is_ok();
            if may && !has(&grants, &wish.channel) {
                grants.push(Grant {
                    channel: wish.channel.clone().into_owned(),
                    ..Grant::default()
                });
            }
        }
        if grants.len() > chat.client.channel_limit.get() {
            return Err(Disconnect::ChannelLimit.into());
        }
        let wish = |name: &str| connect.subs.iter().find(|wish| wish.channel == name);
        let puts = grants
            .iter()
            .map(|grant| self.put(slot, &token.user, grant, wish(&grant.channel), about));
        puts.collect()
    }

    fn put(
        &self,
        slot: u32,
        user: &str,
        grant: &Grant,
        wish: Option<&Subscribe<'_>>,
        about: &Arc<About>,
    ) -> Result<Put, Declined> {
        let protocol = self.client(slot).ok_or(Disconnect::Stale)?.protocol();
        let channel = self.channel(&grant.channel)?;
        let terms = channel.terms(user, Wish::default(), overrides(&grant.overrides));
        let about = self.about_there(about, user, &grant.info)?;
        let rendition = Rendition::new(protocol, notices(&terms));
        let wish = wish.and_then(recover).or(unasked(&terms));
        let recover = wish.filter(|_| terms.recovery.is_some());
        Ok(Put {
            name: grant.channel.as_str().into(),
            rendition,
            subscription: Subscription::new(By::Server, about, visible(&terms), None),
            standing: standing(&terms),
            recover,
            data: grant.data.as_slice().into(),
        })
    }

    /// What others in a room are told of a client, with what a token says of its place there.
    pub(super) fn about_there(
        &self,
        about: &Arc<About>,
        user: &str,
        channel_info: &[u8],
    ) -> Result<Arc<About>, Declined> {
        if channel_info.is_empty() {
            return Ok(Arc::clone(about));
        }
        let connection_info = about.info(uuid::Uuid::nil()).connection;
        let there = About::new(user, connection_info, channel_info);
        Ok(Arc::new(there.ok_or(Disconnect::InvalidToken)?))
    }

    /// A client is in its rooms, once these have answered, and is told nothing before.
    fn put_into(
        &mut self,
        slot: u32,
        id: u32,
        expires_s: Option<NonZeroU32>,
        puts: Vec<Put>,
    ) -> Result<(), Declined> {
        self.sessions.at_mut(slot).mark(Flags::UNANNOUNCED);
        let mut awaited = Vec::with_capacity(puts.len());
        for put in puts {
            let since = put.recover.as_ref().map(|recover| recover.since.offset);
            let membership =
                self.begin_subscription(slot, &put.name, put.rendition, put.subscription);
            // It was told nothing yet, and can't do without one of them.
            let membership = membership.map_err(|_| Disconnect::ServerError)?;
            self.ask_to_join(slot, membership, put.recover.map(Box::new));
            awaited.push(Subscribing {
                id,
                membership,
                since,
                standing: put.standing,
                expires_s: None,
                data: put.data,
            });
        }
        if let Some(client) = self.client_mut(slot) {
            client.wait(Waiting::Connect(Box::new(Arrivals {
                id,
                expires_s,
                there: Vec::new(),
                awaited,
            })));
        }
        Ok(())
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
        self.client_connected(slot, arrivals.id, arrivals.expires_s, &subs);
    }

    /// A client is told that it is in, and may ask for anything from now on.
    fn client_connected(
        &mut self,
        slot: u32,
        id: u32,
        expires_s: Option<NonZeroU32>,
        subs: &[(&str, Subscribed<'_>)],
    ) {
        let client = &self.chat().client;
        let interval = client.ping_interval;
        // Saturates: so far ahead no clock is.
        let unix_time_ms = client
            .connect_include_server_time
            .then(|| u64::try_from(self.unix_time.as_millis()).unwrap_or(u64::MAX));
        // Saturates: nobody waits for 136 years.
        let seconds = u32::try_from(interval.as_secs()).unwrap_or(u32::MAX);
        let connected = Connected {
            client: self.sessions.at(slot).id(),
            version: VERSION,
            expires_s,
            data: None,
            subs,
            pings: NonZeroU32::new(seconds).map(|interval_s| Pings {
                interval_s,
                want_pong: true,
            }),
            unix_time_ms,
        };
        self.answer(slot, id, &Reply::Connect(connected));
        // Thousands that came together are not to answer together.
        let first = interval.mul_f64(0.5 + 0.5 * self.random.f64());
        let first: Tick = self.tick().after(first);
        let session = self.sessions.at_mut(slot);
        session.unmark(Flags::UNANNOUNCED);
        if let Some(client) = session.client_mut() {
            client.connected(first);
        }
        self.schedule_client(slot);
    }
}
