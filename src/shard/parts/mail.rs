//! What a shard has to say to other threads, and to itself as if it were another: a room's home does
//! not care where a member is.

use std::collections::VecDeque;

use crate::auth::settings::Section;
use crate::id::ShardId;
use crate::talk::{Ack, Letter, ToShard, ToWeb};

/// Messages on their way out, in order.
#[derive(Debug)]
pub(crate) struct Mail {
    me: ShardId,
    letters: VecDeque<Letter>,
    own: VecDeque<ToShard>,
    /// Word of what was published, for those of this shard.
    acks: Vec<Ack>,
}

impl Mail {
    /// The mail of shard `me`.
    pub(crate) fn new(me: ShardId) -> Self {
        Self {
            me,
            letters: VecDeque::new(),
            own: VecDeque::new(),
            acks: Vec::new(),
        }
    }

    /// Something to be said to a shard, whichever it is.
    pub(crate) fn tell(&mut self, to: ShardId, message: ToShard) {
        if to == self.me {
            self.own.push_back(message);
        } else {
            self.letters.push_back(Letter::Shard(to, message));
        }
    }

    /// Those of a shard who wait for word of what they published are told.
    pub(crate) fn tell_published(&mut self, to: ShardId, acks: Vec<Ack>) {
        if to != self.me {
            self.tell(to, ToShard::Published { acks });
        } else if self.acks.is_empty() {
            self.acks = acks;
        } else {
            self.acks.extend(acks);
        }
    }

    /// What is to be told to those of this shard itself, which is soon: it leaves with what they published.
    #[inline]
    pub(crate) fn take_acks(&mut self) -> Vec<Ack> {
        std::mem::take(&mut self.acks)
    }

    /// Whoever keeps the keys of a section is to be asked for one.
    pub(crate) fn ask_for_key(&mut self, section: Section, key_id: Box<str>) {
        self.letters.push_back(Letter::Keeper(section, key_id));
    }

    /// Something to be said to the web thread.
    pub(crate) fn tell_web(&mut self, message: ToWeb) {
        self.letters.push_back(Letter::Web(message));
    }

    /// The next message to another thread.
    pub(crate) fn poll(&mut self) -> Option<Letter> {
        self.letters.pop_front()
    }

    /// The next message to this shard itself.
    pub(crate) fn poll_own(&mut self) -> Option<ToShard> {
        self.own.pop_front()
    }

    /// Whether anything has yet to be said.
    pub(crate) fn has_work(&self) -> bool {
        !self.letters.is_empty() || !self.own.is_empty() || !self.acks.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::Mail;
    use crate::id::ShardId;
    use crate::talk::{Count, Letter, ToShard, ToWeb};

    /// Goal: what a shard says to itself stays with it, everything else leaves in order.
    #[test]
    fn own_mail_stays() {
        let [me, other] = [ShardId::new(1), ShardId::new(0)];
        let mut mail = Mail::new(me);
        mail.tell(other, ToShard::Drained);
        mail.tell(me, ToShard::Drained);
        let (ticket, members) = (7, Count::NoRoom);
        mail.tell_web(ToWeb::MembersCounted { ticket, members });
        assert!(matches!(mail.poll(), Some(Letter::Shard(to, ToShard::Drained)) if to == other));
        assert!(matches!(
            mail.poll(),
            Some(Letter::Web(ToWeb::MembersCounted { ticket: 7, .. }))
        ));
        assert!(mail.poll().is_none() && mail.has_work());
        assert!(matches!(mail.poll_own(), Some(ToShard::Drained)));
        assert!(mail.poll_own().is_none() && !mail.has_work());
    }
}
