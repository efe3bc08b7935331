//! Sessions that want to come into further rooms or to leave them while their shard has its turn, and what each
//! connection is sent meanwhile.

use std::collections::BTreeSet;
use std::sync::Arc;

use fanring::id::SessionKey;
use fanring::room::rendition::Rendition;
use fanring::shard::Shard;
use fanring::shard::join::SubscribeError;
use fastrand::Rng;
use uuid::Uuid;

use crate::counts::Counts;
use crate::driver::Onlooker;
use crate::kernel::Kernel;
use crate::tape::{Content, Piece, Tape};
use crate::trace;

/// What a session asks its shard for, as a command of its client would.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Verb {
    Join(Rendition),
    Leave,
}

/// That of one client.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wish {
    pub(crate) client: usize,
    pub(crate) connection: usize,
    pub(crate) key: SessionKey,
    pub(crate) room: usize,
    pub(crate) verb: Verb,
}

/// What became of it.
#[derive(Debug)]
pub(crate) struct Granted {
    pub(crate) wish: Wish,
    /// Whether the session spoke then.
    pub(crate) was_open: bool,
    pub(crate) answer: Result<(), SubscribeError>,
}

/// What they want, and what becomes of it.
pub(crate) struct Roamers<'a> {
    pub(crate) number: usize,
    /// The rooms' names, and which is the own one of each client.
    pub(crate) names: &'a [Arc<str>],
    pub(crate) own_rooms: &'a [usize],
    pub(crate) tapes: &'a mut [Tape],
    pub(crate) counts: &'a mut Counts,
    pub(crate) wishes: Vec<Wish>,
    pub(crate) granted: Vec<Granted>,
    /// The public names of those who were sent something, by their connections.
    pub(crate) named: Vec<(usize, Uuid)>,
}

impl Roamers<'_> {
    /// Of the rooms of those whose messages are in a send only those may begin that the session is in.
    fn check_send(
        &mut self,
        shard: &Shard,
        key: SessionKey,
        pieces: &[Piece],
    ) -> Result<(), String> {
        let reads = |room: usize| shard.reads(key, &self.names[room]);
        let mut rooms = BTreeSet::new();
        for piece in pieces {
            match piece.content {
                Content::Message(author) => {
                    let room = self.own_rooms[author as usize];
                    rooms.insert(room);
                    if piece.begins && reads(room).is_none() {
                        return Err(format!(
                            "{key:?} is sent what {author} says, and is not in its room"
                        ));
                    }
                }
                Content::Notice if piece.begins => {
                    let with = |room| reads(room) == Some(Rendition::PLAIN);
                    if !(0..self.names.len()).any(with) {
                        return Err(format!("{key:?} is sent a notice it does not read"));
                    }
                }
                Content::Notice | Content::Private => {}
            }
        }
        self.counts.sends_of_several += u64::from(rooms.len() > 1);
        Ok(())
    }

    /// Does what some sessions want, of which there may be more events before and after.
    fn grant(&mut self, shard: &mut Shard, kernel: &Kernel, count: usize) {
        let wishes: Vec<Wish> = self.wishes.drain(..count).collect();
        for wish in wishes {
            let name = &self.names[wish.room];
            let own = &self.names[self.own_rooms[wish.client]];
            let was_open = shard.reads(wish.key, own).is_some();
            let answer = match wish.verb {
                Verb::Join(rendition) => shard.subscribe(wish.key, name, rendition),
                Verb::Leave => shard.unsubscribe(wish.key, name),
            };
            trace!("shard {}, {wish:?}: {answer:?}", self.number);
            if answer.is_ok() {
                self.count(kernel, &wish);
            }
            self.granted.push(Granted {
                wish,
                was_open,
                answer,
            });
        }
    }

    fn count(&mut self, kernel: &Kernel, wish: &Wish) {
        let is_full = kernel.is_full(wish.connection);
        match wish.verb {
            Verb::Join(_) => self.counts.joins_of_the_full += u64::from(is_full),
            Verb::Leave => {
                self.counts.leaves += 1;
                self.counts.leaves_of_the_full += u64::from(is_full);
                if let Some(Content::Message(author)) = self.tapes[wish.connection].cut() {
                    let is_cut = self.own_rooms[author as usize] == wish.room;
                    self.counts.leaves_within_a_frame += u64::from(is_cut);
                }
            }
        }
    }
}

impl Onlooker for Roamers<'_> {
    type View = Vec<Piece>;

    fn planned(
        &mut self,
        shard: &Shard,
        key: SessionKey,
        connection: usize,
        bytes: &[u8],
    ) -> Result<Vec<Piece>, String> {
        let pieces = self.tapes[connection].pieces(bytes)?;
        self.check_send(shard, key, &pieces)?;
        let id = shard.public_id(key);
        self.named.extend(id.map(|id| (connection, id)));
        Ok(pieces)
    }

    fn taken(&mut self, connection: usize, pieces: &Vec<Piece>, bytes: usize) {
        self.tapes[connection].take(pieces, bytes);
    }

    fn before_event(&mut self, shard: &mut Shard, kernel: &Kernel, rng: &mut Rng) {
        let count = rng.usize(..=self.wishes.len());
        self.grant(shard, kernel, count);
    }

    fn behind_events(&mut self, shard: &mut Shard, kernel: &Kernel) {
        self.grant(shard, kernel, self.wishes.len());
    }
}
