//! What stands between a session's protocol and those who want to know what it heard: what is said goes out, and what was
//! found is handed on.

use fanring::wire::message::Kind;

use crate::protocol::seam::{Found, Listener, Notice, Place, Return};
use crate::session::outbox::Outbox;
use crate::session::unanswered::{Acknowledged, Unanswered};

/// Takes what a session hears.
pub(crate) trait Hearing {
    /// A payload, or what holds one or none.
    fn payload(&mut self, found: Found<'_>);

    /// The server has a message.
    fn acknowledged(&mut self, message: Acknowledged);

    /// The server said that it will not deliver something, and why.
    fn rejected(&mut self, why: String);

    /// Somebody came or went.
    fn noticed(&mut self, notice: Notice);

    /// The session says where it stood, and asks for what it missed.
    fn comes_back(&mut self);

    /// It was told whether it is given that.
    fn came_back(&mut self, how: Return);
}

/// Where nothing is heard.
pub(super) struct Nobody;

impl Hearing for Nobody {
    fn payload(&mut self, _: Found<'_>) {}

    fn acknowledged(&mut self, _: Acknowledged) {}

    fn rejected(&mut self, _: String) {}

    fn noticed(&mut self, _: Notice) {}

    fn comes_back(&mut self) {}

    fn came_back(&mut self, _: Return) {}
}

/// See the file.
pub(super) struct Desk<'a, H> {
    pub(super) outbox: &'a mut Outbox,
    pub(super) unanswered: &'a mut Unanswered,
    /// Of the message the protocol was told of.
    pub(super) kind: Kind,
    pub(super) hearing: &'a mut H,
}

impl<H: Hearing> Listener for Desk<'_, H> {
    #[inline]
    fn payload(&mut self, bytes: &[u8], place: Place) {
        let kind = self.kind;
        self.hearing.payload(Found { bytes, place, kind });
    }

    fn say(&mut self, kind: Kind, message: &[u8]) {
        self.outbox.frame(kind.opcode(), message);
    }

    fn rejected(&mut self, why: String) {
        self.hearing.rejected(why);
    }

    fn answered(&mut self, number: u64, answer: Result<(), String>) {
        match answer {
            Ok(()) => {
                if let Some(message) = self.unanswered.acknowledge(number) {
                    self.hearing.acknowledged(message);
                }
            }
            Err(why) => {
                self.unanswered.refuse(number);
                self.hearing.rejected(why);
            }
        }
    }

    fn noticed(&mut self, notice: Notice) {
        self.hearing.noticed(notice);
    }

    fn comes_back(&mut self) {
        self.hearing.comes_back();
    }

    fn came_back(&mut self, how: Return) {
        self.hearing.came_back(how);
    }
}
