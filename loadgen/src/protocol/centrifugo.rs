//! `centrifugo`: Centrifugo's bidirectional client protocol, in JSON or Protobuf: connect with a token, subscribe to
//! the channel of the room, publish and see it acknowledged, be told who comes and goes, come back to where it stood, answer
//! pings. Deltas are not asked for.

mod asked;
mod encoding;
mod heard;
mod json;
mod protobuf;
mod talk;

use std::sync::Arc;

use fanring::wire::message::Kind;

use self::asked::Offsets;
use self::encoding::{Encoding, SUBSCRIBE_ID};
use self::talk::{Phase, Talk};
use super::envelope::Envelope;
use super::seam::{Choice, Entry, Manner, Offer, Protocol, Speaker, Wishes};
use super::text::{Text, Who};

/// See the file.
pub(crate) const ENTRY: Entry = Entry {
    name: "centrifugo",
    about: "Centrifugo's client protocol, in JSON or Protobuf",
    choices: &[
        Choice {
            name: "encoding",
            default: "json",
            about: "json or protobuf",
        },
        Choice {
            name: "token",
            default: "",
            about: "token to connect with, such as {token} with --vars",
        },
        Choice {
            name: "channel",
            default: "room-{room}",
            about: "channel to subscribe to and publish in",
        },
        Choice {
            name: "channel-token",
            default: "",
            about: "token to subscribe with",
        },
        Choice {
            name: "join-leave",
            default: "no",
            about: "whether to be told who comes and goes, which is counted",
        },
        Choice {
            name: "recover",
            default: "no",
            about: "whether sessions that come back ask for what they missed, which is checked",
        },
        Choice {
            name: "publish",
            default: "\"{payload}\"",
            about: "what is published: JSON with {payload}",
        },
    ],
    manner: Manner::Own,
    make,
};

/// What the chosen texts are, the same for all sessions.
#[derive(Clone, Debug)]
struct Centrifugo {
    encoding: Encoding,
    token: Option<Text>,
    channel: Text,
    channel_token: Option<Text>,
    wants_notices: bool,
    offsets: Offsets,
    data: Envelope,
}

fn make(wishes: &Wishes<'_>) -> anyhow::Result<Arc<dyn Protocol>> {
    Ok(Arc::new(Centrifugo {
        encoding: match wishes.is_second("encoding", ["json", "protobuf"])? {
            false => Encoding::Json,
            true => Encoding::Protobuf,
        },
        token: wishes.optional_text("token")?,
        channel: wishes.text("channel")?,
        channel_token: wishes.optional_text("channel-token")?,
        wants_notices: wishes.is_second("join-leave", ["no", "yes"])?,
        offsets: match wishes.is_second("recover", ["no", "yes"])? {
            false => Offsets::Ignored,
            true => Offsets::Kept,
        },
        data: wishes.envelope("publish")?,
    }))
}

impl Protocol for Centrifugo {
    fn offer(&self) -> Offer {
        Offer {
            path: Some("/connection/websocket".to_owned()),
            // Without one, JSON is spoken; clients of the project offer none for it.
            subprotocols: match self.encoding {
                Encoding::Json => Vec::new(),
                Encoding::Protobuf => vec!["centrifuge-protobuf".to_owned()],
            },
            ..Offer::default()
        }
    }

    fn arrives_as(&self) -> Option<Kind> {
        Some(self.encoding.kind())
    }

    fn returns_own(&self) -> bool {
        true
    }

    fn acknowledges(&self) -> bool {
        true
    }

    fn recovers(&self) -> bool {
        self.offsets == Offsets::Kept
    }

    fn speaker(&self, who: &Who<'_>) -> Box<dyn Speaker> {
        let encoding = self.encoding;
        let string = |text: &Text| encoding.string(text.fill(who));
        let channel = string(&self.channel);
        let token = self.token.as_ref().map(string);
        Box::new(Talk {
            encoding,
            phase: Phase::Connecting,
            connect: encoding.connect(token.as_deref()),
            channel_token: self.channel_token.as_ref().map(string),
            wants_notices: self.wants_notices,
            offsets: self.offsets,
            usual: json::usual(&channel),
            channel,
            data: self.data.fill(who),
            wants_pong: false,
            position: None,
            is_back: false,
            last_id: SUBSCRIBE_ID,
            published: 0,
        })
    }
}

#[cfg(test)]
mod tests;
