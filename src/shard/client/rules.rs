//! What a client may do, by the rules of the channels, and who it is, by its tokens.

use crate::auth::claims::{Bearer, ConnectionToken, SubscriptionToken};
use crate::auth::error::{TokenError, WayIn, outcome};
use crate::auth::jwks::cache::KeyNews;
use crate::auth::waiting::Held;
use crate::config::Chat;
use crate::config::chat::permission::{self, Channel};
use crate::id::{MembershipId, RoomId};
use crate::protocol::centrifugo::codes::Disconnect;
use crate::session::Session;
use crate::session::client::{Client, Waiting};
use crate::session::membership::Membership;
use crate::shard::Shard;
use crate::shard::parts::lease::Moment;
use crate::shard::parts::step::Declined;
use crate::shard::parts::verdict::{Hindrance, declined};

impl Shard {
    /// The rules.
    pub(in crate::shard) fn chat(&self) -> &Chat {
        &self.config().chat
    }

    /// The channel of that name, with its rules.
    pub(super) fn channel<'a>(&'a self, name: &'a str) -> Result<Channel<'a>, Declined> {
        if name.is_empty() {
            return Err(Disconnect::BadRequest.into());
        }
        Ok(self.chat().channel(name)?)
    }

    /// Whose a client is; nobody's before it has said so.
    pub(in crate::shard) fn user(&self, slot: u32) -> &str {
        let session = self.sessions.at(slot);
        let about = session.client().and_then(Client::about);
        about.map_or("", |about| about.info(session.id()).user)
    }

    /// Whether a client is in the room of that name.
    pub(super) fn standing_in(&self, slot: u32, name: &str) -> permission::Standing {
        let (_, standing) = self.room_and_standing(slot, name);
        standing
    }

    /// The room of that name, if it is here, and how a client stands to it.
    pub(super) fn room_and_standing(
        &self,
        slot: u32,
        name: &str,
    ) -> (Option<RoomId>, permission::Standing) {
        let session = self.sessions.at(slot);
        // Most say what they say in the only room that they are in, which need not be looked up.
        let first = (session.membership(MembershipId::INLINE)).map(Membership::room);
        let first = first.filter(|&room| *self.rooms.get(room).name == *name);
        let room = first.or_else(|| self.rooms.find(name));
        match room.and_then(|room| session.membership_in(room)) {
            Some(_) => (room, permission::Standing::Subscribed),
            None => (room, permission::Standing::Outside),
        }
    }

    /// The moment that it is, for what lasts from then on.
    pub(super) fn moment(&mut self) -> Moment {
        Moment {
            unix_time: self.unix_time,
            tick: self.tick(),
            draw: self.random.u64(..),
        }
    }

    // Tokens.

    /// Whom a token lets in, or nobody in particular where none is needed.
    pub(super) fn admit(&mut self, slot: u32, token: &str) -> Result<ConnectionToken, Hindrance> {
        let chat = self.chat();
        if token.is_empty() {
            return match chat.may_connect_without_token() {
                true => Ok(ConnectionToken::default()),
                false => Err(Disconnect::BadRequest.into()),
            };
        }
        let checked = self.keys.connection(token, self.unix_seconds());
        let admitted = checked.map_err(|error| self.judge(slot, WayIn::Connect, &error))?;
        if admitted.user.is_empty() && self.chat().client.disallow_anonymous_connection_tokens {
            return Err(Disconnect::PermissionDenied.into());
        }
        Ok(admitted)
    }

    /// Whether a token lets a client stay.
    pub(super) fn readmit(&mut self, slot: u32, token: &str) -> Result<ConnectionToken, Hindrance> {
        let checked = (self.keys).refresh(token, self.user(slot), self.unix_seconds());
        checked.map_err(|error| self.judge(slot, WayIn::Refresh, &error))
    }

    /// What a token gives a client in a channel.
    pub(super) fn grant(
        &mut self,
        slot: u32,
        way_in: WayIn,
        channel: &str,
        token: &str,
    ) -> Result<SubscriptionToken, Hindrance> {
        let mut name = uuid::Uuid::encode_buffer();
        let client = self.sessions.at(slot).id().hyphenated();
        let bearer = Bearer {
            user: self.user(slot),
            client: client.encode_lower(&mut name),
            channel,
        };
        let checked = (self.keys).subscription(token, &bearer, self.unix_seconds());
        checked.map_err(|error| self.judge(slot, way_in, &error))
    }

    /// What a client is told whose token does not help; or it waits for its key.
    fn judge(&mut self, slot: u32, way_in: WayIn, error: &TokenError) -> Hindrance {
        self.metrics().tokens_refused.add(1);
        if let TokenError::KeyWanted { section, key_id } = error {
            let key = self.sessions.key(slot);
            match self.key_waiters.hold(*section, key) {
                Held::Full => {}
                held => {
                    if held == Held::Ask {
                        self.mail.ask_for_key(*section, key_id.clone());
                    }
                    if let Some(client) = self.client_mut(slot) {
                        client.wait(Waiting::Key);
                    }
                    return Hindrance::KeyWanted;
                }
            }
        }
        Hindrance::Declined(declined(outcome(way_in, error)))
    }

    /// Whoever keeps keys has news: tokens that had to wait are judged again.
    pub fn handle_keys(&mut self, news: &KeyNews) {
        self.keys.handle_news(news, self.unix_seconds());
        for key in self.key_waiters.take(news) {
            let waits = |client: &&mut Client| matches!(client.waiting(), Some(Waiting::Key));
            let client = (self.sessions.lookup(key)).and_then(Session::client_mut);
            if let Some(client) = client.filter(waits) {
                client.take_waiting();
                self.resume_commands(key.slot);
                self.settle(key.slot);
            }
        }
    }
}
