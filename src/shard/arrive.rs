//! From a new socket to a session that asks to join: the request head, and where the connection
//! belongs.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use super::Shard;
use super::parts::credit;
use crate::config::chat::doors::{Door, Entry};
use crate::id::{MembershipId, ShardId, ThreadId};
use crate::room::rendition::Rendition;
use crate::session::{Flags, Place, Session};
use crate::talk::{Handover, Lane, ToShard, ToWeb};
use crate::wire::handshake::{self, Endpoint, Origins, Policy, Route, Upgrade};
use crate::wire::http::{self, Head, Refusal};

impl Shard {
    /// A connection was accepted.
    pub fn handle_accepted(&mut self, socket: OwnedFd) {
        self.metrics().accepted.add(1);
        if let Some(slot) = self.insert(socket) {
            self.settle(slot);
        }
    }

    /// Another thread hands over a connection with the bytes it has read.
    pub(super) fn adopt(&mut self, from: ThreadId, connection: Handover, placed: bool) {
        let Handover { socket, bytes } = connection;
        if let ThreadId::Shard(from) = from {
            let cost = credit::cost(bytes.len());
            self.lanes.of(Lane::ToHome).use_up(from, cost);
        }
        let Some(slot) = self.insert(socket) else {
            return;
        };
        let key = self.sessions.key(slot);
        if placed {
            self.sessions.at_mut(slot).mark(Flags::PLACED);
        } else {
            self.metrics().adopted_from_web.add(1);
        }
        self.head_bytes(slot, &bytes);
        if self.sessions.lookup(key).is_some() {
            self.settle(slot);
        }
    }

    /// Gives the connection a slot. Dropped, and so closed, when there is none or the server ends.
    fn insert(&mut self, socket: OwnedFd) -> Option<u32> {
        if self.ending.is_drained() {
            return None;
        }
        let id = self.new_id();
        let deadline = self.tick().after(self.config().head_timeout);
        let session = Session::new(socket, id, self.tick(), deadline);
        let slot = self.sessions.insert(session)?.slot;
        self.schedule(slot, deadline);
        Some(slot)
    }

    /// Bytes of a request head. Nothing is kept when the head is whole at once.
    pub(super) fn head_bytes(&mut self, slot: u32, bytes: &[u8]) {
        let mut gathered = self.sessions.at_mut(slot).take_head();
        let scanned = gathered.as_ref().map_or(0, |gathered| gathered.len());
        let arrived = match &mut gathered {
            Some(gathered) => {
                gathered.extend_from_slice(bytes);
                gathered.as_slice()
            }
            None => bytes,
        };
        match http::find_head(arrived, scanned, self.config().head_bytes_max) {
            Ok(Some(end)) => self.request(slot, arrived, end),
            Ok(None) => {
                let gathered = gathered.unwrap_or_else(|| bytes.to_vec());
                self.sessions.at_mut(slot).keep_head(gathered);
                if scanned == 0 {
                    self.await_head(slot);
                }
            }
            Err(error) => self.refuse(slot, arrived, &error.refusal()),
        }
    }

    /// The time of a head counts from its first byte: a connection that a browser has opened ahead may
    /// have used up nearly all of its own.
    fn await_head(&mut self, slot: u32) {
        let deadline = self.tick().after(self.config().head_timeout);
        self.sessions.at_mut(slot).await_head(deadline);
        self.schedule(slot, deadline);
    }

    /// The head did not arrive in time. A connection on which nothing came is closed without a word: browsers
    /// open some ahead, and show people what comes on them unasked.
    pub(super) fn head_is_late(&mut self, slot: u32) {
        match self.sessions.at_mut(slot).take_head() {
            Some(gathered) => self.refuse(slot, &gathered, &Refusal::timeout()),
            None => self.kill(slot),
        }
    }

    fn request(&mut self, slot: u32, bytes: &[u8], end: usize) {
        let head = match http::parse_head(&bytes[..end]) {
            Ok(head) => head,
            Err(error) => return self.refuse(slot, bytes, &error.refusal()),
        };
        let config = Arc::clone(&self.setup.config);
        let policy = Policy {
            allow_origin: &config.allow_origin,
            subprotocols: &config.subprotocols,
            echo: config.echo,
            client_origins: (!config.chat.is_playground()).then_some(&config.chat as &dyn Origins),
            listen: &config.listen,
        };
        match handshake::route(&head, &policy) {
            Route::Web => self.hand_to_web(slot, bytes, head.path()),
            Route::Refused(refusal) => self.refuse(slot, bytes, &refusal),
            Route::WebSocket(upgrade) => self.upgrade(slot, &upgrade, &head, bytes),
        }
    }

    /// Gives the connection to the web thread, unless that has not come to earlier ones: it would wait
    /// there with its descriptor, and nobody knows for how long.
    fn hand_to_web(&mut self, slot: u32, bytes: &[u8], path: &str) {
        let reserved = if path == "/healthz" {
            0
        } else {
            self.config().web_waiting_health()
        };
        if self.web_waiting + reserved >= self.config().web_waiting_max() {
            return self.refuse(slot, bytes, &Refusal::busy());
        }
        self.web_waiting += 1;
        let connection = self.hand_over(slot, bytes);
        self.mail.tell_web(ToWeb::Serve(connection));
    }

    /// The connection for another thread, with what has come of it. In this phase no operation on it is in
    /// flight.
    fn hand_over(&mut self, slot: u32, bytes: &[u8]) -> Handover {
        self.holdings.note(self.sessions.key(slot), 0);
        Handover {
            socket: self.sessions.remove(slot).into_socket(),
            bytes: bytes.to_vec(),
        }
    }

    /// Answers the request that begins with `request` and ends the connection.
    pub(super) fn refuse(&mut self, slot: u32, request: &[u8], refusal: &Refusal) {
        self.note_refusal(slot, request, refusal);
        refusal.encode(request, self.sessions.at_mut(slot).refuse());
        self.note_holding(slot);
        self.begin_goodbye(slot);
        self.mark_dirty(slot);
    }

    fn upgrade(&mut self, slot: u32, upgrade: &Upgrade, head: &Head<'_>, bytes: &[u8]) {
        let rest = &bytes[head.bytes..];
        if self.ending.is_stopping() {
            return self.refuse(slot, bytes, &Refusal::stopping());
        }
        if self.open_everywhere() >= self.config().connections_max as u64 {
            return self.refuse(slot, bytes, &Refusal::busy());
        }
        let name: Arc<str> = match &upgrade.endpoint {
            Endpoint::Echo => {
                self.accept(slot, upgrade, Place::Echo, rest);
                return self.open(slot);
            }
            Endpoint::Client if !self.admits_client() => {
                return self.refuse(slot, bytes, &Refusal::too_fast());
            }
            Endpoint::Client => {
                self.accept(slot, upgrade, Place::Client, rest);
                return self.open_client(slot, upgrade.format);
            }
            Endpoint::Room(name) => name.as_str().into(),
        };
        let home = self.setup.homes.of(&name);
        let placed = self.sessions.at(slot).flags().any(Flags::PLACED);
        let elsewhere = home != self.setup.number && !placed && !self.spread_rooms.contains(&name);
        // A home that is behind with what it was sent is joined from here.
        if elsewhere && self.lanes.of(Lane::ToHome).left(home) > 0 {
            let cost = credit::cost(bytes.len());
            self.lanes.of(Lane::ToHome).spend(home, cost);
            let adopt = ToShard::Adopt {
                from: ThreadId::Shard(self.setup.number),
                connection: self.hand_over(slot, bytes),
                placed: true,
            };
            return self.mail.tell(home, adopt);
        }
        let token = handshake::token(head.query(), head.header("Authorization"));
        let admission = match self.enter(Door::Plain, &name, token.as_deref()) {
            Ok(admission) => admission,
            Err(status) => return self.refuse(slot, bytes, &Refusal::outside(status)),
        };
        let Some(room) = self.find_or_create(&name) else {
            return self.refuse(slot, bytes, &Refusal::full());
        };
        let rendition = rendition(upgrade);
        let place = Place::Room { room, rendition };
        self.accept(slot, upgrade, place, rest);
        if admission.entry == Entry::Reader {
            self.sessions.at_mut(slot).mark(Flags::READER);
        }
        if let Some(expires_at) = admission.expires_at {
            self.begin_lease(slot, expires_at);
        }
        self.ask_to_join(slot, MembershipId::INLINE, None);
    }

    /// Open sessions of all shards, as far as the others have said.
    fn open_everywhere(&self) -> u64 {
        let others: u64 = ShardId::all(self.shards())
            .zip(self.setup.metrics.iter())
            .filter(|(shard, _)| *shard != self.setup.number)
            .map(|(_, metrics)| metrics.sessions.get())
            .sum();
        self.tally.open() + others
    }

    /// Whether another client may come in this second, which it does then. One that is turned away does not count:
    /// those that try again would keep each other out.
    fn admits_client(&self) -> bool {
        let Some(per_second) = self.chat().client.connection_rate_limit else {
            return true;
        };
        let second = self.unix_seconds();
        let shards = self.setup.metrics.iter();
        let come: u64 = shards
            .map(|metrics| metrics.arrivals.in_second(second))
            .sum();
        let admits = come < per_second.get() as u64;
        if admits {
            self.metrics().arrivals.add(second);
        }
        admits
    }

    /// Notes what the upgrade asked for; the answer waits in the private replies until `open`.
    fn accept(&mut self, slot: u32, upgrade: &Upgrade, place: Place, rest: &[u8]) {
        self.tally.open_one();
        let session = self.sessions.at_mut(slot);
        handshake::accept_response(upgrade, session.private_mut());
        let echo = upgrade.echo.then_some(Flags::ECHO);
        let visible = upgrade.presence.then_some(Flags::VISIBLE);
        let wishes = echo.unwrap_or_default().and(visible.unwrap_or_default());
        session.join(place, wishes, rest);
        self.note_holding(slot);
    }
}

/// What the upgrade asked to be sent.
fn rendition(upgrade: &Upgrade) -> Rendition {
    if upgrade.presence {
        Rendition::PLAIN
    } else {
        Rendition::PLAIN_QUIET
    }
}
