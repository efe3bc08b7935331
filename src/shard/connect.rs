//! From a new socket to an open session: the request head, where the connection belongs, the join.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use uuid::Uuid;

use super::Shard;
use super::credit;
use super::message::Message;
use crate::id::{MemberId, MembershipId, RoomId, ShardId};
use crate::mesh::ThreadId;
use crate::room::Rendition;
use crate::room::sequencer::Announcement;
use crate::session::{Flags, Phase, Place};
use crate::wire::handshake::{self, Endpoint, Policy, Route, Upgrade};
use crate::wire::http::{self, Refusal};
use crate::wire::plain;

impl Shard {
    /// A connection was accepted.
    pub fn handle_accepted(&mut self, socket: OwnedFd) {
        self.metrics().accepted.add(1);
        if let Some(slot) = self.insert(socket) {
            self.settle(slot);
        }
    }

    /// Another thread hands over a connection with the bytes it has read.
    pub(super) fn adopt(&mut self, from: ThreadId, socket: OwnedFd, bytes: &[u8], placed: bool) {
        if from.0 < self.shards() {
            let from = ShardId::new(from.0);
            self.credits.to_home.use_up(from, credit::cost(bytes.len()));
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
        self.head_bytes(slot, bytes);
        if self.sessions.lookup(key).is_some() {
            self.settle(slot);
        }
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
            listen: &config.listen,
        };
        match handshake::route(&head, &policy) {
            Route::Web => self.hand_to_web(slot, bytes, head.path()),
            Route::Refused(refusal) => self.refuse(slot, bytes, &refusal),
            Route::WebSocket(upgrade) => self.upgrade(slot, &upgrade, bytes, end),
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
        if self.web_room <= reserved {
            return self.refuse(slot, bytes, &Refusal::busy());
        }
        self.web_room -= 1;
        self.hand_over(slot, ThreadId(self.shards()), |socket| Message::Serve {
            socket,
            bytes: bytes.to_vec(),
        });
    }

    /// Gives the socket to another thread. In this phase no operation on it is in flight.
    fn hand_over(&mut self, slot: u32, to: ThreadId, message: impl FnOnce(OwnedFd) -> Message) {
        self.holdings.note(self.sessions.key(slot), 0);
        let session = self.sessions.remove(slot);
        self.send_to_thread(to, message(session.into_socket()));
    }

    /// Answers the request that begins with `request` and ends the connection.
    pub(super) fn refuse(&mut self, slot: u32, request: &[u8], refusal: &Refusal) {
        self.note_refusal(slot, request, refusal);
        refusal.encode(request, self.sessions.at_mut(slot).refuse());
        self.note_holding(slot);
        self.begin_goodbye(slot);
        self.mark_dirty(slot);
    }

    fn upgrade(&mut self, slot: u32, upgrade: &Upgrade, bytes: &[u8], end: usize) {
        if self.stopping {
            return self.refuse(slot, bytes, &Refusal::stopping());
        }
        let others: u64 = ShardId::all(self.shards())
            .zip(self.setup.metrics.iter())
            .filter(|(shard, _)| *shard != self.setup.number)
            .map(|(_, metrics)| metrics.sessions.get())
            .sum();
        if self.open + others >= self.config().connections_max as u64 {
            return self.refuse(slot, bytes, &Refusal::busy());
        }
        let name: Arc<str> = match &upgrade.endpoint {
            Endpoint::Echo => {
                self.accept(slot, upgrade, Place::Echo, &bytes[end..]);
                return self.open(slot);
            }
            Endpoint::Room(name) => name.as_str().into(),
        };
        let home = self.setup.homes.of(&name);
        let placed = self.sessions.at(slot).flags().any(Flags::PLACED);
        let elsewhere = home != self.setup.number && !placed && !self.spread_rooms.contains(&name);
        // A home that is behind with what it was sent is joined from here.
        if elsewhere && self.credits.to_home.left(home) > 0 {
            let bytes = bytes.to_vec();
            self.credits.to_home.spend(home, credit::cost(bytes.len()));
            return self.hand_over(slot, ThreadId(home.number()), |socket| Message::Adopt {
                socket,
                bytes,
                placed: true,
            });
        }
        let Some(room) = self.rooms.find_or_create(&name) else {
            return self.refuse(slot, bytes, &Refusal::full());
        };
        let rendition = if upgrade.presence {
            Rendition::Full
        } else {
            Rendition::Quiet
        };
        let place = Place::Room { room, rendition };
        self.accept(slot, upgrade, place, &bytes[end..]);
        self.rooms.get_mut(room).joining += 1;
        let (id, member) = (self.sessions.at(slot).id(), self.member_id(slot));
        self.send_or_handle(
            home,
            Message::Join {
                room: name,
                member,
                id,
                visible: upgrade.presence,
            },
        );
    }

    /// Sends to another shard, or acts at once when it is this one.
    pub(super) fn send_or_handle(&mut self, to: ShardId, message: Message) {
        if to == self.setup.number {
            self.handle_message(ThreadId(to.number()), message);
        } else {
            self.send(to, message);
        }
    }

    /// Notes what the upgrade asked for; the answer waits in the private replies until `open`.
    fn accept(&mut self, slot: u32, upgrade: &Upgrade, place: Place, rest: &[u8]) {
        self.open += 1;
        let session = self.sessions.at_mut(slot);
        handshake::accept_response(upgrade, session.private_mut());
        let echo = upgrade.echo.then_some(Flags::ECHO);
        let visible = upgrade.presence.then_some(Flags::VISIBLE);
        let wishes = echo.unwrap_or_default().and(visible.unwrap_or_default());
        session.join(place, wishes, rest);
        self.note_holding(slot);
    }

    /// At the room's home: a session of any shard joins.
    pub(super) fn join(&mut self, name: &Arc<str>, member: MemberId, id: Uuid, visible: bool) {
        let announced_max = self.config().presence_members_max;
        let room = self.rooms.find_or_create(name);
        if let Some(room) = room {
            let sequencer = self.sequencer(room);
            match sequencer.join(member.shard, visible, announced_max) {
                Announcement::Member => {
                    self.stage(room, true, Some(member), |out| {
                        plain::append_connect(out, id)
                    });
                }
                Announcement::Count => self.owe_count(room),
                Announcement::None => {}
            }
            self.reconsider_spread(room);
        }
        // Whoever says goodbye in the same breath is gone with the room once the join is confirmed.
        let held = room.map(|room| self.rooms.get(room).held);
        self.send_or_handle(
            member.shard,
            Message::Joined {
                member,
                ok: room.is_some(),
            },
        );
        // Its shard may know the room from before, or not at all.
        if let Some(on) = held
            && member.shard != self.setup.number
        {
            let room = Arc::clone(name);
            self.send(member.shard, Message::Hold { room, on });
        }
    }

    /// At the room's home: a member of any shard left.
    pub(super) fn left(&mut self, name: &Arc<str>, member: MemberId, id: Uuid, visible: bool) {
        let announced_max = self.config().presence_members_max;
        let Some(room) = self.rooms.find(name) else {
            return;
        };
        match self
            .sequencer(room)
            .leave(member.shard, visible, announced_max)
        {
            Announcement::Member => {
                self.stage(room, true, Some(member), |out| {
                    plain::append_disconnect(out, id)
                });
            }
            Announcement::Count => self.owe_count(room),
            Announcement::None => {}
        }
        self.reconsider_spread(room);
        self.rooms.release(room);
    }

    /// Tells the other shards when the room has become large, or small again. Between the two
    /// bounds lies room for members to come and go without a message each time.
    fn reconsider_spread(&mut self, room: RoomId) {
        let spread_min = self.config().spread_members_min;
        let name = Arc::clone(&self.rooms.get(room).name);
        let sequencer = self.sequencer(room);
        let members = sequencer.members() as usize;
        let spread = members >= spread_min || (sequencer.spread && members > spread_min / 2);
        if spread != sequencer.spread {
            sequencer.spread = spread;
            self.send_to_shards(|| Message::Spread {
                room: Arc::clone(&name),
                spread,
            });
        }
    }

    /// The home shard has confirmed the join: whatever it delivers from now on, this session gets.
    pub(super) fn joined(&mut self, member: MemberId, ok: bool) {
        let key = member.key();
        let Some(session) = self.sessions.lookup(key) else {
            return;
        };
        let Place::Room { room, rendition } = session.place() else {
            return;
        };
        if session.phase() != Phase::Joining {
            return;
        }
        let here = self.rooms.get_mut(room);
        here.joining -= 1;
        if !ok {
            self.open -= 1;
            self.rooms.release(room);
            self.refuse(key.slot, b"", &Refusal::full());
            return self.settle(key.slot);
        }
        let audience = here.audience(rendition);
        let number = u32::try_from(audience.add(key.slot)).expect("slots are below 2^24");
        session.enter(MembershipId::INLINE, number, audience.index.head());
        self.open(key.slot);
        self.settle(key.slot);
    }

    fn open(&mut self, slot: u32) {
        self.metrics().opened.add(1);
        let tick = self.tick();
        let rest = self.sessions.at_mut(slot).open(tick);
        self.schedule_ping(slot);
        self.mark_dirty(slot);
        if let Some(mut rest) = rest {
            self.frames(slot, &mut rest);
        }
    }
}
