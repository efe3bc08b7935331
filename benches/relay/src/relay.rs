//! All connections and rooms: from bytes that arrived to what is to be sent, without a system call.
//!
//! A turn is whatever was received between two rounds of sends. A peer is sent to once in a turn, so that what a
//! full socket did not take can't be overtaken.

use std::collections::HashMap;
use std::os::fd::OwnedFd;

use fanring::wire::handshake::Endpoint;
use slab::Slab;

use crate::peer::{ECHO, NOWHERE, Peer, UNSENT_BYTES_MAX};

/// What the driver is to do for a peer after a turn's sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    /// Tell when its socket takes bytes again.
    AwaitSpace(u32),
    /// Shut its socket down.
    ShutDown(u32),
}

#[derive(Debug, Default)]
pub(crate) struct Relay {
    peers: Slab<Peer>,
    generations: u32,
    names: HashMap<String, u32>,
    rooms: Vec<Vec<u32>>,
    /// Of this turn: frames as they go out, one after the other.
    frames: Vec<u8>,
    answers: Vec<u8>,
    /// Who is to be sent to in this turn, and who in the next one.
    due: Vec<u32>,
    later: Vec<u32>,
    /// Whether somebody may have more to be sent than a turn sends.
    more: bool,
    wishes: Vec<Wish>,
}

impl Relay {
    /// A new connection; returns its slot.
    pub(crate) fn open(&mut self, socket: OwnedFd) -> u32 {
        self.generations = self.generations.wrapping_add(1);
        let slot = self.peers.insert(Peer::new(socket, self.generations));
        number(slot)
    }

    pub(crate) fn peer(&self, slot: u32) -> Option<&Peer> {
        self.peers.get(slot as usize)
    }

    /// The peer, if it is still the one that had the slot when `generation` was told.
    pub(crate) fn peer_mut(&mut self, slot: u32, generation: u32) -> Option<&mut Peer> {
        let peer = self.peers.get_mut(slot as usize);
        peer.filter(|peer| peer.generation() == generation)
    }

    /// Whether there is something to send.
    pub(crate) fn has_work(&self) -> bool {
        !self.due.is_empty()
    }

    /// Whether there may be something to send once this turn's sends are made, so that nothing should be waited for.
    pub(crate) fn has_more(&self) -> bool {
        self.more
    }

    /// Bytes have arrived, which are unmasked in place.
    pub(crate) fn receive(&mut self, slot: u32, bytes: &mut [u8]) {
        let Some(peer) = self.peers.get_mut(slot as usize) else {
            return;
        };
        let start = number(self.frames.len());
        let received = (peer.connection).receive(bytes, &mut self.frames, &mut self.answers);
        if !self.answers.is_empty() {
            peer.add_own(&self.answers);
            self.answers.clear();
            self.more = true;
            list(slot, peer, &mut self.due);
        }
        match received {
            Ok(Some(endpoint)) => self.join(slot, endpoint),
            Ok(None) => {}
            Err(_) => self.end(slot),
        }
        let end = number(self.frames.len());
        if end > start {
            self.fan_out(slot, (start, end));
        }
    }

    fn join(&mut self, slot: u32, endpoint: Endpoint) {
        let room = match endpoint {
            Endpoint::Echo | Endpoint::Client => ECHO,
            Endpoint::Room(name) => {
                let next = number(self.rooms.len());
                let room = *self.names.entry(name).or_insert(next);
                if room == next {
                    self.rooms.push(Vec::new());
                }
                self.rooms[room as usize].push(slot);
                room
            }
        };
        self.peers[slot as usize].room = room;
    }

    /// Gives a range of this turn's frames to the room's others.
    fn fan_out(&mut self, from: u32, range: (u32, u32)) {
        let own = [from];
        let (members, sender) = match self.peers[from as usize].room {
            NOWHERE => return,
            ECHO => (&own[..], None),
            room => (&self.rooms[room as usize][..], Some(from)),
        };
        for &slot in members {
            if Some(slot) == sender {
                continue;
            }
            let peer = &mut self.peers[slot as usize];
            peer.add(range, &self.frames);
            self.more |= peer.unsent_bytes() > 0;
            if peer.unsent_bytes() > UNSENT_BYTES_MAX {
                self.wishes.push(Wish::ShutDown(slot));
            }
            list(slot, peer, &mut self.due);
        }
    }

    /// The socket takes bytes again.
    pub(crate) fn writable(&mut self, slot: u32) {
        if let Some(peer) = self.peers.get_mut(slot as usize) {
            peer.full = false;
            self.more = true;
            list(slot, peer, &mut self.due);
        }
    }

    /// What is to be sent in this turn, to whom.
    pub(crate) fn sends(&self) -> impl Iterator<Item = (u32, &Peer, &[u8])> {
        self.due.iter().filter_map(|&slot| {
            let peer = self.peers.get(slot as usize).filter(|peer| !peer.full)?;
            let bytes = peer.bytes(&self.frames);
            (!bytes.is_empty()).then_some((slot, peer, bytes))
        })
    }

    /// What became of a send that was not taken whole: `None` when the connection has failed.
    pub(crate) fn cut(&mut self, slot: u32, taken: Option<usize>) {
        let Some(peer) = self.peers.get_mut(slot as usize) else {
            return;
        };
        match taken {
            Some(taken) => {
                peer.sent(taken, &self.frames);
                self.wishes.push(Wish::AwaitSpace(slot));
            }
            None => self.wishes.push(Wish::ShutDown(slot)),
        }
    }

    /// All sends were made, and those that were not taken whole told of.
    pub(crate) fn end_turn(&mut self) {
        for slot in self.due.drain(..) {
            let Some(peer) = self.peers.get_mut(slot as usize) else {
                continue;
            };
            peer.listed = false;
            if peer.full {
                continue;
            }
            let offered = peer.bytes(&self.frames).len();
            peer.sent(offered, &self.frames);
            if peer.unsent_bytes() > 0 {
                list(slot, peer, &mut self.later);
            } else if peer.ending {
                self.wishes.push(Wish::ShutDown(slot));
            }
        }
        self.frames.clear();
        self.more = !self.later.is_empty();
        std::mem::swap(&mut self.due, &mut self.later);
    }

    /// What is to be done for peers since it was last asked.
    pub(crate) fn take_wish(&mut self) -> Option<Wish> {
        self.wishes.pop()
    }

    /// The connection is to end, once all has left.
    fn end(&mut self, slot: u32) {
        let peer = &mut self.peers[slot as usize];
        peer.ending = true;
        if !peer.listed {
            self.wishes.push(Wish::ShutDown(slot));
        }
    }

    /// The connection is over, and no operation on it is in flight: closes the socket.
    pub(crate) fn close(&mut self, slot: u32) {
        let Some(peer) = self.peers.try_remove(slot as usize) else {
            return;
        };
        // There is none of those who are nowhere or in /echo.
        if let Some(members) = self.rooms.get_mut(peer.room as usize)
            && let Some(place) = members.iter().position(|&member| member == slot)
        {
            members.swap_remove(place);
        }
    }
}

/// Sees to it that a peer is sent to, once, unless it has to wait for its socket.
fn list(slot: u32, peer: &mut Peer, due: &mut Vec<u32>) {
    if !peer.listed && !peer.full {
        peer.listed = true;
        due.push(slot);
    }
}

/// Slots, rooms, and bytes of a turn: a process has fewer descriptors, and receives less at once.
fn number(count: usize) -> u32 {
    u32::try_from(count).expect("less than 4 Gi")
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use fanring::wire::frame::{OpCode, append_frame, append_masked_frame};
    use fanring::wire::handshake::client_request;

    use super::*;

    const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

    fn join(relay: &mut Relay, path: &str) -> u32 {
        let slot = relay.open(File::open("/dev/null").unwrap().into());
        let mut request = Vec::new();
        client_request("h", path, KEY, &mut request);
        relay.receive(slot, &mut request);
        assert!(sent(relay).len() == 1, "the handshake's answer");
        relay.end_turn();
        slot
    }

    fn say(relay: &mut Relay, slot: u32, text: &str) {
        let mut frame = Vec::new();
        append_masked_frame(
            &mut frame,
            OpCode::Text,
            true,
            text.as_bytes(),
            [1, 2, 3, 4],
        );
        relay.receive(slot, &mut frame);
    }

    fn frames(texts: &[&str]) -> Vec<u8> {
        let mut frames = Vec::new();
        for text in texts {
            append_frame(&mut frames, OpCode::Text, text.as_bytes());
        }
        frames
    }

    fn sent(relay: &Relay) -> Vec<(u32, Vec<u8>)> {
        let sends = relay.sends();
        sends
            .map(|(slot, _, bytes)| (slot, bytes.to_vec()))
            .collect()
    }

    /// Goal: a message goes to the room's others only, and in /echo back.
    #[test]
    fn messages_stay_in_their_room() {
        let mut relay = Relay::default();
        let [a, b, c] = ["/ws/1", "/ws/1", "/ws/2"].map(|path| join(&mut relay, path));
        let echo = join(&mut relay, "/echo");
        say(&mut relay, a, "x");
        say(&mut relay, c, "y");
        say(&mut relay, echo, "z");
        assert_eq!(sent(&relay), [(b, frames(&["x"])), (echo, frames(&["z"]))]);
        relay.end_turn();
        assert!(!relay.has_work());
    }

    /// Goal: of several messages in a turn each peer gets its own, all in one send as far as they are neighbours.
    #[test]
    fn neighbours_share_a_send() {
        let mut relay = Relay::default();
        let [a, b, c] = [(); 3].map(|()| join(&mut relay, "/ws"));
        say(&mut relay, a, "1");
        say(&mut relay, b, "2");
        say(&mut relay, a, "3");
        let both = frames(&["1", "2", "3"]);
        let expected = [(b, frames(&["1"])), (c, both), (a, frames(&["2"]))];
        assert_eq!(sent(&relay), expected);
        assert!(relay.has_more());
        relay.end_turn();
        assert_eq!(sent(&relay), [(b, frames(&["3"]))]);
        relay.end_turn();
        assert!(!relay.has_work());
    }

    /// Goal: what a socket did not take is sent first when it takes bytes again, and not before.
    #[test]
    fn a_full_socket_loses_nothing() {
        let mut relay = Relay::default();
        let [a, b] = [(); 2].map(|()| join(&mut relay, "/ws"));
        say(&mut relay, a, "first");
        relay.cut(b, Some(3));
        relay.end_turn();
        assert_eq!(relay.take_wish(), Some(Wish::AwaitSpace(b)));
        say(&mut relay, a, "second");
        assert_eq!(sent(&relay), []);
        relay.end_turn();
        assert!(!relay.has_work() && !relay.has_more());
        relay.writable(b);
        let all = frames(&["first", "second"]);
        let mut received = Vec::new();
        while relay.has_work() {
            for (slot, bytes) in sent(&relay) {
                assert_eq!(slot, b);
                received.extend(bytes);
            }
            relay.end_turn();
        }
        assert_eq!(received, all[3..]);
    }

    /// Goal: a peer that says goodbye is answered before its socket is shut down, and is in no room when it is
    /// closed.
    #[test]
    fn a_goodbye_is_answered() {
        let mut relay = Relay::default();
        let [a, b] = [(); 2].map(|()| join(&mut relay, "/ws"));
        let mut close = Vec::new();
        append_masked_frame(&mut close, OpCode::Close, true, &[], [1, 2, 3, 4]);
        relay.receive(b, &mut close);
        assert_eq!(sent(&relay).len(), 1);
        assert_eq!(relay.take_wish(), None);
        relay.end_turn();
        assert_eq!(relay.take_wish(), Some(Wish::ShutDown(b)));
        relay.close(b);
        say(&mut relay, a, "x");
        assert!(!relay.has_work());
    }
}
