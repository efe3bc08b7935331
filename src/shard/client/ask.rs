//! A client asks who is in a room, and what was said there: the room's home answers.
//!
//! What is behind a question waits for its answer, which may be long.

use std::num::NonZeroUsize;
use std::sync::Arc;

use crate::id::{Offset, SessionKey};
use crate::message::{Info, Run};
use crate::protocol::centrifugo::codes::{Disconnect, ErrorCode};
use crate::protocol::centrifugo::command::History;
use crate::protocol::centrifugo::encode;
use crate::protocol::centrifugo::reply::{Position, Presence, Publication, Reply};
use crate::room::history::{self, Direction, EpochClaim, Query, Since};
use crate::room::presence::{Asker, Present};
use crate::session::Session;
use crate::session::client::{Asking, Client, Waiting};
use crate::shard::Shard;
use crate::shard::parts::step::{Declined, Step, encoding};
use crate::talk::{Answer, Question, Refused, ToShard};

impl Shard {
    /// A client asks who is in a room.
    pub(super) fn client_presence(
        &mut self,
        slot: u32,
        id: u32,
        channel: &str,
    ) -> Result<Step, Declined> {
        self.ask_who(slot, id, channel, Question::Presence)
    }

    /// A client asks how many are in a room.
    pub(super) fn client_stats(
        &mut self,
        slot: u32,
        id: u32,
        channel: &str,
    ) -> Result<Step, Declined> {
        self.ask_who(slot, id, channel, Question::Stats)
    }

    /// A client asks who is in a room. It is not there itself once it was told that it has left.
    fn ask_who(
        &mut self,
        slot: u32,
        id: u32,
        channel: &str,
        question: Question,
    ) -> Result<Step, Declined> {
        let standing = self.standing_in(slot, channel);
        self.channel(channel)?
            .may_read_presence(self.user(slot), standing)?;
        if self.is_departing_from(slot, channel) {
            return Ok(Step::Later);
        }
        self.ask(slot, id, channel, question)
    }

    /// A client asks what was said in a room. What it has said itself before is in there.
    pub(super) fn client_history(
        &mut self,
        slot: u32,
        id: u32,
        history: &History<'_>,
    ) -> Result<Step, Declined> {
        let standing = self.standing_in(slot, &history.channel);
        self.channel(&history.channel)?
            .may_read_history(self.user(slot), standing)?;
        if !self.client(slot).is_some_and(Client::has_published_all) {
            return Ok(Step::Later);
        }
        let most = self.chat().client.history_max_publication_limit;
        let most = most.map_or(usize::MAX, NonZeroUsize::get);
        // Saturates: no history has 2^31.
        let most = i32::try_from(most).unwrap_or(i32::MAX);
        let query = Query {
            limit: match history.limit {
                limit if limit < 0 => most,
                limit => limit.min(most),
            },
            since: history.since.as_ref().map(|since| Since {
                offset: since.offset,
                epoch: EpochClaim::of(&since.epoch),
            }),
            direction: match history.reverse {
                true => Direction::Reverse,
                false => Direction::Forward,
            },
        };
        self.ask(slot, id, &history.channel, Question::History(query))
    }

    /// Asks the home of a room.
    fn ask(
        &mut self,
        slot: u32,
        id: u32,
        channel: &str,
        question: Question,
    ) -> Result<Step, Declined> {
        let asker = Asker {
            member: self.member_id(slot),
            call: id,
        };
        let client = self.client_mut(slot).ok_or(Disconnect::Stale)?;
        client.wait(Waiting::Ask(Asking { id }));
        let (home, room) = (self.setup.homes.of(channel), Arc::from(channel));
        let ask = ToShard::Ask {
            asker,
            room,
            question,
        };
        self.mail.tell(home, ask);
        Ok(Step::Waits)
    }

    /// The home of a room has answered what a session asked.
    pub(in crate::shard) fn told(&mut self, asker: SessionKey, call: u32, answer: &Answer) {
        let client = (self.sessions.lookup(asker)).and_then(Session::client_mut);
        let waits = |client: &&mut Client| match client.waiting() {
            Some(Waiting::Ask(asking)) => asking.id == call,
            _ => false,
        };
        let Some(client) = client.filter(waits) else {
            return;
        };
        client.take_waiting();
        let slot = asker.slot;
        match answer {
            Answer::Presence(present) => {
                let infos: Vec<Info<'_>> = present.iter().map(info).collect();
                self.answer(slot, call, &Reply::Presence(Presence(&infos)));
            }
            Answer::Stats { clients, users } => {
                let (clients, users) = (*clients, *users);
                self.answer(slot, call, &Reply::PresenceStats { clients, users });
            }
            Answer::History {
                publications,
                position,
            } => self.tell_history(slot, call, publications, *position),
            Answer::Refused(refused) => {
                self.decline(slot, call, Declined::Error(why(*refused)));
            }
        }
        self.resume_commands(slot);
        self.settle(slot);
    }

    fn tell_history(&mut self, slot: u32, id: u32, run: &Run, position: history::Position) {
        let Some(encoding) = self.client(slot).map(|client| encoding(client.protocol())) else {
            return;
        };
        // It ends with the last one that fits.
        let mut left = self.config().reply_bytes_max;
        let messages = run.as_slice().messages();
        let publications: Vec<Publication<'_>> = messages
            .filter_map(|message| Publication::of(&message))
            .map(|publication| Publication {
                // Of a new stream clients learn the name by its first message.
                epoch: (publication.offset == Some(Offset::FIRST)).then_some(position.epoch),
                ..publication
            })
            .map_while(|publication| {
                let bytes = encode::publication_bytes(encoding, &publication);
                left = left.checked_sub(bytes)?;
                Some(publication)
            })
            .collect();
        let top = Position {
            epoch: position.epoch,
            offset: position.top,
        };
        let publications = &publications[..];
        self.answer(slot, id, &Reply::History { publications, top });
    }
}

/// Somebody who is in a room, as others are told.
fn info(present: &Present) -> Info<'_> {
    let about = present.about.as_ref();
    about.map_or(Info::anonymous(present.client), |about| {
        about.info(present.client)
    })
}

/// Why a question was not answered.
fn why(refused: Refused) -> ErrorCode {
    match refused {
        Refused::NotKept => ErrorCode::NotAvailable,
        Refused::ForeignEpoch => ErrorCode::UnrecoverablePosition,
        Refused::Senseless => ErrorCode::BadRequest,
        Refused::Full => ErrorCode::TooManyRequests,
    }
}
