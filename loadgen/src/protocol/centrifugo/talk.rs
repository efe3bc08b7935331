//! One session of Centrifugo's protocol: its commands in their order, what comes of them, and where it stands.

use fanring::wire::message::Kind;

use super::asked::{Offsets, Subscribe};
use super::encoding::{CONNECT_ID, Encoding, SUBSCRIBE_ID};
use super::heard::{Answer, Heard, Reason, Subscribed};
use super::{json, protobuf};
use crate::protocol::envelope::Around;
use crate::protocol::seam::{Listener, Place, Position, Return, Speaker};

/// How many numbers publishes have before they begin anew.
const PUBLISH_IDS: u64 = (u32::MAX - SUBSCRIBE_ID) as u64;

/// Codes of subscriptions that were taken away and may be asked for again, from this one on.
const RESUBSCRIBE_CODE_MIN: u32 = 2500;

/// The error that says that a position can't be recovered.
const UNRECOVERABLE: u32 = 112;

/// Why there is nothing to come back to.
const NO_POSITION: &str = "the server gives back nothing in this channel: allow recovery there, or leave recover=yes away";

/// How far a session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Connecting,
    Subscribing,
    Ready,
}

/// See the file. Strings are as commands have them.
pub(super) struct Talk {
    pub(super) encoding: Encoding,
    pub(super) phase: Phase,
    pub(super) connect: Vec<u8>,
    pub(super) channel: Vec<u8>,
    pub(super) channel_token: Option<Vec<u8>>,
    pub(super) wants_notices: bool,
    pub(super) offsets: Offsets,
    /// How publications in JSON usually begin.
    pub(super) usual: Vec<u8>,
    pub(super) data: Around,
    pub(super) wants_pong: bool,
    /// Where it stands, and whether it comes back to that and has not been answered yet.
    pub(super) position: Option<Position>,
    pub(super) is_back: bool,
    /// Number of the last command, and how many have published.
    pub(super) last_id: u32,
    pub(super) published: u64,
}

impl Talk {
    /// Which of the publishes a command with this number was, counted from 0.
    pub(super) fn published_by(&self, id: u32) -> Option<u64> {
        let place = |id: u32| id.checked_sub(SUBSCRIBE_ID + 1).map(u64::from);
        let behind = (place(self.last_id)? + PUBLISH_IDS - place(id)?) % PUBLISH_IDS;
        self.published.checked_sub(behind + 1)
    }

    /// Asks for the channel, and for what it missed of it if it was here before.
    fn subscribe(&self, to: &mut dyn Listener) {
        let since = self.position.as_ref().filter(|_| self.is_back);
        if since.is_some() {
            to.comes_back();
        }
        let command = self.encoding.subscribe(&Subscribe {
            channel: &self.channel,
            token: self.channel_token.as_deref(),
            wants_notices: self.wants_notices,
            offsets: self.offsets,
            since,
        });
        to.say(self.encoding.kind(), &command);
    }

    /// The channel is there.
    fn subscribed(&mut self, subscribed: Subscribed<'_>, to: &mut dyn Listener) {
        self.phase = Phase::Ready;
        if std::mem::take(&mut self.is_back) {
            to.came_back(match subscribed.is_recovered {
                true => Return::Recovered,
                false => Return::Refused,
            });
        }
        self.position = match self.offsets {
            Offsets::Kept => subscribed.position,
            Offsets::Ignored => None,
        };
        for bytes in subscribed.missed {
            to.payload(bytes, Place::Within);
        }
        self.stand_at(subscribed.last_offset);
    }

    fn stand_at(&mut self, offset: Option<u64>) {
        if let (Some(position), Some(offset)) = (&mut self.position, offset) {
            position.offset = offset;
        }
    }

    fn refused(&mut self, id: u32, why: &Reason, to: &mut dyn Listener) -> Result<(), String> {
        let told = why.told();
        match id {
            CONNECT_ID => Err(format!("the server refused to connect: {told}")),
            SUBSCRIBE_ID if self.is_back && why.code == UNRECOVERABLE => {
                self.is_back = false;
                to.came_back(Return::Refused);
                self.subscribe(to);
                Ok(())
            }
            SUBSCRIBE_ID => Err(format!("the server refused the channel: {told}")),
            _ => {
                let why = format!("the server refused to publish: {told}");
                match self.published_by(id) {
                    Some(number) => to.answered(number, Err(why)),
                    None => to.rejected(why),
                }
                Ok(())
            }
        }
    }

    fn hear(&mut self, heard: Heard<'_>, to: &mut dyn Listener) -> Result<(), String> {
        match heard {
            Heard::Ping if self.wants_pong => to.say(self.encoding.kind(), self.encoding.pong()),
            Heard::Ping => {}
            Heard::Publication { bytes, offset } => {
                self.stand_at(offset);
                to.payload(bytes, Place::Within);
            }
            Heard::Noticed(notice) => to.noticed(notice),
            Heard::Other(bytes) => to.payload(bytes, Place::Nowhere),
            Heard::Unsubscribed(why)
                if self.offsets == Offsets::Kept && why.code >= RESUBSCRIBE_CODE_MIN =>
            {
                self.is_back = self.position.is_some();
                self.subscribe(to);
            }
            Heard::Unsubscribed(why) => {
                return Err(format!("the server took the channel away: {}", why.told()));
            }
            Heard::Answer { id, answer } => match (id, answer, self.phase) {
                (id, Answer::Refused(why), _) => return self.refused(id, &why, to),
                (CONNECT_ID, Answer::Connected { wants_pong }, Phase::Connecting) => {
                    self.wants_pong = wants_pong;
                    self.phase = Phase::Subscribing;
                    self.subscribe(to);
                }
                (SUBSCRIBE_ID, Answer::Subscribed(subscribed), _) => {
                    if self.offsets == Offsets::Kept && subscribed.position.is_none() {
                        return Err(NO_POSITION.to_owned());
                    }
                    self.subscribed(subscribed, to);
                }
                (id, ..) => {
                    if let Some(number) = self.published_by(id) {
                        to.answered(number, Ok(()));
                    }
                }
            },
        }
        Ok(())
    }
}

impl Speaker for Talk {
    fn resumes(&mut self, from: &Position) {
        self.position = Some(from.clone());
        self.is_back = true;
    }

    fn position(&self) -> Option<Position> {
        self.position.clone()
    }

    fn opened(&mut self, _now_ns: u64, to: &mut dyn Listener) {
        to.say(self.encoding.kind(), &self.connect);
    }

    fn received(
        &mut self,
        _now_ns: u64,
        _kind: Kind,
        message: &[u8],
        to: &mut dyn Listener,
    ) -> Result<(), String> {
        let usual = std::mem::take(&mut self.usual);
        let how = (usual.as_slice(), self.offsets);
        let heard = self
            .encoding
            .hear(message, how, |heard| self.hear(heard, to));
        self.usual = usual;
        heard
    }

    fn waits_for(&self) -> Option<String> {
        let what = match self.phase {
            Phase::Connecting => "the answer to its connect command",
            Phase::Subscribing => "the answer to its subscribe command",
            Phase::Ready => return None,
        };
        Some(what.to_owned())
    }

    fn wrap(&mut self, payload: &[u8], out: &mut Vec<u8>) -> Kind {
        // From the end of all numbers to those after the first commands.
        self.last_id = self.last_id.checked_add(1).unwrap_or(SUBSCRIBE_ID + 1);
        self.published += 1;
        match self.encoding {
            Encoding::Json => {
                json::publish(self.last_id, &self.channel, out);
                self.data.put(payload, out);
                out.extend_from_slice(b"}}");
            }
            Encoding::Protobuf => {
                let data_bytes = self.data.size(payload);
                protobuf::publish(self.last_id, &self.channel, data_bytes, out);
                self.data.put(payload, out);
            }
        }
        self.encoding.kind()
    }
}
