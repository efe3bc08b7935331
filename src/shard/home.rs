//! What the home of a room does besides putting messages in order: it answers what sessions ask.

use super::Shard;
use crate::id::MemberId;
use crate::talk::{Answer, Question, Refused, ToShard};

impl Shard {
    /// At a room's home: a session wants to know something about the room. No room keeps anything yet.
    pub(super) fn asked(&mut self, asker: MemberId, call: u32, question: Question) {
        let answer = match question {
            Question::Presence | Question::Stats | Question::History(_) => {
                Answer::Refused(Refused::NotKept)
            }
        };
        let answer = ToShard::Answer {
            asker: asker.key(),
            call,
            answer: Box::new(answer),
        };
        self.mail.tell(asker.shard, answer);
    }
}
