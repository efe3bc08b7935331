//! What sessions ask the home of a room: it answers as much in a turn as does not fill memory, and the rest in the
//! next.

use std::sync::Arc;

use super::Shard;
use super::parts::asks::Ask;
use crate::message::Run;
use crate::room::history::{Query, Unreadable};
use crate::room::presence::{Asker, Present};
use crate::talk::{Ack, Answer, Published, Question, Refused, ToShard};

/// The longest answer, in bytes of messages.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// What is answered in a turn, but for the answer that exceeds it.
const TURN_BYTES_MAX: usize = 4 * ANSWER_BYTES_MAX;

impl Shard {
    /// A session wants to know something about a room that has its home here.
    pub(super) fn asked(&mut self, asker: Asker, room: Arc<str>, question: Question) {
        self.asks.add(Ask {
            asker,
            room,
            question,
        });
    }

    /// Answers what was asked; once a turn.
    pub(super) fn answer_asks(&mut self) {
        let mut left = TURN_BYTES_MAX;
        while left > 0
            && let Some(ask) = self.asks.take()
        {
            left = left.saturating_sub(self.consider(&ask));
        }
    }

    /// Answers a question, at once if it can be; returns what the answer takes, in bytes.
    fn consider(&mut self, ask: &Ask) -> usize {
        let asker = ask.asker;
        let answer = match ask.question {
            Question::Presence => match self.rooms.find(&ask.room) {
                Some(room) => {
                    self.serve_clients(room);
                    self.tell_names(room, asker);
                    return self.rooms.home_mut(room).visible() as usize * size_of::<Present>();
                }
                None if self.has_presence(&ask.room) => Answer::Presence(Vec::new()),
                None => Answer::Refused(Refused::NotKept),
            },
            Question::Stats => self.stats(&ask.room),
            Question::History(query) => self.read_history(&ask.room, &query),
        };
        let bytes = match &answer {
            Answer::History { publications, .. } => publications.weight(),
            _ => 0,
        };
        self.tell_asker(asker, answer);
        bytes
    }

    /// Whether it can be asked who is in a room.
    fn has_presence(&self, name: &str) -> bool {
        self.options(name).is_some_and(|options| options.presence)
    }

    fn stats(&mut self, name: &Arc<str>) -> Answer {
        let stats = match self.rooms.find(name) {
            Some(room) => {
                self.serve_clients(room);
                self.rooms.home_mut(room).stats()
            }
            None => self.has_presence(name).then_some((0, 0)),
        };
        match stats {
            Some((clients, users)) => Answer::Stats { clients, users },
            None => Answer::Refused(Refused::NotKept),
        }
    }

    /// What was said in a room. It comes to be by that: whoever is told where its history stands may come back
    /// to it.
    fn read_history(&mut self, name: &Arc<str>, query: &Query) -> Answer {
        let Some(room) = self.find_or_create(name) else {
            return Answer::Refused(Refused::Full);
        };
        self.serve_clients(room);
        let read = (self.rooms).read_history(room, query, ANSWER_BYTES_MAX, self.now);
        self.rooms.release(room);
        match read {
            Some(Ok((publications, position))) => Answer::History {
                publications,
                position,
            },
            Some(Err(Unreadable::ForeignEpoch)) => Answer::Refused(Refused::ForeignEpoch),
            Some(Err(Unreadable::Senseless)) => Answer::Refused(Refused::Senseless),
            None => Answer::Refused(Refused::NotKept),
        }
    }

    /// Answers somebody.
    pub(super) fn tell_asker(&mut self, asker: Asker, answer: Answer) {
        let Asker { member, call } = asker;
        let answer = ToShard::Answer {
            asker: member.key(),
            call,
            answer: Box::new(answer),
        };
        self.mail.tell(member.shard, answer);
    }

    /// The room keeps none of what was said there any longer; where its history stands is as before.
    pub fn remove_history(&mut self, name: &str) {
        if let Some(room) = self.rooms.find(name) {
            self.rooms.remove_history(room);
            self.rooms.release(room);
        }
    }

    // Word of what was published.

    /// Tells those who wait for it that what they said has its place.
    pub(super) fn acknowledge(&mut self, mut acks: Vec<Ack>) {
        while let Some(first) = acks.first() {
            let shard = first.member.shard;
            let is_there = |ack: &Ack| ack.member.shard == shard;
            // Nearly always all of them are.
            if acks.iter().all(is_there) {
                return self.mail.tell_published(shard, acks);
            }
            let (there, others) = acks.into_iter().partition(is_there);
            self.mail.tell_published(shard, there);
            acks = others;
        }
    }

    /// Tells those who wait for word of `messages` that they have no place.
    pub(super) fn decline_messages(&mut self, messages: &Run) {
        let outcome = Published::Full;
        let acks = (messages.as_slice().tickets())
            .map(|(member, ticket, _)| Ack {
                member,
                ticket,
                outcome,
            })
            .collect();
        self.acknowledge(acks);
    }
}
